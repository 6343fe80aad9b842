"""Strings are read out of Parquet files as the libraries write them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import List, Sequence

import pytest
from datalib.errors import DataError
from datalib.parquet import MAGIC, read_runs, read_strings, uncompress
from parquet_helpers import DICTIONARY, PLAIN, make_file, make_page, pack, varint


def strings(*texts: str) -> bytes:
    return b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)


def plain_page(texts: Sequence[str]) -> bytes:
    levels = pack([(len(texts), 1)], width=1)
    return make_page(levels + strings(*texts), n=len(texts), encoding=PLAIN)


def test_plain_pages_follow_each_other() -> None:
    pages = [plain_page(["the", "café"]), plain_page(["", "日本", "x" * 300])]
    assert read_strings(make_file(pages, 5)) == ["the", "café", "", "日本", "x" * 300]


def test_a_dictionary_page_gives_the_strings_of_numbers() -> None:
    words = ["a", "b", "c"]
    dictionary = make_page(strings(*words), n=3, encoding=PLAIN, is_dictionary=True)
    levels = pack([(9, 1)], width=1)
    # Nine numbers of two bits: one repeated, then eight packed into two bytes.
    numbers = bytes([2]) + varint(1 << 1) + bytes([2]) + varint(1 << 1 | 1)
    numbers += sum(v << 2 * i for i, v in enumerate([0, 1, 2, 0, 1, 2, 0, 1])).to_bytes(2, "little")
    page = make_page(levels + numbers, n=9, encoding=DICTIONARY)
    assert read_strings(make_file([dictionary, page, plain_page(["d"])], 10)) == [*"cabcabcabd"]


def test_packed_numbers_end_where_the_page_ends() -> None:
    packed = varint(1 << 1 | 1) + bytes([0b10101010])
    assert read_runs(packed, 1, 3) == [0, 1, 0]


def test_repeated_bytes_are_copied_also_where_they_overlap() -> None:
    # "abc", then four bytes from three back with a short tag, and five from one back with a long.
    data = varint(12) + bytes([2 << 2]) + b"abc"
    data += bytes([(4 - 4) << 2 | 1, 3]) + bytes([(5 - 1) << 2 | 2, 1, 0])
    assert uncompress(data) == b"abcabca" + b"a" * 5


@pytest.mark.parametrize("n", [60, 61, 300, 70_000])
def test_long_literals_have_their_length_behind_the_tag(n: int) -> None:
    data = os.urandom(n)
    assert read_strings(make_file([plain_page([data.hex()])], 1)) == [data.hex()]


def refused(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read_strings(data)
    return str(caught.value)


def test_other_files_are_refused() -> None:
    assert "not a Parquet file" in refused(b"PK\x03\x04 something else")
    assert "Found 1 strings. Expected 2" in refused(make_file([plain_page(["a"])], 2))
    levels: List[bytes] = [pack([(1, 0)], width=1)]
    assert "Some strings are missing" in refused(
        make_file([make_page(levels[0] + strings("a"), n=1, encoding=PLAIN)], 1)
    )
    page = make_page(pack([(1, 1)], width=1), n=1, encoding=5)
    assert "Unknown encoding: 5" in refused(make_file([page], 1))


def test_a_page_that_is_cut_short_is_refused() -> None:
    with pytest.raises(DataError, match="Expected 9"):
        uncompress(varint(9) + bytes([2 << 2]) + b"abc")
    assert make_file([], 0)[:4] == MAGIC
    assert read_strings(make_file([], 0)) == []


def test_importing_the_reader_needs_no_library() -> None:
    code = "import datalib.parquet, sys; assert 'numpy' not in sys.modules"
    folder = Path(__file__).parents[2] / "scripts"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
