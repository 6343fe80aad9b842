"""How the numba engine lays out weights and arrays."""

from typing import Any, NamedTuple, Tuple

import numpy

from .base import Cell
from .numba_gemm import PANEL, in_panels
from .numba_jit import kernel
from .numba_simd import LANES, copy, flat, pad, transpose
from .workspace import workspace

ELMAN_TANH, ELMAN_RELU, LSTM, GRU = range(4)
KINDS = {"elman_tanh": ELMAN_TANH, "elman_relu": ELMAN_RELU, "lstm": LSTM, "gru": GRU}
# The gates' order in the columns of a row, by their place in the parameters. That of the GRU is
# n, r, z, and behind them q, the hidden side of n: so what the inputs reach is one block of
# columns, what the hidden state reaches is one too, and they overlap in r and z.
GATE_ORDER = {
    "elman_tanh": ((0,), (0,)),
    "elman_relu": ((0,), (0,)),
    "lstm": ((0, 1, 2, 3), (0, 1, 2, 3)),
    "gru": ((2, 0, 1), (0, 1, 2)),
}


class Layout(NamedTuple):
    """Widths, in numbers. Rows of gates and states are padded to whole vectors.

    kind (int): Which cell.
    nI (int): Inputs.
    nO (int): Units.
    width (int): Units, padded.
    columns (int): Of a row of gates, those that a product fills: n_gates * width.
    ld (int): From one row of gates to the next.
    hidden_at (int): The first of the columns that the hidden state reaches.
    n_panels (int): Panels of columns in each of the two products.
    ldi (int): nI in whole panels.
    ldo (int): nO in whole panels.
    """

    kind: int
    nI: int
    nO: int
    width: int
    columns: int
    ld: int
    hidden_at: int
    n_panels: int
    ldi: int
    ldo: int


def make_layout(cell: Cell, nI: int, nO: int) -> Layout:
    """RETURNS (Layout): That of a cell."""
    width = pad(nO)
    columns = cell.n_gates * width
    hidden_at = width if cell.name == "gru" else 0
    return Layout(
        kind=KINDS[cell.name],
        nI=nI,
        nO=nO,
        width=width,
        columns=columns,
        ld=hidden_at + in_panels(columns),
        hidden_at=hidden_at,
        n_panels=in_panels(columns) // PANEL,
        ldi=in_panels(nI),
        ldo=in_panels(nO),
    )


@kernel
def pack_forward(W, order, nO, width, n_k, out):  # type: ignore[no-untyped-def]
    """Lay out weights (nG*nO, n_k) for products by their transpose: panels of (n_k, PANEL)."""
    for place in range(len(order)):
        for unit in range(0, nO, LANES):
            column = place * width + unit
            to = column // PANEL * n_k * PANEL + column % PANEL
            at = (order[place] * nO + unit) * n_k
            n_whole = n_k // LANES * LANES if unit + LANES <= nO else 0
            for k in range(0, n_whole, LANES):
                transpose(W, at + k, n_k, out, to + k * PANEL, PANEL)
            for i in range(min(LANES, nO - unit)):
                for k in range(n_whole, n_k):
                    out[to + k * PANEL + i] = W[at + i * n_k + k]


@kernel
def pack_backward(W, order, nO, width, n_columns, out):  # type: ignore[no-untyped-def]
    """Lay out weights (nG*nO, n_columns) for products by themselves: panels of
    (n_gates * width, PANEL)."""
    n_k = len(order) * width
    for place in range(len(order)):
        for unit in range(nO):
            at = (order[place] * nO + unit) * n_columns
            for first in range(0, n_columns, PANEL):
                to = first * n_k + (place * width + unit) * PANEL
                copy(W, at + first, out, to, min(PANEL, n_columns - first))


def packed_forward(name: str, W: Any, order: Tuple[int, ...], nO: int, width: int) -> Any:
    """RETURNS (Floats1d): The panels of `pack_forward`, in memory of this thread that the next call
    with the same name uses again."""
    columns = len(order) * width
    out = _panels(name, in_panels(columns) * W.shape[1], nO == width and not columns % PANEL)
    pack_forward(flat(W), numpy.asarray(order), nO, width, W.shape[1], out)
    return out


def packed_backward(name: str, W: Any, order: Tuple[int, ...], nO: int, width: int) -> Any:
    """RETURNS (Floats1d): The panels of `pack_backward`, likewise."""
    n_columns = W.shape[1]
    size = len(order) * width * in_panels(n_columns)
    out = _panels(name, size, nO == width and not n_columns % PANEL)
    pack_backward(flat(W), numpy.asarray(order), nO, width, W.shape[1], out)
    return out


def _panels(name: str, n: int, is_full: bool) -> Any:
    out = workspace.take(numpy, f"numba packed {name}", (n,), "float32")
    if not is_full:
        out.fill(0.0)
    return out


def padded_vector(b: Any, order: Tuple[int, ...], nO: int, width: int) -> Any:
    """RETURNS (Floats1d): A bias (nG*nO,) in the order of the columns, in whole panels."""
    out = numpy.zeros(in_panels(len(order) * width), dtype="float32")
    for place, gate in enumerate(order):
        out[place * width : place * width + nO] = b[gate * nO : (gate + 1) * nO]
    return out


def padded_rows(X: Any, ld: int) -> Any:
    """RETURNS (Floats2d): (n, width) -> (n, ld), filled up with zeros. A copy."""
    out = numpy.zeros((X.shape[0], ld), dtype="float32")
    out[:, : X.shape[1]] = X
    return out


def restored_weights(dWT: Any, order: Tuple[int, ...], nO: int, width: int, n_columns: int) -> Any:
    """RETURNS (Floats2d): From a gradient (n_columns, ld), transposed and in the order of the
    gates' columns, to (nG*nO, n_columns) in that of the parameters."""
    by_gate = dWT.reshape(n_columns, -1)[:, : len(order) * width]
    blocks = by_gate.reshape(n_columns, len(order), width)
    gates = [order.index(gate) for gate in range(len(order))]
    return numpy.concatenate([blocks[:, gate, :nO].T for gate in gates])
