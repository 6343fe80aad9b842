import gc
import threading
import types

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_rnn.layers import LSTM, bidirectional, use_engine
from spacy_rnn.layers.engines import workspace as module
from spacy_rnn.layers.engines.workspace import ALIGNMENT, Recycler, Workspace, recycler
from spacy_rnn.models import RNNEncoder

from .cells import CELLS, ENGINES, gradients, ragged, sequences


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


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_whose_lease_was_dropped_is_used_again():
    recycler = Recycler()
    first = recycler.take(10_000)
    second = recycler.take(10_000)
    assert not numpy.shares_memory(first.memory, second.memory)
    memory = first.memory
    del first
    third = recycler.take(10_500)  # batches differ a little in size
    assert third.memory is memory
    assert not numpy.shares_memory(second.memory, third.memory)


def test_memory_is_not_spent_on_what_needs_far_less():
    recycler = Recycler()
    memory = recycler.take(100_000).memory
    assert recycler.take(10_000).memory is not memory
    assert recycler.take(90_000).memory is memory


def test_of_what_fits_the_smallest_is_taken():
    recycler = Recycler()
    leases = [recycler.take(n) for n in (18_000, 11_000, 14_000)]
    memory = leases[1].memory
    del leases
    assert recycler.take(10_000).memory is memory


def test_memory_that_waits_to_be_used_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 10_000)
    recycler = Recycler()
    leases = [recycler.take(1_000 * n) for n in range(1, 7)]
    larger = recycler.take(20_000)
    del leases, larger
    kept = [memory.nbytes for memory in recycler._free]
    assert 5_000 < sum(kept) <= 10_000


def test_the_bound_is_that_of_the_documentation():
    assert module.MAX_BYTES == 256 * 2**20


def test_an_array_keeps_its_memory_as_long_as_any_view_of_it():
    recycler = Recycler()
    array = recycler.empty(numpy, (100, 300), "float32")
    assert array.shape == (100, 300)
    assert array.dtype == numpy.float32
    assert array.flags.writeable
    assert array.flags.c_contiguous
    view = array[50:, ::2].T
    del array
    assert not recycler._free
    other = recycler.empty(numpy, (100, 300), "float32")
    assert not numpy.shares_memory(other, view)
    del view
    assert len(recycler._free) == 1
    assert numpy.shares_memory(recycler._free[0], recycler.empty(numpy, (100, 300), "float32"))


def test_small_arrays_and_other_modules_are_left_to_themselves():
    recycler, calls = Recycler(), []
    assert recycler.empty(numpy, (10,), "float32").shape == (10,)
    assert not recycler._free
    xp = types.SimpleNamespace(empty=lambda *args, **kwargs: calls.append((args, kwargs)))
    recycler.empty(xp, (100, 1000), "float32")
    assert calls == [(((100, 1000),), {"dtype": "float32"})]


def test_rows_are_taken_by_their_index(rng):
    X = rng.standard_normal((500, 40)).astype("f")
    index = rng.randint(0, 500, size=2_000)
    assert_array_equal(Recycler().take_rows(numpy, X, index), X[index])


def test_garbage_may_be_collected_and_leases_dropped_in_any_thread():
    """Threads that take and give at once never hold the same memory."""
    recycler, failures = Recycler(), []

    def work(mark):
        for i in range(300):
            lease = recycler.take(1_000 + i)
            cycle = [lease]
            cycle.append(cycle)
            lease.memory[:] = mark
            if not (lease.memory == mark).all():
                failures.append(mark)
            del lease, cycle
            if i % 50 == 0:
                gc.collect()

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_what_was_given_out_does_not_change_when_memory_is_used_again(engine, rng):
    """Outputs and gradients that somebody holds, while large batches come and go."""
    encoder = RNNEncoder("lstm", 40, 2)
    batches = [sequences(rng, [450 + 50 * i, 0, 30], 40) for i in range(3)]
    encoder.initialize(X=batches[0])
    with use_engine(engine):
        held = []
        for X in batches * 2:
            Ys, backprop = encoder.begin_update(X)
            arrays = [*Ys, *encoder.predict(X), *backprop(Ys)]
            held.append([(array, array.copy()) for array in arrays])
    for pairs in held:
        for array, copy in pairs:
            assert_array_equal(array, copy)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CELLS)
def test_callbacks_can_be_called_in_any_order_and_more_than_once(name, engine, rng):
    model = bidirectional(CELLS[name](24, 20), CELLS[name](24, 20))
    model.initialize()
    # Large enough for memory to be used again, but for torch, which would take too long.
    batches = [ragged(rng, lengths, 20) for lengths in ([40, 0, 3] * 9, [1, 50] * 7, [360])]
    if engine == "torch":
        batches = [ragged(rng, lengths, 20) for lengths in ([4, 0, 3], [1, 5], [6])]

    def call(backprop, Y):
        for node in model.walk():
            for param in node.param_names:
                node.set_grad(param, node.get_param(param) * 0)
        dX = backprop(Ragged(Y.dataXd.copy(), Y.lengths)).dataXd.copy()
        return [dX, *(value.copy() for value in gradients(model).values())]

    with use_engine(engine):
        expected = []
        for X in batches:
            Y, backprop = model.begin_update(X)
            expected.append(call(backprop, Y))
        live = [model.begin_update(X) for X in batches]
        for i in (2, 0, 1, 1, 0, 2):
            model.predict(batches[0])
            for one, other in zip(call(live[i][1], live[i][0]), expected[i]):
                assert_allclose(one, other, atol=1e-6 * max(1.0, numpy.abs(other).max()))


def test_a_dropped_callback_gives_its_memory_to_the_next_batch(rng):
    recycler.reset()
    model = LSTM(64, 32)
    model.initialize()
    X = ragged(rng, [60] * 20, 32)
    with use_engine("numba"):

        def train():
            Y, backprop = model.begin_update(X)
            n_taken = len(recycler._free)
            backprop(Y)
            del Y, backprop
            gc.collect()
            return n_taken, {address(memory) for memory in recycler._free}

        _, first = train()
        assert first
        for _ in range(5):
            n_taken, places = train()
            assert n_taken < len(first)
            assert places == first


@pytest.mark.parametrize(
    ("engine", "dtype"),
    [("numpy", "float32"), ("numpy", "float64"), ("numba", "float32"), ("torch", "float32")],
)
def test_gradients_do_not_depend_on_what_was_there_before(engine, dtype, rng):
    """Large, small and large again, and a callback that is called twice."""
    model = LSTM(6, 5)
    model.initialize()
    for param in model.param_names:
        model.set_param(param, model.get_param(param).astype(dtype))
    batches = [ragged(rng, lengths, 5, dtype) for lengths in ([40, 3], [2], [30, 0, 9])]
    results = []
    with use_engine(engine):
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


def test_memory_begins_on_a_line_of_the_cache():
    taken = [Workspace().take(numpy, "name", (n,), "float32") for n in (1, 1000, 100_001)]
    recycled = [Recycler().empty(numpy, (n,), "float32") for n in (100_000, 100_001)]
    for array in taken + recycled:
        assert array.ctypes.data % ALIGNMENT == 0
        array.fill(1.0)
