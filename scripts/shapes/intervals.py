"""Intervals of forecasts: how many truths they hold, and how wide they must be to hold enough."""

from typing import Any, List

import numpy


def widen(forecast: Any, truths: Any, months: Any, share: float = 0.8) -> Any:
    """Give intervals another width, for each month ahead, so that they would have held that share
    of the truths of some months (Romano et al. 2019, "Conformalized quantile regression").

    forecast (Floats3d): (n_months, horizon, 3) Low, middle and high.
    truths (Floats2d): (n_months, horizon) What came.
    months (Ints1d): Those whose truths are known.
    share (float): That which an interval is to hold.
    RETURNS (Floats3d): The forecast, with other intervals.
    """
    low, high = forecast[months, :, 0] - truths[months], truths[months] - forecast[months, :, 2]
    margin = numpy.quantile(numpy.maximum(low, high), share, axis=0, method="higher")
    return forecast + margin[:, None] * numpy.asarray([-1.0, 0.0, 1.0])


def coverage(forecasts: List[Any], truths: Any, months: Any) -> float:
    """
    forecasts (List[Floats3d]): (n_months, horizon, 3) each.
    truths (Floats2d): (n_months, horizon)
    months (Ints1d): Those that are looked at.
    RETURNS (float): The share of the truths that are inside of the intervals.
    """
    t = truths[months]
    inside = [(t >= f[months, :, 0]) & (t <= f[months, :, 2]) for f in forecasts]
    return float(numpy.mean(inside))
