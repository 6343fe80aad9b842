"""One direction of a batch, or a share of its sequences: the arrays that the loop works on."""

from typing import Any, Callable, Dict, List, Optional, cast

import numpy
from thinc.types import Floats1d, Ints1d

from ..packing import Packing
from . import numba_layout as layouts
from . import numba_loop as loop
from .base import MAX_PROJECTED, Cell, Direction, GradsT, StateT
from .numba_gemm import PANEL, in_panels
from .workspace import recycler, workspace

# Steps of one call of the loop at prediction, so that the list of their sizes is bounded too.
MAX_STEPS = 2**12
MIN_KEPT = 2**14
NO_FLOATS: Any = numpy.zeros(0, dtype="float32")
NO_INTS: Any = numpy.zeros(0, dtype="int64")


class BaseBatch:
    """What all passes over a batch share: those of scans too, see `numba_scan_pass`.

    X (Floats1d): (n, nI), flat: the rows of the Ragged, or those that `source` names.
    source (Optional[Ints1d]): (n_tokens,) The row of X that each token has.
    window (int): How many inputs a step reads.
    n_projected (int): Rows of X that are projected before any step asks for them. None, if each
        token has its own or there are too many: then each token's row is projected as it comes.
    """

    def __init__(
        self,
        cell: Cell,
        packing: Packing,
        directions: List[Direction],
        nI: int,
        X: Floats1d,
        source: Optional[Ints1d],
    ) -> None:
        self.cell, self.packing, self.X = cell, packing, X
        self.window = directions[0].window(nI)
        self.source = NO_INTS if source is None else numpy.asarray(source, dtype="int64")
        n_distinct = X.size // nI if source is not None and self.window == 1 else 0
        self.n_projected = n_distinct if n_distinct <= MAX_PROJECTED else 0


class Batch(BaseBatch):
    """A batch for a cell with recurrent weights."""

    def __init__(
        self, cell: Cell, packing: Packing, directions: List[Direction], nI: int, *rows: Any
    ) -> None:
        super().__init__(cell, packing, directions, nI, *rows)
        self.layout = layouts.make_layout(cell, nI, directions[0].weights["Wh"].shape[1])
        self.orders = layouts.GATE_ORDER[cell.name]
        n_first = int(numpy.count_nonzero(packing.lengths))
        # The rows of any product: tokens, or on the way back what the gates' products read.
        n_rows = max(nI, self.layout.nO, loop.BLOCK, n_first, self.n_projected)
        self.counting = numpy.arange(n_rows)

    @property
    def work(self) -> int:
        """RETURNS (int): Multiplications in one direction."""
        layout = self.layout
        return self.packing.n_rows * layout.columns * (layout.nI + layout.nO)

    def shares(self, n: int) -> List[Ints1d]:
        """RETURNS (List[Ints1d]): The sequences dealt out to n passes, the longest first."""
        return [cast(Ints1d, self.packing.order[share::n]) for share in range(n)]


class Pass:
    """One direction, over some of the sequences.

    seqs (Ints1d): Which, the longest first.
    state, d_state (StateT): (n_seqs, nO) Their final states, and the gradients of the initial ones.
    gradients (GradsT): Those of the weights; none, if they were added to `sums`.
    sums (Optional[loop.Gradients]): If given, where those gradients are to be added.
    """

    def __init__(self, batch: Batch, direction: Direction, column: int, seqs: Ints1d) -> None:
        self.batch, self.direction, self.column = batch, direction, column
        self.sums: Optional[loop.Gradients] = None
        self.seqs: Any = seqs
        self.lengths = batch.packing.lengths[self.seqs]
        self.n_first = int(numpy.count_nonzero(self.lengths))
        self.n_steps = int(self.lengths[0]) if len(self.lengths) else 0
        begin = batch.packing.starts[self.seqs]
        self.begin = begin + self.lengths - 1 if direction.reverse else begin
        self.mask = NO_FLOATS
        if direction.mask is not None:
            rows = direction.mask[self.seqs]
            self.mask = layouts.padded_rows(rows, batch.layout.width).reshape(-1)

    def forward(self, Y: Floats1d, ldy: int, is_train: bool) -> None:
        """Fill the columns of this direction in Y (n_tokens, ldy), and `state`."""
        width = self.batch.layout.width
        weights = self._forward_weights()
        state = {
            key: layouts.padded_rows(value[self.seqs], width)
            for key, value in self.direction.state.items()
        }
        P = project(self.batch, weights.Wx, weights.b)
        if is_train:
            sequences = self._sequences(0, self.n_steps)
            self.trace = self._make_trace(int(sequences.sizes.sum()), state)
            self._run(sequences, weights, self.trace, True, P, Y, ldy)
            last = self._last_rows(sequences.sizes)
            for key, kept in (("h", self.trace.H), ("c", self.trace.C)):
                if key in state:
                    state[key][: self.n_first] = kept.reshape(-1, width)[last]
        else:
            G = borrow("G", self._block_rows() * self.batch.layout.ld)
            C = state["c"].reshape(-1) if "c" in state else NO_FLOATS
            trace = loop.Trace(G, state["h"].reshape(-1), C)
            for first in range(0, self.n_steps, MAX_STEPS):
                sequences = self._sequences(first, min(self.n_steps, first + MAX_STEPS))
                self._run(sequences, weights, trace, False, P, Y, ldy)
        nO = self.batch.layout.nO
        self.state: StateT = {key: value[:, :nO] for key, value in state.items()}

    def backward(
        self, dY: Floats1d, ldy: int, d_final: Optional[StateT], dX: Floats1d, add: bool
    ) -> None:
        """Fill the rows of dX (n_tokens, nI), or add to them; and `gradients` and `d_state`.

        dY (Floats1d): (n_tokens, ldy) The columns of this direction are read.
        d_final (Optional[StateT]): (n_seqs, nO) Gradients of the final states.
        """
        layout = self.batch.layout
        dH, dC = (
            self._final_gradient(d_final, key, ld)
            for key, ld in (("h", layout.ldo), ("c", layout.width))
        )
        totals = self.sums or self.make_sums(borrow_zeros)
        loop.backward(
            self.batch.X,
            self._sequences(0, self.n_steps),
            self._backward_weights(),
            layout,
            self.trace,
            self.mask,
            dY,
            ldy,
            self.column,
            dH.reshape(-1),
            dC.reshape(-1),
            dX,
            add,
            totals,
            self._backward_room(),
        )
        self.gradients: GradsT = {} if self.sums else self.restored(totals)
        self.d_state: StateT = {"h": dH[:, : layout.nO]}
        if "c" in self.direction.state:
            self.d_state["c"] = dC[:, : layout.nO]

    def _run(
        self,
        sequences: loop.Sequences,
        weights: loop.Weights,
        trace: loop.Trace,
        keep: bool,
        P: Floats1d,
        Y: Floats1d,
        ldy: int,
    ) -> None:
        n = self._block_rows()
        loop.forward(
            self.batch.X,
            P,
            sequences,
            weights,
            self.batch.layout,
            trace,
            keep,
            self.mask,
            Y,
            ldy,
            self.column,
            borrow("rows", n, "int64"),
            borrow("sources", n, "int64"),
            borrow("masked", self.mask.size),
        )

    def _sequences(self, first: int, end: int) -> loop.Sequences:
        """Where the sequences are, for some of the steps."""
        ended = numpy.searchsorted(self.lengths[::-1], numpy.arange(first, end), side="right")
        return loop.Sequences(
            begin=self.begin,
            turn=-1 if self.direction.reverse else 1,
            sizes=len(self.lengths) - ended,
            first_step=first,
            source=self.batch.source,
            counting=self.batch.counting,
        )

    def _last_rows(self, sizes: Any) -> Any:
        """(n_first,) Of the trace's states, the row that each sequence ends with."""
        offsets = numpy.cumsum(sizes) - sizes
        return self.n_first + offsets[self.lengths[: self.n_first] - 1] + numpy.arange(self.n_first)

    def _block_rows(self) -> int:
        """The most rows that the loop takes at a time."""
        return max(loop.BLOCK, self.n_first)

    def _forward_weights(self) -> loop.Weights:
        given, layout = self.direction.weights, self.batch.layout
        reads, hears = self.batch.orders
        nO, width = layout.nO, layout.width
        bh = NO_FLOATS
        if "bh" in given:
            bh = layouts.padded_vector(given["bh"], (0,), nO, width)
        return loop.Weights(
            layouts.packed_forward("Wx", given["Wx"], reads, nO, width),
            layouts.packed_forward("Wh", given["Wh"], hears, nO, width),
            layouts.padded_vector(given["b"], reads, nO, width),
            bh,
        )

    def _backward_weights(self) -> loop.Weights:
        given, layout = self.direction.weights, self.batch.layout
        reads, hears = self.batch.orders
        return loop.Weights(
            layouts.packed_backward("Wx", given["Wx"], reads, layout.nO, layout.width),
            layouts.packed_backward("Wh", given["Wh"], hears, layout.nO, layout.width),
            NO_FLOATS,
            NO_FLOATS,
        )

    def _make_trace(self, n_rows: int, state: Dict[str, Any]) -> loop.Trace:
        """Arrays for the whole batch, with the initial states in front."""
        layout, n_first = self.batch.layout, self.n_first
        G = keep(n_rows * layout.ld)
        kept: List[Any] = []
        for key in ("h", "c"):
            if key not in state:
                kept.append(NO_FLOATS)
                continue
            array = keep((n_first + n_rows) * layout.width)
            array[: n_first * layout.width] = state[key][:n_first].reshape(-1)
            kept.append(array)
        return loop.Trace(G, *kept)

    def _backward_room(self) -> loop.Room:
        layout, n = self.batch.layout, self._block_rows()
        return loop.Room(
            rows=borrow("rows", n, "int64"),
            X=borrow("X", n * layout.nI),
            H=borrow("H", n * layout.width),
            G=borrow("G", n * layout.ld),
            dX=borrow("dX", n * layout.ldi),
            dY=borrow("dY", n * layout.width),
            dH=borrow("dH", self.n_first * layout.ldo if self.mask.size else 0),
            zeros=numpy.zeros(max(layout.ldi, layout.ldo), dtype="float32"),
            panel=borrow("panel", n * PANEL),
        )

    def _final_gradient(self, given: Optional[StateT], key: str, ld: int) -> Any:
        """(n_seqs, ld) The longest sequence first."""
        if key not in self.direction.state:
            return numpy.zeros((0, ld), dtype="float32")
        if given is None or key not in given:
            return numpy.zeros((len(self.seqs), ld), dtype="float32")
        return layouts.padded_rows(given[key][self.seqs], ld)

    def make_sums(self, make: Optional[Callable[[str, int], Any]] = None) -> loop.Gradients:
        """RETURNS (loop.Gradients): Zeros; in new arrays, if `make` does not say otherwise."""
        layout = self.batch.layout
        ldw = layout.n_panels * PANEL
        sizes = {"dWx": layout.nI * ldw, "dWh": layout.nO * ldw, "db": layout.ld}
        if make is None:
            return loop.Gradients(*(numpy.zeros(n, dtype="float32") for n in sizes.values()))
        return loop.Gradients(*(make(name, n) for name, n in sizes.items()))

    def restored(self, totals: loop.Gradients) -> GradsT:
        """The gradients in the form of the parameters."""
        layout = self.batch.layout
        reads, hears = self.batch.orders
        nO, width = layout.nO, layout.width
        db = totals.db[: layout.columns]
        grads = {
            "Wx": layouts.restored_weights(totals.dWx, reads, nO, width, layout.nI),
            "Wh": layouts.restored_weights(totals.dWh, hears, nO, width, nO),
            "b": layouts.restored_weights(db, reads, nO, width, 1)[:, 0],
        }
        if "bh" in self.direction.weights:
            grads["bh"] = totals.db[layout.columns : layout.columns + nO].copy()
        return cast(GradsT, grads)


def project(batch: Any, Wx: Floats1d, b: Floats1d) -> Floats1d:
    """RETURNS (Floats1d): (n, ld) What each row of X gives to the gates, if tokens share them."""
    layout, n = batch.layout, batch.n_projected
    if not n:
        return NO_FLOATS
    P = borrow("P", n * layout.ld)
    rows = batch.counting
    n_panels = in_panels(layout.columns) // PANEL
    loop.project(batch.X, layout.nI, Wx, b, P, layout.ld, n, n_panels, rows)
    return P


def borrow(name: str, n: int, dtype: str = "float32") -> Any:
    """RETURNS (ArrayXd): (n,) Any content; until the task ends."""
    if n < MIN_KEPT:  # a small one is made faster than it is found
        return numpy.empty(n, dtype=dtype)
    return workspace.take(numpy, f"numba {name}", (n,), dtype)


def borrow_zeros(name: str, n: int) -> Any:
    """RETURNS (Floats1d): (n,) Likewise, zeros."""
    array = borrow(name, n)
    array.fill(0.0)
    return array


def keep(n: int) -> Any:
    """RETURNS (Floats1d): (n,) Any content; until nobody holds the array any more."""
    return recycler.empty(numpy, (n,), "float32")
