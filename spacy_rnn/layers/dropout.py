"""Dropout with a rate that is part of the model."""

from typing import Any, Callable, Tuple

import numpy
from thinc.api import Model, Ops, set_dropout_rate
from thinc.types import FloatsXd

from ..checks import is_number
from ..errors import number_error
from .configured import Rate

InT = FloatsXd


def configured_dropout(name: str, rate: float) -> Model[InT, InT]:
    """Dropout at the rate of the constructor, which `set_dropout_rate` turns off and on.

    spaCy sets one rate, `[training] dropout`, on every node of a model before each update. The
    rates of recurrent and weight dropout differ from it on purpose, so here a dropout rate of
    0 means "off", and any other "as configured". `attrs["rate"]` is the configured rate, which
    `set_dropout_rate(model, 0.2, attrs=["rate"])` changes. Weights that are loaded leave it as it
    was configured.

    name (str): Name of the node.
    rate (float): Share of the values that are set to zero; the others are scaled up.
    RETURNS (Model[FloatsXd, FloatsXd]): The layer.
    """
    return Model(name, forward, attrs={"dropout_rate": rate, "rate": Rate(rate)})


def forward(model: Model[InT, InT], X: InT, is_train: bool) -> Tuple[InT, Callable]:
    if not is_active(model, is_train):
        return X, lambda dY: dY
    mask = dropout_mask(model.ops, X.shape, model.attrs["rate"], X.dtype)

    def backprop(dY: InT) -> InT:
        return dY * mask

    return X * mask, backprop


def set_drop(model: Model[Any, Any], drop: float) -> None:
    """Set the dropout rate of all layers of a model, as a component's `update` is given it.

    Rates of constructors must be less than 1. This one may be 1 too, as spaCy's components take it:
    then the layers give zeros.

    model (Model): The model.
    drop (float): The rate.
    RAISES (ValueError): E011 if it is not from 0 to 1.
    """
    if not is_number(drop) or not 0.0 <= float(drop) <= 1.0:
        raise number_error("drop, the dropout rate,", "from 0 to 1", drop)
    set_dropout_rate(model, float(drop))


def is_active(model: Model[Any, Any], is_train: bool) -> bool:
    """RETURNS (bool): Whether the layer drops anything in this pass."""
    return bool(is_train and model.attrs["dropout_rate"] and model.attrs["rate"])


def dropout_mask(ops: Ops, shape: Tuple[int, ...], rate: float, dtype: Any) -> Any:
    """Draw what outputs are multiplied by.

    Thinc's own draws a float64 number for each value, which takes a fifth of the time of training
    a fast cell. Here sixteen bits decide, so the rate is met to 1 in 100,000. What is drawn follows
    from NumPy's global state, which `fix_random_seed` sets, as in Thinc.

    RETURNS (FloatsXd): 0 at that rate, else 1 / (1 - rate).
    """
    if rate >= 1.0:  # nothing is left to be scaled up
        return ops.xp.zeros(shape, dtype=dtype)
    if ops.xp is not numpy:
        return ops.get_dropout_mask(shape, rate).astype(dtype)
    if not rate:
        return numpy.ones(shape, dtype=dtype)
    generator = numpy.random.Generator(numpy.random.SFC64(numpy.random.randint(2**31)))
    kept = generator.integers(0, 2**16, size=shape, dtype="uint16") >= round(rate * 2**16)
    return numpy.multiply(kept, 1.0 / (1.0 - rate), dtype=dtype)
