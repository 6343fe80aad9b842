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
from ..models.lm_parts import embedding_of, parts, vocabulary_of
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
    """

    H: Any
    state: StatesT

    def take(self, rows: List[int]) -> "Reached":
        """RETURNS (Reached): For these texts; one may be taken more than once."""
        state = [{key: values[rows] for key, values in entry.items()} for entry in self.state]
        return Reached(self.H[rows], state)


class Reader:
    """Reads by one model, whose weights must not change.

    model (Model): A language model.
    RAISES (ValueError): If it has no weights yet.
    """

    def __init__(self, model: Model[Any, Any]) -> None:
        self.model = model
        if not embedding_of(model).has_param("E"):
            raise ValueError(Errors.E024.format(name=model.name))
        self._kept: "OrderedDict[bytes, Reached]" = OrderedDict()

    def start(
        self, cats: Optional[Dict[str, float]] = None, vector: Any = None
    ) -> Optional[StatesT]:
        """The state that a text begins from.

        cats (Optional[Dict[str, float]]): Labels, for a model whose initial state depends on them.
        vector (Any): (nI,) Likewise a vector.
        RETURNS (Optional[StatesT]): (1, nO) each; None for a model without a condition. If nothing
            is given, the condition is zero.
        RAISES (ValueError): If the model does not depend on what is given, or it does not fit.
        """
        model = self.model
        condition = model.attrs["condition"]
        for name, value in (("cats", cats), ("vector", vector)):
            if value is not None and name != condition:
                raise ValueError(Errors.E072.format(given=name, condition=condition or "none"))
        if not condition:
            return None
        row: Any = self._condition(cats, vector)[None]
        state: StatesT = parts(model).start.predict(model.ops.asarray(row))
        return state

    def _condition(self, cats: Optional[Dict[str, float]], vector: Any) -> numpy.ndarray:
        """RETURNS (Floats1d): (nI,) What the initial state depends on."""
        if cats is not None:
            is_right = isinstance(cats, dict) and all(map(is_number, cats.values()))
            if not is_right:
                raise number_error("cats", "numbers by label, such as {'GOOD': 1.0}", cats)
            return cats_row(self.model, cats)
        row = numpy.zeros(parts(self.model).start.get_dim("nI"), dtype="float32")
        if vector is not None:
            try:
                given = numpy.asarray(to_numpy(vector), dtype="float32")
            except (TypeError, ValueError):
                given = row[:0]
            if given.shape != row.shape:
                raise number_error("vector", f"an array of {len(row)} numbers", vector)
            row = given
        return row

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

    def read_on(self, units: List[int]) -> Reached:
        """Read a text from where the longest of those that were read lately, and that it goes on
        from, has led. For a text without a condition.

        units (List[int]): The whole text.
        RETURNS (Reached): Where it leads.
        """
        ids = numpy.asarray(units, dtype="int32")
        known = len(ids)
        while known and ids[:known].tobytes() not in self._kept:
            known = known - 1 if len(ids) - known < MAX_KEPT else 0
        key = ids[:known].tobytes()
        reached = self._kept.get(key)
        if reached is not None:
            self._kept.move_to_end(key)
        # The last unit by itself, as the next text may differ in it.
        for end in (len(ids) - 1, len(ids)):
            if end > known:
                state = self.start() if reached is None else reached.state
                reached = self.read(units[known:end], state)
                known = end
                self._keep(ids[:known].tobytes(), reached)
        assert reached is not None
        return reached

    def _keep(self, key: bytes, reached: Reached) -> None:
        self._kept[key] = reached
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def log_probs(self, H: Any) -> Iterator[Tuple[int, numpy.ndarray]]:
        """What may follow, in blocks of bounded size.

        H (Floats2d): (n, nO) What the last layer has put out.
        YIELDS (Tuple[int, Floats2d]): The first row of a block, and the log-probabilities in nats,
            (n_rows, n_units). That of the unknown unit, which nobody can read, is minus infinity.
        """
        size = max(1, MAX_PROBS // len(vocabulary_of(self.model)))
        output, ops = parts(self.model).output, self.model.ops
        for first in range(0, len(H), size):
            found = numpy.array(ops.to_numpy(log_probs(output, H[first : first + size])))
            found[:, UNKNOWN] = -numpy.inf
            yield first, found
