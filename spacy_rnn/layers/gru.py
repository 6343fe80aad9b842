"""Gated recurrent unit."""

from functools import partial
from typing import Optional

from thinc.api import Model, glorot_uniform_init
from thinc.types import Ragged

from .engines.base import GRU as CELL
from .initializers import InitT, orthogonal_init
from .recurrent import init_parameters, recurrent_layer

InT = Ragged
OutT = Ragged


def GRU(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    train_state: bool = False,
    init_Wx: InitT = glorot_uniform_init,
    init_Wh: InitT = orthogonal_init,
) -> Model[InT, OutT]:
    """A GRU layer, read left to right.

        r, z = sigmoid(Wx x_t + Wh h_{t-1} + b)
        n    = tanh(Wx x_t + b + r (Wh h_{t-1} + bh))
        h_t  = (1 - z) n + z h_{t-1}

    Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder", with the
    reset gate applied after the matrix product, as cuDNN does. Parameters: Wx (3*nO, nI),
    Wh (3*nO, nO), b (3*nO,), bh (nO,), in the gate order r, z, n of PyTorch; h0 (nO,) if the
    initial state is trained.

    nO (Optional[int]): Width of the hidden state and of the output.
    nI (Optional[int]): Width of the input.
    dropout (float): Rate on the outputs, the `dropout_rate` that `set_dropout_rate` changes.
    recurrent_dropout (float): Rate on h_{t-1} in the gates, with one mask for all steps of a
        sequence (Gal & Ghahramani 2016).
    weight_dropout (float): Rate on the entries of Wh, drawn once a batch (Merity et al. 2018).
    train_state (bool): Learn the initial state instead of starting from zeros.
    init_Wx, init_Wh (Callable): Initializers, called for each gate.
    RETURNS (Model[Ragged, Ragged]): (n_tokens, nI) -> (n_tokens, nO).
    """
    return recurrent_layer(
        "gru",
        CELL,
        nO,
        nI,
        init=partial(init, init_Wx, init_Wh),
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        weight_dropout=weight_dropout,
        train_state=train_state,
    )


def init(
    init_Wx: InitT,
    init_Wh: InitT,
    model: Model[InT, OutT],
    X: Optional[InT] = None,
    Y: Optional[OutT] = None,
) -> None:
    init_parameters(model, X, Y, init_Wx, init_Wh)
