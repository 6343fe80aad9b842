"""One direction of a batch, or of some of its sequences, for the cells that `numba_scan` runs."""

from itertools import pairwise
from typing import Any, List, Optional, cast

import numpy
from thinc.types import Floats1d

from ..packing import Packing
from . import numba_layout as layouts
from . import numba_scan as scans
from .base import Cell, Direction, GradsT, StateT
from .numba_gemm import PANEL, in_panels
from .numba_pass import NO_FLOATS, BaseBatch, borrow, borrow_zeros, keep, project
from .numba_simd import flat, pad


class ScanBatch(BaseBatch):
    """A batch for a cell without recurrent weights."""

    def __init__(
        self, cell: Cell, packing: Packing, directions: List[Direction], nI: int, *rows: Any
    ) -> None:
        super().__init__(cell, packing, directions, nI, *rows)
        nO = directions[0].weights["b"].shape[0] // cell.n_gates
        width = pad(nO)
        columns = cell.n_gates * width
        self.layout = scans.ScanLayout(
            kind=scans.KINDS[cell.name],
            nI=nI,
            window=self.window,
            nO=nO,
            width=width,
            columns=columns,
            ld=in_panels(columns),
            ldi=in_panels(self.window * nI),
        )
        self.order = tuple(range(cell.n_gates))
        self.counting = numpy.arange(max(self.window * nI, scans.BLOCK, self.n_projected))

    @property
    def work(self) -> int:
        """RETURNS (int): Multiplications in one direction."""
        return self.packing.n_rows * self.layout.columns * self.layout.window * self.layout.nI

    def shares(self, n: int) -> List[slice]:
        """RETURNS (List[slice]): The sequences in n runs of about as many tokens."""
        ends = numpy.cumsum(self.packing.lengths)
        total = int(ends[-1]) if len(ends) else 0
        cuts = numpy.searchsorted(ends, [total * i / n for i in range(1, n)], side="left")
        bounds = [0, *cuts.tolist(), self.packing.n_seqs]
        return [slice(first, end) for first, end in pairwise(bounds)]


class ScanPass:
    """One direction, over some of the sequences.

    seqs (slice): Which.
    state (StateT): (n_seqs, nO) Their final states.
    d_state (StateT): (n_seqs, nO) The gradients of the initial states, and as "x" (n_seqs,
        (window-1)*nI) those of the inputs that were carried.
    gradients (GradsT): Those of the weights.
    """

    def __init__(self, batch: ScanBatch, direction: Direction, column: int, seqs: slice) -> None:
        self.batch, self.direction, self.column, self.seqs = batch, direction, column, seqs
        starts, lengths = batch.packing.starts[seqs], batch.packing.lengths[seqs]
        (self.key,) = batch.cell.states
        self.part = scans.Part(
            starts=starts,
            lengths=lengths,
            first=int(starts[0]) if len(starts) else 0,
            n_rows=int(lengths.sum()),
            turn=-1 if direction.reverse else 1,
            source=batch.source,
            counting=batch.counting,
        )
        self.carried = NO_FLOATS
        if batch.layout.window > 1:
            self.carried = flat(direction.state["x"][seqs])

    def forward(self, Y: Floats1d, ldy: int, is_train: bool) -> None:
        """Fill the columns of this direction in Y (n_tokens, ldy), and `state`."""
        layout, part = self.batch.layout, self.part
        weights = self.direction.weights
        Wx = layouts.packed_forward("Wx", weights["Wx"], self.batch.order, layout.nO, layout.width)
        b = layouts.padded_vector(weights["b"], self.batch.order, layout.nO, layout.width)
        state = layouts.padded_rows(self.direction.state[self.key][self.seqs], layout.width)
        self.G = self.S = self.initial = NO_FLOATS
        if is_train:
            self.initial = state.reshape(-1).copy()
            self.G = keep(part.n_rows * layout.ld)
            self.S = keep(part.n_rows * layout.width)
        scans.scan(
            self.batch.X,
            project(self.batch, Wx, b),
            self.carried,
            part,
            Wx,
            b,
            layout,
            self.G,
            self.S,
            is_train,
            state.reshape(-1),
            Y,
            ldy,
            self.column,
            self._room(is_train),
        )
        self.state: StateT = {self.key: state[:, : layout.nO]}

    def backward(
        self, dY: Floats1d, ldy: int, d_final: Optional[StateT], dX: Floats1d, add: bool
    ) -> None:
        """Fill the rows of dX (n_tokens, nI), or add to them; and the gradients.

        dY (Floats1d): (n_tokens, ldy) The columns of this direction are read.
        d_final (Optional[StateT]): (n_seqs, nO) Gradients of the final states.
        """
        layout, order = self.batch.layout, self.batch.order
        nO, width = layout.nO, layout.width
        n_seqs = len(self.part.lengths)
        d_state: Any = numpy.zeros((n_seqs, width), dtype="float32")
        if d_final is not None and self.key in d_final:
            d_state[:, :nO] = d_final[self.key][self.seqs]
        d_carried = numpy.zeros_like(self.carried)
        dWx = borrow_zeros("dWx", layout.window * layout.nI * layout.ld)
        db = borrow_zeros("db", layout.ld)
        scans.scan_back(
            self.batch.X,
            self.carried,
            self.part,
            layouts.packed_backward("Wx", self.direction.weights["Wx"], order, nO, width),
            layout,
            self.G,
            self.S,
            self.initial,
            dY,
            ldy,
            self.column,
            d_state.reshape(-1),
            dX,
            d_carried,
            add,
            dWx,
            db,
            self._room(True),
        )
        n_read = layout.window * layout.nI
        self.gradients: GradsT = {
            "Wx": layouts.restored_weights(dWx, order, nO, width, n_read),
            "b": layouts.restored_weights(db[: layout.columns], order, nO, width, 1)[:, 0],
        }
        self.d_state: StateT = {self.key: d_state[:, :nO]}
        if layout.window > 1:
            self.d_state["x"] = cast(
                Any, d_carried.reshape(n_seqs, (layout.window - 1) * layout.nI)
            )

    def _room(self, is_train: bool) -> scans.ScanRoom:
        layout = self.batch.layout
        n = min(scans.BLOCK, self.part.n_rows)
        n_read = layout.window * layout.nI
        return scans.ScanRoom(
            rows=borrow("rows", n, "int64"),
            sources=borrow("sources", n, "int64"),
            seqs=borrow("seqs", n, "int64"),
            steps=borrow("steps", n, "int64"),
            X=borrow("X", n * n_read if is_train or layout.window > 1 else 0),
            G=borrow("G", n * layout.ld),
            h=borrow("h", layout.width),
            dX=borrow("dX", n * layout.ldi if is_train else 0),
            zeros=numpy.zeros(layout.ldi, dtype="float32"),
            panel=borrow("panel", n * PANEL if is_train else 0),
        )
