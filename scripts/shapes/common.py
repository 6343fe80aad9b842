"""What the scripts of this folder share: what was measured, as a table and as a file."""

from pathlib import Path
from typing import Any, Dict, List

import srsly
from wasabi import msg


def report(output: Path, metrics: Dict[str, Any], rows: List[List[str]], header: List[str]) -> None:
    """Print a table, and write all figures.

    output (Path): The .json file to write, whole or not at all.
    metrics (Dict[str, Any]): The figures.
    rows (List[List[str]]): The table, a list for each row.
    header (List[str]): The titles of its columns.
    """
    msg.table(rows, header=header, divider=True, aligns=["l"] + ["r"] * (len(header) - 1))
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f"{output.name}.partial")
    srsly.write_json(partial, metrics)
    partial.replace(output)
    msg.good(f"Wrote {output}")


def check_files(paths: List[Path], command: str) -> None:
    """End with a message, unless all files are there.

    paths (List[Path]): The files that are to be read.
    command (str): What makes them.
    """
    for path in paths:
        if not path.is_file():
            msg.fail(f"There is no file {path}", f"Name another one, or run: {command}", exits=1)
