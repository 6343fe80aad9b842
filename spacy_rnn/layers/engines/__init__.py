"""Engines compute recurrences; all give the same numbers, at different speeds.

Which one runs follows from where the arrays live and what is installed: CuPy arrays go to
cuDNN by way of torch, float32 arrays on the CPU to the fused loops that numba compiles, if they are
there; everything else to the NumPy engine.
"""

import contextlib
import warnings
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Dict, Iterator, List, Optional, cast

from thinc.api import is_cupy_array

from ...errors import Errors, Warnings
from .base import Engine

_MODULES: Dict[str, str] = {
    "numpy": ".numpy_engine",
    "numba": ".numba_engine",
    "torch": ".torch_engine",
}
_REQUIRES: Dict[str, str] = {"numba": "numba", "torch": "torch"}
_forced: ContextVar[Optional[str]] = ContextVar("spacy_rnn_engine", default=None)


def available_engines() -> List[str]:
    """RETURNS (List[str]): Names of the engines that can run here."""
    return [name for name in _MODULES if name not in _REQUIRES or find_spec(_REQUIRES[name])]


def get_engine(X: Any, needs_mask: bool = False) -> Engine:
    """Choose the engine for a batch.

    X (FloatsXd): The rows of the batch.
    needs_mask (bool): Whether h is masked on its way into the gates, which cuDNN can't do.
    RETURNS (Engine): The module of the engine.
    """
    name = _forced.get()
    if name is None:
        if is_cupy_array(X):
            name = "torch" if _torch_has_cuda() else "numpy"
        else:
            name = "numba" if _has_numba() else "numpy"
    if (name == "torch" and needs_mask) or (name == "numba" and not _is_float32(X)):
        name = "numpy"
    return cast(Engine, import_module(_MODULES[name], __name__))


@contextlib.contextmanager
def use_engine(name: str) -> Iterator[None]:
    """Run everything within the block on one engine: for tests and benchmarks.

    name (str): "numpy", "numba" or "torch". What an engine can't do, the NumPy engine does.
    """
    if name not in _MODULES:
        raise ValueError(
            Errors.E009.format(what="engine", found=name, expected=", ".join(_MODULES))
        )
    if name not in available_engines():
        raise ImportError(Errors.E008.format(what=f"Engine '{name}'", module=name, extra=name))
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


@cache
def _has_numba() -> bool:
    """Whether numba is there and works: it refuses versions of NumPy that it does not know."""
    if find_spec("numba") is None:
        return False
    try:
        import_module(_MODULES["numba"], __name__)
    except ImportError as error:
        warnings.warn(Warnings.W001.format(error=error), stacklevel=2)
        return False
    return True


def _is_float32(X: Any) -> bool:
    return not is_cupy_array(X) and X.dtype == "float32"


@cache
def _torch_has_cuda() -> bool:
    if find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
