"""Dropout with a rate that is part of the model."""

from typing import Callable, Tuple

from thinc.api import Model
from thinc.types import FloatsXd

InT = FloatsXd


def configured_dropout(name: str, rate: float) -> Model[InT, InT]:
    """Dropout at the rate of the constructor, which `set_dropout_rate` turns off and on.

    spaCy sets one rate, `[training] dropout`, on every node of a model before each update. The
    rates of recurrent and weight dropout differ from it on purpose, so here a dropout rate of
    0 means "off", and any other "as configured". `attrs["rate"]` is the configured rate, which
    `set_dropout_rate(model, 0.2, attrs=["rate"])` changes.

    name (str): Name of the node.
    rate (float): Share of the values that are set to zero; the others are scaled up.
    RETURNS (Model[FloatsXd, FloatsXd]): The layer.
    """
    return Model(name, forward, attrs={"dropout_rate": rate, "rate": rate})


def forward(model: Model[InT, InT], X: InT, is_train: bool) -> Tuple[InT, Callable]:
    if not is_active(model, is_train):
        return X, lambda dY: dY
    mask = model.ops.get_dropout_mask(X.shape, model.attrs["rate"]).astype(X.dtype)

    def backprop(dY: InT) -> InT:
        return dY * mask

    return X * mask, backprop


def is_active(model: Model[InT, InT], is_train: bool) -> bool:
    """RETURNS (bool): Whether the layer drops anything in this pass."""
    return bool(is_train and model.attrs["dropout_rate"] and model.attrs["rate"])
