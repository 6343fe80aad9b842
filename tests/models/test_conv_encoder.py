"""Convolution first, recurrence after: the guarantees of encoders, and its place in pipelines."""

import pickle

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy import registry
from thinc.api import Adam, fix_random_seed, set_dropout_rate

from spacy_rnn.interop import to_torch
from spacy_rnn.layers import available_engines, run, use_engine
from spacy_rnn.layers.convolution import Window
from spacy_rnn.layers.freezing import freeze
from spacy_rnn.layers.initial_state import initial_state
from spacy_rnn.models import ConvRNNEncoder, HashEmbed, TextCatRNN
from spacy_rnn.models.causality import n_directions

from ..layers.cells import ENCODER_CELLS, gradients, parameters, randomize, sequences
from ..layers.numeric import assert_gradient
from ..layers.test_guarantees import peak_memory

LENGTHS = [3, 0, 1, 9, 0, 5]
BOTH = pytest.mark.parametrize("both", [False, True])
CELL = pytest.mark.parametrize("cell", ENCODER_CELLS)


def build(cell, both, rng, *, width=6, nI=5, window_size=1, conv_depth=2, depth=1, **options):
    model = ConvRNNEncoder(
        cell, width, window_size, conv_depth, depth, bidirectional=both, **options
    )
    model.initialize(X=sequences(rng, [2], nI))
    randomize(model, rng)
    return model


def tok2vec(cell, both):
    embed = HashEmbed(6, ["NORM", "SHAPE"], [100, 50])
    encoder = ConvRNNEncoder(cell, 8, 1, 2, 1, bidirectional=both)
    return registry.get("architectures", "spacy.Tok2Vec.v2")(embed, encoder)


@pytest.mark.parametrize("depth", [1, 2])
@BOTH
@CELL
def test_the_output_has_the_width_that_was_asked_for(cell, both, depth, rng):
    encoder = ConvRNNEncoder(cell, 6, 1, 2, depth, bidirectional=both, residual=depth > 1)
    assert encoder.get_dim("nO") == 6, "known before initialization"
    Xs = sequences(rng, [3, 0, 1], 5)
    encoder.initialize(X=Xs)
    assert encoder.get_dim("nI") == 5
    assert [Y.shape for Y in encoder.predict(Xs)] == [(3, 6), (0, 6), (1, 6)]
    assert [Y.dtype for Y in encoder.predict(Xs)] == ["float32"] * 3
    assert encoder.predict([]) == []


@pytest.mark.parametrize(("window_size", "conv_depth"), [(1, 1), (2, 3)])
@BOTH
@CELL
def test_a_doc_has_the_same_vectors_alone_and_in_any_batch(
    cell, both, window_size, conv_depth, rng
):
    model = build(cell, both, rng, window_size=window_size, conv_depth=conv_depth)
    Xs = sequences(rng, [0, 2, 1, 12, 0, 1, 7, 3], 5)
    together = model.predict(Xs)
    for X, Y in zip(Xs, together):
        assert_allclose(model.predict([X])[0], Y, atol=1e-5)


@BOTH
@CELL
def test_its_gradients_are_right(cell, both, rng):
    model = build(cell, both, rng, width=4, nI=4)
    randomize(model, rng, "float64")
    Xs = sequences(rng, [2, 0, 1, 3], 4, "float64")
    Ys, backprop = model.begin_update(Xs)
    weights = [rng.standard_normal(Y.shape) for Y in Ys]
    dXs = backprop([w.copy() for w in weights])

    def loss():
        return float(sum((Y * w).sum() for Y, w in zip(model.predict(Xs), weights)))

    for X, dX in zip(Xs, dXs):
        assert_gradient(dX, loss, X, "dX")
    found = gradients(model)
    for name, param in parameters(model).items():
        assert_gradient(found[name], loss, param, name)


@BOTH
@CELL
def test_engines_agree(cell, both, rng):
    model = build(cell, both, rng)
    Xs = sequences(rng, LENGTHS, 5)
    results = {}
    for engine in available_engines():
        with use_engine(engine):
            results[engine] = numpy.concatenate(model.predict(Xs))
    assert len(results) > 1
    for found in results.values():
        assert_allclose(found, results["numpy"], atol=1e-5)


@pytest.mark.parametrize("window_size", [1, 3])
@CELL
def test_one_direction_never_looks_ahead(cell, window_size, rng):
    model = build(cell, False, rng, window_size=window_size)
    Xs = sequences(rng, [9, 4], 5)
    before = model.predict(Xs)[0]
    for t in (1, 5, 8):
        changed = Xs[0].copy()
        changed[t:] += rng.standard_normal(changed[t:].shape)
        after = model.predict([changed, Xs[1]])[0]
        assert_allclose(after[:t], before[:t], atol=1e-6)
        assert numpy.abs(after[t:] - before[t:]).max() > 1e-3


@CELL
def test_two_directions_look_at_both_neighbours(cell, rng):
    model = build(cell, True, rng, conv_depth=1)
    # The forward half alone, which sees the next token by the convolution, and no further.
    X = sequences(rng, [9], 5)[0]
    before = model.predict([X])[0][:, :3]
    changed = X.copy()
    changed[5] += rng.standard_normal(5)
    moved = numpy.abs(model.predict([changed])[0][:, :3] - before).max(axis=1)
    assert moved[:4].max() < 1e-6
    assert moved[4] > 1e-3


@CELL
def test_reading_in_pieces_equals_reading_the_whole(cell, rng):
    model = build(cell, False, rng, window_size=2, conv_depth=2, depth=2)
    Xs = sequences(rng, LENGTHS, 5)
    whole, final, _ = run(model, Xs)
    state, read = None, []
    for start, end in ((0, 1), (1, 3), (3, 3), (3, 9)):
        Ys, state, _ = run(model, [X[start:end] for X in Xs], state)
        read.append(Ys)
    for i, Y in enumerate(whole):
        assert_allclose(numpy.concatenate([Ys[i] for Ys in read]), Y, atol=1e-5)
    assert [set(entry) for entry in state] == [set(entry) for entry in final]
    assert [set(entry) for entry in state].count({"x"}) >= 2


def test_a_vector_can_set_the_state_that_it_begins_from(rng):
    model = build("lstm", False, rng, window_size=2)
    Xs = sequences(rng, LENGTHS, 5)
    begin = initial_state(model, 3)
    begin.initialize()
    states = begin.predict(rng.standard_normal((len(Xs), 3)).astype("f"))
    for Y, expected in zip(run(model, Xs, states)[0], model.predict(Xs)):
        assert_allclose(Y, expected, atol=1e-5)  # it begins as zeros


@BOTH
@CELL
def test_round_trips_keep_the_predictions(cell, both, rng, tmp_path):
    model = build(cell, both, rng)
    Xs = sequences(rng, LENGTHS, 5)
    expected = numpy.concatenate(model.predict(Xs))

    def predict(other):
        return numpy.concatenate(other.predict(Xs))

    def anew():
        return ConvRNNEncoder(cell, 6, 1, 2, 1, bidirectional=both)

    assert_array_equal(predict(anew().from_bytes(model.to_bytes())), expected)
    model.to_disk(tmp_path / "model")
    assert_array_equal(predict(anew().from_disk(tmp_path / "model")), expected)
    assert_array_equal(predict(pickle.loads(pickle.dumps(model))), expected)
    copied = model.copy()
    assert_array_equal(predict(copied), expected)
    for value in parameters(copied).values():
        value += 1.0
    assert_array_equal(predict(model), expected)


@CELL
def test_training_is_determined_by_the_seed_and_its_averages_are_applied(cell):
    def train():
        rng = numpy.random.RandomState(0)
        fix_random_seed(7)
        model = build(cell, True, rng)
        set_dropout_rate(model, 0.3)
        optimizer = Adam(0.05, use_averages=True)
        Xs = sequences(rng, LENGTHS, 5)
        for _ in range(3):
            Ys, backprop = model.begin_update(Xs)
            backprop([numpy.ones_like(Y) for Y in Ys])
            model.finish_update(optimizer)
        return model, optimizer

    first, optimizer = train()
    trained = parameters(first)
    for name, value in parameters(train()[0]).items():
        assert_array_equal(trained[name], value)
    with first.use_params(optimizer.averages):
        for name, averaged in parameters(first).items():
            assert numpy.abs(averaged - trained[name]).max() > 1e-6, name


def test_dropout_falls_on_what_the_convolutions_add(rng):
    model = build("lstm", True, rng, dropout=0.5)
    rates = [n.attrs["dropout_rate"] for n in model.walk() if n.attrs.get("dropout_rate")]
    assert rates == [0.5] * 4  # two convolutions, two directions
    Xs = sequences(rng, [20], 5)
    expected = model.predict(Xs)[0]
    assert numpy.abs(model.begin_update(Xs)[0][0] - expected).max() > 0.01
    set_dropout_rate(model, 0.0)
    assert_allclose(model.begin_update(Xs)[0][0], expected, atol=1e-6)


@BOTH
def test_one_long_doc_among_short_ones_costs_no_padding(both, rng):
    width, lengths = 32, [2] * 50 + [20_000] + [2] * 49
    model = build("qrnn", both, rng, width=width, nI=width)
    Xs = sequences(rng, lengths, width)
    model.predict(Xs[:2])
    memory, _ = peak_memory(lambda: model.predict(Xs))
    # What four layers give, and what they need meanwhile. Padded, it would be a hundred times more.
    assert memory < sum(lengths) * width * 4 * 12


def test_frozen_convolutions_cost_no_backward_pass(rng, monkeypatch):
    model = tok2vec("gru", True)
    docs = [spacy.blank("en")("some words here"), spacy.blank("en")("")]
    model.initialize(X=docs)
    for node in model.walk():
        if node.name in ("hash_embed", "convolution"):
            freeze(node)
    monkeypatch.setattr(Window, "add", lambda *args: pytest.fail("a gradient"))
    Ys, backprop = model.begin_update(docs)
    backprop([numpy.ones_like(Y) for Y in Ys])
    learned = {node.name for node in model.walk() for name in node.grad_names}
    assert learned == {"gru"}


@pytest.mark.parametrize("bad", [{"window_size": 0}, {"conv_depth": 0}, {"depth": 0}, {"width": 0}])
def test_arguments_outside_their_range_are_errors(bad):
    arguments = {"cell": "lstm", "width": 4, "window_size": 1, "conv_depth": 1, "depth": 1}
    with pytest.raises(ValueError, match=f"E011.*{next(iter(bad))}"):
        ConvRNNEncoder(**{**arguments, **bad})


def test_what_the_encoder_refuses_it_refuses():
    with pytest.raises(ValueError, match="E001"):
        ConvRNNEncoder("lstm", 5, 1, 1, 1)
    with pytest.raises(ValueError, match="E002"):
        ConvRNNEncoder("lstn", 4, 1, 1, 1)
    with pytest.raises(ValueError, match="E025"):
        ConvRNNEncoder("qrnn", 4, 1, 1, 1, weight_dropout=0.1)


def test_it_is_no_module_of_torch(rng):
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match=r"E012.*convolution"):
        to_torch(build("lstm", True, rng))


def test_the_columns_that_were_read_from_the_end_are_known():
    for both, expected in ((True, 4), (False, None)):
        network = TextCatRNN(tok2vec("lstm", both), True)
        assert network.layers[1].attrs["reverse_from"] == expected


@CELL
def test_one_direction_can_be_pretrained_to_predict_and_two_cannot(cell):
    nlp = spacy.blank("en")
    for both in (False, True):
        network = tok2vec(cell, both)
        network.initialize(X=[nlp("Give it a doc")])
        if both:
            with pytest.raises(ValueError, match="E100"):
                n_directions(network, nlp.vocab)
        else:
            assert n_directions(network, nlp.vocab) == (1, 8)
