"""What a language model predicts: words, characters or subwords, and their numbers."""

from collections import Counter
from functools import cached_property, partial
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
from spacy.strings import get_string_id
from spacy.tokens import Doc, Token
from thinc.model import deserialize_attr, serialize_attr

from ..errors import Errors, number_error
from .counts import WORDS, Counts, with_spaces
from .spacing import Spacing
from .spelling import Spelling
from .subwords import SPACE, Subwords, train_subwords
from .vocabulary_data import ATTRS, KINDS, check_data, is_text

UNITS = KINDS
# What a unit is left out below, and how many are kept, if nothing is said.
MIN_FREQ = {"word": 3, "char": 1, "subword": 2}
MAX_SIZE = {"word": 50_000, "char": 0, "subword": 8_000}
END, UNKNOWN = 0, 1
SPECIALS = ("</s>", "<unk>")


class Units(NamedTuple):
    """The units of a stretch of text.

    ids (Ints1d): (n,) Their numbers.
    tokens (Ints1d): (n,) The token that each belongs to, counted from the first.
    """

    ids: numpy.ndarray
    tokens: numpy.ndarray


class Vocabulary:
    """The units that a model knows, and how a doc is cut into them.

    Number 0 is the end symbol, which also begins each document, and number 1 stands for all
    unknown units; neither can be written by a text, whatever is in it. The others follow by falling
    frequency.

    kind (str): "word" (spaCy's tokens), "char" (the characters of the text, whitespace included) or
        "subword" (learned pieces of tokens; the space before a token is a part of its first piece).
    units (Sequence[str]): The known units, without the special symbols.
    specials (Tuple[str, str]): How the end symbol and the unknown one are shown.
    subwords (str): With "subword": the trained tokenizer, as JSON.
    spacing (Optional[Spacing]): With "word": which words have spaces beside them.
    spelling (Optional[Spelling]): What it costs to spell an unknown unit.
    attr (str): With "word": the attribute of tokens whose string is the unit, "ORTH" (the text),
        "LOWER" or "NORM".
    """

    def __init__(
        self,
        kind: str,
        units: Sequence[str] = (),
        *,
        specials: Sequence[str] = SPECIALS,
        subwords: str = "",
        spacing: Optional[Spacing] = None,
        spelling: Optional[Spelling] = None,
        attr: str = "ORTH",
    ) -> None:
        for what, found, expected in (("unit", kind, UNITS), ("attr", attr, ATTRS)):
            if found not in expected:
                listed = ", ".join(expected)
                raise ValueError(Errors.E009.format(what=what, found=found, expected=listed))
        if attr != "ORTH" and kind != "word":
            raise ValueError(Errors.E140.format(attr=attr, unit=kind))
        self.kind = kind
        self.attr = attr
        self.units: List[str] = list(units)
        if len(set(self.units)) != len(self.units):
            twice = next(unit for unit, n in Counter(self.units).items() if n > 1)
            raise ValueError(Errors.E061.format(unit=twice))
        self.specials = list(specials)
        if len(self.specials) != len(SPECIALS) or not all(map(is_text, self.specials)):
            raise number_error("specials", "two texts, such as </s> and <unk>", specials)
        self.subwords = subwords
        self.spacing = spacing or Spacing()
        self.spelling = spelling or Spelling({})
        self.pieces = Subwords(subwords) if subwords else None
        if self.pieces is not None and self.units and set(self.units) != self.pieces.all():
            raise ValueError(Errors.E060.format(reason="'units' are not those of 'subwords'"))
        self._numbers = {unit: number for number, unit in enumerate(self.units, start=2)}
        keys = [_key(kind, unit) for unit in self.units]
        order = numpy.argsort(numpy.asarray(keys, dtype="uint64"), kind="stable")
        self._keys = numpy.asarray(keys, dtype="uint64")[order]
        self._ids = (order + 2).astype("int32")

    def __deepcopy__(self, memo: Any) -> "Vocabulary":
        return self  # it never changes

    def __len__(self) -> int:
        """RETURNS (int): How many numbers there are, with the special symbols."""
        return len(self.units) + len(SPECIALS)

    def __contains__(self, unit: str) -> bool:
        return unit in self._numbers

    def number(self, unit: str) -> int:
        """RETURNS (int): The number of a unit, that of the unknown one if it has none."""
        return self._numbers.get(unit, UNKNOWN)

    def shown(self, number: int) -> str:
        """RETURNS (str): A unit by its number; for special symbols their name."""
        return self.specials[number] if number < len(SPECIALS) else self.units[number - 2]

    @cached_property
    def behind_space(self) -> numpy.ndarray:
        """RETURNS (Bools1d): (n_units,) With "subword": what may stand behind a text that ends in a
        space. The space is the beginning of the next piece, or else the text ends there."""
        return numpy.asarray([True, False, *(unit.startswith(SPACE) for unit in self.units)])

    @classmethod
    def learn(
        cls,
        kind: str,
        docs: Iterable[Doc],
        *,
        min_freq: Optional[int] = None,
        max_size: Optional[int] = None,
        subword_model: str = "bpe",
        specials: Sequence[str] = SPECIALS,
        attr: str = "ORTH",
    ) -> "Vocabulary":
        """Count the units of a corpus, in one pass and in memory for its types alone.

        kind (str): See above.
        docs (Iterable[Doc]): The corpus.
        min_freq (Optional[int]): Units that are rarer are unknown. By default 3 for words, 1 for
            characters, 2 for subwords.
        max_size (Optional[int]): No more than this many units, 0 for no limit. By default 50,000
            words, 8,000 subwords.
        subword_model (str): "bpe" or "unigram".
        specials (Sequence[str]): How the end symbol and the unknown one are shown.
        attr (str): See above.
        RETURNS (Vocabulary): What was found.
        RAISES (ValueError): If an argument is not as described.
        """
        make = partial(cls, kind, specials=specials, attr=attr)
        make()  # an error for what is unknown, before the corpus is read
        min_freq = MIN_FREQ[kind] if min_freq is None else min_freq
        max_size = MAX_SIZE[kind] if max_size is None else max_size
        for what, number in (("min_freq", min_freq), ("max_size", max_size)):
            if number < 0:
                raise number_error(what, "0 or a positive number", number)
        counts = Counts(kind, attr)
        for doc in docs:
            counts.add(doc)
        if kind == "subword":
            if not counts.units:
                return make()
            trained = train_subwords(counts.units, subword_model, min_freq, max_size)
            pieces = Subwords(trained).count(counts.units)
            return make(pieces, subwords=trained)
        ordered = sorted(counts.units.items(), key=lambda item: (-item[1], item[0]))
        kept = [unit for unit, count in ordered if count >= min_freq]
        kept = kept[:max_size] if max_size else kept
        rare = dict(ordered[len(kept) :])
        spacing = Spacing.of(counts.spaces.counts, kept)
        return make(kept, spacing=spacing, spelling=Spelling.of(rare))

    def grown(self, units: Iterable[str]) -> "Vocabulary":
        """Add units.

        units (Iterable[str]): The new ones; those that are known are left out.
        RETURNS (Vocabulary): With more units behind those that are there.
        RAISES (ValueError): If they are not texts.
        """
        is_list = isinstance(units, Iterable) and not isinstance(units, str)
        given = list(units) if is_list else []
        if not is_list or not all(unit and is_text(unit) for unit in given):
            raise number_error("units", "a list of texts that are not empty", units)
        added = [unit for unit in dict.fromkeys(given) if unit not in self]
        return Vocabulary(
            self.kind,
            [*self.units, *added],
            specials=self.specials,
            subwords=self.subwords,
            spacing=self.spacing,
            spelling=self.spelling,
            attr=self.attr,
        )

    def encode(
        self,
        doc: Doc,
        start: int = 0,
        end: Optional[int] = None,
        *,
        before: str = "",
        is_end: bool = True,
    ) -> Units:
        """Cut tokens of a doc into units.

        start (int): The first token.
        end (Optional[int]): The one behind the last; None for that of the doc.
        before (str): The space before the first token.
        is_end (bool): Whether a document ends with the last token, so that the space behind it is
            no other token's. With "subword" both count.
        RETURNS (Units): Their numbers, without the end symbol.
        """
        end = len(doc) if end is None else end
        n_tokens = end - start
        if not n_tokens:
            return Units(numpy.zeros(0, dtype="int32"), numpy.zeros(0, dtype="int32"))
        if self.kind == "word":
            keys = doc.to_array(self.attr)[start:end]
            return Units(self._find(keys), numpy.arange(n_tokens, dtype="int32"))
        if self.kind == "subword":
            if self.pieces is None:
                raise ValueError(Errors.E024.format(name="language_model"))
            pieces = [
                self.pieces.cut(piece) for piece in with_spaces(doc[start:end], before, is_end)
            ]
            ids: Any = [self.number(unit) for piece in pieces for unit in piece]
            lengths = [len(piece) for piece in pieces]
        else:
            texts = [token.text_with_ws for token in doc[start:end]]
            points = _code_points("".join(texts))
            lengths = [len(text) for text in texts]
            ids = self._find(points.astype("uint64"))
        tokens = numpy.repeat(numpy.arange(n_tokens, dtype="int32"), lengths)
        return Units(numpy.asarray(ids, dtype="int32"), tokens)

    def n_units(self, doc: Doc) -> int:
        """RETURNS (int): How many units a doc has, without the end symbol."""
        if self.kind == "word":
            return len(doc)
        return len(doc.text) if self.kind == "char" else len(self.encode(doc).ids)

    def word_of(self, token: Token) -> str:
        """RETURNS (str): With "word": the unit that a token is."""
        return WORDS[self.attr](token)

    def unknown_texts(self, doc: Doc) -> List[str]:
        """RETURNS (List[str]): The units of a doc that are unknown, as they would be known."""
        if self.kind == "subword":
            return []
        ids, tokens = self.encode(doc)
        if self.kind == "word":
            return [self.word_of(doc[int(i)]) for i in tokens[ids == UNKNOWN]]
        text = doc.text
        return [text[i] for i in numpy.nonzero(ids == UNKNOWN)[0]]

    def _find(self, keys: numpy.ndarray) -> numpy.ndarray:
        """RETURNS (Ints1d): The numbers of units by their keys."""
        if not len(self._keys):
            return numpy.full(len(keys), UNKNOWN, dtype="int32")
        places = numpy.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        found = numpy.where(self._keys[places] == keys, self._ids[places], UNKNOWN)
        return cast(numpy.ndarray, found.astype("int32"))

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Plain data, from which `from_dict` makes the same."""
        return {
            "kind": self.kind,
            "units": self.units,
            "specials": self.specials,
            "subwords": self.subwords,
            "spacing": self.spacing.to_dict(),
            "spelling": self.spelling.counts,
            "attr": self.attr,
        }

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "Vocabulary":
        """RETURNS (Vocabulary): From what `to_dict` made.

        RAISES (ValueError): If something is missing, or is of another type.
        """
        check_data(data)
        return cls(
            data["kind"],
            data["units"],
            specials=data["specials"],
            subwords=data["subwords"],
            spacing=Spacing.from_dict(data["spacing"]),
            spelling=Spelling(data["spelling"]),
            attr=data.get("attr", "ORTH"),
        )


def _key(kind: str, unit: str) -> int:
    """What a unit is found by: of a word its number in spaCy's StringStore, which is not its hash
    for spaCy's own symbols, such as `number`; of a character its code point."""
    if kind == "char":
        if len(unit) != 1:
            raise ValueError(Errors.E062.format(unit=repr(unit)))
        return ord(unit)
    return cast(int, get_string_id(unit))


def _code_points(text: str) -> numpy.ndarray:
    return numpy.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")


def match_units(old: Vocabulary, new: Vocabulary) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Where the rows of one vocabulary are in another: by their strings, never by their numbers.

    RETURNS (Tuple[Ints1d, Ints1d]): Numbers in the new one, and for each that in the old one, of
        all units that both have. The special symbols are among them.
    """
    pairs = [(number, old.number(unit)) for number, unit in enumerate(new.units, start=2)]
    pairs = [(END, END), (UNKNOWN, UNKNOWN)] + [pair for pair in pairs if pair[1] != UNKNOWN]
    table = numpy.asarray(pairs, dtype="int64")
    return table[:, 0], table[:, 1]


@serialize_attr.register(Vocabulary)
def _serialize(_: Any, value: Vocabulary, name: str, model: Any) -> bytes:
    import srsly

    return cast(bytes, srsly.msgpack_dumps(value.to_dict()))


@deserialize_attr.register(Vocabulary)
def _deserialize(_: Any, value: bytes, name: str, model: Any) -> Vocabulary:
    import srsly

    return Vocabulary.from_dict(cast(Dict[str, Any], srsly.msgpack_loads(value)))
