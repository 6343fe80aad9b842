"""From units back to text."""

import codecs
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Sequence

from spacy.tokens import Doc

from ..models.subwords import bytes_of
from ..models.vocabulary import END, Vocabulary


class Joiner:
    """Turns the units of one text into what they add to it.

    vocabulary (Vocabulary): Of the model.
    prompt (Doc): The text so far.
    """

    def __init__(self, vocabulary: Vocabulary, prompt: Doc) -> None:
        self.vocabulary = vocabulary

    def add(self, unit: int) -> str:
        """RETURNS (str): The text that a unit adds; "" if it is part of a character."""
        return self.vocabulary.shown(unit)

    def copy(self) -> "Joiner":
        """RETURNS (Joiner): That stands where this one does."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin


class WordJoiner(Joiner):
    """Puts spaces between words, as they stood in training."""

    def __init__(self, vocabulary: Vocabulary, prompt: Doc) -> None:
        super().__init__(vocabulary, prompt)
        self._open: FrozenSet[int] = frozenset()
        self._left = END
        self._is_spaced = True
        for token in prompt:
            self._read(vocabulary.number(token.text))
            self._is_spaced = bool(token.whitespace_) or token.is_space

    def add(self, unit: int) -> str:
        is_space = False
        if not self._is_spaced:
            left = self._left - 2 if self._left >= 2 else None
            # The mark that counts is the left word if it is one, else the right one.
            mark = self._left if left in self.vocabulary.spacing.pairs else unit
            is_open = mark in self._open
            is_space = self.vocabulary.spacing.is_space(left, unit - 2, is_open)
        self._read(unit)
        self._is_spaced = False
        return " " * is_space + self.vocabulary.shown(unit)

    def _read(self, unit: int) -> None:
        self._left = unit
        if unit - 2 in self.vocabulary.spacing.pairs:
            self._open = self._open ^ {unit}


class SubwordJoiner(Joiner):
    """Puts bytes together to characters; the space before a token is in its first piece."""

    def __init__(self, vocabulary: Vocabulary, prompt: Doc) -> None:
        super().__init__(vocabulary, prompt)
        self._bytes = b""
        # The prompt may end in the space that the first piece begins with.
        self._skips_space = prompt.text.endswith(" ")

    def add(self, unit: int) -> str:
        table = bytes_of()
        self._bytes += bytes(table[char] for char in self.vocabulary.shown(unit))
        decoder = codecs.getincrementaldecoder("utf8")("replace")
        text = decoder.decode(self._bytes)
        self._bytes = decoder.getstate()[0]
        if self._skips_space and text:
            self._skips_space = False
            text = text[1:] if text.startswith(" ") else text
        return text


def make_joiner(vocabulary: Vocabulary, prompt: Doc) -> Joiner:
    """RETURNS (Joiner): For the units of a vocabulary."""
    kinds: Dict[str, Callable[..., Joiner]] = {
        "word": WordJoiner,
        "char": Joiner,
        "subword": SubwordJoiner,
    }
    return kinds[vocabulary.kind](vocabulary, prompt)


def until_stop(pieces: Iterator[str], stops: Sequence[str]) -> Iterator[str]:
    """Pieces of a text up to where one of the stops begins. What may be the beginning of a stop is
    held back until it is known.

    pieces (Iterator[str]): The text.
    stops (Sequence[str]): What ends it.
    YIELDS (str): Its pieces.
    """
    held = ""
    longest = max(map(len, stops), default=0)
    for piece in pieces:
        held += piece
        places = [place for place in (held.find(stop) for stop in stops) if place >= 0]
        if places:
            held = held[: min(places)]
            break
        n_safe = len(held) - longest + 1 if longest else len(held)
        if n_safe > 0:
            yield held[:n_safe]
            held = held[n_safe:]
    if held:
        yield held


def cut_at_stop(text: str, stops: Sequence[str]) -> str:
    """RETURNS (str): The text before the first of the stops."""
    return "".join(until_stop(iter([text]), stops))


def prompt_units(vocabulary: Vocabulary, prompt: Doc) -> List[Any]:
    """RETURNS (List[int]): The units of a prompt, which is going on: with "subword" a space at its
    end is left to the piece that follows."""
    if vocabulary.kind != "subword":
        return vocabulary.encode(prompt).ids.tolist()
    return vocabulary.encode(prompt, is_end=False).ids.tolist()
