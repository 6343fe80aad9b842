"""Docs of the bare tokens of others: their words, the spaces between them, and their norms."""

from typing import Any, List, NamedTuple

import numpy
from spacy.attrs import NORM, ORTH, SPACY
from spacy.tokens import Doc
from spacy.vocab import Vocab


class Tokens(NamedTuple):
    """Tokens by their hashes, which is five times as fast as by their strings.

    words (List[int]): Those of their texts.
    spaces (List[bool]): Whether a space follows.
    norms (numpy.ndarray): (n_tokens,) uint64, those of their norms.
    """

    words: List[int]
    spaces: List[bool]
    norms: numpy.ndarray

    @classmethod
    def of(cls, doc: Doc) -> "Tokens":
        """RETURNS (Tokens): Those of a doc."""
        rows = doc.to_array([ORTH, SPACY, NORM]).reshape(-1, 3)
        return cls(rows[:, 0].tolist(), (rows[:, 1] != 0).tolist(), rows[:, 2])

    def cut(self, start: int, stop: int) -> "Tokens":
        """RETURNS (Tokens): Some of them."""
        return Tokens(self.words[start:stop], self.spaces[start:stop], self.norms[start:stop])

    def make_doc(self, vocab: Vocab) -> Doc:
        """RETURNS (Doc): Of these tokens, whose strings the vocab has."""
        doc = Doc(vocab, words=self.words, spaces=self.spaces)  # type: ignore[arg-type]
        if not numpy.array_equal(doc.to_array(NORM), self.norms):
            # Tokenizers give some tokens other norms than their words have: "n't" that of "not".
            rows: Any = self.norms.reshape(-1, 1)
            doc.from_array([NORM], rows)
        return doc
