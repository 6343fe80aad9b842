"""Forecasts of a series, on one that was made up, in the same format."""

import json
from pathlib import Path
from typing import Any, List, Tuple

import numpy
import pytest

pytest.importorskip("matplotlib")
import co2
import forecast
from intervals import coverage, widen

N_MONTHS = 260


def made_up(rng: numpy.random.RandomState) -> Tuple[List[str], Any]:
    """A series that rises, has a season, and wanders."""
    steps = numpy.arange(N_MONTHS)
    wandering = numpy.zeros(N_MONTHS)
    for i in range(1, N_MONTHS):
        wandering[i] = 0.9 * wandering[i - 1] + 0.2 * rng.standard_normal()
    values = 300.0 + steps / 12 + 3.0 * numpy.sin(2 * numpy.pi * steps / 12) + wandering
    return [f"{1960 + i // 12}-{i % 12 + 1:02d}" for i in range(N_MONTHS)], values


@pytest.fixture
def data(tmp_path: Path, rng: numpy.random.RandomState) -> Path:
    months, values = made_up(rng)
    lines = [f"{month},{value:.4f},4\n" for month, value in zip(months, values)]
    (tmp_path / "monthly.csv").write_text("month,value,n_weeks\n" + "".join(lines))
    return tmp_path / "monthly.csv"


def test_the_months_to_come_are_forecast(data: Path, capsys: pytest.CaptureFixture) -> None:
    output = data.parent / "metrics" / "forecast.json"
    forecast.main(data, output, n_test=48, n_dev=36, width=16, seeds=1)
    metrics = json.loads(output.read_text(encoding="utf8"))
    mae = metrics["mae"]
    assert mae["GRU"] < 0.8 * mae["seasonal naive"]
    assert mae["seasonal naive with drift"] < mae["seasonal naive"]
    assert len(metrics["mae_by_month_ahead"]["GRU"]) == 12
    assert metrics["origins"] == ["1976-09", "1980-08"]
    assert 0.0 < metrics["coverage"] < 1.0
    assert output.with_suffix(".png").stat().st_size > 10_000
    assert {path.name for path in output.parent.iterdir()} == {"forecast.json", "forecast.png"}
    assert "seasonal naive with drift" in capsys.readouterr().out


def test_what_comes_after_the_first_test_month_changes_no_forecast_before_it(
    rng: numpy.random.RandomState,
) -> None:
    months, values = made_up(rng)
    dev, test = 150, 200
    before = forecast.train(months, values, dev, test, 8, 0)
    values[test + 1 :] += 5.0
    after = forecast.train(months, values, dev, test, 8, 0)
    numpy.testing.assert_array_equal(before[: test + 1], after[: test + 1])
    assert numpy.abs(before[test + 1 :] - after[test + 1 :]).max() > 0.01


def test_what_is_ahead_and_what_was_a_year_before_it() -> None:
    values = numpy.arange(30.0)
    numpy.testing.assert_array_equal(co2.ahead(values)[5], values[6:18])
    assert numpy.isnan(co2.ahead(values)[20, 9:]).all()
    numpy.testing.assert_array_equal(co2.last_year(values)[20], values[9:21])
    numpy.testing.assert_array_equal(co2.growth(values)[12:], 12.0)
    X = co2.inputs([f"2000-{i % 12 + 1:02d}" for i in range(30)], values)
    assert X.shape == (30, 5)
    numpy.testing.assert_allclose(X[24, :3], [24.0, 1.0, 12.0])
    numpy.testing.assert_allclose(X[12, 3:], X[24, 3:])


def test_intervals_are_made_to_hold_their_share(rng: numpy.random.RandomState) -> None:
    truths = rng.standard_normal((400, 12)) * numpy.linspace(0.5, 2.0, 12)
    narrow = numpy.zeros((400, 12, 3)) + numpy.asarray([-0.1, 0.0, 0.1])
    assert coverage([narrow], truths, numpy.arange(400)) < 0.2
    wider = widen(narrow, truths, numpy.arange(200))
    assert coverage([wider], truths, numpy.arange(200)) == pytest.approx(0.8, abs=0.01)
    assert coverage([wider], truths, numpy.arange(200, 400)) == pytest.approx(0.8, abs=0.03)
    numpy.testing.assert_array_equal(wider[..., 1], narrow[..., 1])
