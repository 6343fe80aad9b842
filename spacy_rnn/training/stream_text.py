"""A document from which windows are cut, from its beginning or from its end."""

import copy
from dataclasses import dataclass
from typing import Dict, Optional

import numpy
from spacy.attrs import LENGTH, NORM, ORTH, SPACY
from spacy.tokens import Doc
from spacy.vocab import Vocab

from .doc_tokens import Tokens


@dataclass(frozen=True)
class Piece:
    """A part of a window that comes from one document.

    n_tokens (int): Its length. 0 for a document without tokens.
    begins (bool): Whether it begins at the beginning of the document.
    ends (bool): Whether it ends at the end of the document.
    fresh (bool): Whether the text before it (behind it, where windows are cut from the end) is not
        what its stream read last, so that the state must begin anew. Only the first piece of a
        window can be fresh.
    cats (Optional[Dict[str, float]]): The document's categories, or None if it has none.
    spaced (bool): Whether there is a space before it in its document.
    """

    n_tokens: int
    begins: bool
    ends: bool
    fresh: bool
    cats: Optional[Dict[str, float]]
    spaced: bool = False


@dataclass
class Part:
    """Some tokens of a document.

    tokens (Tokens): The tokens.
    size (int): Their number, or that of their characters.
    piece (Piece): What the window says of them.
    """

    tokens: Tokens
    size: int
    piece: Piece


class Text:
    """What is left of a document.

    orths, norms (numpy.ndarray): (n_tokens,) uint64 hashes of the words, and of their norms.
    spaces (numpy.ndarray): (n_tokens,) bool, whether a space follows.
    offsets (Optional[numpy.ndarray]): (n_tokens + 1,) number of characters before each token, and
        in all; None if tokens are counted.
    start, stop (int): What is left, from token to token.
    """

    def __init__(self, doc: Doc, vocab: Vocab, unit: str, backward: bool) -> None:
        if doc.vocab is not vocab:
            for token in doc:
                vocab.strings.add(token.text)
                vocab.strings.add(token.norm_)
        rows = doc.to_array([ORTH, NORM, SPACY, LENGTH]).reshape(-1, 4)
        # Copies, so as not to keep what else is in `rows`.
        self.orths, self.norms = rows[:, 0].copy(), rows[:, 1].copy()
        self.spaces = rows[:, 2] != 0
        self.offsets: Optional[numpy.ndarray] = None
        if unit == "char":
            self.offsets = numpy.zeros(len(doc) + 1, dtype="int64")
            numpy.cumsum(rows[:, 2] + rows[:, 3], out=self.offsets[1:], dtype="int64")
        self.cats: Optional[Dict[str, float]] = dict(doc.cats) or None
        self.backward = backward
        self.n_tokens = len(doc)
        self.start = 0
        self.stop = len(doc)
        self.fresh = False

    @property
    def size(self) -> int:
        """RETURNS (int): What is left, in units."""
        return self._count(self.start, self.stop)

    def take(self, size: int) -> Part:
        """RETURNS (Part): The next tokens, to the first with which there are `size` units."""
        cut = self._find(size)
        start, stop = (cut, self.stop) if self.backward else (self.start, cut)
        piece = Piece(
            stop - start,
            start == 0,
            stop == self.n_tokens,
            self.fresh,
            self.cats,
            bool(start and self.spaces[start - 1]),
        )
        tokens = Tokens(
            self.orths[start:stop].tolist(),
            self.spaces[start:stop].tolist(),
            self.norms[start:stop],
        )
        part = Part(tokens, self._count(start, stop), piece)
        if self.backward:
            self.stop = start
        else:
            self.start = stop
        self.fresh = False
        return part

    def split(self) -> Optional["Text"]:
        """RETURNS (Optional[Text]): The half that would be read last, which is taken away from this
        text, or None if there is but one token."""
        middle = self._find(self.size // 2)
        if not self.start < middle < self.stop:
            return None
        half = copy.copy(self)
        half.fresh = True
        if self.backward:
            half.stop = self.start = middle
        else:
            half.start = self.stop = middle
        return half

    def _find(self, size: int) -> int:
        """RETURNS (int): Where the next tokens are `size` units or, by the last of them, more."""
        if self.backward:
            if self.offsets is None:
                return max(self.stop - size, self.start)
            found = numpy.searchsorted(self.offsets, self.offsets[self.stop] - size, side="right")
            return max(int(found) - 1, self.start)
        if self.offsets is None:
            return min(self.start + size, self.stop)
        found = numpy.searchsorted(self.offsets, self.offsets[self.start] + size)
        return min(int(found), self.stop)

    def _count(self, start: int, stop: int) -> int:
        if self.offsets is None:
            return stop - start
        return int(self.offsets[stop] - self.offsets[start])
