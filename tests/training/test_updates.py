"""One update of flat arrays, against its formula in double precision, on every engine."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.layers import available_engines, use_engine
from spacy_rnn.layers.threads import use_threads
from spacy_rnn.training import updates
from spacy_rnn.training.gradients import BLOCK
from spacy_rnn.training.updates import Step

ENGINES = [engine for engine in available_engines() if engine != "torch"]
SIZES = [1, 17, BLOCK, 2 * BLOCK + 5]
STEPS = [
    Step(0.1),
    Step(0.1, scale=0.25),
    Step(0.1, scale=0.25, L2=0.3),
    Step(0.1, scale=0.25, L2=0.3, decoupled=False),
]
pytestmark = pytest.mark.parametrize("engine", ENGINES)


def make(size, n):
    random = numpy.random.RandomState(size)
    return [random.normal(size=size).astype("f") for _ in range(n)]


def begun(weights, gradient, step):
    """RETURNS: The weights and the gradient in double precision, after decay and clipping."""
    w, g = weights.astype("d"), gradient.astype("d") * step.scale
    if step.decoupled:
        return w * (1 - step.rate * step.L2), g
    return w, g + step.L2 * w


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", STEPS)
def test_sgd_is_its_formula(engine, size, step):
    weights, gradient = make(size, 2)
    w, g = begun(weights, gradient, step)
    with use_engine(engine):
        updates.sgd(weights, gradient, step)
    assert_allclose(weights, w - step.rate * g, atol=1e-6)
    assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_is_its_formula(engine, size, step, nesterov):
    weights, gradient, velocity = make(size, 3)
    w, g = begun(weights, gradient, step)
    v = 0.9 * velocity.astype("d") + g
    with use_engine(engine):
        updates.momentum(weights, gradient, velocity, step, momentum=0.9, nesterov=nesterov)
    assert_allclose(velocity, v, atol=1e-6)
    assert_allclose(weights, w - step.rate * (g + 0.9 * v if nesterov else v), atol=1e-6)
    assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("n_updates", [1, 1000])
def test_adam_is_its_formula(engine, size, step, n_updates):
    weights, gradient, mom1, mom2 = make(size, 4)
    mom2 **= 2
    w, g = begun(weights, gradient, step)
    m = 0.9 * mom1.astype("d") + 0.1 * g
    v = 0.99 * mom2.astype("d") + 0.01 * g**2
    fixed = (m / (1 - 0.9**n_updates)) / (numpy.sqrt(v / (1 - 0.99**n_updates)) + 0.01)
    settings = dict(n_updates=n_updates, beta1=0.9, beta2=0.99, eps=0.01)
    with use_engine(engine):
        updates.adam(weights, gradient, mom1, mom2, step, **settings)
    assert_allclose(mom1, m, atol=1e-6)
    assert_allclose(mom2, v, atol=1e-6)
    assert_allclose(weights, w - step.rate * fixed, rtol=2e-6, atol=1e-5)
    assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("size", SIZES)
def test_an_average_moves_by_its_share(engine, size):
    averages, weights = make(size, 2)
    expected = averages.astype("d") * 0.75 + weights.astype("d") * 0.25
    before = weights.copy()
    with use_engine(engine):
        updates.average(averages, weights, 0.25)
    assert_allclose(averages, expected, atol=1e-6)
    assert_array_equal(weights, before)


def test_threads_share_the_numbers_without_changing_the_result(engine):
    size = 3 * updates.WORTH_A_THREAD + 1
    one, many = make(size, 2), make(size, 2)
    with use_engine(engine), use_threads(1):
        updates.sgd(*one, Step(0.1))
    with use_engine(engine), use_threads(3):
        updates.sgd(*many, Step(0.1))
    for first, second in zip(one, many):
        assert_array_equal(first, second)


def test_arrays_in_double_precision_are_updated_as_well(engine):
    weights, gradient = (array.astype("d") for array in make(50, 2))
    expected = weights - 0.1 * gradient
    with use_engine(engine):
        updates.sgd(weights, gradient, Step(0.1))
    assert weights.dtype == "float64"
    assert_allclose(weights, expected, rtol=1e-12)
