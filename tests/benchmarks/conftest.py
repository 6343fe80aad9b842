"""Figures that were made up, in the form in which `benchmarks.speed` writes them."""

import copy
import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
from typer.testing import CliRunner

from benchmarks.peers import BASELINE
from benchmarks.speed import SECTIONS, app
from benchmarks.summary import summarize

MODELS = ("numba-lstm", "numba-gru", "numba-qrnn", "numba-mingru", BASELINE)
MODES = ("inference", "training")


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    """The quick run of all sections takes a minute and more."""
    for item in items:
        if "quick" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """What the quick run of all sections writes."""
    return run_quickly(tmp_path_factory, list(SECTIONS))


@pytest.fixture(scope="session")
def quick_encoder(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """What the quick run of the encoders alone writes."""
    return run_quickly(tmp_path_factory, ["encoder"])


def run_quickly(factory: pytest.TempPathFactory, sections: List[str]) -> Dict[str, Any]:
    path = factory.mktemp("speed") / "made" / "on the way" / "speed.json"
    options = ["--quick", "--batch-sizes", "8", "--only", ",".join(sections)]
    run = CliRunner().invoke(app, [*options, "--output", str(path)])
    assert run.exit_code == 0, run.output
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    results: Dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert list(results["sections"]) == sections
    return {**results, "output": run.output}


def _setting(docs: str, factor: float) -> Dict[str, Any]:
    """Our models read `factor` times 10, 15, 40, 50 thousand words/s, the baseline 10 thousand."""
    rates = {"numba-lstm": 10e3, "numba-gru": 15e3, "numba-qrnn": 40e3, "numba-mingru": 50e3}
    rates = {name: factor * rate for name, rate in rates.items()}
    rates[BASELINE] = 10e3
    ours = [name for name in rates if name != BASELINE]
    limits = {name: {"numpy": 100e3, "torch": 50e3, "own": 400e3} for name in ours}
    kinds = {"forward": 100.0, "inputs": 90.0, "weights": 80.0}
    return {
        "docs": docs,
        "batch_size": 64,
        "threads": 1,
        "mean_words_per_batch": 1600.0,
        "padding_factor": 2.0,
        "gemm_gflops": {"numpy": {"128x512": kinds}},
        "words_per_second": {mode: dict(rates) for mode in MODES},
        "ratio": {mode: {n: rate / 10e3 for n, rate in rates.items()} for mode in MODES},
        "limits": dict.fromkeys(MODES, limits),
        "limit": {mode: dict.fromkeys(ours, 100e3) for mode in MODES},
        "share_of_limit": {mode: {n: rates[n] / 100e3 for n in ours} for mode in MODES},
        "left_out": {mode: [] for mode in MODES},
    }


def _encoder() -> Dict[str, Any]:
    settings = [_setting("short", 1.0), _setting("long", 4.0)]
    return {
        "models": {name: f"about {name}" for name in MODELS},
        "engine": "numba",
        "ours": "numba-lstm",
        "baseline": BASELINE,
        "checks": {"numba-lstm outputs": 1e-7},
        "settings": settings,
        "summary": summarize(settings),
    }


def _pipe() -> Dict[str, Any]:
    rates = {
        "rnn_textcat-lstm": 50e3,
        "rnn_textcat-qrnn": 80e3,
        "TorchBiLSTM": 20e3,
        "TorchBiLSTM-BLAS": 40e3,
        "textcat": 60e3,
        "textcat-BLAS": 90e3,
    }
    text = {
        "n_texts": 10,
        "n_words": 200,
        "words_per_second": rates,
        "ratio": {name: rate / 20e3 for name, rate in rates.items()},
    }
    return {
        "pipelines": {name: f"about {name}" for name in rates},
        "baseline": "TorchBiLSTM",
        "batch_size": 128,
        "texts": {"short": text, "long": text},
        "summary": {
            name: {"words_per_second": rate, "ratio": rate / 20e3, "minimum": rate / 20e3}
            for name, rate in rates.items()
        },
    }


def _growth() -> Dict[str, Any]:
    seconds = {"100": 0.001, "1000": 0.01, "10000": 0.1}
    names = ("numba-lstm", "numba-qrnn", BASELINE)
    return {
        "seconds": {mode: dict.fromkeys(names, seconds) for mode in MODES},
        "exponents": {mode: dict.fromkeys(names, 1.0) for mode in MODES},
        "extra_mb": {
            mode: {"numba-lstm": {"1000": 1.0, "10000": 4.0}, "numba-qrnn": {"1000": -0.1}}
            for mode in MODES
        },
        "fit_from": 1000,
    }


def _threads() -> Dict[str, Any]:
    ratios = dict.fromkeys(MODELS, 1.7)
    setting = {"docs": "short", "batch_size": 64, "ratio": dict.fromkeys(MODES, ratios)}
    entry = {"geomean": 1.7, "minimum": 0.9}
    return {
        "threads": [1, 2],
        "engines_have_threads": True,
        "settings": [setting],
        "summary": {mode: dict.fromkeys(MODELS, entry) for mode in MODES},
    }


def _small() -> Dict[str, Any]:
    times = {"median": 0.1, "p95": 0.3}
    entry = {mode: {"seconds": 1.0, "mb": 100.0} for mode in MODES}
    cells = {"import": 0.5, "lstm": 5.0}
    compiled = {"seconds": 5.5, "seconds_by_cell": cells, "compiled": 4, "loaded": 0}
    parts = {"import": 1.0, "blank": 0.1}
    text = {
        "seconds": {mode: {"engine": 0.0105, "cudnn": 0.01} for mode in MODES},
        "overhead": {"inference": 0.05, "training": 0.2},
    }
    scan = {
        "seconds": {mode: {"kernel": 0.001, "torch": 0.02} for mode in MODES},
        "speedup": dict.fromkeys(MODES, 20.0),
    }
    return {
        "latency": {
            "n_times": 3,
            "encoder": {"20": {"numba-lstm": times, "numba-qrnn": times}},
            "pipe": {"20": {"textcat": times}},
        },
        "long_doc": {"tokens": 500, "models": {"numba-lstm": entry, "numba-qrnn": entry}},
        "compile": {
            "first": {**compiled, "compilations": 30},
            "second": {**compiled, "compilations": 0},
        },
        "import": {
            "n_times": 3,
            "with": parts,
            "without": parts,
            "extra_import_ms": 5.0,
            "extra_blank_ms": 15.0,
            "extra_ms": 20.0,
        },
        "gpu": {
            "device": "cuda",
            "name": "a GPU",
            "batch_size": 128,
            "texts": {"short": text},
            "scans": {"QRNN": {"short": scan}},
        },
    }


@pytest.fixture
def made_up() -> Dict[str, Any]:
    """Sections with round figures."""
    sections = {"encoder": _encoder(), "pipe": _pipe(), "threads": _threads(), "growth": _growth()}
    return copy.deepcopy({**sections, **_small()})


@pytest.fixture
def machine() -> Dict[str, Any]:
    """A machine."""
    return {"cpu": "a CPU", "cores": 2, "numpy_blas": ["openblas 0.3"], "openblas_settings": {}}


@pytest.fixture
def page() -> str:
    """The page that explains the figures."""
    return (Path(__file__).parents[2] / "docs" / "speed.md").read_text(encoding="utf8")
