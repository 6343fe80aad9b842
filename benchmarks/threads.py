"""How many threads the libraries may use."""

import contextlib
from functools import lru_cache
from typing import ContextManager, Iterator

import torch
from threadpoolctl import ThreadpoolController

from spacy_rnn.layers import threads as engine_threads


@contextlib.contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Limit BLAS, OpenMP, torch and the engines of this package to so many threads within the
    block."""
    before = torch.get_num_threads()
    with _controller().limit(limits=n), _use_engine_threads(n):
        torch.set_num_threads(n)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def engines_have_threads() -> bool:
    """RETURNS (bool): Whether the engines of this package can use more threads than one."""
    return hasattr(engine_threads, "use_threads")


def _use_engine_threads(n: int) -> ContextManager[None]:
    limit = getattr(engine_threads, "use_threads", None)
    block: ContextManager[None] = contextlib.nullcontext() if limit is None else limit(n)
    return block


@lru_cache(maxsize=None)
def _controller() -> ThreadpoolController:
    # Looking for the libraries takes milliseconds; all of them are loaded by now.
    return ThreadpoolController()
