"""Write a file beside what is there, and rename it when it is whole."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Put a file in the place of another if nothing goes wrong until the end of the block.

    path (Path): The file that is to be there in the end.
    YIELDS (Path): A path in the same folder, with the same suffix, to write to.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
