"""The contract's guarantees on layers and encoders, over all cells, directions and depths."""

import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from spacy import registry
from thinc.api import Adam, Config, Ragged, fix_random_seed, set_dropout_rate

from spacy_rnn.layers import LSTM, available_engines, bidirectional, run, use_engine
from spacy_rnn.layers.engines.workspace import Lease, recycler, workspace
from spacy_rnn.layers.threads import use_threads
from spacy_rnn.models import RNNEncoder

from .cells import (
    CELLS,
    CPU_ENGINES,
    ENGINES,
    encoders,
    gradients,
    layers,
    parameters,
    ragged,
    randomize,
    sequences,
)

LENGTHS = st.lists(st.integers(0, 12), max_size=9)
FEW = settings(max_examples=15, deadline=None)
FEWER = settings(max_examples=6, deadline=None)


def build(table, name, rng, X=None):
    model = table[name]()
    model.initialize(X=X)
    randomize(model, rng)
    return model


# 1. Batch invariance


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("name", encoders(6))
@FEW
@given(lengths=LENGTHS)
def test_a_doc_has_the_same_vectors_alone_and_in_any_batch(name, engine, lengths):
    rng = numpy.random.RandomState(len(lengths))
    model = build(encoders(6), name, rng, X=sequences(rng, [2], 5))
    Xs = sequences(rng, lengths, 5)
    with use_engine(engine):
        together = model.predict(Xs)
        alone = [model.predict([X])[0] for X in Xs]
    assert [Y.shape for Y in together] == [(length, 6) for length in lengths]
    # Normalizing a row of six almost equal numbers blows its rounding up: relative to the result.
    rtol = 2e-5 if name.endswith("norm") else 0
    for one, other in zip(alone, together):
        assert_allclose(one, other, atol=1e-5, rtol=rtol)


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("cell", ["lstm", "gru", "qrnn"])
def test_a_doc_has_the_same_vectors_alone_and_among_a_thousand_of_all_lengths(cell, engine, rng):
    encoder = RNNEncoder(cell, 32, 1)
    Xs = sequences(rng, rng.randint(0, 40, size=1000).tolist(), 20)
    encoder.initialize(X=Xs[:2])
    with use_engine(engine):
        together = encoder.predict(Xs)
        for i in range(0, 1000, 50):
            assert_allclose(encoder.predict([Xs[i]])[0], together[i], atol=1e-5)


# 3. Engine parity (2. gradients: test_gradients.py)


# Of torch's too; test_parity.py tries what is particular to numba's.
@pytest.mark.parametrize("name", layers(5, 4))
@FEWER
@given(lengths=LENGTHS)
def test_engines_agree(name, lengths):
    rng = numpy.random.RandomState(len(lengths))
    model = build(layers(5, 4, train_state=True), name, rng)
    X = ragged(rng, lengths, 4)
    dY = rng.standard_normal((sum(lengths), model.get_dim("nO"))).astype("f")
    results = {}
    for engine in available_engines():
        for node in model.walk():
            for param in node.param_names:
                node.set_grad(param, node.get_param(param) * 0)
        with use_engine(engine):
            predicted = model.predict(X).dataXd
            Y, state, backprop = run(model, X, is_train=True)
            dX, d_state = backprop.through_state(
                Ragged(dY.copy(), X.lengths),
                [{key: numpy.ones_like(value) for key, value in s.items()} for s in state],
            )
        results[engine] = (Y.dataXd, predicted, state, dX.dataXd, gradients(model), d_state)
    expected = results.pop("numpy")
    assert_allclose(expected[1], expected[0], atol=1e-6)
    for found in results.values():
        assert_allclose(found[0], expected[0], atol=1e-5)
        assert_allclose(found[1], expected[1], atol=1e-5)
        for i in (2, 5):  # final states, and gradients of the initial ones
            for found_state, expected_state in zip(found[i], expected[i]):
                for key, value in expected_state.items():
                    assert_allclose(found_state[key], value, atol=1e-5 if i == 2 else 1e-4)
        assert_allclose(found[3], expected[3], atol=1e-4)
        for param, gradient in expected[4].items():
            assert_allclose(found[4][param], gradient, atol=1e-4, err_msg=param)


def test_parity_is_tested_on_more_than_one_engine():
    assert set(ENGINES) <= set(available_engines())


# 4. Causality


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("name", layers(3, 4))
@FEW
@given(lengths=LENGTHS)
def test_a_sequence_has_the_same_output_alone_and_in_any_batch(name, engine, lengths):
    rng = numpy.random.RandomState(len(lengths))
    model = build(layers(3, 4), name, rng)
    X, ends = ragged(rng, lengths, 4), numpy.cumsum(lengths)
    with use_engine(engine):
        together = numpy.split(model.predict(X).dataXd, ends[:-1]) if lengths else []
        for x, Y in zip(numpy.split(X.data, ends[:-1]), together):
            alone = model.predict(Ragged(x, numpy.asarray([len(x)], "i")))
            assert_allclose(alone.dataXd, Y, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in encoders(6) if "forward" in n])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_unidirectional_output_does_not_depend_on_later_inputs(name, engine, rng):
    Xs = sequences(rng, [9, 4], 5)
    model = build(encoders(6), name, rng, X=Xs)
    with use_engine(engine):
        before = model.predict(Xs)[0]
        for t in (1, 5, 8):
            changed = Xs[0].copy()
            changed[t:] += 1.0
            after = model.predict([changed, Xs[1]])[0]
            assert_allclose(after[:t], before[:t], atol=1e-6)
            assert numpy.abs(after[t:] - before[t:]).max() > 1e-3


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("engine", ENGINES)
def test_an_output_of_a_layer_does_not_depend_on_later_inputs(name, engine, rng):
    model = build({"layer": lambda: CELLS[name](3, 4)}, "layer", rng)
    X = ragged(rng, [9, 4], 4)
    with use_engine(engine):
        before = model.predict(X).dataXd
        for t in (1, 5, 8):
            changed = Ragged(X.data.copy(), X.lengths)
            changed.data[t:9] += 1.0
            after = model.predict(changed).dataXd
            assert_allclose(after[:t], before[:t], atol=1e-6)
            assert numpy.abs(after[t:9] - before[t:9]).max() > 1e-3
            assert_allclose(after[9:], before[9:], atol=1e-6)


@pytest.mark.parametrize("name", [n for n in encoders(6) if "both" in n])
def test_a_bidirectional_output_depends_on_later_inputs(name, rng):
    Xs = sequences(rng, [9], 5)
    model = build(encoders(6), name, rng, X=Xs)
    changed = Xs[0].copy()
    changed[-1] += 1.0
    assert numpy.abs(model.predict([changed])[0][0] - model.predict(Xs)[0][0]).max() > 1e-6


# 5. Round trips


@pytest.mark.parametrize("name", encoders(6))
def test_round_trips_keep_the_predictions(name, rng, tmp_path):
    Xs = sequences(rng, [3, 0, 7], 5)
    model = build(encoders(6), name, rng, X=Xs)
    expected = numpy.concatenate(model.predict(Xs))

    def predict(other):
        return numpy.concatenate(other.predict(Xs))

    assert_array_equal(predict(encoders(6)[name]().from_bytes(model.to_bytes())), expected)
    model.to_disk(tmp_path / "model")
    assert_array_equal(predict(encoders(6)[name]().from_disk(tmp_path / "model")), expected)
    assert_array_equal(predict(pickle.loads(pickle.dumps(model))), expected)
    copied = model.copy()
    assert_array_equal(predict(copied), expected)
    for value in parameters(copied).values():
        value += 1.0
    assert_array_equal(predict(model), expected)


@pytest.mark.parametrize("name", CELLS)
def test_round_trips_keep_a_trained_initial_state(name, rng):
    model = CELLS[name](5, 4, train_state=True)
    model.initialize()
    randomize(model, rng)
    X = ragged(rng, [3, 1], 4)
    other = CELLS[name](5, 4, train_state=True).from_bytes(model.to_bytes())
    assert_array_equal(other.predict(X).dataXd, model.predict(X).dataXd)


@pytest.mark.parametrize("layer", ["Elman", "LSTM", "GRU"])
def test_layers_can_be_built_from_a_config(layer, rng):
    config = Config().from_str(
        f"""
        [model]
        @layers = "spacy-rnn.bidirectional.v1"

        [model.layer_fw]
        @layers = "spacy-rnn.{layer}.v1"
        nO = 3
        nI = 4
        recurrent_dropout = 0.1

        [model.layer_fw.init_Wh]
        @initializers = "spacy-rnn.orthogonal_init.v1"
        gain = 2.0

        [model.layer_bw]
        @layers = "spacy-rnn.{layer}.v1"
        nO = 5
        nI = 4
        """
    )
    model = registry.resolve(config)["model"]
    model.initialize()
    assert model.get_dim("nO") == 8
    assert model.predict(ragged(rng, [2, 3], 4)).dataXd.shape == (5, 8)
    Wh = model.layers[0].get_param("Wh")[:3]
    assert_allclose(Wh @ Wh.T, 4.0 * numpy.eye(3), atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "options"), [("QRNN", {"window": 2, "pooling": "ifo"}), ("MinGRU", {})]
)
def test_layers_without_recurrent_weights_can_be_built_from_a_config(layer, options, rng):
    config = {
        "@layers": f"spacy-rnn.{layer}.v1",
        "nO": 3,
        "nI": 4,
        **options,
        "init_Wx": {"@initializers": "spacy-rnn.orthogonal_init.v1"},
    }
    model = registry.resolve({"model": config})["model"]
    model.initialize()
    assert model.predict(ragged(rng, [2, 3], 4)).dataXd.shape == (5, 3)
    Wx = model.get_param("Wx")[:3]
    assert_allclose(Wx @ Wx.T, numpy.eye(3), atol=1e-5)


@pytest.mark.parametrize("name", encoders(6))
def test_averages_are_applied(name, rng):
    Xs = sequences(rng, [3, 5], 5)
    model = build(encoders(6), name, rng, X=Xs)
    optimizer = Adam(0.05, use_averages=True)
    for _ in range(3):
        Ys, backprop = model.begin_update(Xs)
        backprop([numpy.ones_like(Y) for Y in Ys])
        model.finish_update(optimizer)
    trained = parameters(model)
    with model.use_params(optimizer.averages):
        for name, averaged in parameters(model).items():
            i = int(name.split(".")[0])
            node = list(model.walk())[i]
            expected = optimizer.averages[(node.id, name.rsplit(".", 1)[1])]
            assert_allclose(averaged, expected, atol=1e-6)
            assert numpy.abs(averaged - trained[name]).max() > 1e-6, name
    for name, value in parameters(model).items():
        assert_array_equal(value, trained[name])


# 6. Bounded memory


def peak_memory(function):
    """Bytes that were allocated at once, beyond what there was, with nothing kept from before."""
    workspace._arrays.clear()
    recycler.reset()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = function()
        return tracemalloc.get_traced_memory()[1] - before, result
    finally:
        tracemalloc.stop()


@contextmanager
def warm(engine, layer):
    """Use an engine in this thread alone, whose compilation takes memory of its own."""
    with use_engine(engine), use_threads(1):
        Y, backprop = layer.begin_update(ragged(numpy.random, [2], layer.get_dim("nI")))
        backprop(Y)
        layer.predict(ragged(numpy.random, [2], layer.get_dim("nI")))
        yield


def allocated(array):
    """Bytes of the memory that an array lies in, which may have room for a larger one."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array.memory.nbytes if isinstance(array, Lease) else array.nbytes


# The NumPy engine takes half a second for each: one for each kind of loop.
LONG = [(f"{cell}-both", "numba") for cell in CELLS] + [
    (f"{cell}-both", "numpy") for cell in ("elman", "lstm", "gru", "qrnn-fo-window-2", "mingru")
]


@pytest.mark.parametrize(("name", "engine"), [*LONG, ("mixed-windows-both", "numba")])
def test_one_long_doc_among_short_ones_costs_no_padding(name, engine, rng):
    # The loops in Python take their time.
    width, length = 32, 20_000 if engine == "numba" else 4_000
    lengths = [2] * 50 + [length] + [2] * 49
    layer = layers(width // 2, width)[name]()
    layer.initialize()
    X = ragged(rng, lengths, width)
    n_tokens = sum(lengths)
    with warm(engine, layer):
        memory, (_, backprop) = peak_memory(lambda: layer.begin_update(X))
        # Padded, the gates alone would take 100 * 20,000 * 4 * 32 * 4 bytes: a gigabyte, or a
        # fifth of that.
        assert memory < n_tokens * width * 4 * 20
        memory, _ = peak_memory(lambda: backprop(X))
        assert memory < n_tokens * width * 4 * 20


@pytest.mark.parametrize(("name", "engine"), LONG)
def test_memory_at_prediction_does_not_grow_with_the_doc(name, engine, rng):
    width = 16
    layer = layers(8, width)[name]()
    layer.initialize()
    extra = []
    with warm(engine, layer):
        for length in (10_000, 40_000) if engine == "numba" else (4_000, 16_000):
            X = ragged(rng, [length], width)
            memory, Y = peak_memory(lambda X=X: layer.predict(X))
            extra.append(memory - allocated(Y.dataXd))
    assert extra[1] < extra[0] * 1.2 + 100_000


# 7. Threads


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("cell", ["lstm", "qrnn"])
def test_concurrent_predictions_are_those_of_one_thread(cell, engine, rng):
    encoder = RNNEncoder(cell, 32, 2)
    batches = [sequences(rng, rng.randint(0, 30, size=8).tolist(), 16) for _ in range(12)]
    encoder.initialize(X=batches[0])

    def predict(i):
        with use_engine(engine):
            return numpy.concatenate(encoder.predict(batches[i % 12]))

    expected = [predict(i) for i in range(12)]
    with ThreadPoolExecutor(4) as threads:
        for i, found in enumerate(threads.map(predict, range(160))):
            assert_allclose(found, expected[i % 12], atol=1e-6)


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("cell", ["lstm", "qrnn"])
def test_concurrent_updates_of_copies_are_those_of_one_thread(cell, engine, rng):
    encoder = RNNEncoder(cell, 32, 1)
    batches = [sequences(rng, rng.randint(0, 30, size=8).tolist(), 16) for _ in range(12)]
    encoder.initialize(X=batches[0])

    def update(i):
        model = encoder.copy()
        with use_engine(engine):
            Ys, backprop = model.begin_update(batches[i % 12])
            dX = backprop([Y.copy() for Y in Ys])
        return [numpy.concatenate(Ys), numpy.concatenate(dX), *gradients(model).values()]

    expected = [update(i) for i in range(12)]
    with ThreadPoolExecutor(4) as threads:
        for i, found in enumerate(threads.map(update, range(96))):
            for one, other in zip(found, expected[i % 12]):
                assert_allclose(one, other, atol=1e-5)


# 8. Determinism


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize("name", encoders(6))
def test_the_same_seed_gives_the_same_weights(name, engine):
    def train():
        rng = numpy.random.RandomState(0)
        fix_random_seed(7)
        Xs = sequences(rng, [3, 0, 6], 5)
        model = encoders(6)[name]()
        model.initialize(X=Xs)
        set_dropout_rate(model, 0.3)
        optimizer = Adam(0.01)
        with use_engine(engine):
            for _ in range(3):
                Ys, backprop = model.begin_update(Xs)
                backprop(Ys)
                model.finish_update(optimizer)
        return parameters(model)

    first, second = train(), train()
    for param, value in first.items():
        assert_array_equal(second[param], value)


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_seed_and_threads_give_the_same_weights(cell):
    """Batches that are large enough to be shared by threads, however these take turns."""

    def train():
        rng = numpy.random.RandomState(0)
        fix_random_seed(7)
        X = ragged(rng, [30, 0, 60, 5] * 5, 64)
        model = bidirectional(CELLS[cell](64, 64), CELLS[cell](64, 64))
        model.initialize()
        optimizer = Adam(0.001)
        with use_threads(4):
            for _ in range(3):
                Y, backprop = model.begin_update(X)
                backprop(Y)
                model.finish_update(optimizer)
        return parameters(model)

    first, second = train(), train()
    for param, value in first.items():
        assert_array_equal(second[param], value)


def test_another_seed_gives_other_weights():
    weights = []
    for seed in (1, 2):
        fix_random_seed(seed)
        model = bidirectional(LSTM(3, 4), LSTM(3, 4))
        model.initialize()
        weights.append(model.layers[0].get_param("Wh").copy())
    assert numpy.abs(weights[0] - weights[1]).max() > 0.01
