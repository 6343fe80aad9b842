"""Series of numbers: speech and a time series, read out of the packages that hold them."""

import csv
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

from datalib.downloads import Archive
from datalib.errors import DataError

AEON = Archive(
    project="aeon",
    version="1.6.0",
    filename="aeon-1.6.0-py3-none-any.whl",
    sha256="d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409",
)
STATSMODELS = Archive(
    project="statsmodels",
    version="0.14.6",
    filename="statsmodels-0.14.6.tar.gz",
    sha256="4d17873d3e607d398b85126cd4ed7aad89e4e9d89fc744cdab1af3189a996c2a",
)
VOWELS_MEMBER = "aeon/datasets/data/JapaneseVowels/JapaneseVowels_{part}.ts"
CO2_MEMBER = "statsmodels-0.14.6/statsmodels/datasets/co2/co2.csv"
N_CHANNELS = 12


class Utterance(NamedTuple):
    """A vowel that somebody said.

    label (int): The speaker, from 0 to 8.
    steps (List[List[float]]): For each of 7 to 29 frames, 12 cepstrum coefficients.
    """

    label: int
    steps: List[List[float]]


class Month(NamedTuple):
    """A month of a series.

    month (str): As in "1958-03".
    value (float): The mean of its weeks; between its neighbours on a straight line if it has none.
    n_weeks (int): How many weeks have a value.
    """

    month: str
    value: float
    n_weeks: int


def read_vowels(wheel: Path) -> Dict[str, List[Utterance]]:
    """
    wheel (Path): The package that has the utterances.
    RETURNS (Dict[str, List[Utterance]]): The published parts, "train" and "test".
    """
    with zipfile.ZipFile(wheel) as archive:
        return {
            part: parse_ts(archive.read(VOWELS_MEMBER.format(part=part.upper())).decode("utf8"))
            for part in ("train", "test")
        }


def parse_ts(text: str) -> List[Utterance]:
    """Read the format of the UEA archive: after a line "@data", a series a line. Colons part its
    channels, commas their values, and the last field is the class, counted from 1.

    RAISES (DataError): If a line has other channels, or channels of several lengths.
    """
    lines = text.split("\n")
    utterances = []
    for number, line in enumerate(lines[lines.index("@data") + 1 :], lines.index("@data") + 2):
        if not line.strip():
            continue
        *fields, label = line.strip().split(":")
        channels = [[float(value) for value in field.split(",")] for field in fields]
        lengths = sorted({len(channel) for channel in channels})
        if len(channels) != N_CHANNELS or len(lengths) != 1:
            raise DataError(
                f"Line {number} has {len(channels)} channels of the lengths {lengths}.",
                f"Expected {N_CHANNELS} channels of one length.",
            )
        utterances.append(Utterance(int(label) - 1, [list(step) for step in zip(*channels)]))
    return utterances


def read_co2(sdist: Path) -> List[Month]:
    """
    sdist (Path): The package that has the weekly values.
    RETURNS (List[Month]): The months from the first to the last.
    """
    with tarfile.open(sdist) as archive:
        file = archive.extractfile(CO2_MEMBER)
        assert file is not None
        return monthly(file.read().decode("utf8"))


def monthly(text: str) -> List[Month]:
    """The means of weekly values, month by month.

    text (str): CSV with the columns date, as in 19580329, and co2, which may be empty.
    RETURNS (List[Month]): Without gaps.
    """
    weeks: Dict[Tuple[int, int], List[float]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        found = weeks.setdefault((int(row["date"][:4]), int(row["date"][4:6])), [])
        if row["co2"]:
            found.append(float(row["co2"]))
    (year, month), last = min(weeks), max(weeks)
    keys = []
    while (year, month) <= last:
        keys.append((year, month))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    means = {i: sum(w) / len(w) for i, key in enumerate(keys) if (w := weeks.get(key))}
    known = sorted(means)
    months = []
    for i, (year, month) in enumerate(keys):
        if i not in means:
            before = max(k for k in known if k < i)
            after = min(k for k in known if k > i)
            share = (i - before) / (after - before)
            means[i] = means[before] + share * (means[after] - means[before])
        n_weeks = len(weeks.get((year, month), []))
        months.append(Month(f"{year}-{month:02d}", round(means[i], 4), n_weeks))
    return months


def write_csv(rows: List[Any], path: Path) -> None:
    """Write named tuples, with their names as the header."""
    with path.open("w", encoding="utf8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0]._fields)
        writer.writerows(rows)
