"""How the torch engine calls torch."""

import numpy
import pytest
import torch
from numpy.testing import assert_allclose

from spacy_rnn.layers.engines import numpy_engine, torch_arrays, torch_engine
from spacy_rnn.layers.engines.base import GRU, LSTM, QRNN_FO
from spacy_rnn.layers.recurrent import CELLS

from .engine_case import Case, to_numpy

LENGTHS = [3, 0, 7, 1, 0, 5]
RECURRENT = [cell for cell in CELLS.values() if not cell.is_scan]


@pytest.fixture
def calls(monkeypatch):
    """Whether each call of torch's functions was for both directions."""
    found = []

    def counting(function):
        def call(*args):
            found.append(args[-1])
            return function(*args)

        return call

    for name, function in torch_engine._FUNCTIONS.items():
        monkeypatch.setitem(torch_engine._FUNCTIONS, name, counting(function))
    return found


def assert_as_numpy(case, keys):
    expected = case.compute(numpy_engine, to_numpy, keys=keys)
    found = case.compute(torch_engine, to_numpy, keys=keys)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert_allclose(found[name], value, atol=1e-12, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("cell", RECURRENT, ids=lambda cell: cell.name)
def test_both_directions_are_one_call(cell, rng, calls):
    case = Case(cell, rng, LENGTHS, [False, True], dtype="float64", nO=5)
    assert_as_numpy(case, keys=cell.states)
    assert calls == [True]


@pytest.mark.parametrize("reverse", [[False], [True], [True, False], [False, False]])
@pytest.mark.parametrize("cell", [LSTM, GRU], ids=lambda cell: cell.name)
def test_other_directions_are_a_call_each(cell, reverse, rng, calls):
    assert_as_numpy(Case(cell, rng, LENGTHS, reverse, dtype="float64", nO=5), keys=cell.states)
    assert calls == [False] * len(reverse)


@pytest.mark.parametrize("cell", [LSTM, GRU, QRNN_FO], ids=lambda cell: cell.name)
def test_the_way_back_can_be_gone_twice(cell, rng):
    case = Case(cell, rng, LENGTHS, [False, True], dtype="float64", nO=5)
    _, _, backward = case.start(torch_engine, to_numpy, is_train=True)
    first, second = (backward(case.dY, [None, None]) for _ in range(2))
    assert_allclose(second[0], first[0], atol=1e-12)
    for of_first, of_second in zip([*first[1], *first[2]], [*second[1], *second[2]]):
        for key, value in of_first.items():
            assert_allclose(of_second[key], value, atol=1e-12)


@pytest.mark.parametrize("keys", [(), ("h",), ("c",)])
def test_gradients_of_some_of_the_final_states_may_be_missing(keys, rng):
    assert_as_numpy(Case(LSTM, rng, LENGTHS, [False, True], dtype="float64", nO=5), keys=keys)


@pytest.mark.parametrize("keys", [(), ("c",), ("x",), ("c", "x")])
def test_a_window_reads_and_carries_on_what_the_numpy_engine_does(keys, rng):
    case = Case(QRNN_FO, rng, LENGTHS, [False, True], window=3, dtype="float64", nO=5)
    assert_as_numpy(case, keys=keys)


@pytest.mark.parametrize("lengths", [[], [0, 0]])
@pytest.mark.parametrize("cell", [LSTM, GRU, QRNN_FO], ids=lambda cell: cell.name)
def test_without_rows_there_is_no_call(cell, lengths, rng, calls):
    case = Case(cell, rng, lengths, [False, True], dtype="float64", nO=5)
    assert_as_numpy(case, keys=cell.states)
    assert calls == []


def test_weights_in_one_block_are_the_same(rng):
    def draw(*shape):
        return torch.from_numpy(rng.standard_normal(shape))

    weights = [[draw(8, 3), draw(8, 2), draw(8), draw(8)] for _ in range(2)]
    copied = torch_arrays.in_one_block(weights)
    offsets = []
    for of_one, expected in zip(copied, weights):
        for found, weight in zip(of_one, expected):
            assert torch.equal(found, weight)
            assert found.is_contiguous()
            offsets.append(found.storage_offset())
    # Two matrices and two biases of each direction: first all matrices, then all biases.
    assert offsets == [0, 24, 80, 88, 40, 64, 96, 104]
    assert len({w.untyped_storage().data_ptr() for of_one in copied for w in of_one}) == 1


def test_results_do_not_change_if_the_weights_are_in_one_block(rng, monkeypatch):
    """As they are on a GPU."""
    case = Case(GRU, rng, LENGTHS, [False, True], nO=5)
    expected = case.compute(torch_engine, to_numpy, keys=["h"])
    weights = torch_engine._Pass._weights

    def in_one_block(self, is_train):
        found = torch_arrays.in_one_block(weights(self, False))
        for of_one in found:
            for weight in of_one:
                weight.requires_grad_(is_train)
        return found

    monkeypatch.setattr(torch_engine._Pass, "_weights", in_one_block)
    for name, value in case.compute(torch_engine, to_numpy, keys=["h"]).items():
        assert_allclose(value, expected[name], atol=1e-6, err_msg=name)


def test_shared_zeros_stay_zeros(rng):
    case = Case(LSTM, rng, LENGTHS, [False, True], dtype="float64", nO=5)
    for _ in range(2):
        case.compute(torch_engine, to_numpy)
    zeros = torch_arrays.zeros(torch.from_numpy(numpy.ones(4 * 5)))
    assert not zeros.any()
