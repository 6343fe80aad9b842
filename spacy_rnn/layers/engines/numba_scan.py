"""The cells whose gates depend on the inputs alone, for the numba engine.

One product for all rows of a block, then an elementwise scan over them while they are in the cache.
Nothing is packed: the rows of a sequence are read one after another. For the equations in words see
`numpy_scan`.
"""

from typing import Any, NamedTuple

from .numba_gemm import PANEL, Matrix, add_transposed, multiply
from .numba_jit import helper, kernel
from .numba_math import sigmoid, tanh
from .numba_simd import LANES, accumulate, copy, fma, load, number, store

BLOCK = 256
QRNN_F, QRNN_FO, QRNN_IFO, MINGRU = range(4)
KINDS = {"qrnn_f": QRNN_F, "qrnn_fo": QRNN_FO, "qrnn_ifo": QRNN_IFO, "mingru": MINGRU}


class ScanLayout(NamedTuple):
    """Widths, in numbers. Rows of gates and states are padded to whole vectors.

    kind (int): Which cell.
    nI (int): Inputs.
    window (int): How many of them each step reads.
    nO (int): Units.
    width (int): Units, padded.
    columns (int): Of a row of gates, those that are used: n_gates * width.
    ld (int): The same in whole panels: from one row of gates to the next.
    ldi (int): window * nI in whole panels.
    """

    kind: int
    nI: int
    window: int
    nO: int
    width: int
    columns: int
    ld: int
    ldi: int


class Part(NamedTuple):
    """The sequences of a batch, or some that follow one another in it, as they are read.

    starts, lengths (Ints1d): (n_seqs,) First row of each in the Ragged, and its rows.
    first (int): Row of the Ragged where the first of them starts.
    n_rows (int): Rows of all of them.
    turn (int): 1 if they are read from the start, -1 if from the end.
    source (Ints1d): (n_tokens,) The row of X that stands at each row of the Ragged, or none of them
        if X has the rows of the Ragged.
    counting (Ints1d): 0, 1, 2, ...: the rows of a matrix that are all of them.
    """

    starts: Any
    lengths: Any
    first: int
    n_rows: int
    turn: int
    source: Any
    counting: Any


class ScanRoom(NamedTuple):
    """What a block of rows is worked on in: flat arrays with any content.

    rows, sources, seqs, steps (Ints1d): (n,) The row of the Ragged, that of X, the sequence and its
        step.
    X (Floats1d): (n, window * nI) What the product reads.
    G (Floats1d): (n, ld) Gates, or their gradients.
    h (Floats1d): (width,) One output.
    dX (Floats1d): (n, ldi)
    zeros (Floats1d): (ldi,)
    panel (Floats1d): (n, PANEL)
    """

    rows: Any
    sources: Any
    seqs: Any
    steps: Any
    X: Any
    G: Any
    h: Any
    dX: Any
    zeros: Any
    panel: Any


@helper
def _find_rows(part, place, n, seq, room):  # type: ignore[no-untyped-def]
    """List n rows in the order in which they are read, from `place` on.

    seq (int): A sequence that begins there or before.
    RETURNS (int): The sequence of the first row.
    """
    while part.starts[seq] - part.first + part.lengths[seq] <= place:
        seq += 1
    found = seq
    for i in range(n):
        while part.starts[seq] - part.first + part.lengths[seq] <= place + i:
            seq += 1
        step = place + i - (part.starts[seq] - part.first)
        room.seqs[i] = seq
        room.steps[i] = step
        at = step if part.turn == 1 else part.lengths[seq] - 1 - step
        room.rows[i] = part.starts[seq] + at
    return found


@helper
def _fetch(X, carried, part, layout, room, n):  # type: ignore[no-untyped-def]
    """Put what each step reads side by side, the oldest first.

    carried (Floats1d): (n_seqs, (window-1) * nI) What was read before the first step.
    """
    nI, window = layout.nI, layout.window
    has_source = len(part.source) > 0
    for i in range(n):
        for k in range(window):
            back = window - 1 - k
            step = room.steps[i] - back
            to = (i * window + k) * nI
            if step < 0:
                at = (room.seqs[i] * (window - 1) + step + window - 1) * nI
                copy(carried, at, room.X, to, nI)
            else:
                row = room.rows[i] - part.turn * back
                if has_source:
                    row = part.source[row]
                copy(X, row * nI, room.X, to, nI)


@helper
def _read(X, P, carried, part, Wx, b, layout, room, G, g, n):  # type: ignore[no-untyped-def]
    """The products of n rows."""
    ld, n_k, zero = layout.ld, layout.window * layout.nI, number(0)
    bias, gates = Matrix(b, zero, zero), Matrix(G, g, ld)
    if len(P):
        for i in range(n):
            copy(P, part.source[room.rows[i]] * ld, G, g + i * ld, layout.columns)
    elif layout.window == 1:
        for i in range(n):
            row = room.rows[i]
            room.sources[i] = part.source[row] if len(part.source) else row
        multiply(Matrix(X, zero, n_k), room.sources, Wx, n_k, bias, gates, n, ld // PANEL)
    else:
        _fetch(X, carried, part, layout, room, n)
        multiply(Matrix(room.X, zero, n_k), part.counting, Wx, n_k, bias, gates, n, ld // PANEL)


@kernel
def scan(  # type: ignore[no-untyped-def]
    X, P, carried, part, Wx, b, layout, G, S, keep, state, Y, ldy, column, room
):
    """Run one direction.

    X (Floats1d): (n, nI) The inputs, flat as all arrays here.
    P (Floats1d): (n, ld) What they give to the gates, if that is known already, or empty.
    Wx, b (Floats1d): In panels, and in the order of the gates' columns.
    G, S (Floats1d): (n_rows, ld), (n_rows, width) Where the gates and states are left if `keep`.
    state (Floats1d): (n_seqs, width) The initial states, which become the final ones.
    Y (Floats1d): (n_tokens, ldy) Filled from `column` on.
    """
    zero = number(0)
    width, ld, nO, kind = layout.width, layout.ld, layout.nO, layout.kind
    seq = 0
    for place in range(0, part.n_rows, BLOCK):
        n = min(BLOCK, part.n_rows - place)
        seq = _find_rows(part, place, n, seq, room)
        if keep:
            _read(X, P, carried, part, Wx, b, layout, room, G, place * ld, n)
        else:
            _read(X, P, carried, part, Wx, b, layout, room, room.G, 0, n)
        for i in range(n):
            s = room.seqs[i] * width
            for j in range(0, width, LANES):
                if keep:
                    g = (place + i) * ld + j
                    h = _step(kind, G, g, width, state, s + j, True)
                    store(S, (place + i) * width + j, load(state, s + j))
                else:
                    h = _step(kind, room.G, i * ld + j, width, state, s + j, False)
                store(room.h, j, h)
            copy(room.h, zero, Y, room.rows[i] * ldy + column, nO)


@helper
def _step(kind, G, g, width, state, s, keep):  # type: ignore[no-untyped-def]
    """One step of sixteen units: the state is changed in place, the output returned. The gates'
    values after the activation are left if `keep`."""
    before = load(state, s)
    if kind == MINGRU:
        update = sigmoid(load(G, g))
        after = fma(update, load(G, g + width) - before, before)
        store(state, s, after)
        if keep:
            store(G, g, update)
        return after
    z = tanh(load(G, g))
    f = sigmoid(load(G, g + width))
    if keep:
        store(G, g, z)
        store(G, g + width, f)
    if kind == QRNN_IFO:
        i = sigmoid(load(G, g + 3 * width))
        after = fma(f, before, i * z)
        if keep:
            store(G, g + 3 * width, i)
    else:
        after = fma(f, before - z, z)
    store(state, s, after)
    if kind == QRNN_F:
        return after
    o = sigmoid(load(G, g + 2 * width))
    if keep:
        store(G, g + 2 * width, o)
    return o * after


@kernel
def scan_back(  # type: ignore[no-untyped-def]
    X, carried, part, Wx, layout, G, S, initial, dY, ldy, column, dstate, dX, d_carried, add,
    dWx, db, room,
):  # fmt: skip
    """The way back through a direction.

    Wx (Floats1d): Laid out for the way back.
    initial (Floats1d): (n_seqs, width) The states that the sequences began from.
    dY (Floats1d): (n_tokens, ldy) Gradient of the outputs, from `column` on.
    dstate (Floats1d): (n_seqs, width) Gradients of the final states, which become those of the
        initial ones.
    dX (Floats1d): (n_tokens, nI) Filled, or added to if `add`; or empty, if it is not needed and
        the window is 1.
    d_carried (Floats1d): (n_seqs, (window-1) * nI) Added to.
    dWx, db (Floats1d): (window * nI, ld), transposed, and (ld,) Added to.
    """
    zero = number(0)
    width, ld, nO, kind = layout.width, layout.ld, layout.nO, layout.kind
    for j in range(nO, width):
        room.h[j] = 0.0
    n_blocks = (part.n_rows + BLOCK - 1) // BLOCK
    for place in range((n_blocks - 1) * BLOCK, -1, -BLOCK):
        n = min(BLOCK, part.n_rows - place)
        _find_rows(part, place, n, 0, room)
        for i in range(n - 1, -1, -1):
            copy(dY, room.rows[i] * ldy + column, room.h, zero, nO)
            s = room.seqs[i] * width
            for j in range(0, width, LANES):
                here = (place + i) * width + j
                if room.steps[i] == 0:
                    before = load(initial, s + j)
                else:
                    before = load(S, here - width)
                _step_back(
                    kind, G, (place + i) * ld + j, width, before, load(S, here),
                    load(room.h, j), dstate, s + j, room.G, i * ld + j,
                )  # fmt: skip
        _fetch(X, carried, part, layout, room, n)
        _add_gradients(part, Wx, layout, dWx, db, room, n, len(dX) > 0)
        if len(dX):
            _scatter(part, layout, dX, d_carried, add, room, n)


@helper
def _step_back(  # type: ignore[no-untyped-def]
    kind, G, g, width, before, after, dh, dstate, s, dG, dg
):
    """From the gradient of the output and of the state after a step to those of the gates and of
    the state before it."""
    ds = load(dstate, s)
    if kind == MINGRU:
        ds = ds + dh
        update = load(G, g)
        store(dG, dg, ds * (load(G, g + width) - before) * (update * (1.0 - update)))
        store(dG, dg + width, ds * update)
        store(dstate, s, ds * (1.0 - update))
        return
    z = load(G, g)
    f = load(G, g + width)
    if kind == QRNN_F:
        ds = ds + dh
    else:
        o = load(G, g + 2 * width)
        store(dG, dg + 2 * width, dh * after * (o * (1.0 - o)))
        ds = fma(dh, o, ds)
    if kind == QRNN_IFO:
        i = load(G, g + 3 * width)
        store(dG, dg + 3 * width, ds * z * (i * (1.0 - i)))
        store(dG, dg, ds * i * (1.0 - z * z))
        store(dG, dg + width, ds * before * (f * (1.0 - f)))
    else:
        store(dG, dg, ds * (1.0 - f) * (1.0 - z * z))
        store(dG, dg + width, ds * (before - z) * (f * (1.0 - f)))
    store(dstate, s, ds * f)


@helper
def _add_gradients(part, Wx, layout, dWx, db, room, n, needs_dX):  # type: ignore[no-untyped-def]
    """The gradients of the weights, added up, and those of what n steps read."""
    ld, columns, ldi, zero = layout.ld, layout.columns, layout.ldi, number(0)
    n_read = layout.window * layout.nI
    dgates, X = Matrix(room.G, zero, ld), Matrix(room.X, zero, n_read)
    to = Matrix(dWx, zero, ld)
    add_transposed(X, part.counting, n_read, dgates, n, to, ld // PANEL, room.panel)
    for i in range(n):
        accumulate(room.G, i * ld, db, zero, columns)
    if needs_dX:
        nothing, dX = Matrix(room.zeros, zero, zero), Matrix(room.dX, zero, ldi)
        multiply(dgates, part.counting, Wx, columns, nothing, dX, n, ldi // PANEL)


@helper
def _scatter(part, layout, dX, d_carried, add, room, n):  # type: ignore[no-untyped-def]
    """Bring the gradients of what n steps read to where it was read from."""
    nI, window, ldi = layout.nI, layout.window, layout.ldi
    for i in range(n):
        for k in range(window):
            back = window - 1 - k
            step = room.steps[i] - back
            at = i * ldi + k * nI
            if step < 0:
                to = (room.seqs[i] * (window - 1) + step + window - 1) * nI
                accumulate(room.dX, at, d_carried, to, nI)
            elif window > 1 or add:
                to = (room.rows[i] - part.turn * back) * nI
                accumulate(room.dX, at, dX, to, nI)
            else:
                copy(room.dX, at, dX, room.rows[i] * nI, nI)
