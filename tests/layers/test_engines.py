"""Which engine runs: by where the arrays are, what is installed, and what an engine can do."""

import importlib
import os
import subprocess
import sys
import warnings

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import Ragged

from spacy_rnn.layers import GRU, LSTM, available_engines, engines, use_engine
from spacy_rnn.layers.engines import get_engine, numpy_cells, numpy_engine
from spacy_rnn.layers.engines.base import Cell
from spacy_rnn.layers.recurrent import CELLS

from .cells import ENGINES, ragged

FLOAT32, FLOAT64 = numpy.zeros((2, 2), "f"), numpy.zeros((2, 2))
NUMBA_ENGINE = ".numba_engine"


@pytest.fixture
def asked_anew():
    """Whether numba is there is asked once for a process: here, once for a test."""
    engines._has_numba.cache_clear()
    yield
    engines._has_numba.cache_clear()


@pytest.fixture
def without_numba(monkeypatch, asked_anew):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)


@pytest.fixture
def broken_numba(monkeypatch, asked_anew):
    def fail(name, package):
        if name == NUMBA_ENGINE:
            raise ImportError("Numba needs NumPy 2.3 or less. Got NumPy 2.9.")
        return importlib.import_module(name, package)

    monkeypatch.setattr(engines, "import_module", fail)


def engine_of(X, **kwargs):
    return get_engine(X, **kwargs).__name__.rsplit(".", 1)[1]


def test_float32_on_the_cpu_goes_to_numba_and_other_types_to_numpy():
    assert engine_of(FLOAT32) == "numba_engine"
    assert engine_of(FLOAT64) == "numpy_engine"
    assert engine_of(FLOAT32.astype("float16")) == "numpy_engine"


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_can_be_chosen_for_a_block(name):
    with use_engine(name):
        assert engine_of(FLOAT32) == f"{name}_engine"
        with use_engine("numpy"):
            assert engine_of(FLOAT32) == "numpy_engine"
        assert engine_of(FLOAT32) == f"{name}_engine"
    assert engine_of(FLOAT32) == "numba_engine"


def test_what_an_engine_cannot_do_is_done_by_numpy():
    with use_engine("numba"):
        assert engine_of(FLOAT64) == "numpy_engine"
        assert engine_of(FLOAT32, needs_mask=True) == "numba_engine"
    with use_engine("torch"):
        assert engine_of(FLOAT32, needs_mask=True) == "numpy_engine"


@pytest.mark.parametrize("name", ["numba", "torch"])
def test_a_cell_that_an_engine_does_not_have_is_computed_by_numpy(name, monkeypatch, rng):
    """As when a cell is added: a GRU by another name."""
    cell = Cell("new", 3, params=("Wx", "Wh", "b", "bh"))
    monkeypatch.setitem(numpy_cells.KERNELS, "new", numpy_cells.KERNELS["gru"])
    monkeypatch.setitem(CELLS, "new", cell)
    model = GRU(5, 4)
    model.initialize()
    X = ragged(rng, [3, 0, 2], 4)
    expected = model.predict(X).dataXd
    model.attrs["recurrence"] = "new"
    with use_engine(name):
        assert engine_of(FLOAT32, cell=CELLS["gru"]) == f"{name}_engine"
        assert engine_of(FLOAT32, cell=cell) == "numpy_engine"
        Y, backprop = model.begin_update(X)
        assert_allclose(Y.dataXd, expected, atol=1e-6)
        assert backprop(Y).dataXd.shape == (5, 4)


@pytest.mark.parametrize("name", ENGINES)
def test_each_engine_has_every_cell(name):
    engine = importlib.import_module(f"spacy_rnn.layers.engines.{name}_engine")
    assert set(CELLS) <= set(engine.CELLS)


def test_an_unknown_engine_is_an_error():
    with pytest.raises(ValueError, match=r"E009.*'jax'"), use_engine("jax"):
        pass


@pytest.mark.parametrize(("name", "extra"), [("numba", "fast"), ("torch", "torch")])
def test_a_missing_engine_is_an_error_that_names_the_command(name, extra, without_numba):
    assert available_engines() == ["numpy"]
    message = rf"E008.*{name}.*pip install 'spacy-rnn\[{extra}\]'"
    with pytest.raises(ImportError, match=message), use_engine(name):
        pass


def test_without_numba_everything_is_computed_by_numpy_and_nothing_is_said(without_numba, rng):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert engine_of(FLOAT32) == "numpy_engine"
        model = LSTM(3, 4)
        model.initialize()
        assert model.predict(ragged(rng, [3, 2], 4)).dataXd.shape == (5, 3)


def test_a_numba_that_does_not_work_is_told_once(broken_numba, rng):
    model = LSTM(3, 4)
    model.initialize()
    X = ragged(rng, [3, 2], 4)
    with pytest.warns(UserWarning, match=r"W001.*NumPy 2\.9.*'spacy-rnn\[fast\]'"):
        model.predict(X)
    model.predict(X)  # warnings are errors here
    assert available_engines() == ["numpy", "torch"]
    with pytest.raises(ImportError, match="E008"), use_engine("numba"):
        pass


def test_a_llvm_that_cannot_be_loaded_is_told_likewise(monkeypatch, asked_anew):
    def fail(name, package):
        if name == NUMBA_ENGINE:
            raise OSError("Could not find/load shared object file 'libllvmlite.so'")
        return numpy_engine

    monkeypatch.setattr(engines, "import_module", fail)
    with pytest.warns(UserWarning, match=r"W001.*libllvmlite"):
        assert engine_of(FLOAT32) == "numpy_engine"


def test_a_numba_that_fails_as_it_is_imported_leaves_the_layers_working(tmp_path):
    """In a process of its own, with a package of that name which does what numba does if it finds
    a NumPy that it doesn't know."""
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text("raise ImportError('Numba needs NumPy 1.0')")
    code = (
        "import numpy, warnings\n"
        "from thinc.api import Ragged\n"
        "from spacy_rnn.layers import GRU, available_engines\n"
        "layer = GRU(3, 4)\n"
        "layer.initialize()\n"
        "X = Ragged(numpy.ones((5, 4), 'f'), numpy.asarray([3, 2], 'i'))\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    for _ in range(3): Y, backprop = layer.begin_update(X); backprop(Y)\n"
        "told = [str(warning.message) for warning in told]\n"
        "print(sum('W001' in text and 'NumPy 1.0' in text for text in told))\n"
        "print('numba' in available_engines())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path[:1]])},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["1", "False"]


def test_the_engine_does_not_change_what_is_saved(rng):
    model = LSTM(3, 4)
    model.initialize()
    X = ragged(rng, [3, 2], 4)
    saved = {}
    for name in ENGINES:
        with use_engine(name):
            Y, backprop = model.begin_update(X)
            backprop(Ragged(Y.dataXd * 0, Y.lengths))
            saved[name] = model.to_bytes()
    assert saved["numpy"] == saved["numba"] == saved["torch"]
