import numpy
import pytest
from thinc.api import fix_random_seed


@pytest.fixture(autouse=True)
def fixed_seed():
    """Each test draws the same numbers, whichever tests ran before it."""
    fix_random_seed(0)


@pytest.fixture
def rng():
    return numpy.random.RandomState(0)
