"""The fused engine for CPUs: the whole loop over the steps is one compiled function.

It computes in float32; arrays of other types go to the NumPy engine. Each direction is a task of
its own, and where there are more threads than directions, each share of the sequences.
"""

from functools import partial
from typing import Any, List, Optional, Tuple, Union, cast

import numpy
from thinc.types import Floats2d, Ints1d

from ..packing import Packing
from ..threads import get_num_threads, workers
from . import numba_layout, numba_scan
from .base import Cell, Direction, GradsT, ResultT, StateT
from .numba_carried import Carried
from .numba_pass import Batch, Pass
from .numba_scan_pass import ScanBatch, ScanPass
from .numba_simd import flat
from .summing import current_sums
from .workspace import recycler

PassT = Union[Pass, ScanPass]
CELLS = {*numba_layout.KINDS, *numba_scan.KINDS}
TAKES_SOURCE = True
USES_BLAS = False
# Multiplications for each thread: fewer are done before another one has woken up.
MIN_WORK = 1e7


def forward(
    cell: Cell,
    X: Floats2d,
    packing: Packing,
    directions: List[Direction],
    is_train: bool,
    source: Optional[Ints1d] = None,
) -> ResultT:
    """Run a cell over a batch (see `base.Engine.forward`)."""
    nI = X.shape[1]
    make_batch = ScanBatch if cell.is_scan else Batch
    batch = make_batch(cell, packing, directions, nI, flat(X), source)
    nO = batch.layout.nO
    Y: Any = recycler.empty(numpy, (packing.n_rows, len(directions) * nO), "float32")
    n_worth = int(batch.work * len(directions) / MIN_WORK)
    n_threads = max(1, min(get_num_threads(), n_worth))
    shares = batch.shares(-(-n_threads // len(directions)))
    make_pass: Any = ScanPass if cell.is_scan else Pass
    # By direction, by share of the sequences.
    passes: List[List[PassT]] = [
        [make_pass(batch, direction, d * nO, share) for share in shares]
        for d, direction in enumerate(directions)
    ]
    tasks = [
        partial(p.forward, Y.reshape(-1), Y.shape[1], is_train) for part in passes for p in part
    ]
    workers.run(tasks, n_threads)
    carried = Carried(X, packing, directions, batch.window, batch.source)
    finals = [_gather(packing, shares, [p.state for p in part]) for part in passes]
    carried.leave(finals)

    def backward(
        dY: Floats2d, d_final: List[Optional[StateT]], needs_dX: bool = True
    ) -> Tuple[Optional[Floats2d], List[GradsT], List[StateT]]:
        dYf = flat(dY)
        # If directions run at the same time, each writes to an array of its own.
        n_arrays = len(directions) if n_threads > 1 else 1
        # Without rows to fill, no gradient of the input is computed.
        n_rows = packing.n_rows if needs_dX or batch.window > 1 else 0
        dXs: List[Any] = [recycler.empty(numpy, (n_rows, nI), "float32") for _ in range(n_arrays)]
        if batch.window > 1:  # each row's gradient is a sum
            for dX in dXs:
                dX.fill(0.0)

        _share_sums(directions, passes)
        tasks = []
        for d, (part, given) in enumerate(zip(passes, d_final)):
            dX, add = dXs[min(d, n_arrays - 1)].reshape(-1), d >= n_arrays
            tasks += [partial(p.backward, dYf, Y.shape[1], given, dX, add) for p in part]
        workers.run(tasks, n_threads)
        dX = dXs[0]
        for further in dXs[1:]:
            dX += further
        grads = [_add([p.gradients for p in part]) for part in passes]
        d_states = [_gather(packing, shares, [p.d_state for p in part]) for part in passes]
        carried.add_gradients(d_final, dX, d_states)
        return cast(Floats2d, dX) if needs_dX else None, grads, d_states

    return cast(Floats2d, Y), finals, backward


def _share_sums(directions: List[Direction], passes: List[List[PassT]]) -> None:
    """Let the passes add to sums over many calls, if we are in such a block. Their layout must be
    the same in all of them; that of scans is not."""
    sums = current_sums()
    if sums is None:
        return
    for direction, part in zip(directions, passes):
        for share, one in enumerate(part):
            if isinstance(one, Pass):
                one.sums = sums.take(direction, share, one.make_sums, one.restored)


def _add(parts: List[GradsT]) -> GradsT:
    """The gradients of all shares."""
    total = parts[0]
    for part in parts[1:]:
        for key, gradient in part.items():
            total[key] = total[key] + gradient
    return total


def _gather(packing: Packing, shares: List[Any], parts: List[StateT]) -> StateT:
    """RETURNS (StateT): (n_seqs, width) each, from those of the shares, in the order of the batch.

    shares (List[Ints1d]): The sequences of each.
    """
    gathered = {}
    for key, first in parts[0].items():
        state: Any = numpy.empty((packing.n_seqs, first.shape[1]), dtype="float32")
        for share, part in zip(shares, parts):
            state[share] = part[key]
        gathered[key] = state
    return gathered
