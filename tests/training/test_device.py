"""The optimizers work on CuPy's arrays as well; here on those of a stand-in for CuPy."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_models import arrays, make_model, poison, set_gradients

from spacy_rnn.training import gradients, optimizers, updates
from spacy_rnn.training.optimizers import NTASGD, SGD, Adam
from spacy_rnn.training.steps import StepStats, finish_update
from tests.layers.device import DeviceArray, DeviceModule, to_device


@pytest.fixture(autouse=True)
def device(monkeypatch):
    module = DeviceModule()

    def get_array_module(array):
        return module if isinstance(array, DeviceArray) else numpy

    for user in (gradients, optimizers, updates):
        monkeypatch.setattr(user, "get_array_module", get_array_module)


def move(model, of):
    for node in model.layers:
        for name in node.param_names:
            setter = getattr(node, of.replace("get", "set"))
            setter(name, to_device(getattr(node, of)(name).copy()))


def train(make, on_device):
    """RETURNS: The model, its optimizer, and the steps, of which one was broken."""
    model, sgd, stats = make_model(), make(), StepStats()
    if on_device:
        move(model, "get_param")
    for loss in (1.0, 2.0):
        sgd.observe(loss)
    for i in range(4):
        set_gradients(model, seed=i)
        if i == 1:
            poison(model)
        if on_device:
            move(model, "get_grad")
        finish_update(model, sgd, stats)
    return model, sgd, stats


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(0.01, L2=0.1, use_averages=True),
        lambda: Adam(0.01, L2=0.1, L2_is_weight_decay=False),
        lambda: SGD(0.1),
        lambda: SGD(0.1, momentum=0.9),
        lambda: SGD(0.1, momentum=0.9, nesterov=True),
        lambda: NTASGD(0.1, nonmono=0),
    ],
    ids=["Adam", "L2", "SGD", "momentum", "nesterov", "NTASGD"],
)
def test_optimizers_keep_to_the_module_of_their_arrays(make):
    model, sgd, stats = train(make, on_device=True)
    other, reference, expected = train(make, on_device=False)
    for path, weights in arrays(model).items():
        assert isinstance(weights, DeviceArray)
        assert_allclose(weights.view(numpy.ndarray), arrays(other)[path], atol=1e-6)
    for gradient in arrays(model, "get_grad").values():
        assert_array_equal(gradient.view(numpy.ndarray), 0.0)
    kept = [sgd.mom1, sgd.mom2, sgd.averages or {}]
    assert all(isinstance(array, DeviceArray) for table in kept for array in table.values())
    averages = list((reference.averages or {}).values())
    for average, of_host in zip((sgd.averages or {}).values(), averages):
        assert_allclose(average.view(numpy.ndarray), of_host, atol=1e-6)
    assert (stats.n_steps, stats.n_skipped) == (expected.n_steps, expected.n_skipped) == (3, 1)
    assert stats.last_norm == pytest.approx(expected.last_norm, rel=1e-6)
