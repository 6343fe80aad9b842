"""Pictures that a command writes, by matplotlib."""

from pathlib import Path
from typing import Any

from ..figures import write_figure
from ..visualize_calibration import check_viz
from .writable import check_writable, not_writable

PICTURES = (".png", ".svg", ".pdf")


def check_picture(path: Path) -> None:
    """Raise an error if a picture could not be drawn, before what is to be in it is computed.

    path (Path): The file to write.
    RAISES (ValueError): E059 if it cannot be written, or is of another kind.
    RAISES (ImportError): E008 without matplotlib.
    """
    check_writable(path)
    if path.suffix.lower() not in PICTURES:
        reason = "its name doesn't say which kind of picture it is to be"
        advice = f"Name a file that ends in one of: {', '.join(PICTURES)}"
        raise not_writable(path, reason, advice)
    check_viz("--picture")


def write_picture(path: Path, figure: Any) -> None:
    """Write a picture beside what is there, and put it in its place when it is whole.

    path (Path): The file to write.
    figure (Figure): A figure of matplotlib.
    RAISES (ValueError): E059 if it cannot be written.
    """
    try:
        write_figure(figure, path)
    except OSError as error:
        raise not_writable(path, str(error.strerror)) from error
