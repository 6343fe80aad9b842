"""The order in which a recurrent loop reads a batch of ragged sequences.

Sequences are sorted by falling length, so that at step t the first
`batch_sizes[t]` of them are still running. Their rows are laid out step by step:
all rows of step 0, then all of step 1, and so on. Nothing is padded. (The same
layout as `torch.nn.utils.rnn.PackedSequence`.)
"""

from functools import cached_property
from typing import Iterator, Tuple

import numpy
from numpy.typing import NDArray

IntsT = NDArray[numpy.int64]


class Packing:
    """Index between the rows of a Ragged and the rows of the recurrent loop.

    lengths (Ints1d): (n_seqs,) Lengths of the sequences; zeros are legal.
    """

    def __init__(self, lengths: IntsT) -> None:
        self.lengths = numpy.asarray(lengths, dtype="int64")
        # Longest first; stable, so that equal lengths keep the order of the batch.
        self.order: IntsT = numpy.argsort(-self.lengths, kind="stable")
        self.n_seqs = len(self.lengths)
        self.n_rows = int(self.lengths.sum())
        self.sorted_lengths: IntsT = self.lengths[self.order]
        self.n_steps = int(self.sorted_lengths[0]) if self.n_seqs else 0
        # batch_sizes[t] is the number of sequences that are longer than t.
        steps = numpy.arange(self.n_steps)
        self.batch_sizes: IntsT = self.n_seqs - numpy.searchsorted(
            self.sorted_lengths[::-1], steps, side="right"
        )
        self.offsets: IntsT = numpy.concatenate(
            [numpy.zeros(1, dtype="int64"), numpy.cumsum(self.batch_sizes)]
        )

    @cached_property
    def rank(self) -> IntsT:
        """(n_seqs,) The place of each sequence in the sorted order."""
        rank = numpy.empty_like(self.order)
        rank[self.order] = numpy.arange(self.n_seqs)
        return rank

    @cached_property
    def _rank_and_step(self) -> Tuple[IntsT, IntsT]:
        """(n_rows,) twice: sequence (as its rank) and time step of each packed row."""
        step = numpy.repeat(numpy.arange(self.n_steps), self.batch_sizes)
        rank = numpy.arange(self.n_rows) - self.offsets[step]
        return rank, step

    @property
    def row_ranks(self) -> IntsT:
        """(n_rows,) The sequence, by its rank, of each packed row."""
        return self._rank_and_step[0]

    @cached_property
    def forward_index(self) -> IntsT:
        """(n_rows,) Row of the Ragged that each packed row holds, read left to right."""
        rank, step = self._rank_and_step
        return self._starts[rank] + step

    @cached_property
    def backward_index(self) -> IntsT:
        """(n_rows,) The same with each sequence read right to left."""
        rank, step = self._rank_and_step
        return self._starts[rank] + self.sorted_lengths[rank] - 1 - step

    def index(self, reverse: bool) -> IntsT:
        """RETURNS (Ints1d): (n_rows,) the index for one direction."""
        return self.backward_index if reverse else self.forward_index

    def last_rows(self, first_step: int, end_step: int) -> IntsT:
        """Where sequences are left after some of the steps.

        first_step (int): The first step that was taken.
        end_step (int): The step after the last one that was taken.
        RETURNS (Ints1d): (batch_sizes[first_step],) for each sequence that ran, the
            packed row of its last step, counted from the row of `first_step`.
        """
        n_running = int(self.batch_sizes[first_step])
        last_step = numpy.minimum(self.sorted_lengths[:n_running], end_step) - 1
        return self.offsets[last_step] - self.offsets[first_step] + numpy.arange(n_running)

    def segments(self, max_rows: int) -> Iterator[Tuple[int, int]]:
        """Cut the steps into runs of at most `max_rows` rows (but at least one step).

        YIELDS (Tuple[int, int]): The first step and the step after the last.
        """
        first = 0
        while first < self.n_steps:
            limit = int(self.offsets[first]) + max_rows
            end = int(numpy.searchsorted(self.offsets, limit, side="right")) - 1
            end = max(end, first + 1)
            yield first, end
            first = end

    @cached_property
    def _starts(self) -> IntsT:
        """(n_seqs,) First row of each sequence in the Ragged, in sorted order."""
        starts: IntsT = numpy.cumsum(self.lengths) - self.lengths
        return starts[self.order]


def reversal_index(lengths: IntsT) -> IntsT:
    """Index that turns each sequence around in its place. It is its own inverse.

    lengths (Ints1d): (n_seqs,) Lengths of the sequences.
    RETURNS (Ints1d): (n_rows,) For each row, the row to take instead.
    """
    lengths = numpy.asarray(lengths, dtype="int64")
    ends = numpy.cumsum(lengths)
    starts = ends - lengths
    return numpy.repeat(starts + ends - 1, lengths) - numpy.arange(int(lengths.sum()))
