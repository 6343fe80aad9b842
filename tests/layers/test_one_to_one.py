"""One to one: over sequences of length one, each cell is a feed-forward layer.

With nothing before it, a step has h_{t-1} = 0 and c_{t-1} = 0, and what is left of the equations is
written out here, by gate. `s` is the logistic function, and what stands in brackets is Wx x + b.
"""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Linear, Ragged, chain

from spacy_rnn.layers import Elman, bidirectional, use_engine

from .cells import CELLS, ENGINES, WITH_RECURRENT_WEIGHTS, ragged, randomize

NO, NI = 5, 3


def s(x):
    return 1.0 / (1.0 + numpy.exp(-x))


def lstm(gates, layer):
    """h = s[o] tanh(s[i] tanh[g])"""
    i, _, g, o = gates
    return s(o) * numpy.tanh(s(i) * numpy.tanh(g))


def gru(gates, layer):
    """h = (1 - s[z]) tanh([n] + s[r] bh)"""
    r, z, n = gates
    return (1.0 - s(z)) * numpy.tanh(n + s(r) * layer.get_param("bh"))


FORMULAS = {
    # h = tanh[.], h = max(0, [.])
    "elman": lambda gates, layer: numpy.tanh(gates[0]),
    "elman-relu": lambda gates, layer: numpy.maximum(gates[0], 0.0),
    "lstm": lstm,
    "gru": gru,
    # h = (1 - s[f]) tanh[z], h = s[o] (1 - s[f]) tanh[z], h = s[o] s[i] tanh[z]
    "qrnn-f": lambda gates, layer: (1.0 - s(gates[1])) * numpy.tanh(gates[0]),
    "qrnn-fo": lambda gates, layer: s(gates[2]) * (1.0 - s(gates[1])) * numpy.tanh(gates[0]),
    "qrnn-ifo": lambda gates, layer: s(gates[2]) * s(gates[3]) * numpy.tanh(gates[0]),
    # h = s[z] [h~]
    "mingru": lambda gates, layer: s(gates[0]) * gates[1],
}


def feed_forward(name, layer, X):
    """The layer as a function of each row alone."""
    # Of a window, only the newest input is there: the last columns.
    Wx = layer.get_param("Wx")[:, -NI:]
    gates = X @ Wx.T + layer.get_param("b")
    formula = FORMULAS[name.split("-window")[0]]
    return formula(numpy.split(gates, len(Wx) // NO, axis=1), layer)


@pytest.fixture
def X(rng):
    return ragged(rng, [1] * 7, NI)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CELLS)
def test_a_layer_over_single_steps_is_its_formula(name, engine, X, rng):
    layer = CELLS[name](NO, NI)
    layer.initialize()
    randomize(layer, rng)
    with use_engine(engine):
        Y = layer.predict(X).dataXd
    assert_allclose(Y, feed_forward(name, layer, X.dataXd), atol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_both_directions_of_single_steps_stand_side_by_side(name, X, rng):
    layer = bidirectional(CELLS[name](NO, NI), CELLS[name](NO, NI))
    layer.initialize()
    randomize(layer, rng)
    halves = [feed_forward(name, half, X.dataXd) for half in layer.layers]
    assert_allclose(layer.predict(X).dataXd, numpy.concatenate(halves, axis=1), atol=1e-6)


@pytest.mark.parametrize("name", WITH_RECURRENT_WEIGHTS)
def test_single_steps_teach_the_recurrent_weights_nothing(name, X, rng):
    layer = CELLS[name](NO, NI)
    layer.initialize()
    randomize(layer, rng)
    Y, backprop = layer.begin_update(X)
    backprop(Y)
    assert_array_equal(layer.get_grad("Wh"), 0.0)
    assert numpy.abs(layer.get_grad("Wx")).max() > 0.0


def test_an_elman_layer_over_single_steps_learns_as_a_linear_layer_with_tanh_does(X, rng):
    layer = Elman(NO, NI)
    layer.initialize()
    linear = Linear(NO, NI)
    linear.set_param("W", layer.get_param("Wx"))
    linear.set_param("b", layer.get_param("b"))
    Y, backprop = layer.begin_update(X)
    dX = backprop(Ragged(numpy.ones_like(Y.dataXd), Y.lengths)).dataXd
    gates, backprop_linear = linear.begin_update(X.dataXd)
    expected = backprop_linear(1.0 - numpy.tanh(gates) ** 2)
    assert_allclose(dX, expected, atol=1e-5)
    assert_allclose(layer.get_grad("Wx"), linear.get_grad("W"), atol=1e-5)
    assert_allclose(layer.get_grad("b"), linear.get_grad("b"), atol=1e-5)


def test_the_formulas_are_of_all_cells():
    assert {name.split("-window")[0] for name in CELLS} == set(FORMULAS)


def test_a_stack_over_single_steps_is_a_network_of_several_layers(X, rng):
    first, second = Elman(NO, NI), Elman(NI, NO)
    model = chain(first, second)
    model.initialize()
    hidden = numpy.tanh(X.dataXd @ first.get_param("Wx").T + first.get_param("b"))
    expected = numpy.tanh(hidden @ second.get_param("Wx").T + second.get_param("b"))
    assert_allclose(model.predict(X).dataXd, expected, atol=1e-6)
