"""Embedded rows that are moved along the gradient of the loss, and layers that are as before."""

from itertools import pairwise
from typing import Any, List

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Model, NumpyOps, Ragged

from spacy_rnn.layers.embedding import Embedding
from spacy_rnn.layers.perturbation import Adversary, direction, root_mean_square
from spacy_rnn.layers.ragged import to_list

LENGTHS = numpy.asarray([3, 0, 1, 2], dtype="int32")


def rows(rng: Any) -> Any:
    return rng.standard_normal((6, 4)).astype("f")


def embedding(rng: Any) -> Any:
    layer = Embedding(4, 10)
    layer.initialize()
    layer.set_param("E", rng.standard_normal((10, 4)).astype("f"))
    return layer


def ids() -> Ragged:
    return Ragged(numpy.asarray([1, 2, 1, 5, 9, 0], dtype="int32"), LENGTHS)


def norms(found: Any) -> List[float]:
    starts = numpy.concatenate([[0], numpy.cumsum(LENGTHS)])
    return [float(numpy.linalg.norm(found[i:j])) for i, j in pairwise(starts)]


@pytest.mark.parametrize("factor", [1.0, 1e-30, 1e25])
def test_the_rows_of_each_sequence_have_a_norm_of_one(factor: float, rng: Any) -> None:
    X = rows(rng) * numpy.float32(factor)
    found = direction(NumpyOps(), X, LENGTHS)
    assert_allclose(norms(found), [1.0, 0.0, 1.0, 1.0], atol=1e-5)
    assert_allclose(found[3] * numpy.linalg.norm(X[3].astype("d")), X[3], rtol=1e-4)


def test_a_sequence_is_scaled_by_itself(rng: Any) -> None:
    X = rows(rng)
    X[3] *= numpy.float32(1e-30)
    assert_allclose(norms(direction(NumpyOps(), X, LENGTHS)), [1.0, 0.0, 1.0, 1.0], atol=1e-5)


def test_a_sequence_without_gradient_is_not_moved(rng: Any) -> None:
    X = rows(rng)
    X[3] = 0.0
    found = direction(NumpyOps(), X, LENGTHS)
    assert_allclose(norms(found), [1.0, 0.0, 0.0, 1.0], atol=1e-5)


def test_there_may_be_no_rows_at_all() -> None:
    nothing = numpy.zeros((0, 4), dtype="f")
    for lengths in ([], [0, 0]):
        found = direction(NumpyOps(), nothing, numpy.asarray(lengths, dtype="int32"))
        assert found.shape == (0, 4)
    assert root_mean_square(nothing) == 0.0


@pytest.mark.parametrize("as_list", [False, True])
def test_rows_are_moved_by_the_norm_in_the_direction_of_their_gradient(
    as_list: bool, rng: Any
) -> None:
    inner = embedding(rng)

    def forward(model: Any, X: Any, is_train: bool) -> Any:
        Yr, callback = inner(X, is_train)
        return to_list(Yr, 4), lambda dYs: callback(Ragged(numpy.concatenate(dYs), LENGTHS))

    layer: Any = Model("lists", forward, layers=[inner]) if as_list else inner

    def run() -> Any:
        Y, callback = layer(ids(), True)
        return (numpy.concatenate(Y) if as_list else Y.dataXd), callback

    adversary = Adversary([layer], norm=2.0)
    d_rows = rows(rng)
    with adversary.watching():
        before, callback = run()
        assert not adversary.has_moves
        callback(to_list(Ragged(d_rows, LENGTHS), 4) if as_list else Ragged(d_rows, LENGTHS))
    assert adversary.has_moves
    before = before.copy()
    clean = inner.get_grad("E").copy()
    with adversary.moving():
        moved, callback = run()
        callback(to_list(Ragged(d_rows, LENGTHS), 4) if as_list else Ragged(d_rows, LENGTHS))
    size = 2.0 * numpy.sqrt((before**2).mean())
    assert_allclose(norms(moved - before), [size, 0.0, size, size], rtol=1e-4)
    for piece in (slice(0, 3), slice(3, 4), slice(4, 6)):
        way = d_rows[piece] / numpy.linalg.norm(d_rows[piece])
        assert_allclose((moved - before)[piece], size * way, atol=1e-5)
    # The gradient goes into the table as that of the rows that were not moved.
    assert_allclose(inner.get_grad("E"), 2 * clean, rtol=1e-5)


def test_a_layer_that_gets_no_gradient_is_not_moved(rng: Any) -> None:
    first, second = embedding(rng), embedding(rng)
    adversary = Adversary([first, second, first], norm=1.0)
    with adversary.watching():
        first(ids(), True)
        second(ids(), True)[1](Ragged(rows(rng), LENGTHS))
        first(ids(), True)[1](Ragged(0.0 * rows(rng), LENGTHS))
    with adversary.moving():
        assert_array_equal(first(ids(), True)[0].dataXd, first.predict(ids()).dataXd)
        assert not numpy.allclose(second(ids(), True)[0].dataXd, second.predict(ids()).dataXd)
        assert_array_equal(first(ids(), True)[0].dataXd, first.predict(ids()).dataXd)


def test_layers_that_run_otherwise_the_second_time_are_an_error(rng: Any) -> None:
    layer = embedding(rng)
    adversary = Adversary([layer], norm=1.0)
    with adversary.watching():
        layer(ids(), True)[1](Ragged(rows(rng), LENGTHS))
    with adversary.moving():
        layer(ids(), True)
        with pytest.raises(ValueError, match="E175"):
            layer(ids(), True)
    fewer = Ragged(ids().dataXd[:5], numpy.asarray([5], dtype="int32"))
    with adversary.moving(), pytest.raises(ValueError, match="E175"):
        layer(fewer, True)


def test_predictions_are_not_moved_and_layers_are_as_before_after_all(rng: Any) -> None:
    layer = embedding(rng)
    forward, expected = layer._func, layer.predict(ids()).dataXd
    adversary = Adversary([layer], norm=1.0)
    with adversary.watching():
        layer(ids(), True)[1](Ragged(rows(rng), LENGTHS))
        assert_array_equal(layer.predict(ids()).dataXd, expected)
    with adversary.moving():
        assert_array_equal(layer.predict(ids()).dataXd, expected)
    with pytest.raises(AttributeError), adversary.moving():
        layer(None, True)
    assert layer._func is forward
    assert_array_equal(layer(ids(), True)[0].dataXd, expected)
