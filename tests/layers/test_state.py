from itertools import pairwise

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import Ragged, fix_random_seed

from spacy_rnn.layers import GRU, LSTM, bidirectional, run, use_engine
from spacy_rnn.layers.ragged import to_list, to_ragged
from spacy_rnn.layers.state import kept_masks
from spacy_rnn.models import RNNEncoder

from .cells import CELLS, ENCODER_CELLS, ENGINES, gradients, ragged, randomize, sequences
from .numeric import assert_gradient


def cut(Xs, bounds):
    """Each sequence from bounds[i] to bounds[i + 1]: pieces, some of them empty."""
    return [[X[start:end] for X in Xs] for start, end in pairwise(bounds)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("cell", ENCODER_CELLS)
def test_reading_in_pieces_equals_reading_the_whole(cell, depth, engine, rng):
    Xs = sequences(rng, [9, 0, 4, 7], 5)
    encoder = RNNEncoder(cell, 6, depth, bidirectional=False, residual=depth > 1)
    encoder.initialize(X=Xs)
    randomize(encoder, rng)
    with use_engine(engine):
        whole, final, _ = run(encoder, Xs)
        assert_allclose(numpy.concatenate(whole), numpy.concatenate(encoder.predict(Xs)), atol=1e-6)
        state, read = None, []
        for piece in cut(Xs, [0, 3, 4, 9]):
            Ys, state, _ = run(encoder, piece, state)
            read.append(Ys)
    for i, Y in enumerate(whole):
        assert_allclose(numpy.concatenate([Ys[i] for Ys in read]), Y, atol=1e-5)
    for found, expected in zip(state, final):
        assert set(found) == set(expected) & {"h", "c"} != set()
        for key in expected:
            assert_allclose(found[key], expected[key], atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CELLS)
def test_reading_pieces_shorter_than_the_window_equals_reading_the_whole(name, engine, rng):
    Xs = sequences(rng, [9, 0, 4, 1, 7], 4)
    model = CELLS[name](3, 4, train_state=True)
    model.initialize()
    randomize(model, rng)
    with use_engine(engine):
        whole, final, _ = run(model, to_ragged(model.ops, Xs))
        state, read = None, []
        for piece in cut(Xs, [0, 1, 2, 5, 6, 9]):
            Y, state, _ = run(model, to_ragged(model.ops, piece), state)
            read.append(to_list(Y, 3))
    found = numpy.concatenate([numpy.concatenate(pieces) for pieces in zip(*read)])
    assert_allclose(found, whole.dataXd, atol=1e-5)
    assert set(state[0]) == set(final[0])
    for key, value in final[0].items():
        assert_allclose(state[0][key], value, atol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_within_a_piece_are_those_of_the_piece(name, rng):
    """With the state taken as given, as truncated backpropagation through time does."""
    model = CELLS[name](3, 4)
    model.initialize()
    randomize(model, rng, "float64")
    _, state, _ = run(model, ragged(rng, [3, 0, 2], 4, "float64"))
    X = ragged(rng, [2, 3, 0], 4, "float64")
    Y, _, backprop = run(model, X, state, is_train=True)
    weights = rng.standard_normal(Y.dataXd.shape)
    dX = backprop(Ragged(weights.copy(), X.lengths)).dataXd

    def loss():
        return float((run(model, X, state)[0].dataXd * weights).sum())

    assert_gradient(dX, loss, X.data, "dX")
    found = gradients(model)
    for name, gradient in found.items():
        param = model.get_param(name.split(".")[-1]) if ".W" in name or ".b" in name else None
        if param is not None:
            assert_gradient(gradient, loss, param, name)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CELLS)
def test_gradients_through_the_state_are_those_of_the_whole(name, engine, rng):
    lengths = [7, 0, 3, 5]
    Xs = sequences(rng, lengths, 4)
    model = CELLS[name](3, 4)
    model.initialize()
    randomize(model, rng)
    dYs = sequences(rng, lengths, 3)

    def as_ragged(arrays):
        return Ragged(numpy.concatenate(arrays), numpy.asarray([len(a) for a in arrays], "i"))

    def reset():
        for param in model.param_names:
            model.set_grad(param, model.get_param(param) * 0)

    with use_engine(engine):
        reset()
        _, _, backprop = run(model, as_ragged(Xs), is_train=True)
        dX = backprop(as_ragged(dYs)).dataXd
        expected = gradients(model)
        reset()
        callbacks, state = [], None
        for piece in cut(Xs, [0, 2, 4, 7]):
            _, state, callback = run(model, as_ragged(piece), state, is_train=True)
            callbacks.append(callback)
        d_state, read = None, []
        for callback, piece in reversed(list(zip(callbacks, cut(dYs, [0, 2, 4, 7])))):
            dX_piece, d_state = callback.through_state(as_ragged(piece), d_state)
            read.insert(0, numpy.split(dX_piece.dataXd, numpy.cumsum([len(p) for p in piece])[:-1]))
    found = numpy.concatenate([numpy.concatenate(pieces) for pieces in zip(*read)])
    assert_allclose(found, dX, atol=1e-5)
    for param, gradient in gradients(model).items():
        assert_allclose(gradient, expected[param], atol=1e-4, err_msg=param)


def test_a_bidirectional_layer_carries_both_halves(rng):
    model = bidirectional(LSTM(3, 4), GRU(2, 4))
    model.initialize()
    X = ragged(rng, [3, 2], 4)
    _, state, _ = run(model, X)
    assert [sorted(entry) for entry in state] == [["c", "h"], ["h"]]
    assert state[0]["h"].shape == (2, 3)
    # The forward half ends at the last token, the backward half at the first.
    Y = model.predict(X).dataXd
    assert_allclose(state[0]["h"], Y[[2, 4], :3], atol=1e-6)
    assert_allclose(state[1]["h"], Y[[0, 3], 3:], atol=1e-6)


def test_a_model_around_the_layers_can_be_run(rng):
    """Any composition: here a stack within Thinc's own combinators."""
    from thinc.api import chain, list2ragged, ragged2list

    model = chain(list2ragged(), GRU(3, 4), LSTM(2, 3), ragged2list())
    Xs = sequences(rng, [4, 2], 4)
    model.initialize(X=Xs)
    whole = model.predict(Xs)
    first, state, _ = run(model, [X[:2] for X in Xs])
    second, _, _ = run(model, [X[2:] for X in Xs], state)
    assert_allclose(numpy.concatenate([first[0], second[0]]), whole[0], atol=1e-6)


def test_no_state_is_left_behind(rng):
    model = LSTM(3, 4)
    model.initialize()
    X = ragged(rng, [3], 4)
    before = model.predict(X).dataXd
    run(model, ragged(rng, [5], 4))
    assert_allclose(model.predict(X).dataXd, before, atol=0)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ([], "E007"),
        ([{"h": numpy.zeros((2, 3), "f")}], "E006"),
        ([{"h": numpy.zeros((2, 3), "f"), "c": numpy.zeros((1, 3), "f")}], "E006"),
        ([{"h": numpy.zeros((2, 4), "f"), "c": numpy.zeros((2, 3), "f")}], "E006"),
    ],
)
def test_a_state_that_does_not_fit_is_an_error(state, code, rng):
    model = LSTM(3, 4)
    model.initialize()
    with pytest.raises(ValueError, match=code):
        run(model, ragged(rng, [3, 1], 4), state)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_dropped_can_be_the_same_in_all_runs(engine, rng):
    n_steps = 4
    Xs = sequences(rng, [n_steps] * 3, 5)
    layer = LSTM(6, 5, recurrent_dropout=0.5)
    layer.initialize()
    randomize(layer, rng)

    def stepwise():
        state, read = None, []
        for t in range(n_steps):
            Y, state, _ = run(layer, to_ragged(layer.ops, [X[t : t + 1] for X in Xs]), state, True)
            read.append(Y.dataXd)
        return numpy.stack(read, axis=1).reshape((-1, 6))

    with use_engine(engine):
        fix_random_seed(0)
        whole, _, _ = run(layer, to_ragged(layer.ops, Xs), None, True)
        fix_random_seed(0)
        with kept_masks():
            assert_allclose(stepwise(), whole.dataXd, atol=1e-6)
        fix_random_seed(0)
        assert abs(stepwise() - whole.dataXd).max() > 1e-3
