"""A table of vectors, one for each number of a vocabulary."""

from typing import Any, Callable, Optional, Tuple, cast

import numpy
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d, Ragged

from ..checks import check_rate
from ..errors import Errors
from .dropout import configured_dropout, dropout_mask, is_active
from .engines.workspace import recycler
from .freezing import constant, is_frozen
from .gradients import gradient_of
from .ragged import SharedRows

InT = Ragged
OutT = Ragged
# The range of the first values, as in Merity et al. (2018): small enough that, tied to the output,
# they begin with nearly equal probabilities.
INIT_RANGE = 0.1


def Embedding(
    nO: Optional[int] = None, nV: Optional[int] = None, *, dropout: float = 0.0
) -> Model[InT, OutT]:
    """Look up the vectors of numbers.

    Parameters: E (nV, nO).

    nO (Optional[int]): Width of the vectors.
    nV (Optional[int]): How many there are.
    dropout (float): Rate at which whole rows of the table are dropped for a batch, wherever they
        occur in it (Gal & Ghahramani 2016); recommended: 0 to 0.1. It keeps its rate when the
        dropout rate is set, except that a rate of 0 turns it off.
    RETURNS (Model[Ragged, Ragged]): Numbers (n,) -> vectors (n, nO).
    """
    check_rate("dropout", dropout)
    return Model(
        "embedding",
        forward,
        init=init,
        dims={"nO": nO, "nV": nV},
        params={"E": None},
        # By place, not by reference: Model.copy() does not keep references.
        layers=[configured_dropout("embedding_dropout", dropout)],
    )


def forward(model: Model[InT, OutT], Xr: InT, is_train: bool) -> Tuple[OutT, Callable]:
    ops, E = model.ops, cast(Floats2d, model.get_param("E"))
    ids = cast(Ints1d, Xr.dataXd)
    drop = model.layers[0]
    mask = None
    if is_active(drop, is_train):
        mask = dropout_mask(ops, (E.shape[0], 1), drop.attrs["rate"], E.dtype)
    if is_train:
        Y = recycler.take_rows(ops.xp, E, ids)
        if mask is not None:
            Y *= mask[ids]
        Yr = Ragged(Y, Xr.lengths)
    else:
        distinct, source = ops.xp.unique(ids, return_inverse=True)
        rows = E[distinct]
        Yr = SharedRows(rows[source], Xr.lengths, rows, ops.asarray1i(source.reshape(-1)))

    if is_train and is_frozen(model):
        return constant(Yr), lambda dYr: Ragged(ids, Xr.lengths)

    def backprop(dYr: OutT) -> InT:
        dY = cast(Floats2d, dYr.dataXd)
        if mask is not None:
            dY = dY * mask[ids]
        add_rows(ops, gradient_of(model, "E"), ids, dY)
        return Ragged(ids, Xr.lengths)

    return Yr, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    for dim in ("nO", "nV"):
        if model.has_dim(dim) is None:
            raise ValueError(Errors.E004.format(name=model.name, dim=dim))
    shape = (model.get_dim("nV"), model.get_dim("nO"))
    model.set_param("E", uniform(model.ops, shape))


def uniform(ops: Ops, shape: Tuple[int, ...]) -> Any:
    """RETURNS (FloatsXd): First values, from NumPy's global state as Thinc's initializers."""
    values: Any = numpy.random.uniform(-INIT_RANGE, INIT_RANGE, shape)
    return ops.asarray(values, dtype="float32")


def add_rows(ops: Ops, table: Floats2d, rows: Ints1d, values: Floats2d) -> None:
    """Add each value to its row of a table; rows may occur more than once."""
    if ops.xp is not numpy or values.dtype != numpy.float32:
        add_at = ops.xp.add.at if ops.xp is numpy else ops.scatter_add
        add_at(table, rows, values)
        return
    ops.scatter_add(table, ops.asarray1i(rows), ops.as_contig(values))
