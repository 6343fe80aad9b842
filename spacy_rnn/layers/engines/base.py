"""What every engine takes and gives back."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Protocol, Tuple

from thinc.types import Floats2d, FloatsXd

from ..packing import Packing

StateT = Dict[str, Floats2d]
GradsT = Dict[str, FloatsXd]
# (dY, d_final) -> (dX, gradients of the weights, gradients of the initial states)
BackwardT = Callable[
    [Floats2d, List[Optional[StateT]]], Tuple[Floats2d, List[GradsT], List[StateT]]
]
ResultT = Tuple[Floats2d, List[StateT], BackwardT]


@dataclass(frozen=True)
class Cell:
    """The kind of a recurrence.

    name (str): What the engines know it by.
    n_gates (int): Blocks of nO rows in Wx and Wh.
    states (Tuple[str, ...]): What is carried from step to step: "h", and "c" for the LSTM.
    params (Tuple[str, ...]): Names of the weights.
    """

    name: str
    n_gates: int
    states: Tuple[str, ...] = ("h",)
    params: Tuple[str, ...] = ("Wx", "Wh", "b")


ELMAN_TANH = Cell("elman_tanh", 1)
ELMAN_RELU = Cell("elman_relu", 1)
LSTM = Cell("lstm", 4, states=("h", "c"))
GRU = Cell("gru", 3, params=("Wx", "Wh", "b", "bh"))


@dataclass
class Direction:
    """One pass over the sequences: the weights it uses and the state it begins from.

    weights (Dict[str, FloatsXd]): Wx (nG*nO, nI), Wh (nG*nO, nO), b (nG*nO,) and for the
        GRU bh (nO,).
    state (Dict[str, Floats2d]): (n_seqs, nO) each, in the order of the batch.
    mask (Optional[Floats2d]): (n_seqs, nO) Multiplies h_{t-1} on its way into the gates, the
        same at every step (variational dropout), or None.
    reverse (bool): Whether each sequence is read from its end.
    """

    weights: Dict[str, Any]
    state: StateT
    mask: Optional[Floats2d]
    reverse: bool


class Engine(Protocol):
    """A module that computes recurrences.

    All directions of one call share the cell, nI and nO.
    """

    def forward(
        self,
        cell: Cell,
        X: Floats2d,
        packing: Packing,
        directions: List[Direction],
        is_train: bool,
    ) -> ResultT:
        """Run a cell over a batch.

        X (Floats2d): (n_tokens, nI) Rows of the Ragged.
        RETURNS: Y (n_tokens, n_directions * nO) in the order of X; the state of each
            direction after its last step, (n_seqs, nO) in the order of the batch; and the
            callback for the gradients. The callback fails unless `is_train`.
        """
        ...
