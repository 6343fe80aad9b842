"""The product that the numba engine has of its own, called by itself."""

from functools import lru_cache
from importlib.util import find_spec
from typing import Any, Callable, Optional, Tuple

import numpy
from numpy.typing import NDArray

from spacy_rnn.layers import available_engines

MODULE = "spacy_rnn.layers.engines.numba_gemm"
Floats2d = NDArray[numpy.float32]


def make_own_product(X: Floats2d, W: Floats2d) -> Optional[Callable[[], Floats2d]]:
    """
    X (Floats2d): (n, width)
    W (Floats2d): (columns, width)
    RETURNS (Optional[Callable]): A call that returns X W^T, (n, columns), in panels laid out
        beforehand as the engine lays them out for all steps of a batch; None without the engine, if
        its product is called in another way than here, or if the columns are not whole panels.
    """
    if "numba" not in available_engines() or find_spec(MODULE) is None:
        return None
    product, panel = _compile()
    n, width = X.shape
    columns = len(W)
    if product is None or columns % panel:
        return None
    # (panels, width, panel): the columns of a panel side by side, for each input
    panels = numpy.ascontiguousarray(W.reshape(-1, panel, width).transpose(0, 2, 1)).ravel()
    rows = numpy.arange(n)
    zeros = numpy.zeros(columns, dtype="float32")
    Y = numpy.zeros((n, columns), dtype="float32")

    def call() -> Floats2d:
        product(X.ravel(), rows, width, panels, zeros, Y.ravel(), columns)
        return Y

    return call


@lru_cache(maxsize=None)
def _compile() -> Tuple[Any, int]:
    """RETURNS (Tuple[Any, int]): The product, or None, and the columns of a panel."""
    from numba import njit
    from numba.core.errors import NumbaError

    from spacy_rnn.layers.engines import numba_gemm

    panel = numba_gemm.PANEL
    multiply, matrix = (getattr(numba_gemm, name, None) for name in ("multiply", "Matrix"))
    if multiply is None or matrix is None:
        return None, panel

    @njit(nogil=True, error_model="numpy")
    def product(X, rows, width, panels, zeros, Y, columns):  # type: ignore[no-untyped-def]
        A, init, C = matrix(X, 0, width), matrix(zeros, 0, 0), matrix(Y, 0, columns)
        multiply(A, rows, panels, width, init, C, len(rows), columns // panel)

    one = numpy.zeros(panel, dtype="float32")
    try:
        product(one[:1], numpy.arange(1), 1, one, one, one, panel)
    except NumbaError:
        return None, panel
    return product, panel
