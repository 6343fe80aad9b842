"""Arrays that are used again from call to call.

A large batch needs arrays of some hundred megabytes, the way back for a moment and the trace of the
way there until then. To get them from the system each time, page by page, can take longer than to
fill them.
"""

import os
import threading
from math import prod
from typing import Any, Dict, List, Tuple

import numpy

# What each thread keeps at the most; larger arrays are made for the call and given back.
MAX_BYTES = 2**28
# The system gives smaller ones at once.
MIN_BYTES = 2**16


# A line of the cache, and the widest register: what begins elsewhere takes two lines for each
# register that is read, which costs a product by numba an eighth of its speed.
ALIGNMENT = 64


def aligned(n_bytes: int) -> Any:
    """RETURNS (numpy.ndarray): (n_bytes,) uint8 with any content, which begins on a line of the
    cache."""
    memory = numpy.empty(n_bytes + ALIGNMENT, dtype="uint8")
    start = -memory.__array_interface__["data"][0] % ALIGNMENT
    return memory[start : start + n_bytes]


class Workspace(threading.local):
    """One set of arrays for each thread. An array is to be done with when the call that took it
    ends: the next one that asks for the same name gets the same memory."""

    def __init__(self) -> None:
        self._arrays: Dict[str, Any] = {}

    def take(self, xp: Any, name: str, shape: Tuple[int, ...], dtype: Any) -> Any:
        """RETURNS (FloatsXd): An array with any content. CuPy reuses memory by itself."""
        if xp is not numpy:
            return xp.empty(shape, dtype=dtype)
        n_bytes = prod(shape) * numpy.dtype(dtype).itemsize
        memory = self._arrays.get(name)
        if memory is None or memory.nbytes < n_bytes:
            memory = aligned(n_bytes)
            others = sum(array.nbytes for key, array in self._arrays.items() if key != name)
            self._arrays.pop(name, None)
            if others + n_bytes <= MAX_BYTES:
                self._arrays[name] = memory
        return memory[:n_bytes].view(dtype).reshape(shape)


class Recycler:
    """Memory that outlives a call: it is free again when nobody holds its `Lease` any more."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: after a fork the lock may be held by a thread that is gone."""
        # Reentrant: making a list under the lock may collect garbage, and with it a lease.
        self._lock = threading.RLock()
        self._free: List[Any] = []

    def take(self, n_bytes: int) -> "Lease":
        """RETURNS (Lease): At least so many bytes, with any content."""
        with self._lock:
            fitting = [memory for memory in self._free if n_bytes <= memory.nbytes <= 2 * n_bytes]
            if fitting:
                memory = min(fitting, key=len)
                self._free = [other for other in self._free if other is not memory]
                return Lease(self, memory)
        # Batches differ a little in size: leave room for the next one.
        return Lease(self, aligned(n_bytes + n_bytes // 8))

    def empty(self, xp: Any, shape: Tuple[int, ...], dtype: Any) -> Any:
        """RETURNS (FloatsXd): An array with any content, as `xp.empty` makes it. When it and all
        views of it are gone, its memory is used again."""
        n_bytes = prod(shape) * numpy.dtype(dtype).itemsize
        if xp is not numpy or n_bytes < MIN_BYTES:
            return xp.empty(shape, dtype=dtype)
        memory = numpy.asarray(self.take(n_bytes))  # its base is the lease
        return memory[:n_bytes].view(dtype).reshape(shape)

    def take_rows(self, xp: Any, X: Any, index: Any) -> Any:
        """RETURNS (Floats2d): (n, width) X[index], in memory that is used again."""
        if xp is not numpy:
            return X[index]
        rows = self.empty(xp, (len(index), X.shape[1]), X.dtype)
        return X.take(index, axis=0, out=rows, mode="clip")  # the other modes make a copy more

    def give_back(self, memory: Any) -> None:
        """Keep the memory for others, unless there is enough; what was given first goes first."""
        if memory.nbytes > MAX_BYTES:
            return
        with self._lock:
            self._free.append(memory)
            while sum(other.nbytes for other in self._free) > MAX_BYTES:
                del self._free[0]


class Lease:
    """Holds memory of a recycler until it is dropped."""

    def __init__(self, recycler: Recycler, memory: Any) -> None:
        self.memory = memory
        self._recycler = recycler

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        """Lets NumPy make an array of the memory, which holds this lease."""
        return {**self.memory.__array_interface__}

    def __del__(self) -> None:
        self._recycler.give_back(self.memory)


workspace = Workspace()
recycler = Recycler()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=recycler.reset)
