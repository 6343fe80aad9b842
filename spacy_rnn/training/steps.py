"""Steps of a training: taking one, unless the gradient is broken, and what is known of them."""

import math
import weakref
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Callable, Dict, Optional

from thinc.api import Model, Optimizer

from ..layers.freezing import drop_gradients
from .gradients import discard, global_norm, gradients


@dataclass
class StepStats:
    """What the steps of a component came to.

    n_steps (int): Steps made, in all.
    n_skipped (int): Steps left out, in all, because the gradient was not finite.
    last_norm (float): The norm of the last gradient over all parameters, before it was clipped.
        Infinite or not a number if that step was left out.
    max_norm (float): The largest norm since the last `take`, of the gradients that were finite.
    bits (float): Cross-entropy since the last `take`, added up in bits by the component.
    n_units (int): Over how many predictions; 0 where a component doesn't count them.
    learn_rate (Optional[float]): The learn rate of the last step; None before the first.
    """

    n_steps: int = 0
    n_skipped: int = 0
    last_norm: float = 0.0
    max_norm: float = 0.0
    bits: float = 0.0
    n_units: int = 0
    learn_rate: Optional[float] = None
    # Weakly, for the optimizer belongs to the training.
    _sgd: Optional["weakref.ReferenceType[Any]"] = field(default=None, repr=False, compare=False)

    @property
    def perplexity(self) -> Optional[float]:
        """2 ** (bits / n_units) since the last `take`, or None if nothing was counted."""
        if not self.n_units:
            return None
        # A float holds powers of 2 up to 1023.
        mean = self.bits / self.n_units
        return math.inf if mean >= 1024 else 2.0**mean

    def add_loss(self, bits: float, n_units: int) -> None:
        """Count the loss of a batch.

        bits (float): Its cross-entropy, added up over the predictions.
        n_units (int): The number of predictions.
        """
        self.bits += bits
        self.n_units += n_units

    def take(self) -> "StepStats":
        """RETURNS (StepStats): A copy. What is counted since the last `take` starts from 0."""
        taken = replace(self, _sgd=None)
        self.max_norm = 0.0
        self.bits = 0.0
        self.n_units = 0
        return taken

    @property
    def is_observed(self) -> bool:
        """Whether there is an optimizer that wants to know the loss on the development data."""
        return self._sgd is not None and self._sgd() is not None

    def observe(self, loss: float) -> None:
        """Tell the optimizer of the last step the loss on the development data.

        loss (float): The mean cross-entropy, always of the same data and in the same unit.
        """
        sgd = self._sgd() if self._sgd is not None else None
        if sgd is not None:
            sgd.observe(loss, source=self)

    def __getstate__(self) -> Dict[str, Any]:
        # References to an optimizer can't be pickled, nor can its schedules.
        return {**self.__dict__, "_sgd": None}


def finish_update(
    model: Model, sgd: Callable[..., Any], stats: StepStats, *, rate_scale: float = 1.0
) -> bool:
    """Take a step with the gradients of a model, as `model.finish_update(sgd)` does, unless one of
    them is infinite or not a number: then all are set to zero, and the weights stay as they are.
    Those of frozen layers are dropped.

    model (Model): The model.
    sgd (Callable): One of this package's optimizers, which clip the gradients of the model as a
        whole; or any other of Thinc's.
    stats (StepStats): Is brought up to date.
    rate_scale (float): Factor on the learn rate for this step.
    RETURNS (bool): Whether a step was made. False too if there are no gradients yet.
    """
    # Those that layers have left in others, as a tied softmax does in a frozen embedding.
    drop_gradients(model)
    found = list(gradients(model))
    if not found and not any(node.shims for node in model.walk()):
        show = getattr(sgd, "show", None)
        if show is not None:
            show(model)
        return False
    take_step: Any = sgd
    prepare = getattr(sgd, "prepare", None)
    if prepare is not None:
        is_finite = prepare(model, rate_scale=rate_scale)
        norm = sgd.last_norm  # type: ignore[attr-defined]
        stats._sgd = weakref.ref(sgd)
    else:
        norm = global_norm(gradient for _, gradient in found)
        is_finite = math.isfinite(norm)
        if not is_finite:
            discard(model)
        elif rate_scale != 1.0 and isinstance(sgd, Optimizer):
            take_step = partial(sgd, lr_scale=rate_scale)
    stats.last_norm = norm
    if not is_finite:
        stats.n_skipped += 1
        return False
    model.finish_update(take_step)
    stats.n_steps += 1
    stats.max_norm = max(stats.max_norm, norm)
    rate = getattr(sgd, "learn_rate", None)
    stats.learn_rate = None if rate is None else float(rate)
    return True
