"""The inputs of each step, for the NumPy engine: packed rows, side by side with those that a window
reads before them."""

from typing import Any, List, Optional, Tuple, Union, cast

import numpy
from thinc.types import Floats2d

from ..packing import IntsT, Packing, Segment, Stretch
from .base import Direction
from .numpy_kernel import Floats3d
from .workspace import workspace


class Column:
    """Where the rows for one place of the window come from: the Ragged, but for the first steps the
    inputs that were carried.

    sources (Ints1d): (n,) As `Segment.sources` counts them.
    """

    def __init__(self, xp: Any, sources: IntsT, n_tokens: int) -> None:
        outside = numpy.flatnonzero(sources >= n_tokens)
        self.any_carried = bool(len(outside))
        self.places: Any = slice(None)  # of the rows that come from the Ragged
        self.rows = xp.asarray(sources)
        if self.any_carried:
            inside = numpy.flatnonzero(sources < n_tokens)
            self.places, self.rows = xp.asarray(inside), xp.asarray(sources[inside])
            self.carried_places = xp.asarray(outside)
            self.carried_rows = xp.asarray(sources[outside] - n_tokens)

    def take(self, X: Floats2d, carried: Optional[Floats2d], out: Floats2d) -> None:
        """Fetch the rows. out (Floats2d): (n, nI)"""
        out[self.places] = X[self.rows]
        if self.any_carried:
            assert carried is not None
            out[self.carried_places] = carried[self.carried_rows]

    def add(self, values: Floats2d, dX: Floats2d, d_carried: Optional[Floats2d]) -> None:
        """Add gradients up where the rows came from; no row comes twice in one column."""
        dX[self.rows] += values[self.places]
        if self.any_carried:
            assert d_carried is not None
            d_carried[self.carried_rows] += values[self.carried_places]


class Inputs:
    """What the directions of a call read.

    xp: The arrays' module.
    X (Floats2d): (n_tokens, nI) Rows of the Ragged.
    """

    def __init__(self, xp: Any, X: Floats2d, packing: Packing, directions: List[Direction]) -> None:
        self.xp, self.X, self.packing = xp, X, packing
        self.reverse = [d.reverse for d in directions]
        self.nI = X.shape[1]
        self.window = directions[0].window(self.nI)
        self.carried: List[Optional[Floats2d]] = [None] * len(directions)
        if self.window > 1:
            order = xp.asarray(packing.order)
            # (n_seqs * (window - 1), nI), longest sequence first
            self.carried = [d.state["x"][order].reshape((-1, self.nI)) for d in directions]

    def columns(self, segment: Union[Segment, Stretch]) -> List[List[Column]]:
        """RETURNS (List[List[Column]]): For each direction, each place of the window. In the last
        place is the row of the step itself."""
        return [self._columns(segment.sources(turn, self.window)) for turn in self.reverse]

    def read(self, columns: List[List[Column]], n_rows: int, is_kept: bool) -> Floats3d:
        """Fetch the rows of a segment.

        is_kept (bool): Whether the gradient needs them. If not, they are overwritten by the next.
        RETURNS (Floats3d): (D, n_rows, window*nI) The packed rows.
        """
        shape = (len(columns), n_rows, self.window, self.nI)
        if is_kept:
            Xp = self.xp.empty(shape, dtype=self.X.dtype)
        else:
            Xp = workspace.take(self.xp, "Xp", shape, self.X.dtype)
        for d, of_direction in enumerate(columns):
            for k, column in enumerate(of_direction):
                column.take(self.X, self.carried[d], out=Xp[d, :, k])
        return Xp.reshape((len(columns), n_rows, self.window * self.nI))

    def last(self) -> List[Floats2d]:
        """RETURNS (List[Floats2d]): (n_seqs, (window-1)*nI) What each direction carries on, longest
        sequence first. Empty if a step reads its own input alone."""
        if self.window == 1:
            return []
        results = []
        shape = (self.packing.n_seqs, self.window - 1, self.nI)
        for d, carried in enumerate(self.carried):
            last = self.xp.empty(shape, dtype=self.X.dtype)
            for k, column in enumerate(self._last_columns(d)):
                column.take(self.X, carried, out=last[:, k])
            results.append(self._by_sequence(last))
        return results

    def gradients(
        self, columns: List[List[Column]], dXp: Floats3d, d_last: List[Optional[Floats2d]]
    ) -> Tuple[Floats2d, List[Floats2d]]:
        """Add up the gradients of the inputs, from all directions and places of the window.

        dXp (Floats3d): (D, n_rows, window*nI)
        d_last (List[Optional[Floats2d]]): (n_seqs, (window-1)*nI) Of what each direction carries
            on, if it is given.
        RETURNS (Tuple[Floats2d, List[Floats2d]]): dX (n_tokens, nI), in the order of the Ragged;
            and the gradients of what each direction carried, shaped as `last` gives it.
        """
        xp = self.xp
        by_place = dXp.reshape((*dXp.shape[:2], self.window, self.nI))
        dX = xp.empty_like(self.X)
        dX[columns[0][-1].rows] = by_place[0, :, -1]  # each row once
        d_carried = [None if c is None else xp.zeros_like(c) for c in self.carried]
        for d, of_direction in enumerate(columns):
            for k, column in enumerate(of_direction):
                if d > 0 or k < self.window - 1:
                    column.add(by_place[d, :, k], dX, d_carried[d])
            d_on = d_last[d]
            if d_on is not None:
                by_sequence: Any = d_on.reshape((-1, self.window - 1, self.nI))
                for k, column in enumerate(self._last_columns(d)):
                    column.add(by_sequence[:, k], dX, d_carried[d])
        return dX, [self._by_sequence(c) for c in d_carried if c is not None]

    def _by_sequence(self, rows: Any) -> Floats2d:
        """(n_seqs * (window-1), nI) -> (n_seqs, (window-1)*nI)"""
        shape = (self.packing.n_seqs, (self.window - 1) * self.nI)
        return cast(Floats2d, rows.reshape(shape))

    def _columns(self, sources: IntsT) -> List[Column]:
        return [Column(self.xp, column, self.packing.n_rows) for column in sources.T]

    def _last_columns(self, d: int) -> List[Column]:
        return self._columns(self.packing.last_sources(self.reverse[d], self.window))
