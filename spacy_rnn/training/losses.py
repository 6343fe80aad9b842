"""Losses over rows, one for each sequence or one for each step. They return gradient and loss, in
this order, as Thinc's do."""

from dataclasses import dataclass
from typing import Any, Callable, Optional, Sequence, Tuple, Union

import numpy
from thinc.api import get_array_module
from thinc.types import Floats2d

from ..errors import Errors, number_error
from ..layers.quantiles import check_quantiles

# (guesses, truths) -> (gradient, loss)
FunctionT = Callable[[Any, Any], Tuple[Any, Any]]
LossT = Union[str, FunctionT]
SMALLEST = 1e-30


@dataclass(frozen=True)
class Loss:
    """What a model is trained to make small.

    name (str): What it is called in messages.
    function (Callable): From what the model gives, (n_rows, nO), and the truths, (n_rows,) or
        (n_rows, width), to the gradient, (n_rows, nO), and the loss.
    of_classes (bool): Whether the truths are classes.
    n_outputs (Optional[int]): How many outputs there are for each column of the truths; None if
        that is not known.
    """

    name: str
    function: FunctionT
    of_classes: bool = False
    n_outputs: Optional[int] = None

    def __call__(self, guesses: Floats2d, truths: Any) -> Tuple[Floats2d, float]:
        found: Any = self.function(guesses, truths)
        try:
            gradient, loss = found
            return gradient, float(loss)
        except (TypeError, ValueError) as error:
            kinds = [type(one).__name__ for one in found] if isinstance(found, tuple) else []
            what = f"{type(found).__name__} of {' and '.join(kinds)}" if kinds else repr(found)[:60]
            expected = f"a function, '{self.name}', that returns a gradient and a number"
            raise ValueError(
                Errors.E011.format(what="loss", expected=expected, found=f"a {what}")
            ) from error


def resolve_loss(loss: LossT) -> Loss:
    """
    loss (Union[str, Callable]): "cross_entropy", "mse" or "quantile"; or a function of guesses and
        truths that returns their gradient and loss, such as Thinc's losses.
    RETURNS (Loss): The loss.
    RAISES (ValueError): E009 for an unknown name, E011 for what is no function.
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        if loss not in LOSSES:
            expected = ", ".join([*LOSSES, "a function"])
            raise ValueError(Errors.E009.format(what="loss", found=loss, expected=expected))
        return LOSSES[loss]
    if not callable(loss):
        raise number_error("loss", "a name or a function", loss)
    return Loss(getattr(loss, "__name__", type(loss).__name__), loss)


def cross_entropy(guesses: Floats2d, truths: Any) -> Tuple[Floats2d, float]:
    """The mean over the rows of -sum(t log p), in nats.

    guesses (Floats2d): (n_rows, n_classes) Probabilities p.
    truths (Union[Ints1d, Floats2d]): (n_rows,) Number of the class; or (n_rows, n_classes)
        probabilities t.
    RETURNS (Tuple[Floats2d, float]): The gradient with respect to the logits, as Thinc's `Softmax`
        takes it, and the loss.
    """
    xp: Any = get_array_module(guesses)
    if truths.ndim == 1:
        targets = xp.zeros_like(guesses)
        targets[xp.arange(len(truths)), truths] = 1.0
    else:
        targets = truths
    n_rows = max(1, len(guesses))
    loss = -(targets * xp.log(xp.maximum(guesses, SMALLEST))).sum() / n_rows
    return (guesses - targets) / n_rows, float(loss)


def mse(guesses: Floats2d, truths: Floats2d) -> Tuple[Floats2d, float]:
    """The mean of (y - t)^2 over all values that are known.

    guesses (Floats2d): (n_rows, width) y
    truths (Floats2d): (n_rows, width) t; NaN where it is not known.
    RETURNS (Tuple[Floats2d, float]): Gradient and loss.
    """
    xp: Any = get_array_module(guesses)
    known = ~xp.isnan(truths)
    n_known = max(1, int(known.sum()))
    error = xp.where(known, guesses - truths, 0.0).astype(guesses.dtype)
    return error * (2.0 / n_known), float((error * error).sum() / n_known)


def quantile_loss(quantiles: Sequence[float] = (0.1, 0.5, 0.9)) -> Loss:
    """The mean of max(q (t - y), (q - 1) (t - y)) over all quantiles q, and all values that are
    known.

    It is lowest where y is the quantile q of t (Koenker & Bassett 1978, "Regression quantiles").

    quantiles (Sequence[float]): Rising, between 0 and 1. Those of `forecaster`.
    RETURNS (Loss): From guesses (n_rows, width * n_quantiles), with the quantiles of a value side
        by side, and truths (n_rows, width), with NaN where one is not known, to gradient and loss.
    RAISES (ValueError): E011 for other quantiles.
    """
    check_quantiles(quantiles)
    levels = numpy.asarray(quantiles, dtype="float32")

    def function(guesses: Any, truths: Any) -> Tuple[Any, float]:
        xp: Any = get_array_module(guesses)
        q = xp.asarray(levels)
        values = guesses.reshape((len(guesses), guesses.shape[1] // len(q), len(q)))
        known = xp.broadcast_to(~xp.isnan(truths)[:, :, None], values.shape)
        n_known = max(1, int(known.sum()))
        # (n_rows, width, n_quantiles)
        error = xp.where(known, truths[:, :, None] - values, 0.0)
        losses = xp.maximum(q * error, (q - 1.0) * error)
        slopes = xp.where(known, xp.where(error > 0.0, -q, 1.0 - q), 0.0)
        gradient = (slopes / n_known).astype(guesses.dtype).reshape(guesses.shape)
        return gradient, float(losses.sum() / n_known)

    return Loss("quantile", function, n_outputs=len(levels))


LOSSES = {
    "cross_entropy": Loss("cross_entropy", cross_entropy, of_classes=True),
    "mse": Loss("mse", mse, n_outputs=1),
    "quantile": quantile_loss(),
}
