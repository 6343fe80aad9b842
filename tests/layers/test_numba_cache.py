"""Where compiled code is kept, and what happens if it can't be."""

import os
import subprocess
import sys

import numba
import numpy
import pytest
from numpy.testing import assert_array_equal

from spacy_rnn.layers.engines import numba_jit


def double(X):
    for i in range(len(X)):
        X[i] = 2.0 * X[i]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache, and counters that count from zero."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(numba_jit, "_kernels", [])
    return tmp_path / "cache"


def start_anew():
    """Do what the next process does: it finds the function not compiled. RETURNS: How many kernels
    it compiled, and how many it found on disk."""
    numba_jit._kernels.clear()
    kernel = numba_jit.kernel(double)
    X = numpy.arange(3, dtype="f")
    kernel(X)
    assert_array_equal(X, [0, 2, 4])
    return numba_jit.n_compiled(), numba_jit.n_loaded()


def files(folder, ending):
    return list(folder.glob(f"*/*{ending}"))


def test_what_one_process_has_compiled_the_next_one_finds(folder):
    assert start_anew() == (1, 0)
    assert len(files(folder, ".nbc")) == len(files(folder, ".nbi")) == 1
    assert start_anew() == (0, 1)


def test_a_change_in_any_file_of_the_engine_has_it_compiled_again(folder, monkeypatch):
    assert start_anew() == (1, 0)
    stamp = numba_jit._stamp()
    assert {name for name, *_ in stamp} >= {"numba_cells.py", "numba_gemm.py", "numba_math.py"}
    name, time, size = stamp[-1]
    monkeypatch.setattr(numba_jit, "_stamp", lambda: (*stamp[:-1], (name, time + 1, size)))
    assert start_anew() == (1, 0)
    assert start_anew() == (0, 1)


@pytest.mark.parametrize("ending", [".nbc", ".nbi"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:10],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: b"garbage",
        lambda data: b"\x80\x05\x95garbage that begins as a pickle does",
        lambda data: bytes(range(256)) * 20,
        # Pickles of other things: what no module has, what no list has, what a program left there.
        lambda data: b"cno_such_module\nname\n.",
        lambda data: b"cos\nno_such_name\n.",
        lambda data: b"0.",
        lambda data: b"N.",
        lambda data: b"g7\n.",
    ],
)
def test_a_damaged_file_costs_no_more_than_the_compilation(folder, ending, damage):
    start_anew()
    (path,) = files(folder, ending)
    path.write_bytes(damage(path.read_bytes()))
    assert start_anew() == (1, 0)
    assert start_anew() == (0, 1)


def test_a_file_that_is_gone_is_compiled_again(folder):
    start_anew()
    for path in files(folder, ".nbc"):
        path.unlink()
    assert start_anew() == (1, 0)
    assert start_anew() == (0, 1)


def test_a_folder_that_cannot_be_made_leads_to_the_next_one(tmp_path, monkeypatch):
    """Beside the file here; a root user may write everywhere, so it lies below a file."""
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(file / "cache"))
    monkeypatch.setattr(numba_jit, "_kernels", [])
    kernel = numba_jit.kernel(double)
    assert "__pycache__" in kernel._cache.cache_path


def test_without_any_folder_each_process_compiles_for_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(numba_jit, "_kernels", [])
    monkeypatch.setattr(numba_jit._Cache._impl_class, "_locator_classes", [])
    assert start_anew() == (1, 0)
    assert start_anew() == (1, 0)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13)])
def test_what_cannot_be_saved_is_used_all_the_same(folder, error, monkeypatch):
    def fail(*args):
        raise error

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._save_data", fail)
    assert start_anew() == (1, 0)
    monkeypatch.undo()


def test_the_layers_compile_once_for_all_threads_and_processes(tmp_path):
    code = (
        "import numpy\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from thinc.api import Ragged\n"
        "from spacy_rnn.layers import Elman\n"
        "from spacy_rnn.layers.engines import numba_jit\n"
        "layer = Elman(3, 4)\n"
        "layer.initialize()\n"
        "X = Ragged(numpy.ones((5, 4), 'f'), numpy.asarray([3, 2], 'i'))\n"
        "with ThreadPoolExecutor(4) as threads:\n"
        "    Ys = list(threads.map(lambda _: layer.predict(X).dataXd, range(4)))\n"
        "print(all((Y == Ys[0]).all() and Y.any() for Y in Ys))\n"
        "print(numba_jit.n_compiled(), numba_jit.n_loaded())\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, env=environment, check=True,
        ).stdout.split()
        for _ in range(2)
    ]  # fmt: skip
    # The loop, and what lays the weights out for it.
    assert printed == [["True", "2", "0"], ["True", "0", "2"]]
