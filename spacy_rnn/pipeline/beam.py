"""Search for the most probable texts."""

from heapq import nlargest
from operator import itemgetter
from typing import Dict, List, NamedTuple, Tuple

import numpy

from ..models.vocabulary import END
from .joining import Joiner, cut_at_stop
from .reader import Reached, Reader
from .sampling import Settings


class Hypothesis(NamedTuple):
    """A text that has been found.

    total (float): Log-probability of its units.
    n_units (int): How many they are.
    text (str): What they add to the prompt.
    joiner (Joiner): Turns the next unit into text.
    """

    total: float
    n_units: int
    text: str
    joiner: Joiner

    @property
    def mean(self) -> float:
        """RETURNS (float): What texts are ranked by: sums would favour short ones."""
        return self.total / self.n_units

    def grown(self, unit: int, total: float) -> "Hypothesis":
        """RETURNS (Hypothesis): With one more unit."""
        joiner = self.joiner.copy()
        text = self.text if unit == END else self.text + joiner.add(unit)
        return Hypothesis(total, self.n_units + 1, text, joiner)


def search(
    reader: Reader, joiner: Joiner, start: Reached, settings: Settings, n: int, *, prompt: str = ""
) -> List[str]:
    """The most probable texts that a beam finds, by the mean log-probability of their units.

    reader (Reader): Reads by the model.
    joiner (Joiner): Turns units into text.
    start (Reached): Where the prompt has led.
    settings (Settings): How many texts are kept at each step, and when one is over.
    n (int): How many are wanted.
    prompt (str): What they are to follow, for messages.
    RETURNS (List[str]): At most so many different texts, best first, without the prompt.
    """
    running = [Hypothesis(0.0, 0, "", joiner)]
    finished: Dict[str, float] = {}
    reached = start
    for length in range(1, settings.max_length + 1):
        grown: List[Tuple[int, int, Hypothesis]] = []
        blocks = [block for _, block in reader.log_probs(reached.H, reached.allowed, text=prompt)]
        log_probs = numpy.concatenate(blocks)
        for row, unit, total in _best_steps(log_probs, running, 2 * settings.beam_width):
            longer = running[row].grown(unit, total)
            is_over = unit == END or any(stop in longer.text for stop in settings.stop)
            if is_over or length == settings.max_length:
                text = cut_at_stop(longer.text, settings.stop)
                finished[text] = max(longer.mean, finished.get(text, longer.mean))
            elif len(grown) < settings.beam_width:
                grown.append((row, unit, longer))
        running = [longer for _, _, longer in grown]
        found = nlargest(n, finished.items(), key=itemgetter(1))
        # As if all that is still to come were certain.
        best_possible = max((h.total for h in running), default=0.0) / settings.max_length
        if not running or (len(found) == n and found[-1][1] >= best_possible):
            break
        reached = reader.step(
            reached.take([row for row, _, _ in grown]), [unit for _, unit, _ in grown]
        )
    return [text for text, _ in found]


def _best_steps(
    log_probs: numpy.ndarray, running: List[Hypothesis], n: int
) -> List[Tuple[int, int, float]]:
    """RETURNS (List[Tuple[int, int, float]]): The most probable ways to go on: the text, the unit,
    and the log-probability of both together."""
    totals = log_probs + numpy.asarray([[h.total] for h in running])
    n = min(n, totals.size)
    near = numpy.argpartition(-totals, n - 1, axis=None)[:n]
    values = totals.reshape(-1)[near]
    best = near[numpy.lexsort((near, -values))]
    rows, units = numpy.unravel_index(best, totals.shape)
    steps = zip(rows.tolist(), units.tolist(), totals[rows, units].tolist())
    return [step for step in steps if step[2] > -numpy.inf]
