"""Losses over rows: their values, and gradients that are those of the values."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import CosineDistance

from spacy_rnn.training.losses import cross_entropy, mse, quantile_loss, resolve_loss
from tests.layers.numeric import assert_gradient


def softmax(logits):
    e = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("truths", [[0, 2, 2, 1], numpy.eye(3)[[0, 2, 2, 1]] * 0.8 + 0.2 / 3])
def test_cross_entropy_has_the_gradient_of_the_logits(truths, rng):
    truths, logits = numpy.asarray(truths), rng.standard_normal((4, 3))
    gradient, loss = cross_entropy(softmax(logits), truths)
    assert_gradient(gradient, lambda: cross_entropy(softmax(logits), truths)[1], logits, "logits")
    weights = numpy.eye(3)[truths] if truths.ndim == 1 else truths
    assert loss == pytest.approx(-(weights * numpy.log(softmax(logits))).sum() / 4)


def test_squares_have_their_gradient_and_leave_out_what_is_not_known(rng):
    guesses, truths = rng.standard_normal((4, 2)), rng.standard_normal((4, 2))
    truths[1, 0] = numpy.nan
    gradient, loss = mse(guesses, truths)
    assert loss == pytest.approx(numpy.nanmean((guesses - truths) ** 2))
    assert_gradient(gradient, lambda: mse(guesses, truths)[1], guesses, "Y")
    assert gradient[1, 0] == 0.0


def test_quantiles_have_their_gradient_and_leave_out_what_is_not_known(rng):
    loss = quantile_loss([0.2, 0.5, 0.9])
    guesses, truths = rng.standard_normal((4, 6)), rng.standard_normal((4, 2))
    truths[1, 0] = numpy.nan
    gradient, value = loss(guesses, truths)
    assert_gradient(gradient, lambda: loss(guesses, truths)[1], guesses, "Y")
    assert_array_equal(gradient[1, :3], 0.0)
    errors = [
        max(
            q * (truths[i, j] - guesses[i, 3 * j + k]),
            (q - 1) * (truths[i, j] - guesses[i, 3 * j + k]),
        )
        for i in range(4)
        for j in range(2)
        for k, q in enumerate([0.2, 0.5, 0.9])
        if not numpy.isnan(truths[i, j])
    ]
    assert value == pytest.approx(numpy.mean(errors), rel=1e-6)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_loss_of_a_quantile_is_lowest_at_it(quantile, rng):
    truths = rng.exponential(size=(999, 1))
    grid = numpy.linspace(0.0, 4.0, 401)
    loss = quantile_loss([quantile])
    losses = [loss(numpy.full((999, 1), y), truths)[1] for y in grid]
    assert grid[numpy.argmin(losses)] == pytest.approx(numpy.quantile(truths, quantile), abs=0.02)


@pytest.mark.parametrize("function", [cross_entropy, mse, quantile_loss()])
def test_no_rows_have_no_loss(function):
    width = 3 if function in (cross_entropy, mse) else 1
    gradient, loss = function(numpy.zeros((0, 3), "f"), numpy.zeros((0, width), "f"))
    assert loss == 0.0
    assert gradient.shape == (0, 3)


@pytest.mark.parametrize("function", [mse, quantile_loss()])
def test_rows_of_which_nothing_is_known_have_no_loss(function):
    truths = numpy.full((2, 3), numpy.nan, "f")
    width = 9 if function is not mse else 3
    gradient, loss = function(numpy.ones((2, width), "f"), truths)
    assert loss == 0.0
    assert_array_equal(gradient, 0.0)
    assert gradient.dtype == "float32"


def test_losses_of_thinc_and_of_ones_own_can_be_used(rng):
    Y, T = rng.standard_normal((3, 4)).astype("f"), rng.standard_normal((3, 4)).astype("f")
    loss = resolve_loss(CosineDistance(normalize=True))
    assert loss.name == "CosineDistance"
    gradient, value = loss(Y, T)
    assert gradient.shape == Y.shape
    assert isinstance(value, float)

    def mine(guesses, truths):
        return guesses - truths, 0.0

    assert resolve_loss(mine).name == "mine"
    assert resolve_loss(resolve_loss(mine)) is not None
    assert_allclose(resolve_loss(mine)(Y, T)[0], Y - T)


def test_other_losses_are_errors():
    with pytest.raises(ValueError, match=r"E009.*hinge.*cross_entropy, mse, quantile"):
        resolve_loss("hinge")
    with pytest.raises(ValueError, match=r"E011.*loss"):
        resolve_loss(0.5)
    for quantiles in ([0.5, 0.1], [], 0.5, None, "abc", [0.1, "a"], [[0.1], [0.5]]):
        with pytest.raises(ValueError, match=r"E011.*quantiles must be a list of rising numbers"):
            quantile_loss(quantiles)
