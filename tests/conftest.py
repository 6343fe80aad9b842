import os

# Before NumPy and torch are imported: threads of several processes would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import numpy
import pytest
from hypothesis import settings
from thinc.api import fix_random_seed

# The same examples in each run, and no limit of time: the machine may be busy.
settings.register_profile("spacy-rnn", deadline=None, derandomize=True, database=None)
settings.load_profile("spacy-rnn")


@pytest.fixture(autouse=True)
def fixed_seed():
    """Each test draws the same numbers, whichever tests ran before it."""
    fix_random_seed(0)


@pytest.fixture
def rng():
    return numpy.random.RandomState(0)
