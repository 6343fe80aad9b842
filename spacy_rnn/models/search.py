"""Find the most probable targets of sources: greedily, or by a beam."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy
from thinc.api import Model

from ..checks import is_number, is_whole
from ..errors import number_error
from ..layers.decoder import Standing, log_probs, start, step
from ..layers.memory import Memory
from .ensembles import members
from .seq2seq import SourcesT, encode, mean_log_probs, parts
from .vocabulary import END

# Rows of the memories that are asked at a time.
MAX_ROWS = 2**15
# Probabilities that are compared at a time: of all units, for each hypothesis of a batch.
MAX_SCORES = 2**22
# Ten times the largest that is of use: powers of lengths must not be beyond what a float can tell.
MAX_PENALTY = 10


class Settings(NamedTuple):
    """How to search.

    beam_width (int): How many are kept at each step; 1 for the most probable unit alone.
    length_penalty (float): The alpha of Wu et al. (2016): log-probabilities are divided by
        ((5 + length) / 6) ** alpha, as sums would favour short targets. 0 for the sums.
    coverage_penalty (float): Their beta: how much it costs to leave parts of the source unread.
    """

    beam_width: int = 1
    length_penalty: float = 0.0
    coverage_penalty: float = 0.0

    def check(self) -> "Settings":
        """RETURNS (Settings): The same.

        RAISES (ValueError): If a number is outside its range.
        """
        if not is_whole(self.beam_width, 1):
            raise number_error("beam_width", "a positive number", self.beam_width)
        for what in ("length_penalty", "coverage_penalty"):
            value = getattr(self, what)
            if not is_number(value) or not 0.0 <= value <= MAX_PENALTY:
                raise number_error(what, f"a number from 0 to {MAX_PENALTY}", value)
        return self

    def divisor(self, length: int) -> float:
        """RETURNS (float): What the log-probability of a target is divided by."""
        return float(((5.0 + length) / 6.0) ** self.length_penalty)


class Found(NamedTuple):
    """A target that was found.

    score (float): What targets are ranked by.
    log_prob (float): In nats.
    units (List[int]): Its units, without the end. From the number of the target's units on, they
        are copied: the first of the source, the second, and so on.
    """

    score: float
    log_prob: float
    units: List[int]


def search(
    model: Model[Any, Any], sources: SourcesT, max_lengths: List[int], settings: Settings
) -> List[List[Found]]:
    """The most probable targets.

    model (Model): A sequence to sequence model.
    sources (Sequence): (n_units,) units of each, or (nI,) vectors.
    max_lengths (List[int]): The most units that are written for each.
    settings (Settings): How to search.
    RETURNS (List[List[Found]]): For each source the targets, best first: as many as the beam is
        wide, or fewer.
    RAISES (FloatingPointError): If what the model finds probable are no numbers.
    """
    settings.check()
    found: List[List[Found]] = [[] for _ in sources]
    n_units = len(members(model)[0].attrs["vocabulary"])
    for batch in _batches(sources, settings.beam_width, n_units):
        results = _Search(
            model, [sources[i] for i in batch], [max_lengths[i] for i in batch], settings
        ).run()
        for i, result in zip(batch, results):
            found[i] = result
    return found


def _batches(sources: SourcesT, beam_width: int, n_units: int) -> List[List[int]]:
    """RETURNS (List[List[int]]): Numbers of sources of like length, so many that their rows fit,
    and the scores of the units that each hypothesis may go on with."""
    sizes = [max(1, len(source)) for source in sources]
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    batches: List[List[int]] = []
    n_rows = n_scores = 0
    for i in order:
        n_rows += sizes[i] * beam_width
        n_scores += n_units * beam_width
        if not batches or n_rows > MAX_ROWS or n_scores > MAX_SCORES:
            batches.append([])
            n_rows, n_scores = sizes[i] * beam_width, n_units * beam_width
        batches[-1].append(i)
    return batches


class _Voice:
    """A model that has a say in a search: the only one, or a member of an ensemble.

    memory (Memory): What its encoder has read of the sources.
    """

    def __init__(self, model: Model[Any, Any], sources: SourcesT) -> None:
        self._decoder: Model[Any, Any] = parts(model).decoder
        encoded = encode(model, sources)
        self.memory: Memory = encoded.memory
        self._standing: Standing = start(self._decoder, encoded.states, len(sources))

    def read(self, ids: Any) -> Tuple[Any, Any]:
        """Read the last unit of each hypothesis.

        RETURNS (Tuple[Floats2d, Floats1d]): Log-probabilities of the next one, and the weights of
            the attention.
        """
        found = step(self._decoder, self.memory, ids, self._standing)
        self._standing = found.standing
        return log_probs(self._decoder, found, self.memory), found.weights

    def take(self, seqs: Optional[numpy.ndarray], rows: Any) -> None:
        """Go on with some hypotheses.

        seqs (Optional[numpy.ndarray]): The numbers of their sources in the memory; None if these
            are what they were.
        rows (ArrayXd): The numbers of their rows; some may come twice.
        """
        if seqs is not None:
            self.memory = self.memory.taken(seqs)
        self._standing = self._standing.take(rows)


class _Search:
    """A beam search for the targets of a batch of sources.

    Hypotheses stand in rows, those of a source one after another: `width` of each source, once the
    first step has been taken.
    """

    def __init__(
        self, model: Model[Any, Any], sources: SourcesT, max_lengths: List[int], settings: Settings
    ) -> None:
        self.settings = settings
        self.max_lengths = max_lengths
        self.ops = model.ops
        self.voices = [_Voice(member, sources) for member in members(model)]
        self.width = 1
        # The sources that are searched for, by their number; their rows are in this order.
        self.live = list(range(len(sources)))
        self.finished: List[Dict[Tuple[int, ...], Found]] = [{} for _ in sources]
        self.ids = numpy.full(len(sources), END, dtype="int32")
        self.totals = numpy.zeros(len(sources))
        self.written: List[List[int]] = [[] for _ in sources]
        self.coverage = numpy.zeros(len(self.memory.owners))

    @property
    def memory(self) -> Memory:
        """RETURNS (Memory): Of the first voice; those of others have rows in the same places."""
        return self.voices[0].memory

    def run(self) -> List[List[Found]]:
        """RETURNS (List[List[Found]]): Best first."""
        self._leave_out([i for i in self.live if self.max_lengths[i] > 0])
        length = 0
        while self.live:
            length += 1
            ids = self.ops.asarray1i(self.ids.tolist())
            read = [voice.read(ids) for voice in self.voices]
            mean: Any = mean_log_probs(self.ops.xp, [each for each, _ in read])
            logs: Any = self.ops.to_numpy(mean)
            if numpy.isnan(logs).any():
                raise FloatingPointError("log-probabilities that are no numbers")
            weights: Any = sum(each for _, each in read) / len(read)
            self._advance(logs.astype("float64"), self.ops.to_numpy(weights), length)
        width = self.settings.beam_width
        return [
            sorted(each.values(), key=lambda one: (-one.score, one.units))[:width]
            for each in self.finished
        ]

    def _advance(self, logs: Any, weights: Any, length: int) -> None:
        """Choose how each hypothesis goes on, and end those that are over."""
        k, n_units = self.settings.beam_width, logs.shape[1]
        coverage = self.coverage + weights
        totals = (logs + self.totals[:, None]).reshape(len(self.live), self.width * n_units)
        # Beside k that end there are k to go on with; one alone ends only where nothing is more
        # probable.
        n_best = min(2 * k if k > 1 else 1, totals.shape[1])
        best = numpy.argpartition(-totals, n_best - 1, axis=1)[:, :n_best]
        rows: List[int] = []
        ids: List[int] = []
        sums: List[float] = []
        goes_on = []
        for place, i in enumerate(self.live):
            ordered = sorted(best[place].tolist(), key=lambda c: (-totals[place, c], c))
            kept: List[Tuple[int, int, float]] = []
            for choice in ordered:
                row, unit = place * self.width + choice // n_units, choice % n_units
                total = float(totals[place, choice])
                if unit == END or length >= self.max_lengths[i]:
                    self._finish(i, row, unit, total, length, coverage)
                elif len(kept) < k:
                    kept.append((row, unit, total))
            if kept and not self._is_over(i, kept[0][2]):
                while len(kept) < k:  # fewer units than the beam is wide
                    kept.append((kept[0][0], kept[0][1], -numpy.inf))
                goes_on.append(place)
                rows += [row for row, _, _ in kept]
                ids += [unit for _, unit, _ in kept]
                sums += [total for _, _, total in kept]
        self._go_on(goes_on, rows, ids, sums, coverage)

    def _finish(
        self, i: int, row: int, unit: int, total: float, length: int, coverage: Any
    ) -> None:
        units = self.written[row] if unit == END else [*self.written[row], unit]
        if total == -numpy.inf:
            return
        score = total / self.settings.divisor(length)
        if self.settings.coverage_penalty:
            where = slice(self.memory.ends[row], self.memory.ends[row + 1])
            read = numpy.log(numpy.clip(coverage[where], 1e-10, 1.0)).sum()
            score += self.settings.coverage_penalty * float(read)
        key = tuple(units)
        if key not in self.finished[i] or self.finished[i][key].score < score:
            self.finished[i][key] = Found(score, total, units)

    def _is_over(self, i: int, best: float) -> bool:
        """RETURNS (bool): Whether nothing better can be found, were all that is to come certain."""
        scores = sorted((one.score for one in self.finished[i].values()), reverse=True)
        k = self.settings.beam_width
        return len(scores) >= k and scores[k - 1] >= best / self.settings.divisor(
            self.max_lengths[i]
        )

    def _go_on(
        self,
        places: List[int],
        rows: List[int],
        ids: List[int],
        sums: List[float],
        coverage: Any,
    ) -> None:
        k = self.settings.beam_width
        written = [[*self.written[row], unit] for row, unit in zip(rows, ids)]
        starts, ends = self.memory.ends[:-1], self.memory.ends[1:]
        parts_of = [coverage[starts[row] : ends[row]] for row in rows]
        self.coverage = numpy.concatenate([numpy.zeros(0), *parts_of])
        seqs: Any = None
        if self.width != k:
            seqs = numpy.repeat(places, k).astype("int64")
        elif len(places) < len(self.live):
            of_each = numpy.asarray(places, dtype="int64")[:, None] * k + numpy.arange(k)
            seqs = of_each.reshape(-1)
        self.width = k
        index = self.ops.xp.asarray(numpy.asarray(rows, dtype="int64"))
        for voice in self.voices:
            voice.take(seqs, index)
        self.live = [self.live[place] for place in places]
        self.ids = numpy.asarray(ids, dtype="int32")
        self.totals = numpy.asarray(sums, dtype="float64")
        self.written = written

    def _leave_out(self, kept: List[int]) -> None:
        """Search on for some of the sources only, before the first step."""
        if len(kept) == len(self.live):
            return
        index = numpy.asarray(kept, dtype="int64")
        for voice in self.voices:
            voice.take(index, self.ops.xp.asarray(index))
        self.live = kept
        self.ids, self.totals = self.ids[index], self.totals[index]
        self.written = [self.written[i] for i in kept]
        self.coverage = numpy.zeros(len(self.memory.owners))
