"""The loops of the numba engine over the steps of a batch.

One direction of one batch is one call. What a call works on besides its trace is bounded: it takes
`BLOCK` rows at a time, whose gates stay in the CPU's second-level cache.
"""

from typing import Any, NamedTuple

from .numba_cells import step, step_back
from .numba_gemm import PANEL, Matrix, add_transposed, multiply
from .numba_jit import helper, kernel
from .numba_layout import GRU
from .numba_simd import LANES, accumulate, copy, load, number, store

BLOCK = 256


class Sequences(NamedTuple):
    """Where the sequences of a batch are, the longest first.

    begin (Ints1d): (n_seqs,) Row of the Ragged that each one's first step reads.
    turn (int): 1 if they are read from the start, -1 if from the end.
    sizes (Ints1d): (n_steps,) How many run in each step.
    first_step (int): What the first of the steps is counted as.
    source (Ints1d): (n_tokens,) The row of X that stands at each row of the Ragged, or none of them
        if X has the rows of the Ragged.
    counting (Ints1d): 0, 1, 2, ...: the rows of a matrix that are all of them.
    """

    begin: Any
    turn: int
    sizes: Any
    first_step: int
    source: Any
    counting: Any


class Weights(NamedTuple):
    """Laid out for one direction's products; see `numba_layout`.

    Wx, Wh (Floats1d): In panels.
    b (Floats1d): In the order of the gates' columns.
    bh (Floats1d): The GRU's, or empty.
    """

    Wx: Any
    Wh: Any
    b: Any
    bh: Any


class Gradients(NamedTuple):
    """What is added up on the way back, as flat arrays.

    dWx, dWh (Floats1d): (nI, ldw), (nO, ldw) Transposed; ldw is the columns in whole panels.
    db (Floats1d): (ld,)
    """

    dWx: Any
    dWh: Any
    db: Any


class Trace(NamedTuple):
    """What the way back needs of a pass, in packed order, as flat arrays.

    G (Floats1d): (n_rows, ld) Gates.
    H, C (Floats1d): (n_first + n_rows, width) States; C is empty but for the LSTM.
    """

    G: Any
    H: Any
    C: Any


class Room(NamedTuple):
    """What the way back works on, for a block of rows: flat arrays with any content.

    rows (Ints1d): (n,) Of the Ragged.
    X, H (Floats1d): (n, nI), (n, width) What the gates' products read.
    G (Floats1d): (n, ld) Gradients of the gates.
    dX, dY (Floats1d): (n, ldi), (n, width)
    dH (Floats1d): (n_first, ldo) What a mask has yet to multiply.
    zeros (Floats1d): (max(ldi, ldo),)
    panel (Floats1d): (n, PANEL)
    """

    rows: Any
    X: Any
    H: Any
    G: Any
    dX: Any
    dY: Any
    dH: Any
    zeros: Any
    panel: Any


@kernel
def project(X, nI, Wx, b, P, ld, n, n_panels, rows):  # type: ignore[no-untyped-def]
    """P[i, :] = X[rows[i], :] Wx^T + b for n rows."""
    zero = number(0)
    bias = Matrix(b, zero, zero)
    multiply(Matrix(X, zero, nI), rows, Wx, nI, bias, Matrix(P, zero, ld), n, n_panels)


@helper
def _block_end(sizes, first):  # type: ignore[no-untyped-def]
    """RETURNS (Tuple[int, int]): The step after the last of a block that begins with `first`, and
    how many rows it has."""
    end, n = first, 0
    while end < len(sizes) and (end == first or n + sizes[end] <= BLOCK):
        n += sizes[end]
        end += 1
    return end, n


@helper
def _find_rows(sequences, first, end, rows):  # type: ignore[no-untyped-def]
    """Fill `rows` with those of the Ragged that these steps read."""
    n = 0
    for t in range(first, end):
        for s in range(sequences.sizes[t]):
            rows[n] = sequences.begin[s] + sequences.turn * (sequences.first_step + t)
            n += 1


@helper
def _read(X, P, sequences, weights, layout, rows, sources, G, g, n):  # type: ignore[no-untyped-def]
    """What the inputs give to the gates of n rows."""
    nI, ld, zero = layout.nI, layout.ld, number(0)
    has_source = len(sequences.source) > 0
    for i in range(n):
        sources[i] = sequences.source[rows[i]] if has_source else rows[i]
    if len(P):
        for i in range(n):
            copy(P, sources[i] * ld, G, g + i * ld, layout.columns)
    else:
        bias = Matrix(weights.b, zero, zero)
        gates = Matrix(G, g, ld)
        multiply(Matrix(X, zero, nI), sources, weights.Wx, nI, bias, gates, n, layout.n_panels)
    if layout.kind == GRU:
        for i in range(n):
            copy(weights.bh, zero, G, g + i * ld + layout.columns, layout.width)


@helper
def _masked(H, h, mask, M, m, width, n):  # type: ignore[no-untyped-def]
    """M = H * mask for n rows, which begin at h and m; the mask's rows are the sequences."""
    for i in range(0, n * width, LANES):
        store(M, m + i, load(H, h + i) * load(mask, i))


@kernel
def forward(  # type: ignore[no-untyped-def]
    X, P, sequences, weights, layout, trace, keep, mask, Y, ldy, column, rows, sources, masked
):
    """Take all steps of one direction.

    X (Floats1d): (n, nI) The inputs, flat as all arrays here.
    P (Floats1d): (n, ld) What they give to the gates, if that is known already, or empty.
    trace (Trace): With the initial states in front. If not `keep`, the gates have room for a block,
        and the states are only the initial ones, which become the final ones.
    mask (Floats1d): (n_seqs, width) Multiplies h on its way into the gates, or empty.
    Y (Floats1d): (n_tokens, ldy) Filled from `column` on.
    rows, sources (Ints1d), masked (Floats1d): Room for a block.
    """
    G, H, C = trace
    sizes = sequences.sizes
    n_steps, nO, width, ld = len(sizes), layout.nO, layout.width, layout.ld
    if n_steps == 0:
        return
    n_first = sizes[0]
    first, row, before = 0, 0, 0
    while first < n_steps:
        end, n_block = _block_end(sizes, first)
        _find_rows(sequences, first, end, rows)
        g = row * ld if keep else 0
        _read(X, P, sequences, weights, layout, rows, sources, G, g, n_block)
        done = 0
        for t in range(first, end):
            n = sizes[t]
            after = (n_first + row) * width if keep else 0
            gates = Matrix(G, g + layout.hidden_at, ld)
            hidden = Matrix(H, before, width)
            if len(mask):
                _masked(H, before, mask, masked, number(0), width, n)
                hidden = Matrix(masked, number(0), width)
            multiply(hidden, sequences.counting, weights.Wh, nO, gates, gates, n, layout.n_panels)
            step(layout.kind, G, g, ld, H, before, after, C, width, n)
            for s in range(n):
                copy(H, after + s * width, Y, rows[done + s] * ldy + column, nO)
            done += n
            row += n
            g += n * ld
            before = after
        first = end


@kernel
def backward(  # type: ignore[no-untyped-def]
    X, sequences, weights, layout, trace, mask, dY, ldy, column, dH, dC, dX, add, gradients, room
):
    """Backpropagation through time: the steps in reverse.

    weights (Weights): Laid out for the way back.
    dY (Floats1d): (n_tokens, ldy) Gradient of the outputs, from `column` on.
    dH, dC (Floats1d): (n_seqs, ldo), (n_seqs, width) Gradients of the final states, which become
        those of the initial ones.
    dX (Floats1d): (n_tokens, nI) Filled, or added to if `add`; or empty, if it is not needed.
    """
    G, H, C = trace
    sizes = sequences.sizes
    nO, nI, width, ld = layout.nO, layout.nI, layout.width, layout.ld
    n_rows = 0
    for t in range(len(sizes)):
        n_rows += sizes[t]
    end, row = len(sizes), n_rows
    while end > 0:
        first, n_block = end, 0
        while first > 0 and (first == end or n_block + sizes[first - 1] <= BLOCK):
            first -= 1
            n_block += sizes[first]
        _find_rows(sequences, first, end, room.rows)
        for i in range(n_block):
            at = room.rows[i]
            copy(dY, at * ldy + column, room.dY, i * width, nO)
            for j in range(nO, width):
                room.dY[i * width + j] = 0.0
            copy(X, at * nI, room.X, i * nI, nI)
        done = n_block
        for t in range(end - 1, first - 1, -1):
            n = sizes[t]
            row -= n
            done -= n
            after = (sizes[0] + row) * width
            before = (sizes[0] + row - sizes[t - 1]) * width if t else 0
            if len(mask):
                _masked(H, before, mask, room.H, done * width, width, n)
            else:
                copy(H, before, room.H, done * width, n * width)
            step_back(
                layout.kind, G, row * ld, ld, H, C, before, after, width, room.G, done * ld,
                room.dY, done * width, dH, layout.ldo, dC, n,
            )  # fmt: skip
            _hidden_gradient(weights, layout, sequences, room, done * ld, dH, mask, n)
        _add_gradients(weights, layout, sequences, room, gradients, n_block, len(dX) > 0)
        for i in range(n_block if len(dX) else 0):
            to = room.rows[i] * nI
            if add:
                accumulate(room.dX, i * layout.ldi, dX, to, nI)
            else:
                copy(room.dX, i * layout.ldi, dX, to, nI)
        end = first


@helper
def _hidden_gradient(weights, layout, sequences, room, dg, dH, mask, n):  # type: ignore[no-untyped-def]
    """From the gradient of the gates of one step to that of the states before it."""
    columns, width, ldo, zero = layout.columns, layout.width, layout.ldo, number(0)
    dgates = Matrix(room.G, dg + layout.hidden_at, layout.ld)
    hidden, nothing = Matrix(dH, zero, ldo), Matrix(room.zeros, zero, zero)
    n_panels, counting = ldo // PANEL, sequences.counting
    if len(mask):
        masked = Matrix(room.dH, zero, ldo)
        multiply(dgates, counting, weights.Wh, columns, nothing, masked, n, n_panels)
        for s in range(n):
            for j in range(0, width, LANES):
                dh = load(room.dH, s * ldo + j) * load(mask, s * width + j)
                if layout.kind == GRU:
                    dh = dh + load(dH, s * ldo + j)
                store(dH, s * ldo + j, dh)
    else:
        init = hidden if layout.kind == GRU else nothing
        multiply(dgates, counting, weights.Wh, columns, init, hidden, n, n_panels)


@helper
def _add_gradients(  # type: ignore[no-untyped-def]
    weights, layout, sequences, room, gradients, n, needs_dX
):
    """The gradients of the weights, added up, and those of the inputs of n rows."""
    ld, columns, ldi = layout.ld, layout.columns, layout.ldi
    zero, counting = number(0), sequences.counting
    dgates, dhidden = Matrix(room.G, zero, ld), Matrix(room.G, layout.hidden_at, ld)
    X, H = Matrix(room.X, zero, layout.nI), Matrix(room.H, zero, layout.width)
    ldw = layout.n_panels * PANEL
    dWx, dWh = Matrix(gradients.dWx, zero, ldw), Matrix(gradients.dWh, zero, ldw)
    add_transposed(X, counting, layout.nI, dgates, n, dWx, layout.n_panels, room.panel)
    add_transposed(H, counting, layout.nO, dhidden, n, dWh, layout.n_panels, room.panel)
    for i in range(n):
        accumulate(room.G, i * ld, gradients.db, zero, layout.hidden_at + columns)
    if needs_dX:
        nothing, dX = Matrix(room.zeros, zero, zero), Matrix(room.dX, zero, ldi)
        multiply(dgates, counting, weights.Wx, columns, nothing, dX, n, ldi // PANEL)
