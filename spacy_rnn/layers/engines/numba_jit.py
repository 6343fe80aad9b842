"""Compilation by numba, and where the compiled code is kept."""

import contextlib
import pickle
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

from numba import njit
from numba.core.caching import FunctionCache

# Without "_nrt": False numba counts references to arrays at each call of a helper, in the innermost
# loop. The kernels make and return no arrays: their caller keeps them alive.
_OPTIONS: Dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
_kernels: List[Any] = []
# What reading a damaged file raises: it is a pickle, which may seem to say anything.
_DAMAGES = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    ImportError,
    LookupError,
    OverflowError,
    MemoryError,
    pickle.PickleError,
)
# A part of kernels, which is compiled into each of them.
helper: Any = njit(**_OPTIONS)


def kernel(function: Callable) -> Callable:
    """Compile a function for the CPU that it runs on, at its first call.

    The compiled code is kept on disk, so that the next process need not compile: in the folder
    that NUMBA_CACHE_DIR names, else beside this file, else in the user's cache folder. Where none
    of them can be written, each process compiles for itself. Other threads go on while it runs.

    function (Callable): In the part of Python that numba knows.
    RETURNS (Callable): The same, compiled.
    """
    compiled = njit(**_OPTIONS)(function)
    with contextlib.suppress(RuntimeError):  # no folder for it
        compiled._cache = _Cache(function)
    _kernels.append(compiled)
    return compiled


def n_compiled() -> int:
    """RETURNS (int): How many kernels this process has compiled, rather than found on disk."""
    return sum(sum(kernel.stats.cache_misses.values()) for kernel in _kernels)


def n_loaded() -> int:
    """RETURNS (int): How many compiled kernels this process has found on disk."""
    return sum(sum(kernel.stats.cache_hits.values()) for kernel in _kernels)


class _Cache(FunctionCache):
    """numba's cache, but what is kept holds only as long as none of this engine's files changes:
    numba itself looks at the kernel's file alone, and a kernel contains helpers from others. And a
    full disk or a damaged file costs no more than the compilation."""

    def __init__(self, function: Callable) -> None:
        super().__init__(function)
        self._cache_file._source_stamp = _stamp()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except _DAMAGES:
            with contextlib.suppress(OSError):
                self.flush()  # or the index could not be read at saving either
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except _DAMAGES:
            self.disable()


def _stamp() -> Tuple[Any, ...]:
    """What changes with any file of this engine."""
    files = sorted(Path(__file__).parent.glob("numba_*.py"))
    return tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
