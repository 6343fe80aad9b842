"""Arrays that are used again from call to call.

The way back through a large batch needs arrays of some hundred megabytes for a moment. To get them
from the system each time, page by page, can take longer than to fill them.
"""

import threading
from math import prod
from typing import Any, Dict, Tuple

import numpy

# What each thread keeps at the most; larger arrays are made for the call and given back.
MAX_BYTES = 2**28


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
            memory = numpy.empty(n_bytes, dtype="uint8")
            others = sum(array.nbytes for key, array in self._arrays.items() if key != name)
            self._arrays.pop(name, None)
            if others + n_bytes <= MAX_BYTES:
                self._arrays[name] = memory
        return memory[:n_bytes].view(dtype).reshape(shape)


workspace = Workspace()
