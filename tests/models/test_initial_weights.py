"""Weights of one pipeline that the training of another begins from, as `init_tok2vec` has it."""

from typing import Any

import pytest
import spacy
from numpy.testing import assert_array_equal
from spacy.ml.models import build_Tok2Vec_model
from thinc.api import Model, set_dropout_rate

from spacy_rnn.models import CharEmbed, RNNEncoder

DOCS = [spacy.blank("en")("the cat sat"), spacy.blank("en")("on the mat")]
RATES = ("word_dropout", "recurrent_dropout", "weight_dropout")


def tok2vec(cell: str = "lstm", **rates: float) -> Model[Any, Any]:
    embed = CharEmbed(
        8, "gru", attrs=["NORM"], rows=[20], word_dropout=rates.pop("word_dropout", 0.0)
    )
    model = build_Tok2Vec_model(embed, RNNEncoder(cell, 8, 1, **rates))  # type: ignore[arg-type]
    model.initialize(X=DOCS)
    return model


def rates_of(model: Model[Any, Any]) -> Any:
    found = [
        (node.name, float(node.attrs["rate"])) for node in model.walk() if "rate" in node.attrs
    ]
    return sorted(set(found))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("before", "after"), [(0.3, 0.1), (0.0, 0.2), (0.2, 0.0)])
def test_the_rates_of_dropout_are_those_of_the_config(
    rate: str, before: float, after: float
) -> None:
    trained, model = tok2vec(**{rate: before}), tok2vec(**{rate: after})
    configured = rates_of(model)
    assert rates_of(trained) != configured
    for given in (trained.to_bytes(), trained.copy().to_bytes()):
        model = model.copy().from_bytes(given)
        assert rates_of(model) == configured
        assert_array_equal(model.predict(DOCS)[0], trained.predict(DOCS)[0])
    # As in a training: another rate is set for all, which leaves those.
    set_dropout_rate(model, 0.4)
    assert rates_of(model) == configured


def test_weights_of_another_cell_are_refused() -> None:
    trained = tok2vec("lstm")
    with pytest.raises(ValueError, match=r"E019.*'recurrence' is 'lstm' in the saved model and"):
        tok2vec("gru").from_bytes(trained.to_bytes())
