"""Long short-term memory."""

from functools import partial
from typing import Any, Optional

from thinc.api import Model, glorot_uniform_init
from thinc.types import Ragged

from .engines.base import LSTM as CELL
from .initializers import InitT, orthogonal_init
from .recurrent import init_parameters, recurrent_layer

InT = Ragged
OutT = Ragged


def LSTM(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    forget_bias: float = 1.0,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    train_state: bool = False,
    init_Wx: InitT = glorot_uniform_init,
    init_Wh: InitT = orthogonal_init,
) -> Model[InT, OutT]:
    """An LSTM layer with forget gates, read left to right.

        i, f, o = sigmoid(Wx x_t + Wh h_{t-1} + b)
        g       = tanh(Wx x_t + Wh h_{t-1} + b)
        c_t     = f c_{t-1} + i g
        h_t     = o tanh(c_t)

    Hochreiter & Schmidhuber (1997), "Long short-term memory"; Gers et al. (2000), "Learning to
    forget". Parameters: Wx (4*nO, nI), Wh (4*nO, nO), b (4*nO,), in the gate order i, f, g, o of
    PyTorch; h0 (nO,) and c0 (nO,) if the initial state is trained.

    nO (Optional[int]): Width of the hidden state and of the output.
    nI (Optional[int]): Width of the input.
    forget_bias (float): Where the bias of the forget gate starts; at 1 the cell remembers
        before it has learned to (Jozefowicz et al. 2015).
    dropout (float): Rate on the outputs, the `dropout_rate` that `set_dropout_rate` changes.
    recurrent_dropout (float): Rate on h_{t-1} in the gates, with one mask for all steps of a
        sequence (Gal & Ghahramani 2016); recommended: 0 to 0.3.
    weight_dropout (float): Rate on the entries of Wh, drawn once a batch (Merity et al. 2018);
        recommended: 0 to 0.5.
    train_state (bool): Learn the initial state instead of starting from zeros.
    init_Wx, init_Wh (Callable): Initializers, called for each gate.
    RETURNS (Model[Ragged, Ragged]): (n_tokens, nI) -> (n_tokens, nO).
    """
    return recurrent_layer(
        "lstm",
        CELL,
        nO,
        nI,
        init=partial(init, init_Wx, init_Wh, forget_bias),
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        weight_dropout=weight_dropout,
        train_state=train_state,
    )


def init(
    init_Wx: InitT,
    init_Wh: InitT,
    forget_bias: float,
    model: Model[InT, OutT],
    X: Optional[InT] = None,
    Y: Optional[OutT] = None,
) -> None:
    init_parameters(model, X, Y, init_Wx, init_Wh)
    nO = model.get_dim("nO")
    b: Any = model.get_param("b")
    b[nO : 2 * nO] = forget_bias
    model.set_param("b", b)
