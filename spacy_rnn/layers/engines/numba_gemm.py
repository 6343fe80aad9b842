"""Matrix products by numba, for rows that a recurrent loop has at hand: few, scattered, and again
and again by the same weights.

BLAS lays the weights out anew at each call, which costs as much as a product of a few rows. Here
they are laid out once for all steps, in panels of as many columns as the CPU's registers take, and
the product of six rows by a panel stays in registers from the first addend to the last.
"""

from typing import Any, Callable, NamedTuple

import llvmlite.binding
from llvmlite import ir
from numba.core import types
from numba.core.extending import intrinsic

from .numba_jit import helper
from .numba_simd import (
    LANES,
    array_data,
    copy,
    load_at,
    multiply_add,
    number,
    repeat_lane,
    store_at,
)

# A tile of 6 rows by a panel is 24 of the 32 registers of AVX-512; with half the width of a
# register, 12 of the 16 of AVX2, or 24 of the 32 of NEON.
_HAS_AVX512 = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
N_VECTORS = 4 if _HAS_AVX512 else 1
PANEL = N_VECTORS * LANES
# Columns of A from which on it is worth to lay out a panel of B anew.
MIN_PACKED = 32
_INDEX = ir.IntType(64)


def _make_tile(n_rows: int) -> Callable:
    """RETURNS (Callable): The product of so many rows by one panel, as a function for numba."""

    @intrinsic
    def tile(  # type: ignore[no-untyped-def]
        typingctx, A, a, rows, row, lda, ka, B, b, ldb, n_k, init, i, ldi, C, c, ldc
    ):
        """C[r, :] = init[r, :] + sum over k of A[rows[row + r], k] B[k, :]

        A, B, init, C are flat float32 arrays and `a, b, i, c` where in them the tile begins; `lda`
        and so on the numbers from one row to the next, `ka` from one column of A to the next.
        """

        def codegen(context, builder, sig, args):  # type: ignore[no-untyped-def]
            def start(position):  # type: ignore[no-untyped-def]
                data = array_data(context, builder, sig.args[position], args[position])
                return builder.gep(data, [args[position + 1]])

            rows = array_data(context, builder, sig.args[2], args[2])
            row, lda, ka = args[3], args[4], args[5]
            ldb, n_k, ldi, ldc = args[8], args[9], args[12], args[15]
            A, B, init, C = start(0), start(6), start(10), start(13)
            lines = []
            first = []
            for r in range(n_rows):
                at = builder.load(builder.gep(rows, [builder.add(row, _INDEX(r))]))
                lines.append(builder.gep(A, [builder.mul(at, lda)]))
                line = builder.gep(init, [builder.mul(ldi, _INDEX(r))])
                first += [
                    load_at(builder, builder.gep(line, [_INDEX(v * LANES)]))
                    for v in range(N_VECTORS)
                ]
            before = builder.basic_block
            loop, after = builder.append_basic_block(), builder.append_basic_block()
            builder.cbranch(builder.icmp_signed(">", n_k, _INDEX(0)), loop, after)

            builder.position_at_end(loop)
            k = builder.phi(_INDEX)
            k.add_incoming(_INDEX(0), before)
            sums = [builder.phi(value.type) for value in first]
            for total, value in zip(sums, first):
                total.add_incoming(value, before)
            line = builder.gep(B, [builder.mul(k, ldb)])
            weights = [
                load_at(builder, builder.gep(line, [_INDEX(v * LANES)])) for v in range(N_VECTORS)
            ]
            column = builder.mul(k, ka)
            grown = []
            for r in range(n_rows):
                number = builder.load(builder.gep(lines[r], [column]))
                number = repeat_lane(builder, number)
                grown += [
                    multiply_add(builder, number, weights[v], sums[r * N_VECTORS + v])
                    for v in range(N_VECTORS)
                ]
            next_k = builder.add(k, _INDEX(1))
            k.add_incoming(next_k, loop)
            for total, value in zip(sums, grown):
                total.add_incoming(value, loop)
            builder.cbranch(builder.icmp_signed("<", next_k, n_k), loop, after)

            builder.position_at_end(after)
            results = [builder.phi(value.type) for value in first]
            for result, empty, value in zip(results, first, grown):
                result.add_incoming(empty, before)
                result.add_incoming(value, loop)
            for r in range(n_rows):
                line = builder.gep(C, [builder.mul(ldc, _INDEX(r))])
                for v in range(N_VECTORS):
                    at = builder.gep(line, [_INDEX(v * LANES)])
                    store_at(builder, results[r * N_VECTORS + v], at)
            return context.get_dummy_value()

        n = types.intp
        return types.void(A, n, rows, n, n, n, B, n, n, n, init, n, n, C, n, n), codegen

    return tile


_tile1, _tile2, _tile3 = _make_tile(1), _make_tile(2), _make_tile(3)
_tile4, _tile5, _tile6 = _make_tile(4), _make_tile(5), _make_tile(6)


class Matrix(NamedTuple):
    """Rows of numbers somewhere in a flat array.

    data (Floats1d): The array.
    at (int): Where in it the first row begins.
    ld (int): From one row to the next; 0 if one row stands for all.
    """

    data: Any
    at: int
    ld: int


@helper
def multiply(A, rows, B, n_k, init, C, n, n_panels):  # type: ignore[no-untyped-def]
    """C[r, :] = init[r, :] + sum over k of A[rows[r], k] B[k, :] for n rows.

    A, init, C (Matrix): init may be C itself.
    rows (Ints1d): Which rows of A.
    B (Floats1d): Laid out in panels of (n_k, PANEL), so many.
    """
    one, panel = number(1), number(PANEL)
    _gemm(A, rows, one, Matrix(B, number(0), panel), n_k * PANEL, n_k, init, C, n, n_panels)


@helper
def add_transposed(A, counting, n_columns, B, n_k, C, n_panels, room):  # type: ignore[no-untyped-def]
    """C[m, :] += sum over k of A[k, m] B[k, :] for the first columns of A.

    A, B, C (Matrix): B and C have columns for whole panels, whatever those of B that are too many
        contain.
    counting (Ints1d): 0, 1, 2, ...
    room (Floats1d): (n_k, PANEL) For a panel of B: its rows are far from each other, and are read
        again for each six columns of A.
    """
    columns = Matrix(A.data, A.at, number(1))
    if n_columns < MIN_PACKED:
        _gemm(columns, counting, A.ld, B, number(PANEL), n_k, C, C, n_columns, n_panels)
        return
    zero, one, step = number(0), number(1), number(PANEL)
    for panel in range(n_panels):
        at = B.at + panel * PANEL
        for k in range(n_k):
            copy(B.data, at + k * B.ld, room, k * PANEL, PANEL)
        to = Matrix(C.data, C.at + panel * PANEL, C.ld)
        packed = Matrix(room, zero, step)
        _gemm(columns, counting, A.ld, packed, step, n_k, to, to, n_columns, one)


@helper
def _gemm(A, rows, ka, B, panel_step, n_k, init, C, n, n_panels):  # type: ignore[no-untyped-def]
    """As `multiply`, with `ka` from one column of A to the next, and `panel_step` from one panel of
    B to the next."""
    X, a, lda = A
    W, b, ldb = B
    I, i, ldi = init  # noqa: E741
    Y, c, ldc = C
    for panel in range(n_panels):
        bp, ip, cp = b + panel * panel_step, i + panel * PANEL, c + panel * PANEL
        r = 0
        while r < n:
            left = n - r
            ir, cr = ip + r * ldi, cp + r * ldc
            # No tile of one or two rows if there can be larger ones: 7 = 4 + 3, 8 = 4 + 4.
            if left == 6 or left > 8:
                _tile6(X, a, rows, r, lda, ka, W, bp, ldb, n_k, I, ir, ldi, Y, cr, ldc)
                r += 6
            elif left == 5:
                _tile5(X, a, rows, r, lda, ka, W, bp, ldb, n_k, I, ir, ldi, Y, cr, ldc)
                r += 5
            elif left == 4 or left > 6:
                _tile4(X, a, rows, r, lda, ka, W, bp, ldb, n_k, I, ir, ldi, Y, cr, ldc)
                r += 4
            elif left == 3:
                _tile3(X, a, rows, r, lda, ka, W, bp, ldb, n_k, I, ir, ldi, Y, cr, ldc)
                r += 3
            elif left == 2:
                _tile2(X, a, rows, r, lda, ka, W, bp, ldb, n_k, I, ir, ldi, Y, cr, ldc)
                r += 2
            else:
                _tile1(X, a, rows, r, lda, ka, W, bp, ldb, n_k, I, ir, ldi, Y, cr, ldc)
                r += 1


def in_panels(width: int) -> int:
    """RETURNS (int): The width in whole panels."""
    return -(-width // PANEL) * PANEL
