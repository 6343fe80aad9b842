"""Nouns with a plural and without, told apart on a small cut of the real ones."""

import json
from pathlib import Path

import numpy
import plurals
import spacy
import typer
from spacy.vectors import Vectors
from typer.testing import CliRunner

CUT = Path(__file__).parent / "cuts" / "inflection.jsonl"
WORDS = ["forces", "force", "vanilla", "vanillas"]


def make_vectors(path: Path) -> Path:
    nlp = spacy.blank("en")
    data = numpy.eye(len(WORDS), 6, dtype="float32")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=WORDS)
    nlp.to_disk(path)
    return path


def test_nouns_are_described_by_how_rare_they_are_and_by_their_vectors(tmp_path: Path) -> None:
    table = plurals.NounVectors(make_vectors(tmp_path / "vectors"))
    force, name = table.features(["force", "Albion"])
    # Is it a name; and for the noun and for its plural the rank, and the vector.
    assert len(force) == 1 + 2 * (1 + 6)
    numpy.testing.assert_allclose(force[[0, 1, 8]], [0.0, numpy.log(3), numpy.log(2)], rtol=1e-6)
    assert list(force[2:8]) == [0, 1, 0, 0, 0, 0]
    assert list(force[9:]) == [1, 0, 0, 0, 0, 0]
    assert name[0] == 1.0
    assert name[1] > force[1]
    numpy.testing.assert_allclose(name[2:8], [0.25, 0.25, 0.25, 0.25, 0, 0])


def test_nouns_are_told_apart(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / f"{part}.jsonl").write_bytes(CUT.read_bytes())
    nouns, lacks = plurals.read_nouns(tmp_path / "test.jsonl")
    assert dict(zip(nouns, lacks))["viciousness"]
    assert not dict(zip(nouns, lacks))["vanilla"]
    app = typer.Typer()
    app.command()(plurals.main)
    words = [str(tmp_path), str(make_vectors(tmp_path / "vectors"))]
    result = CliRunner().invoke(app, [*words, "--output", str(tmp_path / "m.json")])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "m.json").read_text(encoding="utf8"))
    assert (found["nouns"], found["nouns without plural"]) == (13, 5)
    # It has seen them.
    assert found["letters"]["right"] == 1.0
    assert 0.0 <= found["letters and vectors"]["right"] <= 1.0
