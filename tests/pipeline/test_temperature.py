"""The temperature of text classifiers: at prediction alone, saved with them, gone when they are
initialized."""

import json
import math

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_rnn.calibration import to_scores
from spacy_rnn.pipeline.predictions import collect

DATA = [
    ("a good film", "GOOD"),
    ("good good people", "GOOD"),
    ("a bad film", "BAD"),
    ("bad bad people", "BAD"),
    ("a film of people", "PLAIN"),
]
LABELS = ("GOOD", "BAD", "PLAIN")
TEXTS = [text for text, _ in DATA] + ["", "quite unseen words", "good and bad"]
MODEL = {
    "tok2vec": {
        "embed": {"width": 8, "rows": [50], "attrs": ["NORM"]},
        "encode": {"width": 8},
    },
    "linear_model": {"length": 1024},
}
FACTORIES = ["rnn_textcat", "rnn_textcat_multilabel"]
BOW = {"@architectures": "spacy.TextCatBOW.v3", "length": 256, "no_output_layer": False}


def examples(nlp):
    return [
        Example.from_dict(
            nlp.make_doc(text), {"cats": {name: float(name == label) for name in LABELS}}
        )
        for text, label in DATA
    ]


def labelled(nlp):
    return [example.reference for example in examples(nlp)]


def make(factory="rnn_textcat", model=MODEL, steps=8):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(factory, name="textcat", config={"model": model})
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 0.01
    for _ in range(steps):
        nlp.update(examples(nlp), sgd=optimizer)
    return nlp, pipe


def scores_of(nlp):
    return numpy.asarray([list(doc.cats.values()) for doc in nlp.pipe(TEXTS)])


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_logits_are_divided_by_it(factory, temperature):
    nlp, pipe = make(factory)
    plain = scores_of(nlp)
    pipe.cfg["temperature"] = temperature
    exclusive = factory == "rnn_textcat"
    logits = numpy.log(plain) if exclusive else numpy.log(plain) - numpy.log1p(-plain)
    tempered = scores_of(nlp)
    assert_allclose(tempered, to_scores(logits, temperature, exclusive), atol=1e-6)
    assert_array_equal(tempered.argmax(axis=1), plain.argmax(axis=1))
    milder = numpy.abs(tempered - (1 / 3 if exclusive else 0.5)).max()
    assert (milder < numpy.abs(plain - (1 / 3 if exclusive else 0.5)).max()) == (temperature > 1)
    assert pipe.predict([nlp.make_doc("good")]).dtype == "float32"


@pytest.mark.parametrize("exclusive", [True, False])
def test_it_works_on_architectures_of_spacy(exclusive):
    factory = FACTORIES[0] if exclusive else FACTORIES[1]
    nlp, pipe = make(factory, {**BOW, "exclusive_classes": exclusive, "ngram_size": 1})
    plain = scores_of(nlp)
    pipe.cfg["temperature"] = 2.0
    logits = numpy.log(plain) if exclusive else numpy.log(plain) - numpy.log1p(-plain)
    assert_allclose(scores_of(nlp), to_scores(logits, 2.0, exclusive), atol=1e-6)
    # Such a model cannot read a doc without any token.
    expected = [1 / 3 if exclusive else 0.5] * 3
    assert list(nlp("").cats.values()) == pytest.approx(expected)


@pytest.mark.parametrize("factory", FACTORIES)
def test_training_does_not_see_it(factory):
    losses, weights = [], []
    for temperature in (1.0, 5.0):
        nlp, pipe = make(factory)
        pipe.cfg["temperature"] = temperature
        optimizer = nlp.resume_training()
        losses.append(nlp.update(examples(nlp), sgd=optimizer)["textcat"])
        weights.append(pipe.model.get_ref("output_layer").get_param("W"))
        assert pipe.cfg["temperature"] == temperature
    assert losses[0] == losses[1]
    assert_array_equal(weights[0], weights[1])


@pytest.mark.parametrize("factory", FACTORIES)
def test_it_is_saved_with_the_pipeline(factory, tmp_path):
    nlp, pipe = make(factory)
    pipe.cfg["temperature"] = 1.75
    expected = scores_of(nlp)
    nlp.to_disk(tmp_path)
    from_bytes = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    for loaded in (spacy.load(tmp_path), from_bytes):
        assert loaded.get_pipe("textcat").cfg["temperature"] == 1.75
        assert_array_equal(scores_of(loaded), expected)


@pytest.mark.parametrize("from_disk", [True, False])
def test_a_pipeline_that_was_saved_without_one_has_1(from_disk, tmp_path):
    nlp, pipe = make()
    expected = scores_of(nlp)
    del pipe.cfg["temperature"]
    nlp.to_disk(tmp_path)
    data = nlp.to_bytes()
    other, warm = make(steps=0)
    warm.cfg["temperature"] = 4.0  # which is that of other weights
    loaded = other.from_disk(tmp_path) if from_disk else other.from_bytes(data)
    assert loaded.get_pipe("textcat").cfg["temperature"] == 1.0
    assert_array_equal(scores_of(loaded), expected)


@pytest.mark.parametrize("factory", FACTORIES)
def test_initializing_sets_it_back(factory):
    nlp, pipe = make(factory)
    pipe.cfg["temperature"] = 3.0
    nlp.initialize(lambda: examples(nlp))
    assert pipe.cfg["temperature"] == 1.0


@pytest.mark.parametrize("value", [0, -1.0, "1", None])
def test_what_is_no_temperature_is_an_error(value, tmp_path):
    nlp, pipe = make(steps=0)
    nlp.to_disk(tmp_path)
    pipe.cfg["temperature"] = value
    with pytest.raises(ValueError, match=r"E110.*'textcat'"):
        pipe.predict([nlp.make_doc("good")])
    pipe.cfg["temperature"] = math.nan
    with pytest.raises(ValueError, match=r"E110.*nan"):
        pipe.predict([nlp.make_doc("good")])
    path = tmp_path / "textcat" / "cfg"
    cfg = json.loads(path.read_text(encoding="utf8"))
    path.write_text(json.dumps({**cfg, "temperature": value}), encoding="utf8")
    with pytest.raises(ValueError, match=r"E110.*'textcat'"):
        spacy.load(tmp_path)


@pytest.mark.parametrize("factory", FACTORIES)
def test_explanations_are_of_the_logits_before_it(factory):
    nlp, pipe = make(factory)
    doc = nlp("a good film")
    before = pipe.explain(doc, label="GOOD")
    pipe.cfg["temperature"] = 4.0
    after = pipe.explain(doc, label="GOOD")
    assert after == before
    assert sum(after.attributions) == pytest.approx(after.score - after.baseline, abs=0.01)


# Predictions beside their labels


@pytest.mark.parametrize("factory", FACTORIES)
def test_predictions_are_collected_at_temperature_1(factory):
    nlp, pipe = make(factory)
    exclusive = factory == "rnn_textcat"
    plain = scores_of(nlp)[: len(DATA)]
    pipe.cfg["temperature"] = 3.0
    found = collect(nlp, "textcat", labelled(nlp), "somewhere")
    assert pipe.cfg["temperature"] == 3.0
    assert_allclose(to_scores(found.predictions.logits, 1.0, exclusive), plain, atol=1e-6)
    assert found.predictions.exclusive == exclusive
    expected = [[float(name == label) for name in LABELS] for _, label in DATA]
    assert found.predictions.truths.tolist() == expected
    assert found.predictions.known.all()
    assert (found.n_unlabelled, found.absent) == (0, [])


def test_texts_without_labels_of_the_component_are_left_out():
    nlp, _ = make()
    docs = labelled(nlp)
    docs[1].cats = {}
    docs[2].cats = {"ELSEWHERE": 1.0}
    docs[3].cats = {"BAD": 1.0, "ELSEWHERE": 1.0}
    found = collect(nlp, "textcat", docs, "somewhere")
    assert found.n_unlabelled == 2
    assert found.predictions.truths.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert collect(nlp, "textcat", docs[:1], "somewhere").absent == ["BAD", "PLAIN"]


def test_labels_that_are_not_in_the_cats_are_unknown_in_multilabel():
    nlp, _ = make("rnn_textcat_multilabel")
    docs = labelled(nlp)[:2]
    docs[0].cats = {"GOOD": 1.0}
    docs[1].cats = {"GOOD": 1.0, "PLAIN": 0.0}
    found = collect(nlp, "textcat", docs, "somewhere").predictions
    assert found.known.tolist() == [[True, False, False], [True, False, True]]


def test_docs_are_read_anew_and_not_changed():
    nlp, _ = make()
    doc = Doc(nlp.vocab, words=["a good", "film"], spaces=[True, False])
    doc.cats = {"GOOD": 1.0}
    found = collect(nlp, "textcat", [doc], "somewhere").predictions
    expected = list(nlp("a good film").cats.values())
    assert_allclose(to_scores(found.logits, 1.0, True)[0], expected, atol=1e-6)
    assert doc.cats == {"GOOD": 1.0}


def test_words_without_known_spaces_are_kept():
    nlp, _ = make()
    doc = Doc(nlp.vocab, words=["a", "good", "film", "."])
    doc.cats = {"GOOD": 1.0}
    found = collect(nlp, "textcat", [doc], "somewhere").predictions
    expected = list(nlp(Doc(nlp.vocab, words=["a", "good", "film", "."])).cats.values())
    assert_allclose(to_scores(found.logits, 1.0, True)[0], expected, atol=1e-6)


def test_a_classifier_that_listens_is_read_with_what_it_listens_to():
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    nlp.add_pipe("rnn_textcat", name="textcat", config={"model": {"tok2vec": listener}})
    nlp.add_pipe("sentencizer")
    optimizer = nlp.initialize(lambda: examples(nlp))
    for _ in range(3):
        nlp.update(examples(nlp), sgd=optimizer)
    found = collect(nlp, "textcat", labelled(nlp), "somewhere").predictions
    assert_allclose(to_scores(found.logits, 1.0, True), scores_of(nlp)[: len(DATA)], atol=1e-6)
    assert nlp.pipe_names == ["tok2vec", "textcat", "sentencizer"]


@pytest.mark.parametrize(
    ("factory", "cats", "told"),
    [
        ("rnn_textcat", {"GOOD": 0.0}, "a 1 for exactly one"),
        ("rnn_textcat", {"GOOD": 1.0, "BAD": 1.0}, "a 1 for exactly one"),
        ("rnn_textcat", {"GOOD": 0.5, "BAD": 0.5}, "0 or 1"),
        ("rnn_textcat_multilabel", {"GOOD": 0.3}, "0 or 1"),
    ],
)
def test_cats_that_do_not_fit_are_an_error(factory, cats, told):
    nlp, _ = make(factory, steps=0)
    docs = labelled(nlp)
    docs[2].cats = cats
    with pytest.raises(ValueError, match=rf"E114.*Text 3 .*{told}"):
        collect(nlp, "textcat", docs, "somewhere")


def test_data_without_labels_of_the_component_is_an_error():
    nlp, _ = make(steps=0)
    bare = [nlp.make_doc("a film")]
    with pytest.raises(ValueError, match=r"E112.*somewhere.*GOOD, BAD, PLAIN.*\(none\)"):
        collect(nlp, "textcat", bare, "somewhere")
    bare[0].cats = {"SPAM": 1.0}
    with pytest.raises(ValueError, match=r"E112.*SPAM"):
        collect(nlp, "textcat", bare, "somewhere")


# Thresholds


def test_the_threshold_says_what_counts_as_given():
    nlp, pipe = make("rnn_textcat_multilabel")
    found = {}
    for threshold in (0.01, 0.99):
        pipe.cfg["threshold"] = threshold
        found[threshold] = nlp.evaluate(examples(nlp))
    # All labels are given: precision is that of chance. None is given: nothing is found.
    assert found[0.01]["cats_macro_r"] == 1.0
    assert found[0.01]["cats_macro_p"] == pytest.approx((2 / 5 + 2 / 5 + 1 / 5) / 3)
    assert found[0.99]["cats_macro_r"] == 0.0
