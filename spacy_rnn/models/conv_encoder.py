"""Encoders that look at the neighbours of each token first, and then read the whole text."""

from typing import List

from thinc.api import Model
from thinc.types import Floats2d

from ..checks import check_width
from ..layers.convolution import Convolution
from ..layers.ragged import with_ragged
from ..layers.stack import stack
from .encoder import RNNEncoder


def ConvRNNEncoder(
    cell: str,
    width: int,
    window_size: int,
    conv_depth: int,
    depth: int,
    bidirectional: bool = True,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    residual: bool = False,
    layer_norm: bool = False,
) -> Model[List[Floats2d], List[Floats2d]]:
    """Convolutions over the tokens of a text, and an `RNNEncoder` over what they make of them: the
    phrase around each token first, the whole text after.

    The convolutions are those of `spacy.MaxoutWindowEncoder.v2`, as wide as their input, to which
    they add. None of them reads beyond the ends of a text, so its vectors do not depend on the
    batch that it is in.

    cell (str): The cell of the recurrent layers, as that of `RNNEncoder`.
    width (int): Width of the output; even with two directions. Recommended: 64 to 512.
    window_size (int): How many tokens on either side of its own a convolution sees. With
        bidirectional = false, how many before it: then it sees none that follows. Recommended: 1.
    conv_depth (int): Number of convolutions. Recommended: 1 to 4.
    depth (int): Number of recurrent layers. Recommended: 1 or 2.
    bidirectional (bool): Read each text from both ends, and look at both neighbours.
    dropout (float): Initial rate of the dropout on each layer's output, and on what each
        convolution adds; `spacy train` sets it to [training] dropout.
    recurrent_dropout, weight_dropout (float): Of the recurrent layers, as in `RNNEncoder`.
    residual (bool): Add the input of each recurrent layer but the first to its output.
    layer_norm (bool): Normalize the output of each recurrent layer.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): (n_tokens, nI) -> (n_tokens, width) for
        each text. nI is inferred from the embedding.
    RAISES (ValueError): For a window or a depth below 1, and as `RNNEncoder`.
    """
    for what, value in (("window_size", window_size), ("conv_depth", conv_depth)):
        check_width(what, value)
    encoder = RNNEncoder(
        cell,
        width,
        depth,
        bidirectional=bidirectional,
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        weight_dropout=weight_dropout,
        residual=residual,
        layer_norm=layer_norm,
    )
    n_after = window_size if bidirectional else 0
    convolutions = [
        Convolution(n_before=window_size, n_after=n_after, dropout=dropout)
        for _ in range(conv_depth)
    ]
    model = with_ragged(stack(*convolutions, encoder.layers[0]))
    model.set_dim("nO", width)
    # What tells pooling which columns were read from the end.
    model.attrs.update(encoder.attrs)
    return model
