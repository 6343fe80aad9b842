"""The layers as Thinc models: dims, initialization, errors."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged, chain

from spacy_rnn.layers import GRU, LSTM, Elman, bidirectional, pool, run, use_engine
from spacy_rnn.layers.convolution import Convolution
from spacy_rnn.layers.initializers import orthogonal_init
from spacy_rnn.layers.threads import one_blas_thread

from .cells import CELLS, ENGINES, WITH_RECURRENT_WEIGHTS, layers, ragged, randomize


@pytest.mark.parametrize("name", CELLS)
def test_widths_are_inferred_from_the_data(name, rng):
    model = CELLS[name]()
    model.initialize(X=ragged(rng, [2, 3], 4), Y=ragged(rng, [2, 3], 5))
    assert model.get_dim("nI") == 4
    assert model.get_dim("nO") == 5


@pytest.mark.parametrize("name", WITH_RECURRENT_WEIGHTS)
def test_each_gate_of_the_recurrent_weights_starts_orthogonal(name):
    model = CELLS[name](7, 4)
    model.initialize()
    Wh = model.get_param("Wh")
    assert len(Wh) % 7 == 0
    for gate in numpy.split(Wh, len(Wh) // 7):
        assert_allclose(gate @ gate.T, numpy.eye(7), atol=1e-5)


@pytest.mark.parametrize("name", CELLS)
def test_each_gate_of_the_input_weights_starts_as_glorot_has_it(name):
    model = CELLS[name](100, 50)
    model.initialize()
    Wx = model.get_param("Wx")
    limit = numpy.sqrt(6 / (100 + Wx.shape[1]))
    for gate in numpy.split(Wx, len(Wx) // 100):
        assert numpy.abs(gate).max() <= limit
        assert abs(gate.std() - limit / numpy.sqrt(3)) < 0.1 * limit


def test_the_forget_gate_starts_open():
    model = LSTM(3, 4, forget_bias=2.5)
    model.initialize()
    assert_array_equal(model.get_param("b"), [0.0] * 3 + [2.5] * 3 + [0.0] * 6)


@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (6, 3), (3, 6)])
def test_orthogonal_matrices_are_orthogonal(rows, columns):
    W = orthogonal_init(LSTM().ops, (rows, columns), gain=2.0)
    product = W @ W.T if rows <= columns else W.T @ W
    assert W.dtype == numpy.float32
    assert_allclose(product, 4.0 * numpy.eye(min(rows, columns)), atol=1e-5)


def test_an_lstm_computes_its_equations():
    """Two steps by hand, gate by gate."""
    model = LSTM(1, 1)
    model.initialize()
    Wx, Wh, b = (numpy.array(v, "f") for v in ([1, 2, 3, 4], [0.5, 0.6, 0.7, 0.8], [0.1] * 4))
    model.set_param("Wx", Wx[:, None])
    model.set_param("Wh", Wh[:, None])
    model.set_param("b", b)
    h = c = 0.0
    expected = []
    for x in (0.3, -0.2):
        i, f, g, o = Wx * x + Wh * h + b
        i, f, o = (1 / (1 + numpy.exp(-gate)) for gate in (i, f, o))
        c = f * c + i * numpy.tanh(g)
        h = o * numpy.tanh(c)
        expected.append([h])
    X = Ragged(numpy.array([[0.3], [-0.2]], "f"), numpy.array([2], "i"))
    assert_allclose(model.predict(X).dataXd, expected, atol=1e-6)


def test_a_gru_computes_its_equations():
    model = GRU(1, 1)
    model.initialize()
    Wx, Wh, b = (numpy.array(v, "f") for v in ([1, 2, 3], [0.5, 0.6, 0.7], [0.1, 0.2, 0.3]))
    model.set_param("Wx", Wx[:, None])
    model.set_param("Wh", Wh[:, None])
    model.set_param("b", b)
    model.set_param("bh", numpy.array([0.4], "f"))
    h = 0.0
    expected = []
    for x in (0.3, -0.2):
        r, z = (1 / (1 + numpy.exp(-(Wx[k] * x + Wh[k] * h + b[k]))) for k in (0, 1))
        n = numpy.tanh(Wx[2] * x + b[2] + r * (Wh[2] * h + 0.4))
        h = (1 - z) * n + z * h
        expected.append([h])
    X = Ragged(numpy.array([[0.3], [-0.2]], "f"), numpy.array([2], "i"))
    assert_allclose(model.predict(X).dataXd, expected, atol=1e-6)


@pytest.mark.parametrize("name", layers(3, 4))
@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
@pytest.mark.parametrize("engine", ENGINES)
def test_batches_without_rows_are_legal(name, lengths, engine, rng):
    model = layers(3, 4, train_state=True)[name]()
    model.initialize()
    X = ragged(rng, lengths, 4)
    with use_engine(engine):
        Y, backprop = model(X, is_train=True)
        assert Y.dataXd.shape == (0, model.get_dim("nO"))
        assert backprop(Y).dataXd.shape == (0, 4)
        assert model.predict(X).dataXd.shape == (0, model.get_dim("nO"))


def test_a_chain_infers_its_widths(rng):
    model = chain(bidirectional(LSTM(3), GRU(2)), Elman(4))
    model.initialize(X=ragged(rng, [3, 1], 6))
    assert model.layers[1].get_dim("nI") == 5
    assert model.predict(ragged(rng, [3, 1], 6)).dataXd.shape == (4, 4)


@pytest.mark.parametrize(("fw", "bw"), [(3, 3), (1, 4), (8, 7)])
def test_the_width_of_a_bidirectional_layer_is_exactly_the_sum(fw, bw, rng):
    model = bidirectional(LSTM(fw, 4), LSTM(bw, 4))
    assert model.get_dim("nO") == fw + bw
    model.initialize()
    assert model.predict(ragged(rng, [2], 4)).dataXd.shape == (2, fw + bw)


def test_the_backward_half_is_the_forward_layer_on_reversed_sequences(rng):
    model = bidirectional(LSTM(3, 4), LSTM(3, 4))
    model.initialize()
    randomize(model, rng)
    X = ragged(rng, [4], 4)
    turned = Ragged(X.data[::-1].copy(), X.lengths)
    expected = model.layers[1].predict(turned).dataXd[::-1]
    assert_allclose(model.predict(X).dataXd[:, 3:], expected, atol=1e-6)


def test_rows_of_another_width_are_an_error(rng):
    model = LSTM(3, 4)
    model.initialize()
    with pytest.raises(ValueError, match=r"E003.*width 4.*width 5"):
        model.predict(ragged(rng, [2], 5))


def test_lengths_that_do_not_add_up_are_an_error(rng):
    model = LSTM(3, 4)
    model.initialize()
    with pytest.raises(ValueError, match=r"E005.*5 rows.*sum to 4"):
        model.predict(Ragged(numpy.zeros((5, 4), "f"), numpy.array([2, 2], "i")))


@pytest.mark.parametrize("engine", ENGINES)
def test_negative_lengths_are_an_error(engine, rng):
    layer = LSTM(3, 4)
    layer.initialize()
    X = Ragged(rng.standard_normal((5, 4)).astype("f"), numpy.asarray([8, -3]))
    with use_engine(engine), pytest.raises(ValueError, match=r"E011.*lengths.*-3"):
        layer.predict(X)


@pytest.mark.parametrize(
    "build",
    [
        lambda: bidirectional(LSTM(6, 4), GRU(3, 4)),
        lambda: bidirectional(LSTM(3, 4), LSTM(3, 4)),
        lambda: Convolution(4, n_before=1),
        lambda: pool(["mean"], 4),
        lambda: pool(["last"], 4),
        lambda: pool(["max", "attention"], 4),
    ],
)
@pytest.mark.parametrize(
    ("width", "lengths", "match"),
    [
        (4, [3, 5], r"E005.*7 rows.*sum to 8"),
        (4, [3, 3], r"E005.*7 rows.*sum to 6"),
        (4, [8, -1], r"E011.*lengths.*-1"),
        (5, [3, 4], r"E003.*4.*5"),
    ],
)
def test_what_stands_around_the_layers_refuses_the_same(build, width, lengths, match, rng):
    model = build()
    model.initialize()
    X = Ragged(rng.standard_normal((7, width)).astype("f"), numpy.asarray(lengths, "i"))
    with pytest.raises(ValueError, match=match):
        model.predict(X)


def test_an_unknown_width_is_an_error():
    with pytest.raises(ValueError, match=r"E004.*nI"):
        LSTM(3).initialize()


@pytest.mark.parametrize("dim", ["nO", "nI"])
def test_a_width_below_one_is_an_error(dim):
    with pytest.raises(ValueError, match=f"E011.*{dim}"):
        GRU(**{dim: 0})


def test_an_unknown_activation_is_an_error():
    with pytest.raises(ValueError, match=r"E009.*'sigmoid'.*tanh, relu"):
        Elman(3, 4, activation="sigmoid")


def test_blas_threads_are_limited_inside_and_restored_after():
    from threadpoolctl import threadpool_info, threadpool_limits

    def counts():
        """Of NumPy's BLAS: other tests load further ones at any time."""
        found = [info for info in threadpool_info() if info["user_api"] == "blas"]
        return [info["num_threads"] for info in found if "numpy" in info["filepath"]]

    with threadpool_limits(2, user_api="blas"):
        before = counts()
        with one_blas_thread:
            with one_blas_thread:
                assert set(counts()) == {1}
            assert set(counts()) == {1}
        assert counts() == before


@pytest.mark.parametrize("name", layers(3, 4))
def test_going_back_from_a_prediction_is_an_error(name, rng):
    model = layers(3, 4)[name]()
    model.initialize()
    Y, backprop = model(ragged(rng, [2, 3], 4), is_train=False)
    with pytest.raises(ValueError, match=r"E010.*begin_update"):
        backprop(Y)


@pytest.mark.parametrize("name", layers(3, 4))
def test_running_a_layer_without_weights_is_an_error(name, rng):
    with pytest.raises(ValueError, match=r"E024.*model.initialize"):
        layers(3, 4)[name]().predict(ragged(rng, [2, 3], 4))


def test_initializing_with_rows_of_another_width_is_an_error(rng):
    with pytest.raises(ValueError, match=r"E003.*width 4.*width 5"):
        LSTM(3, 4).initialize(X=ragged(rng, [2], 5))


def test_one_layer_for_both_directions_is_an_error():
    layer = LSTM(3, 4)
    with pytest.raises(ValueError, match=r"E011.*another layer than layer_fw"):
        bidirectional(layer, layer)


@pytest.mark.parametrize("name", layers(3, 4))
@pytest.mark.parametrize("engine", ENGINES)
def test_a_parameter_of_the_wrong_shape_is_an_error(name, engine, rng):
    X = ragged(rng, [2, 3], 4)
    for param in ("Wx", "Wh", "b", "bh"):
        model = layers(3, 4)[name]()
        model.initialize()
        layer = next(node for node in model.walk() if node.has_param("Wx"))
        if not layer.has_param(param):
            continue
        layer.set_param(param, layer.get_param(param)[:-1])
        with use_engine(engine), pytest.raises(ValueError, match=rf"E027.*'{param}'"):
            model.predict(X)


@pytest.mark.parametrize("name", layers(3, 4))
@pytest.mark.parametrize("engine", ENGINES)
def test_a_gradient_of_the_wrong_shape_is_an_error(name, engine, rng):
    model = layers(3, 4)[name]()
    model.initialize()
    with use_engine(engine):
        Y, state, backprop = run(model, ragged(rng, [2, 3], 4), is_train=True)
        with pytest.raises(ValueError, match=r"E028.*the output"):
            backprop(ragged(rng, [2, 2], model.get_dim("nO")))
        d_state = [{key: value[:1] for key, value in entry.items()} for entry in state]
        with pytest.raises(ValueError, match=r"E028.*the state"):
            backprop.through_state(Y, d_state)
