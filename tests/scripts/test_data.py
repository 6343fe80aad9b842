"""The embedded data, splits, and how corpora are written."""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Dict, List

import pytest
import srsly
from data_helpers import (
    EMBEDDED,
    FILES,
    ROOT,
    contents,
    fail,
    load,
    load_all,
    run,
    some_entries,
    succeed,
    true_labels,
    write_jsonl,
)
from datalib.records import Record, fold
from datalib.splitting import drop_leaks, parse_shares, split_records
from spacy.tokens import Doc, DocBin

# The embedded data


def test_embedded_file_is_as_its_readme_says() -> None:
    readme = (ROOT / "assets" / "README.md").read_text(encoding="utf-8")
    found = hashlib.sha256(EMBEDDED.read_bytes()).hexdigest()
    assert f"SHA-256: `{found}`" in readme
    entries = [json.loads(line) for line in EMBEDDED.read_text(encoding="utf-8").splitlines()]
    assert len(entries) == 3000
    for row in re.findall(r"^\| (amazon|imdb|yelp) \| (\d+) \| (\d+) \|", readme, re.MULTILINE):
        source, positive, negative = row
        counts = Counter(entry["label"] for entry in entries if entry["source"] == source)
        assert counts == {"POSITIVE": int(positive), "NEGATIVE": int(negative)}
    texts = Counter(fold(entry["text"]) for entry in entries)
    repeated = [count for count in texts.values() if count > 1]
    assert f"{len({entry['text'] for entry in entries}):,} of the 3,000 texts" in readme
    assert f"different; {len(texts):,} if case is ignored. {len(repeated)} texts" in readme
    assert f"({sum(repeated)} lines together)" in readme


def test_embedded_texts_are_clean() -> None:
    for entry in map(json.loads, EMBEDDED.read_text(encoding="utf-8").splitlines()):
        assert list(entry) == ["text", "label", "source"]
        assert entry["text"] == entry["text"].strip() != ""
        assert all(char.isprintable() for char in entry["text"]), entry["text"]
        assert "\ufffd" not in entry["text"]


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded data, converted by the script as a user runs it, warnings being errors."""
    out_dir = tmp_path_factory.mktemp("corpus") / "sentences"
    script = str(ROOT / "scripts" / "data.py")
    command = [sys.executable, "-W", "error", script, "convert", str(EMBEDDED), str(out_dir)]
    subprocess.run(command, check=True, capture_output=True)
    return out_dir


@pytest.fixture(scope="module")
def sentence_docs(sentences: Path) -> Dict[str, List[Doc]]:
    return load_all(sentences)


def test_embedded_split_is_balanced_by_source_and_label(
    sentences: Path, sentence_docs: Dict[str, List[Doc]]
) -> None:
    assert set(contents(sentences)) == FILES
    assert srsly.read_json(sentences / "labels.json") == ["NEGATIVE", "POSITIVE"]
    meta = srsly.read_json(sentences / "meta.json")
    expected = {"train": 350, "dev": 50, "test": 100}
    for part, docs in sentence_docs.items():
        strata = Counter((doc.user_data["source"], *true_labels(doc)) for doc in docs)
        assert len(strata) == 6
        assert set(strata.values()) == {expected[part]}
        assert meta["parts"][part]["docs"] == len(docs) == 6 * expected[part]
    assert meta["seed"] == 0
    found = meta["input"]["train"]["sha256"]
    assert found == hashlib.sha256(EMBEDDED.read_bytes()).hexdigest()


def test_every_doc_has_all_labels_and_exactly_one_holds(
    sentence_docs: Dict[str, List[Doc]],
) -> None:
    for docs in sentence_docs.values():
        for doc in docs:
            assert set(doc.cats) == {"NEGATIVE", "POSITIVE"}
            assert sorted(doc.cats.values()) == [0.0, 1.0]


def test_embedded_split_loses_no_sentence_and_shares_none(
    sentence_docs: Dict[str, List[Doc]],
) -> None:
    parts = {part: [doc.text for doc in docs] for part, docs in sentence_docs.items()}
    given = [json.loads(line)["text"] for line in EMBEDDED.read_text("utf-8").splitlines()]
    assert sorted(text for texts in parts.values() for text in texts) == sorted(given)
    folded = {part: {fold(text) for text in texts} for part, texts in parts.items()}
    assert not folded["train"] & folded["dev"]
    assert not folded["train"] & folded["test"]
    assert not folded["dev"] & folded["test"]


# Splits


def test_same_seed_gives_the_same_bytes_and_another_seed_another_split(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_entries(50))
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        succeed("convert", path, tmp_path / name, "--seed", seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    tests = [{doc.text for doc in load(tmp_path / name, "test")} for name in ("b", "c")]
    assert tests[0] != tests[1]


def test_same_text_in_other_case_or_spacing_stays_in_one_part() -> None:
    records = []
    for i in range(100):
        variants = (f"Text {i} here", f"TEXT  {i} here", f" text {i}\nhere ")
        records += [Record(text, ("AB"[i % 2],)) for text in variants]
    parts = split_records(records, parse_shares("40,30,30"), seed=3)
    folded = {name: {fold(record.text) for record in part} for name, part in parts.items()}
    assert sum(len(texts) for texts in folded.values()) == 100
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 120,
        "dev": 90,
        "test": 90,
    }


def test_split_follows_the_shares_in_every_stratum() -> None:
    sizes = {("A", "x"): 211, ("A", "y"): 37, ("B", "x"): 5, ("C", "y"): 90}
    records = [
        Record(f"{label} {source} {i}", (label,), source=source)
        for (label, source), size in sizes.items()
        for i in range(size)
    ]
    parts = split_records(records, parse_shares("70,10,20"), seed=0)
    for share, part in zip((0.7, 0.1, 0.2), parts.values(), strict=True):
        assert abs(len(part) - share * len(records)) <= 1
        found = Counter((record.labels[0], record.source) for record in part)
        for stratum, size in sizes.items():
            assert abs(found[stratum] - share * size) <= 2


def test_split_does_not_keep_the_order_of_the_labels() -> None:
    records = [Record(f"{i}", ("A" if i < 500 else "B",)) for i in range(1000)]
    train = split_records(records, parse_shares("80,10,10"), seed=0)["train"]
    assert 20 < sum(record.labels == ("A",) for record in train[:80]) < 60


def test_shares_are_exact() -> None:
    assert parse_shares("33.3, 1,0.1")["train"] == Fraction(333, 10)


@pytest.mark.parametrize("split", ["70,30", "70,30,0", "a,b,c", "1,2,3,4", "", "-1,1,1", "1/0,1,1"])
def test_unusable_split_is_refused(split: str, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_entries())
    assert f"Cannot use '{split}'" in fail("convert", path, tmp_path / "out", f"--split={split}")


def test_leaks_are_dropped_from_the_earlier_part() -> None:
    def records(*texts: str) -> List[Record]:
        return [Record(text, ("A",)) for text in texts]

    given = {"train": records("a", "B ", "c"), "dev": records("b", "d"), "test": records("D", "e")}
    parts, dropped = drop_leaks(given)
    kept = {name: [record.text for record in part] for name, part in parts.items()}
    assert kept == {"train": ["a", "c"], "dev": ["b"], "test": ["D", "e"]}
    assert dropped == {"train": 1, "dev": 1}


# Parts given as files


def test_given_parts_are_kept_in_order_and_only_the_others_are_cut(tmp_path: Path) -> None:
    train = write_jsonl(tmp_path / "a.jsonl", some_entries(90))
    held_out = [{"text": f"Held out {i}", "label": "AB"[i % 2]} for i in range(7)]
    test = write_jsonl(tmp_path / "b.jsonl", held_out)
    succeed("convert", train, tmp_path / "out", "--test", test, "--split", "80,10,10")
    parts = load_all(tmp_path / "out")
    assert {part: len(docs) for part, docs in parts.items()} == {"train": 80, "dev": 10, "test": 7}
    assert [doc.text for doc in parts["test"]] == [entry["text"] for entry in held_out]


def test_given_parts_lose_their_leaks_with_a_warning(tmp_path: Path) -> None:
    for name, part in (("train", slice(0, 10)), ("dev", slice(9, 15)), ("test", slice(14, 20))):
        write_jsonl(tmp_path / f"{name}.jsonl", some_entries()[part])
    output = succeed("convert", tmp_path, tmp_path / "out")
    assert "1 texts of train occur in a later part" in output
    assert "1 texts of dev occur in a later part" in output
    parts = load_all(tmp_path / "out")
    assert {part: len(docs) for part, docs in parts.items()} == {"train": 9, "dev": 5, "test": 6}
    assert "seed" not in srsly.read_json(tmp_path / "out" / "meta.json")


def test_folder_must_be_unambiguous(tmp_path: Path) -> None:
    assert "no train file in the folder" in fail("convert", tmp_path, tmp_path / "out")
    for suffix in ("csv", "tsv"):
        (tmp_path / f"train.{suffix}").touch()
    assert "more than one file for train" in fail("convert", tmp_path, tmp_path / "out")
    output = fail("convert", tmp_path, tmp_path / "out", "--dev", EMBEDDED)
    assert "Found both the folder" in output


def test_part_whose_texts_all_leak_is_refused(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", some_entries())
    output = fail("convert", path, tmp_path / "out", "--dev", path, "--test", path)
    assert "Nothing is left for train" in output


# Nothing half-written


class Interrupted:
    """DocBin.to_disk that writes one file, then is interrupted in the middle of the next."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0
        self.write = DocBin.to_disk

    def __call__(self, docbin: DocBin, path: Path) -> None:
        self.calls += 1
        self.write(docbin, path)
        if self.calls == 2:
            path.write_bytes(path.read_bytes()[:20])
            raise self.error


INTERRUPTIONS = [KeyboardInterrupt(), OSError("No space left on device"), RuntimeError("bug")]


@pytest.mark.parametrize("error", INTERRUPTIONS, ids=repr)
def test_interruption_leaves_nothing(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_entries())
    interrupted = Interrupted(error)
    monkeypatch.setattr(DocBin, "to_disk", lambda self, path: interrupted(self, path))
    result = run("convert", path, tmp_path / "deep" / "out")
    assert result.exit_code != 0
    assert interrupted.calls == 2
    assert list((tmp_path / "deep").iterdir()) == []


@pytest.mark.parametrize("error", INTERRUPTIONS, ids=repr)
def test_interruption_keeps_the_earlier_corpus(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_entries())
    succeed("convert", path, tmp_path / "out")
    before = contents(tmp_path / "out")
    interrupted = Interrupted(error)
    with monkeypatch.context() as patch:
        patch.setattr(DocBin, "to_disk", lambda self, path: interrupted(self, path))
        assert run("convert", path, tmp_path / "out", "--seed", 9).exit_code != 0
    assert contents(tmp_path / "out") == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"in.jsonl", "out"}
    succeed("convert", path, tmp_path / "out", "--seed", 9)
    assert contents(tmp_path / "out") != before


def test_failure_while_swapping_brings_the_earlier_corpus_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_entries())
    succeed("convert", path, tmp_path / "out")
    before = contents(tmp_path / "out")
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".part"):
            raise OSError("Device or resource busy")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    assert "Device or resource busy" in fail("convert", path, tmp_path / "out", "--seed", 9)
    assert contents(tmp_path / "out") == before


def test_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_entries())
    assert "holds other files, such as in.jsonl" in fail("convert", path, tmp_path)
    assert "Found a file at" in fail("convert", path, path)
    assert path.exists()
