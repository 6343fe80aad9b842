"""Between lists of arrays and Ragged, right for empty sequences and empty batches."""

from typing import Callable, List, Optional, Tuple, cast

from thinc.api import Model, Ops
from thinc.types import Floats2d, Ragged

InT = List[Floats2d]
OutT = List[Floats2d]


def with_ragged(layer: Model[Ragged, Ragged]) -> Model[InT, OutT]:
    """Apply a layer over Ragged to a list of arrays.

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
    Yr, backprop_layer = layer(to_ragged(model.ops, Xs), is_train)
    lengths = Yr.lengths

    def backprop(dYs: OutT) -> InT:
        dYr = Ragged(flatten(model.ops, dYs), lengths)
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


def flatten(ops: Ops, Xs: List[Floats2d]) -> Floats2d:
    """RETURNS (Floats2d): (n_tokens, width) All rows; the width is kept if there are none."""
    if not Xs:
        return ops.alloc2f(0, 0)
    return cast(Floats2d, ops.xp.concatenate(Xs, axis=0))


def to_ragged(ops: Ops, Xs: List[Floats2d]) -> Ragged:
    """RETURNS (Ragged): The sequences one after another."""
    return Ragged(flatten(ops, Xs), ops.asarray1i([len(X) for X in Xs]))


def to_list(Xr: Ragged, width: int) -> List[Floats2d]:
    """RETURNS (List[Floats2d]): (length, width) for each sequence: views, not copies."""
    X = cast(Floats2d, Xr.dataXd.reshape((-1, width)))
    sequences = []
    start = 0
    for length in Xr.lengths.tolist():
        sequences.append(X[start : start + length])
        start += length
    return sequences
