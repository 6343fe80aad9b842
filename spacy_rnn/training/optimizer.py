"""What the optimizers have in common: clipping, learn rates of groups, broken gradients."""

import math
import warnings
import weakref
from fnmatch import fnmatchcase
from numbers import Integral, Real
from typing import Any, Dict, Iterator, NamedTuple, Optional, Set, Tuple, cast

from thinc.api import Model, Optimizer
from thinc.optimizers import FloatOrSeq
from thinc.types import FloatsXd, Generator

from ..errors import Errors, Warnings
from .gradients import KeyT, discard, global_norm, gradients, parameters
from .plateaus import Annealing
from .updates import Step

# The squares of larger gradients don't fit single precision.
LARGEST_NORM = 1e18


class Range(NamedTuple):
    """The numbers that a setting may have: from `low` to below `high`."""

    text: str
    low: float = 0.0
    high: float = math.inf
    kind: Any = Real

    def __contains__(self, value: Any) -> bool:
        is_number = isinstance(value, self.kind) and not isinstance(value, bool)
        return is_number and self.low <= float(value) < self.high


NOT_NEGATIVE = Range("a number that is not negative")
RANGES = {
    "learn_rate": NOT_NEGATIVE,
    "L2": NOT_NEGATIVE,
    "grad_clip": NOT_NEGATIVE,
    "clip_norm": Range("the largest norm, or 0 to clip nothing"),
    "b1": Range("at least 0 and less than 1", 0.0, 1.0),
    "b2": Range("at least 0 and less than 1", 0.0, 1.0),
    "eps": Range("at least 1e-12", 1e-12),
    "momentum": Range("at least 0 and less than 1", 0.0, 1.0),
    "anneal": Range("null, or more than 0 and less than 1", 1e-12, 1.0),
    "anneal_patience": Range("a number of evaluations, at least 1", 1, kind=Integral),
    "warmup": Range("a number of steps, or 0", kind=Integral),
    "nonmono": Range("a number of evaluations, or 0", kind=Integral),
}
# Thinc's names for what we call otherwise.
ARGUMENTS = {"b1": "beta1", "b2": "beta2"}


class Prepared(NamedTuple):
    """What was found out of a parameter's gradient, beside those of the whole model.

    scale (float): Factor on the gradient.
    rate_scale (float): Factor on the learn rate.
    """

    scale: float
    rate_scale: float


class WholeModelOptimizer(Optimizer):
    """A Thinc optimizer that looks at all gradients of a model before it changes a weight.

    A component calls `steps.finish_update`, or `prepare(model)` and then `model.finish_update`.
    If it doesn't, as spaCy's own components don't, each parameter's gradient is treated by itself.

    n_steps (int): Steps so far.
    n_skipped (int): Steps left out because the gradient was not finite.
    last_norm (float): The norm of the last gradient, before it was clipped.
    """

    name: str
    clip_norm: float

    def __init__(
        self,
        learn_rate: FloatOrSeq,
        *,
        L2: FloatOrSeq,
        L2_is_weight_decay: bool,
        clip_norm: FloatOrSeq,
        groups: Optional[Dict[str, float]],
        warmup: int = 0,
        anneal: Optional[float] = None,
        anneal_patience: int = 1,
        **settings: Any,
    ) -> None:
        self.n_steps = 0
        self.n_skipped = 0
        self.last_norm = 0.0
        self._base_rate = 0.0
        self._warmup = self._checked("warmup", warmup)
        if anneal is not None:
            self._checked("anneal", anneal)
        self._annealing = Annealing(anneal, self._checked("anneal_patience", anneal_patience))
        super().__init__(
            learn_rate, L2=L2, L2_is_weight_decay=L2_is_weight_decay, grad_clip=0.0, **settings
        )
        self._set_attr_or_schedule("clip_norm", clip_norm)
        groups = {} if groups is None else groups
        if not isinstance(groups, dict):
            raise self._error("groups", "null, or a table of patterns and factors", groups)
        for pattern, factor in groups.items():
            if not isinstance(pattern, str):
                raise self._error("groups", "patterns of names, which are strings", pattern)
            if factor not in NOT_NEGATIVE:
                raise self._error(f"groups.{pattern}", NOT_NEGATIVE.text, factor)
        self._groups = groups
        self._has_warned = False
        self._unmatched: Set[str] = set(groups)
        self._paths: Dict[str, None] = {}
        self._factors: Dict[KeyT, float] = {}
        self._prepared: Dict[KeyT, Prepared] = {}
        # Weakly, as the source belongs to a component.
        self._source: Optional["weakref.ReferenceType[Any]"] = None

    def _error(self, what: str, expected: str, found: Any) -> ValueError:
        return ValueError(
            Errors.E040.format(what=what, name=self.name, expected=expected, found=repr(found))
        )

    def _checked(self, what: str, value: Any) -> Any:
        """RETURNS: The value of a setting, as Python's own number."""
        expected = RANGES[what]
        if value not in expected:
            raise self._error(ARGUMENTS.get(what, what), expected.text, value)
        # One of NumPy's numbers would turn the arithmetic into double precision.
        return int(value) if expected.kind is Integral else float(value)

    def _set_attr_or_schedule(self, name: str, value: Any) -> None:
        """Set what is a number, a list of numbers for one step after another, or a generator."""
        if isinstance(value, list):
            value = iter(value)
        if isinstance(value, Iterator):
            self.schedules[name] = cast(Generator, value)
            value = next(value, None)
        self._set(name, self._checked(name, value))

    def _set(self, name: str, value: float) -> None:
        # Annealing comes on top of what the schedule says.
        setattr(self, "_base_rate" if name == "learn_rate" else name, value)

    def step_schedules(self) -> None:
        """Go on to the next values of all schedules. Those that have ended stay as they are."""
        for name, schedule in self.schedules.items():
            value = next(schedule, None)
            if value is not None:
                self._set(name, self._checked(name, value))

    @property
    def learn_rate(self) -> float:
        """The rate of the schedule, annealed, and warmed up as far as the last step was. Factors
        of groups, and those of single steps, come on top."""
        return self._base_rate * self._rate_scale

    @learn_rate.setter
    def learn_rate(self, value: float) -> None:
        self._base_rate = self._checked("learn_rate", value) / self._rate_scale

    @property
    def _rate_scale(self) -> float:
        if not self._warmup:
            return self._annealing.scale
        return self._annealing.scale * min(1.0, max(1, self.n_steps) / self._warmup)

    def observe(self, loss: float, *, source: Any = None) -> None:
        """Take note of an evaluation.

        loss (float): The cross-entropy on the development data, in any unit. One that is no
            number counts as infinite.
        source (Any): Who tells it. Of several, the first one that is there still counts, and the
            others are ignored.
        """
        if source is not None:
            if self._source is None or self._source() is None:
                self._source = weakref.ref(source)
            if self._source() is not source:
                return
        self._observe(float(loss) if math.isfinite(loss) else math.inf)

    def _observe(self, loss: float) -> None:
        self._annealing.observe(loss)

    def forget_evaluations(self) -> None:
        """Begin anew with losses, and with who tells them, as a new training does. Moments,
        averages and the learn rate, also one that was annealed, stay as they are."""
        self._source = None
        self._annealing.forget()

    def show(self, model: Model) -> None:
        """Take note of a model, so that its parameters are known to the groups also if it has
        nothing to learn in the first steps.

        model (Model): The model.
        """
        self._find_factors(model)

    def prepare(self, model: Model, *, rate_scale: float = 1.0) -> bool:
        """Look at all gradients of a model, before `model.finish_update` is called.

        model (Model): The model. When the step is taken, its gradients are clipped to `clip_norm`
            as a whole. If one of them is not finite, all are set to zero.
        rate_scale (float): Factor on the learn rate of this step.
        RETURNS (bool): Whether to take the step.
        RAISES (ValueError): In the second step, if there is a group without any parameter.
        """
        before = len(self._factors)
        self._find_factors(model)
        # By the second step all components have shown their models.
        if self._unmatched and self.n_steps and len(self._factors) == before:
            patterns, paths = sorted(self._unmatched), ", ".join(self._paths)
            raise ValueError(Errors.E041.format(patterns=patterns, paths=paths))
        found = [
            (parameter.key, gradient)
            for parameter, gradient in gradients(model)
            if self._factors[parameter.key] != 0.0
        ]
        self.last_norm = global_norm(gradient for _, gradient in found)
        scale = self._scale(self.last_norm)
        if scale is None:
            self.n_skipped += 1
            discard(model)
            return False
        for key, _ in found:
            self._prepared[key] = Prepared(scale, float(rate_scale))
        return True

    def _scale(self, norm: float) -> Optional[float]:
        """RETURNS (Optional[float]): The factor that clips; None if the gradient is of no use."""
        if not math.isfinite(norm):
            return None
        if self.clip_norm and norm > self.clip_norm:
            return self.clip_norm / norm
        return 1.0 if norm <= LARGEST_NORM else None

    def _prepare_one(self, key: KeyT, gradient: FloatsXd) -> Optional[Prepared]:
        """For a parameter whose model was not shown.

        RETURNS (Optional[Prepared]): None if the gradient is of no use.
        """
        if self._groups and not self._has_warned and key not in self._factors:
            self._has_warned = True
            warnings.warn(Warnings.W040, stacklevel=3)
        self.last_norm = global_norm([gradient])
        scale = self._scale(self.last_norm)
        if scale is None:
            self.n_skipped += 1
            return None
        return Prepared(scale, 1.0)

    def _find_factors(self, model: Model) -> None:
        """Find the factors of those parameters that were not seen before."""
        for parameter in parameters(model):
            if parameter.key in self._factors:
                continue
            self._paths[parameter.path] = None
            factor = 1.0
            for pattern, value in self._groups.items():
                if any(fnmatchcase(name, pattern) for name in (parameter.path, parameter.node)):
                    factor = float(value)
                    self._unmatched.discard(pattern)
            self._factors[parameter.key] = factor

    def __call__(
        self, key: KeyT, weights: Any, gradient: Any, *, lr_scale: float = 1.0
    ) -> Tuple[Any, Any]:
        """Change the weights in place, and set the gradient to zero.

        key (Tuple[int, str]): The node's id and the parameter's name.
        weights (FloatsXd): The parameter.
        gradient (FloatsXd): Its gradient, of the same shape.
        lr_scale (float): Factor on the learn rate.
        RETURNS (Tuple[FloatsXd, FloatsXd]): Both.
        RAISES (ValueError): If the shapes differ.
        """
        if weights.shape != gradient.shape:
            raise ValueError(
                Errors.E170.format(param=key[1], found=gradient.shape, expected=weights.shape)
            )
        factor = self._factors.get(key, 1.0)
        if not gradient.size or factor == 0.0:
            gradient.fill(0.0)
            return weights, gradient
        prepared = self._prepared.pop(key, None) or self._prepare_one(key, gradient)
        if prepared is None:
            gradient.fill(0.0)
            return weights, gradient
        self._forget_other_size(key, weights.size)
        self.nr_update[key] += 1
        self.n_steps = max(self.n_steps, self.nr_update[key])
        rate = self.learn_rate * factor * prepared.rate_scale * float(lr_scale)
        step = Step(rate, prepared.scale, self.L2, self.L2_is_weight_decay)
        # Both are views, unless an array is not contiguous.
        flat, flat_gradient = weights.reshape(-1), gradient.reshape(-1)
        self._update(key, flat, flat_gradient, step)
        self._average(key, flat, weights.shape)
        if not gradient.flags["C_CONTIGUOUS"]:
            gradient.fill(0.0)
        return flat.reshape(weights.shape), gradient

    def _forget_other_size(self, key: KeyT, size: int) -> None:
        """Begin anew with a parameter that has another size than before, as an output layer has
        when a label was added."""
        for table in (self.mom1, self.mom2, self.averages or {}):
            if key in table and table[key].size != size:
                del table[key]
                self.nr_update[key] = 0

    def _update(self, key: KeyT, weights: Any, gradient: Any, step: Step) -> None:
        """Change flat weights. The gradient is to be 0 after this."""
        raise NotImplementedError

    def _average(self, key: KeyT, weights: Any, shape: Tuple[int, ...]) -> None:
        """Bring the average of flat weights up to date, if there is one."""
