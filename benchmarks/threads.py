"""How many threads the libraries may use."""

import contextlib
from typing import Iterator

import torch
from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Limit BLAS, OpenMP and torch to so many threads within the block."""
    before = torch.get_num_threads()
    with threadpool_limits(limits=n):
        torch.set_num_threads(n)
        try:
            yield
        finally:
            torch.set_num_threads(before)
