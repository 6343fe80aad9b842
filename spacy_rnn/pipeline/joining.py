"""From units back to text."""

import codecs
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Optional, Sequence

import numpy
from spacy.tokens import Doc

from ..models.subwords import bytes_of
from ..models.vocabulary import UNKNOWN, Vocabulary


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

    def take(self, copied: bytes) -> str:
        """Go on with what is no unit of the vocabulary, as it was copied.

        copied (bytes): In UTF-8; of a subword maybe a part of a character alone.
        RETURNS (str): The text that it adds.
        """
        return copied.decode("utf8", "replace")

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
        self._left: Optional[int] = None
        # Whether there is a space before the last word, and behind it.
        self._is_before = self._is_behind = True
        for token in prompt:
            word = vocabulary.word_of(token)
            self._read(vocabulary.number(word), word, self._is_behind)
            self._is_behind |= bool(token.whitespace_)

    def add(self, unit: int) -> str:
        return self._put(unit, self.vocabulary.shown(unit))

    def take(self, copied: bytes) -> str:
        return self._put(UNKNOWN, super().take(copied).strip())

    def _put(self, unit: int, text: str) -> str:
        is_open = unit - 2 in self._open
        is_space = not self._is_behind and self.vocabulary.spacing.is_space(
            self._left, self._is_before, unit - 2, is_open
        )
        self._read(unit, text, is_space or self._is_behind)
        return " " * is_space + text

    def _read(self, unit: int, text: str, is_before: bool) -> None:
        self._left = unit - 2 if unit >= 2 else None
        self._is_before, self._is_behind = is_before, text.isspace()
        if unit - 2 in self.vocabulary.spacing.pairs:
            self._open = self._open ^ {unit - 2}
        elif "\n" in text:  # what is not closed by now never will be
            self._open = frozenset()


class SubwordJoiner(Joiner):
    """Puts bytes together to characters; the space before a token is in its first piece."""

    def __init__(self, vocabulary: Vocabulary, prompt: Doc) -> None:
        super().__init__(vocabulary, prompt)
        self._bytes = b""
        # The prompt may end in the space that the first piece begins with.
        self._skips_space = ends_in_space(prompt)

    def add(self, unit: int) -> str:
        return self.take(bytes_in(self.vocabulary.shown(unit)))

    def take(self, copied: bytes) -> str:
        self._bytes += copied
        decoder = codecs.getincrementaldecoder("utf8")("replace")
        text = decoder.decode(self._bytes)
        self._bytes = decoder.getstate()[0]
        if self._skips_space and text:
            self._skips_space = False
            text = text[1:] if text.startswith(" ") else text
        return text


def bytes_in(piece: str) -> bytes:
    """RETURNS (bytes): What the letters of a subword stand for."""
    table = bytes_of()
    return bytes(table[char] for char in piece)


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


def ends_in_space(prompt: Doc) -> bool:
    """RETURNS (bool): Whether there is a space behind the last token. Further spaces, and line
    breaks, are tokens of their own."""
    return bool(len(prompt) and prompt[-1].whitespace_)


def may_follow(vocabulary: Vocabulary, prompt: Doc) -> Optional[numpy.ndarray]:
    """What may be the first unit behind a prompt: where that ends in a space, none that goes on
    with the word before it.

    RETURNS (Optional[Bools1d]): (n_units,) For each unit whether it may; None if all may.
    """
    if vocabulary.kind != "subword" or not ends_in_space(prompt):
        return None
    return vocabulary.behind_space


def prompt_units(vocabulary: Vocabulary, prompt: Doc) -> List[Any]:
    """RETURNS (List[int]): The units of a prompt, which is going on: with "subword" a space at its
    end is left to the piece that follows."""
    if vocabulary.kind != "subword":
        return vocabulary.encode(prompt).ids.tolist()
    return vocabulary.encode(prompt, is_end=False).ids.tolist()
