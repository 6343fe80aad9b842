"""Embeddings, variational dropout and initial states: small layers that language models use."""

from typing import Any

import numpy
import pytest
from thinc.api import Ragged, fix_random_seed, set_dropout_rate

from spacy_rnn.layers import LSTM, QRNN, run
from spacy_rnn.layers.embedding import Embedding, add_rows
from spacy_rnn.layers.initial_state import initial_state
from spacy_rnn.layers.locked_dropout import locked_dropout
from spacy_rnn.layers.ragged import SharedRows

from .numeric import assert_gradient


def numbers(ids: Any, lengths: Any) -> Ragged:
    return Ragged(numpy.asarray(ids, dtype="int32"), numpy.asarray(lengths, dtype="int32"))


def make(dropout: float = 0.0) -> Any:
    fix_random_seed(0)
    model = Embedding(4, 9, dropout=dropout)
    model.initialize()
    return model


def test_an_embedding_looks_up_rows() -> None:
    model, Xr = make(), numbers([3, 0, 3, 8], [3, 0, 1])
    E = model.get_param("E")
    for Yr in (model.predict(Xr), model(Xr, True)[0]):
        numpy.testing.assert_array_equal(Yr.dataXd, E[[3, 0, 3, 8]])
        assert Yr.lengths.tolist() == [3, 0, 1]


def test_predictions_tell_which_rows_are_equal() -> None:
    Yr = make().predict(numbers([3, 0, 3, 3], [4]))
    assert isinstance(Yr, SharedRows)
    numpy.testing.assert_array_equal(Yr.distinct[Yr.source], Yr.dataXd)
    assert len(Yr.distinct) == 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_of_a_row_is_the_sum_over_its_places(dtype: str, rng: Any) -> None:
    model = make()
    model.set_param("E", model.get_param("E").astype(dtype))
    Xr = numbers([3, 0, 3, 8], [4])
    _, backprop = model(Xr, True)
    dY = rng.standard_normal((4, 4)).astype(dtype)
    backprop(Ragged(dY, Xr.lengths))
    expected = numpy.zeros((9, 4))
    numpy.add.at(expected, [3, 0, 3, 8], dY)
    numpy.testing.assert_allclose(model.get_grad("E"), expected, rtol=1e-6)
    backprop(Ragged(dY, Xr.lengths))
    numpy.testing.assert_allclose(model.get_grad("E"), 2 * expected, rtol=1e-6)


def test_embedding_dropout_drops_a_number_everywhere_or_nowhere() -> None:
    model = make(dropout=0.5)
    ids = numpy.tile(numpy.arange(9), 4)
    Xr = numbers(ids, [36])
    Yr, backprop = model(Xr, True)
    rows = Yr.dataXd.reshape(4, 9, 4)
    numpy.testing.assert_array_equal(rows, numpy.repeat(rows[:1], 4, axis=0))
    is_dropped = (rows[0] == 0).all(axis=1)
    assert 0 < is_dropped.sum() < 9
    kept = numpy.nonzero(~is_dropped)[0]
    numpy.testing.assert_allclose(rows[0][kept], 2 * model.get_param("E")[kept])
    backprop(Ragged(numpy.ones_like(Yr.dataXd), Xr.lengths))
    numpy.testing.assert_allclose(model.get_grad("E")[is_dropped], 0.0)
    numpy.testing.assert_allclose(model.get_grad("E")[kept], 8.0)
    numpy.testing.assert_array_equal(model.predict(Xr).dataXd, model.get_param("E")[ids])
    set_dropout_rate(model, 0.0)
    numpy.testing.assert_array_equal(model(Xr, True)[0].dataXd, model.get_param("E")[ids])


def test_adding_rows_is_right_for_repeated_rows_of_both_types() -> None:
    for dtype in ("float32", "float64"):
        table = numpy.zeros((3, 2), dtype=dtype)
        add_rows(make().ops, table, numpy.asarray([1, 1, 2]), numpy.ones((3, 2), dtype=dtype))
        assert table.tolist() == [[0, 0], [2, 2], [1, 1]]


def test_an_embedding_without_dims_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="E004"):
        Embedding(4).initialize()
    with pytest.raises(ValueError, match="E011"):
        Embedding(4, 4, dropout=1.0)


def test_locked_dropout_has_one_mask_for_all_steps_of_a_sequence() -> None:
    fix_random_seed(0)
    model = locked_dropout(0.5)
    Xr = Ragged(numpy.ones((7, 50), dtype="f"), numpy.asarray([4, 0, 3], dtype="i"))
    Yr, backprop = model(Xr, True)
    first, second = Yr.dataXd[:4], Yr.dataXd[4:]
    for rows in (first, second):
        numpy.testing.assert_array_equal(rows, numpy.repeat(rows[:1], len(rows), axis=0))
    assert not numpy.array_equal(first[0], second[0])
    assert set(numpy.unique(Yr.dataXd)) == {0.0, 2.0}
    dX = backprop(Ragged(numpy.ones_like(Xr.dataXd), Xr.lengths))
    numpy.testing.assert_array_equal(dX.dataXd, Yr.dataXd)


def test_locked_dropout_is_off_outside_training_and_obeys_the_rate() -> None:
    model = locked_dropout(0.5)
    Xr = Ragged(numpy.ones((3, 5), dtype="f"), numpy.asarray([3], dtype="i"))
    assert model.predict(Xr) is Xr
    set_dropout_rate(model, 0.0)
    assert model(Xr, True)[0] is Xr


def test_initial_states_fit_the_layers_and_their_gradients_are_right(rng: Any) -> None:
    from thinc.api import chain

    stack = chain(LSTM(3, 2), QRNN(2, 3, window=2))
    stack.initialize()
    model = initial_state(stack, 4)
    model.initialize()
    for node in [*stack.walk(), model]:
        for param in node.param_names:
            value = node.get_param(param)
            node.set_param(param, value.astype("float64") + 0.3 * rng.standard_normal(value.shape))
    Z = rng.standard_normal((2, 4))
    Xr = Ragged(rng.standard_normal((5, 2)), numpy.asarray([3, 2], dtype="i"))
    dY = rng.standard_normal((5, 2))

    def total() -> float:
        return float((run(stack, Xr, model.predict(Z))[0].dataXd * dY).sum())

    states, backprop_states = model(Z, True)
    assert [sorted(state) for state in states] == [["c", "h"], ["c", "x"]]
    _, _, backprop = run(stack, Xr, states, True)
    _, d_states = backprop.through_state(Ragged(dY, Xr.lengths), None)
    dZ = backprop_states(d_states)
    assert_gradient(dZ, total, Z, "Z")
    for param in ("W", "b"):
        assert_gradient(model.get_grad(param), total, model.get_param(param), param)


def test_a_vector_of_another_width_is_refused() -> None:
    model = initial_state(LSTM(3, 2), 4)
    model.initialize()
    with pytest.raises(ValueError, match="E003"):
        model.predict(numpy.zeros((1, 5), dtype="f"))
