"""How far gradients reach back, against finite differences and what theory says."""

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import Ragged, chain

from spacy_rnn import diagnostics
from spacy_rnn.diagnostics import gradient_norms
from spacy_rnn.layers import GRU, LSTM, Elman, bidirectional, run, use_engine
from spacy_rnn.layers.initializers import configure_orthogonal_init
from spacy_rnn.layers.ragged import to_ragged
from spacy_rnn.models import RNNEncoder
from tests.layers.cells import CELLS, ENCODER_CELLS, ENGINES, parameters, randomize, sequences
from tests.layers.numeric import numeric_gradient

LENGTHS = [4, 0, 6, 1]


def absolute(found, key, i):
    """The norms of a sequence, by distance, as far as it goes."""
    norms = numpy.exp(found.logs[key][i]) * found.first[i]
    return norms[~numpy.isnan(norms)]


def numeric_norm(model, X, state, layer, key, direction):
    """|| d (direction . last output) / d state ||, by finite differences."""

    def loss():
        Yr, _, _ = run(model, to_ragged(model.ops, [X]), state)
        return float(Yr.dataXd[-1] @ direction)

    return numpy.linalg.norm(numeric_gradient(loss, state[layer][key]))


@pytest.mark.parametrize("name", CELLS)
def test_norms_are_those_of_finite_differences(name, rng):
    Xs = sequences(rng, LENGTHS, 3, dtype="float64")
    model = CELLS[name](4, 3, train_state=True)
    model.initialize()
    randomize(model, rng, dtype="float64")
    directions = rng.standard_normal((3, 4))
    with use_engine("numpy"):
        (found,) = gradient_norms(model, to_ragged(model.ops, Xs), loss=lambda Y: directions)
        keys = {"h", "c"} & set(run(model, to_ragged(model.ops, Xs))[1][0])
        assert set(found.logs) == keys
        for i, X in enumerate(X for X in Xs if len(X)):
            for key in keys:
                expected = [numpy.linalg.norm(directions[i])] if key == "h" else []
                for k in range(1, len(X)):
                    _, state, _ = run(model, to_ragged(model.ops, [X[:-k]]))
                    state = [{name: value.copy() for name, value in state[0].items()}]
                    expected.append(numeric_norm(model, X[-k:], state, 0, key, directions[i]))
                assert_allclose(absolute(found, key, i), expected, rtol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CELLS)
def test_norms_are_those_of_one_call_over_all_steps(name, engine, rng):
    X = rng.standard_normal((12, 3)).astype("f")
    model = CELLS[name](4, 3)
    model.initialize()
    randomize(model, rng)
    direction = rng.standard_normal((1, 4)).astype("f")
    with use_engine(engine):
        (found,) = gradient_norms(model, to_ragged(model.ops, [X]), loss=lambda Y: direction)
        for k in range(1, len(X)):
            _, state, _ = run(model, to_ragged(model.ops, [X[:-k]]))
            rest = to_ragged(model.ops, [X[-k:]])
            _, _, backprop = run(model, rest, state, is_train=True)
            dY = numpy.zeros((k, 4), dtype="f")
            dY[-1] = direction
            _, (d_state,) = backprop.through_state(Ragged(dY, rest.lengths), None)
            for key, logs in found.logs.items():
                norm = numpy.linalg.norm(d_state[key])
                assert_allclose(numpy.exp(logs[0, k]) * found.first[0], norm, rtol=1e-3)


def test_both_states_of_an_lstm_are_told_and_c_begins_at_distance_one(rng):
    model = LSTM(4, 3)
    model.initialize()
    (found,) = gradient_norms(model, to_ragged(model.ops, sequences(rng, [5], 3)))
    assert list(found.logs) == ["h", "c"]
    assert found.logs["h"][0, 0] == 0.0
    assert numpy.isnan(found.logs["c"][0, 0])
    assert numpy.isfinite(found.logs["c"][0, 1:]).all()


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_elman_with_scaled_rotations_has_the_predicted_rate(gain):
    # Over inputs of zeros tanh is at its steepest, and the Jacobian is Wh: far beyond what float32
    # can hold, the norm is that of a geometric sequence.
    model = Elman(8, 3, init_Wh=configure_orthogonal_init(gain=gain))
    model.initialize()
    (found,) = gradient_norms(model, to_ragged(model.ops, [numpy.zeros((401, 3), dtype="f")]))
    assert_allclose(found.logs["h"][0], numpy.arange(401) * numpy.log(gain), rtol=1e-4, atol=1e-3)
    (curve,) = found.curves()
    assert curve.verdict == {0.5: "vanishes", 1.0: "holds", 1.5: "explodes"}[gain]
    assert curve.factor == pytest.approx(gain, rel=1e-4)
    assert curve.half_life == (1 if gain == 0.5 else None)


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.9, "vanishes"), (1.0, "holds"), (1.1, "explodes")]
)
def test_a_rectified_identity_is_linear(gain, verdict, rng):
    model = Elman(5, 5, activation="relu")
    model.initialize()
    model.set_param("Wx", numpy.eye(5, dtype="f"))
    model.set_param("Wh", gain * numpy.eye(5, dtype="f"))
    X = rng.uniform(0.1, 1.0, (100, 5)).astype("f")
    (found,) = gradient_norms(model, to_ragged(model.ops, [X]))
    assert_allclose(found.logs["h"][0], numpy.arange(100) * numpy.log(gain), rtol=1e-3, atol=1e-3)
    assert found.curves()[0].verdict == verdict


def test_steep_tanh_slows_the_gradient_down(rng):
    model = Elman(8, 3)
    model.initialize()
    X = rng.standard_normal((50, 3)).astype("f")
    weak, strong = (
        gradient_norms(model, to_ragged(model.ops, [scale * X]))[0].logs["h"][0, -1]
        for scale in (0.1, 3.0)
    )
    assert strong < weak < 0.0


def test_an_open_forget_gate_keeps_the_gradient(rng):
    X = to_ragged(LSTM().ops, sequences(rng, [40, 40], 3))
    left = []
    for bias in (0.0, 1.0, 5.0):
        numpy.random.seed(0)
        model = LSTM(8, 3, forget_bias=bias)
        model.initialize()
        left.append(gradient_norms(model, X)[0].logs["c"][:, -1].mean())
    assert left[0] < left[1] < left[2]


@pytest.mark.parametrize("cell", ENCODER_CELLS)
@pytest.mark.parametrize("both", [False, True])
def test_nothing_of_the_model_changes(cell, both, rng):
    dropout = {} if cell in ("qrnn", "mingru") else {"weight_dropout": 0.5}
    model = RNNEncoder(cell, 6, 2, both, dropout=0.5, layer_norm=True, **dropout)
    Xs = sequences(rng, LENGTHS, 5)
    model.initialize(X=Xs)
    randomize(model, rng)
    before = {name: value.copy() for name, value in parameters(model).items()}
    attrs = [dict(node.attrs) for node in model.walk()]
    state = numpy.random.get_state()[1].copy()
    gradient_norms(model, Xs)
    for name, value in parameters(model).items():
        assert_allclose(value, before[name], atol=0)
    assert not any(node.has_grad(param) for node in model.walk() for param in node.param_names)
    assert [dict(node.attrs) for node in model.walk()] == attrs
    assert (numpy.random.get_state()[1] == state).all()


def test_gradients_that_were_there_stay(rng):
    model = GRU(4, 3)
    X = to_ragged(model.ops, sequences(rng, [5], 3))
    model.initialize(X=X)
    Yr, backprop = model(X, is_train=True)
    backprop(Yr)
    before = model.get_grad("Wh").copy()
    gradient_norms(model, X)
    assert_allclose(model.get_grad("Wh"), before, atol=0)


def test_dropout_is_off(rng):
    Xs = sequences(rng, [6], 3)
    plain = RNNEncoder("lstm", 4, 2)
    plain.initialize(X=Xs)
    dropped = RNNEncoder("lstm", 4, 2, dropout=0.5, recurrent_dropout=0.5, weight_dropout=0.5)
    dropped.initialize(X=Xs)
    for one, other in zip(plain.walk(), dropped.walk()):
        for param in one.param_names:
            other.set_param(param, one.get_param(param))
    for one, other in zip(gradient_norms(plain, Xs), gradient_norms(dropped, Xs)):
        assert_allclose(one.logs["h"], other.logs["h"], atol=1e-6)


@pytest.mark.parametrize(
    ("both", "depth", "names"),
    [
        (False, 1, ["gru"]),
        (True, 1, ["gru forward", "gru backward"]),
        (False, 2, ["gru 1", "gru 2"]),
        (True, 2, ["gru 1 forward", "gru 1 backward", "gru 2 forward", "gru 2 backward"]),
    ],
)
def test_each_layer_and_direction_is_told(both, depth, names, rng):
    Xs = sequences(rng, LENGTHS, 5)
    model = RNNEncoder("gru", 6, depth, both)
    model.initialize(X=Xs)
    found = gradient_norms(model, Xs)
    assert [one.name for one in found] == names
    assert all(one.logs["h"].shape == (3, 6) for one in found)


@pytest.mark.parametrize("others", [GRU, LSTM])  # run in one loop with the GRU, or by themselves
def test_a_backward_layer_goes_back_to_the_end_of_the_text(others, rng):
    Xs = sequences(rng, LENGTHS, 3)
    forward, backward = others(4, 3), GRU(4, 3)
    model = bidirectional(forward, backward)
    model.initialize(X=to_ragged(model.ops, Xs))
    found = gradient_norms(model, to_ragged(model.ops, Xs))[-1]
    turned = to_ragged(model.ops, [numpy.ascontiguousarray(X[::-1]) for X in Xs])
    (expected,) = gradient_norms(backward, turned)
    assert_allclose(found.logs["h"], expected.logs["h"], atol=1e-5)


def test_a_layer_of_a_stack_is_asked_with_what_it_reads_there(rng):
    Xs = sequences(rng, LENGTHS, 3)
    first, second = LSTM(4, 3), GRU(5, 4)
    model = chain(first, second)
    X = to_ragged(model.ops, Xs)
    model.initialize(X=X)
    found = gradient_norms(model, X)
    assert [one.name for one in found] == ["lstm 1", "gru 2"]
    (expected,) = gradient_norms(second, first.predict(X))
    assert_allclose(found[1].logs["h"], expected.logs["h"], atol=1e-6)


def test_the_loss_is_that_of_the_last_layer_alone(rng):
    Xs = sequences(rng, [3, 4], 3)
    model = RNNEncoder("elman", 4, 2, bidirectional=False)
    model.initialize(X=Xs)
    asked = []

    def loss(outputs):
        asked.append(outputs)
        return 3.0 * numpy.ones_like(outputs)

    first, last = gradient_norms(model, Xs, loss=loss)
    assert_allclose(first.first, 1.0, rtol=1e-6)  # random directions have the norm 1
    assert_allclose(last.first, 6.0, rtol=1e-6)
    (outputs,) = asked
    assert_allclose(outputs, [Y[-1] for Y in model.predict(Xs)], atol=1e-6)


def test_the_seed_chooses_the_directions(rng):
    model = GRU(4, 3)
    X = to_ragged(model.ops, sequences(rng, [8], 3))
    model.initialize(X=X)
    same, again, other = (gradient_norms(model, X, seed=seed)[0].logs["h"] for seed in (1, 1, 2))
    assert (same == again).all()
    assert not numpy.allclose(same, other)


def test_a_sequence_says_the_same_alone_and_among_others(rng, monkeypatch):
    model = LSTM(4, 3)
    Xs = sequences(rng, [9, 2, 5], 3)
    X = to_ragged(model.ops, Xs)
    model.initialize(X=X)
    (whole,) = gradient_norms(model, X, loss=numpy.ones_like)
    for i, one in enumerate(Xs):
        (alone,) = gradient_norms(model, to_ragged(model.ops, [one]), loss=numpy.ones_like)
        for key in ("h", "c"):
            assert_allclose(alone.logs[key][0], whole.logs[key][i, : len(one)], atol=1e-5)
    monkeypatch.setattr(diagnostics, "MAX_ROWS", 1)
    (parts,) = gradient_norms(model, X, loss=numpy.ones_like)
    assert_allclose(parts.logs["h"], whole.logs["h"], atol=1e-5)


def test_a_loss_without_a_gradient_has_no_norms(rng):
    model = GRU(4, 3)
    X = to_ragged(model.ops, sequences(rng, [3, 3], 3))
    model.initialize(X=X)
    (found,) = gradient_norms(model, X, loss=lambda Y: numpy.array([[0.0] * 4, [1.0] * 4], "f"))
    assert numpy.isnan(found.logs["h"][0]).all()
    assert found.curves()[0].n_docs == [1, 1, 1]


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_nothing_to_read_has_no_curve(lengths, rng):
    model = GRU(4, 3)
    model.initialize()
    found = gradient_norms(model, to_ragged(model.ops, sequences(rng, lengths, 3)))
    assert all(curve.distances == [] for one in found for curve in one.curves())


def test_weights_that_are_no_numbers_are_an_error(rng):
    model = GRU(4, 3)
    X = to_ragged(model.ops, sequences(rng, [3], 3))
    model.initialize(X=X)
    model.set_param("Wh", numpy.full((12, 4), numpy.nan, dtype="f"))
    with pytest.raises(ValueError, match="E123"):
        gradient_norms(model, X)


def test_a_model_without_weights_is_an_error():
    with pytest.raises(ValueError, match="E024"):
        gradient_norms(RNNEncoder("gru", 4, 1), [])
