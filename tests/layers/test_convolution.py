"""The convolution alone: what it computes, its gradients, its edges, and what `run` carries on."""

from itertools import pairwise

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy.ml.models import MaxoutWindowEncoder
from thinc.api import Ragged, fix_random_seed, set_dropout_rate

from spacy_rnn.layers import convolution as module
from spacy_rnn.layers import run
from spacy_rnn.layers.convolution import Convolution, Window
from spacy_rnn.layers.freezing import constant, freeze, is_constant
from spacy_rnn.layers.ragged import to_list, to_ragged

from .cells import gradients, parameters, ragged, randomize, sequences
from .numeric import assert_gradient
from .test_guarantees import peak_memory

LENGTHS = [3, 0, 1, 5, 0, 2]
# Rows before and after.
WINDOWS = [(1, 1), (2, 2), (1, 0), (3, 0), (0, 1), (2, 1)]


def build(window, rng, nI=4, dtype="float32", **options):
    model = Convolution(nI, n_before=window[0], n_after=window[1], **options)
    model.initialize()
    randomize(model, rng, dtype)
    return model


def expected(model, X):
    """Row by row, as the docstring has it. X (Floats2d): One sequence."""
    params = {name.split(".", 1)[1]: value for name, value in parameters(model).items()}
    W, b = params["maxout.W"], params["maxout.b"]
    G, shift = params["layernorm.G"], params["layernorm.b"]
    Y = X.copy()
    for t in range(len(X)):
        window = []
        for place in range(t - model.attrs["n_before"], t + model.attrs["n_after"] + 1):
            window.append(X[place] if 0 <= place < len(X) else numpy.zeros_like(X[0]))
        best = (W @ numpy.concatenate(window) + b).max(axis=1)
        Y[t] += G * (best - best.mean()) / numpy.sqrt(best.var() + 1e-8) + shift
    return Y


@pytest.mark.parametrize("window", WINDOWS)
def test_it_computes_the_formula_within_each_sequence(window, rng):
    model = build(window, rng, dtype="float64")
    Xs = sequences(rng, LENGTHS, 4, "float64")
    Y = model.predict(to_ragged(model.ops, Xs)).dataXd
    assert_allclose(Y, numpy.concatenate([expected(model, X) for X in Xs]), atol=1e-9)
    trained = model.begin_update(to_ragged(model.ops, Xs))[0].dataXd
    assert_allclose(trained, Y, atol=1e-12)


def test_it_is_a_layer_of_spacys_encoder(rng):
    theirs = MaxoutWindowEncoder(4, 1, 3, 1)
    Xs = sequences(rng, LENGTHS, 4)
    theirs.initialize(X=Xs)
    randomize(theirs, rng)
    ours = build((1, 1), rng)
    for (_, source), (name, target) in zip(
        sorted((name.split(".", 1)[1], p) for name, p in parameters(theirs).items()),
        sorted((name.split(".", 1)[1], p) for name, p in parameters(ours).items()),
    ):
        assert source.shape == target.shape, name
        target[...] = source
    found = to_list(ours.predict(to_ragged(ours.ops, Xs)), 4)
    for Y, Z in zip(theirs.predict(Xs), found):
        assert_allclose(Z, Y, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("window", WINDOWS)
def test_its_gradients_are_right(window, dropout, rng):
    model = build(window, rng, nI=3, dtype="float64", dropout=dropout)
    X = ragged(rng, LENGTHS, 3, "float64")

    def forward():
        fix_random_seed(1)
        return model.begin_update(X)

    Y, backprop = forward()
    weights = rng.standard_normal(Y.dataXd.shape)
    given = weights.copy()
    dX = backprop(Ragged(given, X.lengths)).dataXd
    assert_array_equal(given, weights)

    def loss():
        return float((forward()[0].dataXd * weights).sum())

    assert_gradient(dX, loss, X.data, "dX")
    found = gradients(model)
    for name, param in parameters(model).items():
        assert_gradient(found[name], loss, param, name)


@pytest.mark.parametrize("n_rows", [1, 3, 100])
@pytest.mark.parametrize("window", WINDOWS)
def test_a_prediction_in_parts_is_that_of_the_whole(window, n_rows, rng, monkeypatch):
    model = build(window, rng)
    X = ragged(rng, LENGTHS, 4)
    whole = model.predict(X).dataXd
    monkeypatch.setattr(module, "MAX_ROWS", n_rows)
    assert_allclose(model.predict(X).dataXd, whole, atol=1e-5)


def test_the_windows_of_a_long_sequence_are_not_all_there_at_a_prediction(rng):
    model = build((2, 2), rng, nI=32)
    X = ragged(rng, [2, 50_000], 32)
    memory, Y = peak_memory(lambda: model.predict(X))
    # The output, what is added to the input, and the places of rows. All windows would be five
    # times the input, and the pieces of the maxout three times.
    assert memory < 4 * Y.dataXd.nbytes


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
@pytest.mark.parametrize("window", WINDOWS)
def test_batches_without_rows_are_legal(window, lengths, rng):
    model = build(window, rng)
    X = ragged(rng, lengths, 4)
    assert model.predict(X).dataXd.shape == (0, 4)
    Y, backprop = model.begin_update(X)
    assert backprop(Y).dataXd.shape == (0, 4)
    none = Ragged(model.ops.alloc2f(0, 0), X.lengths)
    assert model.predict(none).dataXd.shape == (0, 4)


def cut(Xs, bounds):
    return [[X[start:end] for X in Xs] for start, end in pairwise(bounds)]


@pytest.mark.parametrize("n_before", [1, 2, 4])
@pytest.mark.parametrize("bounds", [[0, 3, 4, 9], [0, 1, 2, 2, 3, 9]])
def test_looking_back_in_pieces_equals_looking_back_in_the_whole(n_before, bounds, rng):
    Xs = sequences(rng, [9, 0, 4, 1, 7], 4)
    model = build((n_before, 0), rng)
    whole = model.predict(to_ragged(model.ops, Xs))
    state, pieces = None, []
    for piece in cut(Xs, bounds):
        Yr, state, _ = run(model, to_ragged(model.ops, piece), state)
        pieces.append(to_list(Yr, 4))
    for i, Y in enumerate(to_list(whole, 4)):
        assert_allclose(numpy.concatenate([Ys[i] for Ys in pieces]), Y, atol=1e-5)
    assert [set(entry) for entry in state] == [{"x"}]


@pytest.mark.parametrize("n_before", [1, 3])
def test_gradients_go_through_the_rows_that_are_carried(n_before, rng):
    model = build((n_before, 0), rng, nI=3, dtype="float64")
    X = ragged(rng, [2, 3, 0], 3, "float64")
    state = [{"x": rng.standard_normal((3, n_before * 3))}]
    Y, after, backprop = run(model, X, state, is_train=True)
    weights = rng.standard_normal(Y.dataXd.shape)
    of_state = rng.standard_normal(after[0]["x"].shape)
    dX, d_state = backprop.through_state(
        Ragged(weights.copy(), X.lengths), [{"x": of_state.copy()}]
    )

    def loss():
        Y, after, _ = run(model, X, state)
        return float((Y.dataXd * weights).sum() + (after[0]["x"] * of_state).sum())

    assert_gradient(dX.dataXd, loss, X.data, "dX")
    assert_gradient(d_state[0]["x"], loss, state[0]["x"], "d_state")
    found = gradients(model)
    for name, param in parameters(model).items():
        assert_gradient(found[name], loss, param, name)


def test_a_window_that_looks_ahead_carries_nothing(rng):
    model = build((1, 1), rng)
    X = ragged(rng, [3], 4)
    Y, state, _ = run(model, X)
    assert state == []
    assert_allclose(Y.dataXd, model.predict(X).dataXd)


def test_frozen_layers_over_constant_rows_keep_nothing(rng):
    model = build((1, 1), rng)
    X = constant(ragged(rng, LENGTHS, 4))
    freeze(model)
    Y, backprop = model.begin_update(X)
    assert is_constant(Y)
    assert_array_equal(Y.dataXd, model.predict(X).dataXd)
    assert not backprop(Y).dataXd.any()
    set_dropout_rate(model, 0.5)
    assert numpy.abs(model.begin_update(X)[0].dataXd - Y.dataXd).max() > 0.01


def test_layers_that_learn_over_constant_rows_compute_no_gradient_for_them(rng, monkeypatch):
    model = build((1, 1), rng)
    X = constant(ragged(rng, LENGTHS, 4))
    monkeypatch.setattr(Window, "add", lambda *args: pytest.fail("a gradient for constant rows"))
    Y, backprop = model.begin_update(X)
    assert not backprop(Y).dataXd.any()
    assert all(gradient.any() for gradient in gradients(model).values())


def test_the_width_is_inferred(rng):
    model = Convolution()
    model.initialize(X=ragged(rng, [2, 0], 5))
    assert (model.get_dim("nI"), model.get_dim("nO")) == (5, 5)
    assert model.predict(ragged(rng, [3], 5)).dataXd.shape == (3, 5)
    other = Convolution().from_bytes(model.to_bytes())
    X = ragged(rng, [3], 5)
    assert_array_equal(other.predict(X).dataXd, model.predict(X).dataXd)


@pytest.mark.parametrize(
    "bad", [{"n_before": -1}, {"n_before": 0, "n_after": 0}, {"n_after": -2}, {"dropout": 1.0}]
)
def test_arguments_outside_their_range_are_errors(bad):
    with pytest.raises(ValueError, match="E011"):
        Convolution(4, **bad)


def test_what_does_not_fit_is_an_error(rng):
    with pytest.raises(ValueError, match="E004"):
        Convolution().initialize()
    with pytest.raises(ValueError, match="E024"):
        Convolution().predict(ragged(rng, [2], 4))
    model = build((1, 0), rng)
    with pytest.raises(ValueError, match=r"E003.*width 4.*width 5"):
        model.predict(ragged(rng, [2], 5))
    with pytest.raises(ValueError, match="E003"):
        model.initialize(X=ragged(rng, [2], 5))
    with pytest.raises(ValueError, match="E005"):
        model.predict(Ragged(rng.standard_normal((3, 4)).astype("f"), numpy.asarray([2], "i")))
    with pytest.raises(ValueError, match=r"E006.*'x'.*\(1, 4\).*\(1, 5\)"):
        run(model, ragged(rng, [2], 4), [{"x": numpy.zeros((1, 5), "f")}])
    with pytest.raises(ValueError, match=r"E006.*nothing"):
        run(model, ragged(rng, [2], 4), [{}])
    _, backprop = model(ragged(rng, [2], 4), is_train=False)
    with pytest.raises(ValueError, match="E010"):
        backprop(ragged(rng, [2], 4))
