"""Finding the files of a corpus, and reading lines from them."""

import bz2
import gzip
import io
import random

import pytest

from spacy_rnn.training.files import find_files, kind_of, open_file, read_lines, read_whole


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def lines(data, name="a.txt"):
    return list(read_lines(io.BytesIO(data), name))


def test_a_folder_gives_its_files_of_known_kinds_in_order(tmp_path):
    names = ["b.txt", "a/z.jsonl.gz", "a/y.spacy", "c.TXT", "d.txt.bz2"]
    others = ["e.csv", "f.gz", ".hidden.txt", ".folder/g.txt", "README"]
    touch(*(tmp_path / name for name in names + others))
    found = [str(path.relative_to(tmp_path)) for path in find_files(tmp_path)]
    assert found == ["a/y.spacy", "a/z.jsonl.gz", "b.txt", "c.TXT", "d.txt.bz2"]


def test_a_list_gives_files_and_folders_in_the_order_given(tmp_path):
    touch(tmp_path / "a.txt", tmp_path / "folder" / "b.txt")
    found = find_files([tmp_path / "folder", str(tmp_path / "a.txt")])
    assert [path.name for path in found] == ["b.txt", "a.txt"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", ".txt"),
        ("a.b.JSONL", ".jsonl"),
        ("a.jsonl.bz2", ".jsonl"),
        ("a.spacy.gz", ".spacy"),
    ],
)
def test_the_kind_of_a_file_is_told_by_its_name(tmp_path, name, kind):
    assert kind_of(tmp_path / name) == kind


@pytest.mark.parametrize(
    ("name", "code"), [("missing.txt", "E030"), ("a.csv", "E031"), ("a.gz", "E031"), ("", "E031")]
)
def test_what_is_missing_or_of_another_kind_is_refused_by_its_path(tmp_path, name, code):
    touch(tmp_path / "a.csv", tmp_path / "a.gz")
    path = tmp_path / name
    with pytest.raises(ValueError, match=rf"\[spacy-rnn {code}\].*{tmp_path}/?{name}"):
        find_files(path)


@pytest.mark.parametrize("path", [[1], [None, "a.txt"], [["a.txt"]]])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError, match=r"E030.*a value of type (int|NoneType|list)"):
        find_files(path)


@pytest.mark.parametrize("path", ["", " ", ["", "a.txt"]])
def test_an_empty_path_is_not_the_folder_that_one_is_in(path, tmp_path, monkeypatch):
    touch(tmp_path / "a.txt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"\[spacy-rnn E030\].*an empty path"):
        find_files(path)


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match=r"\[spacy-rnn E030\].*an empty list"):
        find_files([])


@pytest.mark.parametrize(
    "data", [b"one\ntwo\n", b"one\r\ntwo\r\n", b"\xef\xbb\xbfone\ntwo", b"\xef\xbb\xbfone\r\ntwo"]
)
def test_line_breaks_and_a_byte_order_mark_are_not_part_of_the_lines(data):
    assert lines(data) == [(1, "one"), (2, "two")]
    assert read_whole(io.BytesIO(data), "a.txt") == "one\ntwo"


def test_blank_lines_are_left_out_and_counted():
    assert lines(b"\n \t\none\n\r\n\xc2\xa0\n  two \n") == [(3, "one"), (6, "  two ")]
    assert lines(b"") == lines(b"\n\n") == lines(b"\xef\xbb\xbf") == []


def test_a_byte_order_mark_within_a_file_is_text():
    assert lines(b"a\n\xef\xbb\xbfb") == [(1, "a"), (2, "\ufeffb")]


def test_lines_end_at_line_breaks_alone():
    text = "a\u2028b\x0cc\x85d\re"
    assert lines(text.encode("utf8") + b"\nf") == [(1, text), (2, "f")]


@pytest.mark.parametrize("data", [b"one\n\ntw\xf6\nthree\n", b"one\n\ntw\xe2\x82\n"])
def test_what_is_not_utf8_is_refused_by_its_line(data):
    with pytest.raises(ValueError, match=r"\[spacy-rnn E032\] Line 3 of a.txt"):
        lines(data)
    with pytest.raises(ValueError, match=r"\[spacy-rnn E032\] Line 3 of a.txt"):
        read_whole(io.BytesIO(data), "a.txt")


def test_lines_are_read_as_they_are_asked_for():
    reader = read_lines(io.BytesIO(b"one\n" * 1000 + b"\xff"), "a.txt")
    assert next(reader) == (1, "one")
    with pytest.raises(ValueError, match="Line 1001"):
        list(reader)


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress)])
def test_compressed_files_are_unpacked_and_damaged_ones_refused(tmp_path, suffix, pack):
    path = tmp_path / f"a.txt.{suffix}"
    packed = pack(random.Random(0).randbytes(1000).hex().encode() + b"\nnext")
    path.write_bytes(packed)
    with open_file(path) as file:
        assert file.readlines()[1] == b"next"
    flipped = [bytearray(packed) for _ in range(10, len(packed), 50)]
    for i, data in enumerate(flipped):
        data[10 + 50 * i] ^= 255
    for damaged in (packed[:-9], b"no archive", packed[: len(packed) // 2], *flipped):
        path.write_bytes(damaged)
        with (
            pytest.raises(ValueError, match=rf"\[spacy-rnn E036\] {path}"),
            open_file(path) as file,
        ):
            file.read()


def test_a_file_that_cannot_be_opened_is_refused_with_the_cause(tmp_path):
    with (
        pytest.raises(ValueError, match=r"\[spacy-rnn E030\].*Is a directory"),
        open_file(tmp_path),
    ):
        pass
