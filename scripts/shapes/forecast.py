"""Many to many: forecast the CO2 in the air for the next twelve months, with intervals.

python scripts/series.py co2
python scripts/shapes/forecast.py
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List

import numpy
import typer
from co2 import FIRST, HORIZON, YEAR, ahead, growth, inputs, last_year, read
from common import check_files, report
from forecast_plot import draw
from intervals import coverage, widen

from spacy_rnn.models import RNNEncoder, forecaster
from spacy_rnn.training import Settings, fit, predict, quantile_loss
from spacy_rnn.training.optimizers import Adam

QUANTILES = (0.1, 0.5, 0.9)
# Months of the windows that are learned from, and how far each begins after the one before.
WINDOW, STRIDE = 60, 3


def main(
    data: Annotated[Path, typer.Argument(help="What series.py wrote")] = Path(
        "corpus/co2/monthly.csv"
    ),
    output: Annotated[Path, typer.Option(help="Where to write the figures, and a .png")] = Path(
        "metrics/forecast.json"
    ),
    n_test: Annotated[int, typer.Option(min=1, help="Months at the end to forecast from")] = 120,
    n_dev: Annotated[int, typer.Option(min=HORIZON, help="Months before, to stop by")] = 60,
    width: Annotated[int, typer.Option(help="Width of the encoder")] = 32,
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings")] = 3,
) -> None:
    """Forecast from each of the last months in turn, and compare with two naive forecasts."""
    check_files([data], "python scripts/series.py co2")
    months, values = read(data)
    test = len(values) - HORIZON - n_test
    origins = numpy.arange(test, test + n_test)
    truths, naive = ahead(values)[origins], last_year(values)[origins]
    drift = numpy.asarray([growth(values)[YEAR : i + 1].mean() for i in origins])[:, None]
    runs = [
        last_year(values)[:, :, None] + train(months, values, test - n_dev, test, width, seed)
        for seed in range(seeds)
    ]
    calibration = numpy.arange(test - n_dev, test - HORIZON + 1)
    wider = [widen(forecast, ahead(values), calibration) for forecast in runs]
    errors = {
        "seasonal naive": abs(truths - naive),
        "seasonal naive with drift": abs(truths - naive - drift),
        "GRU": numpy.mean([abs(truths - f[origins, :, 1]) for f in runs], axis=0),
    }
    metrics: Dict[str, Any] = {
        "origins": [months[origins[0]], months[origins[-1]]],
        "mae": {name: float(error.mean()) for name, error in errors.items()},
        "mae_by_month_ahead": {name: e.mean(axis=0).tolist() for name, e in errors.items()},
        "mae_of_seeds": [float(abs(truths - f[origins, :, 1]).mean()) for f in runs],
        "coverage": coverage(runs, ahead(values), origins),
        "coverage_calibrated": coverage(wider, ahead(values), origins),
    }
    first = metrics["mae"]["seasonal naive"]
    rows = [[name, f"{mae:.3f}", f"{1 - mae / first:.1%}"] for name, mae in metrics["mae"].items()]
    report(output, metrics, rows, ["Mean absolute error", "ppm", "below naive"])
    for key in ("coverage", "coverage_calibrated"):
        print(f"Inside the 80 % interval ({key}): {metrics[key]:.1%}")
    draw(output.with_suffix(".png"), months, values, origins, wider[0][origins], errors)


def train(months: List[str], values: Any, dev: int, test: int, width: int, seed: int) -> Any:
    """RETURNS (Floats3d): (n_months, HORIZON, n_quantiles) At each month, quantiles of the growth
    over a year that follows. Nothing after the month `test` was learned from, or watched."""
    rate = growth(values)
    mean, deviation = numpy.nanmean(rate[: dev + 1]), numpy.nanstd(rate[: dev + 1])
    rate = (rate - mean) / deviation
    X, Y, Y_dev = inputs(months, rate), ahead(rate[: dev + 1]), ahead(rate[: test + 1])
    Y_dev[:dev] = numpy.nan  # not known, and not counted
    starts = range(FIRST, dev + 2 - WINDOW, STRIDE)
    encoder = RNNEncoder("gru", width, 1, bidirectional=False, dropout=0.2)
    model = forecaster(encoder, HORIZON, quantiles=QUANTILES)
    fit(
        model,
        [X[i : i + WINDOW] for i in starts],
        [Y[i : i + WINDOW] for i in starts],
        X_dev=[X[FIRST : test + 1]],
        Y_dev=[Y_dev[FIRST:]],
        loss=quantile_loss(QUANTILES),
        optimizer=Adam(0.005, use_averages=True),
        settings=Settings(epochs=60, batch_size=16, patience=15, seed=seed),
    )
    # One pass over the whole series: each step has read the months up to its own.
    found = predict(model, [X[FIRST:]])[0].reshape((-1, HORIZON, len(QUANTILES)))
    found = numpy.sort(found, axis=2) * deviation + mean
    return numpy.concatenate([numpy.full((FIRST, *found.shape[1:]), numpy.nan), found])


if __name__ == "__main__":
    typer.run(main)
