"""The layers around the others: lists in, a Ragged in, and nothing copied that need not be."""

import numpy
import pytest
from numpy.testing import assert_array_equal
from thinc.api import Ragged, Softmax, chain, with_array

from spacy_rnn.layers import LSTM, list2ragged, pool, with_ragged

from .cells import ragged, sequences


@pytest.mark.parametrize("lengths", [[3, 0, 2], [0, 0], [4], []])
def test_lists_become_a_ragged_and_gradients_lists(lengths, rng):
    Xs = sequences(rng, lengths, 4)
    Xr, backprop = list2ragged()(Xs, is_train=True)
    assert Xr.lengths.tolist() == lengths
    assert Xr.dataXd.shape == (sum(lengths), 4 if lengths else 0)
    dXs = backprop(Ragged(Xr.dataXd * 2.0, Xr.lengths))
    assert len(dXs) == len(Xs)
    for dX, X in zip(dXs, Xs):
        assert_array_equal(dX, 2.0 * X)


def test_a_ragged_goes_through_as_it_is(rng):
    Xr = ragged(rng, [3, 0, 2], 4)
    Yr, backprop = list2ragged()(Xr, is_train=True)
    assert Yr is Xr
    assert backprop(Xr) is Xr


def test_a_layer_over_lists_takes_a_ragged_too(rng):
    model = with_ragged(LSTM(5))
    Xs = sequences(rng, [3, 0, 2], 4)
    model.initialize(X=Xs)
    Xr = Ragged(numpy.concatenate(Xs), numpy.asarray([3, 0, 2], "i"))
    Yr, backprop = model.begin_update(Xr)
    assert_array_equal(Yr.dataXd, numpy.concatenate(model.predict(Xs)))
    assert backprop(Yr).dataXd.shape == (5, 4)


def test_rows_that_stand_in_a_row_are_not_copied(rng):
    model = chain(with_ragged(LSTM(5)), list2ragged())
    Xs = sequences(rng, [3, 0, 2], 4)
    model.initialize(X=Xs)
    lists = model.layers[0].predict(Xs)
    assert numpy.shares_memory(model.layers[1].predict(lists).dataXd, lists[0])


def test_a_whole_model_is_a_chain(rng):
    Xs = sequences(rng, [3, 0, 2], 4)
    many_to_one = chain(list2ragged(), LSTM(5), pool(["last", "max"]), Softmax(2))
    many_to_one.initialize(X=Xs)
    assert many_to_one.predict(Xs).shape == (3, 2)
    many_to_many = with_ragged(chain(LSTM(5), with_array(Softmax(2))))
    many_to_many.initialize(X=Xs)
    assert [Y.shape for Y in many_to_many.predict(Xs)] == [(3, 2), (0, 2), (2, 2)]
