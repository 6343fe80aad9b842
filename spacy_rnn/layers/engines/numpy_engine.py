"""The reference engine: one GEMM for all inputs, then a loop over the shrinking batch.

It is written against the module of the arrays it is given, so the same code runs on
NumPy and on CuPy. All directions run in the same loop, as the first axis of each array.
"""

from typing import Any, List, Optional, Tuple

from thinc.api import get_array_module
from thinc.types import Floats2d, Floats3d

from ..packing import IntsT, Packing
from .base import Cell, Direction, GradsT, ResultT, StateT
from .numpy_cells import KERNELS, Kernel, Trace

# Rows of one segment at prediction. Bounds the working memory whatever the batch; at this
# size the gates of a segment stay in the CPU's cache.
MAX_ROWS = 2048


def forward(
    cell: Cell, X: Floats2d, packing: Packing, directions: List[Direction], is_train: bool
) -> ResultT:
    """Run a cell over a batch (see `base.Engine.forward`)."""
    xp = get_array_module(X)
    kernel = KERNELS[cell.name](xp, [d.weights for d in directions])
    order = xp.asarray(packing.order)
    # (D, n_seqs, nO): longest sequence first, as the loop needs them.
    state = {key: _stack(xp, [d.state[key] for d in directions], order) for key in cell.states}
    mask = None
    if directions[0].mask is not None:
        mask = _stack(xp, [d.mask for d in directions], order)
    index = [xp.asarray(packing.index(d.reverse)) for d in directions]
    nO = kernel.nO
    Y = xp.empty((X.shape[0], len(directions) * nO), dtype=X.dtype)

    def write(out: Floats3d, first_row: int) -> None:
        """Put packed rows (D, n, nO) where they belong in Y."""
        rows = slice(first_row, first_row + out.shape[1])
        for d, i in enumerate(index):
            Y[i[rows], d * nO : (d + 1) * nO] = out[d]

    if is_train:
        Xp = xp.stack([X[i] for i in index])  # (D, n_rows, nI)
        trace = _run(kernel, Xp, packing, 0, packing.n_steps, state, mask)
        write(trace.outputs, 0)
        final = trace.final
    else:
        final = dict(state)
        for first, end in packing.segments(MAX_ROWS):
            rows = slice(int(packing.offsets[first]), int(packing.offsets[end]))
            Xp = xp.stack([X[i[rows]] for i in index])
            trace = _run(kernel, Xp, packing, first, end, final, mask)
            write(trace.outputs, rows.start)
            final = trace.final

    rank = xp.asarray(packing.rank)
    finals: List[StateT] = [
        {key: final[key][d][rank] for key in cell.states} for d in range(len(directions))
    ]

    def backward(
        dY: Floats2d, d_final: List[Optional[StateT]]
    ) -> Tuple[Floats2d, List[GradsT], List[StateT]]:
        dH = xp.stack([dY[i, d * nO : (d + 1) * nO] for d, i in enumerate(index)])
        d_state = {
            key: _stack(xp, [_final_gradient(xp, g, key, directions, nO) for g in d_final], order)
            for key in cell.states
        }
        d_input = _run_back(kernel, trace, packing, dH, d_state, mask)
        grads, dXp = kernel.gradients(trace, d_input, Xp)
        # Add up the directions, each in the order of the Ragged. (n_tokens, nI)
        dX = xp.empty_like(X)
        dX[index[0]] = dXp[0]
        for d in range(1, len(directions)):
            dX[index[d]] += dXp[d]
        d_states = [
            {key: d_state[key][d][rank] for key in cell.states} for d in range(len(directions))
        ]
        return dX, grads, d_states

    return Y, finals, backward


def _run(
    kernel: Kernel,
    Xp: Floats3d,
    packing: Packing,
    first: int,
    end: int,
    state: Any,
    mask: Optional[Floats3d],
) -> Trace:
    """Take the steps first..end, from `state`.

    Xp (Floats3d): (D, n_rows, nI) The packed rows of these steps.
    state (Dict[str, Floats3d]): (D, n_seqs, nO) each, in sorted order.
    RETURNS (Trace): What was computed, with the `final` state of all sequences.
    """
    n_running = int(packing.batch_sizes[first]) if end > first else 0
    trace = kernel.start(Xp, {key: value[:, :n_running] for key, value in state.items()})
    for n, row, previous in _steps(packing, first, end):
        kernel.step(trace, n, row, previous, None if mask is None else mask[:, :n])
    trace.final = dict(state)
    if n_running:
        last = trace.n_first + kernel.xp.asarray(packing.last_rows(first, end))
        for key in state:
            value = state[key].copy()
            value[:, :n_running] = trace.states[key][:, last]
            trace.final[key] = value
    return trace


def _run_back(
    kernel: Kernel,
    trace: Trace,
    packing: Packing,
    dH: Floats3d,
    d_state: Any,
    mask: Optional[Floats3d],
) -> Any:
    """Backpropagation through time: the steps in reverse.

    dH (Floats3d): (D, n_rows, nO) Gradient of the packed outputs; overwritten.
    d_state (Dict[str, Floats3d]): (D, n_seqs, nO) Gradient of the final states, which
        becomes that of the initial states.
    RETURNS: The gradients that `Kernel.gradients` wants, for all rows at once.
    """
    previous_rows = kernel.xp.asarray(_previous_rows(packing))
    d_input = kernel.start_back(trace, previous_rows, mask, packing)
    for n, row, _ in reversed(list(_steps(packing, 0, packing.n_steps))):
        kernel.step_back(
            trace, d_input, dH, d_state, n, row, None if mask is None else mask[:, :n]
        )
    return d_input


def _steps(packing: Packing, first: int, end: int) -> List[Tuple[int, int, int]]:
    """For each step: how many sequences run, their first row, and the first row of what they
    carry in the arrays of states, which have the initial state in front."""
    if end <= first:
        return []
    sizes = packing.batch_sizes[first:end].tolist()
    rows = (packing.offsets[first:end] - packing.offsets[first]).tolist()
    previous = [0] + [sizes[0] + row for row in rows[:-1]]
    return list(zip(sizes, rows, previous))


def _previous_rows(packing: Packing) -> IntsT:
    """(n_rows,) The row of the state that each packed row began from."""
    import numpy

    if not packing.n_steps:
        return numpy.zeros(0, dtype="int64")
    steps = _steps(packing, 0, packing.n_steps)
    previous = numpy.asarray([p for _, _, p in steps])
    starts = numpy.repeat(previous - packing.offsets[:-1], packing.batch_sizes)
    return starts + numpy.arange(packing.n_rows)


def _stack(xp: Any, arrays: List[Any], order: Any) -> Floats3d:
    """(D, n_seqs, nO), in sorted order."""
    return xp.stack([array[order] for array in arrays])


def _final_gradient(
    xp: Any, d_final: Optional[StateT], key: str, directions: List[Direction], nO: int
) -> Floats2d:
    if d_final is not None and key in d_final:
        return d_final[key]
    return xp.zeros_like(directions[0].state[key])
