"""The one table of cells, and of the models built from them, that the guarantees are tested on.

A new cell goes into CELLS; every test of a guarantee then covers it.
"""

from functools import partial
from typing import Any, Callable, Dict, List

import numpy
from thinc.api import Model, Ragged
from thinc.types import Floats2d

from spacy_rnn.layers import GRU, LSTM, QRNN, Elman, MinGRU, bidirectional
from spacy_rnn.models import RNNEncoder

# What computes them on the CPU; torch does so in the tests alone.
CPU_ENGINES = ["numpy", "numba"]
ENGINES = [*CPU_ENGINES, "torch"]
CELLS: Dict[str, Callable[..., Model[Ragged, Ragged]]] = {
    "elman": Elman,
    "elman-relu": partial(Elman, activation="relu"),
    "lstm": LSTM,
    "gru": GRU,
    "qrnn-f": partial(QRNN, pooling="f"),
    "qrnn-fo": partial(QRNN, pooling="fo"),
    "qrnn-ifo": partial(QRNN, pooling="ifo"),
    "qrnn-f-window-3": partial(QRNN, pooling="f", window=3),
    "qrnn-fo-window-2": partial(QRNN, pooling="fo", window=2),
    "qrnn-ifo-window-3": partial(QRNN, pooling="ifo", window=3),
    "mingru": MinGRU,
}
# Those without recurrent weights, and the arguments that are of no use to them.
SCANS = [name for name in CELLS if name.startswith(("qrnn", "mingru"))]
RECURRENT_KINDS = ["recurrent_dropout", "weight_dropout"]
# Those with, for what is tested of the recurrent weights.
WITH_RECURRENT_WEIGHTS = [name for name in CELLS if name not in SCANS]
# Names of the cells as `RNNEncoder` knows them.
ENCODER_CELLS = ["elman", "lstm", "gru", "qrnn", "mingru"]


def layers(nO: int, nI: int, **kwargs: Any) -> Dict[str, Callable[[], Model[Ragged, Ragged]]]:
    """Each cell in one direction and in two, and two different cells or windows together. Dropout
    on recurrent weights goes to the cells that have them."""
    table: Dict[str, Callable[[], Model[Ragged, Ragged]]] = {}
    for_scans = {key: value for key, value in kwargs.items() if key not in RECURRENT_KINDS}
    for name, cell in CELLS.items():
        make = partial(cell, nO, nI, **(for_scans if name in SCANS else kwargs))
        table[name] = make
        table[f"{name}-both"] = lambda make=make: bidirectional(make(), make())
    table["mixed-both"] = lambda: bidirectional(GRU(nO, nI, **kwargs), LSTM(nO + 1, nI, **kwargs))
    table["mixed-windows-both"] = lambda: bidirectional(
        QRNN(nO, nI, window=2, **for_scans), QRNN(nO, nI, window=3, **for_scans)
    )
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
