"""Readers for the file formats that a user may bring: .jsonl, .csv, .tsv and .spacy."""

import csv
import hashlib
import io
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple

import srsly
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from datalib.errors import DataError
from datalib.records import Record, check_record

# In .csv and .tsv, with --multilabel, several labels stand in one cell.
LABEL_SEPARATOR = "|"
FORMATS_HELP = (
    ".jsonl (one JSON object a line, with a text and a label), .csv or .tsv (with a header), "
    "or .spacy (a DocBin of docs with doc.cats)"
)


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file.

    vocab (Vocab): The vocabulary for docs that come from a .spacy file.
    text_column (str): Column or key that holds the text.
    label_column (str): Column or key that holds the label.
    multilabel (bool): Whether any number of labels may hold for a text.
    """

    vocab: Vocab
    text_column: str = "text"
    label_column: str = "label"
    multilabel: bool = False


def read_records(path: Path, options: ReadOptions) -> List[Record]:
    """Read a file of labelled texts; the suffix of its name says in which format.

    path (Path): The file.
    options (ReadOptions): Names of the columns, and the mode.
    RETURNS (List[Record]): The records, in the order of the file. Never empty.
    RAISES (DataError): If the file is missing, of an unknown kind, unreadable, or holds a
        record that does not fit.
    """
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no file"
        raise DataError(
            f"Found {what} at {path}, expected a file.",
            f"Check the path. The file can be {FORMATS_HELP}.",
        )
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"Unknown file format '{path.suffix}' of {path}.",
            f"Expected {FORMATS_HELP}. Convert the file, or give it the right suffix.",
        )
    records = reader(path, options)
    if not records:
        raise DataError(f"Found no records in {path}.", "Expected at least one labelled text.")
    for record in records:
        check_record(record, options.multilabel)
    return records


def sha256_of(path: Path) -> str:
    """The SHA-256 checksum of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file_:
        while chunk := file_.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_text(path: Path) -> str:
    """Read a text file in UTF-8 (a byte order mark is skipped), or say which line is not."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise DataError(
            f"Line {line} of {path} is not valid UTF-8 (byte 0x{data[err.start]:02x}).",
            "Expected text encoded in UTF-8. Save the file as UTF-8, for instance with: "
            f"iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8{path.suffix}",
        ) from err


def read_jsonl(path: Path, options: ReadOptions) -> List[Record]:
    """Read one JSON object a line: {"text", "label"}, {"text", "labels"} or {"text", "cats"}."""
    records = []
    # Not str.splitlines(): it would also cut at characters that are legal inside JSON strings.
    for number, line in enumerate(io.StringIO(read_text(path), newline=None), start=1):
        if line.strip():
            where = f"line {number} of {path.name}"
            records.append(_record_from_json(line, where, options))
    return records


def _record_from_json(line: str, where: str, options: ReadOptions) -> Record:
    try:
        entry = srsly.json_loads(line)
    except (ValueError, RecursionError) as err:
        raise DataError(
            f"Invalid JSON at {where}: {err}.",
            'Expected one JSON object a line, such as {"text": "So good!", "label": "POSITIVE"}.',
        ) from err
    if not isinstance(entry, dict):
        raise DataError(
            f"Found a JSON {type(entry).__name__} at {where}, expected an object.",
            'Write one object a line, such as {"text": "So good!", "label": "POSITIVE"}.',
        )
    text = entry.get(options.text_column)
    if not isinstance(text, str):
        raise DataError(
            f"Key '{options.text_column}' is missing or not a string at {where}.",
            f"Found the keys: {', '.join(entry) or 'none'}. Expected the text under "
            f"'{options.text_column}'; name another key with --text-column.",
        )
    labels, known = _labels_from_json(entry, where, options)
    source = entry.get("source", "")
    return Record(text, labels, known, source if isinstance(source, str) else "", where)


def _labels_from_json(
    entry: Dict[str, Any], where: str, options: ReadOptions
) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """The labels that hold, and all that are named."""
    keys = [key for key in (options.label_column, "labels", "cats") if entry.get(key) is not None]
    if len(keys) != 1:
        found = " and ".join(f"'{key}'" for key in keys) or "none"
        raise DataError(
            f"Label missing at {where}." if not keys else f"Found {found} at {where}.",
            f"Expected exactly one of the keys '{options.label_column}', 'labels' or 'cats'. "
            f"Found {found} among: {', '.join(entry)}. Name another key with --label-column.",
        )
    value = entry[keys[0]]
    if keys[0] == "cats" and isinstance(value, dict):
        return _labels_from_cats(value, where)
    if keys[0] == "labels" and isinstance(value, list):
        labels = tuple(dict.fromkeys(_as_label(label, where) for label in value))
        return labels, labels
    if keys[0] == options.label_column:
        return (_as_label(value, where),), ()
    raise DataError(
        f"'{keys[0]}' is a JSON {type(value).__name__} at {where}.",
        "Expected 'labels' as a list of strings, and 'cats' as an object of labels with 0 or 1.",
    )


def _as_label(value: Any, where: str) -> str:
    """A label as a string; whole numbers are taken too, since many data sets use 0 and 1."""
    if isinstance(value, (str, int)):
        return str(value).strip()
    raise DataError(
        f"Found a label of type {type(value).__name__} at {where}: {value!r}.",
        "Expected a string, or a whole number.",
    )


def _labels_from_cats(
    cats: Mapping[str, Any], where: str
) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    if not cats:
        raise DataError(
            f"Label missing at {where}: the categories are empty.",
            "Expected a 0 or 1 for each label, such as {'POSITIVE': 1, 'NEGATIVE': 0}.",
        )
    for label, value in cats.items():
        if not isinstance(value, (int, float)) or value not in (0, 1):
            raise DataError(
                f"Category '{label}' is {value!r} at {where}, expected 0 or 1.",
                "A label either holds for a text or does not. Round the values first.",
            )
    return tuple(label for label, value in cats.items() if value == 1), tuple(cats)


def read_csv(path: Path, options: ReadOptions) -> List[Record]:
    """Read comma-separated values with a header; quotes as in RFC 4180."""
    with _long_cells():
        rows = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
        numbered = _numbered_rows(rows, path)
        return _records_from_table(numbered, path, options)


def _numbered_rows(rows: Any, path: Path) -> Iterator[Tuple[int, List[str]]]:
    """Rows with the number of the line on which each ends."""
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as err:
        raise DataError(
            f"Cannot read line {rows.line_num} of {path.name}: {err}.",
            "Expected comma-separated values. Put a cell that contains a comma, a quote or a line "
            'break in double quotes, and write a quote inside it twice ("").',
        ) from err


@contextmanager
def _long_cells() -> Iterator[None]:
    """Allow cells of any length: the default limit of 128 KB is less than a book chapter."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def read_tsv(path: Path, options: ReadOptions) -> List[Record]:
    """Read tab-separated values with a header: one record a line.

    The format knows no quoting, so a quote at the start of a text is a quote. Cells that are
    quoted as a whole, as spreadsheets write them, are unquoted.
    """
    lines = enumerate(io.StringIO(read_text(path), newline=None), start=1)
    rows = (
        (number, [_unquote(c) for c in line.rstrip("\n").split("\t")]) for number, line in lines
    )
    return _records_from_table(rows, path, options)


def _unquote(cell: str) -> str:
    inner = cell[1:-1]
    # Only if every quote inside is doubled: '"Alien" or "Aliens"' is not quoted as a whole.
    quoted = len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell


def _records_from_table(
    rows: Iterator[Tuple[int, List[str]]], path: Path, options: ReadOptions
) -> List[Record]:
    _, header = next(rows, (1, []))
    columns = [name.strip() for name in header]
    at_text = _find_column(columns, options.text_column, "--text-column", path)
    at_label = _find_column(columns, options.label_column, "--label-column", path)
    at_source = columns.index("source") if "source" in columns else None
    records = []
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        where = f"line {number} of {path.name}"
        if len(row) != len(columns):
            raise DataError(
                f"Found {len(row)} cells at {where}, expected {len(columns)}.",
                f"The header names the columns: {', '.join(columns)}. Check the delimiters and "
                "the quotes of this line.",
            )
        if not row[at_label].strip() and not options.multilabel:
            raise DataError(
                f"Label missing at {where}.",
                f"Column '{options.label_column}' is empty. Fill it in, or remove the line.",
            )
        labels = _split_labels(row[at_label], options.multilabel)
        source = row[at_source] if at_source is not None else ""
        records.append(Record(row[at_text], labels, (), source, where))
    return records


def _split_labels(cell: str, multilabel: bool) -> Tuple[str, ...]:
    if not multilabel:
        return (cell.strip(),)
    labels = (label.strip() for label in cell.split(LABEL_SEPARATOR))
    return tuple(dict.fromkeys(label for label in labels if label))


def _find_column(columns: Sequence[str], name: str, option: str, path: Path) -> int:
    if columns.count(name) == 1:
        return columns.index(name)
    found = "more than one column" if name in columns else "no column"
    raise DataError(
        f"Found {found} '{name}' in line 1 of {path.name}.",
        f"Expected a header with this name once; found: {', '.join(columns) or 'nothing'}. "
        f"Add a header, or name the right column with {option}.",
    )


def read_docbin(path: Path, options: ReadOptions) -> List[Record]:
    """Read the docs of a DocBin; each must have doc.cats with values of 0 or 1."""
    try:
        docs = list(DocBin().from_disk(path).get_docs(options.vocab))
    except (zlib.error, ValueError, KeyError, TypeError, IndexError, AttributeError) as err:
        raise DataError(
            f"Cannot read {path} as a DocBin: {err or type(err).__name__}.",
            "Expected a file written by DocBin.to_disk() or by `spacy convert`. The file may be "
            "damaged or of another format: write it again.",
        ) from err
    records = []
    for number, doc in enumerate(docs, start=1):
        where = f"doc {number} of {path.name}"
        labels, known = _labels_from_cats(doc.cats, where)
        source = doc.user_data.get("source", "")
        records.append(Record(doc.text, labels, known, str(source), where, doc))
    return records


READERS: Dict[str, Callable[[Path, ReadOptions], List[Record]]] = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".spacy": read_docbin,
}
