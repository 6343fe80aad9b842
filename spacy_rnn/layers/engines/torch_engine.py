"""The same recurrences by torch: cuDNN on GPU, ATen on CPU. Cells without recurrent weights, which
neither knows, are in `torch_scan`.

The weights stay Thinc parameters and are handed over without a copy (DLPack for CuPy). Both
directions go through one call of the function behind `torch.nn.LSTM`, on rows that are packed once.
Autograd sees that call alone: all around it is undone by hand.
"""

from typing import Any, Dict, List, Optional, Tuple, cast

import torch
from thinc.types import Floats2d, Ints1d

from ..packing import Packing
from .base import Cell, Direction, GradsT, ResultT, StateT
from .torch_arrays import TensorsT, in_one_block, to_torch, to_xp, without_layout_warning, zeros
from .torch_inputs import PackedInputs
from .torch_scan import GATES, scan

_FUNCTIONS: Dict[str, Any] = {
    "elman_tanh": torch._VF.rnn_tanh,
    "elman_relu": torch._VF.rnn_relu,
    "lstm": torch._VF.lstm,
    "gru": torch._VF.gru,
}
CELLS = {*_FUNCTIONS, *GATES}
TAKES_SOURCE = False
USES_BLAS = False


def forward(
    cell: Cell,
    X: Floats2d,
    packing: Packing,
    directions: List[Direction],
    is_train: bool,
    source: Optional[Ints1d] = None,
) -> ResultT:
    """Run a cell over a batch (see `base.Engine.forward`)."""
    Xt = to_torch(X)
    groups = [[direction] for direction in directions]
    if not cell.is_scan and [d.reverse for d in directions] == [False, True]:
        groups = [directions]
    passes = [_Pass(cell, Xt, packing, group, is_train) for group in groups]
    Y = passes[0].Y if len(passes) == 1 else torch.cat([p.Y for p in passes], dim=1)
    finals = [final for p in passes for final in p.finals]

    def backward(
        dY: Floats2d, d_final: List[Optional[StateT]], needs_dX: bool = True
    ) -> Tuple[Optional[Floats2d], List[GradsT], List[StateT]]:
        widths = [p.Y.shape[1] for p in passes]
        given = iter(d_final)
        results = [
            p.backward(part, [next(given) for _ in group])
            for p, part, group in zip(passes, to_torch(dY).split(widths, dim=1), groups)
        ]
        dX = results[0][0]
        for further in results[1:]:
            dX = dX + further[0]
        return to_xp(dX), [g for r in results for g in r[1]], [s for r in results for s in r[2]]

    return to_xp(Y), finals, backward


class _Pass:
    """What one call computes: a direction, or the one from the start and the one from the end. A
    single direction that reads from the end is the forward kernel on rows in the other order.

    Y (Tensor): (n_tokens, D*nO) Outputs in the order of the Ragged.
    finals (List[StateT]): (n_seqs, nO) each, in the order of the batch.
    """

    def __init__(
        self,
        cell: Cell,
        X: torch.Tensor,
        packing: Packing,
        directions: List[Direction],
        is_train: bool,
    ) -> None:
        self.cell, self.directions, self.segment = cell, directions, packing.whole()
        self.inputs = PackedInputs(X, packing, directions[0])
        self.rows = self.inputs.read().requires_grad_(is_train)  # (n_rows, window*nI)
        # (n_states * D, n_seqs, nO): for each state, each direction
        self.initial = self._stack([d.state for d in directions])
        # Sequences of length zero do not run: their states stay. (n_running, nO) of each
        running = self.initial.index_select(1, self.inputs.running)
        self.hx = [hx.requires_grad_(is_train) for hx in running.chunk(len(cell.states))]
        self.weights = self._weights(is_train)
        self.is_spent = False
        self.Yp, self.last = self._run(is_train)
        self.Y = self.inputs.unpack(self.Yp.detach())
        ended = torch.cat([last.detach() for last in self.last])
        states = self.initial.index_copy(1, self.inputs.running, ended)
        self.finals = self._by_direction(states, self.inputs.last())

    def backward(
        self, dY: torch.Tensor, d_final: List[Optional[StateT]]
    ) -> Tuple[torch.Tensor, List[GradsT], List[StateT]]:
        """RETURNS: Gradients of the input, and for each direction those of the weights and of the
        initial state."""
        # Autograd lets go of what it kept as it goes back, to use the memory again.
        if self.is_spent:
            self.Yp, self.last = self._run(is_train=True)
        self.is_spent = True
        given = [one or {} for one in d_final]
        d_states = self._stack(given)
        outputs, gradients = [], []
        if self.segment.n_rows:
            outputs, gradients = [self.Yp], [self.inputs.pack(dY)]
        if any(key in one for one in given for key in self.cell.states):
            outputs += self.last
            gradients += self._running(d_states)
        leaves = [w for of_one in self.weights for w in of_one if w.requires_grad]
        inputs = [self.rows, *self.hx, *leaves]
        found: Any = [None] * len(inputs)
        if outputs:
            found = torch.autograd.grad(outputs, inputs, gradients, allow_unused=True)
        filled = [
            torch.zeros_like(leaf) if gradient is None else gradient
            for leaf, gradient in zip(inputs, found)
        ]
        n_states = len(self.hx)
        d_initial = torch.cat(filled[1 : 1 + n_states])
        d_states = d_states.index_copy(1, self.inputs.running, d_initial)
        dX, d_carried = self.inputs.gradient(filled[0], d_final[0])
        grads = self._gradients(filled[1 + n_states :])
        return dX, grads, self._by_direction(d_states, d_carried)

    def _run(self, is_train: bool) -> Tuple[torch.Tensor, TensorsT]:
        """RETURNS (Tuple[Tensor, TensorsT]): The packed outputs (n_rows, D*nO), and of each state
        what those that run end with (D, n_running, nO)."""
        if not self.segment.n_rows:
            width = len(self.directions) * self.initial.shape[2]
            return self.rows.new_zeros((0, width)).detach(), self.hx
        with torch.set_grad_enabled(is_train):
            if self.cell.is_scan:
                return scan(self.cell, self.rows, self.segment, self.hx[0], *self.weights[0])
            hx = self.hx[0] if len(self.hx) == 1 else self.hx
            with without_layout_warning(self.rows.is_cuda):
                Yp, *last = _FUNCTIONS[self.cell.name](
                    self.rows,
                    torch.as_tensor(self.segment.sizes),  # always on the CPU
                    hx,
                    [w for of_one in self.weights for w in of_one],
                    True,  # has_biases
                    1,  # num_layers
                    0.0,  # dropout
                    is_train,
                    len(self.directions) == 2,  # bidirectional
                )
            return Yp, last

    def _weights(self, is_train: bool) -> List[TensorsT]:
        """RETURNS (List[TensorsT]): Of each direction Wx, Wh, b and the hidden bias, as torch's
        functions take them; of a scan Wx and b."""
        params = [{k: to_torch(w) for k, w in d.weights.items()} for d in self.directions]
        weights = [[w[key] for key in ("Wx", "Wh", "b") if key in w] for w in params]
        if not self.cell.is_scan:
            for of_one, w in zip(weights, params):
                bias_h = zeros(w["b"])
                if "bh" in w:  # of the last gate alone
                    bias_h = torch.cat([bias_h[: -len(w["bh"])], w["bh"]])
                of_one.append(bias_h)
            if self.rows.is_cuda:
                weights = in_one_block(weights)
        for of_one in weights:
            for weight in of_one[: len(self.cell.params)]:  # the zeros have no gradient
                weight.requires_grad_(is_train)
        return weights

    def _gradients(self, found: TensorsT) -> List[GradsT]:
        """RETURNS (List[GradsT]): Those of each direction's parameters, from the leaves'."""
        values = iter(found)
        grads = []
        for direction in self.directions:
            grad = {key: next(values) for key in self.cell.params}
            if "bh" in grad:
                grad["bh"] = grad["bh"][-len(direction.weights["bh"]) :]
            grads.append(cast(GradsT, {key: to_xp(value) for key, value in grad.items()}))
        return grads

    def _stack(self, states: List[Any]) -> torch.Tensor:
        """RETURNS (Tensor): (n_states * D, n_seqs, nO) The states of each direction or their
        gradients, zeros for those that are missing."""
        if not any(key in state for state in states for key in self.cell.states):
            return torch.zeros_like(self.initial)
        return torch.stack(
            [
                to_torch(state[key]) if key in state else torch.zeros_like(self.initial[0])
                for key in self.cell.states
                for state in states
            ]
        )

    def _running(self, states: torch.Tensor) -> TensorsT:
        """RETURNS (TensorsT): (D, n_running, nO) Of each state, those that run."""
        return list(states.index_select(1, self.inputs.running).chunk(len(self.cell.states)))

    def _by_direction(self, states: torch.Tensor, carried: Optional[torch.Tensor]) -> List[StateT]:
        """RETURNS (List[StateT]): What `_stack` has put together, by direction and name again, with
        the inputs that are carried if the cell reads a window of them."""
        D, values = len(self.directions), to_xp(states)
        by_direction = [
            {key: values[k * D + d] for k, key in enumerate(self.cell.states)} for d in range(D)
        ]
        if carried is not None:
            by_direction[0]["x"] = to_xp(carried)
        return cast(List[StateT], by_direction)
