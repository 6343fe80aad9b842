"""Bare texts of labelled corpora."""

from pathlib import Path

import spacy
import srsly
from spacy.tokens import DocBin
from typer.testing import CliRunner
from unlabel import app


def write(path: Path, *texts: str) -> str:
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(text) for text in texts]
    for doc in docs:
        doc.cats = {"GOOD": 1.0}
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return str(path)


def test_each_text_is_written_once_and_without_its_label(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "a.spacy", "One.", "Two  of\nthem."),
        write(tmp_path / "b.spacy", "One."),
    ]
    output = tmp_path / "raw" / "texts.jsonl"
    result = CliRunner().invoke(app, [str(output), *files])
    assert result.exit_code == 0, result.output
    assert list(srsly.read_jsonl(output)) == [{"text": "One."}, {"text": "Two  of\nthem."}]
    assert [path.name for path in output.parent.iterdir()] == ["texts.jsonl"]


def test_what_is_no_corpus_leaves_the_output_as_it_was(tmp_path: Path) -> None:
    output = tmp_path / "texts.jsonl"
    output.write_text("kept", encoding="utf8")
    broken = tmp_path / "broken.spacy"
    broken.write_bytes(b"not a corpus")
    for path, said in ((broken, "Cannot read"), (tmp_path / "missing.spacy", "Cannot read")):
        result = CliRunner().invoke(app, [str(output), str(path)])
        assert result.exit_code == 1
        assert said in result.output
    empty = CliRunner().invoke(app, [str(output), write(tmp_path / "empty.spacy", " ")])
    assert empty.exit_code == 1
    assert "Found no text" in empty.output
    assert output.read_text(encoding="utf8") == "kept"
