"""Trainings of language models that are interrupted, and gone on with."""

import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import spacy
import srsly
import train_lm
from datalib.errors import DataError
from datalib.interrupted import find_start, is_finished, merge_logs, prepare, rest_of_rate
from spacy.util import load_config
from train_lm import app
from typer.testing import CliRunner

import spacy_rnn

ROOT = Path(spacy_rnn.__file__).parent.parent
CONFIG = ROOT / "configs" / "lm_transfer.cfg"
STEPS, EVERY = 400, 20


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    words = [f"the {a} saw the {b} ." for a in ("cat", "dog") for b in ("mat", "hat", "sun")]
    for part in ("train", "dev"):
        lines = [{"text": " ".join(words[i % 6 :] + words)} for i in range(12)]
        srsly.write_jsonl(folder / f"{part}.jsonl", lines)
    return folder


def overrides(texts: Path, steps: int = STEPS) -> Dict[str, Any]:
    return {
        "paths.train": str(texts / "train.jsonl"),
        "paths.dev": str(texts / "dev.jsonl"),
        "components.rnn_lm.model.width": 8,
        "initialize.components.rnn_lm.min_freq": 1,
        "components.rnn_lm.model.softmax.cutoffs": [4, 6],
        "training.batcher.n_streams": 2,
        "training.batcher.bptt": 5,
        "training.max_steps": steps,
        "training.eval_frequency": EVERY,
        "training.optimizer.learn_rate.total_steps": steps,
        "training.optimizer.learn_rate.warmup_steps": 10,
        "training.logger.progress_bar": None,
    }


def arguments(texts: Path, output: Path, steps: int = STEPS) -> List[str]:
    given = overrides(texts, steps).items()
    pairs = [
        [f"--{key}", value if isinstance(value, str) else srsly.json_dumps(value)]
        for key, value in given
    ]
    return [str(CONFIG), str(output), *(word for pair in pairs for word in pair)]


def run(texts: Path, output: Path, steps: int = STEPS) -> Any:
    result = CliRunner().invoke(app, arguments(texts, output, steps))
    assert result.exit_code == 0, result.output
    return result


def interrupt(texts: Path, output: Path, number: int) -> Any:
    """Start a training, and send a signal to it as soon as there are three evaluations."""
    command = [sys.executable, str(ROOT / "scripts" / "train_lm.py"), *arguments(texts, output)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # What a shell starts in the background does not hear it, nor what that starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    log = output / "log.0.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= 3):
        time.sleep(0.005)
    process.send_signal(number)
    printed = process.communicate(timeout=60)[0]
    return process.returncode, printed


def rate(step: int) -> float:
    """That of an uninterrupted training."""
    return 0.003 * (STEPS - step) / (STEPS - 10)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_training_goes_on_as_one(number: int, texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "lm"
    code, printed = interrupt(texts, output, number)
    assert code == (130 if number == signal.SIGINT else -number), printed
    assert "Traceback" not in printed
    assert not is_finished(output)
    before = merge_logs(output)
    done = run(texts, output)
    assert f"goes on from step {before[-1]['step']} of {STEPS}" in " ".join(done.output.split())
    rows = list(srsly.read_jsonl(output / "log.jsonl"))
    assert [row["step"] for row in rows] == list(range(0, STEPS + 1, EVERY))
    assert rows[: len(before)] == before
    assert [row["learn_rate"] for row in rows[1:]] == pytest.approx(
        [rate(row["step"]) for row in rows[1:]]
    )
    # It has not begun anew: no row is much worse than the one before it.
    perplexities = [row["scores"]["lm_perplexity"] for row in rows]
    assert all(b < 1.1 * a for a, b in pairwise(perplexities))
    for key in ("seconds", "words"):
        assert [row[key] for row in rows] == sorted(row[key] for row in rows)
    names = {path.name for path in output.iterdir()}
    assert {"model-best", "model-last", "training.json"} <= names
    assert not names & {"start", "training.json.tmp", "log.jsonl.tmp"}


def test_a_finished_training_is_left_alone(texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "lm"
    run(texts, output, 20)
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    assert "Nothing to do" in run(texts, output, 20).output
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before


def test_a_training_with_other_settings_is_set_aside(texts: Path, tmp_path: Path) -> None:
    output = tmp_path / "lm"
    run(texts, output, 20)
    best = (output / "model-best" / "rnn_lm" / "model").read_bytes()
    assert "lm.1" in run(texts, output, 40).output.replace("\n", "")
    assert (tmp_path / "lm.1" / "model-best" / "rnn_lm" / "model").read_bytes() == best
    assert [row["step"] for row in srsly.read_jsonl(output / "log.jsonl")] == [0, 20, 40]


@pytest.fixture(scope="module")
def unfinished(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a killed process leaves it, after step 40."""
    output = tmp_path_factory.mktemp("unfinished") / "lm"
    run(texts, output, 40)
    (output / "log.jsonl").unlink()
    merge_logs(output)
    return output


def remove(name: str) -> Callable[[Path], Any]:
    return lambda folder: shutil.rmtree(folder / name)


def truncate(name: str) -> Callable[[Path], Any]:
    def cut(folder: Path) -> None:
        for file in (folder / name).rglob("*"):
            if file.is_file():
                file.write_bytes(file.read_bytes()[:10])

    return cut


def half_copied(folder: Path) -> None:
    shutil.rmtree(folder / "model-best" / "rnn_lm")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ([], "model-best"),
        ([remove("model-best")], "model-last"),
        ([half_copied], "model-last"),
        ([truncate("model-best")], "model-last"),
        ([truncate("model-last")], "model-best"),
        ([truncate("model-best"), remove("model-last")], None),
    ],
)
def test_the_best_pipeline_that_is_whole_is_found(
    damage: List[Any], expected: Any, unfinished: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(unfinished, tmp_path / "lm"))
    for harm in damage:
        harm(folder)
    start = find_start(folder, EVERY)
    assert (start and start.path.name) == expected
    assert start is None or start.step == 40


def test_a_pipeline_that_was_saved_without_a_row_is_of_the_next_evaluation(
    unfinished: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(unfinished, tmp_path / "lm"))
    rows = list(srsly.read_jsonl(folder / "log.jsonl"))
    srsly.write_jsonl(folder / "log.jsonl", rows[:2])
    start = find_start(folder, EVERY)
    assert start is not None
    assert start.step == 40


def test_logs_of_several_runs_become_one(tmp_path: Path) -> None:
    def rows(*steps: int) -> List[Dict[str, Any]]:
        return [{"step": s, "epoch": s // 20, "seconds": s, "words": 7 * s} for s in steps]

    srsly.write_jsonl(tmp_path / "log.0.jsonl", rows(0, 10, 20, 30))
    srsly.write_jsonl(tmp_path / "log.20.jsonl", rows(0, 10))
    with (tmp_path / "log.20.jsonl").open("a") as file:
        file.write('{"step": 20, "epo')  # killed while writing
    srsly.write_jsonl(tmp_path / "log.100.jsonl", [])
    merged = merge_logs(tmp_path)
    assert [row["step"] for row in merged] == [0, 10, 20, 30]
    assert [row["seconds"] for row in merged] == [0, 10, 20, 30]
    assert [row["epoch"] for row in merged] == [0, 0, 1, 1]
    assert list(srsly.read_jsonl(tmp_path / "log.jsonl")) == merged == merge_logs(tmp_path)


@pytest.mark.parametrize("step", [0, 5, 10, 60, 99])
def test_the_rest_of_a_rate_goes_on_where_it_was(step: int) -> None:
    block = {
        "@schedules": "warmup_linear.v1",
        "initial_rate": 0.5,
        "warmup_steps": 10,
        "total_steps": 100,
    }

    def rates(block: Dict[str, Any]) -> List[float]:
        schedule = spacy.registry.resolve({"rate": block})["rate"]
        return [next(schedule) for _ in range(100)]

    whole, rest = rates(block), rates(rest_of_rate(block, step))
    first = max(step, 10)  # within the warmup it rises anew
    assert rest[first - step : 100 - step] == pytest.approx(whole[first:])
    assert rest_of_rate(0.25, step) == 0.25


def test_other_schedules_are_refused() -> None:
    with pytest.raises(DataError, match="cyclic"):
        rest_of_rate({"@schedules": "cyclic_triangular.v1"}, 3)


@pytest.mark.parametrize(
    ("config", "changes", "said"),
    [
        ("lm_transfer", ["--training.max_steps", "0"], "max_steps is 0"),
        ("lm_awd", [], "E030"),
        ("lm_transfer", ["--training.logger.@loggers", "spacy.ConsoleLogger.v3"], "Found the log"),
        ("textcat_lstm", [], "Expected one rnn_lm"),
    ],
)
def test_configs_that_cannot_be_gone_on_with_are_told(
    config: str, changes: List[str], said: str, tmp_path: Path
) -> None:
    path = ROOT / "configs" / f"{config}.cfg"
    given = [str(path), str(tmp_path / "lm"), *changes, "--paths.train", str(tmp_path / "none.txt")]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit), result.exception
    assert said in result.output


def test_a_run_without_an_evaluation_loses_nothing(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "lm"
    real = train_lm.train

    def half(nlp: Any, path: Path, **settings: Any) -> None:
        nlp.config["training"]["max_steps"] = 20
        real(nlp, path, **settings)
        raise KeyboardInterrupt

    def none(nlp: Any, path: Path, **settings: Any) -> None:
        for name in ("model-best", "model-last"):  # as spaCy does when a training begins
            shutil.rmtree(path / name, ignore_errors=True)
        raise KeyboardInterrupt

    for train in (half, none, none):
        monkeypatch.setattr("train_lm.train", train)
        result = CliRunner().invoke(app, arguments(texts, output, 40))
        assert result.exit_code == 130
        assert "20 steps" in result.output
    monkeypatch.setattr("train_lm.train", real)
    assert "goes on from step 20 of 40" in " ".join(run(texts, output, 40).output.split())
    assert [row["step"] for row in srsly.read_jsonl(output / "log.jsonl")] == [0, 20, 40]


def test_texts_that_have_grown_are_other_texts(texts: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(texts, tmp_path / "texts"))
    config = load_config(CONFIG, overrides(copy), interpolate=False)
    assert prepare(tmp_path / "lm", config) is None
    assert prepare(tmp_path / "lm", config) is None
    with (copy / "train.jsonl").open("a") as file:
        file.write('{"text": "one more"}\n')
    assert prepare(tmp_path / "lm", config) == tmp_path / "lm.1"
    assert not is_finished(tmp_path / "lm")
