"""Curves of the gradient's norm by distance: what they are made of, and what they say."""

import math
from typing import Any, Dict, List, NamedTuple, Optional

import numpy

# Of the gradient at the last step, what is left at the end of a curve that "vanishes", and what a
# curve that "explodes" has come to.
FAINT, LOUD = 0.001, 1000.0
# The edges of the band around a curve, in percent of the documents.
BAND = (10, 90)
# exp() of more is beyond float64.
MAX_LOG = 700.0


class Curve(NamedTuple):
    """The norm of a gradient by distance, over documents.

    name (str): What it is a curve of.
    cell (str): The cell, as the layers know it.
    state (str): "h" or "c".
    trained (bool): Whether the layer is a trained one.
    distances (List[int]): Steps back from the last one. Those that at least half of the documents
        reach.
    norms (List[float]): The geometric mean of the norm, relative to that for the last output.
    low, high (List[float]): What 10 and 90 percent of the documents do not exceed.
    n_docs (List[int]): How many documents reach each distance.
    """

    name: str
    cell: str
    state: str
    trained: bool
    distances: List[int]
    norms: List[float]
    low: List[float]
    high: List[float]
    n_docs: List[int]

    def at(self, distance: int) -> Optional[float]:
        """RETURNS (Optional[float]): The norm there; None where there is none."""
        if distance not in self.distances:
            return None
        return self.norms[self.distances.index(distance)]

    @property
    def half_life(self) -> Optional[int]:
        """RETURNS (Optional[int]): The steps in which the norm falls to half of what the curve
        begins with; None if it does not."""
        for distance, norm in zip(self.distances, self.norms):
            if norm <= self.norms[0] / 2:
                return distance - self.distances[0]
        return None

    @property
    def factor(self) -> Optional[float]:
        """RETURNS (Optional[float]): By what the norm is multiplied at each step, in the geometric
        mean over all steps but the one from the last output; None if there are none."""
        pairs = [(d, norm) for d, norm in zip(self.distances, self.norms) if d > 0]
        if len(pairs) < 2 or pairs[0][1] == 0.0:
            return None
        (start, first), (end, last) = pairs[0], pairs[-1]
        return math.exp((math.log(last) - math.log(first)) / (end - start)) if last else 0.0

    @property
    def verdict(self) -> str:
        """RETURNS (str): "vanishes" if at the last distance less than a thousandth of the gradient
        is left, "explodes" if there is more than a thousand times as much, else "holds"; "" if
        there is no distance but 0."""
        if not self.distances or self.distances[-1] < 1:
            return ""
        if self.norms[-1] < FAINT:
            return "vanishes"
        return "explodes" if self.norms[-1] > LOUD else "holds"

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Plain data, with what is found by it."""
        found = {"factor": self.factor, "half_life": self.half_life, "verdict": self.verdict}
        return {**self._asdict(), **found}


def summarize(name: str, cell: str, state: str, logs: numpy.ndarray, *, trained: bool) -> Curve:
    """Put the norms of many documents into a curve.

    name, cell, state, trained: See `Curve`.
    logs (Floats2d): (n_docs, n_distances) natural logarithms, NaN where a document has none.
    RETURNS (Curve): The curve.
    """
    counts = (~numpy.isnan(logs)).sum(axis=0)
    distances = numpy.nonzero((counts > 0) & (2 * counts >= len(logs)))[0].tolist()
    columns = [logs[~numpy.isnan(logs[:, k]), k] for k in distances]
    # Not between two documents: one of them may be at minus infinity.
    bands = [numpy.percentile(column, BAND, method="inverted_cdf") for column in columns]
    return Curve(
        name=name,
        cell=cell,
        state=state,
        trained=trained,
        distances=distances,
        norms=[_exp(column.mean()) for column in columns],
        low=[_exp(band[0]) for band in bands],
        high=[_exp(band[1]) for band in bands],
        n_docs=counts[distances].tolist(),
    )


def _exp(log: float) -> float:
    return math.exp(min(float(log), MAX_LOG))
