"""Initializers of weight matrices."""

from functools import partial
from typing import Callable, Tuple, cast

from thinc.api import Ops
from thinc.types import FloatsXd

from .threads import one_blas_thread

InitT = Callable[[Ops, Tuple[int, ...]], FloatsXd]


def orthogonal_init(ops: Ops, shape: Tuple[int, ...], *, gain: float = 1.0) -> FloatsXd:
    """A random matrix with orthonormal columns or rows, whichever are fewer.

    Repeated multiplication by it neither shrinks nor grows a vector, which keeps gradients
    alive over many steps (Saxe et al. 2014, "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks").

    shape (Tuple[int, int]): Rows and columns.
    gain (float): Factor on the matrix.
    RETURNS (Floats2d): The matrix, float32.
    """
    # On the CPU and in float64, so that the same seed gives the same weights on any device.
    import numpy

    rows, columns = shape
    normal = numpy.random.normal(size=(max(rows, columns), min(rows, columns)))
    with one_blas_thread:
        q, r = numpy.linalg.qr(normal)
    q *= numpy.sign(numpy.diagonal(r))  # makes the distribution uniform over rotations
    matrix = q if rows >= columns else q.T
    return cast(FloatsXd, ops.xp.asarray(gain * matrix, dtype="float32"))


def configure_orthogonal_init(gain: float = 1.0) -> InitT:
    """Registered as `spacy-rnn.orthogonal_init.v1`; see `orthogonal_init`."""
    return partial(orthogonal_init, gain=gain)
