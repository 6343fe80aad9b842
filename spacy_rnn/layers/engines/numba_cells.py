"""The equations of each cell, forward and backward, on vectors of units.

A row of gates holds their values before the activation when a step begins, and after it when it
ends. For the equations in words see `numpy_cells`.
"""

from .numba_jit import helper
from .numba_layout import ELMAN_RELU, ELMAN_TANH, GRU, LSTM
from .numba_math import sigmoid, tanh
from .numba_simd import LANES, fma, load, positive, rectify, store


@helper
def step(kind, G, g, ld, H, h_from, h_to, C, width, n):  # type: ignore[no-untyped-def]
    """Fill the states of one step.

    G: Gates; n rows from `g` on, `ld` apart.
    H, C: States; of the rows, `width` apart, those from `h_from` on are read and those from `h_to`
        on written, which may be the same.
    """
    for s in range(n):
        for j in range(0, width, LANES):
            at, before, after = g + s * ld + j, h_from + s * width + j, h_to + s * width + j
            if kind == LSTM:
                _step_lstm(G, at, H, C, before, after, width)
            elif kind == GRU:
                _step_gru(G, at, H, before, after, width)
            elif kind == ELMAN_TANH:
                store(H, after, tanh(load(G, at)))
            else:
                store(H, after, rectify(load(G, at)))


@helper
def _step_lstm(G, at, H, C, before, after, width):  # type: ignore[no-untyped-def]
    i = sigmoid(load(G, at))
    f = sigmoid(load(G, at + width))
    g = tanh(load(G, at + 2 * width))
    o = sigmoid(load(G, at + 3 * width))
    c = fma(f, load(C, before), i * g)
    store(G, at, i)
    store(G, at + width, f)
    store(G, at + 2 * width, g)
    store(G, at + 3 * width, o)
    store(C, after, c)
    store(H, after, o * tanh(c))


@helper
def _step_gru(G, at, H, before, after, width):  # type: ignore[no-untyped-def]
    r = sigmoid(load(G, at + width))
    z = sigmoid(load(G, at + 2 * width))
    n = tanh(fma(r, load(G, at + 3 * width), load(G, at)))
    h = load(H, before)
    store(G, at, n)
    store(G, at + width, r)
    store(G, at + 2 * width, z)
    store(H, after, fma(z, h - n, n))


@helper
def step_back(  # type: ignore[no-untyped-def]
    kind, G, g, ld, H, C, h_from, h_to, width, dG, dg, dY, dy, dH, ldh, dC, n
):
    """From the gradient of the states after a step to that of the gates. Of the gradient of the
    states before it, what does not come by way of the gates' products is left in dH and dC.

    dG: Gradients of the gates; n rows from `dg` on, `ld` apart.
    dY: Gradients of the outputs; n rows from `dy` on, `width` apart.
    dH, dC: Gradients of the states; n rows, `ldh` and `width` apart.
    """
    for s in range(n):
        for j in range(0, width, LANES):
            at, to = g + s * ld + j, dg + s * ld + j
            before, after = h_from + s * width + j, h_to + s * width + j
            row = s * ldh + j
            dh = load(dH, row) + load(dY, dy + s * width + j)
            if kind == LSTM:
                _back_lstm(G, at, C, before, after, width, dG, to, dh, dC, s * width + j)
            elif kind == GRU:
                store(dH, row, _back_gru(G, at, H, before, width, dG, to, dh))
            elif kind == ELMAN_TANH:
                h = load(H, after)
                store(dG, to, dh * (1.0 - h * h))
            elif kind == ELMAN_RELU:
                store(dG, to, dh * positive(load(H, after)))


@helper
def _back_lstm(G, at, C, before, after, width, dG, to, dh, dC, row):  # type: ignore[no-untyped-def]
    i = load(G, at)
    f = load(G, at + width)
    g = load(G, at + 2 * width)
    o = load(G, at + 3 * width)
    tanh_c = tanh(load(C, after))
    dc = load(dC, row) + dh * o * (1.0 - tanh_c * tanh_c)
    store(dG, to, dc * g * (i * (1.0 - i)))
    store(dG, to + width, dc * load(C, before) * (f * (1.0 - f)))
    store(dG, to + 2 * width, dc * i * (1.0 - g * g))
    store(dG, to + 3 * width, dh * tanh_c * (o * (1.0 - o)))
    store(dC, row, dc * f)


@helper
def _back_gru(G, at, H, before, width, dG, to, dh):  # type: ignore[no-untyped-def]
    n = load(G, at)
    r = load(G, at + width)
    z = load(G, at + 2 * width)
    q = load(G, at + 3 * width)
    dn = dh * (1.0 - z) * (1.0 - n * n)
    store(dG, to, dn)
    store(dG, to + width, dn * q * (r * (1.0 - r)))
    store(dG, to + 2 * width, dh * (load(H, before) - n) * (z * (1.0 - z)))
    store(dG, to + 3 * width, dn * r)
    return dh * z
