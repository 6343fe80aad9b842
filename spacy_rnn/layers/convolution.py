"""Convolution over the rows of each sequence, with maxout and a residual connection."""

from typing import Any, Callable, List, Optional, Tuple, cast

import numpy
from thinc.api import Maxout, Model
from thinc.types import Floats2d, Ragged

from ..checks import check_rate
from ..errors import Errors, number_error
from .dropout import dropout_mask
from .engines.workspace import recycler
from .freezing import constant, is_constant, is_frozen, no_gradient
from .ops import without_blis
from .packing import IntsT, check_lengths
from .state import Carry, current_carry
from .threads import one_blas_thread

InT = Ragged
OutT = Ragged
N_PIECES = 3
# Rows that are read at a time when no gradient is needed.
MAX_ROWS = 4096


def Convolution(
    nI: Optional[int] = None,
    *,
    n_before: int = 1,
    n_after: int = 1,
    dropout: float = 0.0,
) -> Model[InT, OutT]:
    """Add to each row what a window around it says. With w the rows of the window side by side,
    x_{t-n_before} to x_{t+n_after}, and zeros where the sequence has no such row:

        y_t = x_t + dropout(norm(max_p(W_p w + b_p)))

    Of the maxout layer (Goodfellow et al. 2013, "Maxout networks") three pieces p are compared, and
    the result is normalized (Ba et al. 2016, "Layer normalization"). It is a layer of spaCy's
    MaxoutWindowEncoder, but no padding stands between the sequences, and the window may look
    back alone. Parameters: W (nI, 3, (n_before+1+n_after)*nI) and b (nI, 3) of the maxout, G and b
    (nI,) of the norm.

    nI (Optional[int]): Width of the input and of the output.
    n_before, n_after (int): How many rows the window has on each side of its own. With none after
        it, `run` carries the last rows on.
    dropout (float): Rate on what is added, the `dropout_rate` that `set_dropout_rate` changes.
    RETURNS (Model[Ragged, Ragged]): (n_tokens, nI) -> (n_tokens, nI).
    RAISES (ValueError): For a window without neighbours, or a rate that is none.
    """
    check_rate("dropout", dropout)
    if min(n_before, n_after) < 0 or n_before + n_after < 1:
        found = f"n_before={n_before} and n_after={n_after}"
        raise number_error("The window", "at least one row before or after its own", found)
    attrs = {"n_before": n_before, "n_after": n_after, "dropout_rate": dropout}
    if not n_after:
        attrs["carries"] = True
    return Model(
        "convolution",
        forward,
        init=init,
        dims={"nI": nI, "nO": nI},
        layers=[Maxout(nP=N_PIECES, normalize=True)],
        attrs=attrs,
    )


def forward(model: Model[InT, OutT], Xr: InT, is_train: bool) -> Tuple[OutT, Callable]:
    carry = current_carry()
    if carry is None or "carries" not in model.attrs:
        return _convolve(model, Xr, is_train)
    return _convolve_carried(model, Xr, is_train, carry)


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    if X is not None and X.dataXd.ndim == 2 and X.dataXd.shape[1]:
        for dim in ("nI", "nO"):
            if model.has_dim(dim) is None:
                model.set_dim(dim, X.dataXd.shape[1])
        _check_width(model, X)
    if model.has_dim("nI") is None:
        raise ValueError(Errors.E004.format(name=model.name, dim="nI"))
    nI, ops = model.get_dim("nI"), model.ops
    # Where nI was set after the layer was built.
    model.set_dim("nO", nI)
    n_rows = model.attrs["n_before"] + 1 + model.attrs["n_after"]
    model.layers[0].initialize(X=ops.alloc2f(1, n_rows * nI), Y=ops.alloc2f(1, nI))


class Window:
    """Which rows of a batch each place of a window reads.

    lengths (Ints1d): (n_seqs,) Of the sequences.
    n_before, n_after (int): As of `Convolution`.
    """

    def __init__(self, xp: Any, lengths: Any, n_before: int, n_after: int) -> None:
        self.xp = xp
        lengths = numpy.asarray(lengths, dtype="int64")
        self.n_rows = int(lengths.sum())
        starts = numpy.cumsum(lengths) - lengths
        place = numpy.arange(self.n_rows) - numpy.repeat(starts, lengths)
        from_end = numpy.repeat(lengths, lengths) - 1 - place
        self.offsets = list(range(-n_before, n_after + 1))
        # For each place, the rows whose sequence has no row there.
        self._missing: List[IntsT] = [
            numpy.flatnonzero(place < -offset if offset < 0 else from_end < offset)
            for offset in self.offsets
        ]

    def read(self, X: Floats2d, first: int, end: int) -> Floats2d:
        """RETURNS (Floats2d): (end - first, n_places * nI) The windows of these rows."""
        nI = X.shape[1]
        n_places = len(self.offsets)
        windows = recycler.empty(self.xp, (end - first, n_places * nI), X.dtype)
        by_place = windows.reshape((end - first, n_places, nI))
        for k, offset in enumerate(self.offsets):
            low, high = self._within(offset, first, end)
            by_place[low - first : high - first, k] = X[low + offset : high + offset]
            by_place[self._missing_rows(k, first, end), k] = 0.0
        return cast(Floats2d, windows)

    def add(self, d_windows: Floats2d, dX: Floats2d) -> None:
        """Add up the gradients of all windows where their rows came from.

        d_windows (Floats2d): (n_rows, n_places * nI). It is changed.
        dX (Floats2d): (n_rows, nI)
        """
        by_place: Any = d_windows.reshape((self.n_rows, len(self.offsets), -1))
        for k, offset in enumerate(self.offsets):
            by_place[self._missing_rows(k, 0, self.n_rows), k] = 0.0
            low, high = self._within(offset, 0, self.n_rows)
            dX[low + offset : high + offset] += by_place[low:high, k]

    def _within(self, offset: int, first: int, end: int) -> Tuple[int, int]:
        """RETURNS (Tuple[int, int]): Of these rows, those that have a row of the batch there."""
        low = min(max(first, -offset), end)
        return low, max(min(end, self.n_rows - offset), low)

    def _missing_rows(self, k: int, first: int, end: int) -> Any:
        """RETURNS (Ints1d): Counted from the first."""
        low, high = numpy.searchsorted(self._missing[k], [first, end])
        return self.xp.asarray(self._missing[k][low:high] - first)


def _convolve(model: Model[InT, OutT], Xr: InT, is_train: bool) -> Tuple[OutT, Callable]:
    ops, xp = model.ops, model.ops.xp
    X = _rows(model, Xr)
    lengths = ops.to_numpy(Xr.lengths)
    check_lengths(len(X), lengths)
    window = Window(xp, lengths, model.attrs["n_before"], model.attrs["n_after"])
    mix = without_blis(model.layers[0])
    costs_nothing = is_constant(Xr) and is_frozen(model)
    rate = model.attrs["dropout_rate"] or 0.0 if is_train else 0.0
    mask = dropout_mask(ops, X.shape, rate, X.dtype) if rate else None
    with one_blas_thread:
        if is_train and len(X) and not costs_nothing:
            added, backprop_mix = mix(window.read(X, 0, len(X)), True)
        else:
            added = _in_parts(mix, window, X)
    Y = X + (added if mask is None else added * mask)
    if is_train and costs_nothing:
        nI = model.get_dim("nI")
        return constant(Ragged(Y, Xr.lengths)), lambda dYr: no_gradient(ops, Xr, nI)

    def backprop(dYr: OutT) -> InT:
        if not is_train:
            raise ValueError(Errors.E010.format(name=model.name))
        if not len(X):
            return no_gradient(ops, Xr, X.shape[1])
        dY = cast(Floats2d, dYr.dataXd.reshape(X.shape))
        with one_blas_thread:
            d_windows = backprop_mix(dY if mask is None else dY * mask)
        if is_constant(Xr):
            return no_gradient(ops, Xr, X.shape[1])
        dX = xp.array(dY, dtype=X.dtype)
        window.add(d_windows, dX)
        return Ragged(dX, Xr.lengths)

    return Ragged(Y, Xr.lengths), backprop


def _in_parts(mix: Model[Floats2d, Floats2d], window: Window, X: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (n_rows, nI) What is added, with the windows of a few rows at a time."""
    Y = recycler.empty(window.xp, X.shape, X.dtype)
    for first in range(0, len(X), MAX_ROWS):
        end = min(len(X), first + MAX_ROWS)
        Y[first:end] = mix.predict(window.read(X, first, end))
    return cast(Floats2d, Y)


def _convolve_carried(
    model: Model[InT, OutT], Xr: InT, is_train: bool, carry: Carry
) -> Tuple[OutT, Callable]:
    """Go on within sequences: each has in front the rows that it was left with, or zeros."""
    ops, xp, n_before = model.ops, model.ops.xp, model.attrs["n_before"]
    X, lengths = _rows(model, Xr), ops.to_numpy(Xr.lengths).astype("int64")
    check_lengths(len(X), lengths)
    n_seqs, nI = len(lengths), X.shape[1]
    given = carry.initial.get(model.id)
    before = _given_rows(model, given, n_seqs, X)
    # The rows of each sequence with those before it, in a table that has all of the latter first.
    ends = numpy.cumsum(lengths + n_before)
    is_own = numpy.ones(int(ends[-1]) if n_seqs else 0, dtype="bool")
    carried_places: Any = (ends - lengths - n_before)[:, None] + numpy.arange(n_before)
    is_own[carried_places.reshape(-1)] = False
    own, carried_rows = (
        xp.asarray(numpy.flatnonzero(is_own)),
        xp.asarray(carried_places.reshape(-1)),
    )
    last_places: Any = ends[:, None] - n_before + numpy.arange(n_before)
    last = xp.asarray(last_places.reshape(-1))
    whole = xp.zeros((len(is_own), nI), dtype=X.dtype)
    whole[own] = X
    whole[carried_rows] = before
    whole_r = Ragged(cast(Floats2d, whole), ops.asarray1i(cast(Any, lengths + n_before)))
    Yr, backprop_whole = _convolve(model, whole_r, is_train)
    carry.final[model.id] = {"x": whole[last].reshape((n_seqs, n_before * nI))}

    def backprop(dYr: OutT) -> InT:
        dY = xp.zeros((len(is_own), nI), dtype=X.dtype)
        dY[own] = dYr.dataXd
        dX = backprop_whole(Ragged(dY, whole_r.lengths)).dataXd
        d_final = carry.d_final.get(model.id, {})
        if "x" in d_final:
            dX[last] += d_final["x"].reshape((-1, nI))
        if given is not None:
            carry.d_initial[model.id] = {"x": dX[carried_rows].reshape((n_seqs, n_before * nI))}
        return Ragged(dX[own], Xr.lengths)

    return Ragged(cast(Floats2d, Yr.dataXd)[own], Xr.lengths), backprop


def _given_rows(model: Model[InT, OutT], given: Any, n_seqs: int, X: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (n_seqs * n_before, nI) What the sequences have been left with."""
    nI = X.shape[1]
    shape = (n_seqs, model.attrs["n_before"] * nI)
    if given is None:
        return cast(Floats2d, model.ops.xp.zeros((shape[0] * model.attrs["n_before"], nI)))
    value = given.get("x")
    found = "nothing" if value is None else value.shape
    if found != shape:
        raise ValueError(Errors.E006.format(name=model.name, key="x", expected=shape, found=found))
    return cast(Floats2d, value.reshape((-1, nI)))


def _rows(model: Model[InT, OutT], Xr: InT) -> Floats2d:
    """RETURNS (Floats2d): (n_rows, nI) The rows, with their width if there are none."""
    if model.has_dim("nI") is None:
        raise ValueError(Errors.E024.format(name=model.name))
    if not Xr.dataXd.shape[0]:
        return model.ops.alloc2f(0, model.get_dim("nI"))
    _check_width(model, Xr)
    return cast(Floats2d, Xr.dataXd)


def _check_width(model: Model[InT, OutT], Xr: InT) -> None:
    nI, width = model.get_dim("nI"), Xr.dataXd.shape[-1]
    if width != nI:
        raise ValueError(Errors.E003.format(name=model.name, expected=nI, found=width))
