"""The reference engine: one GEMM for all inputs, then a loop over the shrinking batch.

It is written against the module of the arrays it is given, so the same code runs on NumPy and
on CuPy. All directions run in the same loop, as the first axis of each array.
"""

from typing import Callable, Dict, List, Optional, Tuple, cast

from thinc.api import get_array_module
from thinc.types import Floats2d, Floats3d

from ..packing import Packing, Segment
from .base import Cell, Direction, GradsT, ResultT, StateT
from .numpy_cells import KERNELS, Kernel, Trace

# Rows that are worked on at a time: their gates stay in the CPU's cache. At prediction it bounds
# the working memory as well, whatever the batch.
MAX_ROWS = 2048


def forward(
    cell: Cell, X: Floats2d, packing: Packing, directions: List[Direction], is_train: bool
) -> ResultT:
    """Run a cell over a batch (see `base.Engine.forward`)."""
    xp = get_array_module(X)
    kernel = KERNELS[cell.name](xp, [d.weights for d in directions])
    nO = kernel.nO
    order, rank = xp.asarray(packing.order), xp.asarray(packing.rank)
    # (D, n_seqs, nO): longest sequence first, as the loop needs them.
    state = {key: xp.stack([d.state[key][order] for d in directions]) for key in cell.states}
    mask = None
    if all(d.mask is not None for d in directions):
        mask = xp.stack([d.mask[order] for d in directions])  # type: ignore[index]
    Y = xp.empty((X.shape[0], len(directions) * nO), dtype=X.dtype)
    segments = [packing.whole()] if is_train else packing.segments(MAX_ROWS)
    for segment in segments:
        index = [xp.asarray(segment.index(d.reverse)) for d in directions]
        Xp = xp.stack([X[i] for i in index])  # (D, n_rows, nI)
        trace = _run(kernel, Xp, segment, state, mask)
        state = trace.final
        for d, i in enumerate(index):
            Y[i, d * nO : (d + 1) * nO] = trace.outputs[d]
    finals: List[StateT] = [
        {key: state[key][d][rank] for key in cell.states} for d in range(len(directions))
    ]

    def backward(
        dY: Floats2d, d_final: List[Optional[StateT]]
    ) -> Tuple[Floats2d, List[GradsT], List[StateT]]:
        columns = [slice(d * nO, (d + 1) * nO) for d in range(len(directions))]

        def gather(rows: slice) -> Floats3d:
            """(D, n, nO) The gradients of some of the packed outputs."""
            return cast(Floats3d, xp.stack([dY[i[rows], c] for i, c in zip(index, columns)]))

        d_state = {}
        for key in cell.states:
            given = [
                xp.zeros_like(d.state[key]) if g is None or key not in g else g[key]
                for d, g in zip(directions, d_final)
            ]
            d_state[key] = xp.stack([g[order] for g in given])
        d_gates = _run_back(kernel, trace, segment, gather, d_state, mask)
        grads, dXp = kernel.gradients(trace, d_gates, Xp)
        # Add up the directions, each in the order of the Ragged. (n_tokens, nI)
        dX = xp.empty_like(X)
        dX[index[0]] = dXp[0]
        for i, dXp_further in zip(index[1:], dXp[1:]):
            dX[i] += dXp_further
        d_states: List[StateT] = [
            {key: d_state[key][d][rank] for key in cell.states} for d in range(len(directions))
        ]
        return dX, grads, d_states

    return Y, finals, backward


def _run(
    kernel: Kernel,
    Xp: Floats3d,
    segment: Segment,
    state: Dict[str, Floats3d],
    mask: Optional[Floats3d],
) -> Trace:
    """Take the steps of a segment, from `state`.

    Xp (Floats3d): (D, n_rows, nI) The packed rows of these steps.
    state (Dict[str, Floats3d]): (D, n_seqs, nO) each, in sorted order.
    RETURNS (Trace): What was computed, with the `final` state of all sequences.
    """
    n_running = segment.n_running
    trace = kernel.start(Xp, {key: value[:, :n_running] for key, value in state.items()})
    steps = segment.steps()
    for first, end in segment.blocks(MAX_ROWS):
        kernel.read(trace, Xp, _rows(segment, first, end))
        for n, row, previous in steps[first:end]:
            kernel.step(trace, n, row, previous, None if mask is None else mask[:, :n])
    trace.final = dict(state)
    if n_running:
        last = n_running + kernel.xp.asarray(segment.last_rows())
        for key in state:
            value = state[key].copy()
            value[:, :n_running] = trace.states[key][:, last]
            trace.final[key] = value
    return trace


def _run_back(
    kernel: Kernel,
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
    xp = kernel.xp
    ranks, previous = xp.asarray(segment.row_ranks), xp.asarray(segment.previous_rows())
    d_gates = kernel.start_back(trace)
    steps = segment.steps()
    for first, end in reversed(segment.blocks(MAX_ROWS)):
        rows = _rows(segment, first, end)
        h_previous = trace.saved["h_previous"][:, rows]
        h_previous[...] = trace.states["h"][:, previous[rows]]
        if mask is not None:
            h_previous *= mask[:, ranks[rows]]
        kernel.factors(trace, rows, previous[rows], out=d_gates[:, rows])
        dH = gather(rows)
        for n, row, _ in reversed(steps[first:end]):
            dh = d_state["h"][:, :n]
            dh += dH[:, row - rows.start : row - rows.start + n]
            kernel.step_back(trace, d_gates, d_state, n, row, None if mask is None else mask[:, :n])
    return d_gates


def _rows(segment: Segment, first: int, end: int) -> slice:
    """The packed rows of some of a segment's steps."""
    return slice(int(segment.offsets[first]), int(segment.offsets[end]))
