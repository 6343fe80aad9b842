import threading
import types

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import Ragged

from spacy_rnn.layers import LSTM
from spacy_rnn.layers.engines import workspace as module
from spacy_rnn.layers.engines.workspace import Workspace

from .cells import gradients, ragged


def test_memory_is_used_again_when_it_is_large_enough():
    workspace = Workspace()
    first = workspace.take(numpy, "a", (4, 5), "float32")
    assert first.shape == (4, 5)
    assert first.dtype == numpy.float32
    assert numpy.shares_memory(first, workspace.take(numpy, "a", (2, 3), "float64"))
    assert not numpy.shares_memory(first, workspace.take(numpy, "b", (4, 5), "float32"))
    assert not numpy.shares_memory(first, workspace.take(numpy, "a", (40, 50), "float32"))


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    workspace = Workspace()
    workspace.take(numpy, "a", (200,), "float32")
    large = workspace.take(numpy, "b", (200,), "float32")
    assert large.shape == (200,)
    assert not numpy.shares_memory(large, workspace.take(numpy, "b", (200,), "float32"))
    assert sum(array.nbytes for array in workspace._arrays.values()) <= 1000


def test_each_thread_has_memory_of_its_own():
    workspace, arrays = Workspace(), []
    arrays.append(workspace.take(numpy, "a", (4,), "float32"))
    thread = threading.Thread(
        target=lambda: arrays.append(workspace.take(numpy, "a", (4,), "float32"))
    )
    thread.start()
    thread.join()
    assert not numpy.shares_memory(*arrays)


def test_other_array_modules_are_left_to_themselves():
    calls = []
    xp = types.SimpleNamespace(empty=lambda *args, **kwargs: calls.append((args, kwargs)))
    Workspace().take(xp, "a", (2, 3), "float32")
    assert calls == [(((2, 3),), {"dtype": "float32"})]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_do_not_depend_on_what_was_there_before(dtype, rng):
    """Large, small and large again, in both types, and a callback that is called twice."""
    model = LSTM(6, 5)
    model.initialize()
    for param in model.param_names:
        model.set_param(param, model.get_param(param).astype(dtype))
    batches = [ragged(rng, lengths, 5, dtype) for lengths in ([40, 3], [2], [30, 0, 9])]
    results = []
    for _ in range(2):
        for X in batches:
            for param in model.param_names:
                model.set_grad(param, model.get_param(param) * 0)
            Y, backprop = model.begin_update(X)
            first = backprop(Ragged(Y.dataXd.copy(), Y.lengths)).dataXd.copy()
            grads = {name: value.copy() for name, value in gradients(model).items()}
            second = backprop(Ragged(Y.dataXd.copy(), Y.lengths)).dataXd
            assert_allclose(second, first, atol=1e-6)
            results.append((first, grads))
    for (dX, grads), (dX_again, grads_again) in zip(results[:3], results[3:]):
        assert_allclose(dX_again, dX, atol=1e-6)
        for name, value in grads.items():
            assert_allclose(grads_again[name], value, atol=1e-5)
