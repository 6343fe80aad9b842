"""The monthly CO2 of `forecast.py`, and what a model reads and learns of it."""

import csv
from pathlib import Path
from typing import Any, List, Tuple

import numpy

YEAR, HORIZON = 12, 12
# The first month that has all inputs.
FIRST = 2 * YEAR


def read(path: Path) -> Tuple[List[str], Any]:
    """
    path (Path): The file that `scripts/series.py` wrote.
    RETURNS (Tuple[List[str], Floats1d]): The months, as in "1958-03", and their values in ppm.
    """
    with path.open(encoding="utf8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["month"] for row in rows], numpy.asarray([float(row["value"]) for row in rows])


def growth(values: Any) -> Any:
    """RETURNS (Floats1d): (n_months,) What each is above that of a year before; NaN at first."""
    return numpy.concatenate([[numpy.nan] * YEAR, values[YEAR:] - values[:-YEAR]])


def ahead(values: Any) -> Any:
    """RETURNS (Floats2d): (n_months, HORIZON) What follows each month; NaN beyond the last."""
    padded = numpy.concatenate([values, [numpy.nan] * HORIZON])
    return numpy.stack([padded[h : h + len(values)] for h in range(1, HORIZON + 1)], axis=1)


def last_year(values: Any) -> Any:
    """RETURNS (Floats2d): (n_months, HORIZON) The seasonal naive forecast at each month: what was
    measured a year before what follows. NaN at first."""
    return ahead(numpy.concatenate([[numpy.nan] * YEAR, values]))[: len(values)]


def inputs(months: List[str], rate: Any) -> Any:
    """
    rate (Floats1d): (n_months,) The growth, scaled.
    RETURNS (Floats2d): (n_months, 5) The growth, its change, what it was a year ago, and the season
        as a point on a circle.
    """
    season = 2 * numpy.pi * numpy.asarray([int(month[-2:]) for month in months]) / YEAR
    change = numpy.diff(rate, prepend=numpy.nan)
    columns = [rate, change, numpy.roll(rate, YEAR), numpy.sin(season), numpy.cos(season)]
    return numpy.stack(columns, axis=1)
