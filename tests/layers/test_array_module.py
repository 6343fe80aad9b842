"""The NumPy engine runs on CuPy's arrays as well; here on those of a stand-in for CuPy."""

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_rnn.layers.engines import numpy_engine
from spacy_rnn.layers.engines.base import Direction
from spacy_rnn.layers.packing import Packing
from spacy_rnn.layers.recurrent import CELLS

from .device import DeviceArray, DeviceModule, to_device


@pytest.mark.parametrize("is_train", [False, True])
@pytest.mark.parametrize(
    ("name", "window"),
    [(name, window) for name in CELLS for window in ((1, 3) if CELLS[name].is_scan else (1,))],
)
def test_the_engine_keeps_to_the_module_of_its_arrays(name, window, is_train, rng, monkeypatch):
    cell, nO, nI, lengths = CELLS[name], 3, 4, [3, 0, 5, 1]
    widths = dict.fromkeys(cell.states, nO)
    if window > 1:
        widths["x"] = (window - 1) * nI
    shapes = {
        "Wx": (cell.n_gates * nO, window * nI),
        "Wh": (cell.n_gates * nO, nO),
        "b": (cell.n_gates * nO,),
        "bh": (nO,),
    }

    def draw(*shape):
        return rng.standard_normal(shape).astype("f")

    X, dY = draw(sum(lengths), nI), draw(sum(lengths), 2 * nO)
    parts = [
        ({p: draw(*shapes[p]) for p in cell.params}, {k: draw(4, n) for k, n in widths.items()})
        for _ in range(2)
    ]
    mask = draw(4, nO)

    def compute(convert):
        directions = [
            Direction(
                {k: convert(v) for k, v in weights.items()},
                {k: convert(v) for k, v in state.items()},
                None if cell.is_scan else convert(mask),
                reverse,
            )
            for (weights, state), reverse in zip(parts, (False, True))
        ]
        Y, finals, backward = numpy_engine.forward(
            cell, convert(X), Packing(lengths), directions, is_train
        )
        results = [Y, *(f[k] for f in finals for k in widths)]
        if is_train:
            dX, grads, d_states = backward(convert(dY), [None, finals[1]])
            results += [dX, *(g[k] for g in grads for k in g), *(s[k] for s in d_states for k in s)]
        return results

    expected = compute(lambda array: array)
    monkeypatch.setattr(numpy_engine, "get_array_module", lambda X: DeviceModule())
    found = compute(to_device)
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert isinstance(a, DeviceArray)
        assert_allclose(a.view(numpy.ndarray), b, atol=1e-6)


def test_the_stand_in_is_strict():
    array = to_device(numpy.zeros((3, 2)))
    with pytest.raises(TypeError):
        numpy.concatenate([array, array])
    with pytest.raises(TypeError):
        array[numpy.array([0, 1])]
    with pytest.raises(AttributeError):
        DeviceModule().einsum  # noqa: B018
