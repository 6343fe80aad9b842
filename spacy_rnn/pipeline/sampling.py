"""Choose the next unit of a text by its probability."""

from math import inf
from typing import Any, List, NamedTuple, Optional, Sequence, Union

import numpy

from ..checks import is_number, is_whole
from ..errors import number_error


class Settings(NamedTuple):
    """How a text is written.

    max_length (int): The most units that are written.
    temperature (float): Divides the log-probabilities: below 1 for more probable texts, above 1 for
        more varied ones, 0 for the most probable unit at each step.
    top_k (int): Only the so many most probable units; 0 for all.
    top_p (float): Only the most probable units that have this share of the probability together
        (Holtzman et al. 2020); 1 for all.
    min_p (float): Only units that have this share of the probability of the most probable one; 0
        for all.
    beam_width (int): 1 to draw; above, the most probable texts are searched for with so many kept
        at each step.
    seed (Optional[int]): The same seed writes the same texts; None for others each time.
    stop (Sequence[str]): What ends a text; it is not a part of it.
    """

    max_length: int = 100
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    beam_width: int = 1
    seed: Optional[int] = None
    stop: Sequence[str] = ()


def check_settings(
    *,
    max_length: int = 100,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    beam_width: int = 1,
    seed: Optional[int] = None,
    stop: Optional[Union[str, Sequence[str]]] = None,
) -> Settings:
    """RETURNS (Settings): The settings of a text.

    RAISES (ValueError): If one is outside its range, or has no meaning beside another.
    """
    positive, natural = "a positive number", "0 or a positive number"
    checks = (
        ("max_length", max_length, is_whole(max_length, 1), positive),
        ("temperature", temperature, is_number(temperature) and 0 <= temperature < inf, natural),
        ("top_k", top_k, is_whole(top_k, 0), natural),
        ("top_p", top_p, is_number(top_p) and 0 < top_p <= 1, "above 0 and at most 1"),
        ("min_p", min_p, is_number(min_p) and 0 <= min_p <= 1, "at least 0 and at most 1"),
        ("beam_width", beam_width, is_whole(beam_width, 1), positive),
        ("seed", seed, seed is None or is_whole(seed, 0), f"{natural}, or None"),
    )
    for what, value, is_right, expected in checks:
        if not is_right:
            raise number_error(what, expected, value)
    is_list = stop is None or isinstance(stop, (list, tuple))
    stops: List[Any] = list(stop or ()) if is_list else [stop]
    if not all(isinstance(text, str) and text for text in stops):
        raise number_error("stop", "a text, or a list of texts, none of them empty", stop)
    if beam_width > 1 and (temperature, top_k, top_p, min_p) != (1.0, 0, 1.0, 0.0):
        raise number_error(
            "beam_width", "1 if temperature, top_k, top_p or min_p are given", beam_width
        )
    return Settings(max_length, temperature, top_k, top_p, min_p, beam_width, seed, stops)


def generators(seed: Optional[int], n: int) -> List[numpy.random.Generator]:
    """RETURNS (List[Generator]): One for each text, so that a text does not depend on how many are
    written beside it."""
    return [numpy.random.default_rng(child) for child in numpy.random.SeedSequence(seed).spawn(n)]


def choose(
    log_probs: numpy.ndarray, settings: Settings, rngs: Sequence[numpy.random.Generator]
) -> numpy.ndarray:
    """Choose a unit for each text.

    log_probs (Floats2d): (n, n_units) In nats; minus infinity for what must not be chosen.
    settings (Settings): See above.
    rngs (Sequence[Generator]): (n,) Each text's own.
    RETURNS (Ints1d): (n,) The units.
    """
    if settings.temperature == 0.0:
        return log_probs.argmax(axis=1)
    p = restricted(log_probs, settings)
    # The largest p / e, with e from the exponential distribution, is at a unit as often as p says.
    # A draw from cumulative sums would be cheaper, but there the rounding of all units before the
    # one that is drawn counts, and rounding depends on how many texts are written at once.
    return numpy.asarray(
        [(row / rng.standard_exponential(len(row))).argmax() for row, rng in zip(p, rngs)]
    )


def restricted(log_probs: numpy.ndarray, settings: Settings) -> numpy.ndarray:
    """RETURNS (Floats2d): (n, n_units) Probabilities with temperature, in float64, zero for what
    the settings leave out; they need not sum to 1."""
    below = log_probs.astype("float64") - log_probs.max(axis=1, keepdims=True)
    with numpy.errstate(over="ignore"):  # at temperatures that are nearly 0
        p = numpy.exp(below / settings.temperature)
    if settings.min_p:
        p[p < settings.min_p] = 0.0  # the most probable one has 1 here
    if not settings.top_k and settings.top_p == 1.0:
        return p
    # Most probable first; equal ones in the order of their numbers.
    order = numpy.argsort(-p, axis=1, kind="stable")
    ordered = numpy.take_along_axis(p, order, axis=1)
    if settings.top_k:
        ordered[:, settings.top_k :] = 0.0
    if settings.top_p < 1.0:
        share = numpy.cumsum(ordered, axis=1) / ordered.sum(axis=1, keepdims=True)
        # The one that reaches the share is in.
        ordered[:, 1:][share[:, :-1] >= settings.top_p] = 0.0
    numpy.put_along_axis(p, order, ordered, axis=1)
    return p
