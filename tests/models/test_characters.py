"""The network over characters: each word once, by its last states, within bounds."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_rnn.layers import available_engines, run, use_engine
from spacy_rnn.layers.freezing import freeze
from spacy_rnn.models import characters as module
from spacy_rnn.models.characters import characters

from ..layers.cells import ENCODER_CELLS, gradients, parameters, randomize
from ..layers.numeric import assert_gradient
from ..layers.test_guarantees import peak_memory

WORDS = ["walking", "a", "", "walked", "été", "чай", "日本語", "🙂", "naïve", "x" * 30, "walk"]
BOTH = pytest.mark.parametrize("both", [False, True])
CELL = pytest.mark.parametrize("cell", ENCODER_CELLS)


def build(cell, both, rng, *, nO=6, width=4, rows=30, max_length=12, dtype="float32"):
    model = characters(
        cell, nO, char_width=width, char_rows=rows, bidirectional=both, max_length=max_length
    )
    model.initialize()
    randomize(model, rng, dtype)
    return model


@BOTH
@CELL
def test_a_word_is_the_last_state_of_each_direction(cell, both, rng):
    model = build(cell, both, rng)
    table, read, _ = model.layers
    for word in ("walking", "чай", "a"):
        points = numpy.asarray([ord(char) for char in word], dtype="uint64")
        vectors = table.predict(points)
        layers = read.layers if both else [read]
        states = []
        for layer, rows in zip(layers, (vectors, vectors[::-1].copy())):
            Y = layer.predict(Ragged(rows, numpy.asarray([len(rows)], "i"))).dataXd
            states.append(Y[-1])
        assert_allclose(model.predict([word])[0], numpy.concatenate(states), atol=1e-5)


@BOTH
@CELL
def test_a_word_has_the_same_vector_alone_and_among_others(cell, both, rng):
    model = build(cell, both, rng)
    together = model.predict(WORDS)
    assert together.shape == (len(WORDS), 6)
    assert_array_equal(together[2], 0)  # the one without characters
    for word, vector in zip(WORDS, together):
        assert_allclose(model.predict([word])[0], vector, atol=1e-5)
    assert_allclose(model.begin_update(WORDS)[0], together, atol=1e-6)


@BOTH
@CELL
def test_its_gradients_are_right(cell, both, rng):
    model = build(cell, both, rng, nO=4, width=3, rows=9, dtype="float64")
    words = ["ab", "", "b", "abca", "日b"]
    Y, backprop = model.begin_update(words)
    weights = rng.standard_normal(Y.shape)
    assert backprop(weights.copy()) == []

    def loss():
        return float((model.predict(words) * weights).sum())

    found = gradients(model)
    for name, param in parameters(model).items():
        assert_gradient(found[name], loss, param, name)


@BOTH
@CELL
def test_engines_agree(cell, both, rng):
    model = build(cell, both, rng)
    found = []
    for engine in available_engines():
        with use_engine(engine):
            found.append(model.predict(WORDS))
    assert len(found) > 1
    for vectors in found[1:]:
        assert_allclose(vectors, found[0], atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 5, 12])
def test_of_a_long_word_both_ends_are_read(length, rng):
    model = build("lstm", True, rng, max_length=length)
    word = "abcdefghijklmnopqrstuvwxyz"
    n_last = length // 2
    ends = word[: length - n_last] + (word[-n_last:] if n_last else "")
    assert len(ends) == length
    found = model.predict([word, ends, word[:-1] + "é", "é" + word[1:]])
    assert_array_equal(found[0], found[1])
    assert_allclose(model.begin_update([word])[0], found[:1], atol=1e-6)
    assert (numpy.abs(found[2] - found[0]).max() > 1e-3) == (n_last > 0)
    assert numpy.abs(found[3] - found[0]).max() > 1e-3


def test_words_of_a_million_characters_are_read_in_bounds(rng):
    model = build("lstm", True, rng, max_length=40)
    model.predict(["a", "b"])
    words = ["ab" * 500_000, "c"]
    memory, _ = peak_memory(lambda: model.predict(words))
    assert memory < 1_000_000


def test_words_that_differ_in_any_character_or_order_differ(rng):
    model = build("gru", True, rng, rows=500, max_length=20)
    words = [
        "unread",
        "undear",
        "unreads",
        "Unread",
        "unreád",
        "unre\u0301ad",
        "日本",
        "本日",
        "🙂",
        "🙃",
    ]
    vectors = model.predict(words)
    for i in range(len(words)):
        others = numpy.delete(vectors, i, axis=0)
        assert numpy.abs(others - vectors[i]).max(axis=1).min() > 1e-3, words[i]


def test_next_to_no_characters_share_a_vector():
    model = characters("lstm", 2, char_width=8, char_rows=1000, bidirectional=True, max_length=1)
    model.initialize()

    def share(first, end):
        vectors = model.layers[0].predict(numpy.arange(first, end).astype("uint64"))
        return len(numpy.unique(vectors, axis=0)) / len(vectors)

    assert share(0x20, 0x600) == 1.0  # Latin, Greek, Cyrillic, Armenian, Hebrew
    assert share(0x4E00, 0x6000) > 0.999  # Chinese


@pytest.mark.parametrize("n_characters", [1, 10, 31])
@CELL
def test_words_that_are_read_in_pieces_have_the_same_vectors(cell, n_characters, rng, monkeypatch):
    model = build(cell, True, rng)
    expected = model.predict(WORDS)
    monkeypatch.setattr(module, "MAX_CHARACTERS", n_characters)
    pieces = []
    original = module._read

    def read(model, words, is_train):
        pieces.append(words)
        return original(model, words, is_train)

    monkeypatch.setattr(module, "_read", read)
    assert_allclose(model.predict(WORDS), expected, atol=1e-6)
    assert sum(map(len, pieces)) == len(WORDS)
    for piece in pieces:
        assert len("".join(piece)) <= n_characters or len([word for word in piece if word]) == 1


def test_memory_at_a_prediction_does_not_grow_with_the_words(rng):
    model = build("lstm", True, rng, nO=32, width=32)
    model.predict(["a", "b"])
    extra = []
    for n_words in (20_000, 60_000):
        words = [f"{i:08}" for i in range(n_words)]
        memory, Y = peak_memory(lambda words=words: model.predict(words))
        # The vectors, before and after they are joined; all states would be eight times as many.
        extra.append(memory - 2 * Y.nbytes)
    assert extra[1] < extra[0] * 1.2 + 5_000_000


def test_no_words_are_legal(rng):
    model = build("lstm", True, rng)
    for words in ([], [""], ["", ""]):
        assert model.predict(words).shape == (len(words), 6)
        Y, backprop = model.begin_update(words)
        assert Y.shape == (len(words), 6)
        backprop(Y)


def test_a_run_begins_each_word_anew_and_keeps_no_state_of_words(rng):
    model = build("lstm", True, rng)
    expected = model.predict(WORDS)
    Y, state, _ = run(model, WORDS)
    assert state == [{}, {}]
    assert_array_equal(Y, expected)
    Y, state, _ = run(model, WORDS[:3], state)
    assert state == [{}, {}]
    assert_allclose(Y, expected[:3], atol=1e-6)


def test_a_frozen_table_below_layers_that_learn_costs_nothing(rng, monkeypatch):
    model = build("lstm", True, rng)
    freeze(model.layers[0])
    monkeypatch.setattr(module, "add_rows", lambda *args: pytest.fail("a gradient"))
    Y, backprop = model.begin_update(WORDS)
    backprop(Y)
    assert not model.layers[0].grad_names
    assert all(layer.has_grad("Wx") for layer in model.layers[1].layers)


def test_its_layers_are_told_from_the_encoders_by_name(rng):
    names = [node.name for node in build("lstm", True, rng).walk() if "recurrence" in node.attrs]
    assert names == ["character_lstm", "character_lstm"]
