"""Quasi-recurrent network."""

from functools import partial
from typing import Any, Literal, Optional

from thinc.api import Model, glorot_uniform_init
from thinc.types import Ragged

from ..errors import Errors
from .engines.base import QRNN_F, QRNN_FO, QRNN_IFO
from .initializers import InitT
from .recurrent import init_parameters, recurrent_layer

InT = Ragged
OutT = Ragged
CELLS = {"f": QRNN_F, "fo": QRNN_FO, "ifo": QRNN_IFO}


def QRNN(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    window: int = 1,
    pooling: Literal["f", "fo", "ifo"] = "fo",
    forget_bias: float = 1.0,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    train_state: bool = False,
    init_Wx: InitT = glorot_uniform_init,
) -> Model[InT, OutT]:
    """A quasi-recurrent layer, read left to right: a convolution over time, then an elementwise
    recurrence. With x the last `window` inputs, side by side, x_{t-window+1} to x_t:

        z       = tanh(Wx x + b)
        f, o, i = sigmoid(Wx x + b)
        "f":      h_t = f h_{t-1} + (1 - f) z
        "fo":     c_t = f c_{t-1} + (1 - f) z,  h_t = o c_t
        "ifo":    c_t = f c_{t-1} + i z,        h_t = o c_t

    Bradbury et al. (2016), "Quasi-recurrent neural networks". All products are done before the
    loop, in one. Parameters: Wx (nG*nO, window*nI) and b (nG*nO,), in the gate order z, f, o, i of
    the paper, as far as the pooling has them; the columns of Wx begin with the oldest input of the
    window. h0 (nO,), or c0 (nO,) with "fo" and "ifo", if the initial state is trained.

    nO (Optional[int]): Width of the hidden state and of the output.
    nI (Optional[int]): Width of the input.
    window (int): How many inputs each step sees: its own and those just before it, zeros before the
        first. Recommended: 1 or 2; the paper has 2 in the first layer, and up to 6 over characters.
    pooling (str): "f", "fo" or "ifo". The paper's experiments are with "fo".
    forget_bias (float): Where the bias of the forget gate starts; at 1 the cell remembers before it
        has learned to, as in the LSTM.
    dropout (float): Rate on the outputs, the `dropout_rate` that `set_dropout_rate` changes.
    recurrent_dropout, weight_dropout (float): Must be 0: there are no recurrent weights.
    train_state (bool): Learn the initial state instead of starting from zeros.
    init_Wx (Callable): Initializer, called for each gate with (nO, window*nI).
    RETURNS (Model[Ragged, Ragged]): (n_tokens, nI) -> (n_tokens, nO).
    RAISES (ValueError): For an unknown pooling, or a window below 1.
    """
    if pooling not in CELLS:
        raise ValueError(
            Errors.E009.format(what="pooling", found=pooling, expected=", ".join(CELLS))
        )
    return recurrent_layer(
        "qrnn",
        CELLS[pooling],
        nO,
        nI,
        init=partial(init, init_Wx, forget_bias),
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        weight_dropout=weight_dropout,
        train_state=train_state,
        window=window,
    )


def init(
    init_Wx: InitT,
    forget_bias: float,
    model: Model[InT, OutT],
    X: Optional[InT] = None,
    Y: Optional[OutT] = None,
) -> None:
    init_parameters(model, X, Y, init_Wx)
    nO = model.get_dim("nO")
    b: Any = model.get_param("b")
    b[nO : 2 * nO] = forget_bias
    model.set_param("b", b)
