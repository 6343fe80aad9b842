"""N-grams of docs as 64-bit keys, and in how many texts each of them is."""

from typing import Iterable, Iterator, List, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import NumpyOps

from ..errors import Errors

# What of a token may be its word.
ATTRS = ("ORTH", "LOWER", "NORM", "LEMMA")
# Hashes n-grams on the CPU, wherever the model is.
HASHING = NumpyOps()
# As many n-grams are collected before they are merged into those that were counted.
CHUNK = 2**22
# How many times as many n-grams as are kept are counted at most, before the rarest are forgotten.
COUNTED = 16


def check_attr(attr: str) -> None:
    """Raise an error unless the name of an attribute is one of ATTRS."""
    if attr not in ATTRS:
        raise ValueError(Errors.E009.format(what="attr", found=attr, expected=", ".join(ATTRS)))


def words_of(doc: Doc, attr: str) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): (n_tokens,) 64 bits for each word."""
    return doc.to_array([attr]).reshape(-1).astype("uint64")


def ngram_keys(words: numpy.ndarray, ngram_size: int) -> Iterator[Tuple[int, numpy.ndarray]]:
    """
    words (numpy.ndarray): (n_tokens,) See `words_of`.
    ngram_size (int): The longest n-grams, in tokens.
    YIELDS (Tuple[int, numpy.ndarray]): n, and 64 bits for each n-gram of this length, from the
        first token on.
    """
    for n in range(1, max(1, min(ngram_size, len(words))) + 1):
        yield n, words if n == 1 else HASHING.ngrams(n, words).astype("uint64")


def find_rows(known: numpy.ndarray, keys: numpy.ndarray) -> numpy.ndarray:
    """
    known (numpy.ndarray): (n_rows,) The sorted keys that have rows.
    keys (numpy.ndarray): (n,) Keys of n-grams.
    RETURNS (Ints1d): (n,) The row of each; -1 for those that have none.
    """
    if not len(known):
        return numpy.full(len(keys), -1, dtype="int32")
    rows = numpy.minimum(numpy.searchsorted(known, keys), len(known) - 1)
    return numpy.where(known[rows] == keys, rows, -1).astype("int32")


def count_texts(
    texts: Iterable[numpy.ndarray], ngram_size: int, length: int
) -> Tuple[numpy.ndarray, numpy.ndarray, int]:
    """Count in how many texts each n-gram is.

    texts (Iterable[numpy.ndarray]): The words of each text; see `words_of`.
    ngram_size (int): The longest n-grams, in tokens.
    length (int): Of more n-grams than that, those in the most texts are kept. Of more than COUNTED
        times that, the rarest so far are forgotten on the way.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray, int]): The sorted keys of the n-grams, in how many
        texts each is, and the number of texts.
    """
    keys, n_in = numpy.zeros(0, dtype="uint64"), numpy.zeros(0, dtype="int64")
    pending: List[numpy.ndarray] = []
    n_texts = n_pending = 0
    for words in texts:
        of_text = numpy.concatenate([of_length for _, of_length in ngram_keys(words, ngram_size)])
        pending.append(numpy.unique(of_text))
        n_pending += len(pending[-1])
        n_texts += 1
        if n_pending >= CHUNK:
            keys, n_in = most_frequent(*_merge(keys, n_in, pending), COUNTED * length)
            pending, n_pending = [], 0
    return (*most_frequent(*_merge(keys, n_in, pending), length), n_texts)


def _merge(
    keys: numpy.ndarray, counts: numpy.ndarray, more: List[numpy.ndarray]
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): Sorted keys, and how often each is there."""
    merged, places = numpy.unique(numpy.concatenate([keys, *more]), return_inverse=True)
    added = numpy.bincount(places[len(keys) :], minlength=len(merged))
    added[places[: len(keys)]] += counts
    return merged, added


def most_frequent(
    keys: numpy.ndarray, counts: numpy.ndarray, n_kept: int
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): Those with the highest counts, in the order in
    which they were."""
    if len(keys) <= n_kept:
        return keys, counts
    kept = numpy.sort(numpy.argsort(-counts, kind="stable")[:n_kept])
    return keys[kept], counts[kept]
