"""The parts that the numba engine's loops are made of, each against NumPy in float64."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.layers.engines import numba_math, numba_simd
from spacy_rnn.layers.engines.numba_gemm import (
    PANEL,
    Matrix,
    add_transposed,
    in_panels,
    multiply,
)
from spacy_rnn.layers.engines.numba_jit import helper
from spacy_rnn.layers.engines.numba_layout import packed_backward, packed_forward
from spacy_rnn.layers.engines.numba_simd import LANES, load, number, store


def vectorized(function):
    """A function of a vector, for arrays of any size."""

    @helper
    def loop(X, Y):
        for j in range(0, len(X), LANES):
            store(Y, j, function(load(X, j)))

    def run(X):
        padded = numpy.zeros(numba_simd.pad(len(X)), dtype="float32")
        padded[: len(X)] = X
        Y = numpy.empty_like(padded)
        loop(padded, Y)
        return Y[: len(X)]

    return run


tanh, sigmoid = vectorized(numba_math.tanh), vectorized(numba_math.sigmoid)
rectify, positive = vectorized(numba_simd.rectify), vectorized(numba_simd.positive)
EVERYWHERE = numpy.linspace(-30, 30, 200_001).astype("float32")
SMALL = (numpy.logspace(-44, 0, 5_000)[None] * [[-1], [1]]).astype("float32").reshape(-1)


@pytest.mark.parametrize("X", [EVERYWHERE, SMALL], ids=["everywhere", "small"])
def test_tanh_is_right_to_a_few_units_of_the_last_place(X):
    Y = tanh(X)
    # Of numbers below 1e-38 float32 keeps fewer digits.
    assert_allclose(Y, numpy.tanh(X.astype("float64")), rtol=5e-7, atol=1e-44)
    assert_array_equal(tanh(-X), -Y)


@pytest.mark.parametrize("X", [EVERYWHERE, SMALL], ids=["everywhere", "small"])
def test_a_sigmoid_is_right_to_a_few_units_of_the_last_place_of_one(X):
    assert_allclose(sigmoid(X), 1 / (1 + numpy.exp(-X.astype("float64"))), atol=2e-7, rtol=0)


def test_activations_leave_their_bounds_by_no_more_than_roundings():
    X = numpy.concatenate([EVERYWHERE, EVERYWHERE * 1e3, [numpy.inf, -numpy.inf]]).astype("f")
    few = 4 * numpy.finfo("f").eps
    assert numpy.abs(tanh(X)).max() <= 1 + few
    assert sigmoid(X).min() >= -few
    assert sigmoid(X).max() <= 1 + few


def test_activations_of_infinities_are_their_limits_and_nan_stays_nan():
    X = numpy.asarray([numpy.inf, -numpy.inf, 0.0, numpy.nan], "f")
    assert_allclose(tanh(X), [1, -1, 0, numpy.nan], atol=1e-7)
    assert_allclose(sigmoid(X), [1, 0, 0.5, numpy.nan], atol=1e-7)
    assert_array_equal(rectify(X), [numpy.inf, 0, 0, numpy.nan])
    assert_array_equal(positive(X), [1, 0, 0, 0])


def test_what_is_rectified_is_what_is_positive():
    assert_array_equal(rectify(EVERYWHERE), numpy.maximum(EVERYWHERE, 0))
    assert_array_equal(positive(EVERYWHERE), EVERYWHERE > 0)


@helper
def product(A, lda, rows, B, n_k, init, ldi, C, ldc, n, n_panels):
    zero = number(0)
    of_A, of_init, of_C = Matrix(A, zero, lda), Matrix(init, zero, ldi), Matrix(C, zero, ldc)
    multiply(of_A, rows, B, n_k, of_init, of_C, n, n_panels)


@helper
def transposed_product(A, at, lda, counting, n_columns, B, ldb, n_k, C, ldc, n_panels, room):
    zero = number(0)
    of_A, of_B, of_C = Matrix(A, at, lda), Matrix(B, zero, ldb), Matrix(C, zero, ldc)
    add_transposed(of_A, counting, n_columns, of_B, n_k, of_C, n_panels, room)


@helper
def copied(X, x, Y, y, n):
    numba_simd.copy(X, x, Y, y, n)


@helper
def accumulated(X, x, Y, y, n):
    numba_simd.accumulate(X, x, Y, y, n)


@helper
def transposed(X, x, ldx, Y, y, ldy):
    numba_simd.transpose(X, x, ldx, Y, y, ldy)


WIDTHS = [1, 15, 16, 17, 63, 64, 65, 130]


@pytest.mark.parametrize("n_columns", WIDTHS)
@pytest.mark.parametrize("n_k", [0, 1, 7, 64])
def test_products_of_any_number_of_rows_are_right(n_columns, n_k, rng):
    A = rng.standard_normal((30, n_k)).astype("f")
    W = rng.standard_normal((n_columns, n_k)).astype("f")
    b = numpy.zeros(in_panels(n_columns), "f")
    b[:n_columns] = rng.standard_normal(n_columns)
    B = packed_forward("test", W, (0,), n_columns, n_columns)
    for n in range(21):
        rows = rng.permutation(30)[:n]
        expected = b[:n_columns] + A[rows].astype("float64") @ W.T
        C = numpy.full((n + 1, in_panels(n_columns)), 7.0, "f")
        ldc, n_panels = C.shape[1], C.shape[1] // PANEL
        # One row of init for all rows, then init where the result goes.
        product(A.reshape(-1), n_k, rows, B, n_k, b, 0, C.reshape(-1), ldc, n, n_panels)
        assert_allclose(C[:n, :n_columns], expected, atol=1e-5, rtol=1e-5)
        Cf = C.reshape(-1)
        product(A.reshape(-1), n_k, rows, B, n_k, Cf, ldc, Cf, ldc, n, n_panels)
        assert_allclose(C[:n, :n_columns], 2 * expected - b[:n_columns], atol=1e-5, rtol=1e-5)
        assert_array_equal(C[n], 7.0)


@pytest.mark.parametrize("n_columns", WIDTHS)
def test_products_by_weights_that_are_laid_out_for_the_way_back_are_right(n_columns, rng):
    """Rows of gates in another order than the weights', and padded to whole vectors."""
    nO, width, order = 5, 16, (2, 0, 1)
    W = rng.standard_normal((3 * nO, n_columns)).astype("f")
    gates = numpy.zeros((9, 3 * width), "f")
    expected = numpy.zeros((9, n_columns))
    for place, gate in enumerate(order):
        gates[:, place * width : place * width + nO] = rng.standard_normal((9, nO))
        part = gates[:, place * width : place * width + nO].astype("float64")
        expected += part @ W[gate * nO : (gate + 1) * nO]
    B = packed_backward("test", W, order, nO, width)
    C, zeros = numpy.empty((9, in_panels(n_columns)), "f"), numpy.zeros(in_panels(n_columns), "f")
    product(
        gates.reshape(-1), 3 * width, numpy.arange(9), B, 3 * width, zeros, 0, C.reshape(-1),
        C.shape[1], 9, C.shape[1] // PANEL,
    )  # fmt: skip
    assert_allclose(C[:, :n_columns], expected, atol=1e-5)


@pytest.mark.parametrize("n_columns", WIDTHS)
@pytest.mark.parametrize("n_k", [0, 1, 5, 100])
def test_products_by_a_transposed_matrix_are_added_up(n_columns, n_k, rng):
    ld = 40
    B = rng.standard_normal((n_k, n_columns)).astype("f")
    # The last panel reads on into the next row, and behind the last one.
    flat_B = numpy.concatenate([B.reshape(-1), numpy.full(PANEL, numpy.nan, "f")])
    A = rng.standard_normal((n_k, ld)).astype("f")
    for first, n in ((0, 0), (0, 1), (3, 7), (0, 40)):
        before = rng.standard_normal((n + 1, in_panels(n_columns))).astype("f")
        C = before.copy()
        transposed_product(
            A.reshape(-1), first, ld, numpy.arange(ld), n, flat_B, n_columns, n_k, C.reshape(-1),
            C.shape[1], C.shape[1] // PANEL, numpy.empty(n_k * PANEL, "f"),
        )  # fmt: skip
        expected = before[:n, :n_columns] + A[:, first : first + n].astype("float64").T @ B
        assert_allclose(C[:n, :n_columns], expected, atol=1e-4)
        assert_array_equal(C[n], before[n])


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 33, 64])
def test_copies_end_where_they_should(n, rng):
    X, Y = rng.standard_normal(100).astype("f"), numpy.full(100, 7.0, "f")
    copied(X, 3, Y, 5, n)
    assert_array_equal(Y[5 : 5 + n], X[3 : 3 + n])
    accumulated(X, 3, Y, 5, n)
    assert_array_equal(Y[5 : 5 + n], 2 * X[3 : 3 + n])
    assert_array_equal(numpy.delete(Y, slice(5, 5 + n)), 7.0)


def test_blocks_are_transposed(rng):
    X, Y = rng.standard_normal((20, 30)).astype("f"), numpy.full((25, 40), 7.0, "f")
    transposed(X.reshape(-1), 2 * 30 + 5, 30, Y.reshape(-1), 3 * 40 + 9, 40)
    assert_array_equal(Y[3:19, 9:25], X[2:18, 5:21].T)
    Y[3:19, 9:25] = 7.0
    assert_array_equal(Y, 7.0)
