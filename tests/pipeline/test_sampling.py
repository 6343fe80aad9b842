"""How the next unit is chosen."""

from typing import Any, List

import numpy
import pytest

from spacy_rnn.pipeline.sampling import check_settings, choose, generators, restricted

# Probabilities of five units, one of which must not be chosen.
P = numpy.asarray([[0.1, 0.4, 0.0, 0.2, 0.3]])
with numpy.errstate(divide="ignore"):
    LOG_P = numpy.log(P).astype("float32")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [0.1, 0.4, 0.0, 0.2, 0.3]),
        ({"temperature": 0.5}, [1, 16, 0, 4, 9]),
        ({"temperature": 2.0}, [1.0, 2.0, 0.0, 2**0.5, 3**0.5]),
        ({"top_k": 1}, [0, 1, 0, 0, 0]),
        ({"top_k": 2}, [0, 0.4, 0, 0, 0.3]),
        ({"top_k": 9}, [0.1, 0.4, 0.0, 0.2, 0.3]),
        ({"top_p": 0.3}, [0, 1, 0, 0, 0]),
        ({"top_p": 0.6}, [0, 0.4, 0, 0, 0.3]),  # the one that reaches the share is in
        ({"top_p": 0.8}, [0, 0.4, 0, 0.2, 0.3]),
        ({"top_p": 1e-9}, [0, 1, 0, 0, 0]),
        ({"min_p": 0.2}, [0.1, 0.4, 0.0, 0.2, 0.3]),
        ({"min_p": 0.3}, [0, 0.4, 0, 0.2, 0.3]),
        ({"min_p": 0.6}, [0, 0.4, 0, 0, 0.3]),
        ({"min_p": 1.0}, [0, 1, 0, 0, 0]),
        ({"top_k": 3, "top_p": 0.5}, [0, 0.4, 0, 0, 0.3]),  # 4/9 of what is left, then 7/9
        ({"top_k": 3, "top_p": 0.44}, [0, 1, 0, 0, 0]),
        ({"temperature": 0.5, "min_p": 0.5}, [0, 16, 0, 0, 9]),
        ({"temperature": 0.5, "top_p": 0.8}, [0, 16, 0, 0, 9]),  # 16/30, then 25/30
        ({"temperature": 1e-12}, [0, 1, 0, 0, 0]),
        ({"temperature": 5e-324}, [0, 1, 0, 0, 0]),
        ({"temperature": 1e300}, [1, 1, 0, 1, 1]),
    ],
)
def test_what_is_left_of_a_distribution(settings: Any, expected: List[float]) -> None:
    found = restricted(LOG_P, check_settings(**settings))
    wanted = numpy.asarray(expected) / sum(expected)
    numpy.testing.assert_allclose(found[0] / found.sum(), wanted, rtol=1e-6)
    assert found.dtype == numpy.float64


def test_equally_probable_units_are_left_in_the_order_of_their_numbers() -> None:
    log_probs = numpy.zeros((1, 6), dtype="float32")
    found = restricted(log_probs, check_settings(top_k=2))
    assert found.tolist() == [[1.0, 1.0, 0.0, 0.0, 0.0, 0.0]]
    found = restricted(log_probs, check_settings(top_p=0.4))
    assert found.tolist() == [[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]


def test_each_row_is_restricted_by_itself() -> None:
    rows = numpy.concatenate([LOG_P, LOG_P[:, ::-1], LOG_P])
    for settings in ({"top_k": 2}, {"top_p": 0.8}, {"min_p": 0.6, "temperature": 3.0}):
        together = restricted(rows, check_settings(**settings))
        alone = [restricted(row[None], check_settings(**settings))[0] for row in rows]
        numpy.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, [0.1, 0.4, 0.0, 0.2, 0.3]), ({"top_k": 3, "temperature": 0.5}, [0, 16, 0, 4, 9])],
)
def test_units_are_drawn_as_often_as_their_probability_says(
    settings: Any, expected: List[float]
) -> None:
    n = 5000
    rows = numpy.repeat(LOG_P, n, axis=0)
    drawn = choose(rows, check_settings(**settings), generators(0, n))
    wanted = numpy.asarray(expected) / sum(expected)
    share = numpy.bincount(drawn, minlength=5) / n
    assert (share[wanted == 0.0] == 0.0).all()
    deviation = numpy.sqrt(wanted * (1 - wanted) / n)
    assert (numpy.abs(share - wanted) <= 4 * deviation).all()


def test_at_temperature_0_the_most_probable_unit_is_taken() -> None:
    rows = numpy.concatenate([LOG_P, LOG_P[:, ::-1], numpy.zeros_like(LOG_P)])
    assert choose(rows, check_settings(temperature=0), generators(0, 3)).tolist() == [1, 3, 0]


def test_rounding_does_not_change_what_is_drawn() -> None:
    # As many units as words, none of them probable, and an error that is the same for many.
    log_probs = numpy.random.RandomState(0).normal(size=(100, 10_000)).astype("float32")
    other = log_probs + numpy.where(numpy.arange(10_000) < 5000, 1e-5, -1e-5).astype("float32")
    settings = check_settings()
    drawn = [choose(rows, settings, generators(0, 100)).tolist() for rows in (log_probs, other)]
    assert drawn[0] == drawn[1]


def test_texts_draw_from_their_own_numbers() -> None:
    def first(seed: Any, n: int) -> List[float]:
        return [rng.random() for rng in generators(seed, n)]

    assert first(3, 5)[:2] == first(3, 2)
    assert len(set(first(3, 5))) == 5
    assert first(3, 2) != first(4, 2)
    assert first(None, 2) != first(None, 2)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"max_length": 0}, "max_length"),
        ({"max_length": 2.0}, "max_length"),
        ({"max_length": True}, "max_length"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": None}, "temperature"),
        ({"top_k": -1}, "top_k"),
        ({"top_k": 0.5}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_p": float("nan")}, "top_p"),
        ({"min_p": -0.1}, "min_p"),
        ({"min_p": 1.1}, "min_p"),
        ({"beam_width": 0}, "beam_width"),
        ({"beam_width": 2, "temperature": 0.5}, "beam_width"),
        ({"beam_width": 2, "top_k": 5}, "beam_width"),
        ({"beam_width": 2, "top_p": 0.5}, "beam_width"),
        ({"beam_width": 2, "min_p": 0.5}, "beam_width"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"seed": "a"}, "seed"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a", ""]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"stop": [5]}, "stop"),
        ({"stop": {"a": 1}}, "stop"),
    ],
)
def test_settings_outside_their_range_are_told(settings: Any, what: str) -> None:
    with pytest.raises(ValueError, match=rf"E011\] {what} must be "):
        check_settings(**settings)


def test_settings_may_be_numbers_of_numpy_and_any_list() -> None:
    settings = check_settings(
        max_length=numpy.int64(3),  # type: ignore[arg-type]
        temperature=numpy.float32(0.5),  # type: ignore[arg-type]
        seed=numpy.int32(1),  # type: ignore[arg-type]
        stop=("a", "b"),
    )
    assert settings.stop == ["a", "b"]
    assert check_settings(stop="ab").stop == ["ab"]
    assert check_settings(stop=[]).stop == check_settings().stop == []
    assert check_settings(temperature=0).temperature == 0
    assert check_settings(top_p=1, min_p=0).top_p == 1
