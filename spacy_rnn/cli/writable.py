"""Files that a command writes for people to look at."""

from pathlib import Path
from typing import Optional, Sequence

from ..beside import written_beside
from ..errors import Errors, not_writable
from ..training.files import find_files
from .inputs import STDIN


def check_writable(path: Path, files: Sequence[str] = (), model: Optional[str] = None) -> None:
    """Raise an error if a file could not be written, before what is to be in it is computed.

    path (Path): The file to write.
    files (Sequence[str]): Names of what is read, which it must not replace.
    model (Optional[str]): Folder or name of the pipeline that is read, whose files it must not
        replace either, nor stand among.
    RAISES (ValueError): E059.
    """
    if path.is_dir():
        raise not_writable(path, "it is a folder")
    if not path.absolute().parent.is_dir():
        raise not_writable(path, "there is no such folder")
    folder = None if model is None else Path(model)
    if folder and folder.is_dir() and path.resolve().is_relative_to(folder.resolve()):
        raise not_writable(path, "it is in the folder of the pipeline to read")
    if path.exists():
        read = [file for name in files if name != STDIN for file in find_files(name)]
        if any(path.samefile(file) for file in read):
            raise not_writable(path, "it is one of the files to read")


def check_page(path: Path, as_json: bool, files: Sequence[str], model: str) -> None:
    """Likewise for a page, which takes the place of what would be printed.

    path (Path): The file to write.
    as_json (bool): Whether JSON is to be printed.
    files (Sequence[str]): Names of what is read.
    model (str): Folder or name of the pipeline that is read.
    RAISES (ValueError): E058 for a page and JSON, E059 if the page could not be written.
    """
    if as_json:
        reason = "standard output would be empty"
        raise ValueError(Errors.E058.format(option="--html", other="--json", reason=reason))
    check_writable(path, files, model)


def write_page(path: Path, html: str) -> None:
    """Write a page.

    RAISES (ValueError): E059 if it cannot be written; what was there is there still.
    """
    # Names of files may have bytes that are no UTF-8.
    data = html.encode("utf8", errors="backslashreplace")
    try:
        with written_beside(path) as part:
            part.write_bytes(data)
    except OSError as error:
        raise not_writable(path, str(error.strerror or error)) from error
