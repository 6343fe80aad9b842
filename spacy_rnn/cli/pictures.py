"""Pictures that a command is to write, by matplotlib."""

from pathlib import Path

from ..errors import not_writable
from ..visualize_calibration import check_viz
from .writable import check_writable

PICTURES = (".png", ".svg", ".pdf")


def check_picture(path: Path, model: str) -> None:
    """Raise an error if a picture could not be drawn, before what is to be in it is computed.

    path (Path): The file to write.
    model (str): Folder or name of the pipeline that is read.
    RAISES (ValueError): E059 if it cannot be written, or is of another kind.
    RAISES (ImportError): E008 without matplotlib.
    """
    check_writable(path, model=model)
    if path.suffix.lower() not in PICTURES:
        reason = "its name doesn't say which kind of picture it is to be"
        advice = f"Name a file that ends in one of: {', '.join(PICTURES)}"
        raise not_writable(path, reason, advice)
    check_viz("--picture")
