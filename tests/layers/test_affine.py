"""The affine map: its values, its gradients, and what it is told."""

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_rnn.layers.affine import Affine

from .numeric import assert_same_gradient, numeric_gradient


def test_values_and_gradients():
    model = Affine(2, 3)
    model.initialize()
    rng = numpy.random.RandomState(0)
    for name in model.param_names:
        model.set_param(name, rng.standard_normal(model.get_param(name).shape))
    X, dY = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    Y, backprop = model.begin_update(X)
    W, b = model.get_param("W"), model.get_param("b")
    assert_allclose(Y, [[row @ w for w in W] + b for row in X])
    dX = backprop(dY)

    def total():
        return float((model.predict(X) * dY).sum())

    assert_same_gradient(dX, numeric_gradient(total, X), "X")
    for name in model.param_names:
        expected = numeric_gradient(total, model.get_param(name))
        assert_same_gradient(model.get_grad(name), expected, name)
    assert model.predict(X[:0]).shape == (0, 2)


def test_widths_are_inferred_or_missed():
    X, Y = numpy.zeros((1, 3), "f"), numpy.zeros((1, 2), "f")
    assert Affine().initialize(X=X, Y=Y).get_param("W").shape == (2, 3)
    with pytest.raises(ValueError, match="E004"):
        Affine(2).initialize()
    with pytest.raises(ValueError, match=r"E003.*3.*4"):
        Affine(2, 3).initialize().predict(numpy.zeros((1, 4), "f"))
