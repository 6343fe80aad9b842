"""Gradients by central differences, in float64."""

from typing import Any, Callable

import numpy

STEP = 1e-5


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


def assert_same_gradient(found: Any, expected: Any, name: str) -> None:
    """To 1e-3 of the largest entry, as the contract says, but far closer where it can be."""
    assert found.shape == expected.shape, name
    if not expected.size:
        return
    scale = max(1e-6, numpy.abs(expected).max())
    error = numpy.abs(found - expected).max() / scale
    assert error < 1e-5, f"{name}: relative error {error}"
