"""Backward language models: the mirror of forward ones, around which all else stays as it is."""

import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List

import numpy
import pytest
import spacy
import srsly
from hypothesis import given
from hypothesis import strategies as st
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry
from thinc.api import Model, fix_random_seed
from typer.testing import CliRunner

from spacy_rnn.models.language_model import LanguageModel
from spacy_rnn.models.lm_parts import parts, set_vocabulary, vocabulary_of
from spacy_rnn.models.reading import shift, step, surprisals
from spacy_rnn.models.vocabulary import END, Vocabulary
from spacy_rnn.pipeline.lm_batch import make_batch
from spacy_rnn.pipeline.stream_states import StreamStates
from spacy_rnn.pipeline.surprisal import surprisals_of
from spacy_rnn.training.optimizers import Adam
from spacy_rnn.training.streams import batch_by_stream, read_window
from spacy_rnn.visualize import surprisal as draw
from tests.layers.numeric import assert_gradient

UNITS = ["word", "char", "subword"]
TEXTS = [
    "The cat sat on the mat, and the dog did not.",
    'A dog sat on the "big" mat.',
    "",
    "The mat was big (very big). ",
    "The  dog and\n\nthe cat sat",
]


def blank(unit: str = "word", **settings: Any) -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    settings = {"unit": unit, "width": 24, "backward": True, **settings}
    nlp.add_pipe("rnn_lm", config={"model": settings})
    return nlp


def examples_of(nlp: Language, texts: List[str]) -> List[Example]:
    return [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts]


def initialized(unit: str = "word", **settings: Any) -> Language:
    nlp = blank(unit, **settings)
    nlp.config["initialize"]["components"]["rnn_lm"] = {"min_freq": 1}
    nlp.initialize(lambda: examples_of(nlp, TEXTS))
    return nlp


NLPS: Dict[str, Language] = {unit: initialized(unit) for unit in UNITS}


# The model


def make(docs: List[Doc], unit: str, dtype: str = "float32", **settings: Any) -> Model:
    fix_random_seed(0)
    model = LanguageModel(unit, width=5, **settings)  # type: ignore[arg-type]
    set_vocabulary(model, Vocabulary.learn(unit, docs, min_freq=1))
    model.initialize()
    for node in model.walk():
        for param in [name for name in node.param_names if node.has_param(name)]:
            value = node.get_param(param)
            noise = 0.4 * numpy.random.standard_normal(value.shape)
            node.set_param(param, (value + noise).astype(dtype))
    return model


@pytest.fixture(scope="module")
def docs() -> List[Doc]:
    return list(map(spacy.blank("en").make_doc, TEXTS))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("cell", ["lstm", "qrnn"])
def test_it_gives_what_a_forward_model_gives_on_the_reversed_units(
    unit: str, cell: str, docs: List[Doc]
) -> None:
    settings: Dict[str, Any] = {"cell": cell, "depth": 2}
    backward = make(docs, unit, backward=True, **settings)
    forward = make(docs, unit, **settings)
    ids = [vocabulary_of(forward).encode(doc).ids for doc in docs]
    expected = surprisals(forward, [one[::-1] for one in ids])
    for found in (backward.predict(docs), backward(docs, True)[0]):
        for bits, mirrored in zip(found, expected):
            numpy.testing.assert_allclose(bits[:-1], mirrored[:-1][::-1], atol=1e-5)
            assert bits[-1] == pytest.approx(float(mirrored[-1]), abs=1e-5)
    same = [list(bits) for bits in forward.predict(docs)]
    assert same[0] != pytest.approx(list(backward.predict(docs)[0]), abs=1e-2)


def test_words_on_reversed_docs_are_those_of_a_forward_model(docs: List[Doc]) -> None:
    backward, forward = make(docs, "word", backward=True), make(docs, "word")
    mirrored = [Doc(doc.vocab, [token.text for token in doc][::-1]) for doc in docs]
    for bits, expected in zip(backward.predict(mirrored), forward.predict(docs)):
        numpy.testing.assert_allclose(bits[:-1][::-1], expected[:-1], atol=1e-5)


@pytest.mark.parametrize("unit", ["word", "char"])
def test_its_gradients_agree_with_finite_differences(unit: str, docs: List[Doc]) -> None:
    some = [docs[1], docs[2]] if unit == "word" else [docs[2], docs[1][:3].as_doc()]
    model = make(some, unit, "float64", backward=True, tied=False, depth=2)
    bits, backprop = model(some, True)
    rng = numpy.random.RandomState(1)
    weights = [rng.uniform(0.1, 1.0, len(one)) for one in bits]
    backprop(weights)

    def total() -> float:
        return float(sum(one @ weight for one, weight in zip(model(some, True)[0], weights)))

    for i, node in enumerate(model.walk()):
        for param in [name for name in node.param_names if node.has_param(name)]:
            value = node.get_param(param)
            found = node.get_grad(param) if node.has_grad(param) else 0 * value
            assert_gradient(found, total, value, f"{i}.{node.name}.{param}")


def test_an_update_has_the_gradient_of_the_mirrored_text(docs: List[Doc]) -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    examples = examples_of(nlp, TEXTS[:2])
    nlp.update(examples, sgd=False)
    found = [node.get_grad("Wx").copy() for node in lm.model.walk() if node.has_grad("Wx")]
    for node in lm.model.walk():
        for param in node.param_names:
            if node.has_grad(param):
                node.set_grad(param, 0 * node.get_param(param))
    ids = [lm.vocabulary.encode(example.reference).ids[::-1] for example in examples]
    inputs, targets, lengths = shift(lm.model, ids)
    weights = numpy.full(len(targets), 1 / len(targets), dtype="f")
    step(lm.model, inputs, targets, lengths, None, weights)
    expected = [node.get_grad("Wx") for node in lm.model.walk() if node.has_grad("Wx")]
    assert len(found) == len(expected) == 1
    numpy.testing.assert_allclose(found[0], expected[0], atol=1e-6)


# The component


@pytest.mark.parametrize("unit", UNITS)
def test_surprisals_belong_to_their_tokens(unit: str) -> None:
    nlp = NLPS[unit]
    lm = nlp.get_pipe("rnn_lm")
    for text in TEXTS:
        doc = nlp(text)
        ids, tokens = lm.vocabulary.encode(doc)
        (mirrored,) = surprisals(lm.model, [ids[::-1]])
        for token in doc:
            expected = mirrored[:-1][::-1][tokens == token.i].sum()
            assert token._.surprisal == pytest.approx(float(expected), rel=1e-4)
        assert surprisals_of(doc)[-1] == pytest.approx(float(mirrored[-1]), rel=1e-4)
        assert doc._.surprisal == pytest.approx(float(mirrored.sum()), rel=1e-5)


@pytest.mark.parametrize("unit", UNITS)
def test_overfitting_and_round_trips(unit: str, tmp_path: Path) -> None:
    nlp = initialized(unit)
    examples = examples_of(nlp, TEXTS)
    optimizer = Adam(0.02, clip_norm=1.0)
    batcher = batch_by_stream(n_streams=2, bptt=8, reset=True, backward=True)
    before = nlp.evaluate(examples)["lm_perplexity"]
    for _ in range(40 if unit == "word" else 60):
        for batch in batcher(examples):
            nlp.update(batch, sgd=optimizer)
    scores = nlp.evaluate(examples)
    assert scores["lm_perplexity"] < min(3.0, before / 5)
    docs = list(nlp.pipe(TEXTS))
    n_units = sum(nlp.get_pipe("rnn_lm").vocabulary.n_units(doc) + 1 for doc in docs)
    total = sum(doc._.surprisal for doc in docs)
    assert scores["lm_perplexity"] == pytest.approx(2 ** (total / n_units), rel=1e-4)
    nlp.to_disk(tmp_path)
    twin = blank(unit).from_bytes(nlp.to_bytes())
    component = pickle.loads(pickle.dumps(nlp.get_pipe("rnn_lm")))
    for other in (spacy.load(tmp_path), twin):
        for doc in docs:
            bits = surprisals_of(other(doc.text))
            numpy.testing.assert_allclose(bits, surprisals_of(doc), atol=1e-4)
    for bits, doc in zip(component.predict([nlp.make_doc(text) for text in TEXTS]), docs):
        numpy.testing.assert_allclose(bits, surprisals_of(doc), atol=1e-4)


WORDS = ["The", "cat", "mat", ",", "dog", "big", "(", "sat", "unseen", "\n\n"]


@st.composite
def documents(draw: Any) -> List[Any]:
    token = st.tuples(st.sampled_from(WORDS), st.booleans())
    return draw(st.lists(st.lists(token, max_size=12), min_size=1, max_size=5))


@pytest.mark.parametrize("unit", UNITS)
@given(
    texts=documents(),
    n_streams=st.integers(1, 3),
    bptt=st.integers(1, 9),
    jitter=st.booleans(),
    counted=st.sampled_from(["token", "char"]),
)
def test_each_window_costs_what_its_text_does_in_the_whole(
    unit: str, texts: Any, n_streams: int, bptt: int, jitter: bool, counted: str
) -> None:
    nlp = NLPS[unit]
    lm = nlp.get_pipe("rnn_lm")
    docs = [Doc(nlp.vocab, [w for w, _ in text], [s for _, s in text]) for text in texts]
    for number, doc in enumerate(docs):
        doc.cats = {str(number): 1.0}  # so that pieces say which document they are of
    whole = lm.predict(docs)
    # More streams may share a long text, whose parts are then read without what is behind them.
    n_streams = n_streams if all(len(doc.text) <= 2 * bptt for doc in docs) else 1
    batcher = batch_by_stream(
        n_streams, bptt, unit=counted, jitter=jitter, reset=True, backward=True
    )
    left = [len(doc) for doc in docs]
    for batch in batcher([Example(doc, doc) for doc in docs]):
        expected = 0.0
        for example in batch:
            for piece in read_window(example.reference).pieces:
                number = int(next(iter(piece.cats)))
                stop, left[number] = left[number], left[number] - piece.n_tokens
                expected += float(whole[number][left[number] : stop].sum())
                expected += piece.begins * float(whole[number][-1])
        lm.steps.take()
        nlp.update(batch, sgd=False)
        assert lm.steps.bits == pytest.approx(expected, rel=1e-4, abs=1e-3)
    assert left == [0] * len(docs)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("unit", UNITS)
@given(texts=documents(), n_streams=st.integers(1, 4), bptt=st.integers(1, 5))
def test_windows_have_the_units_of_the_texts_even_if_streams_share_them(
    unit: str, backward: bool, texts: Any, n_streams: int, bptt: int
) -> None:
    vocabulary = NLPS[unit].get_pipe("rnn_lm").vocabulary
    model = LanguageModel(unit, width=2, backward=backward)  # type: ignore[arg-type]
    set_vocabulary(model, vocabulary)
    model.initialize()
    vocab = NLPS[unit].vocab
    docs = [Doc(vocab, [w for w, _ in text], [s for _, s in text]) for text in texts]
    found: Counter = Counter()
    streams = StreamStates()
    for windows in batch_by_stream(n_streams, bptt, backward=backward)(
        [Example(doc, doc) for doc in docs]
    ):
        batch = make_batch(model, [example.reference for example in windows], streams)
        if batch is not None:
            found.update(batch.targets.tolist())
    expected = Counter({END: len(docs)})
    for doc in docs:
        expected.update(vocabulary.encode(doc).ids.tolist())
    assert found == expected


def test_without_a_reset_a_text_is_read_in_the_light_of_the_one_before() -> None:
    nlp = NLPS["word"]
    lm = nlp.get_pipe("rnn_lm")
    joined = [END]
    for doc in map(nlp.make_doc, TEXTS):
        joined += [*lm.vocabulary.encode(doc).ids[::-1].tolist(), END]
    read = numpy.asarray(joined, dtype="i")
    lengths, weights = numpy.asarray([len(read) - 1], dtype="i"), numpy.ones(len(read) - 1, "f")
    expected = step(lm.model.copy(), read[:-1], read[1:], lengths, None, weights).losses.sum()
    lm.steps.take()
    for batch in batch_by_stream(n_streams=1, bptt=4, backward=True)(examples_of(nlp, TEXTS)):
        nlp.update(batch, sgd=False)
    assert lm.steps.bits * numpy.log(2.0) == pytest.approx(float(expected), rel=1e-4)


def test_labels_set_the_state_at_the_end_of_a_text() -> None:
    nlp = blank(condition="cats")
    pairs = [("good", "lovely is this film."), ("bad", "dull is this film.")]
    examples = examples_of(nlp, [text for _, text in pairs])
    for example, (label, _) in zip(examples, pairs):
        for doc in (example.reference, example.predicted):
            doc.cats = {label: 1.0}
    nlp.config["initialize"]["components"]["rnn_lm"] = {"min_freq": 1}
    nlp.initialize(lambda: examples)
    lm = nlp.get_pipe("rnn_lm")
    noise = numpy.random.RandomState(0)
    for param in parts(lm.model).start.walk():
        for name in param.param_names:
            value = param.get_param(name)
            param.set_param(name, noise.normal(size=value.shape).astype("f"))
    batcher = batch_by_stream(n_streams=2, bptt=2, backward=True)
    lm.steps.take()
    for batch in batcher(examples):
        nlp.update(batch, sgd=False)
    whole = sum(float(bits.sum()) for bits in lm.predict([eg.reference for eg in examples]))
    assert lm.steps.bits == pytest.approx(whole, rel=1e-4)
    optimizer = Adam(0.03)
    for _ in range(60):
        for batch in batcher(examples):
            nlp.update(batch, sgd=optimizer)
    for label, other, text in (("good", "bad", pairs[0][1]), ("bad", "good", pairs[1][1])):
        first = []
        for cats in (label, other):
            doc = nlp.make_doc(text)
            doc.cats = {cats: 1.0}
            first.append(nlp(doc)[0]._.surprisal)
        assert first[0] + 1 < first[1]


@pytest.mark.parametrize("unit", UNITS)
def test_alternatives_are_those_given_what_follows(unit: str) -> None:
    nlp = NLPS[unit]
    lm = nlp.get_pipe("rnn_lm")
    doc = nlp(TEXTS[1])
    found = lm.alternatives(doc, len(lm.vocabulary))
    assert len(found) == len(doc)
    ids, tokens = lm.vocabulary.encode(doc)
    bits = lm.model.predict([doc])[0]
    for i, row in enumerate(found):
        last = numpy.nonzero(tokens == i)[0][-1]  # what is read first of a token
        shown = lm._get_writer(goes_on=False)._shown(int(ids[last]))
        assert min(abs(value - bits[last]) for _, value in row) < 1e-3
        if unit != "subword":  # whose units may look alike
            assert dict(row)[shown] == pytest.approx(float(bits[last]), abs=1e-3)


# What it cannot do


def test_it_does_not_go_on_with_a_text() -> None:
    lm = NLPS["word"].get_pipe("rnn_lm")
    for use in (lm.generate, lm.stream, lm.next_tokens):
        with pytest.raises(ValueError, match=r"\[spacy-rnn E142\] 'rnn_lm'"):
            use("The cat")


@pytest.mark.parametrize("backward", [False, True])
def test_a_batcher_of_the_other_direction_is_refused(backward: bool) -> None:
    nlp = initialized(backward=backward)
    batches = batch_by_stream(2, 4, backward=not backward)(examples_of(nlp, TEXTS))
    with pytest.raises(ValueError, match=f"E143.*Set backward = {str(backward).lower()} in"):
        nlp.update(next(batches), sgd=False)


def test_windows_without_vectors_are_refused() -> None:
    nlp = blank("char", condition="vector")
    examples = examples_of(nlp, ["one", "two"])
    for example in examples:
        example.reference.user_data["spacy_rnn.vector"] = [1.0, 0.0]
    nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match="E071"):
        nlp.update(next(batch_by_stream(backward=True)(examples)))


def test_a_saved_model_of_the_other_direction_does_not_fit(tmp_path: Path) -> None:
    saved = {backward: initialized(backward=backward).to_bytes() for backward in (False, True)}
    for backward in (False, True):
        with pytest.raises(ValueError, match=r"E019.*'backward'"):
            blank(backward=not backward).from_bytes(saved[backward])
        initialized(backward=not backward).to_disk(tmp_path)
        with pytest.raises(ValueError, match=r"E019.*'backward'"):
            blank(backward=backward).from_disk(tmp_path)


def test_what_was_saved_without_a_direction_is_forward() -> None:
    nlp = initialized(backward=False)
    lm = nlp.get_pipe("rnn_lm")
    data = srsly.msgpack_loads(lm.to_bytes())
    model = srsly.msgpack_loads(data["model"])
    for attrs in model["attrs"]:
        attrs.pop("backward", None)
    old = srsly.msgpack_dumps({**data, "model": srsly.msgpack_dumps(model)})
    assert b"backward" not in old
    twin = blank(backward=False)
    twin.get_pipe("rnn_lm").from_bytes(old)
    assert twin(TEXTS[0])._.surprisal == pytest.approx(nlp(TEXTS[0])._.surprisal)
    with pytest.raises(ValueError, match=r"E019.*'backward'"):
        blank().get_pipe("rnn_lm").from_bytes(old)


# Around it


def test_commands_tell_the_direction(tmp_path: Path) -> None:
    registry.cli.get_all()
    nlp = NLPS["word"]
    nlp.to_disk(tmp_path / "model")

    def run(*arguments: Any) -> Any:
        return CliRunner().invoke(app, ["rnn", *map(str, arguments)], input="The cat sat.\n")

    for option in ([], ["--stream"]):
        result = run("generate", tmp_path / "model", "-p", "The", *option)
        assert result.exit_code == 1
        assert "E142" in result.stderr
        assert result.stdout == ""
    assert json.loads(run("info", tmp_path / "model", "--json").stdout)["direction"] == "backward"
    lines = run("surprisal", tmp_path / "model", "-a", 1).stdout.splitlines()
    assert lines[1].endswith("(beginning of text)")
    assert [line.split()[1] for line in lines[2:]] == ["The", "cat", "sat", "."]
    found = json.loads(run("surprisal", tmp_path / "model", "--json").stdout)
    doc = nlp("The cat sat.")
    assert found["bits"] == pytest.approx([token._.surprisal for token in doc], abs=1e-3)
    assert found["end_bits"] == pytest.approx(float(surprisals_of(doc)[-1]), abs=1e-3)
    result = run("surprisal", tmp_path / "model", "--html", tmp_path / "page.html")
    assert result.exit_code == 0
    assert "beginning of text" in (tmp_path / "page.html").read_text(encoding="utf8")


def test_a_picture_shows_the_end_symbol_where_it_stands() -> None:
    forward = initialized(backward=False)
    doc, other = NLPS["word"]("The cat"), forward("The cat")
    page = draw(doc, jupyter=False)
    assert page.index("Beginning of the text") < page.index(">The<")
    assert "■ is the beginning of the text." in page
    both = draw([doc, other], jupyter=False)
    assert "■ is the beginning or end of the text." in both
    # A doc that another model has read since.
    again = draw(forward(doc), jupyter=False)
    assert "■ is the end of the text." in again
    assert "eginning" not in again


def test_two_directions_in_one_pipeline_score_what_they_read_themselves() -> None:
    nlp = initialized(backward=False)
    backward = NLPS["word"].get_pipe("rnn_lm")
    nlp.add_pipe("rnn_lm", name="behind", config={"model": {"width": 24, "backward": True}})
    nlp.get_pipe("behind").from_bytes(backward.to_bytes())
    examples = examples_of(nlp, TEXTS)
    for example in examples:
        nlp(example.predicted)
    expected = NLPS["word"].evaluate(examples_of(nlp, TEXTS))["lm_perplexity"]
    found = nlp.get_pipe("behind").score(examples)["lm_perplexity"]
    assert found == pytest.approx(expected, rel=1e-4)
    alone = initialized(backward=False).evaluate(examples_of(nlp, TEXTS))["lm_perplexity"]
    assert nlp.get_pipe("rnn_lm").score(examples)["lm_perplexity"] == pytest.approx(alone, rel=1e-4)
