"""Whole models over sequences of vectors."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged, chain

from spacy_rnn.layers import GRU, LSTM, bidirectional
from spacy_rnn.models import RNNEncoder, classifier, forecaster, tagger

from ..layers.cells import ENCODER_CELLS, sequences

LENGTHS = [3, 0, 1, 5]
ENCODERS = {
    **{cell: lambda cell=cell: RNNEncoder(cell, 6, 2) for cell in ENCODER_CELLS},
    "layer": lambda: LSTM(6),
    "both": lambda: bidirectional(LSTM(3), GRU(3)),
    "chain": lambda: chain(bidirectional(LSTM(2), LSTM(2)), GRU(6)),
}


def as_ragged(Xs):
    return Ragged(numpy.concatenate(Xs), numpy.asarray([len(X) for X in Xs], "i"))


@pytest.fixture
def Xs(rng):
    return sequences(rng, LENGTHS, 4)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_classifier_gives_probabilities_for_each_sequence(name, Xs):
    model = classifier(ENCODERS[name](), 3, pooling=["last", "mean", "max", "attention"])
    model.initialize(X=Xs)
    Y = model.predict(Xs)
    assert Y.shape == (4, 3)
    assert_allclose(Y.sum(axis=1), 1.0, atol=1e-6)
    assert_allclose(model.predict(as_ragged(Xs)), Y, atol=1e-6)
    alone = numpy.concatenate([model.predict([X]) for X in Xs])
    assert_allclose(alone, Y, atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_tagger_gives_probabilities_for_each_step(name, Xs):
    model = tagger(ENCODERS[name](), 3)
    model.initialize(X=Xs)
    Ys = model.predict(Xs)
    assert [Y.shape for Y in Ys] == [(n, 3) for n in LENGTHS]
    assert_allclose(numpy.concatenate(Ys).sum(axis=1), 1.0, atol=1e-6)
    assert_allclose(model.predict(as_ragged(Xs)).dataXd, numpy.concatenate(Ys), atol=1e-6)


@pytest.mark.parametrize("encoder", [lambda: RNNEncoder("gru", 6, 1, False), lambda: GRU(6)])
def test_a_forecaster_never_sees_what_follows(encoder, rng):
    model = forecaster(encoder(), 4, quantiles=[0.1, 0.9])
    X = rng.standard_normal((7, 2)).astype("f")
    model.initialize(X=[X])
    before = model.predict([X])[0]
    assert before.shape == (7, 8)
    X[4:] += 1.0
    after = model.predict([X])[0]
    assert_array_equal(after[:4], before[:4])
    assert numpy.abs(after[4:] - before[4:]).max() > 1e-3


@pytest.mark.parametrize(
    ("encoder", "first"),
    [
        (lambda: RNNEncoder("lstm", 6, 2), 3),
        (lambda: bidirectional(LSTM(2), LSTM(4)), 2),
        (lambda: chain(LSTM(3), bidirectional(LSTM(4), LSTM(2))), 4),
        (lambda: LSTM(6), None),
        (lambda: chain(bidirectional(LSTM(2), LSTM(2)), LSTM(6)), None),
    ],
)
def test_the_last_state_is_that_which_has_read_the_whole_sequence(encoder, first, rng):
    model = classifier(encoder(), 2)
    X = rng.standard_normal((5, 4)).astype("f")
    model.initialize(X=[X])
    _, layer, pooling, _ = model.layers
    assert pooling.attrs["reverse_from"] == first
    states = layer.predict(as_ragged([X])).dataXd
    expected = states[-1].copy()
    if first is not None:
        expected[first:] = states[0, first:]
    assert_array_equal(pooling.predict(layer.predict(as_ragged([X])))[0], expected)


def test_two_directions_of_unknown_width_are_an_error():
    with pytest.raises(ValueError, match="E004"):
        classifier(bidirectional(LSTM(), LSTM()))


@pytest.mark.parametrize("encoder", [lambda: RNNEncoder("lstm", 6, 1), lambda: ENCODERS["chain"]()])
def test_a_forecaster_refuses_an_encoder_that_has_seen_the_future(encoder):
    with pytest.raises(ValueError, match="E168"):
        forecaster(encoder(), 3)


@pytest.mark.parametrize(
    "quantiles", [[], [0.0, 0.5], [0.5, 1.0], [0.9, 0.1], [0.5, 0.5], 0.5, None, "abc"]
)
def test_quantiles_must_rise_between_0_and_1(quantiles):
    with pytest.raises(ValueError, match=r"E011.*quantiles"):
        forecaster(GRU(3), 3, quantiles=quantiles)


@pytest.mark.parametrize("horizon", [0, 2.5, "a", None])
def test_a_horizon_must_be_a_positive_whole_number(horizon):
    with pytest.raises(ValueError, match=r"E011.*horizon"):
        forecaster(GRU(3), horizon)


@pytest.mark.parametrize("n_classes", [0, -1, 2.5, "a"])
@pytest.mark.parametrize("make", [classifier, tagger])
def test_a_number_of_classes_must_be_positive_and_whole(make, n_classes):
    with pytest.raises(ValueError, match=r"E011.*n_classes"):
        make(GRU(3), n_classes)


@pytest.mark.parametrize("dropout", [2.0, 1.0, -0.1, "a", None])
@pytest.mark.parametrize("make", [classifier, tagger, forecaster])
def test_a_dropout_must_be_a_rate(make, dropout):
    with pytest.raises(ValueError, match=r"E011.*dropout"):
        make(GRU(3), 3, dropout=dropout)


def test_a_way_of_pooling_must_be_known():
    with pytest.raises(ValueError, match=r"E009.*first"):
        classifier(LSTM(3), pooling=["first"])


@pytest.mark.parametrize("pooling", ["last", [], None])
def test_ways_of_pooling_must_be_a_list(pooling):
    with pytest.raises(ValueError, match=r"E011.*pooling must be a list of at least one of last"):
        classifier(LSTM(3), pooling=pooling)


def test_dropout_falls_on_the_states(Xs):
    model = classifier(LSTM(40), 2, dropout=0.5)
    model.initialize(X=Xs)
    W = model.layers[-1].layers[1]
    W.set_param("W", numpy.asarray([[1.0] * 40, [2.0] * 40], "f"))
    quiet = model.predict(Xs)
    noisy = model.begin_update(Xs)[0]
    assert numpy.abs(quiet - noisy).max() > 1e-3
    assert_array_equal(model.predict(Xs), quiet)


def test_models_survive_the_round_trip_through_bytes(Xs):
    for make in (lambda: classifier(LSTM(4), 2), lambda: tagger(LSTM(4), 2)):
        model = make()
        model.initialize(X=Xs)
        again = make()
        again.initialize(X=Xs)
        again.from_bytes(model.to_bytes())
        for Y, Z in zip(model.predict(Xs), again.predict(Xs)):
            assert_array_equal(Y, Z)
