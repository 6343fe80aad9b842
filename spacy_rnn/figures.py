"""Files of figures."""

import os
from pathlib import Path
from typing import Any


def write_figure(figure: Any, path: Path) -> None:
    """Write a picture beside what is there, and put it in its place when it is whole.

    figure (Figure): A figure of matplotlib.
    path (Path): The file to write, of the kind that its name ends in; a .png if in none.
    """
    path = path if path.suffix else path.with_suffix(".png")
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        figure.savefig(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
