"""The corpus of pairs: what it reads, and what it says of broken lines."""

import bz2
from pathlib import Path
from typing import Any

import pytest
import spacy
from numpy.testing import assert_array_equal

from spacy_rnn.pipeline.condition import VECTOR
from spacy_rnn.training.pairs import PairCorpus

LINES = ['{"text": "abc", "target": "A B C"}', "", '{"text": "", "target": null, "n": 3}']


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def read(path: Any, **settings: Any) -> Any:
    return list(PairCorpus(path, **settings)(spacy.blank("en")))


def test_sources_are_texts_and_targets_stand_in_the_references(tmp_path: Path) -> None:
    first, second = read(write(tmp_path / "pairs.jsonl", *LINES))
    assert (first.predicted.text, first.reference.text) == ("abc", "abc")
    assert first.reference._.seq2seq == "A B C"
    assert first.predicted._.seq2seq is None
    assert (second.predicted.text, second.reference._.seq2seq) == ("", None)


def test_files_may_be_several_and_compressed(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", LINES[0])
    (tmp_path / "b.jsonl.bz2").write_bytes(bz2.compress(LINES[2].encode()))
    assert [eg.reference._.seq2seq for eg in read(tmp_path)] == ["A B C", None]
    assert len(read([tmp_path / "a.jsonl", tmp_path])) == 3
    assert len(read(tmp_path, limit=1)) == 1


def test_keys_can_be_others(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", '{"word": "x", "sound": "y"}')
    [example] = read(path, text_key="word", target_key="sound")
    assert (example.predicted.text, example.reference._.seq2seq) == ("x", "y")


def test_vectors_are_in_both_docs(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.jsonl", '{"image": [0, 1.5], "target": "one"}')
    [example] = read(path, vector_key="image")
    for doc in (example.predicted, example.reference):
        assert_array_equal(doc.user_data[VECTOR], [0.0, 1.5])
    assert example.predicted.text == ""


@pytest.mark.parametrize(
    ("line", "settings", "message"),
    [
        ("{", {}, "E033.*line 1"),
        ("[1]", {}, "E034.*line 1.*list"),
        ('{"target": "x"}', {}, "E034.*'target'.*'text'.*set text_key"),
        ('{"text": 1, "target": "x"}', {}, "E034.*'text'"),
        ('{"text": "x"}', {}, "E034.*'target'.*set target_key"),
        (r'{"text": "\ud800", "target": "x"}', {}, "E033.*surrogate"),
        (r'{"text": "x", "target": "\udfff"}', {}, "E033.*surrogate"),
        ("3", {"vector_key": "v"}, "E034|E151"),
        ('{"text": "x", "target": 1}', {}, "E034.*'target'"),
        ('{"text": "x", "target": "y"}', {"vector_key": "v"}, "E151.*'v'"),
        ('{"v": ["a"], "target": "y"}', {"vector_key": "v"}, "E151.*line 1"),
        ('{"v": [], "target": "y"}', {"vector_key": "v"}, "E151"),
        ('{"v": [[1]], "target": "y"}', {"vector_key": "v"}, "E151"),
        ('{"v": [1, NaN], "target": "y"}', {"vector_key": "v"}, "E151|E033"),
    ],
)
def test_broken_lines_are_errors(tmp_path: Path, line: str, settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(write(tmp_path / "pairs.jsonl", line), **settings)


def test_missing_and_empty_files_are_errors(tmp_path: Path) -> None:
    for path, message in (
        (None, "E030"),
        (tmp_path / "none.jsonl", "E030"),
        (write(tmp_path / "empty.jsonl"), "E037"),
        (write(tmp_path / "texts.txt", "abc"), "E031.*names end in .jsonl, or"),
    ):
        with pytest.raises(ValueError, match=message):
            read(path)
    with pytest.raises(ValueError, match=r"E011.*limit"):
        PairCorpus("x.jsonl", limit=-1)
