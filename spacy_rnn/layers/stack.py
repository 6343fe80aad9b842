"""Run layers one after another, those at the bottom that are frozen for nothing."""

from typing import Any, Callable, List, Tuple

from thinc.api import Model, chain
from thinc.types import Ragged

from .freezing import constant, frozen_prefix, is_constant, no_gradient

InT = Ragged
OutT = Ragged


def stack(*layers: Model[InT, OutT]) -> Model[InT, OutT]:
    """Thinc's `chain`, except that gradients end where no layer learns any more.

    layers (Model[Ragged, Ragged]): Two or more.
    RETURNS (Model[Ragged, Ragged]): (n_tokens, nI) -> (n_tokens, nO).
    """
    model: Model[InT, OutT] = chain(*layers)
    model.replace_callbacks(forward, init=model.init)
    return model


def forward(model: Model[InT, OutT], Xr: InT, is_train: bool) -> Tuple[OutT, Callable]:
    ops, width = model.ops, Xr.dataXd.shape[-1]
    # Where the input asks for a gradient, it has to go through the frozen layers.
    n_frozen = frozen_prefix(model.layers) if is_train and is_constant(Xr) else 0
    callbacks: List[Callable[[Any], Any]] = []
    Yr: Any = Xr
    for i, layer in enumerate(model.layers):
        Yr, callback = layer(Yr, is_train)
        if i < n_frozen:
            # Residual connections and normalization lose the mark.
            Yr = constant(Yr)
        else:
            callbacks.append(callback)

    def backprop(dYr: Any) -> InT:
        for callback in reversed(callbacks):
            dYr = callback(dYr)
        return no_gradient(ops, Xr, width) if n_frozen else dYr

    return Yr, backprop
