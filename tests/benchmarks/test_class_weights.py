"""The comparison of class weights: what is trained, what is read off, and that it can be gone on
with."""

import json
import math
from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from benchmarks import class_weights
from benchmarks.class_weights import app, label_table, summarize, table


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine texts of one label, and one of the other, in each part."""
    path = tmp_path_factory.mktemp("corpus")
    nlp = spacy.blank("en")
    docs = [nlp.make_doc("a frequent text") for _ in range(9)] + [nlp.make_doc("something rare")]
    for i, doc in enumerate(docs):
        doc.cats = {"OFTEN": float(i < 9), "RARE": float(i == 9)}
    for part in ("train", "dev", "test"):
        DocBin(docs=docs).to_disk(path / f"{part}.spacy")
    return path


def run(corpus: Path, output: Path, *options: str) -> str:
    arguments = ["--corpus", str(corpus), "--output", str(output), "--max-steps", "2", *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return str(result.output)


def made(setting: str, seed: int, accuracy: float) -> Dict[str, Any]:
    scores = {"accuracy": accuracy, "macro_f": accuracy / 2, "f_per_label": {"A": accuracy}}
    return {"setting": setting, "seed": seed, "minutes": 1.0, "dev": scores, "test": scores}


@pytest.mark.slow
def test_each_setting_is_trained_once_for_each_seed(corpus, tmp_path, monkeypatch):
    output = tmp_path / "found.json"
    printed = run(corpus, output, "--seeds", "2", "--settings", "null,balanced")
    assert "Macro-F1" in printed
    names = sorted(path.name for path in (tmp_path / "found").iterdir())
    assert names == ["balanced-0.json", "balanced-1.json", "null-0.json", "null-1.json"]
    results = json.loads(output.read_text("utf8"))
    assert [(r["setting"], r["seed"]) for r in results["runs"]] == [
        ("null", 0),
        ("balanced", 0),
        ("null", 1),
        ("balanced", 1),
    ]
    assert set(results["summary"]["null"]["f_per_label"]) == {"OFTEN", "RARE"}

    trained: List[str] = []

    def train(config: Path, folder: str, overrides: Dict[str, Any]) -> None:
        trained.append(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(class_weights, "train", train)
    run(corpus, output, "--seeds", "2", "--settings", "null,balanced")
    assert trained == []
    # Of other trainings, nothing is there.
    CliRunner().invoke(app, ["--corpus", str(corpus), "--output", str(output), "--max-steps", "3"])
    assert len(trained) == 1


def test_the_summary_has_mean_and_spread():
    runs = [made("null", 0, 0.8), made("null", 1, 0.9), made("balanced", 0, 0.7)]
    found = summarize(runs)
    assert found["null"]["runs"] == 2
    accuracy = found["null"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(0.85)
    assert accuracy["deviation"] == pytest.approx(0.1 / math.sqrt(2))
    assert (accuracy["min"], accuracy["max"]) == (0.8, 0.9)
    assert found["balanced"]["macro_f"]["deviation"] == 0.0
    rows = table(runs).rows
    assert [row[:2] for row in rows] == [["null", "2"], ["balanced", "1"]]
    assert rows[0][2] == "85.0 ± 7.1 (80.0-90.0)"
    assert label_table(runs).rows == [["A", "85.0", "70.0"]]


@pytest.mark.parametrize("options", [["--settings", "heavy"], ["--corpus", "no_such"]])
def test_what_cannot_be_done_is_told(corpus, options, tmp_path):
    arguments = ["--corpus", str(corpus), "--output", str(tmp_path / "found.json"), *options]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert not (tmp_path / "found.json").exists()
