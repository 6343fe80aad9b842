"""The picture of `forecast.py`."""

from pathlib import Path
from typing import Any, Dict, List

import numpy

from spacy_rnn.figures import write_figure

SERIES, FORECAST, BAND = "#444444", "#1b7f5c", "#9fd3bf"
COLORS = ("#c8553d", "#b8860b", FORECAST)


def draw(
    path: Path, months: List[str], values: Any, origins: Any, forecast: Any, errors: Dict[str, Any]
) -> None:
    """Draw the forecasts of one month of each year, and all errors by months ahead.

    path (Path): The .png file to write.
    months (List[str]): As in "1990-12".
    values (Floats1d): (n_months,) What was measured.
    origins (Ints1d): (n_origins,) The months that were forecast from.
    forecast (Floats3d): (n_origins, horizon, 3) Low, middle and high.
    errors (Dict[str, Floats2d]): (n_origins, horizon) for each way of forecasting.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[2.2, 1.0])
    years = numpy.asarray([int(m[:4]) + (int(m[5:]) - 0.5) / 12 for m in months])
    horizon = forecast.shape[1]
    shown = slice(origins[0] - 23, None)
    left.plot(years[shown], values[shown], color=SERIES, lw=1.0, marker=".", ms=3, label="measured")
    for i in range(0, len(origins), horizon):
        x = years[origins[i] + 1 : origins[i] + 1 + horizon]
        low, middle, high = forecast[i].T
        label = {"label": "80 % interval"} if not i else {}
        left.fill_between(x, low, high, color=BAND, lw=0, **label)
        left.plot(x, middle, color=FORECAST, lw=1.4, **({"label": "forecast"} if not i else {}))
        left.axvline(years[origins[i]] + 1 / 24, color="#bbbbbb", lw=0.7, ls=":")
    left.set_title("Twelve months ahead, from each dotted line", fontsize=10)
    left.set_ylabel("CO2, ppm")
    left.legend(frameon=False, loc="upper left")
    for (name, error), color in zip(errors.items(), COLORS):
        mean = error.mean(axis=0)
        right.plot(range(1, horizon + 1), mean, color=color, marker="o", ms=3, label=name)
    right.legend(frameon=False, loc=(0.08, 0.58))
    right.set_title(f"Mean absolute error, {len(origins)} months", fontsize=10)
    right.set_xlabel("months ahead")
    right.set_ylabel("ppm")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_figure(figure, path)
