"""Between lists of arrays and Ragged, right for empty sequences and empty batches."""

import operator
from typing import Callable, List, Optional, Tuple, Union, cast

from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d, Ragged

from .engines.workspace import recycler

InT = List[Floats2d]
OutT = List[Floats2d]
SequencesT = Union[List[Floats2d], Ragged]


def with_ragged(layer: Model[Ragged, Ragged]) -> Model[InT, OutT]:
    """Apply a layer over Ragged to a list of arrays. A Ragged goes through as it is.

    Thinc's layer of this name loses its dims, and the width of an empty batch; this one keeps
    both.

    layer (Model[Ragged, Ragged]): (n_tokens, nI) -> (n_tokens, nO).
    RETURNS (Model[List[Floats2d], List[Floats2d]]): The same for one array a sequence.
    """
    return Model(
        f"with_ragged({layer.name})",
        forward,
        init=init,
        layers=[layer],
        dims={dim: layer.maybe_get_dim(dim) for dim in ("nO", "nI")},
    )


def forward(model: Model[InT, OutT], Xs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    layer = model.layers[0]
    if isinstance(Xs, Ragged):
        return layer(Xs, is_train)
    Yr, backprop_layer = layer(to_ragged(model.ops, Xs), is_train)
    lengths = Yr.lengths

    def backprop(dYs: OutT) -> InT:
        dYr = Ragged(to_ragged(model.ops, dYs).dataXd, lengths)
        return to_list(backprop_layer(dYr), model.get_dim("nI"))

    return to_list(Yr, model.get_dim("nO")), backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    layer = model.layers[0]
    layer.initialize(
        X=to_ragged(model.ops, X) if X is not None else None,
        Y=to_ragged(model.ops, Y) if Y is not None else None,
    )
    for dim in ("nO", "nI"):
        if layer.has_dim(dim):
            model.set_dim(dim, layer.get_dim(dim))


class SharedRows(Ragged):
    """A Ragged in which many rows are equal, as tokens of the same type are before they have met
    their context. What a layer computes of each row alone it may compute once for each of them.

    distinct (Floats2d): (n_distinct, width)
    source (Ints1d): (n_rows,) Which of them each row is.
    """

    def __init__(self, data: Floats2d, lengths: Ints1d, distinct: Floats2d, source: Ints1d) -> None:
        super().__init__(data, lengths)
        self.distinct = distinct
        self.source = source

    @property
    def pays(self) -> bool:
        """RETURNS (bool): Whether there are so few that it is worth the copying."""
        return 4 * len(self.distinct) <= 3 * len(self.source)


class Rows(List[Floats2d]):
    """One array a sequence, each of them a view into the rows of a Ragged.

    Xr (Ragged): (n_rows, width)
    """

    def __init__(self, Xr: Ragged) -> None:
        X = cast(Floats2d, Xr.dataXd)
        start = 0
        for length in Xr.lengths.tolist():
            self.append(X[start : start + length])
            start += length
        self._Xr = Xr
        self._views = tuple(self)

    @property
    def ragged(self) -> Optional[Ragged]:
        """RETURNS (Optional[Ragged]): Where the arrays are, if they still are those."""
        is_same = len(self) == len(self._views) and all(map(operator.is_, self, self._views))
        return self._Xr if is_same else None


def flatten(ops: Ops, Xs: List[Floats2d]) -> Floats2d:
    """RETURNS (Floats2d): (n_rows, width) All rows; the width is kept if there are none."""
    if not Xs:
        return ops.alloc2f(0, 0)
    if len(Xs) == 1:
        return Xs[0]
    n_rows = sum(len(X) for X in Xs)
    whole = recycler.empty(ops.xp, (n_rows, Xs[0].shape[1]), Xs[0].dtype)
    return cast(Floats2d, ops.xp.concatenate(Xs, axis=0, out=whole))


def to_ragged(ops: Ops, Xs: SequencesT) -> Ragged:
    """RETURNS (Ragged): The sequences one after another; not copied if they stand so already."""
    if isinstance(Xs, Ragged):
        return Xs
    if isinstance(Xs, Rows) and Xs.ragged is not None:
        return Xs.ragged
    return Ragged(flatten(ops, Xs), ops.asarray1i([len(X) for X in Xs]))


def to_list(Xr: Ragged, width: int) -> List[Floats2d]:
    """RETURNS (List[Floats2d]): (length, width) for each sequence: views, not copies."""
    if Xr.dataXd.ndim != 2 or Xr.dataXd.shape[1] != width:
        Xr = Ragged(Xr.dataXd.reshape((-1, width)), Xr.lengths)
    return Rows(Xr)
