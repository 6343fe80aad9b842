"""The cells without recurrent weights, against their equations."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_rnn.layers import LSTM, QRNN, MinGRU, bidirectional, run, use_engine
from spacy_rnn.layers.recurrent import can_share_loop

from .cells import ENGINES, ragged, randomize

GATES = {"f": "zf", "fo": "zfo", "ifo": "zfoi"}


def sigmoid(x):
    return 1.0 / (1.0 + numpy.exp(-x))


def one_sequence(X):
    return Ragged(X, numpy.asarray([len(X)], "i"))


def read_qrnn(model, X, pooling, window, state=None):
    """The equations of Bradbury et al. (2016), token by token and gate by gate."""
    nO, nI = model.get_dim("nO"), model.get_dim("nI")
    W = numpy.split(model.get_param("Wx"), len(GATES[pooling]))
    b = numpy.split(model.get_param("b"), len(GATES[pooling]))
    before = numpy.zeros((window - 1, nI)) if state is None else state["x"].reshape((-1, nI))
    padded = numpy.concatenate([before, X])
    c = numpy.zeros(nO)
    if state is not None:
        c = state["h" if pooling == "f" else "c"][0]
    outputs = []
    for t in range(len(X)):
        gates = {}
        for name, W_gate, b_gate in zip(GATES[pooling], W, b):
            total = b_gate.astype("float64")
            for k in range(window):  # from x_{t-window+1} to x_t
                total = total + W_gate[:, k * nI : (k + 1) * nI] @ padded[t + k]
            gates[name] = numpy.tanh(total) if name == "z" else sigmoid(total)
        z, f = gates["z"], gates["f"]
        c = f * c + (gates["i"] if pooling == "ifo" else 1 - f) * z
        outputs.append(c if pooling == "f" else gates["o"] * c)
    return numpy.asarray(outputs)


def make_qrnn(pooling, window, rng, **kwargs):
    model = QRNN(5, 4, pooling=pooling, window=window, **kwargs)
    model.initialize()
    randomize(model, rng)
    return model


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("window", [1, 2, 3, 6])
@pytest.mark.parametrize("pooling", GATES)
def test_a_qrnn_computes_its_equations(pooling, window, engine, rng):
    model = make_qrnn(pooling, window, rng)
    X = ragged(rng, [4, 0, 9, 1], 4)
    with use_engine(engine):
        Y = model.predict(X).dataXd
    for start, end in ((0, 4), (4, 13), (13, 14)):
        expected = read_qrnn(model, X.data[start:end], pooling, window)
        assert_allclose(Y[start:end], expected, atol=1e-5)


@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.parametrize("pooling", GATES)
def test_a_qrnn_goes_on_from_a_state_by_its_equations(pooling, window, rng):
    model = make_qrnn(pooling, window, rng)
    state = {
        "h" if pooling == "f" else "c": rng.standard_normal((1, 5)).astype("f"),
        "x": rng.standard_normal((1, (window - 1) * 4)).astype("f"),
    }
    X = rng.standard_normal((6, 4)).astype("f")
    Y, (final,), _ = run(model, one_sequence(X), [state])
    assert_allclose(Y.dataXd, read_qrnn(model, X, pooling, window, state), atol=1e-5)
    assert_array_equal(final["x"], X[1 - window :].reshape((1, -1)))


@pytest.mark.parametrize("pooling", GATES)
def test_a_qrnn_that_reads_from_the_end_has_its_window_over_the_following_tokens(pooling, rng):
    model = bidirectional(make_qrnn(pooling, 3, rng), make_qrnn(pooling, 3, rng))
    model.initialize()
    randomize(model, rng)
    X = ragged(rng, [5], 4)
    expected = read_qrnn(model.layers[1], X.data[::-1], pooling, 3)[::-1]
    assert_allclose(model.predict(X).dataXd[:, 5:], expected, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mingru_computes_its_equations(engine, rng):
    model = MinGRU(5, 4)
    model.initialize()
    randomize(model, rng)
    X = rng.standard_normal((7, 4)).astype("f")
    Wz, Wh = numpy.split(model.get_param("Wx"), 2)
    bz, bh = numpy.split(model.get_param("b"), 2)
    h, expected = numpy.zeros(5), []
    for x in X:
        z = sigmoid(Wz @ x + bz)
        h = (1 - z) * h + z * (Wh @ x + bh)
        expected.append(h)
    with use_engine(engine):
        assert_allclose(model.predict(one_sequence(X)).dataXd, expected, atol=1e-5)


def test_what_is_kept_begins_as_the_forget_bias_says():
    for pooling, names in GATES.items():
        model = QRNN(3, 4, pooling=pooling, forget_bias=2.5)
        model.initialize()
        expected = {name: [0.0] * 3 for name in names} | {"f": [2.5] * 3}
        assert_array_equal(model.get_param("b"), numpy.concatenate([expected[n] for n in names]))
    model = MinGRU(3, 4, forget_bias=2.5)
    model.initialize()
    assert_array_equal(model.get_param("b"), [-2.5] * 3 + [0.0] * 3)


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (QRNN(3, 4, pooling="f", train_state=True), {"h"}),
        (QRNN(3, 4, pooling="fo", window=2, train_state=True), {"c", "x"}),
        (QRNN(3, 4, pooling="ifo", window=4, train_state=True), {"c", "x"}),
        (MinGRU(3, 4, train_state=True), {"h"}),
    ],
)
def test_what_is_carried_and_what_of_it_is_trained(model, keys, rng):
    model.initialize()
    _, (state,), _ = run(model, ragged(rng, [3, 0], 4))
    assert set(state) == keys
    assert {name for name in model.param_names if name.endswith("0")} == {
        f"{key}0" for key in keys - {"x"}
    }
    if "x" in keys:
        window = model.attrs["window"]
        assert state["x"].shape == (2, (window - 1) * 4)
        assert_array_equal(state["x"][1], 0)  # an empty sequence carries what it began with


def test_the_columns_of_the_weights_begin_with_the_oldest_input(rng):
    model = QRNN(3, 4, pooling="f", window=2)
    model.initialize()
    Wx = model.get_param("Wx")
    assert Wx.shape == (6, 8)
    Wx[:, :4] = 0  # only the input of the step itself is left
    model.set_param("Wx", Wx)
    narrow = QRNN(3, 4, pooling="f")
    narrow.initialize()
    narrow.set_param("Wx", Wx[:, 4:].copy())
    X = ragged(rng, [5, 2], 4)
    assert_allclose(model.predict(X).dataXd, narrow.predict(X).dataXd, atol=1e-6)


def test_an_unknown_pooling_is_an_error():
    with pytest.raises(ValueError, match=r"E009.*pooling 'max'.*f, fo, ifo"):
        QRNN(3, 4, pooling="max")


@pytest.mark.parametrize("window", [0, -1])
def test_a_window_below_one_is_an_error(window):
    with pytest.raises(ValueError, match=r"E011.*window must be a whole number, at least 1"):
        QRNN(3, 4, window=window)


@pytest.mark.parametrize("wrong", [{}, {"x": numpy.zeros((2, 4), "f")}])
def test_a_state_without_the_inputs_of_the_window_is_an_error(wrong, rng):
    model = make_qrnn("fo", 3, rng)
    state = {"c": numpy.zeros((2, 5), "f"), **wrong}
    with pytest.raises(ValueError, match=r"E006.*'x' of shape \(2, 8\)"):
        run(model, ragged(rng, [3, 1], 4), [state])


def test_only_layers_of_one_window_share_a_loop():
    one, other, third = QRNN(3, 4, window=2), QRNN(3, 4, window=2), QRNN(3, 4, window=3)
    assert can_share_loop([one, other])
    assert not can_share_loop([one, third])
    assert not can_share_loop([one, QRNN(3, 4, window=2, pooling="f")])
    assert not can_share_loop([MinGRU(3, 4), LSTM(3, 4)])


def test_the_gradient_of_each_input_reaches_back_through_the_window_alone(rng):
    """With the forget gate shut, an output depends on the inputs of its window and no others."""
    model = QRNN(3, 4, pooling="f", window=3, forget_bias=-100.0)
    model.initialize()
    X = ragged(rng, [8, 2], 4)
    Y, backprop = model.begin_update(X)
    dY = numpy.zeros_like(Y.dataXd)
    dY[5] = 1.0
    touched = numpy.abs(backprop(Ragged(dY, X.lengths)).dataXd).max(axis=1) > 1e-6
    assert numpy.flatnonzero(touched).tolist() == [3, 4, 5]
