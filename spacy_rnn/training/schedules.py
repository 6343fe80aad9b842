"""Learn rates that change from step to step."""

import math
from typing import Any, Iterable, Iterator

from ..checks import is_number
from ..errors import number_error


def slanted_triangular(
    initial_rate: float, total_steps: int, cut_frac: float = 0.1, ratio: float = 32.0
) -> Iterable[float]:
    """A rate that rises for a short time and falls for a long one, in straight lines.

        cut = floor(T * cut_frac)
        p   = t / cut                       if t < cut
              1 - (t - cut) / (T - cut)     otherwise
        r_t = initial_rate * (1 + p * (ratio - 1)) / ratio

    Howard & Ruder (2018), "Universal language model fine-tuning for text classification", equation
    3. Its divisor, cut * (1 / cut_frac - 1), is T - cut where no fraction is cut off; with T - cut
    the lowest rate is met in step T for any T, and stays from there on.

    initial_rate (float): The highest rate, which is that of step `cut`.
    total_steps (int): T, the number of steps of the training.
    cut_frac (float): The share of the steps in which it rises; recommended 0.05 to 0.2.
    ratio (float): How many times lower the lowest rate is, which is that of the first and the last
        step; recommended 32.
    RETURNS (Iterable[float]): The rates of one step after another, without end.
    RAISES (ValueError): If a setting is out of its range.
    """
    for name, value in (("initial_rate", initial_rate), ("cut_frac", cut_frac)):
        if not _is_finite(value) or value < 0.0:
            raise number_error(name, "a number that is not negative", value)
    if cut_frac >= 1.0:
        raise number_error("cut_frac", "less than 1", cut_frac)
    if not _is_finite(total_steps) or total_steps < 1 or total_steps != int(total_steps):
        raise number_error("total_steps", "a number of steps, at least 1", total_steps)
    if not _is_finite(ratio) or ratio < 1.0:
        raise number_error("ratio", "at least 1", ratio)
    return _rates(float(initial_rate), int(total_steps), float(cut_frac), float(ratio))


def _is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _rates(highest: float, total_steps: int, cut_frac: float, ratio: float) -> Iterator[float]:
    # Products such as 100 * 0.29 are a little less than they are.
    cut = min(math.floor(total_steps * cut_frac + 1e-9), total_steps - 1)
    step = 0
    while True:
        if step < cut:
            height = step / cut
        else:
            height = max(0.0, 1.0 - (step - cut) / (total_steps - cut))
        yield highest * (1.0 + height * (ratio - 1.0)) / ratio
        step += 1
