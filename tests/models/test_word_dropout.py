"""Words that are hidden from the tables of attributes in training."""

from typing import Any, List

import numpy
import pytest
import spacy
from numpy.testing import assert_array_equal
from thinc.api import fix_random_seed, set_dropout_rate

from spacy_rnn.models import CharEmbed
from spacy_rnn.models.word_dropout import hide_words, word_columns

KEYS = numpy.arange(1, 3001, dtype="uint64").reshape(1000, 3)


def hidden(keys: Any, rate: float, attrs: List[str]) -> Any:
    return hide_words(numpy, keys, word_columns(rate, attrs), rate)


def test_the_given_share_of_the_words_gets_other_keys() -> None:
    fix_random_seed(0)
    keys = hidden(KEYS, 0.3, ["SHAPE", "NORM", "LOWER"])
    assert_array_equal(keys[:, 0], KEYS[:, 0])
    changed = keys[:, 1:] != KEYS[:, 1:]
    # Of a word that is hidden, both names are.
    assert_array_equal(changed[:, 0], changed[:, 1])
    assert 0.25 < changed[:, 0].mean() < 0.35
    # No two are given the same, or that of a known word.
    assert len(numpy.unique(keys[:, 1:])) == 2000
    assert_array_equal(KEYS, numpy.arange(1, 3001).reshape(1000, 3))


def test_nothing_is_hidden_outside_training_or_where_dropout_is_off() -> None:
    docs = [spacy.blank("en")("a cat and a dog")]
    model = CharEmbed(8, "gru", attrs=["NORM"], rows=[500], word_dropout=0.9)
    model.initialize(X=docs)
    plain = model.predict(docs)[0]
    # Dropout of spaCy's own, on the tokens, is another thing.
    dropout = dict(zip(model.attrs["parts"], model.layers))["dropout"]
    set_dropout_rate(model, 0.0)
    assert_array_equal(model(docs, is_train=True)[0][0], plain)
    set_dropout_rate(model, 0.1)
    dropout.attrs["dropout_rate"] = 0.0
    fix_random_seed(0)
    assert (model(docs, is_train=True)[0][0] != plain).any(axis=1).mean() > 0.5


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.5), (0.5, 0.0), (0.5, 0.2)])
def test_weights_can_be_trained_further_at_another_rate(before: float, after: float) -> None:
    docs = [spacy.blank("en")("a cat and a dog")]
    trained, model = (
        CharEmbed(8, "gru", attrs=["NORM"], rows=[50], word_dropout=rate)
        for rate in (before, after)
    )
    trained.initialize(X=docs)
    model.initialize(X=docs)
    model.from_bytes(trained.to_bytes())
    assert_array_equal(model.predict(docs)[0], trained.predict(docs)[0])
    assert model.attrs["rate"] == after


@pytest.mark.parametrize(
    ("rate", "attrs"), [(1.0, ["NORM"]), (-0.1, ["NORM"]), (0.1, ["SHAPE"]), (0.1, None)]
)
def test_what_cannot_be_hidden_is_an_error(rate, attrs) -> None:
    with pytest.raises(ValueError, match="E011"):
        CharEmbed(8, "gru", attrs=attrs, rows=[10] if attrs else None, word_dropout=rate)


def test_an_embedding_trains_with_it_and_predicts_without() -> None:
    nlp = spacy.blank("en")
    docs = [nlp("a cat and a dog"), nlp("")]
    model = CharEmbed(8, "lstm", attrs=["NORM", "SHAPE"], rows=[50, 20], word_dropout=0.5)
    model.initialize(X=docs)
    plain = CharEmbed(8, "lstm", attrs=["NORM", "SHAPE"], rows=[50, 20])
    plain.initialize(X=docs)
    Ys, backprop = model(docs, is_train=True)
    assert backprop(Ys) == []
    assert any(node.has_grad("E") for node in model.walk() if node.has_param("E"))
    # The same in any batch, and all weights are in the bytes.
    again = CharEmbed(8, "lstm", attrs=["NORM", "SHAPE"], rows=[50, 20], word_dropout=0.5)
    again.from_bytes(model.to_bytes())
    assert_array_equal(again.predict(docs)[0], model.predict(docs[:1])[0])
    assert_array_equal(plain.from_bytes(model.to_bytes()).predict(docs)[0], model.predict(docs)[0])
