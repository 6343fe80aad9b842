"""The one table of cells, and of the models built from them, that the guarantees are tested on.

A new cell goes into CELLS; every test of a guarantee then covers it.
"""

from typing import Any, Callable, Dict, List

import numpy
from thinc.api import Model, Ragged
from thinc.types import Floats2d

from spacy_rnn.layers import GRU, LSTM, Elman, bidirectional
from spacy_rnn.models import RNNEncoder

CELLS: Dict[str, Callable[..., Model[Ragged, Ragged]]] = {
    "elman": Elman,
    "elman-relu": lambda *args, **kwargs: Elman(*args, activation="relu", **kwargs),
    "lstm": LSTM,
    "gru": GRU,
}
# Names of the cells as `RNNEncoder` knows them.
ENCODER_CELLS = ["elman", "lstm", "gru"]


def layers(nO: int, nI: int, **kwargs: Any) -> Dict[str, Callable[[], Model[Ragged, Ragged]]]:
    """Each cell in one direction and in two, and two different cells together."""
    table: Dict[str, Callable[[], Model[Ragged, Ragged]]] = {}
    for name, cell in CELLS.items():
        table[name] = lambda cell=cell: cell(nO, nI, **kwargs)
        table[f"{name}-both"] = lambda cell=cell: bidirectional(
            cell(nO, nI, **kwargs), cell(nO, nI, **kwargs)
        )
    table["mixed-both"] = lambda: bidirectional(GRU(nO, nI, **kwargs), LSTM(nO + 1, nI, **kwargs))
    return table


def encoders(width: int) -> Dict[str, Callable[[], Model[List[Floats2d], List[Floats2d]]]]:
    """Each cell in each direction and depth, plain and with everything around it."""
    table: Dict[str, Callable[[], Model[List[Floats2d], List[Floats2d]]]] = {}
    for cell in ENCODER_CELLS:
        for both in (False, True):
            for depth in (1, 2, 3):
                for extras in (False, True):
                    name = f"{cell}-{'both' if both else 'forward'}-{depth}"
                    options = dict(bidirectional=both, residual=extras, layer_norm=extras)
                    table[name + ("-residual-norm" if extras else "")] = (
                        lambda cell=cell, depth=depth, options=options: RNNEncoder(
                            cell, width, depth, **options
                        )
                    )
    return table


def randomize(
    model: Model[Any, Any], rng: numpy.random.RandomState, dtype: str = "float32"
) -> None:
    """Give every parameter a random value, zeros and ones too, so that no gradient is hidden."""
    for node in model.walk():
        for param in node.param_names:
            value = node.get_param(param)
            noise = 0.2 * rng.standard_normal(value.shape)
            node.set_param(param, (value + noise).astype(dtype))


def ragged(rng: numpy.random.RandomState, lengths: List[int], width: int, dtype: str = "float32"):
    """Random sequences of the given lengths."""
    X = rng.standard_normal((sum(lengths), width)).astype(dtype)
    return Ragged(X, numpy.asarray(lengths, dtype="int32"))


def sequences(
    rng: numpy.random.RandomState, lengths: List[int], width: int, dtype: str = "float32"
):
    """The same as a list of arrays."""
    return [rng.standard_normal((length, width)).astype(dtype) for length in lengths]


def parameters(model: Model[Any, Any]) -> Dict[str, Any]:
    """All parameters by a name that tells them apart."""
    return {
        f"{i}.{node.name}.{param}": node.get_param(param)
        for i, node in enumerate(model.walk())
        for param in node.param_names
    }


def gradients(model: Model[Any, Any]) -> Dict[str, Any]:
    """Their gradients, zeros for those that have none."""
    return {
        f"{i}.{node.name}.{param}": node.get_grad(param)
        if node.has_grad(param)
        else node.get_param(param) * 0
        for i, node in enumerate(model.walk())
        for param in node.param_names
    }
