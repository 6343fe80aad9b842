"""What every engine takes and gives back."""

from dataclasses import dataclass
from typing import Any, Callable, Container, Dict, List, Optional, Protocol, Tuple

from thinc.types import Floats2d, FloatsXd, Ints1d

from ..packing import Packing

# The most distinct rows whose input products an engine keeps, for tokens to share.
MAX_PROJECTED = 8192
StateT = Dict[str, Floats2d]
GradsT = Dict[str, FloatsXd]
# (dY, d_final, needs_dX) -> (dX, gradients of the weights, gradients of the initial states). If dX
# is not needed, an engine that can do without gives None.
BackwardT = Callable[..., Tuple[Optional[Floats2d], List[GradsT], List[StateT]]]
ResultT = Tuple[Floats2d, List[StateT], BackwardT]


@dataclass(frozen=True)
class Cell:
    """The kind of a recurrence.

    name (str): What the engines know it by.
    n_gates (int): Blocks of nO rows in Wx and Wh.
    states (Tuple[str, ...]): What is carried from step to step: "h", for the LSTM also "c", and
        for a QRNN with an output gate "c" alone.
    params (Tuple[str, ...]): Names of the weights.
    """

    name: str
    n_gates: int
    states: Tuple[str, ...] = ("h",)
    params: Tuple[str, ...] = ("Wx", "Wh", "b")

    @property
    def is_scan(self) -> bool:
        """Whether the gates depend on the inputs alone, so that the loop over the steps is
        elementwise: there is no Wh, and no mask on h."""
        return "Wh" not in self.params


ELMAN_TANH = Cell("elman_tanh", 1)
ELMAN_RELU = Cell("elman_relu", 1)
LSTM = Cell("lstm", 4, states=("h", "c"))
GRU = Cell("gru", 3, params=("Wx", "Wh", "b", "bh"))
QRNN_F = Cell("qrnn_f", 2, params=("Wx", "b"))
QRNN_FO = Cell("qrnn_fo", 3, states=("c",), params=("Wx", "b"))
QRNN_IFO = Cell("qrnn_ifo", 4, states=("c",), params=("Wx", "b"))
MINGRU = Cell("mingru", 2, params=("Wx", "b"))


@dataclass
class Direction:
    """One pass over the sequences: the weights it uses and the state it begins from.

    weights (Dict[str, FloatsXd]): Wx (nG*nO, window*nI), b (nG*nO,), but for scans Wh
        (nG*nO, nO), and for the GRU bh (nO,).
    state (Dict[str, Floats2d]): (n_seqs, nO) each, in the order of the batch; if the cell reads
        a window of several inputs, also "x" (n_seqs, (window-1)*nI), those before the first step.
    mask (Optional[Floats2d]): (n_seqs, nO) Multiplies h_{t-1} on its way into the gates, the
        same at every step (variational dropout), or None.
    reverse (bool): Whether each sequence is read from its end.
    """

    weights: Dict[str, Any]
    state: StateT
    mask: Optional[Floats2d]
    reverse: bool

    def window(self, nI: int) -> int:
        """RETURNS (int): How many inputs each step reads: its own and those just before it, which
        stand side by side in the columns of Wx, the oldest first."""
        return int(self.weights["Wx"].shape[1]) // nI


class Engine(Protocol):
    """A module that computes recurrences.

    All directions of one call share the cell, nI, nO and the window.

    CELLS (Container[str]): Names of the cells that it has; the NumPy engine has all.
    TAKES_SOURCE (bool): Whether several tokens may share a row of X.
    USES_BLAS (bool): Whether it computes by NumPy's BLAS, which is then kept to one thread.
    """

    CELLS: Container[str]
    TAKES_SOURCE: bool
    USES_BLAS: bool

    def forward(
        self,
        cell: Cell,
        X: Floats2d,
        packing: Packing,
        directions: List[Direction],
        is_train: bool,
        source: Optional[Ints1d] = None,
    ) -> ResultT:
        """Run a cell over a batch.

        X (Floats2d): (n_tokens, nI) Rows of the Ragged; or, with a source, the distinct ones.
        source (Optional[Ints1d]): (n_tokens,) Which row of X each token has. Only given for
            predictions, and to engines that say that they take it.
        RETURNS: Y (n_tokens, n_directions * nO) in the order of X; the state of each
            direction after its last step, shaped and ordered as that it began from; and the
            callback for the gradients. The callback fails unless `is_train`.
        """
        ...
