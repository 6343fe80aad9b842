"""What the optimizers do to the weights, in one pass over all arrays; see `training/updates.py`.

All arrays are flat, and all numbers float32: others would have all arithmetic done in double
precision.
"""

from typing import Any

import numpy

from .numba_jit import kernel


@kernel
def sgd(weights: Any, gradient: Any, scale: Any, keep: Any, coupled: Any, rate: Any) -> None:
    for i in range(weights.size):
        w = weights[i]
        weights[i] = w * keep - rate * (gradient[i] * scale + coupled * w)
        gradient[i] = numpy.float32(0.0)


@kernel
def momentum(
    weights: Any,
    gradient: Any,
    velocity: Any,
    scale: Any,
    keep: Any,
    coupled: Any,
    kept: Any,
    rate: Any,
    own_rate: Any,
) -> None:
    for i in range(weights.size):
        w = weights[i]
        g = gradient[i] * scale + coupled * w
        v = kept * velocity[i] + g
        velocity[i] = v
        weights[i] = w * keep - (rate * v + own_rate * g)
        gradient[i] = numpy.float32(0.0)


@kernel
def adam(
    weights: Any,
    gradient: Any,
    mom1: Any,
    mom2: Any,
    scale: Any,
    keep: Any,
    coupled: Any,
    beta1: Any,
    beta2: Any,
    rate: Any,
    eps: Any,
) -> None:
    share1, share2 = numpy.float32(1.0) - beta1, numpy.float32(1.0) - beta2
    for i in range(weights.size):
        w = weights[i]
        g = gradient[i] * scale + coupled * w
        m = beta1 * mom1[i] + share1 * g
        v = beta2 * mom2[i] + share2 * (g * g)
        mom1[i] = m
        mom2[i] = v
        weights[i] = w * keep - rate * (m / (numpy.sqrt(v) + eps))
        gradient[i] = numpy.float32(0.0)


@kernel
def average(averages: Any, weights: Any, share: Any) -> None:
    for i in range(weights.size):
        averages[i] += share * (weights[i] - averages[i])
