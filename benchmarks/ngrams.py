"""Interpolated Kneser-Ney n-grams of any order, over the numbers of symbols, in NumPy."""

from dataclasses import dataclass, field
from typing import List, Sequence

import numpy
from numpy.typing import NDArray

Ints1d = NDArray[numpy.int64]
Floats1d = NDArray[numpy.float64]

DISCOUNT = 0.75


@dataclass
class Table:
    """The different n-grams of one order, which are numbered in order of their keys.

    keys (Ints1d): Of each n-gram: the number of its context, which is the (n-1)-gram that it begins
        with, times `base`, plus its last symbol.
    base (int): One more than the number of the start symbol.
    n_contexts (int): How many (n-1)-grams there are.
    counts (Ints1d): c, by n-gram.
    totals (Ints1d): The sum of the counts, by context.
    types (Ints1d): How many n-grams have a count, by context.
    """

    keys: Ints1d
    base: int
    n_contexts: int
    counts: Ints1d = field(init=False)
    totals: Ints1d = field(init=False)
    types: Ints1d = field(init=False)

    def count(self, found: Ints1d) -> None:
        """
        found (Ints1d): Numbers of n-grams, each as often as it counts.
        """
        contexts, symbols = numpy.divmod(self.keys, self.base)
        counts = numpy.bincount(found, minlength=len(self.keys))
        # The start symbol is not predicted.
        counts[symbols == self.base - 1] = 0
        self.counts = counts
        self.totals = numpy.zeros(self.n_contexts, dtype="int64")
        numpy.add.at(self.totals, contexts, counts)
        self.types = numpy.bincount(contexts[counts > 0], minlength=self.n_contexts)

    def find(self, contexts: Ints1d, symbols: Ints1d) -> Ints1d:
        """
        contexts (Ints1d): Numbers of contexts, -1 for those that are not known.
        symbols (Ints1d): The symbols that follow them.
        RETURNS (Ints1d): Numbers of the n-grams, -1 for those that are not known.
        """
        keys = contexts * self.base + symbols
        places = numpy.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return numpy.where((contexts >= 0) & (self.keys[places] == keys), places, -1)

    def interpolate(
        self, contexts: Ints1d, found: Ints1d, lower: Floats1d, discount: float
    ) -> Floats1d:
        """
        contexts (Ints1d): Numbers of contexts, or -1.
        found (Ints1d): Numbers of n-grams, or -1.
        lower (Floats1d): Their probabilities in the next lower order.
        discount (float): D.
        RETURNS (Floats1d): Their probabilities in this order.
        """
        seen = contexts >= 0
        seen[seen] = self.totals[contexts[seen]] > 0
        counts = numpy.where(found >= 0, self.counts[found], 0)[seen]
        weights = discount * self.types[contexts[seen]]
        probs = lower.copy()
        probs[seen] = (counts - discount).clip(min=0.0) + weights * lower[seen]
        probs[seen] /= self.totals[contexts[seen]]
        return probs


class KneserNey:
    """An interpolated Kneser-Ney model (Kneser & Ney 1995, interpolated as in Chen & Goodman 1999).

    P_k(w | h) = max(c(h w) - D, 0) / c(h .) + D N(h .) / c(h .) P_k-1(w | h')

    Here h are the last k - 1 symbols and h' is h without the first of them, c(h .) is the sum of
    c(h w) over w, and N(h .) the number of different w for which c(h w) > 0. In the highest order
    c(h w) is how often `h w` occurs, in the lower ones how many different symbols precede it. P_0
    is uniform, and P_k is P_k-1 if h is not known. Each sequence is preceded by `order - 1` start
    symbols, which are never predicted. If its end is to be predicted, it must be among its symbols.

    n_symbols (int): How many symbols there are: the numbers from 0 on.
    order (int): The n of the n-grams; recommended range 2 to 5 for words, 5 to 8 for characters.
    discount (float): D, from 0 to 1; recommended 0.75.
    RAISES (ValueError): If one of them is out of its range.
    """

    def __init__(self, n_symbols: int, order: int = 3, discount: float = DISCOUNT) -> None:
        if n_symbols < 1 or order < 1:
            raise ValueError(f"Found n_symbols={n_symbols} and order={order}, expected 1 or more.")
        if not 0.0 <= discount <= 1.0:
            raise ValueError(f"Found discount={discount}, expected a number from 0 to 1.")
        self.n_symbols = n_symbols
        self.order = order
        self.discount = discount
        self.tables: List[Table] = []

    def fit(self, sequences: Sequence[Sequence[int]]) -> None:
        """Count the n-grams of all orders. What was counted before is forgotten.

        sequences (Sequence[Sequence[int]]): What to learn from.
        RAISES (ValueError): If that is nothing, or has numbers that are out of range.
        """
        symbols = self._join(sequences)
        if not (symbols < self.n_symbols).any():
            raise ValueError("Found no symbols to learn from, expected at least one.")
        base = self.n_symbols + 1
        tables: List[Table] = []
        # By place: the number of the n-gram that ends there. There is one of order 0.
        grams = numpy.zeros(len(symbols), dtype="int64")
        n_grams = 1
        for _ in range(self.order):
            keys, first, longer = numpy.unique(
                _before(grams) * base + symbols, return_index=True, return_inverse=True
            )
            if tables:
                # Each different n-gram is one way to precede the shorter one that it ends in.
                tables[-1].count(grams[first])
            tables.append(Table(keys, base, n_grams))
            grams, n_grams = longer, len(keys)
        tables[-1].count(grams)
        self.tables = tables

    def log2_probs(self, sequences: Sequence[Sequence[int]]) -> Floats1d:
        """
        sequences (Sequence[Sequence[int]]): What to score.
        RETURNS (Floats1d): The logarithm (base 2) of the probability of each symbol after those
            before it in its sequence; of all sequences in a row.
        RAISES (ValueError): If the model was not trained, or numbers are out of range.
        """
        self._check_trained()
        symbols = self._join(sequences)
        probs = numpy.full(len(symbols), 1.0 / self.n_symbols)
        grams = numpy.zeros(len(symbols), dtype="int64")
        for table in self.tables:
            contexts = _before(grams)
            grams = table.find(contexts, symbols)
            probs = table.interpolate(contexts, grams, probs, self.discount)
        logs: Floats1d = numpy.log2(probs[symbols < self.n_symbols])
        return logs

    def distribution(self, history: Sequence[int]) -> Floats1d:
        """
        history (Sequence[int]): The symbols from the beginning of a sequence on; any number.
        RETURNS (Floats1d): The probability of each symbol to be the next one: they sum to 1.
        RAISES (ValueError): If the model was not trained, or numbers are out of range.
        """
        self._check_trained()
        recent = self._join([history])[len(history) :]
        symbols = numpy.arange(self.n_symbols)
        probs = numpy.full(self.n_symbols, 1.0 / self.n_symbols)
        grams = numpy.zeros(len(recent), dtype="int64")
        context = 0
        for table in self.tables:
            contexts = numpy.full(self.n_symbols, context)
            found = table.find(contexts, symbols)
            probs = table.interpolate(contexts, found, probs, self.discount)
            grams = table.find(_before(grams), recent)
            context = int(grams[-1]) if len(grams) else 0
        return probs

    def _join(self, sequences: Sequence[Sequence[int]]) -> Ints1d:
        """All sequences in a row, each after its start symbols."""
        start = numpy.full(self.order - 1, self.n_symbols, dtype="int64")
        pieces = [start[:0]]
        for sequence in sequences:
            symbols = numpy.asarray(sequence, dtype="int64")
            if len(symbols) and not 0 <= symbols.min() <= symbols.max() < self.n_symbols:
                raise ValueError(
                    f"Found symbols from {symbols.min()} to {symbols.max()}, expected numbers from "
                    f"0 to {self.n_symbols - 1}."
                )
            pieces += [start, symbols]
        return numpy.concatenate(pieces)

    def _check_trained(self) -> None:
        if not self.tables:
            raise ValueError("Found a model that has learned nothing. Call fit() before.")


def _before(grams: Ints1d) -> Ints1d:
    """The n-gram that ends one place earlier.

    What is at the first place of all does not matter: it, and what follows from it, ends in start
    symbols, which have no count. (Of order 0 there is only one.)
    """
    return numpy.concatenate([grams[:1], grams[:-1]])
