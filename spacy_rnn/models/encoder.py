"""Recurrent encoders: from the vectors of a text's tokens to vectors in context."""

from functools import partial
from typing import Any, Callable, Dict, List

from thinc.api import LayerNorm, Model, chain, residual, with_array
from thinc.types import Floats2d, Ragged

from ..checks import check_width
from ..errors import Errors
from ..layers.bidirectional import bidirectional as read_both_ways
from ..layers.elman import Elman
from ..layers.gru import GRU
from ..layers.lstm import LSTM
from ..layers.mingru import MinGRU
from ..layers.qrnn import QRNN
from ..layers.ragged import with_ragged
from ..layers.stack import stack

# What `cell` may be. To add a cell, see CONTRIBUTING.md.
CELLS: Dict[str, Callable[..., Model[Ragged, Ragged]]] = {
    "elman": Elman,
    "lstm": LSTM,
    "gru": GRU,
    "qrnn": QRNN,
    "mingru": MinGRU,
}


def RNNEncoder(
    cell: str,
    width: int,
    depth: int,
    bidirectional: bool = True,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    residual: bool = False,
    layer_norm: bool = False,
) -> Model[List[Floats2d], List[Floats2d]]:
    """A stack of recurrent layers, to encode the tokens of a text in context.

    Usable as `encode` of `spacy.Tok2Vec.v2`, under every component that has a tok2vec, and under
    `spacy pretrain`. A text's vectors do not depend on the batch that it is in.

    cell (str): "lstm", "gru" or "elman"; or "qrnn" or "mingru", which have no recurrent weights and
        are the fastest. Each with the defaults of its layer.
    width (int): Width of the output. With two directions each has half of it, so it must be
        even. Recommended: 64 to 512.
    depth (int): Number of layers. Recommended: 1 or 2.
    bidirectional (bool): Read each text from both ends. Must be off for a language model.
    dropout (float): Initial rate of the dropout on each layer's output; `spacy train` sets it
        to [training] dropout.
    recurrent_dropout (float): Rate of variational dropout on the hidden state.
    weight_dropout (float): Rate of dropout on the recurrent weights. Both keep their rates when
        the dropout rate is set, except that a rate of 0 turns them off as well. For "qrnn" and
        "mingru" both must be 0.
    residual (bool): Add the input of each layer but the first to its output.
    layer_norm (bool): Normalize the output of each layer.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): (n_tokens, nI) -> (n_tokens, width) for
        each text. nI is inferred from the embedding.
    RAISES (ValueError): For an unknown cell, an odd width with two directions, or dropout on
        recurrent weights that the cell does not have.
    """
    if cell not in CELLS:
        raise ValueError(Errors.E002.format(cell=cell, cells=", ".join(CELLS)))
    check_width("width", width)
    check_width("depth", depth)
    if bidirectional and width % 2:
        raise ValueError(Errors.E001.format(width=width, lower=width - 1, upper=width + 1))
    make_layer = partial(
        CELLS[cell],
        width // 2 if bidirectional else width,
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        weight_dropout=weight_dropout,
    )
    layers = [
        _build_layer(
            make_layer,
            nI=None if i == 0 else width,
            bidirectional=bidirectional,
            add_input=residual and i > 0,
            layer_norm=layer_norm,
            width=width,
        )
        for i in range(depth)
    ]
    model = with_ragged(layers[0] if depth == 1 else stack(*layers))
    model.set_dim("nO", width)
    model.attrs["bidirectional"] = bidirectional
    if bidirectional:
        # The column from which on each text was read from its end; pooling needs to know.
        model.attrs["reverse_from"] = width // 2
    return model


def _build_layer(
    make_layer: Callable[..., Model[Ragged, Ragged]],
    *,
    nI: Any,
    bidirectional: bool,
    add_input: bool,
    layer_norm: bool,
    width: int,
) -> Model[Ragged, Ragged]:
    """One layer of the stack: the recurrence, and what is wrapped around it."""
    layer = make_layer(nI=nI)
    if bidirectional:
        layer = read_both_ways(layer, make_layer(nI=nI))
    if layer_norm:
        layer = chain(layer, with_array(LayerNorm(width)))
    if add_input:
        layer = residual(layer)
    return layer
