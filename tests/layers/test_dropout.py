import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import NumpyOps, fix_random_seed, set_dropout_rate

from spacy_rnn.layers import LSTM, QRNN, MinGRU, bidirectional
from spacy_rnn.layers.dropout import dropout_mask, set_drop
from spacy_rnn.models import RNNEncoder

from .cells import CELLS, RECURRENT_KINDS, SCANS, ragged, randomize

KINDS = ["dropout", *RECURRENT_KINDS]
CELLS_AND_KINDS = [
    (name, kind)
    for name in CELLS
    for kind in KINDS
    if not (name in SCANS and kind in RECURRENT_KINDS)
]


def build(name, rng, **kwargs):
    model = CELLS[name](40, 30, **kwargs)
    model.initialize()
    randomize(model, rng)
    return model


@pytest.mark.parametrize(("name", "kind"), CELLS_AND_KINDS)
def test_dropout_is_on_in_training_only(name, kind, rng):
    model = build(name, rng, **{kind: 0.5})
    X = ragged(rng, [5, 3], 30)
    predicted = model.predict(X).dataXd
    assert_array_equal(model.predict(X).dataXd, predicted)
    trained = model(X, is_train=True)[0].dataXd
    assert numpy.abs(trained - predicted).max() > 1e-3


@pytest.mark.parametrize(("name", "kind"), CELLS_AND_KINDS)
def test_set_dropout_rate_turns_each_kind_off_and_on(name, kind, rng):
    model = build(name, rng, **{kind: 0.5})
    X = ragged(rng, [5, 3], 30)
    predicted = model.predict(X).dataXd
    set_dropout_rate(model, 0.0)
    assert_allclose(model(X, is_train=True)[0].dataXd, predicted, atol=1e-6)
    set_dropout_rate(model, 0.2)
    assert numpy.abs(model(X, is_train=True)[0].dataXd - predicted).max() > 1e-3


@pytest.mark.parametrize("name", CELLS)
def test_at_a_rate_of_1_the_outputs_are_zeros_and_so_are_the_gradients(name, rng):
    model = build(name, rng)
    X = ragged(rng, [5, 0, 3], 30)
    set_drop(model, 1.0)
    Y, backprop = model(X, is_train=True)
    assert_array_equal(Y.dataXd, 0.0)
    assert_array_equal(backprop(Y).dataXd, 0.0)
    set_drop(model, 0)
    assert_allclose(model(X, is_train=True)[0].dataXd, model.predict(X).dataXd, atol=1e-6)
    assert_array_equal(dropout_mask(NumpyOps(), (3, 4), 1.0, "float32"), numpy.zeros((3, 4)))


@pytest.mark.parametrize("drop", [-0.5, 1.01, 50, numpy.nan, numpy.inf, None, "0.5"])
def test_a_rate_that_is_none_is_told_and_changes_nothing(drop, rng):
    model = build("lstm", rng, dropout=0.25)
    with pytest.raises(ValueError, match=r"spacy-rnn E011.*drop.*from 0 to 1"):
        set_drop(model, drop)
    assert model.attrs["dropout_rate"] == 0.25


def test_set_dropout_rate_sets_the_rate_on_the_outputs(rng):
    model = build("lstm", rng)
    X = ragged(rng, [50, 50], 30)
    predicted = model.predict(X).dataXd
    for rate in (0.25, 0.75):
        set_dropout_rate(model, rate)
        trained = model(X, is_train=True)[0].dataXd
        dropped = trained == 0
        assert abs(dropped.mean() - rate) < 0.05
        assert_allclose(trained[~dropped], predicted[~dropped] / (1 - rate), rtol=1e-5)


@pytest.mark.parametrize("kind", RECURRENT_KINDS)
def test_recurrent_rates_stay_as_configured(kind, rng):
    """spaCy sets one rate on all nodes; it must not level rates that differ on purpose."""
    model = build("lstm", rng, **{kind: 0.5})
    X = ragged(rng, [6], 30)
    results = []
    for rate in (0.1, 0.9):
        set_dropout_rate(model, rate)
        model.attrs["dropout_rate"] = 0.0  # the outputs' own, to see the other kind alone
        fix_random_seed(3)
        results.append(model(X, is_train=True)[0].dataXd)
    assert_array_equal(results[0], results[1])
    set_dropout_rate(model, 0.9, attrs=["rate"])
    fix_random_seed(3)
    assert numpy.abs(model(X, is_train=True)[0].dataXd - results[0]).max() > 1e-3


def test_the_recurrent_mask_is_the_same_at_every_step():
    """With Wh the identity, Wx and b zero and a relu, the state only loses what the mask drops:
    with one mask for all steps, what is left after the first step stays."""
    model = CELLS["elman-relu"](200, 1, recurrent_dropout=0.5)
    model.initialize()
    model.set_param("Wx", model.get_param("Wx") * 0 + 1)
    model.set_param("Wh", numpy.eye(200, dtype="f") * 0.5)
    X = ragged(numpy.random.RandomState(0), [6, 6], 1)
    X.data[:] = 0
    X.data[0] = X.data[6] = 1.0
    Y = model(X, is_train=True)[0].dataXd.reshape((2, 6, 200))
    for sequence in Y:
        for step in sequence[1:]:
            assert_array_equal(step > 0, sequence[1] > 0)
        assert 0.3 < (sequence[1] > 0).mean() < 0.7
    # Each sequence has a mask of its own.
    assert ((Y[0, 1] > 0) != (Y[1, 1] > 0)).any()


def test_weight_dropout_falls_on_the_recurrent_weights_only(rng):
    model = build("lstm", rng, weight_dropout=0.5)
    X = ragged(rng, [1, 1], 30)  # one step from zeros: Wh has no part in it
    assert_allclose(model(X, is_train=True)[0].dataXd, model.predict(X).dataXd, atol=1e-6)


def test_dropout_reaches_every_layer_of_an_encoder(rng):
    encoder = RNNEncoder("gru", 8, 3, dropout=0.1, recurrent_dropout=0.2, weight_dropout=0.3)
    set_dropout_rate(encoder, 0.4)
    rates = [node.attrs["dropout_rate"] for node in encoder.walk() if "recurrence" in node.attrs]
    assert rates == [0.4] * 6
    assert {node.attrs["rate"] for node in encoder.walk() if "rate" in node.attrs} == {0.2, 0.3}


def test_halves_with_different_dropout_do_not_share_a_loop(rng):
    model = bidirectional(LSTM(4, 3, recurrent_dropout=0.5), LSTM(4, 3))
    model.initialize()
    X = ragged(rng, [5], 3)
    predicted = model.predict(X).dataXd
    trained = model(X, is_train=True)[0].dataXd
    assert_allclose(trained[:, 4:], predicted[:, 4:], atol=1e-6)
    assert numpy.abs(trained[:, :4] - predicted[:, :4]).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_a_rate_outside_its_range_is_an_error(kind, rate):
    with pytest.raises(ValueError, match=f"E011.*{kind}"):
        LSTM(4, 3, **{kind: rate})


@pytest.mark.parametrize("kind", RECURRENT_KINDS)
@pytest.mark.parametrize("cell", [QRNN, MinGRU])
def test_dropout_on_recurrent_weights_that_are_not_there_is_an_error(cell, kind):
    with pytest.raises(ValueError, match=f"E025.*{kind} = 0.1.*Use dropout"):
        cell(4, 3, **{kind: 0.1})
    with pytest.raises(ValueError, match="E025"):
        RNNEncoder(cell.__name__.lower(), 4, 1, **{kind: 0.1})
    with pytest.raises(ValueError, match=f"E011.*{kind}"):
        cell(4, 3, **{kind: 1.5})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.0, 0.001, 0.3, 0.5])
def test_masks_have_the_rate_and_keep_the_mean(rate, dtype):
    fix_random_seed(0)
    mask = dropout_mask(NumpyOps(), (1000, 1000), rate, numpy.dtype(dtype))
    assert mask.dtype == dtype
    assert_allclose(numpy.unique(mask), [0.0, 1 / (1 - rate)] if rate else [1.0], rtol=1e-6)
    assert_allclose((mask == 0).mean(), rate, atol=2e-3)
    assert_allclose(mask.mean(), 1.0, atol=3e-3)


def test_masks_differ_and_follow_from_the_seed():
    fix_random_seed(0)
    first, second = (dropout_mask(NumpyOps(), (50,), 0.5, numpy.float32) for _ in range(2))
    assert numpy.abs(first - second).max() > 0
    fix_random_seed(0)
    assert_array_equal(dropout_mask(NumpyOps(), (50,), 0.5, numpy.float32), first)
