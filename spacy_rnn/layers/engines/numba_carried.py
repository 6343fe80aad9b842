"""The inputs that a window carries from one call to the next, for the numba engine."""

from typing import Any, List, Optional

import numpy

from ..packing import Packing
from .base import Direction, StateT


class Carried:
    """The last inputs of each sequence; nothing, where a step reads its own input alone.

    X (Floats2d): (n, nI) The inputs.
    source (Ints1d): (n_tokens,) The row of X that each token has, or empty if each has its own.
    """

    def __init__(
        self, X: Any, packing: Packing, directions: List[Direction], window: int, source: Any
    ) -> None:
        self.X, self.packing, self.directions = X, packing, directions
        self.window, self.source = window, source

    def leave(self, finals: List[StateT]) -> None:
        """Add what is carried on to the final states: (n_seqs, (window-1)*nI)"""
        if self.window == 1:
            return
        for direction, final in zip(self.directions, finals):
            rows, is_given, given_rows = self._places(direction)
            last: Any = numpy.empty((*rows.shape, self.X.shape[1]), dtype="float32")
            tokens = rows[~is_given]
            last[~is_given] = self.X[self.source[tokens] if len(self.source) else tokens]
            given: Any = direction.state["x"].reshape((-1, self.X.shape[1]))
            last[is_given] = given[given_rows]
            final["x"] = last.reshape(direction.state["x"].shape)

    def add_gradients(
        self, d_final: List[Optional[StateT]], dX: Any, d_states: List[StateT]
    ) -> None:
        """Bring the gradients of what was carried on to where it came from.

        dX (Floats2d): (n_tokens, nI) Added to.
        d_states (List[StateT]): Their "x" (n_seqs, (window-1)*nI) is added to.
        """
        if self.window == 1:
            return
        for direction, given, d_state in zip(self.directions, d_final, d_states):
            if given is None or "x" not in given:
                continue
            rows, is_given, given_rows = self._places(direction)
            d_last: Any = given["x"].reshape((*rows.shape, self.X.shape[1]))
            # No row is in two places.
            dX[rows[~is_given]] += d_last[~is_given]
            d_carried: Any = d_state["x"].reshape((-1, self.X.shape[1]))
            d_carried[given_rows] += d_last[is_given]

    def _places(self, direction: Direction) -> Any:
        """RETURNS (Tuple[Ints2d, Array2d, Ints1d]): (n_seqs, window - 1) For each sequence, in the
        order of the batch, the rows of the Ragged with its last inputs; which of them are no rows,
        because the sequence is too short, but inputs that it was given; and the places of those.
        """
        packing = self.packing
        rows = packing.last_sources(direction.reverse, self.window)[packing.rank]
        is_given = rows >= packing.n_rows
        seqs, places = divmod(rows[is_given] - packing.n_rows, self.window - 1)
        return rows, is_given, packing.order[seqs] * (self.window - 1) + places
