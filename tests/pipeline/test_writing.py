"""Texts that are written by a language model, and what may follow a text."""

import difflib
from itertools import islice, permutations
from typing import Any, Dict, List

import numpy
import pytest
import spacy
from lm_helpers import make_lm
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from thinc.types import Ragged

from spacy_rnn.layers.softmax import log_probs
from spacy_rnn.models import reading
from spacy_rnn.models.lm_parts import parts
from spacy_rnn.models.vocabulary import END, UNITS, UNKNOWN
from spacy_rnn.pipeline import reader, writing
from spacy_rnn.pipeline.language_model import RNNLanguageModel
from tests.small_lm import train_lm

SETTINGS: List[Dict[str, Any]] = [
    {"seed": 1},
    {"seed": 2, "temperature": 0.7, "top_k": 5},
    {"seed": 3, "top_p": 0.8, "min_p": 0.01},
    {"temperature": 0.0},
    {"seed": 4, "temperature": 3.0, "stop": ["sat", "mat.", "e c", "at t"]},
]
PROMPTS = ["", "The", "The cat ", "The  ", " ", "\n", 'quite unseen "', "中\U0001f600", "The ca"]
# Quotes, brackets, contractions, currency, hyphens: where spaces stand depends on much.
QUOTING = [
    sentence.format(one, other)
    for one, other in permutations(["cat", "dog", "king"], 2)
    for sentence in (
        'The {} said, "I don\'t like the {}."',
        "The {} paid $5 (or $6), didn't it?",
        "\"You've seen [sic] the {}'s mat,\" said the {}.",
        "A well-known {} (it's old) sat on a mat; the {} wasn't there.",
        'They can\'t pay 20% of $7.50 -- the {} says: "no"!',
    )
]
NLP = spacy.blank("en")
GOOD, BAD = {"GOOD": 1.0, "BAD": 0.0}, {"GOOD": 0.0, "BAD": 1.0}


def distribution(lm: RNNLanguageModel, text: str) -> numpy.ndarray:
    """RETURNS (Floats1d): The probability of each unit after a text that is read as a whole. Behind
    a space a new token begins, or the text ends."""
    doc = NLP.make_doc(text)
    is_end = lm.vocabulary.kind != "subword"
    ids = lm.model.ops.asarray1i([END, *lm.vocabulary.encode(doc, is_end=is_end).ids.tolist()])
    encoder, _, output, _ = parts(lm.model)
    H = encoder.predict(Ragged(ids, lm.model.ops.asarray1i([len(ids)]))).dataXd
    p = numpy.exp(numpy.asarray(log_probs(output, H[-1:])[0], dtype="float64"))
    if lm.vocabulary.kind == "subword" and ends_in_space(text):
        p *= [n == END or lm.vocabulary.shown(n).startswith("Ġ") for n in range(len(p))]
        p /= p.sum()
    return p


def ends_in_space(text: str) -> bool:
    """RETURNS (bool): Whether there is a space behind the last token: a second one is a token."""
    doc = NLP.make_doc(text)
    return bool(len(doc) and doc[-1].whitespace_)


def texts(lm: RNNLanguageModel, prompt: str = "", **settings: Any) -> List[str]:
    return [doc.text for doc in lm.generate(prompt, **settings)]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_each_text_begins_with_the_prompt(unit: str, prompt: str) -> None:
    lm = make_lm(unit)
    docs = lm.generate(prompt, n=4, max_length=8, seed=0)
    assert len(docs) == 4
    assert all(isinstance(doc, Doc) and doc.text.startswith(prompt) for doc in docs)
    again = texts(lm, prompt, n=2, max_length=8, beam_width=3)
    assert all(text.startswith(prompt) for text in again)


@pytest.mark.parametrize("unit", UNITS)
def test_no_more_units_are_written_than_wanted(unit: str) -> None:
    lm = make_lm(unit)
    for max_length in (1, 2, 5):
        found = texts(lm, n=20, max_length=max_length, seed=0, temperature=3.0)
        docs = [lm.vocabulary.n_units(NLP.make_doc(text)) for text in found]
        if unit == "char":
            assert max(docs) == max_length
        # Each unit is at least a character, and one is drawn that is not the end.
        assert 0 < max(map(len, found)) <= max_length * 6


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("softmax", ["full", "adaptive"])
def test_at_temperature_0_each_unit_is_the_most_probable_one(unit: str, softmax: str) -> None:
    adaptive = {"@architectures": "spacy-rnn.AdaptiveSoftmax.v1", "cutoffs": [5]}
    lm = make_lm(unit, softmax=adaptive if softmax == "adaptive" else None)
    prompt = "The dog"
    pieces = list(lm.stream(prompt, temperature=0, max_length=15))
    assert pieces
    writer = lm._get_writer()
    units = [END, *lm.vocabulary.encode(NLP.make_doc(prompt)).ids.tolist()]
    reached = writer.reader.read(units, None)
    for piece in pieces:
        ((_, found),) = writer.reader.log_probs(reached.H)
        best = int(found.argmax())
        assert piece.strip() == writer._shown(best).strip()
        reached = writer.reader.step(reached, [best])
    text = prompt + "".join(pieces)
    assert texts(lm, prompt, temperature=0, max_length=15, seed=7) == [text]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_text_does_not_depend_on_how_many_are_written_beside_it(
    unit: str, settings: Dict[str, Any]
) -> None:
    lm = make_lm(unit)
    found = texts(lm, "The", n=12, max_length=30, **settings)
    assert texts(lm, "The", n=12, max_length=30, **settings) == found
    for n in (1, 5):
        assert texts(lm, "The", n=n, max_length=30, **settings) == found[:n]
    if settings.get("temperature") != 0.0:
        assert len(set(found)) > 3
        other = {**settings, "seed": 99}
        assert texts(lm, "The", n=12, max_length=30, **other) != found


def test_without_a_seed_texts_differ_from_call_to_call() -> None:
    lm = make_lm("char")
    assert texts(lm, max_length=40) != texts(lm, max_length=40)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_stream_is_the_text_that_is_generated(unit: str, settings: Dict[str, Any]) -> None:
    lm = make_lm(unit)
    for prompt in PROMPTS:
        pieces = list(lm.stream(prompt, max_length=25, **settings))
        assert all(pieces)
        assert prompt + "".join(pieces) == texts(lm, prompt, max_length=25, **settings)[0]


def test_a_stream_is_written_as_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = make_lm("word")
    steps: List[Any] = []
    mine = lm._get_writer().reader
    step = mine.step
    monkeypatch.setattr(mine, "step", lambda *args: steps.append(args) or step(*args))
    stream = lm.stream("The", seed=3, temperature=2.0)
    assert not steps
    assert len(list(islice(stream, 3))) == 3
    assert len(steps) == 2


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    "stop", ["on", "t o", ["the", "sat"], ["zz", "at on"], ["xyz", "t"], [".", "t"]]
)
def test_a_text_ends_before_the_first_stop(unit: str, stop: Any) -> None:
    lm = make_lm(unit)
    stops = [stop] if isinstance(stop, str) else stop
    settings: Dict[str, Any] = {"n": 30, "seed": 5, "temperature": 0.7, "max_length": 40}
    endless = texts(lm, "The cat", **settings)
    found = texts(lm, "The cat", stop=stop, **settings)
    for text, whole in zip(found, endless):
        rest = whole[len("The cat") :]
        places = [rest.find(one) for one in stops if one in rest]
        assert text == "The cat" + rest[: min(places, default=None)]
    assert found != endless


@pytest.mark.parametrize("unit", UNITS)
def test_the_unknown_unit_is_never_written(unit: str) -> None:
    nlp = train_lm(unit, n_steps=1)
    lm: Any = nlp.get_pipe("rnn_lm")
    parts(lm.model).output.get_param("b")[UNKNOWN] = 50.0  # nothing else is probable
    unknown = lm.vocabulary.shown(UNKNOWN)
    for settings in ({"seed": 0, "n": 5}, {"temperature": 0.0}, {"beam_width": 3, "n": 2}):
        assert unknown not in " ".join(texts(lm, "The", max_length=10, **settings))
    assert unknown not in [text for text, _ in lm.next_tokens("The", 1000)]
    assert len(lm.next_tokens("The", 1000)) == len(lm.vocabulary) - 1
    found = lm.alternatives(nlp.make_doc("The cat"), 4)
    assert [len(row) for row in found] == [4, 4]
    assert unknown not in [text for row in found for text, _ in row]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"n": 0}, "E011"),
        ({"n": 1.0}, "E011"),
        ({"n": True}, "E011"),
        ({"n": 3, "beam_width": 2}, "E011"),
        ({"prompt": 5}, "E011"),
        ({"prompt": None}, "E011"),
        ({"prompt": "a\ud800"}, "E011"),
        ({"max_length": 0}, "E011"),
        ({"temperature": -1.0}, "E011"),
        ({"stop": ["", "a"]}, "E011"),
        ({"cats": {"GOOD": 1.0}}, "E072"),
        ({"vector": [1.0]}, "E072"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_written(
    settings: Dict[str, Any], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = make_lm("word")
    monkeypatch.setattr(lm._get_writer().reader, "step", None)
    with pytest.raises(ValueError, match=rf"\[spacy-rnn {code}\]"):
        lm.generate(**settings)
    if "n" not in settings:
        with pytest.raises(ValueError, match=rf"\[spacy-rnn {code}\]"):
            lm.stream(**settings)


@pytest.mark.parametrize("unit", UNITS)
def test_next_tokens_are_the_softmax_after_the_whole_text(unit: str) -> None:
    lm = make_lm(unit)
    typed = [*PROMPTS, *("The cat sat on the mat. It"[:i] for i in range(26)), "The cat", "The d"]
    for text in typed:
        found = lm.next_tokens(text, 8)
        expected = distribution(lm, text)
        expected[UNKNOWN] = 0.0
        p = [value for _, value in found]
        assert p == sorted(p, reverse=True)
        assert 0.0 < sum(p) <= 1.0
        assert_allclose(p, numpy.sort(expected)[::-1][:8], atol=1e-5)
        shown = lm._get_writer()._shown
        by_text = {shown(number): value for number, value in enumerate(expected.tolist()) if value}
        if unit == "subword" and ends_in_space(text):
            by_text = {key.removeprefix(" "): value for key, value in by_text.items()}
        for unit_text, value in found:
            assert by_text[unit_text] == pytest.approx(value, abs=1e-5)


def test_behind_a_space_a_subword_does_not_go_on_with_the_word_before_it() -> None:
    # So few pieces that "they" is two of them, and "the" is nearly always followed by "y".
    init = {"max_size": 258}
    lm = make_lm("subword", ["they"] * 8 + ["the cat"] * 4, n_steps=80, init=init)
    assert lm.next_tokens("the", 1)[0][0] == "y"
    for prompt, is_begun in [("the ", True), ("they the ", True), ("the  ", False), (" ", False)]:
        found = lm.next_tokens(prompt, 1000)
        assert sum(p for _, p in found) == pytest.approx(1.0, abs=1e-3)
        assert (len(found) < len(lm.vocabulary) - 1) == is_begun
        # The piece is shown as it is added: without the space, which is in the text already.
        assert any(text.startswith(" ") for text, _ in found) != is_begun
    for settings in ({"temperature": 0.0}, {"seed": 1, "n": 30}, {"beam_width": 4, "n": 4}):
        # One unit: the space by itself, which is there already, or the end.
        assert set(texts(lm, "the ", max_length=1, **settings)) == {"the "}
    assert texts(lm, "the ", temperature=0.0, max_length=8) == ["the cat"]
    assert "the " + "".join(lm.stream("the ", temperature=0.0, max_length=8)) == "the cat"


def test_behind_a_space_where_no_subword_begins_with_one_the_text_ends() -> None:
    nlp = train_lm("subword", texts=["they"], n_steps=1)
    lm: Any = nlp.get_pipe("rnn_lm")
    behind_space = lm.vocabulary.behind_space
    spaced = numpy.nonzero(behind_space)[0].tolist()
    assert [lm.vocabulary.shown(number) for number in spaced] == ["</s>", "Ġ"]
    behind_space[spaced[1]] = False
    assert lm.next_tokens("the ") == [("</s>", pytest.approx(1.0))]
    assert texts(lm, "the ", seed=0, n=2) == ["the "] * 2
    # Not even that: nothing can be written, and nothing is no number.
    parts(lm.model).output.get_param("b")[END] = -numpy.inf
    assert lm.next_tokens("the ") == []


def test_next_tokens_are_as_many_as_wanted_or_as_there_are() -> None:
    lm = make_lm("word")
    assert len(lm.next_tokens("The")) == 10
    everything = lm.next_tokens("The", 10_000)
    assert len(everything) == len(lm.vocabulary) - 1
    assert sum(p for _, p in everything) == pytest.approx(1.0, abs=1e-2)
    assert lm.next_tokens("The", numpy.int64(2)) == everything[:2]
    assert "</s>" in dict(lm.next_tokens("The cat sat on the mat."))
    for wrong in (0, -1, 2.0, True, None):
        with pytest.raises(ValueError, match="E011"):
            lm.next_tokens("The", wrong)  # type: ignore[arg-type]
    for text in (None, 5, "\udfff"):
        with pytest.raises(ValueError, match="E011"):
            lm.next_tokens(text)  # type: ignore[arg-type]


def test_what_was_read_is_forgotten_when_the_weights_change() -> None:
    nlp = train_lm("char", n_steps=2)
    lm: Any = nlp.get_pipe("rnn_lm")
    before = lm.next_tokens("The c")
    examples = [spacy.training.Example(nlp.make_doc("The cat"), nlp.make_doc("The cat"))]
    nlp.update(examples, sgd=nlp.resume_training())
    after = lm.next_tokens("The c")
    assert after != before
    expected = numpy.sort(distribution(lm, "The c"))[::-1]
    assert_allclose([p for _, p in after], expected[: len(after)], atol=1e-3)


@pytest.mark.parametrize("unit", UNITS)
def test_alternatives_are_what_might_have_followed_the_text_before_each_token(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = make_lm(unit)
    doc = NLP.make_doc("The cat  saw an unseen dog.\n")
    found = lm.alternatives(doc, 3)
    assert len(found) == len(doc)
    for token, row in zip(doc, found):
        bits = [value for _, value in row]
        assert bits == sorted(bits)
        # To a subword the space before it is not known either.
        before = doc[: token.i].text if unit == "subword" else doc.text[: token.idx]
        expected = lm.next_tokens(before, 3)
        assert [text for text, _ in row] == [text for text, _ in expected]
        assert_allclose(bits, -numpy.log2([p for _, p in expected]), atol=1e-3)
    monkeypatch.setattr(reading, "MAX_ROWS", 4)
    monkeypatch.setattr(reader, "MAX_PROBS", len(lm.vocabulary))
    again = lm.alternatives(doc, 3)
    assert [[text for text, _ in row] for row in again] == [
        [text for text, _ in row] for row in found
    ]


def test_alternatives_of_odd_docs_and_of_what_is_none() -> None:
    lm = make_lm("word")
    assert lm.alternatives(NLP.make_doc("")) == []
    assert [len(row) for row in lm.alternatives(NLP.make_doc("\n"), 2)] == [2]
    with pytest.raises(ValueError, match="E011"):
        lm.alternatives("The cat")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="E011"):
        lm.alternatives(NLP.make_doc("The"), 0)


def test_words_are_written_so_that_they_are_read_as_the_same_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lm = make_lm("word", QUOTING, n_steps=60, width=48)
    drawn: List[List[str]] = []
    make_joiner: Any = writing.make_joiner

    def recording(vocabulary: Any, prompt: Doc) -> Any:
        joiner, mine = make_joiner(vocabulary, prompt), []
        add = joiner.add
        joiner.add = lambda unit: mine.append(vocabulary.shown(unit)) or add(unit)
        drawn.append(mine)
        return joiner

    monkeypatch.setattr(writing, "make_joiner", recording)
    docs = lm.generate(n=60, seed=1, max_length=30)
    assert sum(doc.text not in QUOTING for doc in docs) > 10
    n_same = 0
    for words, doc in zip(drawn, docs):
        matcher = difflib.SequenceMatcher(None, words, [token.text for token in doc], False)
        n_same += sum(block.size for block in matcher.get_matching_blocks())
    assert n_same >= 0.95 * sum(map(len, drawn)) > 400


def classes(condition: str) -> RNNLanguageModel:
    sentences = ["good nice lovely", "nice good good", "bad awful poor", "awful bad bad"]
    if condition == "cats":
        return make_lm("word", sentences, cats=[GOOD, GOOD, BAD, BAD], condition="cats")
    vectors = [[2.0, -1.0, 0.0]] * 2 + [[-2.0, 1.0, 0.0]] * 2
    return make_lm("word", sentences, vectors=vectors, condition="vector")


@pytest.mark.parametrize(
    ("condition", "good", "bad"),
    [("cats", GOOD, BAD), ("vector", [2.0, -1.0, 0.0], numpy.asarray([-2.0, 1.0, 0.0]))],
)
def test_a_condition_decides_which_words_are_written(condition: str, good: Any, bad: Any) -> None:
    lm = classes(condition)
    for value, wanted in [(good, {"good", "nice", "lovely"}), (bad, {"bad", "awful", "poor"})]:
        docs = lm.generate(n=20, seed=0, max_length=6, **{condition: value})
        words = [token.text for doc in docs for token in doc]
        assert len(words) > 40
        assert numpy.mean([word in wanted for word in words]) > 0.9
        streamed = "".join(lm.stream(seed=0, max_length=6, **{condition: value}))
        assert streamed == docs[0].text
        (best,) = lm.generate(beam_width=3, max_length=6, **{condition: value})
        assert {token.text for token in best} <= wanted
        assert lm.next_tokens("", **{condition: value})[0][0] in wanted


def test_without_a_condition_it_is_zero_everywhere() -> None:
    for condition, zero in (("cats", {}), ("vector", numpy.zeros(3))):
        lm = classes(condition)
        found = texts(lm, n=5, seed=0, max_length=6)
        assert texts(lm, n=5, seed=0, max_length=6, **{condition: zero}) == found
        assert lm.next_tokens("") == lm.next_tokens("", **{condition: zero})
        first = lm.next_tokens("", 1)[0][0]
        assert texts(lm, temperature=0.0, max_length=1)[0] == first


@pytest.mark.parametrize(
    ("condition", "value", "code"),
    [
        ("cats", {"UGLY": 1.0}, "E068"),
        ("cats", {"GOOD": "yes"}, "E011"),
        ("cats", "GOOD", "E011"),
        ("cats", ["GOOD"], "E011"),
        ("vector", [1.0, 2.0], "E011"),
        ("vector", [[1.0, 2.0, 3.0]], "E011"),
        ("vector", ["a", "b", "c"], "E011"),
        ("vector", {"a": 1}, "E011"),
        ("vector", 5.0, "E011"),
    ],
)
def test_a_condition_that_does_not_fit_is_told(condition: str, value: Any, code: str) -> None:
    lm = classes(condition)
    with pytest.raises(ValueError, match=code):
        lm.generate(**{condition: value})
    with pytest.raises(ValueError, match=code):
        lm.next_tokens("", **{condition: value})
    other = "vector" if condition == "cats" else "cats"
    with pytest.raises(ValueError, match="E072"):
        lm.generate(**{other: value})
