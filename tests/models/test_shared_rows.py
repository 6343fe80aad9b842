"""Tokens of the same type share what depends on the type alone: exactly, and within bounds."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from thinc.api import NumpyOps, Ragged

from spacy_rnn.layers import LSTM, QRNN, bidirectional, run, use_engine
from spacy_rnn.layers.engines import numba_pass, numpy_engine
from spacy_rnn.layers.ragged import Rows, SharedRows, to_list, to_ragged
from spacy_rnn.models import HashEmbed, RNNEncoder

from ..layers.cells import CELLS, ENCODER_CELLS, randomize

ENGINES = ["numpy", "numba"]
LENGTHS = [3, 0, 1, 40, 7, 0]
OPS = NumpyOps()


def shared_rows(rng, lengths, width, n_distinct):
    distinct = rng.standard_normal((n_distinct, width)).astype("f")
    source = rng.randint(0, n_distinct, size=sum(lengths)).astype("i")
    lengths = numpy.asarray(lengths, dtype="i")
    return SharedRows(distinct[source], lengths, distinct, source)


def plain(Xr):
    return Ragged(Xr.dataXd, Xr.lengths)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CELLS)
def test_sharing_rows_does_not_change_predictions(name, engine, rng):
    model = bidirectional(CELLS[name](9, 6), CELLS[name](9, 6))
    model.initialize()
    randomize(model, rng)
    Xr = shared_rows(rng, LENGTHS, 6, 11)
    assert Xr.pays
    with use_engine(engine):
        Y, state, _ = run(model, Xr)
        expected, expected_state, _ = run(model, plain(Xr))
    assert_allclose(Y.dataXd, expected.dataXd, atol=1e-6)
    for found, other in zip(state, expected_state):
        for key, value in other.items():
            assert_allclose(found[key], value, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layer", [LSTM(9, 6), QRNN(9, 6), QRNN(9, 6, window=2)])
def test_more_distinct_rows_than_are_kept_give_the_same(layer, engine, rng, monkeypatch):
    monkeypatch.setattr(numba_pass, "MAX_PROJECTED", 5)
    monkeypatch.setattr(numpy_engine, "MAX_PROJECTED", 5)
    layer.initialize()
    Xr = shared_rows(rng, LENGTHS, 6, 20)
    with use_engine(engine):
        assert_allclose(layer.predict(Xr).dataXd, layer.predict(plain(Xr)).dataXd, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_distinct_row_is_projected_once(engine, rng):
    layer = LSTM(9, 6)
    layer.initialize()
    Xr = shared_rows(rng, LENGTHS, 6, 11)
    # What stands in the rows themselves is not even read.
    blind = SharedRows(numpy.full_like(Xr.dataXd, numpy.nan), Xr.lengths, Xr.distinct, Xr.source)
    with use_engine(engine):
        assert_allclose(layer.predict(blind).dataXd, layer.predict(Xr).dataXd, atol=1e-6)


def test_rows_that_are_hardly_shared_are_read_one_by_one(rng):
    assert not shared_rows(rng, [10], 4, 9).pays


@pytest.mark.parametrize("engine", [*ENGINES, "torch"])
def test_training_reads_the_rows_themselves(engine, rng):
    layer = LSTM(9, 6)
    layer.initialize()
    Xr = shared_rows(rng, LENGTHS, 6, 11)
    with use_engine(engine):
        Y, backprop = layer.begin_update(Xr)
        expected, backprop_plain = layer.begin_update(plain(Xr))
        assert_array_equal(Y.dataXd, expected.dataXd)
        dX = backprop(Ragged(numpy.ones_like(Y.dataXd), Y.lengths))
        assert dX.dataXd.shape == Xr.dataXd.shape
        backprop_plain(Ragged(numpy.ones_like(Y.dataXd), Y.lengths))


@pytest.mark.parametrize("cell", ENCODER_CELLS)
@pytest.mark.parametrize("engine", [*ENGINES, "torch"])
def test_docs_are_encoded_as_from_vectors_of_their_tokens(cell, engine):
    nlp = spacy.blank("en")
    docs = [nlp("the cat and the dog and the cat saw the dog"), nlp(""), nlp("a dog")]
    embed = HashEmbed(8, ["NORM", "SHAPE"], [50, 50])
    embed.initialize(X=docs)
    encoder = RNNEncoder(cell, 6, 2)
    vectors = embed.predict(docs)
    encoder.initialize(X=vectors)
    with use_engine(engine):
        expected = encoder.predict([vector.copy() for vector in vectors])
        for found, other in zip(encoder.predict(vectors), expected):
            assert_allclose(found, other, atol=1e-6)


def test_a_batch_that_was_changed_is_read_as_it_is_now(rng):
    Xs = to_list(Ragged(rng.standard_normal((5, 3)), numpy.asarray([2, 3])), 3)
    assert isinstance(Xs, Rows)
    assert to_ragged(OPS, Xs) is Xs.ragged
    Xs[1] = Xs[1] * 2.0
    assert Xs.ragged is None
    assert_array_equal(to_ragged(OPS, Xs).dataXd[2:], Xs[1])
    Xs.pop()
    assert to_ragged(OPS, Xs).lengths.tolist() == [2]
    assert to_ragged(OPS, [*Xs, Xs[0]]).lengths.tolist() == [2, 2]


def test_what_was_predicted_before_stays_as_it_is(rng):
    nlp = spacy.blank("en")
    words = ["one", "two", "three", "four", "five"]

    def batch(n):
        texts = [[words[i] for i in rng.randint(0, 5, size=200)] for _ in range(n)]
        return [Doc(nlp.vocab, words=text) for text in texts]

    embed = HashEmbed(32, ["NORM"], [50])
    embed.initialize()
    encoder = RNNEncoder("lstm", 64, 1)
    encoder.initialize(X=embed.predict(batch(1)))
    first = encoder.predict(embed.predict(batch(20)))
    vectors = embed.predict(batch(20))
    kept = [Y.copy() for Y in first], [X.copy() for X in vectors]
    one = first[3][5:9]
    expected = one.copy()
    del first[:10]
    for _ in range(5):
        encoder.predict(embed.predict(batch(20)))
    for found, other in zip([*first, *vectors, one], [*kept[0][10:], *kept[1], expected]):
        assert_array_equal(found, other)
