"""spaCy's own tests, with our embedding and encoder where they use spaCy's; see `plugin.py`."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy.tests

from spacy_rnn.models.encoder import CELLS

REPOSITORY = Path(__file__).parents[2]
SPACY_TESTS = Path(spacy.tests.__file__).parent
FILES = [
    "test_models.py",
    "pipeline/test_annotates_on_update.py",
    "pipeline/test_models.py",
    "pipeline/test_tagger.py",
    "pipeline/test_textcat.py",
    "pipeline/test_tok2vec.py",
    "training/test_pretraining.py",
    "training/test_rehearse.py",
]


@dataclass(frozen=True)
class Excuse:
    """A test that fails for nothing but a threshold, tuned for what the convolution reaches.

    threshold (float): What the test demands of the loss after its 50 or 100 updates.
    loss (float): What the default encoder reaches by then.
    learn_rate (float): One at which the encoder passes the whole of the test. spaCy's tests
        train at 0.001.
    """

    threshold: float
    loss: float
    learn_rate: float


EXCUSED = {
    "pipeline/test_tagger.py::test_incomplete_data": Excuse(1e-5, 0.0012, 0.01),
    "pipeline/test_tagger.py::test_overfitting_IO": Excuse(1e-5, 0.022, 0.01),
    "pipeline/test_tok2vec.py::test_tok2vec_listener_overfitting": Excuse(1e-5, 0.035, 0.01),
    # Here the encoder is frozen as it was initialized: a linear layer on random features.
    "pipeline/test_tok2vec.py::test_tok2vec_frozen_overfitting": Excuse(1e-4, 1.95, 0.03),
}


def run_suite(tests: List[str], path: Path, *options: str) -> Dict[str, Any]:
    """Run some of spaCy's tests in a process of their own.

    tests (List[str]): Files or single tests, relative to spaCy's tests.
    path (Path): A directory for the report.
    RETURNS (Dict[str, Any]): The plugin's report.
    """
    report = path / "report.json"
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-c", os.devnull]
    command += ["--rootdir", str(SPACY_TESTS), "-p", "no:cacheprovider"]
    command += ["-p", "tests.spacy_suite.plugin", "--rnn-report", str(report), *options]
    command += [str(SPACY_TESTS / test) for test in tests]
    done = subprocess.run(
        command,
        cwd=path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    # 0: all passed, 1: some failed. Anything else is an error of pytest's or of the plugin.
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return json.loads(report.read_text(encoding="utf8"))


def missed_threshold(message: str) -> List[float]:
    """RETURNS (List[float]): Loss and threshold, or nothing for a failure of another kind."""
    found = re.fullmatch(r"assert (\S+) < (\S+)", message.strip().splitlines()[0])
    return [float(number) for number in found.groups()] if found else []


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Dict[str, Any]:
    return run_suite(FILES, tmp_path_factory.mktemp("suite"))


@pytest.mark.slow
def test_all_but_the_excused_tests_pass(report):
    unexcused = {test: why for test, why in report["failures"].items() if test not in EXCUSED}
    assert unexcused == {}
    assert report["outcomes"]["passed"] >= 120


@pytest.mark.parametrize("test", EXCUSED)
def test_an_excused_test_misses_its_threshold_by_no_more_than_is_listed(report, test):
    loss, threshold = missed_threshold(report["failures"][test])
    assert threshold == EXCUSED[test].threshold
    assert loss < 2 * EXCUSED[test].loss


def test_every_replacement_was_built(report):
    assert len(report["built"]) == 5
    assert all(report["built"].values()), report["built"]


@pytest.mark.slow
def test_excused_tests_pass_as_a_whole_at_a_higher_learn_rate(tmp_path):
    learn_rates = json.dumps({test: excuse.learn_rate for test, excuse in EXCUSED.items()})
    report = run_suite(list(EXCUSED), tmp_path, "--rnn-learn-rates", learn_rates)
    assert report["failures"] == {}
    assert report["outcomes"] == {"passed": len(EXCUSED)}


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_other_cells_and_slow_tests_fail_at_excused_thresholds_alone(cell, tmp_path):
    report = run_suite(FILES, tmp_path, "--rnn-cell", cell, "--slow")
    failures = report["failures"]
    assert set(failures) <= set(EXCUSED)
    assert report["outcomes"]["passed"] >= 170
    # What fails at another line than a threshold is right at the learn rate of its excuse: after
    # fifty small steps the MinGRU fits its two sentences, but takes an unlabelled word for a verb.
    others = [test for test, why in failures.items() if not missed_threshold(why)]
    if others:
        learn_rates = json.dumps({test: EXCUSED[test].learn_rate for test in others})
        again = run_suite(others, tmp_path, "--rnn-cell", cell, "--rnn-learn-rates", learn_rates)
        assert again["failures"] == {}
