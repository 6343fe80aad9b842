"""The slanted triangular learn rate, by itself and in the optimizers."""

from itertools import islice

import pytest
from numpy.testing import assert_allclose
from thinc.api import Adam as ThincsAdam
from thinc.api import Config, registry

from spacy_rnn.training.optimizers import SGD, Adam
from spacy_rnn.training.schedules import slanted_triangular


def rates(n, *args, **kwargs):
    return list(islice(slanted_triangular(*args, **kwargs), n))


def equation(t, T, cut_frac, ratio, highest):
    """Equation 3 of Howard & Ruder (2018), as it stands there."""
    cut = int(T * cut_frac)
    p = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / cut_frac - 1))
    return highest * (1 + p * (ratio - 1)) / ratio


@pytest.mark.parametrize(
    ("T", "cut_frac", "ratio"), [(100, 0.1, 32), (200, 0.25, 10), (40, 0.5, 2), (1000, 0.1, 1)]
)
def test_it_is_the_equation(T, cut_frac, ratio):
    expected = [equation(t, T, cut_frac, ratio, 0.01) for t in range(T + 1)]
    assert_allclose(rates(T + 1, 0.01, T, cut_frac=cut_frac, ratio=ratio), expected, rtol=1e-9)


def test_it_rises_to_the_highest_rate_and_falls_to_the_lowest():
    found = rates(201, 0.01, 200)
    assert found[0] == pytest.approx(0.01 / 32)
    assert max(found) == found[20] == pytest.approx(0.01)
    assert found[200] == pytest.approx(0.01 / 32)
    assert found[:21] == sorted(found[:21])
    assert found[20:] == sorted(found[20:], reverse=True)


@pytest.mark.parametrize("total_steps", [1, 3, 15, 99, 101])
def test_whatever_the_number_of_steps_it_ends_at_the_lowest_rate_and_stays(total_steps):
    found = rates(total_steps + 50, 1.0, total_steps, ratio=10)
    assert min(found) == pytest.approx(0.1)
    assert found[total_steps:] == pytest.approx([0.1] * 50)


def test_with_no_share_to_rise_in_it_begins_at_the_top():
    assert rates(3, 1.0, 2, cut_frac=0.0, ratio=4) == pytest.approx([1.0, 0.625, 0.25])


def test_a_share_that_is_no_binary_number_is_not_cut_short():
    found = rates(101, 1.0, 100, cut_frac=0.29)
    assert found.index(max(found)) == 29


@pytest.mark.parametrize(
    "settings",
    [
        {"initial_rate": -0.1},
        {"initial_rate": float("nan")},
        {"initial_rate": "0.1"},
        {"total_steps": 0},
        {"total_steps": 10.5},
        {"total_steps": True},
        {"cut_frac": 1.0},
        {"cut_frac": -0.1},
        {"ratio": 0.5},
        {"ratio": float("inf")},
    ],
    ids=str,
)
def test_settings_out_of_range_are_errors_at_once(settings):
    with pytest.raises(ValueError, match=rf"E011.*{next(iter(settings))}"):
        slanted_triangular(**{"initial_rate": 0.1, "total_steps": 10, **settings})


@pytest.mark.parametrize("make", [Adam, SGD, ThincsAdam])
def test_the_optimizers_take_one_rate_a_step(make):
    expected = rates(12, 0.01, 10)
    optimizer = make(slanted_triangular(0.01, 10))
    for rate in expected:
        assert optimizer.learn_rate == pytest.approx(rate)
        optimizer.step_schedules()


def test_a_config_names_it():
    config = Config().from_str(
        """
        [optimizer]
        @optimizers = "spacy-rnn.Adam.v1"

        [optimizer.learn_rate]
        @schedules = "spacy-rnn.slanted_triangular.v1"
        initial_rate = 0.004
        total_steps = 20
        ratio = 10
        """
    )
    optimizer = registry.resolve(config)["optimizer"]
    assert optimizer.learn_rate == pytest.approx(0.0004)
    for _ in range(2):
        optimizer.step_schedules()
    assert optimizer.learn_rate == pytest.approx(0.004)
