"""Count the units of a corpus."""

from collections import Counter
from operator import attrgetter
from typing import Callable, Dict, Iterator

from spacy.tokens import Doc, Span, Token

from .spacing import Spaces

# By the attribute of tokens whose string is the unit.
WORDS: Dict[str, Callable[[Token], str]] = {
    "ORTH": attrgetter("text"),
    "LOWER": attrgetter("lower_"),
    "NORM": attrgetter("norm_"),
}


class Counts:
    """What `Vocabulary.learn` counts.

    kind, attr (str): Those of the vocabulary.
    units (Counter): How often each unit occurs; with "subword" how often each token does, with the
        space before it.
    spaces (Spaces): With "word": where they have spaces beside them.
    """

    def __init__(self, kind: str, attr: str = "ORTH") -> None:
        self.kind = kind
        self.word_of = WORDS[attr]
        self.units: "Counter[str]" = Counter()
        self.spaces = Spaces()

    def add(self, doc: Doc) -> None:
        """Count the units of a doc."""
        if self.kind == "char":
            self.units.update(doc.text)
        elif self.kind == "subword":
            self.units.update(with_spaces(doc[:], "", True))
        else:
            words = list(map(self.word_of, doc))
            self.units.update(words)
            self.spaces.add(words, [bool(token.whitespace_) for token in doc])


def with_spaces(tokens: Span, before: str, is_end: bool) -> Iterator[str]:
    """The texts of tokens, each with the space before it, and the last, if it is the last of the
    document, also with the one behind it: together the text of the document."""
    last = len(tokens) - 1
    for i, token in enumerate(tokens):
        yield before + token.text + (token.whitespace_ if is_end and i == last else "")
        before = token.whitespace_
