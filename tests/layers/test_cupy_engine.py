"""The kernel for GPUs, its very source compiled by a C++ compiler, against the NumPy engine."""

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_rnn.layers import engines, use_engine
from spacy_rnn.layers.engines import cupy_engine, numpy_engine
from spacy_rnn.layers.engines.base import LSTM, MINGRU, QRNN_F, QRNN_FO, QRNN_IFO, Cell
from spacy_rnn.layers.recurrent import CELLS as ALL_CELLS

from .device import COMPILER, DeviceArray, DeviceModule, Kernel, to_device
from .engine_case import Case, to_numpy

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++")
CELLS = [QRNN_F, QRNN_FO, QRNN_IFO, MINGRU]
DIRECTIONS = {"forward": [False], "backward": [True], "both": [False, True]}
LENGTHS = {"mixed": [3, 0, 7, 1, 0, 5], "one": [6], "empty": [0, 0], "none": []}


@pytest.fixture(autouse=True)
def device(monkeypatch):
    """The stand-in is the module of all arrays of the device."""
    module = DeviceModule()

    def get_array_module(X):
        return module if isinstance(X, DeviceArray) else numpy

    for engine in (cupy_engine, numpy_engine):
        monkeypatch.setattr(engine, "get_array_module", get_array_module)
    return module


def assert_same(found, expected, atol=1e-5):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert isinstance(found[name], DeviceArray)
        assert found[name].dtype == value.dtype, name
        scale = max(1.0, abs(value).max(initial=0.0))
        host = found[name].view(numpy.ndarray)
        assert_allclose(host, value, atol=atol * scale, rtol=0, err_msg=name)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("reverse", DIRECTIONS)
@pytest.mark.parametrize("window", [1, 2, 4])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_kernel_gives_the_numbers_of_the_numpy_engine(cell, window, reverse, lengths, rng):
    case = Case(cell, rng, LENGTHS[lengths], DIRECTIONS[reverse], window)
    for keys in ((), case.widths, cell.states):
        found = case.compute(cupy_engine, to_device, keys=keys)
        assert_same(found, case.compute(numpy_engine, to_numpy, keys=keys))


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_kernel_computes_in_the_type_of_its_arrays(cell, window, rng):
    case = Case(cell, rng, [3, 0, 7, 1], [False, True], window, dtype="float64")
    found = case.compute(cupy_engine, to_device, keys=case.widths)
    assert_same(found, case.compute(numpy_engine, to_numpy, keys=case.widths), atol=1e-12)


@pytest.mark.parametrize("max_rows", [1, 4, 7, 100])
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_prediction_in_parts_is_that_of_the_whole(cell, window, max_rows, rng, monkeypatch):
    case = Case(cell, rng, [3, 0, 11, 1, 0, 5], [False, True], window)
    expected = case.compute(numpy_engine, to_numpy, is_train=False)
    monkeypatch.setattr(cupy_engine, "MAX_ROWS", max_rows)
    n_rows = []
    matmul = numpy.matmul
    monkeypatch.setattr(numpy, "matmul", lambda a, b: n_rows.append(len(a)) or matmul(a, b))
    found = case.compute(cupy_engine, to_device, is_train=False)
    assert max(n_rows) <= max_rows
    assert_same(found, expected)


@pytest.mark.parametrize("window", [1, 3])
def test_the_way_back_can_be_gone_twice(window, rng):
    case = Case(QRNN_FO, rng, [3, 0, 7, 1], [False, True], window)
    _, _, backward = case.start(cupy_engine, to_device, is_train=True)
    dX, grads, d_states = backward(to_device(case.dY), [None, None])
    dX_again, grads_again, d_states_again = backward(to_device(case.dY), [None, None])
    assert (dX == dX_again).all()
    for first, second in zip([*grads, *d_states], [*grads_again, *d_states_again]):
        assert all((first[key] == second[key]).all() for key in first)


def test_saturated_gates_stay_numbers(rng):
    for cell in CELLS:
        case = Case(cell, rng, [4, 2], [False, True])
        case.X *= 1e4
        found = case.compute(cupy_engine, to_device, keys=case.widths)
        assert all(numpy.isfinite(value.view(numpy.ndarray)).all() for value in found.values())


def test_the_kernel_has_every_cell_without_recurrent_weights():
    assert {name for name, cell in ALL_CELLS.items() if cell.is_scan} == cupy_engine.CELLS


def test_a_gpu_runs_the_kernel_for_the_cells_that_it_has(monkeypatch):
    monkeypatch.setattr(engines, "is_cupy_array", lambda X: True)
    X = numpy.zeros((2, 3), "f")
    for has_cuda in (True, False):
        monkeypatch.setattr(engines, "_torch_has_cuda", lambda has_cuda=has_cuda: has_cuda)
        for cell in CELLS:
            assert engines.get_engine(X, cell) is cupy_engine
        assert engines.get_engine(X, LSTM) is not cupy_engine
    new = Cell("new", 2, params=("Wx", "b"))
    assert engines.get_engine(X, new) is numpy_engine
    for name in ("numpy", "torch"):
        with use_engine(name):
            assert engines.get_engine(X, QRNN_F).__name__.endswith(f"{name}_engine")
    monkeypatch.undo()
    assert engines.get_engine(X, QRNN_F) is not cupy_engine


def run_on_ten(source, grid=(1,)):
    """Run a kernel of its own argument on ten numbers, of which the middle eight are its array."""
    memory = to_device(numpy.arange(10.0))
    code = f'extern "C" __global__ void kernel(double* x) {{ {source} }}'
    Kernel(code, "kernel", ())(grid, (8,), (memory[1:9],))
    return memory.view(numpy.ndarray).tolist()


def test_the_stand_in_for_a_kernel_runs_each_thread():
    expected = [0.0, *(-float(i) for i in range(1, 9)), 9.0]
    assert run_on_ten("x[threadIdx.x] *= -1;") == expected
    assert run_on_ten("if (blockIdx.x == 1) x[threadIdx.x] *= -1;", grid=(2,)) == expected


def test_the_stand_in_for_a_kernel_is_strict():
    for outside in (-1, 8):
        with pytest.raises(AssertionError, match="beyond"):
            run_on_ten(f"x[{outside}] = 0;")
        assert numpy.isnan(run_on_ten(f"x[0] = x[{outside}];")[1])
    with pytest.raises(AssertionError, match="empty grid"):
        run_on_ten("", grid=(0,))
    with pytest.raises(AssertionError, match="type"):
        Kernel('extern "C" void kernel(long long n) {}', "kernel", ())((1,), (1,), (3,))
