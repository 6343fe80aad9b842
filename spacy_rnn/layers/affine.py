"""An affine map of rows."""

from typing import Any, Callable, Optional, Tuple, cast

from thinc.api import Model, glorot_uniform_init
from thinc.types import Floats2d

from ..errors import Errors

InT = Floats2d
OutT = Floats2d


def Affine(nO: Optional[int] = None, nI: Optional[int] = None) -> Model[InT, OutT]:
    """Y = X W^T + b, as Thinc's `Linear`, but by numpy's product, in the type of the weights.

    Parameters: W (nO, nI) and b (nO,).

    nO (Optional[int]): Width of the output.
    nI (Optional[int]): Width of the input.
    RETURNS (Model[Floats2d, Floats2d]): (n, nI) -> (n, nO).
    """
    return Model(
        "affine", forward, init=init, dims={"nO": nO, "nI": nI}, params={"W": None, "b": None}
    )


def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> Tuple[OutT, Callable]:
    W, b = cast(Any, model.get_param("W")), cast(Any, model.get_param("b"))
    if X.shape[1] != W.shape[1]:
        raise ValueError(Errors.E003.format(name=model.name, expected=W.shape[1], found=X.shape[1]))

    def backprop(dY: OutT) -> InT:
        model.inc_grad("W", cast(Any, dY.T @ X))
        model.inc_grad("b", cast(Any, dY.sum(axis=0)))
        return cast(InT, dY @ W)

    return cast(OutT, X @ W.T + b), backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    for dim, sample in (("nI", X), ("nO", Y)):
        if sample is not None and model.has_dim(dim) is None:
            model.set_dim(dim, sample.shape[1])
        if model.has_dim(dim) is None:
            raise ValueError(Errors.E004.format(name=model.name, dim=dim))
    shape = (model.get_dim("nO"), model.get_dim("nI"))
    model.set_param("W", glorot_uniform_init(model.ops, shape))
    model.set_param("b", model.ops.alloc1f(shape[0]))
