"""The simple recurrent network."""

from functools import partial
from typing import Literal, Optional

from thinc.api import Model, glorot_uniform_init
from thinc.types import Ragged

from ..errors import Errors
from .engines.base import ELMAN_RELU, ELMAN_TANH
from .initializers import InitT, orthogonal_init
from .recurrent import init_parameters, recurrent_layer

InT = Ragged
OutT = Ragged
CELLS = {"tanh": ELMAN_TANH, "relu": ELMAN_RELU}


def Elman(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    activation: Literal["tanh", "relu"] = "tanh",
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    train_state: bool = False,
    init_Wx: InitT = glorot_uniform_init,
    init_Wh: InitT = orthogonal_init,
) -> Model[InT, OutT]:
    """A simple recurrent layer, read left to right: h_t = act(Wx x_t + Wh h_{t-1} + b).

    Elman (1990), "Finding structure in time". Parameters: Wx (nO, nI), Wh (nO, nO), b (nO,);
    h0 (nO,) if the initial state is trained.

    nO (Optional[int]): Width of the hidden state and of the output.
    nI (Optional[int]): Width of the input.
    activation (str): "tanh" or "relu". With "relu" the state is unbounded; clip the gradient.
    dropout (float): Rate on the outputs, the `dropout_rate` that `set_dropout_rate` changes.
    recurrent_dropout (float): Rate on h_{t-1}, with one mask for all steps of a sequence
        (Gal & Ghahramani 2016).
    weight_dropout (float): Rate on the entries of Wh, drawn once a batch (Merity et al. 2018).
    train_state (bool): Learn the initial state instead of starting from zeros.
    init_Wx, init_Wh (Callable): Initializers.
    RETURNS (Model[Ragged, Ragged]): (n_tokens, nI) -> (n_tokens, nO).
    RAISES (ValueError): For an unknown activation.
    """
    if activation not in CELLS:
        raise ValueError(
            Errors.E009.format(what="activation", found=activation, expected=", ".join(CELLS))
        )
    return recurrent_layer(
        "elman",
        CELLS[activation],
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
