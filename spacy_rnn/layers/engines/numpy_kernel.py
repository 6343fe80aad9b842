"""What the cells of the NumPy engine have in common: the layout of weights and arrays, and the
products over all rows.

Arrays have the directions as their first axis: D is 1 or 2. `row` counts packed rows (see
`spacy_rnn.layers.packing`). A sigmoid is computed as (1 + tanh(x / 2)) / 2, with the halving
folded into the weights: halving is exact, and tanh is vectorized where a logistic function is not.
"""

from abc import ABC, abstractmethod
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .base import GradsT
from .workspace import workspace

# The stubs of Thinc's array types know no Ellipsis in an index, which is all that we use here.
Floats3d = Any
# Of each step: how many sequences run, and where their rows begin (see `Segment.steps`).
StepsT = Sequence[Tuple[int, int, int]]


class Trace:
    """What a forward pass leaves behind.

    gates (Floats3d): (D, n_rows, nG*nO) Activations of the gates.
    states (Dict[str, Floats3d]): (D, n_first + n_rows, nO) each: the initial states of the
        `n_first` running sequences, then one row for each packed row.
    saved (Dict[str, Floats3d]): (D, n_rows, nO) each: further values that the gradient needs.
    outputs (Floats3d): (D, n_rows, nO) What goes out: h, whether it is a state or not.
    final (Dict[str, Floats3d]): (D, n_seqs, nO) each: the states after the last step.
    """

    def __init__(self, gates: Floats3d, states: Dict[str, Floats3d], n_first: int) -> None:
        self.gates = gates
        self.states = states
        self.n_first = n_first
        self.saved: Dict[str, Floats3d] = {}
        self.final: Dict[str, Floats3d] = {}
        self.outputs: Floats3d = states["h"][:, n_first:] if "h" in states else None


class BaseKernel(ABC):
    """One cell with its weights laid out for the loop: what scans have too, see `numpy_scan`.

    xp: The arrays' module.
    weights (List[Dict[str, FloatsXd]]): The parameters of each direction.
    """

    n_gates: int
    saved: Tuple[str, ...] = ()  # what a trace keeps beside gates and states
    n_sigmoids: int = 0  # how many of the gates, in the order of the loop, are sigmoids
    gate_order: Tuple[int, ...]  # the loop's order of the gates in the parameters

    def __init__(self, xp: Any, weights: List[Dict[str, Any]]) -> None:
        self.xp = xp
        self.nO = nO = weights[0]["b"].shape[0] // self.n_gates
        self.Wx = xp.stack([self._reorder(w["Wx"]) for w in weights])  # (D, nG*nO, nI)
        b = xp.stack([self._reorder(w["b"]) for w in weights])
        # One half for the sigmoids, one for the others: (nG*nO,)
        self.scale = xp.ones(self.n_gates * nO, dtype=b.dtype)
        self.scale[: self.n_sigmoids * nO] = 0.5
        self.WxT = (self.Wx * self.scale[:, None]).transpose(0, 2, 1)  # (D, nI, nG*nO)
        self.b = (b * self.scale)[:, None, :]
        self.projected: Optional[Floats3d] = None

    def start(self, Xp: Floats3d, state: Dict[str, Floats3d]) -> Trace:
        """Make room for what will be computed.

        Xp (Floats3d): (D, n_rows, nI) The rows, or (D, n_rows) the places of their projections.
        state (Dict[str, Floats3d]): (D, n_first, nO) each: what the first step begins from.
        """
        n_directions, n_rows = Xp.shape[:2]
        n_first = next(iter(state.values())).shape[1]

        def empty(n: int, columns: int) -> Floats3d:
            return self.xp.empty((n_directions, n, columns), dtype=self.b.dtype)

        states = {}
        for key, value in state.items():
            states[key] = empty(n_first + n_rows, self.nO)
            states[key][:, :n_first] = value
        trace = Trace(empty(n_rows, self.n_gates * self.nO), states, n_first)
        trace.saved = {key: empty(n_rows, self.nO) for key in self.saved}
        self.scratch = empty(n_first, self.nO)  # for a product of a step's gates
        return trace

    def read(self, trace: Trace, Xp: Floats3d, rows: slice) -> None:
        """The part of the gates that comes from the inputs: one GEMM for all of these rows, unless
        their projections are known."""
        gates = trace.gates[:, rows]
        if self.projected is not None:
            for d, places in enumerate(Xp[:, rows]):
                gates[d] = self.projected[d][places]
            return
        self.xp.matmul(Xp[:, rows], self.WxT, out=gates)
        gates += self.b

    def project(self, X: Any) -> None:
        """Find out what rows give to the gates before any step asks for them.

        X (Floats2d): (n, nI)
        """
        self.projected = self.xp.matmul(X, self.WxT) + self.b  # (D, n, nG*nO)

    @abstractmethod
    def run(
        self, trace: Trace, Xp: Floats3d, rows: slice, steps: StepsT, mask: Optional[Floats3d]
    ) -> None:
        """Take some steps of a segment: fill these rows of the trace.

        mask (Optional[Floats3d]): (D, n_seqs, nO) Multiplies h on its way into the gates.
        """

    def start_back(self, trace: Trace) -> Floats3d:
        """Get ready for the way back.

        RETURNS (Floats3d): (D, n_rows, nG*nO) Room for the gradients of the gates.
        """
        return workspace.take(self.xp, "d_gates", trace.gates.shape, trace.gates.dtype)

    def room(self, trace: Trace, name: str) -> None:
        """Make room for a value of each row that is not needed after the way back."""
        shape = (*trace.gates.shape[:2], self.nO)
        trace.saved[name] = workspace.take(self.xp, name, shape, trace.gates.dtype)

    @abstractmethod
    def run_back(
        self,
        trace: Trace,
        rows: slice,
        steps: StepsT,
        previous_rows: Any,
        dH: Floats3d,
        d_state: Dict[str, Floats3d],
        d_gates: Floats3d,
        mask: Optional[Floats3d],
    ) -> None:
        """Undo some steps of a segment: from the gradients of their outputs and of the states after
        them to those of the gates and of the states before.

        previous_rows (Ints1d): (n,) Of the states, the row that each of these rows began from.
        dH (Floats3d): (D, n, nO) Gradient of the outputs; may be overwritten.
        d_state (Dict[str, Floats3d]): (D, n_seqs, nO) each, changed in place.
        d_gates (Floats3d): (D, n_rows, nG*nO) Of which these rows are filled.
        """

    def gradients(self, trace: Trace, d_gates: Floats3d, Xp: Floats3d) -> List[GradsT]:
        """The gradients of the weights: one GEMM or sum each, over all rows.

        RETURNS (List[GradsT]): For each direction.
        """
        dWx = self.xp.matmul(d_gates.transpose(0, 2, 1), Xp)
        db = d_gates.sum(axis=1)
        return [
            {"Wx": self._restore(dWx[d]), "b": self._restore(db[d])} for d in range(len(d_gates))
        ]

    def input_gradients(self, d_gates: Floats3d, Xp: Floats3d) -> Floats3d:
        """Those of the inputs, by one GEMM, once those of the weights are there.

        RETURNS (Floats3d): (D, n_rows, nI)
        """
        dXp = workspace.take(self.xp, "dXp", Xp.shape, Xp.dtype)
        self.xp.matmul(d_gates, self.Wx, out=dXp)
        return dXp

    def _reorder(self, W: Any) -> Any:
        """From the parameters' order of the gates to the loop's."""
        blocks = self.xp.split(W, self.n_gates)
        return self.xp.concatenate([blocks[i] for i in self.gate_order])

    def _restore(self, W: Any) -> Any:
        """From the loop's order of the gates to the parameters'."""
        blocks = self.xp.split(W, self.n_gates)
        return self.xp.concatenate([blocks[self.gate_order.index(i)] for i in range(self.n_gates)])


class Kernel(BaseKernel):
    """A cell whose gates depend on h_{t-1}, so that each step has a GEMM of its own."""

    def __init__(self, xp: Any, weights: List[Dict[str, Any]]) -> None:
        super().__init__(xp, weights)
        self.Wh = xp.stack([self._reorder(w["Wh"]) for w in weights])  # (D, nG*nO, nO)
        self.WhT = xp.ascontiguousarray((self.Wh * self.scale[:, None]).transpose(0, 2, 1))

    def start(self, Xp: Floats3d, state: Dict[str, Floats3d]) -> Trace:
        trace = super().start(Xp, state)
        shape = (len(Xp), trace.n_first, self.n_gates * self.nO)
        self.recurrent = self.xp.empty(shape, dtype=self.b.dtype)  # each step's GEMM
        return trace

    def run(
        self, trace: Trace, Xp: Floats3d, rows: slice, steps: StepsT, mask: Optional[Floats3d]
    ) -> None:
        self.read(trace, Xp, rows)
        for n, row, previous in steps:
            self.step(trace, n, row, previous, None if mask is None else mask[:, :n])

    @abstractmethod
    def step(self, trace: Trace, n: int, row: int, previous: int, mask: Optional[Floats3d]) -> None:
        """Fill the rows of one step.

        n (int): How many sequences run.
        row (int): Their first row among the packed rows.
        previous (int): The first row of what they carry, among the rows of the states.
        mask (Optional[Floats3d]): (D, n, nO) Multiplies h on its way into the gates.
        """

    def start_back(self, trace: Trace) -> Floats3d:
        self.room(trace, "h_previous")
        return super().start_back(trace)

    def run_back(
        self,
        trace: Trace,
        rows: slice,
        steps: StepsT,
        previous_rows: Any,
        dH: Floats3d,
        d_state: Dict[str, Floats3d],
        d_gates: Floats3d,
        mask: Optional[Floats3d],
    ) -> None:
        h_previous = trace.saved["h_previous"]
        h_previous[:, rows] = trace.states["h"][:, previous_rows]
        self.factors(trace, rows, previous_rows, out=d_gates[:, rows])
        for n, row, _ in reversed(steps):
            if mask is not None:
                h_previous[:, row : row + n] *= mask[:, :n]
            dh = d_state["h"][:, :n]
            dh += dH[:, row - rows.start : row - rows.start + n]
            self.step_back(trace, d_gates, d_state, n, row, None if mask is None else mask[:, :n])

    @abstractmethod
    def factors(self, trace: Trace, rows: slice, previous_rows: Any, out: Floats3d) -> None:
        """What of the gradient can be computed for many rows before the loop: the factors by which
        the gradient of the state reaches each gate. The loop turns them into that of the gates.

        rows (slice): The packed rows.
        previous_rows (Ints1d): (n,) Of the states, the row that each of them began from.
        out (Floats3d): (D, n, nG*nO)
        """

    @abstractmethod
    def step_back(
        self,
        trace: Trace,
        d_gates: Floats3d,
        d_state: Dict[str, Floats3d],
        n: int,
        row: int,
        mask: Optional[Floats3d],
    ) -> None:
        """Undo one step: from the gradient of the states after it to that before it.

        d_gates (Floats3d): (D, n_rows, nG*nO) Of these rows, factors become gradients.
        d_state (Dict[str, Floats3d]): (D, n_seqs, nO) each, with the gradient of the outputs of
            this step added; changed in place.
        """

    def gradients(self, trace: Trace, d_gates: Floats3d, Xp: Floats3d) -> List[GradsT]:
        dWh = self.xp.matmul(d_gates.transpose(0, 2, 1), trace.saved["h_previous"])
        self.finish_gates(trace, d_gates)
        grads = super().gradients(trace, d_gates, Xp)
        for d, grad in enumerate(grads):
            grad["Wh"] = self._restore(dWh[d])
        return grads

    def finish_gates(self, trace: Trace, d_gates: Floats3d) -> None:
        """Hook: from the gradient on the hidden side of the gates to that on the input's."""
