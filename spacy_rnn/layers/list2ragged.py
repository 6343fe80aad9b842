"""From one array a sequence to the rows of all sequences, at the input of a model."""

from typing import Callable, Tuple

from thinc.api import Model
from thinc.types import Floats2d, Ragged

from .ragged import SequencesT, to_list, to_ragged

InT = SequencesT
OutT = Ragged


def list2ragged() -> Model[InT, OutT]:
    """Lay the sequences one after another, so that a layer over Ragged can follow. A Ragged goes
    through as it is.

    Thinc's layer of this name takes lists only, and copies rows that stand so already.

    RETURNS (Model[List[Floats2d], Ragged]): An array (n_steps, nI) for each sequence -> the rows of
        all of them, (n_rows, nI), and their lengths.
    """
    return Model("list2ragged", forward)


def forward(model: Model[InT, OutT], Xs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    if isinstance(Xs, Ragged):
        return Xs, lambda dYr: dYr
    Xr = to_ragged(model.ops, Xs)
    X: Floats2d = Xr.dataXd  # type: ignore[assignment]

    def backprop(dYr: OutT) -> InT:
        return to_list(Ragged(dYr.dataXd, Xr.lengths), X.shape[1])

    return Xr, backprop
