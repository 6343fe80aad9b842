"""The one exception that the commands show to the user as a message, not as a traceback."""

from contextlib import contextmanager
from typing import Iterator

from wasabi import msg


class DataError(Exception):
    """Something is wrong with the data or with how the command was called.

    title (str): What was found, in one line.
    text (str): What was expected, and what to do.
    """

    def __init__(self, title: str, text: str) -> None:
        super().__init__(f"{title} {text}")
        self.title = title
        self.text = text


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Show what is wrong as a message and exit with status 1."""
    try:
        yield
    except DataError as err:
        msg.fail(err.title, err.text, exits=1)
    except OSError as err:
        msg.fail(
            f"Cannot read or write: {err}.",
            "Check that the path exists, that you may write there, and that the disk is not full.",
            exits=1,
        )
