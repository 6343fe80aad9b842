"""The comparison of shares: what is trained, and what is printed."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from benchmarks.linear_share import SHARES, app, describe, table


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus")
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(f"a {word} text") for word in ("good", "bad") * 5]
    for i, doc in enumerate(docs):
        doc.cats = {"GOOD": float(i % 2 == 0), "BAD": float(i % 2 == 1)}
    for part in ("train", "dev", "test"):
        DocBin(docs=docs).to_disk(path / f"{part}.spacy")
    return path


@pytest.mark.slow
def test_each_share_is_scored_beside_the_joint_sum(corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "shares.json"
    options = [str(corpus), "--max-steps", "40", "--output", str(output)]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    runs = json.loads(output.read_text("utf8"))["runs"]
    assert [run["what"] for run in runs] == [
        "the sum, learned jointly",
        *(describe(share) for share in SHARES),
    ]
    assert all(run["test"] == 1.0 for run in runs)
    assert "the network alone" in result.output


def test_the_table_has_means_over_the_seeds() -> None:
    runs = [
        {"seed": seed, "what": what, "dev": score, "test": score / 2}
        for seed, what, score in (
            (0, "one", 0.6),
            (1, "one", 0.8),
            (0, "two", 0.5),
            (1, "two", 0.5),
        )
    ]
    found = table(runs, "mr")
    assert found.rows == [["one", "70.0", "35.0"], ["two", "50.0", "25.0"]]
    assert "2 seeds" in found.notes[0]


def test_a_folder_without_a_part_is_an_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 2
    assert "train.spacy" in result.output
