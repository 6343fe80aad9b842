"""Files of texts, plain or compressed, read line by line, with errors that name file and line."""

import bz2
import contextlib
import gzip
import os
import zlib
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterator, List, Sequence, Tuple, Union

from ..errors import Errors

PathT = Union[str, Path]

KINDS = (".txt", ".jsonl", ".spacy")
NAMED_KINDS = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
_OPENERS: Dict[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open}
_BOM = b"\xef\xbb\xbf"


def find_files(path: Union[PathT, Sequence[PathT]]) -> List[Path]:
    """Find the files of a corpus.

    path (Union[str, Path, Sequence[Union[str, Path]]]): A file; a folder, for all files in it and
        the folders in it whose names end in .txt, .jsonl or .spacy, or in one of these and .gz or
        .bz2; or several of both.
    RETURNS (List[Path]): The files, in the order given, those of a folder in order of their paths.
        Never empty. In folders, what begins with a dot is left out.
    RAISES (ValueError): E030 for what is not there, E031 for a file of another kind, and for a
        folder without files.
    """
    if isinstance(path, (str, Path)):
        return _find(path)
    if not path:
        raise ValueError(Errors.E030.format(path=path, found="an empty list"))
    if not isinstance(path, (list, tuple)):
        found = f"a value of type {type(path).__name__}"
        raise ValueError(Errors.E030.format(path=path, found=found))
    return [file for entry in path for file in _find(entry)]


def _find(path: PathT) -> List[Path]:
    if not isinstance(path, (str, Path)):
        found = f"a value of type {type(path).__name__}"
        raise ValueError(Errors.E030.format(path=path, found=found))
    if not str(path).strip():  # Path("") is the folder that one is in
        raise ValueError(Errors.E030.format(path=repr(path), found="an empty path"))
    path = Path(path)
    if path.is_dir():
        files = [file for file in _walk(path) if _kind_or_none(file)]
        if not files:
            found = "a folder without such files"
            raise ValueError(Errors.E031.format(path=path, found=found, kinds=NAMED_KINDS))
        return files
    if not path.exists():
        raise ValueError(Errors.E030.format(path=path, found="nothing there"))
    kind_of(path)
    return [path]


def _walk(folder: Path) -> List[Path]:
    files = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(files)


def kind_of(path: Path) -> str:
    """RETURNS (str): The kind of a file by its name, one of KINDS, compressed or not."""
    kind = _kind_or_none(path)
    if kind is None:
        found = f"a file '{path.name}'"
        raise ValueError(Errors.E031.format(path=path, found=found, kinds=NAMED_KINDS))
    return kind


def _kind_or_none(path: Path) -> Union[str, None]:
    suffixes = path.suffixes
    if suffixes and suffixes[-1].lower() in _OPENERS:
        suffixes.pop()
    kind = suffixes[-1].lower() if suffixes else ""
    return kind if kind in KINDS else None


@contextlib.contextmanager
def open_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, which is unpacked as it is read if its name ends in .gz or .bz2.

    path (Path): The file.
    YIELDS (IO[bytes]): The open file.
    RAISES (ValueError): E030 if it cannot be opened, E036 if it is damaged or was cut short; also
        while it is read inside the `with` block.
    """
    opener = _OPENERS.get(path.suffix.lower())
    try:
        with opener(path) if opener else path.open("rb") as file:
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(Errors.E036.format(path=path, reason=error)) from error
    except OSError as error:
        # bz2 says with a bare OSError that the data is none; the system's errors have a number.
        if error.errno is None:
            raise ValueError(Errors.E036.format(path=path, reason=error)) from error
        raise ValueError(Errors.E030.format(path=path, found=error.strerror)) from error


def read_lines(file: IO[bytes], name: PathT) -> Iterator[Tuple[int, str]]:
    """Read a text line by line, in memory for one line.

    file (IO[bytes]): An open file, such as `sys.stdin.buffer`.
    name (Union[str, Path]): What to call it in errors.
    YIELDS (Tuple[int, str]): Number of the line, from 1, and the line without its line break (LF or
        CRLF) and without a byte order mark. Blank lines are left out.
    RAISES (ValueError): E032 for what is not UTF-8.
    """
    for number, line in enumerate(file, start=1):
        if number == 1:
            line = line.removeprefix(_BOM)
        text = decode(line, name, number).removesuffix("\n").removesuffix("\r")
        if text and not text.isspace():
            yield number, text


def read_whole(file: IO[bytes], name: PathT) -> str:
    """Read a text as a whole.

    file (IO[bytes]): An open file.
    name (Union[str, Path]): What to call it in errors.
    RETURNS (str): The text, with LF for CRLF, without the last line break and a byte order mark.
    RAISES (ValueError): E032 for what is not UTF-8.
    """
    text = decode(file.read().removeprefix(_BOM), name, 1)
    return text.replace("\r\n", "\n").removesuffix("\n")


def decode(data: bytes, name: PathT, first_line: int) -> str:
    """RETURNS (str): The data as text, where `first_line` is the number of its first line."""
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        byte = f"0x{data[error.start]:02x}"
        raise ValueError(Errors.E032.format(line=line, path=name, byte=byte)) from error
