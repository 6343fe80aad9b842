"""Guarantee: the gradients of inputs and all parameters are those of finite differences."""

import numpy
import pytest
from thinc.api import Ragged, fix_random_seed, set_dropout_rate

from spacy_rnn.layers import use_engine
from spacy_rnn.layers.pooling import pool

from .cells import (
    CELLS,
    ENGINES,
    encoders,
    gradients,
    layers,
    parameters,
    ragged,
    randomize,
    sequences,
)
from .numeric import assert_gradient

LENGTHS = [3, 0, 1, 4, 3, 0]
# The numba engine computes in float32; test_parity.py compares its gradients with these.
FLOAT64_ENGINES = [engine for engine in ENGINES if engine != "numba"]


def check_layer(model, rng, lengths, is_train=False):
    """Check a layer over Ragged; `is_train` keeps dropout on, with the same masks each time."""
    randomize(model, rng, "float64")
    X = ragged(rng, lengths, model.get_dim("nI"), "float64")
    weights = None

    def predict():
        fix_random_seed(1)
        return model(X, is_train=is_train)[0].dataXd

    weights = rng.standard_normal(predict().shape)
    fix_random_seed(1)
    _, backprop = model.begin_update(X)
    dX = backprop(Ragged(weights.copy(), X.lengths)).dataXd

    def loss():
        return float((predict() * weights).sum())

    assert_gradient(dX, loss, X.data, "dX")
    found = gradients(model)
    for name, param in parameters(model).items():
        assert_gradient(found[name], loss, param, name)


@pytest.mark.parametrize("name", layers(3, 4))
def test_layer_gradients_are_right(name, rng):
    model = layers(3, 4)[name]()
    model.initialize()
    check_layer(model, rng, LENGTHS)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("engine", FLOAT64_ENGINES)
def test_gradients_of_a_trained_initial_state_are_right(name, engine, rng):
    model = CELLS[name](3, 4, train_state=True)
    model.initialize()
    with use_engine(engine):
        check_layer(model, rng, LENGTHS)
    assert any(param.endswith(("h0", "c0")) for param in parameters(model))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("lengths", [[1], [0, 2], [5, 5, 5], [1, 1, 1], [7, 1]])
def test_gradients_are_right_for_extreme_lengths(name, lengths, rng):
    model = CELLS[name](3, 4)
    model.initialize()
    check_layer(model, rng, lengths)


@pytest.mark.parametrize("name", layers(3, 4))
def test_gradients_under_all_kinds_of_dropout_are_right(name, rng):
    model = layers(3, 4, dropout=0.3, recurrent_dropout=0.4, weight_dropout=0.2)[name]()
    model.initialize()
    check_layer(model, rng, LENGTHS, is_train=True)


@pytest.mark.parametrize("name", encoders(4))
def test_encoder_gradients_are_right(name, rng):
    model = encoders(4)[name]()
    Xs = sequences(rng, [2, 0, 1, 3], 3, "float64")
    model.initialize(X=Xs)
    randomize(model, rng, "float64")
    set_dropout_rate(model, 0.0)
    Ys, backprop = model.begin_update(Xs)
    weights = [rng.standard_normal(Y.shape) for Y in Ys]
    dXs = backprop([w.copy() for w in weights])

    def loss():
        return float(sum((Y * w).sum() for Y, w in zip(model.predict(Xs), weights)))

    for X, dX in zip(Xs, dXs):
        assert_gradient(dX, loss, X, "dX")
    found = gradients(model)
    for name, param in parameters(model).items():
        assert_gradient(found[name], loss, param, name)


@pytest.mark.parametrize("lengths", [LENGTHS, [0, 0], [1]])
@pytest.mark.parametrize("how", ["last", "mean", "max", "attention"])
def test_pooling_gradients_are_right(how, lengths, rng):
    model = pool([how, "mean"], 4, reverse_from=2)
    model.initialize()
    randomize(model, rng, "float64")
    X = ragged(rng, lengths, 4, "float64")
    Y, backprop = model.begin_update(X)
    weights = rng.standard_normal(Y.shape)
    dX = backprop(weights).dataXd

    def loss():
        return float((model.predict(X) * weights).sum())

    assert_gradient(dX.reshape(X.data.shape), loss, X.data, "dX")
    found = gradients(model)
    for name, param in parameters(model).items():
        assert_gradient(found[name], loss, param, name)


def test_a_wrong_gradient_is_found(rng):
    X = rng.standard_normal((30, 30))

    def loss():
        return float((X**3).sum())

    expected = 3 * X**2
    assert_gradient(expected, loss, X, "dX")
    for wrong in (expected * (1 + 1e-4 * numpy.eye(30)), expected + 1e-3 * (X[7, 9] == X)):
        with pytest.raises(AssertionError, match="relative error"):
            assert_gradient(wrong, loss, X, "dX")
