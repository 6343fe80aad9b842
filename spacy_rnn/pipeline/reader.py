"""Read a text by a language model unit by unit, to go on from where it has led."""

from collections import OrderedDict
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
from thinc.api import Model
from thinc.types import Ragged
from thinc.util import to_numpy

from ..errors import Errors, number_error
from ..layers.softmax import log_probs
from ..layers.state import StatesT, run
from ..models.lm_parts import parts, vocabulary_of
from ..models.reading import MAX_ROWS
from ..models.vocabulary import UNKNOWN
from .condition import cats_row
from .sampling import is_number

# Texts whose states are kept, to be gone on from.
MAX_KEPT = 64
# Probabilities that are computed at a time.
MAX_PROBS = 2**22


class Reached(NamedTuple):
    """Where the reading of texts has led.

    H (Floats2d): (n_texts, nO) What the last layer has put out.
    state (StatesT): (n_texts, nO) each.
    allowed (Optional[Bools1d]): (n_units,) Which units may follow; None for all.
    """

    H: Any
    state: StatesT
    allowed: Optional[numpy.ndarray] = None

    def take(self, rows: List[int]) -> "Reached":
        """RETURNS (Reached): For these texts; one may be taken more than once."""
        state = [{key: values[rows] for key, values in entry.items()} for entry in self.state]
        return Reached(self.H[rows], state, self.allowed)


class Reader:
    """Reads by one model, whose weights must not change.

    model (Model): A language model.
    name (str): Name of the component, for messages.
    """

    def __init__(self, model: Model[Any, Any], name: str = "rnn_lm") -> None:
        self.model = model
        self.name = name
        self._kept: "OrderedDict[bytes, Reached]" = OrderedDict()

    def condition(
        self, cats: Optional[Dict[str, float]] = None, vector: Any = None
    ) -> numpy.ndarray:
        """What the initial state of a text depends on.

        cats (Optional[Dict[str, float]]): Labels, for a model that depends on them.
        vector (Any): (nI,) Likewise a vector.
        RETURNS (Floats1d): (nI,) Zeros if nothing is given; (0,) for a model without a condition.
        RAISES (ValueError): If the model does not depend on what is given, or it does not fit.
        """
        condition = self.model.attrs["condition"]
        for name, value in (("cats", cats), ("vector", vector)):
            if value is not None and name != condition:
                raise ValueError(Errors.E072.format(given=name, condition=condition or "none"))
        if cats is not None:
            if not (isinstance(cats, dict) and all(map(is_number, cats.values()))):
                raise number_error("cats", "numbers by label, such as {'GOOD': 1.0}", cats)
            return cats_row(self.model, cats)
        width = parts(self.model).start.get_dim("nI") if condition else 0
        if vector is None:
            return numpy.zeros(width, dtype="float32")
        try:
            row = numpy.asarray(to_numpy(vector), dtype="float32")
        except (TypeError, ValueError):
            row = numpy.zeros((0, 0), dtype="float32")
        if row.shape != (width,) or not numpy.isfinite(row).all():
            raise number_error("vector", f"an array of {width} finite numbers", vector)
        return row

    def start(self, condition: numpy.ndarray) -> Optional[StatesT]:
        """RETURNS (Optional[StatesT]): (1, nO) each, the state that a text begins from; None for a
        model without a condition."""
        if not self.model.attrs["condition"]:
            return None
        row: Any = condition[None]
        state: StatesT = parts(self.model).start.predict(self.model.ops.asarray(row))
        return state

    def read(self, units: List[int], state: Optional[StatesT]) -> Reached:
        """Read one text.

        units (List[int]): At least one.
        state (Optional[StatesT]): (1, nO) each, what it begins from.
        RETURNS (Reached): Where it leads.
        """
        for first in range(0, len(units), MAX_ROWS):
            piece = units[first : first + MAX_ROWS]
            H, state = self._run(piece, [len(piece)], state)
        assert state is not None
        return Reached(H[-1:], state)

    def step(self, reached: Reached, units: List[int]) -> Reached:
        """RETURNS (Reached): After one more unit of each text."""
        return Reached(*self._run(units, [1] * len(units), reached.state))

    def _run(
        self, units: List[int], lengths: List[int], state: Optional[StatesT]
    ) -> Tuple[Any, StatesT]:
        encoder, ops = parts(self.model).encoder, self.model.ops
        Hr, after, _ = run(encoder, Ragged(ops.asarray1i(units), ops.asarray1i(lengths)), state)
        return Hr.dataXd, after

    def read_on(self, units: List[int], condition: numpy.ndarray) -> Reached:
        """Read a text from where the longest of those that were read lately, and that it goes on
        from, has led.

        units (List[int]): The whole text.
        condition (Floats1d): (nI,) What its initial state depends on.
        RETURNS (Reached): Where it leads.
        """
        ids = numpy.asarray(units, dtype="int32")

        def key(n: int) -> bytes:
            return condition.tobytes() + ids[:n].tobytes()

        known = len(ids)
        while known and key(known) not in self._kept:
            known = known - 1 if len(ids) - known < MAX_KEPT else 0
        reached = self._kept.get(key(known)) if known else None
        if reached is not None:
            self._kept.move_to_end(key(known))
        # The last unit by itself, as the next text may differ in it.
        for end in (len(ids) - 1, len(ids)):
            if end > known:
                state = self.start(condition) if reached is None else reached.state
                reached = self.read(units[known:end], state)
                known = end
                self._keep(key(known), reached)
        assert reached is not None
        return reached

    def _keep(self, key: bytes, reached: Reached) -> None:
        self._kept[key] = reached
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def log_probs(
        self, H: Any, allowed: Optional[numpy.ndarray] = None, *, text: str = ""
    ) -> Iterator[Tuple[int, numpy.ndarray]]:
        """What may follow, in blocks of bounded size.

        H (Floats2d): (n, nO) What the last layer has put out.
        allowed (Optional[Bools1d]): (n_units,) Which units may follow, and have all the probability
            among them; None for all.
        text (str): What it follows, for messages.
        YIELDS (Tuple[int, Floats2d]): The first row of a block, and the log-probabilities in nats,
            (n_rows, n_units). That of the unknown unit, which nobody can read, is minus infinity.
        RAISES (ValueError): E177 if they are no numbers.
        """
        size = max(1, MAX_PROBS // len(vocabulary_of(self.model)))
        output, ops = parts(self.model).output, self.model.ops
        for first in range(0, len(H), size):
            found = numpy.array(ops.to_numpy(log_probs(output, H[first : first + size])))
            if numpy.isnan(found).any():
                raise ValueError(Errors.E177.format(name=self.name, text=text[:30]))
            found[:, UNKNOWN] = -numpy.inf
            yield first, found if allowed is None else among(found, allowed)


def among(log_probs: numpy.ndarray, allowed: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (Floats2d): (n, n_units) The log-probabilities, given that it is one of these units
    that follows; minus infinity for the others."""
    found = numpy.where(allowed, log_probs, -numpy.inf)
    most = found.max(axis=1, keepdims=True)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        total = most + numpy.log(numpy.exp(found - most).sum(axis=1, keepdims=True))
    # Where none of them has any probability, there is nothing to share out.
    return numpy.asarray(found - numpy.where(numpy.isfinite(total), total, 0.0), found.dtype)
