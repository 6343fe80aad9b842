"""What `convert` reads, and what it says about input that it cannot use."""

import csv
from pathlib import Path
from typing import Dict, Sequence, Set, Tuple

import pytest
import srsly
from data_helpers import (
    csv_bytes,
    fail,
    jsonl_bytes,
    load,
    load_all,
    some_entries,
    succeed,
    true_labels,
    write_jsonl,
)
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

# Input formats


def _docs_of(folder: Path) -> Set[Tuple[str, Tuple[str, ...], Tuple[str, ...]]]:
    docs = [doc for part in load_all(folder).values() for doc in part]
    return {(doc.text, true_labels(doc), tuple(sorted(doc.cats))) for doc in docs}


TEXTS = [f'Number {i}, "quoted"' for i in range(19)] + ['"Alien" is better than "Aliens"']


def _docbin(cats: Sequence[Dict[str, float]]) -> bytes:
    docs = []
    for text, doc_cats in zip(TEXTS, cats, strict=True):
        doc = Doc(Vocab(), words=[text], spaces=[False])
        doc.cats = doc_cats
        docs.append(doc)
    return bytes(DocBin(docs=docs).to_bytes())


LABELS = ["yes" if i % 2 else "no" for i in range(20)]
CATS = [{"yes": float(label == "yes"), "no": float(label == "no")} for label in LABELS]
PAIRS = list(zip(TEXTS, LABELS, strict=True))
SINGLE = {
    "label.jsonl": jsonl_bytes([{"text": t, "label": lb} for t, lb in PAIRS]),
    "labels.jsonl": jsonl_bytes([{"text": t, "labels": [lb]} for t, lb in PAIRS]),
    "cats.jsonl": jsonl_bytes(
        [{"text": t, "cats": c, "label": None} for t, c in zip(TEXTS, CATS, strict=True)]
    ),
    "bools.jsonl": jsonl_bytes(
        [{"text": t, "cats": {"yes": lb == "yes", "no": lb == "no"}} for t, lb in PAIRS]
    ),
    "crlf.jsonl": jsonl_bytes([{"text": t, "label": lb} for t, lb in PAIRS]).replace(
        b"\n", b"\r\n\r\n"
    ),
    "table.csv": csv_bytes([["label", "id", "text"], *([lb, "7", t] for t, lb in PAIRS)]),
    "bom.csv": b"\xef\xbb\xbf" + csv_bytes([["text", "label"], *PAIRS]),
    "plain.tsv": "\n".join(["text\tlabel", *("\t".join(p) for p in PAIRS)]).encode(),
    "quoted.tsv": b"".join(
        b'"%s"\t"%s"\r\n' % (t.replace('"', '""').encode(), lb.encode())
        for t, lb in [("text", "label"), *PAIRS]
    ),
    "UPPER.CSV": csv_bytes([["text", "label"], *PAIRS]),
    "docs.spacy": _docbin(CATS),
}


@pytest.mark.parametrize("name", SINGLE)
def test_every_format_gives_the_same_docs(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(SINGLE[name])
    succeed("convert", tmp_path / name, tmp_path / "out")
    assert _docs_of(tmp_path / "out") == {(t, (lb,), ("no", "yes")) for t, lb in PAIRS}


SETS = [("a", "b")[: i % 3] for i in range(20)]
MULTI = {
    "labels.jsonl": jsonl_bytes(
        [{"text": t, "labels": list(s)} for t, s in zip(TEXTS, SETS, strict=True)]
    ),
    "cats.jsonl": jsonl_bytes(
        [
            {"text": t, "cats": {"a": int("a" in s), "b": int("b" in s)}}
            for t, s in zip(TEXTS, SETS, strict=True)
        ]
    ),
    "table.csv": csv_bytes([["text", "label"], *zip(TEXTS, map(" | ".join, SETS), strict=True)]),
    "docs.spacy": _docbin([{"a": float("a" in s), "b": float("b" in s)} for s in SETS]),
}


@pytest.mark.parametrize("name", MULTI)
def test_every_format_can_have_any_number_of_labels(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(MULTI[name])
    succeed("convert", tmp_path / name, tmp_path / "out", "--multilabel")
    expected = {(t, tuple(s), ("a", "b")) for t, s in zip(TEXTS, SETS, strict=True)}
    assert _docs_of(tmp_path / "out") == expected
    assert srsly.read_json(tmp_path / "out" / "meta.json")["multilabel"] is True


def test_columns_can_have_other_names(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(csv_bytes([["review", "stars"], *PAIRS]))
    options = ("--text-column", "review", "--label-column", "stars")
    succeed("convert", tmp_path / "in.csv", tmp_path / "out", *options)
    assert len(_docs_of(tmp_path / "out")) == 20


def test_cells_may_hold_line_breaks_and_be_long(tmp_path: Path) -> None:
    texts = [f"line {i}\n" + "word " * 40_000 for i in range(2)] + [f"t{i}" for i in range(8)]
    before = csv.field_size_limit(5000)
    (tmp_path / "in.csv").write_bytes(
        csv_bytes([["text", "label"], *([t, "ab"[i % 2]] for i, t in enumerate(texts))])
    )
    succeed("convert", tmp_path / "in.csv", tmp_path / "out")
    assert {text for text, _, _ in _docs_of(tmp_path / "out")} == set(texts)
    # A setting of the whole process, which must be left as it was.
    assert csv.field_size_limit(before) == 5000


def test_docs_of_a_docbin_keep_their_annotations(tmp_path: Path) -> None:
    docs = []
    for i in range(20):
        doc = Doc(Vocab(), words=["un", "split", str(i)], tags=["A", "B", "C"])
        doc.cats = {"x": float(i % 2), "y": float(not i % 2)}
        docs.append(doc)
    DocBin(docs=docs).to_disk(tmp_path / "in.spacy")
    succeed("convert", tmp_path / "in.spacy", tmp_path / "out")
    for doc in load(tmp_path / "out", "train"):
        assert [token.tag_ for token in doc] == ["A", "B", "C"]


def test_language_decides_on_the_tokenizer(tmp_path: Path) -> None:
    entries = [{"text": f"Don't {i}", "label": "ab"[i % 2]} for i in range(10)]
    path = write_jsonl(tmp_path / "in.jsonl", entries)
    for lang, n_tokens in (("en", 3), ("xx", 2)):
        succeed("convert", path, tmp_path / lang, "--lang", lang)
        assert {len(doc) for doc in load(tmp_path / lang, "train")} == {n_tokens}


# Bad input: the name of the file, what is in it, and what the message says

GOOD_LINE = b'{"text": "fine", "label": "A"}\n'
BAD_INPUT = {
    "suffix": ("in.txt", b"text", ["Unknown file format '.txt'", ".jsonl"]),
    "empty file": ("in.jsonl", b"", ["no records"]),
    "empty table": ("in.csv", b"", ["no column 'text' in line 1"]),
    "header only": ("in.csv", b"text,label\n", ["no records"]),
    "bad json": ("in.jsonl", GOOD_LINE + b"{'text'\n", ["Invalid JSON at line 2 of in.jsonl"]),
    "deep json": ("in.jsonl", b"[" * 5000, ["line 1"]),
    "not an object": ("in.jsonl", b'["a"]\n', ["JSON list at line 1", "expected an object"]),
    "no text key": ("in.jsonl", b'{"txt": "a", "label": "b"}\n', ["'text' is missing", "txt"]),
    "text not a string": ("in.jsonl", b'{"text": 3, "label": "b"}\n', ["not a string at line 1"]),
    "no label key": ("in.jsonl", GOOD_LINE + b'{"text": "a"}\n', ["Label missing at line 2"]),
    "two label keys": (
        "in.jsonl",
        b'{"text": "a", "label": "b", "cats": {"b": 1}}\n',
        ["Found 'label' and 'cats' at line 1"],
    ),
    "label of wrong type": ("in.jsonl", b'{"text": "a", "label": 0.5}\n', ["type float at line 1"]),
    "labels not a list": (
        "in.jsonl",
        b'{"text": "a", "labels": "b"}\n',
        ["'labels' is a JSON str"],
    ),
    "empty label": ("in.jsonl", b'{"text": "a", "label": " "}\n', ["Label missing at line 1"]),
    "empty text": (
        "in.jsonl",
        GOOD_LINE + b'{"text": " ", "label": "b"}\n',
        ["Empty text at line 2"],
    ),
    "no label": ("in.jsonl", b'{"text": "a", "labels": []}\n', ["Found 0 labels", "--multilabel"]),
    "two labels": (
        "in.jsonl",
        b'{"text": "a", "cats": {"x": 1, "y": 1}}\n',
        ["Found 2 labels (x, y) at line 1", "--multilabel"],
    ),
    "empty cats": ("in.jsonl", b'{"text": "a", "cats": {}}\n', ["Label missing at line 1"]),
    "fraction": ("in.jsonl", b'{"text": "a", "cats": {"x": 0.3}}\n', ["'x' is 0.3", "0 or 1"]),
    "cat not a number": ("in.jsonl", b'{"text": "a", "cats": {"x": "1"}}\n', ["'x' is '1'"]),
    "single label": ("in.jsonl", GOOD_LINE * 9, ["single label only: A"]),
    "few texts": (
        "in.jsonl",
        GOOD_LINE + b'{"text": "b", "label": "B"}\n',
        ["Found 2 different texts: too few"],
    ),
    "latin-1": ("in.csv", "text,label\na,b\ncaf\xe9,c\n".encode("latin-1"), ["Line 3", "0xe9"]),
    "utf-16": ("in.tsv", "text\tlabel\n".encode("utf-16"), ["not valid UTF-8", "iconv"]),
    "no column": ("in.csv", b"Text,label\na,b\n", ["no column 'text'", "Text, label"]),
    "column twice": ("in.csv", b"text,label,label\na,b,c\n", ["more than one column 'label'"]),
    "short row": ("in.csv", b"text,label\na,b\nc\n", ["1 cells at line 3", "expected 2"]),
    "long row": ("in.tsv", b"text\tlabel\na\tb\tc\n", ["3 cells at line 2", "expected 2"]),
    "open quote": ("in.csv", b'text,label\n"a,b\n', ["Cannot read line 2 of in.csv"]),
    "no label in table": ("in.csv", b"text,label\na,\n", ["Label missing at line 2"]),
    "not a docbin": ("in.spacy", b"text", ["Cannot read", "as a DocBin"]),
    "cut docbin": ("in.spacy", _docbin(CATS)[:-9], ["Cannot read", "as a DocBin"]),
    "no cats": ("in.spacy", _docbin([{}] * 20), ["Label missing at doc 1 of in.spacy"]),
    "fraction in docbin": ("in.spacy", _docbin([{"x": 0.5}] * 20), ["'x' is 0.5 at doc 1"]),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_named_and_nothing_is_written(case: str, tmp_path: Path) -> None:
    name, data, expected = BAD_INPUT[case]
    (tmp_path / name).write_bytes(data)
    output = fail("convert", tmp_path / name, tmp_path / "out")
    for fragment in expected:
        assert fragment in output
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_missing_file_is_named(tmp_path: Path) -> None:
    assert "Found no file at" in fail("convert", tmp_path / "none.csv", tmp_path / "out")
    path = write_jsonl(tmp_path / "in.jsonl", some_entries())
    assert "Found a folder at" in fail("convert", path, tmp_path / "out", "--dev", tmp_path)


def test_no_label_at_all_is_refused_in_multilabel_mode_too(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", [{"text": f"{i}", "labels": []} for i in range(10)])
    assert "no label in the data" in fail("convert", path, tmp_path / "out", "--multilabel")


def test_unknown_language_is_named(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_entries())
    output = fail("convert", path, tmp_path / "out", "--lang", "qq")
    assert "tokenizer for the language 'qq'" in output


def test_conflicting_labels_and_unseen_labels_are_counted(tmp_path: Path) -> None:
    train = [*some_entries(), {"text": "TEXT number 3.", "label": "A"}]
    write_jsonl(tmp_path / "train.jsonl", train)
    for part in ("dev", "test"):
        write_jsonl(tmp_path / f"{part}.jsonl", [{"text": f"Only {part}", "label": "RARE"}])
    output = succeed("convert", tmp_path, tmp_path / "out")
    assert "1 texts occur with different labels" in output
    assert "No training text has these labels: RARE" in output
    meta = srsly.read_json(tmp_path / "out" / "meta.json")
    assert meta["texts_with_different_labels"] == 1
    assert meta["repeated_texts"] == {"train": 1, "dev": 0, "test": 0}
