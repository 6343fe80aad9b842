"""Pipelines that a command writes: beside what is there, and renamed when they are whole."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Iterator, Set

from spacy.language import Language
from thinc.api import Config

from ..errors import Errors

# What spaCy writes beside the folders of components.
OWN_FILES = {"config.cfg", "meta.json", "tokenizer", "vocab"}


def check_output(path: Path, force: bool) -> None:
    """Raise an error if a pipeline could not be written, before it is computed.

    path (Path): The folder to write: a new or an empty one, or that of a pipeline.
    force (bool): Whether a pipeline that is there may be replaced. Nothing else ever is.
    RAISES (ValueError): E116 if something is there that is to stay.
    """
    advice = "Name a new folder."
    if path.exists() and not path.is_dir():
        raise _error(path, "it is a file", advice)
    if not path.absolute().parent.is_dir():
        raise _error(path, "there is no such folder to write it in", "Make that first.")
    if not path.is_dir():
        return
    there = {entry.name for entry in path.iterdir()}
    if not there:
        return
    if not OWN_FILES - {"tokenizer"} <= there:
        raise _error(path, "the folder holds something else than a pipeline", advice)
    others = sorted(there - OWN_FILES - _components(path))
    if others:
        reason = f"the folder holds a pipeline and other files, such as {others[0]}"
        raise _error(path, reason, advice)
    if not force:
        raise _error(path, "a pipeline is there already", f"{advice} To replace it, add --force.")


def _components(path: Path) -> Set[str]:
    """RETURNS (Set[str]): What the components of the pipeline in a folder are saved as: folders of
    their names, or, as spaCy's sentencizer, a file."""
    try:
        config = Config().from_disk(path / "config.cfg", interpolate=False)
    except (ValueError, OSError):
        return set()
    names = set(config.get("components") or {})
    return names | {f"{name}.json" for name in names}


def write_pipeline(nlp: Language, path: Path, force: bool) -> None:
    """Write a pipeline to a folder. What is there is replaced when all has been written; on any
    exception, also an interruption, it is there still.

    nlp (Language): The pipeline.
    path (Path): The folder.
    force (bool): Whether a pipeline that is there may be replaced.
    RAISES (ValueError): E116 if the folder cannot be written.
    """
    try:
        with _replaced(path.resolve(), force) as part:
            nlp.to_disk(part)
    except OSError as error:
        reason = str(error.strerror or error)
        advice = "Name a folder that you may write to."
        raise _error(path, reason, advice) from error


@contextlib.contextmanager
def _replaced(path: Path, force: bool) -> Iterator[Path]:
    """Give a folder to write into, and put it in the place of another if all goes well."""
    check_output(path, force)  # once more, as it may be long ago
    part, old = (path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("part", "old"))
    part.mkdir()
    try:
        yield part
        if path.exists():
            path.rename(old)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def _error(path: Path, reason: str, advice: str) -> ValueError:
    return ValueError(Errors.E116.format(path=path, reason=reason, advice=advice))
