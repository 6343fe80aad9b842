"""The comparison of latent vectors by their settings."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from benchmarks.latent_width import app, table

WORDS = {"GOOD": ["lovely", "superb", "witty", "tender"], "BAD": ["dull", "stale", "awful", "flat"]}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every pair of words of a kind in train; in test a word alone."""
    path = tmp_path_factory.mktemp("corpus")
    nlp = spacy.blank("en")
    pairs = [(label, f"{a} {b}") for label, own in WORDS.items() for a in own for b in own]
    words = [(label, word) for label, own in WORDS.items() for word in own]
    for part, texts in (("train", pairs), ("dev", words), ("test", words)):
        docs = []
        for label, text in texts:
            docs.append(nlp.make_doc(text))
            docs[-1].cats = {name: float(name == label) for name in WORDS}
        DocBin(docs=docs).to_disk(path / f"{part}.spacy")
    return path


def test_latent_vectors_tell_of_words_without_labels(corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "latent.json"
    options = [str(corpus), "--n-labels", "2", "--seeds", "2", "--widths", "2", "--min-texts", "1"]
    options += ["--max-shares", "1.0", "--output", str(output)]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    runs = json.loads(output.read_text("utf8"))["runs"]
    assert [(run["setting"], run["seed"]) for run in runs] == [
        (None, 0),
        (None, 1),
        ([2, 1.0], 0),
        ([2, 1.0], 1),
    ]
    assert max(run["test"] for run in runs[:2]) < 1.0
    assert all(run["test"] == 1.0 for run in runs[2:])


def test_the_table_has_means_over_the_samples() -> None:
    runs = [
        {"seed": seed, "setting": setting, "dev": score, "test": score / 2}
        for seed, setting, score in (
            (0, None, 0.6),
            (1, None, 0.8),
            (0, (25, 0.03), 0.5),
            (1, (25, 0.03), 0.5),
        )
    ]
    found = table(runs, "mr", 100)
    assert found.rows == [["none", "", "70.0", "35.0"], ["25", "0.03", "50.0", "25.0"]]
    assert "100 labelled texts" in found.notes[0]


@pytest.mark.parametrize("options", [[], ["--raw", "none.spacy"]])
def test_files_that_are_not_there_are_errors(
    corpus: Path, tmp_path: Path, options: list[str]
) -> None:
    result = CliRunner().invoke(app, [str(corpus if options else tmp_path), *options])
    assert result.exit_code == 2
    assert ".spacy" in result.output
