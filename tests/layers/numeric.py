"""Gradients by central differences, in float64."""

from typing import Any, Callable

import numpy

STEP = 1e-5
N_DIRECTIONS = 4


def numeric_gradient(loss: Callable[[], float], array: Any) -> Any:
    """The gradient of `loss` with respect to an array that it reads, which is changed in place
    and put back."""
    gradient = numpy.zeros_like(array)
    for i in numpy.ndindex(array.shape):
        original = array[i]
        array[i] = original + STEP
        above = loss()
        array[i] = original - STEP
        below = loss()
        array[i] = original
        gradient[i] = (above - below) / (2 * STEP)
    return gradient


def assert_gradient(
    found: Any,
    loss: Callable[[], float],
    array: Any,
    name: str,
    *,
    tolerance: float = 1e-5,
    least: float = 1e-6,
) -> None:
    """Compare a gradient with differences of the loss along a few directions, in which each entry
    of the array is moved by another amount: an error of any entry shows, in far less time than by
    an entry at a time.

    found (ndarray): The gradient, of the shape of the array.
    loss (Callable[[], float]): What it is the gradient of.
    array (ndarray): What the loss reads. It is changed in place, and put back.
    name (str): How to call it.
    tolerance (float): The error that is allowed, as a share of the largest entry. The contract's is
        1e-3, but it can be far closer.
    least (float): What counts as the largest entry if all are smaller.
    """
    assert found.shape == array.shape, name
    rng = numpy.random.RandomState(0)
    before = array.copy()
    step = STEP / numpy.sqrt(max(1, array.size))
    scale = max(least, numpy.abs(found).max(initial=0.0))
    for _ in range(N_DIRECTIONS):
        direction = rng.uniform(1.0, 2.0, array.shape) * rng.choice([-1.0, 1.0], array.shape)
        array[...] = before + step * direction
        above = loss()
        array[...] = before - step * direction
        below = loss()
        array[...] = before
        expected = (above - below) / (2 * step)
        error = abs((found * direction).sum() - expected) / scale
        assert error < tolerance, f"{name}: relative error {error}"
