"""Files of figures."""

from pathlib import Path
from typing import Any

from .beside import written_beside
from .errors import not_writable


def write_figure(figure: Any, path: Path) -> None:
    """Write a picture beside what is there, and put it in its place when it is whole.

    figure (Figure): A figure of matplotlib.
    path (Path): The file to write, of the kind that its name ends in; a .png if in none.
    RAISES (ValueError): E059 if it cannot be written, or if matplotlib knows no such kind.
    """
    path = path if path.suffix else path.with_suffix(".png")
    kinds = figure.canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise not_writable(
            path,
            "its name doesn't say which kind of picture it is to be",
            f"Name a file that ends in one of: {', '.join(f'.{kind}' for kind in kinds)}",
        )
    try:
        with written_beside(path) as part:
            figure.savefig(part)
    except OSError as error:
        raise not_writable(path, str(error.strerror or error)) from error
