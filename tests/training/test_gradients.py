"""The norm of all gradients of a model, and gradients that are thrown away."""

import math

import numpy
import pytest
from numpy.testing import assert_array_equal
from thinc.api import Linear, Model, chain

from spacy_rnn.training.gradients import BLOCK, discard, global_norm, gradients, parameters


def set_gradient(node, name, value):
    node.set_grad(name, numpy.full(node.get_param(name).shape, value, dtype="f"))


@pytest.fixture
def shared():
    """A model in which one layer is used twice."""
    layer = Linear(2, 2)
    model = chain(layer, layer)
    model.initialize(X=numpy.zeros((1, 2), dtype="f"))
    return model, layer


@pytest.mark.parametrize("size", [0, 1, 1000, BLOCK - 1, BLOCK, 2 * BLOCK + 3])
def test_the_norm_is_that_of_all_numbers_together(size, rng):
    arrays = [rng.normal(size=size).astype("f"), rng.normal(size=(3, 4)).astype("f")]
    expected = numpy.linalg.norm(numpy.concatenate([a.ravel().astype("d") for a in arrays]))
    assert global_norm(arrays) == pytest.approx(expected, rel=1e-6)


def test_nothing_has_the_norm_0():
    assert global_norm([]) == 0.0


def test_a_norm_whose_square_does_not_fit_single_precision_is_right():
    array = numpy.full(4, 1e30, dtype="f")
    assert global_norm([array]) == pytest.approx(2e30, rel=1e-6)


@pytest.mark.parametrize("value", [numpy.inf, -numpy.inf, numpy.nan])
def test_the_norm_of_what_is_not_finite_is_not_finite(value):
    array = numpy.ones(2 * BLOCK, dtype="f")
    array[BLOCK + 7] = value
    assert not math.isfinite(global_norm([array, numpy.ones(3, dtype="f")]))


def test_transposed_arrays_have_the_same_norm(rng):
    array = rng.normal(size=(30, 40)).astype("f")
    assert global_norm([array.T]) == pytest.approx(global_norm([array]), rel=1e-6)


def test_a_layer_that_is_used_twice_counts_once(shared):
    model, layer = shared
    set_gradient(layer, "W", 1.0)
    assert [parameter.name for parameter, _ in gradients(model)] == ["W"]
    assert global_norm(gradient for _, gradient in gradients(model)) == 2.0


def test_parameters_have_the_keys_that_thinc_calls_optimizers_with(shared):
    model, _ = shared
    for name in ("W", "b"):
        set_gradient(model.layers[0], name, 1.0)
    keys = []

    def take_note(key, weights, gradient):
        keys.append(key)
        return weights, gradient

    model.finish_update(take_note)
    assert [parameter.key for parameter in parameters(model)] == keys


def test_parameters_without_a_gradient_are_left_out(shared):
    model, layer = shared
    assert len(list(parameters(model))) == 2
    assert list(gradients(model)) == []
    set_gradient(layer, "b", 1.0)
    assert [parameter.path for parameter, _ in gradients(model)] == ["linear/b"]


def test_gradients_that_are_no_numbers_can_be_discarded(shared):
    model, layer = shared
    set_gradient(layer, "W", numpy.nan)
    set_gradient(layer, "b", numpy.inf)
    discard(model)
    for name in ("W", "b"):
        assert_array_equal(layer.get_grad(name), 0.0)


def test_gradients_in_another_framework_are_discarded_as_well():
    torch = pytest.importorskip("torch")
    from thinc.api import PyTorchWrapper

    inner = torch.nn.Linear(2, 1)
    model: Model = PyTorchWrapper(inner)
    Y, backprop = model.begin_update(numpy.ones((3, 2), dtype="f"))
    backprop(numpy.full_like(Y, numpy.nan))
    before = inner.weight.detach().clone()
    discard(model)
    assert torch.equal(inner.weight, before)
    assert not inner.weight.grad.any()
