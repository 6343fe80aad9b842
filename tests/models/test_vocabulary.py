"""What a language model predicts: which units are known, and how docs are cut into them."""

import copy
import json
import pickle
from typing import Any, Dict, List

import numpy
import pytest
import spacy
import srsly
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from spacy_rnn.models.vocabulary import END, SPECIALS, UNITS, UNKNOWN, Vocabulary, match_units

NLP = spacy.blank("en")
TEXTS = [
    "The cat saw the cat.",
    'A "dog" costs $5 (or less), doesn\'t it?',
    "naïve  \U0001f600 café\n\nend ",
    "",
    "中文 \u200b ﷺ e\u0301",
]
CHARS = st.characters(exclude_categories=["Cs"])  # halves of surrogate pairs are in no doc
# Docs as tokenizers make them, and docs as nobody would.
DOCS = st.one_of(
    st.text(CHARS, max_size=30).map(NLP.make_doc),
    st.lists(st.tuples(st.text(CHARS, min_size=1, max_size=5), st.booleans()), max_size=8).map(
        lambda pairs: Doc(NLP.vocab, [word for word, _ in pairs], [space for _, space in pairs])
    ),
)


def learned(kind: str, texts: List[str] = TEXTS, **settings: Any) -> Vocabulary:
    docs = (NLP.make_doc(text) for text in texts)  # they are read once
    return Vocabulary.learn(kind, docs, **{"min_freq": 1, **settings})


VOCABULARIES: Dict[str, Vocabulary] = {kind: learned(kind) for kind in UNITS}


def text_of(vocabulary: Vocabulary, ids: numpy.ndarray) -> str:
    units = [vocabulary.shown(number) for number in ids.tolist()]
    return vocabulary.pieces.join(units) if vocabulary.pieces else "".join(units)


@pytest.mark.parametrize(
    ("kind", "expected"), [("word", ["b", "a", "c", "d"]), ("char", [" ", "b", "a", "c", "d"])]
)
def test_units_follow_by_falling_frequency_and_then_by_the_alphabet(
    kind: str, expected: List[str]
) -> None:
    vocabulary = learned(kind, ["b a b d", "c b a"])
    assert vocabulary.units == expected
    assert len(vocabulary) == len(expected) + 2
    assert [vocabulary.number(unit) for unit in expected] == list(range(2, len(vocabulary)))
    assert learned(kind, ["c b a", "b a b d"]).units == expected


def test_rare_units_and_those_beyond_the_size_are_unknown() -> None:
    text = "a a a a b b b c c d"
    assert learned("word", [text], min_freq=2).units == ["a", "b", "c"]
    assert learned("word", [text], max_size=2).units == ["a", "b"]
    assert learned("word", [text], min_freq=3, max_size=3).units == ["a", "b"]
    vocabulary = learned("word", [text], min_freq=3)
    assert vocabulary.encode(NLP.make_doc("d a c")).ids.tolist() == [UNKNOWN, 2, UNKNOWN]
    assert vocabulary.unknown_texts(NLP.make_doc("d a c")) == ["d", "c"]
    assert "d" not in vocabulary
    assert vocabulary.number("d") == UNKNOWN
    # What is too rare is what unknown units are spelled by: once for each.
    assert vocabulary.spelling.counts == {"": 2, "c": 1, "d": 1}


def test_by_default_words_must_be_frequent_and_characters_need_not() -> None:
    docs = [NLP.make_doc("a a a b b")]
    assert Vocabulary.learn("word", docs).units == ["a"]
    assert Vocabulary.learn("char", docs).units == [" ", "a", "b"]


@pytest.mark.parametrize("kind", UNITS)
def test_special_symbols_are_written_by_no_text(kind: str) -> None:
    doc = Doc(NLP.vocab, [*SPECIALS, "x"], [True, False, False])
    known = Vocabulary.learn(kind, [doc], min_freq=1)
    assert (known.encode(doc).ids > UNKNOWN).all()
    assert text_of(known, known.encode(doc).ids).replace(" ", "") == "</s><unk>x"
    other = learned(kind, ["y"])
    assert END not in other.encode(doc).ids
    renamed = Vocabulary.learn(kind, [doc], min_freq=1, specials=["x", "y"])
    assert [renamed.shown(END), renamed.shown(UNKNOWN)] == ["x", "y"]
    assert (renamed.encode(doc).ids > UNKNOWN).all()


def test_words_are_spacys_tokens_whitespace_among_them() -> None:
    vocabulary = VOCABULARIES["word"]
    doc = NLP.make_doc("the cat  \U0001f600\n\nunseen ")
    units = vocabulary.encode(doc)
    shown = [vocabulary.shown(number) for number in units.ids.tolist()]
    assert shown == ["the", "cat", " ", "\U0001f600", "\n\n", "<unk>"]
    assert units.tokens.tolist() == [0, 1, 2, 3, 4, 5]
    assert vocabulary.unknown_texts(doc) == ["unseen"]


def test_characters_are_those_of_the_text_each_with_its_token() -> None:
    vocabulary = VOCABULARIES["char"]
    doc = NLP.make_doc("a \U0001f600\n中Ж ")
    units = vocabulary.encode(doc)
    shown = [vocabulary.shown(number) for number in units.ids.tolist()]
    assert shown == ["a", " ", "\U0001f600", "\n", "中", "<unk>", " "]
    assert [doc[i].text for i in units.tokens.tolist()] == ["a", "a", "\U0001f600", "\n"] + [
        "中Ж"
    ] * 3
    assert vocabulary.unknown_texts(doc) == ["Ж"]


def test_the_space_before_a_token_is_in_its_first_subword() -> None:
    vocabulary = learned("subword", ["the cat the cat the cat. "] * 5)
    units = vocabulary.encode(NLP.make_doc("the cat. "))
    assert [vocabulary.shown(number) for number in units.ids.tolist()] == [
        "the",
        "Ġcat",
        *([".Ġ"] if ".Ġ" in vocabulary else [".", "Ġ"]),
    ]
    assert vocabulary.unknown_texts(NLP.make_doc("中Ж")) == []


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("vocabulary", ["learned", "blank"])
def test_an_empty_doc_has_no_units(kind: str, vocabulary: str) -> None:
    empty = {"learned": VOCABULARIES[kind], "blank": Vocabulary(kind)}[vocabulary]
    units = empty.encode(NLP.make_doc(""))
    assert (units.ids.shape, units.tokens.shape) == ((0,), (0,))
    assert units.ids.dtype == units.tokens.dtype == numpy.int32
    assert empty.n_units(NLP.make_doc("")) == 0


@pytest.mark.parametrize("kind", ["word", "char"])
def test_a_blank_vocabulary_knows_nothing(kind: str) -> None:
    doc = NLP.make_doc("ab c")
    ids = Vocabulary(kind).encode(doc).ids
    assert ids.tolist() == [UNKNOWN] * (2 if kind == "word" else 4)
    with pytest.raises(ValueError, match="E024"):
        Vocabulary("subword").encode(doc)


@pytest.mark.parametrize("kind", UNITS)
@given(doc=DOCS)
def test_each_token_has_units_in_the_order_of_the_text(kind: str, doc: Doc) -> None:
    vocabulary = VOCABULARIES[kind]
    ids, tokens = vocabulary.encode(doc)
    assert ids.shape == tokens.shape == (vocabulary.n_units(doc),)
    assert sorted(set(tokens.tolist())) == list(range(len(doc)))
    assert (numpy.diff(tokens) >= 0).all()
    assert (ids != END).all()
    assert (ids < len(vocabulary)).all()
    is_unknown = ids == UNKNOWN
    assert len(vocabulary.unknown_texts(doc)) == is_unknown.sum()
    if kind == "subword":
        assert text_of(vocabulary, ids) == doc.text
    elif kind == "char":
        assert len(ids) == len(doc.text)
        shown = numpy.asarray(list(doc.text) or [""])[: len(ids)][~is_unknown]
        assert [vocabulary.shown(number) for number in ids[~is_unknown].tolist()] == list(shown)
    else:
        expected = [vocabulary.number(token.text) for token in doc]
        assert ids.tolist() == expected


@pytest.mark.parametrize("kind", UNITS)
@given(doc=DOCS, data=st.data())
def test_a_doc_that_is_read_in_parts_has_the_units_of_the_whole(
    kind: str, doc: Doc, data: st.DataObject
) -> None:
    vocabulary = VOCABULARIES[kind]
    cut = data.draw(st.integers(0, len(doc)))
    before = doc[cut - 1].whitespace_ if cut else ""
    # If a document ends there, all is said already.
    first = vocabulary.encode(doc, 0, cut, is_end=cut == len(doc))
    rest = vocabulary.encode(doc, cut, before=before)
    whole = vocabulary.encode(doc)
    assert [*first.ids, *rest.ids] == whole.ids.tolist()
    assert [*first.tokens, *(rest.tokens + cut)] == whole.tokens.tolist()


def test_spacys_own_symbols_are_words_like_others() -> None:
    # Their number in the StringStore is not their hash.
    doc = NLP.make_doc("the number of an agent is a mark of PERSON NOUN ORTH x X")
    vocabulary = Vocabulary.learn("word", [doc], min_freq=1)
    shown = [vocabulary.shown(number) for number in vocabulary.encode(doc).ids.tolist()]
    assert shown == [token.text for token in doc]


def test_words_are_found_by_their_text_in_any_vocab() -> None:
    vocabulary = VOCABULARIES["word"]
    doc = Doc(Vocab(), ["cat", "unseen", ".", "the"])
    numbers = [vocabulary.number(word) for word in ("cat", "unseen", ".", "the")]
    assert vocabulary.encode(doc).ids.tolist() == numbers
    assert numbers[1] == UNKNOWN not in (numbers[0], numbers[2], numbers[3])


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("way", ["dict", "json", "msgpack", "model", "pickle", "copy"])
def test_round_trips(kind: str, way: str) -> None:
    vocabulary = learned(kind, min_freq=2, specials=["<end>", "<rare>"])

    def model(value: Vocabulary) -> Model:
        return Model("holder", lambda *args: None, attrs={"vocabulary": value})

    data = vocabulary.to_dict()
    found = {
        "dict": lambda: Vocabulary.from_dict(data),
        "json": lambda: Vocabulary.from_dict(json.loads(json.dumps(data))),
        "msgpack": lambda: Vocabulary.from_dict(srsly.msgpack_loads(srsly.msgpack_dumps(data))),
        "model": lambda: model(Vocabulary("char")).from_bytes(model(vocabulary).to_bytes()),
        "pickle": lambda: pickle.loads(pickle.dumps(vocabulary)),
        "copy": lambda: copy.deepcopy(vocabulary),
    }[way]()
    if way == "model":
        found = found.attrs["vocabulary"]
    assert found.to_dict() == data
    for text in [*TEXTS, "quite unseen ☃"]:
        doc = NLP.make_doc(text)
        assert found.encode(doc).ids.tolist() == vocabulary.encode(doc).ids.tolist()
        assert found.unknown_texts(doc) == vocabulary.unknown_texts(doc)
    assert found.spelling.bits("☃") == vocabulary.spelling.bits("☃")


DAMAGE: Dict[str, Any] = {
    "kind": ["token", None, ["word"]],
    "units": [None, "abc", ["a", 5], [b"a"], ["\ud800"], {"a": 1}],
    "specials": [None, ["</s>"], "ab", ["a", 1]],
    "subwords": [None, "{", 7, "{}"],
    "spacing": [None, {}, {"before": []}, [], {"before": "a"}],
    "spelling": [None, [1], {"a": "b"}, {"a": -1}, {"a": 0.5}],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in DAMAGE.items() for value in values]
)
@pytest.mark.parametrize("kind", ["word", "subword"])
def test_damaged_data_is_told(kind: str, field: str, value: Any) -> None:
    data = VOCABULARIES[kind].to_dict()
    with pytest.raises(ValueError, match=r"\[spacy-rnn E060\]"):
        Vocabulary.from_dict({**data, field: value})
    del data[field]
    with pytest.raises(ValueError, match="E060.*" + field):
        Vocabulary.from_dict(data)


@pytest.mark.parametrize("data", [None, [], "word", 5])
def test_data_of_another_kind_is_told(data: Any) -> None:
    with pytest.raises(ValueError, match="E060"):
        Vocabulary.from_dict(data)


def test_subwords_and_units_must_fit() -> None:
    data = VOCABULARIES["subword"].to_dict()
    for damaged in (
        {**data, "units": data["units"][1:]},
        {**data, "units": [*data["units"], "xyz"]},
        {**data, "subwords": ""},
        {**VOCABULARIES["char"].to_dict(), "subwords": data["subwords"]},
    ):
        with pytest.raises(ValueError, match="E060"):
            Vocabulary.from_dict(damaged)


def test_spaces_beside_words_that_are_not_there_are_told() -> None:
    data = VOCABULARIES["word"].to_dict()
    for places in ([0.5], ["a"], "a", [True]):
        spacing = {**data["spacing"], "pairs": places}
        with pytest.raises(ValueError, match="E060"):
            Vocabulary.from_dict({**data, "spacing": spacing})


def test_arguments_that_are_wrong_are_told() -> None:
    docs = [NLP.make_doc("a b")]
    for kind, settings, code in (
        ("token", {}, "E009"),
        ("word", {"min_freq": -1}, "E011"),
        ("word", {"max_size": -1}, "E011"),
        ("word", {"specials": ["</s>"]}, "E011"),
        ("word", {"specials": [1, 2]}, "E011"),
        ("subword", {"subword_model": "wordpiece"}, "E009"),
    ):
        with pytest.raises(ValueError, match=code):
            Vocabulary.learn(kind, docs, **settings)
    with pytest.raises(ValueError, match=r"E061.*'a'"):
        Vocabulary("word", ["a", "b", "a"])
    with pytest.raises(ValueError, match=r"E062.*'ab'"):
        Vocabulary("char", ["a", "ab"])


@pytest.mark.parametrize("kind", ["word", "char"])
def test_growth_keeps_all_numbers(kind: str) -> None:
    old = learned(kind, ["a b b ,"])
    new = old.grown(["b", "z", "y", "z"])
    assert new.units == [*old.units, "z", "y"]
    doc = NLP.make_doc("z a b")
    before, after = old.encode(doc).ids, new.encode(doc).ids
    assert after[before != UNKNOWN].tolist() == before[before != UNKNOWN].tolist()
    assert (before == UNKNOWN).sum() == 1
    assert (after != UNKNOWN).all()
    assert len(old) == len(new) - 2
    assert new.spacing.to_dict() == old.spacing.to_dict()
    assert new.specials == old.specials
    for units in ("ab", ["a", 5], ["\ud800"]):
        with pytest.raises(ValueError, match="E011"):
            old.grown(units)  # type: ignore[arg-type]


def test_rows_are_matched_by_strings() -> None:
    old, new = Vocabulary("word", ["a", "b", "c"]), Vocabulary("word", ["c", "x", "a"])
    rows, sources = match_units(old, new)
    assert dict(zip(rows.tolist(), sources.tolist())) == {END: END, UNKNOWN: UNKNOWN, 2: 4, 4: 2}
    rows, _ = match_units(Vocabulary("word"), new)
    assert rows.tolist() == [END, UNKNOWN]


@pytest.mark.parametrize("kind", UNITS)
def test_a_corpus_without_text_gives_no_units(kind: str) -> None:
    for docs in ([], [NLP.make_doc("")]):
        for subword_model in ("bpe", "unigram"):
            vocabulary = Vocabulary.learn(kind, docs, subword_model=subword_model)
            assert len(vocabulary) == len(SPECIALS)
