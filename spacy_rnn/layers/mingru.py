"""Minimal gated recurrent unit without recurrent weights."""

from functools import partial
from typing import Any, Optional

from thinc.api import Model, glorot_uniform_init
from thinc.types import Ragged

from .engines.base import MINGRU as CELL
from .initializers import InitT
from .recurrent import init_parameters, recurrent_layer

InT = Ragged
OutT = Ragged


def MinGRU(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    forget_bias: float = 1.0,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    train_state: bool = False,
    init_Wx: InitT = glorot_uniform_init,
) -> Model[InT, OutT]:
    """A minGRU layer, read left to right: a GRU whose gate does not look at the state.

        z   = sigmoid(Wx x_t + b)
        h~  = Wx x_t + b
        h_t = (1 - z) h_{t-1} + z h~

    Feng et al. (2024), "Were RNNs all we needed?", in its plain form, whose candidate h~ is linear.
    All products are done before the loop, in one. Parameters: Wx (2*nO, nI) and b (2*nO,), in the
    gate order z, h~; h0 (nO,) if the initial state is trained.

    nO (Optional[int]): Width of the hidden state and of the output.
    nI (Optional[int]): Width of the input.
    forget_bias (float): The bias of z starts at -forget_bias, so that as much is kept as by a
        forget gate with this bias: at 1 the cell remembers before it has learned to.
    dropout (float): Rate on the outputs, the `dropout_rate` that `set_dropout_rate` changes.
    recurrent_dropout, weight_dropout (float): Must be 0: there are no recurrent weights.
    train_state (bool): Learn the initial state instead of starting from zeros.
    init_Wx (Callable): Initializer, called for each gate.
    RETURNS (Model[Ragged, Ragged]): (n_tokens, nI) -> (n_tokens, nO).
    """
    return recurrent_layer(
        "mingru",
        CELL,
        nO,
        nI,
        init=partial(init, init_Wx, forget_bias),
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        weight_dropout=weight_dropout,
        train_state=train_state,
    )


def init(
    init_Wx: InitT,
    forget_bias: float,
    model: Model[InT, OutT],
    X: Optional[InT] = None,
    Y: Optional[OutT] = None,
) -> None:
    init_parameters(model, X, Y, init_Wx)
    b: Any = model.get_param("b")
    b[: model.get_dim("nO")] = -forget_bias
    model.set_param("b", b)
