"""Engines compute recurrences; all give the same numbers, at different speeds.

Which one runs follows from where the arrays live and what is installed: CuPy arrays go to
cuDNN by way of torch, or to a kernel of our own for the cells that cuDNN lacks; float32 arrays on
the CPU to the fused loops that numba compiles, if they are there; everything else to the NumPy
engine.
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
from .base import Cell, Engine

_MODULES: Dict[str, str] = {
    "numpy": ".numpy_engine",
    "numba": ".numba_engine",
    "torch": ".torch_engine",
    "cupy": ".cupy_engine",
}
# Not the last: CuPy's arrays always get it for the cells that it has.
_CHOICES = ("numpy", "numba", "torch")
# Of those that need a package, the extra that installs it.
_EXTRAS: Dict[str, str] = {"numba": "fast", "torch": "torch"}
_forced: ContextVar[Optional[str]] = ContextVar("spacy_rnn_engine", default=None)


def available_engines() -> List[str]:
    """RETURNS (List[str]): Names of the engines that can run here."""
    return [name for name in _CHOICES if _can_run(name)]


def get_engine(X: Any, cell: Optional[Cell] = None, needs_mask: bool = False) -> Engine:
    """Choose the engine for a batch.

    X (FloatsXd): The rows of the batch.
    cell (Optional[Cell]): What is to be computed.
    needs_mask (bool): Whether h is masked on its way into the gates, which cuDNN can't do.
    RETURNS (Engine): The module of the engine.
    """
    name = _forced.get()
    if name is None:
        if is_cupy_array(X):
            name = "torch" if _torch_has_cuda() else "numpy"
            if cell is not None and cell.is_scan:
                name = "cupy"
        else:
            name = "numba" if _has_numba() else "numpy"
    if (name == "torch" and needs_mask) or (name == "numba" and not _is_float32(X)):
        name = "numpy"
    engine = _load(name)
    if cell is not None and cell.name not in engine.CELLS:
        engine = _load("numpy")
    return engine


@cache
def _load(name: str) -> Engine:
    return cast(Engine, import_module(_MODULES[name], __name__))


@contextlib.contextmanager
def use_engine(name: str) -> Iterator[None]:
    """Run everything within the block on one engine: for tests and benchmarks.

    name (str): "numpy", "numba" or "torch". What an engine can't do, the NumPy engine does.
    """
    if name not in _CHOICES:
        raise ValueError(
            Errors.E009.format(what="engine", found=name, expected=", ".join(_CHOICES))
        )
    if not _can_run(name):
        what, extra = f"Engine '{name}'", _EXTRAS[name]
        raise ImportError(Errors.E008.format(what=what, module=name, extra=extra))
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


def _can_run(name: str) -> bool:
    if name == "numba":
        return _has_numba()
    return name not in _EXTRAS or find_spec(name) is not None


@cache
def _has_numba() -> bool:
    """Whether numba is there and works: it refuses versions of NumPy that it does not know."""
    if find_spec("numba") is None:
        return False
    try:
        import_module(_MODULES["numba"], __name__)
    except (ImportError, OSError) as error:  # the latter if llvmlite's library is missing
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
