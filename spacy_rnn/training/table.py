"""The table of figures that is printed while a training runs."""

import math
from typing import IO, Any, Dict, List

from wasabi import Printer

from .figures import Column

SPACING = 2
MAX_WIDTH = 13


class Table:
    """Prints a heading, and then rows.

    columns (List[Column]): What to print.
    stream (IO): Where to.
    """

    def __init__(self, columns: List[Column], stream: IO) -> None:
        self._columns = columns
        self._stream = stream
        self._printer = Printer(no_print=True)
        titles = [_shorten(column.title) for column in columns]
        self._widths = [max(len(title), column.width) for title, column in zip(titles, columns)]
        self._print([title.upper() for title in titles])
        self._print(["-" * width for width in self._widths])

    def write(self, row: Dict[str, Any]) -> None:
        """Print one row.

        row (Dict[str, Any]): The figures.
        """
        self._print([show(_look_up(row, column.key), column.form) for column in self._columns])

    def _print(self, cells: List[str]) -> None:
        line = self._printer.row(
            cells, widths=self._widths, aligns=["r"] * len(cells), spacing=SPACING
        )
        print(line, file=self._stream, flush=True)


def show(value: Any, form: str) -> str:
    """Write a figure.

    value (Any): A number, or None.
    form (str): As for `format`; or "size" for positive numbers of any size; "percent"; or "score"
        for a score, which is small where it is the inverse of a perplexity.
    RETURNS (str): A dash for None.
    """
    if value is None:
        return "-"
    if form == "percent":
        return f"{100 * value:.2f}"
    if form == "score":
        return f"{value:.4f}" if 0.0 < abs(value) < 0.1 else f"{value:.2f}"
    if form == "size":
        if not math.isfinite(value) or value >= 1e6:
            return f"{value:.1e}"
        return f"{value:.1f}" if value >= 1000 else f"{value:.2f}"
    return format(value, form)


def _look_up(row: Dict[str, Any], key: str) -> Any:
    """RETURNS: The value at a key, or None; `table:key` is looked up in a table of the row."""
    outer, _, inner = key.partition(":")
    value = row.get(outer)
    return (value or {}).get(inner) if inner else value


def _shorten(title: str) -> str:
    return title if len(title) <= MAX_WIDTH else title[: MAX_WIDTH - 3] + "..."
