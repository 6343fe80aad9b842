"""A stand-in for CuPy: arrays that refuse to be handed to NumPy's functions or indexed by NumPy's
arrays, and a module with just the functions that CuPy has too, `RawKernel` among them."""

import ctypes
import itertools
import random
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Sequence, Tuple

import numpy
from numpy.lib.array_utils import byte_bounds

IN_CUPY = {
    "add", "arange", "array", "asarray", "ascontiguousarray", "concatenate", "cumsum", "divide",
    "empty", "empty_like", "exp", "full", "hstack", "log", "matmul", "maximum", "multiply",
    "nonzero", "ones", "repeat", "searchsorted", "split", "sqrt", "stack", "subtract", "sum",
    "tanh", "unique", "where", "zeros", "zeros_like",
}  # fmt: skip
COMPILER = shutil.which("g++")
# What CUDA adds to the language, for one thread at a time.
PRELUDE = """
#include <cmath>
using std::exp;
using std::tanh;
#define __global__
#define __device__
struct Dim { unsigned x, y, z; };
extern "C" { Dim gridDim, blockDim, blockIdx, threadIdx; }
"""
MARGIN = 256  # bytes
NAN = numpy.full(1, numpy.nan)


class DeviceArray(numpy.ndarray):
    def __array_function__(self, func, types, args, kwargs):
        raise TypeError(f"numpy.{func.__name__} was called on an array of the device")

    def __getitem__(self, index):
        self._check(index)
        return super().__getitem__(index)

    def __setitem__(self, index, value):
        self._check(index)
        super().__setitem__(index, value)

    @staticmethod
    def _check(index):
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, numpy.ndarray) and not isinstance(part, DeviceArray):
                raise TypeError("an array of the device was indexed by one of the host")


def to_host(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [to_host(v) for v in value]
    return value.view(numpy.ndarray) if isinstance(value, DeviceArray) else value


def to_device(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [to_device(v) for v in value]
    return value.view(DeviceArray) if isinstance(value, numpy.ndarray) else value


class DeviceModule:
    """`cupy`. What is not filled yet is not a number."""

    def __getattr__(self, name):
        if name not in IN_CUPY:
            raise AttributeError(f"is {name} in CuPy?")
        function = getattr(numpy, name)

        def call(*args, out=None, **kwargs):
            host = [to_host(arg) for arg in args]
            if out is not None:
                function(*host, out=to_host(out), **kwargs)
                return out
            result = to_device(function(*host, **kwargs))
            if name.startswith("empty") and result.dtype.kind == "f":
                result.fill(numpy.nan)
            return result

        return call

    def RawKernel(self, code: str, name: str, options: Tuple[str, ...] = ()) -> "Kernel":
        return Kernel(code, name, options)


class Kernel:
    """`cupy.RawKernel`, on the CPU: the same source, compiled as C++, its threads run one after
    another. CUDA promises no order, so they run in any.

    Arrays are worked on in copies with a margin on both sides, so that it is noticed if a thread
    writes beyond them. What it reads there is not a number, or among whole numbers a one.
    """

    def __init__(self, code: str, name: str, options: Tuple[str, ...]) -> None:
        self.library = compiled(code, options)
        self.function = getattr(self.library, name)
        self.function.restype = None

    def __call__(self, grid: Sequence[int], block: Sequence[int], args: Sequence[Any]) -> None:
        dims = {"gridDim": (*grid, 1, 1)[:3], "blockDim": (*block, 1, 1)[:3]}
        assert all(n > 0 for of_one in dims.values() for n in of_one), "an empty grid"
        assert numpy.prod(block) <= 1024, "more threads than a block can have"
        copies = [_Copy(arg) for arg in args if isinstance(arg, DeviceArray)]
        pointers = iter(copies)
        values = [
            next(pointers).pointer if isinstance(a, DeviceArray) else _scalar(a) for a in args
        ]
        for name, value in dims.items():
            self._set(name, value)
        shape = [range(n) for of_one in dims.values() for n in of_one]
        threads = list(itertools.product(*shape))
        random.Random(0).shuffle(threads)
        for place in threads:
            self._set("blockIdx", place[:3])
            self._set("threadIdx", place[3:])
            self.function(*values)
        for copy in copies:
            copy.give_back()

    def _set(self, name: str, value: Sequence[int]) -> None:
        (ctypes.c_uint * 3).in_dll(self.library, name)[:] = value


class _Copy:
    def __init__(self, array: Any) -> None:
        host = to_host(array)
        self.low, high = byte_bounds(host)
        self.size = high - self.low if host.size else 0
        filling = numpy.ones(1, host.dtype) if host.dtype.kind == "i" else NAN.astype(host.dtype)
        self.margin = numpy.resize(filling.view("uint8"), MARGIN)
        between = numpy.zeros(self.size, dtype="uint8")
        self.memory = numpy.concatenate([self.margin, between, self.margin])
        self.start = self.memory.ctypes.data + MARGIN
        ctypes.memmove(self.start, self.low, self.size)
        self.pointer = ctypes.c_void_p(self.start + host.ctypes.data - self.low)

    def give_back(self) -> None:
        ctypes.memmove(self.low, self.start, self.size)
        for margin in (self.memory[:MARGIN], self.memory[-MARGIN:]):
            assert (margin == self.margin).all(), "written beyond an array"


def _scalar(value: Any) -> Any:
    # CuPy passes a number as it is, whatever the kernel takes it for.
    assert type(value) is numpy.int64, f"a number of the type {type(value)}"
    return ctypes.c_longlong(value)


@cache
def compiled(code: str, options: Tuple[str, ...]) -> ctypes.CDLL:
    """RETURNS (CDLL): A library made of a kernel's source."""
    folder = Path(_folder().name)
    library = folder / f"{len(list(folder.iterdir()))}.so"
    source = library.with_suffix(".cpp")
    source.write_text(PRELUDE + code)
    command = [COMPILER, "-O1", "-shared", "-fPIC", *options, "-o", str(library), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return ctypes.CDLL(str(library))


@cache
def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory()
