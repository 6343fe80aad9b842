"""What recurrent layers read is taken down, wherever they stand."""

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import Linear, chain, residual, with_array

from spacy_rnn.layers import GRU, LSTM, bidirectional, run
from spacy_rnn.layers.observer import Observer
from spacy_rnn.layers.ragged import to_ragged

from .cells import sequences


def watched(model, Xs):
    observer = Observer(model)
    outputs = []
    for X in Xs:
        Xr = to_ragged(model.ops, [X])
        outputs.append(observer.model.predict(Xr).dataXd)
        observer.read(Xr)
    return observer.readings(), outputs


def test_rows_are_those_of_the_layer_below_and_outputs_stay_the_same(rng):
    Xs = sequences(rng, [4, 1, 2], 3)
    below, layer = with_array(Linear(5, 3)), LSTM(5, 5)
    model = chain(below, residual(layer), with_array(Linear(2, 5)))
    model.initialize(X=to_ragged(model.ops, Xs))
    (reading,), outputs = watched(model, Xs)
    assert reading.layer.id == layer.id
    for X, rows, Y in zip(Xs, reading.rows, outputs):
        assert_allclose(rows, below.predict(to_ragged(model.ops, [X])).dataXd.reshape(-1, 5))
        assert_allclose(Y, model.predict(to_ragged(model.ops, [X])).dataXd, atol=1e-6)


def test_the_backward_half_reads_from_the_end(rng):
    Xs = sequences(rng, [4, 1], 3)
    for other in (GRU(2, 3), LSTM(2, 3)):
        model = bidirectional(GRU(2, 3), other)
        model.initialize(X=to_ragged(model.ops, Xs))
        (forward, backward), _ = watched(model, Xs)
        for X, rows, turned in zip(Xs, forward.rows, backward.rows):
            assert_allclose(rows, X)
            assert_allclose(turned, X[::-1])


def test_several_sequences_of_one_item_are_told_apart(rng):
    Xs = sequences(rng, [3, 0, 2], 3)
    model = GRU(2, 3)
    model.initialize()
    observer = Observer(model)
    observer.read(to_ragged(model.ops, Xs))
    (reading,) = observer.readings()
    assert [len(rows) for rows in reading.rows] == [3, 0, 2]
    for X, rows in zip(Xs, reading.rows):
        assert_allclose(rows, X)


def test_the_state_that_is_begun_from_is_taken_down(rng):
    model = LSTM(2, 3)
    model.initialize()
    X = to_ragged(model.ops, sequences(rng, [3], 3))
    state = run(model, X)[1]
    observer = Observer(model)
    observer.read(X, state)
    (reading,) = observer.readings()
    assert_allclose(reading.states[0]["c"], state[0]["c"])


def test_the_model_itself_is_not_watched(rng):
    model = chain(GRU(2, 3), GRU(2, 2))
    X = to_ragged(model.ops, sequences(rng, [3], 3))
    model.initialize(X=X)
    functions = [node._func for node in model.walk()]
    observer = Observer(model)
    model.predict(X)
    assert observer.readings() == []
    assert [node._func for node in model.walk()] == functions
    shared = zip(model.layers, observer.model.layers)
    assert all(old.get_param("Wh") is new.get_param("Wh") for old, new in shared)


def test_a_layer_without_weights_is_an_error():
    with pytest.raises(ValueError, match="E024"):
        Observer(GRU(2, 3))


def test_what_is_taken_down_is_a_copy(rng):
    model = GRU(2, 3)
    model.initialize()
    X = numpy.ones((2, 3), dtype="f")
    observer = Observer(model)
    observer.read(to_ragged(model.ops, [X]))
    X[:] = 0.0
    assert_allclose(observer.readings()[0].rows[0], 1.0)
