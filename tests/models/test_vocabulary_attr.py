"""Words by another attribute than their text."""

import json
import pickle
from typing import Any

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import fix_random_seed

from spacy_rnn.models.language_model import LanguageModel
from spacy_rnn.models.lm_parts import vocabulary_of
from spacy_rnn.models.vocabulary import UNKNOWN, Vocabulary
from spacy_rnn.pipeline.surprisal import surprisals_of
from spacy_rnn.training.corpora import TextCorpus
from spacy_rnn.training.streams import batch_by_stream

NLP = spacy.blank("en")
ATTRS = ["ORTH", "LOWER", "NORM"]
TEXTS = [
    "The CAT saw the cat, and they don't know THE Cat.",
    'A "Dog" costs $5; they do not know the dog.',
    # Symbols of spaCy, whose keys are not their hashes.
    "The NUMBER of an Agent, the number of a Person NOUN, orth X x",
]
CHARS = st.characters(exclude_categories=["Cs"])


def learned(attr: str, **settings: Any) -> Vocabulary:
    docs = map(NLP.make_doc, TEXTS)
    return Vocabulary.learn("word", docs, **{"min_freq": 1, "attr": attr, **settings})


def word_of(token: Any, attr: str) -> str:
    return {"ORTH": token.text, "LOWER": token.lower_, "NORM": token.norm_}[attr]


VOCABULARIES = {attr: learned(attr) for attr in ATTRS}


@pytest.mark.parametrize("attr", ATTRS)
def test_each_word_is_known_by_its_attribute(attr: str) -> None:
    vocabulary = VOCABULARIES[attr]
    assert vocabulary.attr == attr
    for text in TEXTS:
        doc = NLP.make_doc(text)
        shown = [vocabulary.shown(number) for number in vocabulary.encode(doc).ids.tolist()]
        assert shown == [word_of(token, attr) for token in doc]
        assert vocabulary.unknown_texts(doc) == []


def test_what_differs_in_case_or_in_spelling_is_one_word() -> None:
    lower, norm = VOCABULARIES["LOWER"], VOCABULARIES["NORM"]
    assert all(unit == unit.lower() for unit in lower.units)
    assert len(set(lower.encode(NLP.make_doc("cat CAT Cat cAT")).ids.tolist())) == 1
    assert "n't" in lower
    assert "n't" not in norm
    assert norm.encode(NLP.make_doc("don't")).ids.tolist() == [
        norm.number("do"),
        norm.number("not"),
    ]


@pytest.mark.parametrize("attr", ATTRS)
@given(text=st.text(CHARS, max_size=30))
def test_keys_are_those_of_any_doc(attr: str, text: str) -> None:
    doc = NLP.make_doc(text)
    vocabulary = Vocabulary.learn("word", [doc], min_freq=1, attr=attr)
    assert UNKNOWN not in vocabulary.encode(doc).ids
    expected = [word_of(token, attr) for token in doc]
    assert [vocabulary.shown(n) for n in vocabulary.encode(doc).ids.tolist()] == expected


def test_unknown_words_are_told_and_spelled_by_the_attribute() -> None:
    vocabulary = learned("LOWER", min_freq=2)
    doc = NLP.make_doc("The ZEBRA")
    assert vocabulary.unknown_texts(doc) == ["zebra"]
    assert not any(char.isupper() for char in vocabulary.spelling.counts)


def test_spaces_are_those_of_the_attribute() -> None:
    docs = [NLP.make_doc("He said HI, and SAID hi, so"), NLP.make_doc("hi, HI,")]
    vocabulary = Vocabulary.learn("word", docs, min_freq=1, attr="LOWER")
    comma = vocabulary.units.index(",")
    assert vocabulary.spacing.before == {comma}


def test_a_vocab_without_attributes_has_one_word() -> None:
    """A Vocab of no language gives words no lower-case form."""
    doc = Doc(Vocab(), ["a", "B"])
    assert Vocabulary.learn("word", [doc], min_freq=1, attr="LOWER").units == [""]


@pytest.mark.parametrize("attr", ATTRS)
def test_round_trips_keep_the_attribute(attr: str) -> None:
    vocabulary = VOCABULARIES[attr]
    data = vocabulary.to_dict()
    model = LanguageModel(attr=attr)  # type: ignore[arg-type]
    model.attrs["vocabulary"] = vocabulary
    twin = LanguageModel().from_bytes(model.to_bytes())
    for found in (
        Vocabulary.from_dict(json.loads(json.dumps(data))),
        pickle.loads(pickle.dumps(vocabulary)),
        vocabulary_of(twin),
    ):
        assert found.to_dict() == data
        assert found.attr == attr
    assert vocabulary.grown(["zebra"]).attr == attr


def test_old_data_has_words_by_their_text() -> None:
    data = VOCABULARIES["ORTH"].to_dict()
    del data["attr"]
    assert Vocabulary.from_dict(data).to_dict() == VOCABULARIES["ORTH"].to_dict()


@pytest.mark.parametrize("attr", ["LEMMA", "", None, 5, ["LOWER"]])
def test_damaged_data_is_told(attr: Any) -> None:
    with pytest.raises(ValueError, match=r"E060.*'attr'"):
        Vocabulary.from_dict({**VOCABULARIES["ORTH"].to_dict(), "attr": attr})


@pytest.mark.parametrize("unit", ["char", "subword"])
def test_only_words_have_an_attribute(unit: str) -> None:
    with pytest.raises(ValueError, match="E140"):
        LanguageModel(unit=unit, attr="LOWER")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="E140"):
        Vocabulary.learn(unit, [], attr="NORM")
    data = {**Vocabulary("char", ["a"]).to_dict(), "attr": "LOWER"}
    with pytest.raises(ValueError, match="E060"):
        Vocabulary.from_dict(data)
    with pytest.raises(ValueError, match="E009"):
        LanguageModel(attr="LEMMA")  # type: ignore[arg-type]


def pipeline(attr: str, labels: Any = None, texts: Any = TEXTS) -> Any:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lm", config={"model": {"width": 16, "attr": attr}})
    nlp.config["initialize"]["components"]["rnn_lm"] = {"min_freq": 1, "labels": labels}
    nlp.initialize(lambda: [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts])
    return nlp


def test_a_component_learns_and_reads_by_the_attribute(tmp_path: Any) -> None:
    nlp = pipeline("LOWER")
    lm = nlp.get_pipe("rnn_lm")
    assert lm.vocabulary.attr == "LOWER"
    one, other = nlp("The cat saw"), nlp("THE CAT SAW")
    numpy.testing.assert_array_equal(surprisals_of(one), surprisals_of(other))
    assert lm.next_tokens("The cat") == lm.next_tokens("THE CAT")
    written = lm.generate("The", max_length=20, seed=0)[0].text
    assert written[3:] == written[3:].lower()
    nlp.to_disk(tmp_path)
    twin = spacy.load(tmp_path)
    assert twin.get_pipe("rnn_lm").vocabulary.attr == "LOWER"
    assert twin("THE cat")._.surprisal == pytest.approx(nlp("the CAT")._.surprisal)
    assert lm.info()["attr"] == "LOWER"


def test_a_model_of_words_by_another_attribute_does_not_fit() -> None:
    data = pipeline("LOWER").to_bytes()
    plain = spacy.blank("en")
    plain.add_pipe("rnn_lm", config={"model": {"width": 16}})
    with pytest.raises(ValueError, match=r"E019.*'attr' is 'LOWER' in the saved model and 'ORTH'"):
        plain.from_bytes(data)


def test_a_vocabulary_by_another_attribute_is_refused_at_initialization() -> None:
    labels = pipeline("LOWER").get_pipe("rnn_lm").label_data
    assert labels["attr"] == "LOWER"
    assert pipeline("LOWER", labels).get_pipe("rnn_lm").vocabulary.attr == "LOWER"
    with pytest.raises(ValueError, match=r"E141.*LOWER.*NORM"):
        pipeline("NORM", labels)
    del labels["attr"]
    with pytest.raises(ValueError, match=r"E141.*ORTH.*NORM"):
        pipeline("NORM", labels)


def test_added_words_are_known_by_the_attribute() -> None:
    lm = pipeline("LOWER").get_pipe("rnn_lm")
    assert lm.add_units(["Zebra", "ZEBRA", "The"]) == 1
    assert lm.vocabulary.units[-1] == "zebra"
    for units in ("Zebra", ["a", 5]):
        with pytest.raises(ValueError, match="E011"):
            lm.add_units(units)


@pytest.mark.parametrize("max_length", [0, 4])
def test_norms_are_the_same_in_windows_and_on_both_sides_of_examples(
    max_length: int, tmp_path: Any
) -> None:
    nlp = pipeline("NORM")
    (tmp_path / "a.txt").write_text("\n".join(TEXTS), encoding="utf8")
    examples = list(TextCorpus(str(tmp_path / "a.txt"), max_length=max_length)(nlp))
    for example in examples:
        norms = [token.norm_ for token in example.reference]
        assert [token.norm_ for token in example.predicted] == norms
    found = [token.norm_ for example in examples for token in example.predicted]
    assert found == [token.norm_ for text in TEXTS for token in nlp.make_doc(text)]
    lm = nlp.get_pipe("rnn_lm")
    lm.steps.take()
    for batch in batch_by_stream(1, 5, reset=True)(examples):
        nlp.update(batch, sgd=False)
    expected = sum(float(bits.sum()) for bits in lm.predict([eg.predicted for eg in examples]))
    assert lm.steps.bits == pytest.approx(expected, rel=1e-4)
    assert all(UNKNOWN not in lm.vocabulary.encode(eg.predicted).ids for eg in examples)
