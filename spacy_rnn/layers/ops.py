"""Which matrix product Thinc's own layers use inside our models."""

from typing import TypeVar

from thinc.api import Model, NumpyOps

ModelT = TypeVar("ModelT", bound=Model)


def without_blis(model: ModelT) -> ModelT:
    """Let the CPU layers of a model multiply by NumPy's BLAS instead of Thinc's BLIS.

    To be called where the model runs, not where it is built: Model.copy() drops the ops. On
    many CPUs BLIS falls back to its generic kernels, a third as fast as NumPy's OpenBLAS. Ops
    of other kinds (CuPy, Apple's Accelerate) stay as they are.

    model (Model): Changed in place, with its sublayers.
    RETURNS (Model): The same.
    """
    for node in model.walk():
        if type(node.ops) is NumpyOps and getattr(node.ops, "use_blis", False):
            node.ops = NumpyOps(use_blis=False)
    return model
