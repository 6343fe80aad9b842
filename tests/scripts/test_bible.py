"""Two Bibles become pairs: packages of Debian, markup, references, and what is left out."""

import io
import shutil
import struct
import subprocess
import tarfile
import zlib
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pairs
import pytest
from datalib import bible, debian, downloads
from datalib.debian import read_package
from datalib.downloads import Archive, fetch_archive
from datalib.errors import DataError
from datalib.readers import sha256_of

CONF = """[{name}]
DataPath=./modules/texts/ztext/{name}/
ModDrv=zText
SourceType=OSIS
Encoding=UTF-8
CompressType=ZIP
BlockType=BOOK
Versification=KJV
"""
VersesT = Dict[Tuple[str, int, int], str]
ENGLISH: VersesT = {
    ("genesis", 1, 1): '<w lemma="strong:H1">In</w> the beginning, <w>God</w><note><w>A</w> word'
    "</note><w>created</w> the heavens .",
    ("genesis", 1, 2): "The earth was &amp; is.<lb/>",
    ("genesis", 1, 3): "Missing in the other.",
    ("genesis", 2, 1): '<title canonical="true" type="psalm">A song.</title><title>Of the '
    "editors</title> <l>He had</l><l>gone home</l>",
    ("matthew", 1, 1): "Yahweh made a man.",
    ("matthew", 1, 2): "Far too short.",
}
SPANISH: VersesT = {
    ("genesis", 1, 1): "EN el <w>principio</w> crió Dios los cielos.",
    ("genesis", 1, 2): "La tierra era y es.",
    ("genesis", 1, 4): "Falta en el otro.",
    ("genesis", 2, 1): "Un canto. Y HABÍA ido á casa.",
    ("matthew", 1, 1): "JEHOVÁ había hecho un hombre.",
    ("matthew", 1, 2): "En esta edición el verso es con mucho demasiado largo para aquel.",
}


def write_deb(path: Path, files: Dict[str, bytes]) -> Path:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    members = {"debian-binary": b"2.0\n", "odd": b"odd", "data.tar.xz": data.getvalue()}
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, content in members.items():
            file.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(content):<10}`\n".encode())
            file.write(content + b"\n" * (len(content) % 2))
    return path


def write_bible(path: Path, name: str, verses: VersesT) -> Path:
    """A package with a SWORD module in which all other verses are empty."""
    modules = pytest.importorskip("pysword.books")
    structure = modules.BibleStructure("kjv", ["ot", "nt"])
    files = {f"usr/share/sword/mods.d/{name}.conf": CONF.format(name=name).encode()}
    for testament, size in (("ot", 24_115), ("nt", 8_246)):
        text = b""
        index = bytearray(10 * size)
        for (book, chapter, verse), marked in verses.items():
            places = structure.ref_to_indicies(books=[book], chapters=[chapter], verses=[verse])
            for at in places.get(testament, []):
                content = marked.encode()
                struct.pack_into("<IIH", index, 10 * at, 0, len(text), len(content))
                text += content
        block = zlib.compress(text)
        folder = f"usr/share/sword/modules/texts/ztext/{name}/{testament}"
        files[f"{folder}.bzs"] = struct.pack("<III", 0, len(block), len(text))
        files[f"{folder}.bzv"] = bytes(index)
        files[f"{folder}.bzz"] = block
    return write_deb(path, files)


def test_verses_are_aligned_by_reference_without_markup(tmp_path: Path) -> None:
    english = write_bible(tmp_path / "english.deb", "one", ENGLISH)
    spanish = write_bible(tmp_path / "spanish.deb", "two", SPANISH)
    found = bible.read_parallel(english, spanish)
    assert found == {
        "Genesis 1": [
            {
                "text": "In the beginning, God created the heavens.",
                "target": "En el principio crió Dios los cielos.",
            },
            {"text": "The earth was & is.", "target": "La tierra era y es."},
        ],
        "Genesis 2": [
            {
                "text": "A song. He had gone home",
                "target": "Un canto. Y había ido á casa.",
            }
        ],
        "Matthew 1": [{"text": "Yahweh made a man.", "target": "Jehová había hecho un hombre."}],
    }


def test_a_package_without_a_bible_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("pysword")
    package = write_deb(tmp_path / "none.deb", {"usr/share/doc/none": b"nothing"})
    with pytest.raises(DataError, match=r"no Bible in none\.deb"):
        list(bible.read_verses(package))


def test_pairs_of_a_text_that_is_in_training_are_left_out() -> None:
    def pairs(*texts: str) -> List[Any]:
        return [dict(zip(("text", "target"), text.split("|"))) for text in texts]

    parts = {
        "train": pairs("He said,|Y dijo:", "All went.|Todos fueron."),
        "dev": pairs("He SAID.|Otro dijo", "They came.|Vinieron."),
        "test": pairs("Each went.|todos FUERON", "Nobody came.|Nadie vino."),
    }
    kept = bible.without_seen(parts)
    assert kept["train"] == parts["train"]
    assert [pair["text"] for part in ("dev", "test") for pair in kept[part]] == [
        "They came.",
        "Nobody came.",
    ]


def test_files_of_a_package_are_read(tmp_path: Path) -> None:
    package = write_deb(tmp_path / "a.deb", {"usr/a": b"one", "usr/b": b""})
    assert dict(read_package(package)) == {"usr/a": b"one", "usr/b": b""}


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"PK\x03\x04", b"!<arch>\n" + b"x" * 80])
def test_what_is_no_package_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.deb").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.deb is no package of Debian"):
        list(read_package(tmp_path / "a.deb"))


def archive_of(path: Path) -> Archive:
    return Archive("some-text", "1.0-1", path.name, sha256_of(path))


def apt(monkeypatch: pytest.MonkeyPatch, status: int, package: Any = None) -> List[List[str]]:
    """Stand in for apt-get: it copies a package, or fails."""
    calls: List[List[str]] = []

    def run(command: List[str], cwd: Path, **options: Any) -> subprocess.CompletedProcess:
        calls.append(command)
        if package is not None:
            (Path(cwd) / package.name).write_bytes(package.read_bytes())
        return subprocess.CompletedProcess(command, status, stderr="E: Version not found\n")

    monkeypatch.setattr(debian.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(debian.subprocess, "run", run)
    return calls


def test_apt_get_fetches_the_version_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = write_deb(tmp_path / "some-text_1.0-1_all.deb", {"a": b"b"})
    calls = apt(monkeypatch, 0, package)
    for _ in range(2):
        path = fetch_archive(archive_of(package), tmp_path / "cache")
        assert path.read_bytes() == package.read_bytes()
    assert len(calls) == 1
    assert calls[0][-2:] == ["download", "some-text=1.0-1"]


def test_what_apt_get_cannot_fetch_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_of(write_deb(tmp_path / "some-text_1.0-1_all.deb", {}))
    apt(monkeypatch, 100)
    with pytest.raises(DataError, match=r"could not fetch some-text 1\.0-1.*Version not found"):
        fetch_archive(archive, tmp_path / "cache")
    apt(monkeypatch, 0)
    with pytest.raises(DataError, match=r"apt-get did not save some-text_1\.0-1_all\.deb"):
        fetch_archive(archive, tmp_path / "cache")
    monkeypatch.setattr(downloads, "run_pip_download", None)
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    with pytest.raises(DataError, match=r"apt-get is not installed.*Or put some-text_1\.0-1"):
        fetch_archive(archive, tmp_path / "cache")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt-get")
def test_the_real_bibles(tmp_path: Path) -> None:
    pytest.importorskip("pysword")
    paths = [fetch_archive(archive, tmp_path) for archive in (bible.ENGLISH, bible.SPANISH)]
    chapters = bible.read_parallel(*paths)
    assert len(chapters) == 1189
    assert sum(map(len, chapters.values())) == 31_052
    assert chapters["Genesis 1"][0] == {
        "text": "In the beginning, God created the heavens and the earth.",
        "target": "En el principio crió Dios los cielos y la tierra.",
    }
    texts = [text for pairs in chapters.values() for pair in pairs for text in pair.values()]
    assert not [text for text in texts if "<" in text or ">" in text or "  " in text]
    parts: Dict[str, List[Any]] = {"train": [], "dev": [], "test": []}
    for part, pair in pairs.split(chapters, 0):
        parts[part].append(pair)
    kept = bible.without_seen(parts)
    assert [len(kept[part]) for part in parts] == [26_441, 1_210, 3_331]
