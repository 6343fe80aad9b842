"""Show the figures: in the terminal, and in the documentation.

python -m benchmarks.report docs/speed.md --speed metrics/speed.json

A page has places for the figures, between two comments, which are written anew each time:

    <!-- figures: pipe -->
    <!-- end of figures -->
"""

import re
from pathlib import Path
from typing import Annotated, Any, Dict, List

import srsly
import typer
from wasabi import msg

from .encoder_tables import encoder_tables
from .tables import TABLES, Table, bar_table, machine_table

PLACE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
NOT_MEASURED = "Not measured.\n"
PIN_WARNING = (
    "OPENBLAS_CORETYPE decides which kernels NumPy's products run on: it can hold them to slower "
    "ones than this processor could run. torch and BLIS do not obey it. Without it like is "
    "compared with like."
)
BLIS_WARNING = (
    "BLIS, which Thinc's and spaCy's own layers multiply by, runs its generic kernels here, slower "
    "than those made for a processor. Rows that end in -BLAS show the same models without them; "
    "Thinc's LSTM has no other way."
)


def main(
    page: Annotated[Path, typer.Argument(exists=True, help="Whose places are filled")],
    speed: Annotated[Path, typer.Option(exists=True, help="What benchmarks.speed wrote")] = Path(
        "metrics/speed.json"
    ),
) -> None:
    """Write the figures into a page of the documentation."""
    text = page.read_text(encoding="utf8")
    page.write_text(fill_places(text, srsly.read_json(speed)), encoding="utf8")
    msg.good(f"Wrote the figures of {speed} into {page}")


def fill_places(text: str, results: Dict[str, Any]) -> str:
    """
    text (str): A page.
    results (Dict[str, Any]): What `benchmarks.speed` wrote.
    RETURNS (str): The page with the figures in its places.
    RAISES (ValueError): If a place has an unknown name.
    """

    def fill(match: "re.Match[str]") -> str:
        tables = find_tables(results, match[2])
        parts = [markdown(table) for table in tables if not table.is_detail]
        return match[1] + ("\n".join(parts) or NOT_MEASURED) + match[3]

    return PLACE.sub(fill, text)


def find_tables(results: Dict[str, Any], name: str) -> List[Table]:
    """RETURNS (List[Table]): The tables of a section, or of "bars" or "machine"."""
    if name == "bars":
        return [bar_table(results["bars"])]
    if name == "machine":
        return [machine_table(results["machine"])]
    if name != "encoder" and name not in TABLES:
        raise ValueError(f"There are no figures called '{name}'.")
    found = results["sections"].get(name)
    if not found:
        return []
    return encoder_tables(found) if name == "encoder" else TABLES[name](found)


def markdown(table: Table) -> str:
    """RETURNS (str): The table for a page: title, rows, notes."""
    lines = [f"**{table.title}**", "", _line(table.header)]
    lines.append(_line(["---"] + ["---" if table.is_text else "---:"] * (len(table.header) - 1)))
    lines += [_line(row) for row in table.rows]
    if table.notes:
        lines.append("")
        lines += [f"- {note}" for note in table.notes]
    return "\n".join(lines) + "\n"


def print_table(table: Table) -> None:
    """Show a table in the terminal."""
    msg.text(f"\n{table.title}")
    aligns = ("l", *(("l" if table.is_text else "r") * (len(table.header) - 1)))
    msg.table(table.rows, header=table.header, aligns=aligns, divider=True, max_col=100)
    for note in table.notes:
        msg.text(note)


def print_section(results: Dict[str, Any], name: str) -> None:
    """Show all tables of a section."""
    tables = find_tables(results, name)
    if not tables:
        msg.text("Left out, as what it needs is not there.")
    for table in tables:
        print_table(table)


def print_machine(machine: Dict[str, Any]) -> None:
    """Show processor, versions and kernels, and what may make them slower than need be."""
    msg.divider("Machine")
    print_table(machine_table(machine))
    if "OPENBLAS_CORETYPE" in machine["openblas_settings"]:
        msg.warn(PIN_WARNING)
    if machine["blis_kernels"] == "generic":
        msg.warn(BLIS_WARNING)


def print_bars(bars: List[Dict[str, Any]]) -> None:
    """Show which of the bars are met."""
    msg.divider("Bars")
    print_table(bar_table(bars))
    n_met = sum(bar["met"] is True for bar in bars)
    n_missing = sum(bar["met"] is None for bar in bars)
    text = f"{n_met} of {len(bars) - n_missing} bars are met, {n_missing} were not measured"
    if n_met == len(bars) - n_missing:
        msg.good(text)
    else:
        msg.fail(text)


def _line(cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    typer.run(main)
