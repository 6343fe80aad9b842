"""Makes `scripts/` and `scripts/shapes/` importable, as they are when a script in them is run."""

import sys
from functools import lru_cache
from pathlib import Path
from typing import Iterator

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS / "shapes")]


@pytest.fixture(scope="session", autouse=True)
def one_pipeline_per_language() -> Iterator[None]:
    """Make each tokenizer once: the commands are called a hundred times here, in one process."""
    from datalib.corpus import blank_pipeline

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data.blank_pipeline", lru_cache(blank_pipeline))
        yield
