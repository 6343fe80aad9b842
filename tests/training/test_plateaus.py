"""What follows from a row of losses."""

import math

import numpy
import pytest

from spacy_rnn.training.plateaus import Annealing, NonMonotonic


@pytest.mark.parametrize(
    ("losses", "patience", "scale"),
    [
        ([3.0, 2.0, 1.0], 1, 1.0),
        ([3.0, 3.0], 1, 0.5),
        ([3.0, 4.0, 3.5, 2.0], 1, 0.25),
        ([3.0, 4.0, 3.5, 2.0], 2, 0.5),
        ([3.0, 4.0, 2.0, 4.0], 2, 1.0),
        ([3.0, 4.0, 4.0, 4.0, 4.0], 2, 0.25),
        ([math.inf, math.inf, 1.0], 1, 0.25),
    ],
)
def test_the_rate_is_lowered_when_the_loss_has_not_fallen_for_so_long(losses, patience, scale):
    annealing = Annealing(0.5, patience)
    for loss in losses:
        annealing.observe(loss)
    assert annealing.scale == scale


def test_without_a_factor_the_rate_stays():
    annealing = Annealing(None, 1)
    for loss in (1.0, 2.0, 3.0):
        annealing.observe(loss)
    assert annealing.scale == 1.0


def reference(losses, n):
    """RETURNS: After which loss algorithm 1 of Merity et al. 2018 begins to average, if it does."""
    logs = []
    for t, loss in enumerate(losses):
        if t > n and loss > min(logs[: t - n]):
            return t
        logs.append(loss)
    return None


def first(losses, n):
    trigger = NonMonotonic(n)
    triggered = [t for t, loss in enumerate(losses) if trigger.observe(loss)]
    assert len(triggered) <= 1
    assert trigger.is_over == bool(triggered)
    return triggered[0] if triggered else None


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_waiting_ends_as_in_the_paper(n):
    random = numpy.random.RandomState(0)
    ends = set()
    for _ in range(50):
        losses = list(1.0 / numpy.arange(1, 12) + random.normal(size=11) * 0.1)
        assert first(losses, n) == reference(losses, n)
        ends.add(reference(losses, n))
    assert len(ends) > 2


def test_waiting_does_not_end_while_the_loss_falls():
    assert first([1.0 / (n + 1) for n in range(50)], 2) is None


def test_a_loss_that_is_worse_than_a_recent_one_alone_does_not_end_it():
    assert first([5.0, 4.0, 3.0, 2.0, 1.0, 2.5], 2) is None
    assert first([5.0, 4.0, 3.0, 2.0, 1.0, 3.5], 2) == 5
