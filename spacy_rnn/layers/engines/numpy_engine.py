"""The reference engine: one GEMM for all inputs, then a loop over the shrinking batch.

It is written against the module of the arrays it is given, so the same code runs on NumPy and
on CuPy. All directions run in the same loop, as the first axis of each array.
"""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, cast

from thinc.api import get_array_module
from thinc.types import Floats2d, Floats3d, Ints1d

from ..packing import Packing, Segment
from .base import MAX_PROJECTED, Cell, Direction, GradsT, ResultT, StateT
from .inputs import Inputs
from .numpy_cells import KERNELS
from .numpy_kernel import BaseKernel, Trace

CELLS = KERNELS
TAKES_SOURCE = True
USES_BLAS = True
# Rows that are worked on at a time: their gates stay in the CPU's cache. At prediction it bounds
# the working memory as well, whatever the batch.
MAX_ROWS = 2048


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
    kernel = KERNELS[cell.name](xp, [d.weights for d in directions])
    nO = kernel.nO
    if source is not None:
        if directions[0].window(X.shape[1]) == 1 and X.shape[0] <= MAX_PROJECTED:
            kernel.project(X)
        else:
            X, source = X[source], None
    inputs = Inputs(xp, X, packing, directions)
    order, rank = xp.asarray(packing.order), xp.asarray(packing.rank)
    # (D, n_seqs, nO): longest sequence first, as the loop needs them.
    state = {key: xp.stack([d.state[key][order] for d in directions]) for key in cell.states}
    mask = None
    if all(d.mask is not None for d in directions):
        mask = xp.stack([d.mask[order] for d in directions])  # type: ignore[index]
    Y = xp.empty((packing.n_rows, len(directions) * nO), dtype=X.dtype)
    segments = [packing.whole()] if is_train else packing.segments(MAX_ROWS)
    for segment in segments:
        columns = inputs.columns(segment)
        index = [of_direction[-1].rows for of_direction in columns]
        if source is None:
            Xp = inputs.read(columns, segment.n_rows, is_train)  # (D, n_rows, window*nI)
        else:
            Xp = xp.stack([source[i] for i in index])
        trace = _run(kernel, Xp, segment, state, mask)
        state = trace.final
        for d, i in enumerate(index):
            Y[i, d * nO : (d + 1) * nO] = trace.outputs[d]
    finals = _by_direction(state, inputs.last(), rank)

    def backward(
        dY: Floats2d, d_final: List[Optional[StateT]], needs_dX: bool = True
    ) -> Tuple[Optional[Floats2d], List[GradsT], List[StateT]]:
        halves = [slice(d * nO, (d + 1) * nO) for d in range(len(directions))]

        def gather(rows: slice) -> Floats3d:
            """(D, n, nO) The gradients of some of the packed outputs."""
            return cast(Floats3d, xp.stack([dY[i[rows], c] for i, c in zip(index, halves)]))

        d_state = _final_gradients(directions, d_final, cell.states, order, xp)
        d_gates = _run_back(kernel, trace, segment, gather, d_state, mask)
        grads = kernel.gradients(trace, d_gates, Xp)
        if not needs_dX and inputs.window == 1:
            return None, grads, _by_direction(d_state, [], rank)
        dXp = kernel.input_gradients(d_gates, Xp)
        d_last = [None if g is None or "x" not in g else g["x"][order] for g in d_final]
        dX, d_carried = inputs.gradients(columns, dXp, d_last)
        return dX, grads, _by_direction(d_state, d_carried, rank)

    return Y, finals, backward


def _run(
    kernel: BaseKernel,
    Xp: Floats3d,
    segment: Segment,
    state: Dict[str, Floats3d],
    mask: Optional[Floats3d],
) -> Trace:
    """Take the steps of a segment, from `state`.

    Xp (Floats3d): (D, n_rows, window*nI) The packed rows of these steps; if the kernel has
        projected the rows already, (D, n_rows) the places of their projections.
    state (Dict[str, Floats3d]): (D, n_seqs, nO) each, in sorted order.
    RETURNS (Trace): What was computed, with the `final` state of all sequences.
    """
    n_running = segment.n_running
    trace = kernel.start(Xp, {key: value[:, :n_running] for key, value in state.items()})
    steps = segment.steps()
    for first, end in segment.blocks(MAX_ROWS):
        kernel.run(trace, Xp, _rows(segment, first, end), steps[first:end], mask)
    trace.final = dict(state)
    if n_running:
        last = n_running + kernel.xp.asarray(segment.last_rows())
        for key in state:
            value = state[key].copy()
            value[:, :n_running] = trace.states[key][:, last]
            trace.final[key] = value
    return trace


def _run_back(
    kernel: BaseKernel,
    trace: Trace,
    segment: Segment,
    gather: Callable[[slice], Floats3d],
    d_state: Dict[str, Floats3d],
    mask: Optional[Floats3d],
) -> Floats3d:
    """Backpropagation through time: the steps in reverse.

    gather (Callable[[slice], Floats3d]): Gives (D, n, nO) gradients of packed outputs.
    d_state (Dict[str, Floats3d]): (D, n_seqs, nO) Gradient of the final states, which becomes
        that of the initial states.
    RETURNS (Floats3d): (D, n_rows, nG*nO) The gradients of the gates.
    """
    previous = kernel.xp.asarray(segment.previous_rows())
    d_gates = kernel.start_back(trace)
    steps = segment.steps()
    for first, end in reversed(segment.blocks(MAX_ROWS)):
        rows = _rows(segment, first, end)
        kernel.run_back(
            trace, rows, steps[first:end], previous[rows], gather(rows), d_state, d_gates, mask
        )
    return d_gates


def _final_gradients(
    directions: List[Direction],
    d_final: List[Optional[StateT]],
    keys: Sequence[str],
    order: Any,
    xp: Any,
) -> Dict[str, Floats3d]:
    """RETURNS (Dict[str, Floats3d]): (D, n_seqs, nO) each, in sorted order; zeros where no gradient
    is given."""
    d_state = {}
    for key in keys:
        given = [
            xp.zeros_like(d.state[key]) if g is None or key not in g else g[key]
            for d, g in zip(directions, d_final)
        ]
        d_state[key] = xp.stack([g[order] for g in given])
    return d_state


def _by_direction(state: Dict[str, Floats3d], carried: List[Floats2d], rank: Any) -> List[StateT]:
    """RETURNS (List[StateT]): The states, or their gradients, in the order of the batch, with the
    inputs that are carried if the cell reads a window of them."""
    n_directions = len(next(iter(state.values())))
    states: List[StateT] = [
        {key: cast(Floats2d, value[d][rank]) for key, value in state.items()}
        for d in range(n_directions)
    ]
    for entry, x in zip(states, carried):
        entry["x"] = x[rank]
    return states


def _rows(segment: Segment, first: int, end: int) -> slice:
    """The packed rows of some of a segment's steps."""
    return slice(int(segment.offsets[first]), int(segment.offsets[end]))
