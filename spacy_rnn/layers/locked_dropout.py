"""Variational dropout: one mask for all steps of a sequence."""

from typing import Callable, Tuple, cast

from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..checks import check_rate
from .dropout import dropout_mask

InT = Ragged


def locked_dropout(rate: float = 0.0) -> Model[InT, InT]:
    """Drop the same columns at every step of a sequence (Gal & Ghahramani 2016).

    rate (float): Rate at first; `set_dropout_rate` changes it.
    RETURNS (Model[Ragged, Ragged]): (n_tokens, width) -> (n_tokens, width).
    RAISES (ValueError): If the rate is not at least 0 and less than 1.
    """
    check_rate("dropout", rate)
    return Model("locked_dropout", forward, attrs={"dropout_rate": rate})


def forward(model: Model[InT, InT], Xr: InT, is_train: bool) -> Tuple[InT, Callable]:
    rate = model.attrs["dropout_rate"]
    if not is_train or not rate:
        return Xr, lambda dYr: dYr
    X, xp = cast(Floats2d, Xr.dataXd), model.ops.xp
    mask = dropout_mask(model.ops, (len(Xr.lengths), X.shape[1]), rate, X.dtype)
    rows = xp.repeat(mask, model.ops.to_numpy(Xr.lengths).tolist(), axis=0)
    Y = rows * X

    def backprop(dYr: InT) -> InT:
        return Ragged(dYr.dataXd * rows, Xr.lengths)

    return Ragged(Y, Xr.lengths), backprop
