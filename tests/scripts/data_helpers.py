"""What the tests of `scripts/data.py` share."""

import csv
import io
import json
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import srsly
from data import app
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from typer.testing import CliRunner, Result

ROOT = Path(__file__).parents[2]
EMBEDDED = ROOT / "assets" / "sentiment_sentences.jsonl"
PARTS = ("train", "dev", "test")
FILES = {"train.spacy", "dev.spacy", "test.spacy", "labels.json", "meta.json"}


def run(*args: Any) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def succeed(*args: Any) -> str:
    result = run(*args)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def fail(*args: Any) -> str:
    """Run a command that must end with a message and status 1, not with a traceback."""
    result = run(*args)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    return " ".join(result.output.split())


def load(folder: Path, part: str) -> List[Doc]:
    return list(DocBin().from_disk(folder / f"{part}.spacy").get_docs(Vocab()))


def load_all(folder: Path) -> Dict[str, List[Doc]]:
    return {part: load(folder, part) for part in PARTS}


def write_jsonl(path: Path, entries: Sequence[Dict[str, Any]]) -> Path:
    srsly.write_jsonl(path, entries)
    return path


def some_entries(n: int = 20) -> List[Dict[str, Any]]:
    return [{"text": f"Text number {i}.", "label": "AB"[i % 2]} for i in range(n)]


def contents(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def true_labels(doc: Doc) -> Tuple[str, ...]:
    return tuple(sorted(label for label, value in doc.cats.items() if value == 1.0))


def csv_bytes(rows: Sequence[Sequence[str]]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue().encode("utf-8")


def jsonl_bytes(entries: Sequence[Dict[str, Any]]) -> bytes:
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode("utf-8")
