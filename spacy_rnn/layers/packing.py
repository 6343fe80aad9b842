"""The order in which a recurrent loop reads a batch of ragged sequences.

Sequences are sorted by falling length, so that at step t the first `batch_sizes[t]` of them are
still running. Their rows are laid out step by step: all rows of step 0, then all of step 1, and
so on. Nothing is padded. (The same layout as `torch.nn.utils.rnn.PackedSequence`.)
"""

from itertools import pairwise
from typing import Any, Iterator, List, Tuple

import numpy
from numpy.typing import NDArray

from ..errors import Errors, number_error

IntsT = NDArray[numpy.int64]


class Packing:
    """A batch of sequences, sorted for the loop.

    lengths (Ints1d): (n_seqs,) Lengths of the sequences; zeros are legal.
    """

    def __init__(self, lengths: Any) -> None:
        self.lengths: IntsT = numpy.asarray(lengths, dtype="int64")
        # Longest first; stable, so that equal lengths keep the order of the batch.
        self.order: IntsT = numpy.argsort(-self.lengths, kind="stable")
        self.rank: IntsT = numpy.empty_like(self.order)
        self.rank[self.order] = numpy.arange(len(self.order))
        self.sorted_lengths: IntsT = self.lengths[self.order]
        self.starts: IntsT = numpy.cumsum(self.lengths) - self.lengths
        self.sorted_starts: IntsT = self.starts[self.order]
        self.n_seqs = len(self.lengths)
        self.n_rows = int(self.lengths.sum())
        self.n_steps = int(self.sorted_lengths[0]) if self.n_seqs else 0

    def batch_sizes(self, first: int, end: int) -> IntsT:
        """RETURNS (Ints1d): (end - first,) How many sequences run in each of these steps."""
        steps = numpy.arange(first, end)
        ended = numpy.searchsorted(self.sorted_lengths[::-1], steps, side="right")
        return self.n_seqs - ended

    def whole(self) -> "Segment":
        """RETURNS (Segment): All steps."""
        return Segment(self, 0, self.n_steps)

    def last_sources(self, reverse: bool, window: int) -> IntsT:
        """Where the inputs are that a window carries on, the oldest first.

        RETURNS (Ints2d): (n_seqs, window - 1) For each sequence, longest first, the rows of the
            Ragged that hold its last inputs; for what it has too few of, see `Segment.sources`.
        """
        ranks, lengths = numpy.arange(self.n_seqs)[:, None], self.sorted_lengths[:, None]
        return self.sources(ranks, lengths - window + 1 + numpy.arange(window - 1), reverse, window)

    def sources(self, ranks: IntsT, steps: IntsT, reverse: bool, window: int) -> IntsT:
        """RETURNS (Ints): The rows of these sequences (by their place in the sorted order) at these
        steps. For steps before the first see `Segment.sources`."""
        starts = self.sorted_starts[ranks]
        rows = starts + self.sorted_lengths[ranks] - 1 - steps if reverse else starts + steps
        carried = self.n_rows + ranks * (window - 1) + steps + window - 1
        return numpy.where(steps < 0, carried, rows)

    def segments(self, max_rows: int) -> Iterator["Segment"]:
        """Cut the steps into runs of at most `max_rows` rows (but of at least one step).

        The working memory is bounded by `max_rows` and the number of sequences, whatever their
        lengths.
        """
        first = 0
        while first < self.n_steps:
            ahead = self.batch_sizes(first, min(self.n_steps, first + max_rows))
            n_steps = int(numpy.searchsorted(numpy.cumsum(ahead), max_rows, side="right"))
            end = first + max(n_steps, 1)
            yield Segment(self, first, end)
            first = end

    def stretches(self, max_rows: int) -> List["Stretch"]:
        """RETURNS (List[Stretch]): The rows, in parts of at most `max_rows`. At least one."""
        bounds = [*range(0, self.n_rows, max_rows), self.n_rows]
        parts = [Stretch(self, first, end) for first, end in pairwise(bounds)]
        return parts or [Stretch(self, 0, 0)]


class Segment:
    """The steps `first` to `end` of a packing, and the rows they consist of.

    sizes (Ints1d): (n_steps,) How many sequences run in each step.
    offsets (Ints1d): (n_steps + 1,) Where the rows of each step begin, counted from the first.
    row_ranks (Ints1d): (n_rows,) The sequence, by its place in the sorted order, of each row.
    """

    def __init__(self, packing: Packing, first: int, end: int) -> None:
        self.packing = packing
        self.first = first
        self.end = end
        self.sizes = packing.batch_sizes(first, end)
        self.offsets: IntsT = numpy.concatenate([[0], numpy.cumsum(self.sizes)])
        self.n_rows = int(self.offsets[-1])
        # The number of sequences that begin, or go on, with the first of the steps.
        self.n_running = int(self.sizes[0]) if len(self.sizes) else 0
        # No cached_property: before Python 3.12 it has one lock for all segments of the process,
        # which after a fork may be held by a thread that is gone.
        self.row_ranks: IntsT = numpy.arange(self.n_rows) - numpy.repeat(
            self.offsets[:-1], self.sizes
        )
        self._row_steps: IntsT = numpy.repeat(numpy.arange(first, end), self.sizes)

    def index(self, reverse: bool) -> IntsT:
        """RETURNS (Ints1d): (n_rows,) The row of the Ragged that each packed row holds, with the
        sequences read from the start or from the end."""
        starts = self.packing.sorted_starts[self.row_ranks]
        if not reverse:
            return starts + self._row_steps
        return starts + self.packing.sorted_lengths[self.row_ranks] - 1 - self._row_steps

    def sources(self, reverse: bool, window: int) -> IntsT:
        """Where the inputs are that each packed row reads through a window, the oldest first.

        RETURNS (Ints2d): (n_rows, window) Rows of the Ragged. Before its first row a sequence has
            the `window - 1` inputs that it carries. These are counted on from `packing.n_rows`, as
            if they stood below the Ragged, those of the longest sequence first.
        """
        if window == 1:
            return self.index(reverse)[:, None]
        steps = self._row_steps[:, None] + numpy.arange(1 - window, 1)
        return self.packing.sources(self.row_ranks[:, None], steps, reverse, window)

    def last_rows(self) -> IntsT:
        """RETURNS (Ints1d): (n_running,) The row that each sequence is left at."""
        ends = numpy.minimum(self.packing.sorted_lengths[: self.n_running], self.end)
        return self.offsets[ends - 1 - self.first] + numpy.arange(self.n_running)

    def steps(self) -> List[Tuple[int, int, int]]:
        """RETURNS (List[Tuple[int, int, int]]): For each step: how many sequences run, their first
        row, and the first row of the states that they carry. The states have one row for each
        row here, and those that the segment begins from in front.
        """
        if not self.n_rows:
            return []
        rows = self.offsets[:-1].tolist()
        previous = [0] + [self.n_running + row for row in rows[:-1]]
        return list(zip(self.sizes.tolist(), rows, previous))

    def blocks(self, max_rows: int) -> List[Tuple[int, int]]:
        """Cut the steps into runs of about `max_rows` rows, to work on while they are in the cache.

        RETURNS (List[Tuple[int, int]]): Of each run, the first step and the one after the last,
            counted from the segment's first.
        """
        bounds = [0]
        while bounds[-1] < len(self.sizes):
            limit = self.offsets[bounds[-1]] + max_rows
            end = int(numpy.searchsorted(self.offsets, limit, side="right")) - 1
            bounds.append(max(end, bounds[-1] + 1))
        return list(pairwise(bounds))

    def previous_rows(self) -> IntsT:
        """RETURNS (Ints1d): (n_rows,) Of the states, the row that each row begins from."""
        if not self.n_rows:
            return numpy.zeros(0, dtype="int64")
        previous = numpy.asarray([first for _, _, first in self.steps()])
        return numpy.repeat(previous, self.sizes) + self.row_ranks


class Stretch:
    """Rows of a Ragged, from `first` to before `end`, in its own order.

    starts (Ints1d): (n_seqs,) Where each sequence's rows among them begin, counted from the first.
    lengths (Ints1d): (n_seqs,) How many they are.
    """

    def __init__(self, packing: Packing, first: int, end: int) -> None:
        self.packing, self.first, self.end = packing, first, end
        self.n_rows = end - first
        starts = packing.starts.clip(first, end)
        self.starts: IntsT = starts - first
        self.lengths: IntsT = (packing.starts + packing.lengths).clip(first, end) - starts

    def sources(self, reverse: bool, window: int) -> IntsT:
        """RETURNS (Ints2d): (n_rows, window) As `Segment.sources`, for rows in this order."""
        seqs = numpy.repeat(numpy.arange(self.packing.n_seqs), self.lengths)
        steps = numpy.arange(self.first, self.end) - self.packing.starts[seqs]
        if reverse:
            steps = self.packing.lengths[seqs] - 1 - steps
        steps = steps[:, None] + numpy.arange(1 - window, 1)
        return self.packing.sources(self.packing.rank[seqs][:, None], steps, reverse, window)


def check_lengths(n_rows: int, lengths: Any) -> None:
    """Raise an error unless sequences are made of as many rows as there are.

    n_rows (int): How many there are.
    lengths (Ints1d): (n_seqs,) Rows of each sequence.
    RAISES (ValueError): E005 for another number, E011 for lengths that are negative.
    """
    total = int(lengths.sum())
    if total != n_rows:
        raise ValueError(Errors.E005.format(rows=n_rows, total=total))
    if len(lengths) and int(lengths.min()) < 0:
        raise number_error("lengths", "numbers that are not negative", int(lengths.min()))


def reversal_index(lengths: Any) -> IntsT:
    """Index that turns each sequence around in its place. It is its own inverse.

    lengths (Ints1d): (n_seqs,) Lengths of the sequences.
    RETURNS (Ints1d): (n_rows,) For each row, the row to take instead.
    """
    lengths = numpy.asarray(lengths, dtype="int64")
    ends = numpy.cumsum(lengths)
    starts = ends - lengths
    index: IntsT = numpy.repeat(starts + ends - 1, lengths) - numpy.arange(int(lengths.sum()))
    return index
