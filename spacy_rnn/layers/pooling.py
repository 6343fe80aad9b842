"""From the rows of each sequence to one row."""

from typing import Callable, Dict, List, Optional, Tuple, cast

from thinc.api import Model, Ops
from thinc.types import Floats1d, Floats2d, Ints1d, Ragged

from ..errors import Errors, number_error
from .packing import check_lengths

InT = Ragged
OutT = Floats2d
PoolT = Tuple[Floats2d, Callable[[Floats2d], Floats2d]]


def pool(
    pooling: List[str], nI: Optional[int] = None, reverse_from: Optional[int] = None
) -> Model[InT, OutT]:
    """Pool each sequence in one or several ways, side by side.

    - "last": the last row. Where the columns from `reverse_from` on were read from the end, as
      the backward half of a bidirectional layer is, the last step of those is the first row.
    - "mean", "max": over the rows of each column.
    - "attention": a weighted mean; the weights are the softmax of each row's product with a
      learned vector (Yang et al. 2016, "Hierarchical attention networks").

    A sequence of length zero gives zeros, in any batch.

    pooling (List[str]): Which, in the order of the output.
    nI (Optional[int]): Width of the rows.
    reverse_from (Optional[int]): First column that was read from the end, or None.
    RETURNS (Model[Ragged, Floats2d]): (n_tokens, nI) -> (n_seqs, len(pooling) * nI).
        Parameter Q (nI,), the vector of the attention, if that is used.
    RAISES (ValueError): For an unknown way of pooling, or none. When it is called: E003 and E005
        for rows of another width or number, E011 for negative lengths.
    """
    expected = ", ".join(_POOLINGS)
    if not isinstance(pooling, (list, tuple)) or not pooling:
        raise number_error("pooling", f"a list of at least one of {expected}", pooling)
    for how in pooling:
        if not isinstance(how, str) or how not in _POOLINGS:
            raise ValueError(Errors.E009.format(what="pooling", found=how, expected=expected))
    return Model(
        "pool",
        forward,
        init=init,
        dims={"nI": nI, "nO": nI * len(pooling) if nI else None},
        params={"Q": None} if "attention" in pooling else {},
        attrs={"pooling": list(pooling), "reverse_from": reverse_from},
    )


def forward(model: Model[InT, OutT], Xr: InT, is_train: bool) -> Tuple[OutT, Callable]:
    ops, nI = model.ops, model.get_dim("nI")
    lengths = ops.to_numpy(Xr.lengths)
    present = ops.xp.asarray(lengths.nonzero()[0])
    rows = cast(Floats2d, Xr.dataXd if Xr.dataXd.size else ops.alloc2f(0, nI))
    check_lengths(len(rows), lengths)
    if rows.ndim != 2 or rows.shape[1] != nI:
        raise ValueError(Errors.E003.format(name=model.name, expected=nI, found=rows.shape[-1]))
    hows = model.attrs["pooling"]
    Y = ops.xp.zeros((len(lengths), nI * len(hows)), dtype=rows.dtype)
    # What pools need not know of sequences without rows.
    part = ops.asarray1i(lengths[lengths > 0])
    callbacks: List[Callable[[Floats2d], Floats2d]] = []
    for i, how in enumerate(hows):
        if not len(present):
            break
        pooled, callback = _POOLINGS[how](model, rows, part)
        Y[present, i * nI : (i + 1) * nI] = pooled
        callbacks.append(callback)

    def backprop(dY: OutT) -> InT:
        dX = ops.xp.zeros_like(rows)
        for i, callback in enumerate(callbacks):
            dX += callback(dY[present, i * nI : (i + 1) * nI])
        return Ragged(dX, Xr.lengths)

    return cast(OutT, Y), backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    if X is not None and model.has_dim("nI") is None and X.dataXd.ndim == 2:
        model.set_dim("nI", X.dataXd.shape[1])
    if model.has_dim("nI") is None:
        raise ValueError(Errors.E004.format(name=model.name, dim="nI"))
    nI = model.get_dim("nI")
    if model.has_dim("nO") is None:
        model.set_dim("nO", nI * len(model.attrs["pooling"]))
    if "Q" in model.param_names:
        # From zeros, attention starts as the mean.
        model.set_param("Q", model.ops.alloc1f(nI))


def _last(model: Model[InT, OutT], X: Floats2d, lengths: Ints1d) -> PoolT:
    ends = lengths.cumsum()
    last, first = ends - 1, ends - lengths
    turn = model.attrs["reverse_from"]
    turn = X.shape[1] if turn is None else turn
    Y = X[last]
    Y[:, turn:] = X[first, turn:]

    def backprop(dY: Floats2d) -> Floats2d:
        dX = model.ops.xp.zeros_like(X)
        dX[last, :turn] = dY[:, :turn]
        dX[first, turn:] = dY[:, turn:]
        return cast(Floats2d, dX)

    return cast(Floats2d, Y), backprop


def _mean(model: Model[InT, OutT], X: Floats2d, lengths: Ints1d) -> PoolT:
    share = (1.0 / lengths).astype(X.dtype)[:, None]
    Y = model.ops.reduce_sum(X, lengths) * share

    def backprop(dY: Floats2d) -> Floats2d:
        return _repeat(model.ops, dY * share, lengths)

    return Y, backprop


def _max(model: Model[InT, OutT], X: Floats2d, lengths: Ints1d) -> PoolT:
    Y, which = model.ops.reduce_max(X, lengths)

    def backprop(dY: Floats2d) -> Floats2d:
        # To the first row that has the maximum.
        dY = model.ops.as_contig(dY)
        return cast(Floats2d, model.ops.backprop_reduce_max(dY, which, lengths))

    return cast(Floats2d, Y), backprop


def _attention(model: Model[InT, OutT], X: Floats2d, lengths: Ints1d) -> PoolT:
    ops, xp = model.ops, model.ops.xp
    Q = cast(Floats1d, model.get_param("Q"))
    scores = cast(Floats2d, xp.expand_dims(X @ Q, 1))  # (n_tokens, 1)
    scores = scores - _repeat(ops, _max(model, scores, lengths)[0], lengths)
    weights = xp.exp(scores)
    weights /= _repeat(ops, ops.reduce_sum(weights, lengths), lengths)
    Y = ops.reduce_sum(X * weights, lengths)

    def backprop(dY: Floats2d) -> Floats2d:
        dY_rows = _repeat(ops, dY, lengths)
        d_weights = (X * dY_rows).sum(axis=1, keepdims=True)
        mean = _repeat(ops, ops.reduce_sum(weights * d_weights, lengths), lengths)
        d_scores = weights * (d_weights - mean)
        model.inc_grad("Q", (X * d_scores).sum(axis=0))
        return cast(Floats2d, dY_rows * weights + d_scores * Q)

    return Y, backprop


_POOLINGS: Dict[str, Callable[[Model[InT, OutT], Floats2d, Ints1d], PoolT]] = {
    "last": _last,
    "mean": _mean,
    "max": _max,
    "attention": _attention,
}


def _repeat(ops: Ops, Y: Floats2d, lengths: Ints1d) -> Floats2d:
    """(n_seqs, width) -> (n_tokens, width)"""
    return cast(Floats2d, Y[ops.xp.repeat(ops.xp.arange(len(Y)), lengths.tolist())])
