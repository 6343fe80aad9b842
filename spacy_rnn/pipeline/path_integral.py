"""Integrals of a gradient along a path, held to the difference that they must come to."""

from typing import List, NamedTuple, Protocol, Tuple, cast

import numpy

# The path is followed more closely until the attributions are complete to this share of what they
# explain, or to so many logits, about the precision of float32.
TOLERANCE, LEAST = 1e-4, 1e-6
# The nodes of Gauss, Lobatto's rule of five points, from 0 to 1. A piece that is halved keeps three
# of them, and polynomials up to degree 7 are integrated exactly.
_OFFSET = (3 / 7) ** 0.5 / 2
NODES = numpy.array([0.0, 0.5 - _OFFSET, 0.5, 0.5 + _OFFSET, 1.0])
WEIGHTS = numpy.array([9, 49, 64, 49, 9]) / 180
# Those of the whole, and the new ones of its halves.
MIN_STEPS = 11


class Path(Protocol):
    """A path through the inputs of a model, from 0 to 1."""

    def walk(self, places: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Look at places on the path.

        places (Floats1d): (n,)
        RETURNS (Tuple[Floats1d, Floats2d]): The score there, (n,), and how fast each token changes
            it, (n, n_tokens).
        """


class _Piece(NamedTuple):
    """A piece of the path, with what is known at its five places.

    places (Floats1d): (5,)
    scores (Floats1d): (5,)
    rates (Floats2d): (5, n_tokens)
    """

    places: numpy.ndarray
    scores: numpy.ndarray
    rates: numpy.ndarray

    @property
    def values(self) -> numpy.ndarray:
        """RETURNS (Floats1d): (n_tokens,) The integral of each token's rate."""
        return cast(numpy.ndarray, WEIGHTS @ self.rates * (self.places[-1] - self.places[0]))

    @property
    def error(self) -> float:
        """RETURNS (float): How much is missing to the difference of the scores."""
        return abs(float(self.values.sum() - (self.scores[-1] - self.scores[0])))


def integrate(path: Path, n_steps: int) -> Tuple[numpy.ndarray, float, float]:
    """Integrate along a path. What it must come to is known for each piece of the path: the
    difference of the scores at its ends. So the pieces that miss it are halved.

    path (Path): From 0 to 1.
    n_steps (int): The most places to look at.
    RETURNS (Tuple[Floats1d, float, float]): The integral, and the score at either end.
    """
    whole = _Piece(NODES, *path.walk(NODES))
    pieces = _halve(path, [whole])
    n_left = n_steps - MIN_STEPS
    start, end = whole.scores[0], whole.scores[-1]
    tolerance = max(LEAST, TOLERANCE * abs(end - start))
    while n_left >= 6 and sum(piece.error for piece in pieces) > tolerance:
        pieces.sort(key=lambda piece: piece.error, reverse=True)
        # Several at once, as a batch is faster, but none that would be halved in vain.
        bound = max(tolerance / len(pieces), pieces[0].error / 4)
        n_bad = sum(piece.error > bound for piece in pieces)
        n_halved = max(1, min(n_bad, n_left // 6))
        pieces = pieces[n_halved:] + _halve(path, pieces[:n_halved])
        n_left -= 6 * n_halved
    return cast(numpy.ndarray, sum(piece.values for piece in pieces)), float(start), float(end)


def _halve(path: Path, pieces: List[_Piece]) -> List[_Piece]:
    """RETURNS (List[_Piece]): The halves. Of the places of each, three are known."""
    ends = [(p, i, j) for p in pieces for i, j in ((0, 2), (2, 4))]
    new = [p.places[i] + (p.places[j] - p.places[i]) * NODES[1:4] for p, i, j in ends]
    scores, rates = path.walk(numpy.concatenate(new))
    halves = []
    for k, (p, i, j) in enumerate(ends):
        inner = slice(3 * k, 3 * k + 3)
        halves.append(
            _Piece(
                numpy.array([p.places[i], *new[k], p.places[j]]),
                numpy.array([p.scores[i], *scores[inner], p.scores[j]]),
                numpy.array([p.rates[i], *rates[inner], p.rates[j]]),
            )
        )
    return halves
