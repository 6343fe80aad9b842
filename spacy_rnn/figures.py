"""Files of figures."""

from pathlib import Path
from typing import Any

from .beside import written_beside


def write_figure(figure: Any, path: Path) -> None:
    """Write a picture beside what is there, and put it in its place when it is whole.

    figure (Figure): A figure of matplotlib.
    path (Path): The file to write, of the kind that its name ends in; a .png if in none.
    """
    path = path if path.suffix else path.with_suffix(".png")
    with written_beside(path) as part:
        figure.savefig(part)
