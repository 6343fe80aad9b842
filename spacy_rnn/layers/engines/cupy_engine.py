"""The cells without recurrent weights on a GPU, which cuDNN does not have: one product for all
rows, and a CUDA kernel that runs the loop.

The kernel reads and writes rows where the Ragged has them, so nothing is packed. Like the NumPy
engine, it is written against the module of the arrays, which here must have CuPy's `RawKernel`.
"""

from functools import cache
from typing import Any, List, Optional, Sequence, Tuple

import numpy
from thinc.api import get_array_module
from thinc.types import Floats2d, Floats3d, Ints1d

from ..packing import Packing, Stretch
from .base import (
    MINGRU,
    QRNN_F,
    QRNN_FO,
    QRNN_IFO,
    Cell,
    Direction,
    GradsT,
    ResultT,
    StateT,
)
from .cupy_source import SOURCE
from .inputs import Inputs

# What the source knows, by the number of gates and by whether it is the last of these.
CELLS = {cell.name for cell in (QRNN_F, QRNN_FO, QRNN_IFO, MINGRU)}
TAKES_SOURCE = False
USES_BLAS = False
# Rows that are worked on at a time at prediction: bounds the working memory, whatever the batch.
MAX_ROWS = 2**15
N_THREADS = 128  # of a block
_TYPES = {"float32": "float", "float64": "double"}


def forward(
    cell: Cell,
    X: Floats2d,
    packing: Packing,
    directions: List[Direction],
    is_train: bool,
    source: Optional[Ints1d] = None,
) -> ResultT:
    """Run a cell over a batch (see `base.Engine.forward`)."""
    xp = get_array_module(X)
    nO = directions[0].weights["b"].shape[0] // cell.n_gates
    Y = xp.empty((packing.n_rows, len(directions) * nO), dtype=X.dtype)
    stretches = packing.stretches(max(packing.n_rows, 1) if is_train else MAX_ROWS)
    # Directions are computed together if they read the same rows at the same time.
    groups = [[direction] for direction in directions]
    if len(stretches) == 1 and directions[0].window(X.shape[1]) == 1:
        groups = [directions]
    passes = [_Pass(cell, X, packing, group, i * nO) for i, group in enumerate(groups)]
    for part, group in zip(passes, groups):
        # A sequence that is cut is read from the side on which it begins.
        for stretch in reversed(stretches) if group[0].reverse else stretches:
            part.run(stretch, Y, is_train)

    def backward(
        dY: Floats2d, d_final: List[Optional[StateT]], needs_dX: bool = True
    ) -> Tuple[Optional[Floats2d], List[GradsT], List[StateT]]:
        dY, given = xp.ascontiguousarray(dY), iter(d_final)
        results = [
            part.backward(dY, [next(given) for _ in group]) for part, group in zip(passes, groups)
        ]
        dX = results[0][0]
        for further in results[1:]:
            dX = dX + further[0]
        return dX, [g for r in results for g in r[1]], [s for r in results for s in r[2]]

    return Y, [final for part in passes for final in part.finals()], backward


class _Pass:
    """One direction, or several that read the same rows: those share the product and the launch.

    column (int): Where their outputs begin in Y, side by side.
    """

    def __init__(
        self, cell: Cell, X: Floats2d, packing: Packing, directions: List[Direction], column: int
    ) -> None:
        self.xp = xp = get_array_module(X)
        self.cell, self.X, self.directions, self.column = cell, X, directions, column
        (self.key,) = cell.states
        # (D*nG*nO, window*nI) and (D*nG*nO,), the gates in the order of the parameters
        self.W = xp.concatenate([d.weights["Wx"] for d in directions])
        self.b = xp.concatenate([d.weights["b"] for d in directions])
        # (D, n_seqs, nO), in the order of the batch: the initial state, and at last the final one
        self.state = xp.stack([d.state[self.key] for d in directions])
        self.inputs: Optional[Inputs] = None
        if directions[0].window(X.shape[1]) > 1:
            self.inputs = Inputs(xp, X, packing, directions)
            self.order, self.rank = xp.asarray(packing.order), xp.asarray(packing.rank)

    def run(self, stretch: Stretch, Y: Floats2d, is_kept: bool) -> None:
        """Compute some rows, from the state that is there, and leave theirs.

        Y (Floats2d): (n_tokens, width) Of which their part is filled.
        is_kept (bool): Whether there will be a way back, which goes over one stretch only.
        """
        D, _, nO = self.state.shape
        rows, columns = self._read(stretch, is_kept)
        products = self.xp.matmul(rows, self.W.T)  # (n, D*nG*nO), to which b is still to be added
        bounds = self._bounds(stretch)
        S = self.xp.empty((stretch.n_rows if is_kept else 0, D, nO), dtype=self.X.dtype)
        if is_kept:
            self.trace = rows, columns, products, bounds, S, self.state.copy()
        to = Y[stretch.first : stretch.end, self.column :]
        self._launch("scan", (products, self.b, *bounds, self.state, S, to), is_kept, Y.shape[1])

    def backward(
        self, dY: Floats2d, d_final: List[Optional[StateT]]
    ) -> Tuple[Floats2d, List[GradsT], List[StateT]]:
        """RETURNS: Gradients of the input, and for each direction those of the weights and of the
        initial state."""
        xp = self.xp
        rows, columns, products, bounds, S, initial = self.trace
        given = [one or {} for one in d_final]
        d_state = xp.stack([g.get(self.key, xp.zeros_like(initial[0])) for g in given])
        d_products = xp.empty_like(products)
        read = (products, self.b, *bounds, initial, S, dY[:, self.column :])
        self._launch("scan_back", (*read, d_state, d_products), dY.shape[1])
        dW, db = xp.matmul(d_products.T, rows), d_products.sum(axis=0)
        d_rows = xp.matmul(d_products, self.W)  # (n, window*nI)
        n = self.b.shape[0] // len(self.directions)
        grads: List[GradsT] = [
            {"Wx": dW[i : i + n], "b": db[i : i + n]} for i in range(0, self.b.shape[0], n)
        ]
        if self.inputs is None:
            return d_rows, grads, self._by_direction(d_state)
        d_last = given[0]["x"][self.order] if "x" in given[0] else None
        dX, d_carried = self.inputs.gradients(columns, d_rows[None], [d_last])
        return dX, grads, self._by_direction(d_state, d_carried)

    def finals(self) -> List[StateT]:
        """RETURNS (List[StateT]): (n_seqs, nO) What each direction ends with."""
        return self._by_direction(self.state, self.inputs.last() if self.inputs else [])

    def _read(self, stretch: Stretch, is_kept: bool) -> Tuple[Floats2d, Any]:
        """RETURNS (Tuple[Floats2d, List[List[Column]]]): (n, window*nI) What the steps read, and
        from where, if a window was gathered."""
        if self.inputs is None:
            return self.X[stretch.first : stretch.end], None
        columns = self.inputs.columns(stretch)
        return self.inputs.read(columns, stretch.n_rows, is_kept)[0], columns

    def _bounds(self, stretch: Stretch) -> Sequence[Any]:
        """RETURNS (Sequence[Ints1d]): What the kernel calls starts, lengths and reverse, in one
        transfer."""
        reverse = [d.reverse for d in self.directions]
        parts = numpy.concatenate([stretch.starts, stretch.lengths, reverse], dtype="int64")
        n, sent = len(stretch.starts), self.xp.asarray(parts)
        return sent[:n], sent[n : 2 * n], sent[2 * n :]

    def _launch(self, name: str, arrays: Sequence[Any], *sizes: int) -> None:
        """Run one of the kernels: a thread for each direction, sequence and channel."""
        D, n_seqs, nO = self.state.shape
        n_blocks = -(-n_seqs * nO // N_THREADS)
        if n_blocks:
            kernel = _kernel(self.xp, name, self.cell, str(self.X.dtype))
            scalars = [numpy.int64(size) for size in (*sizes, D, n_seqs, nO)]
            kernel((n_blocks, D), (N_THREADS,), (*arrays, *scalars))

    def _by_direction(self, states: Floats3d, carried: Sequence[Floats2d] = ()) -> List[StateT]:
        """RETURNS (List[StateT]): The states, or their gradients, with the inputs that are carried
        if the cell reads a window of them."""
        by_direction = [{self.key: state} for state in states]
        for entry, x in zip(by_direction, carried):
            entry["x"] = x[self.rank]
        return by_direction


@cache
def _kernel(xp: Any, name: str, cell: Cell, dtype: str) -> Any:
    """RETURNS (RawKernel): One of those in the source, for a cell and a type of number."""
    is_linear = int(cell == MINGRU)
    options = {"REAL": _TYPES[dtype], "N_GATES": cell.n_gates, "LINEAR": is_linear}
    return xp.RawKernel(SOURCE, name, tuple(f"-D{key}={value}" for key, value in options.items()))
