"""What attention asks: rows of sequences, and where gradients of them are added up."""

from typing import Any, List, NamedTuple, Tuple

import numpy
from thinc.api import Ops

# Sequences that are padded to the same length: more would be padded to that of one long among them.
BLOCK = 32
# Numbers that are laid out at a time for the products that gradients are.
MAX_NUMBERS = 2**24


class Memory:
    """The rows that queries ask, one sequence of them for each query.

    values (Floats2d): (n_rows, nV) What contexts are means of.
    keys (Floats2d): (n_rows, nH) What queries are compared with.
    lengths (numpy.ndarray): (n_seqs,) Rows of each sequence; 0 is legal.
    owners (Ints1d): (n_rows,) The sequence that each row is of.
    units (Optional[Ints1d]): (n_rows,) For a decoder that copies: the unit that each row is. From
        the number of units on, one that the decoder does not know otherwise.
    is_train (bool): Whether gradients will be asked for.
    """

    def __init__(
        self,
        ops: Ops,
        values: Any,
        keys: Any,
        lengths: Any,
        units: Any = None,
        is_train: bool = False,
    ) -> None:
        self.ops = ops
        self.units = units
        self.values = values
        self.keys = keys
        self.lengths = lengths
        self.is_train = is_train
        self.ends = numpy.concatenate([[0], numpy.cumsum(lengths)])
        owners: Any = numpy.repeat(numpy.arange(len(lengths)), lengths)
        self.owners: Any = ops.asarray1i(owners)
        self._blocks: List[Block] = []

    def first(self, n_seqs: int) -> "Rows":
        """RETURNS (Rows): Where the rows of the first sequences are."""
        rows = slice(0, int(self.ends[n_seqs]))
        return Rows(rows, self.owners[rows])

    def blocks(self, n_seqs: int) -> List["Block"]:
        """RETURNS (List[Block]): Those that have the first sequences, and maybe some more; one at
        least."""
        n_blocks = max(1, -(-n_seqs // BLOCK))
        for first in range(len(self._blocks) * BLOCK, n_blocks * BLOCK, BLOCK):
            self._blocks.append(Block(self, first, min(first + BLOCK, len(self.lengths))))
        return self._blocks[:n_blocks]

    def gradients(self) -> Tuple[Any, Any]:
        """RETURNS (Tuple[Floats2d, Floats2d]): Those of values and keys, by all queries that have
        been called back."""
        d_values, d_keys = (self.ops.xp.zeros_like(array) for array in (self.values, self.keys))
        for block in self._blocks:
            block.add_gradients(d_values, d_keys)
        return d_values, d_keys

    def repeated(self, times: int) -> "Memory":
        """RETURNS (Memory): With each sequence so many times, one after the other."""
        return self.taken(numpy.repeat(numpy.arange(len(self.lengths)), times))

    def taken(self, seqs: Any) -> "Memory":
        """
        seqs (numpy.ndarray): (n,) Numbers of sequences; some may come twice.
        RETURNS (Memory): With these sequences alone, in their order.
        """
        rows = [numpy.arange(self.ends[i], self.ends[i + 1]) for i in seqs]
        index = numpy.concatenate([numpy.zeros(0, dtype="int64"), *rows]).astype("int64")
        units = None if self.units is None else self.units[index]
        return Memory(self.ops, self.values[index], self.keys[index], self.lengths[seqs], units)


class Rows(NamedTuple):
    """Where the rows of the first sequences of a memory are.

    where (slice): The rows.
    owners (Ints1d): (n_rows,) The sequence of each.
    """

    where: slice
    owners: Any


class Block:
    """Some sequences of a memory, padded to the longest of them, so that products of matrices go
    over all of them at once.

    memory (Memory): The memory.
    first, end (int): The numbers of the sequences: from the first, to before the end.
    rows (slice): Where their rows are in the memory.
    is_row (ArrayXd): (n, n_longest) Where there is a row, and not padding.
    values (Floats3d): (n, n_longest, nV)
    keys (Floats3d): (n, n_longest, nH)
    """

    def __init__(self, memory: Memory, first: int, end: int) -> None:
        xp = memory.ops.xp
        self.xp = xp
        self.first = first
        self.rows = slice(int(memory.ends[first]), int(memory.ends[end]))
        lengths = memory.lengths[first:end]
        # At least one, as there is no highest score among none.
        n_longest = max([1, *lengths.tolist()])
        self.is_row: Any = xp.asarray(numpy.arange(n_longest) < lengths[:, None])
        self.values = self.padded(memory.values[self.rows])
        self.keys = self.padded(memory.keys[self.rows])
        # The gradient of the keys as far as it is no product, and pairs of what the gradients are
        # products of: of each query, numbers by the rows and numbers by the columns.
        self.d_keys: Any = None
        self.of_values: List[Tuple[Any, Any]] = []
        self.of_keys: List[Tuple[Any, Any]] = []

    def padded(self, rows: Any) -> Any:
        """RETURNS (ArrayXd): (n, n_longest, ...) With zeros where there is no row."""
        padded = self.xp.zeros((*self.is_row.shape, *rows.shape[1:]), dtype=rows.dtype)
        padded[self.is_row] = rows
        return padded

    def add_gradients(self, d_values: Any, d_keys: Any) -> None:
        """Add to the gradients of the memory: one product for all queries of a sequence, as sums of
        a product for each take several times as long."""
        for total, pairs in ((d_values, self.of_values), (d_keys, self.of_keys)):
            if pairs:
                total[self.rows] += self._product(pairs)[self.is_row]
        if self.d_keys is not None:
            d_keys[self.rows] += self.d_keys[self.is_row]

    def _product(self, pairs: List[Tuple[Any, Any]]) -> Any:
        """RETURNS (Floats3d): (n, n_longest, width)"""
        n, n_longest = self.is_row.shape
        dtype, width = pairs[0][1].dtype, pairs[0][1].shape[1]
        product = self.xp.empty((n, n_longest, width), dtype=dtype)
        # One long sequence, with as many queries, would lay out as much for each short one.
        size = max(1, MAX_NUMBERS // (n_longest * len(pairs)))
        for a in range(0, n, size):
            b = min(a + size, n)
            left = self.xp.zeros((b - a, n_longest, len(pairs)), dtype=dtype)
            right = self.xp.zeros((b - a, len(pairs), width), dtype=dtype)
            for t, (by_row, by_column) in enumerate(pairs):
                n_asked = len(by_row[a:b])
                left[:n_asked, :, t], right[:n_asked, t] = by_row[a:b], by_column[a:b]
            product[a:b] = left @ right
        return product
