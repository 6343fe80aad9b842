"""The same recurrences by torch: cuDNN on GPU, ATen on CPU. Cells without recurrent weights, which
neither knows, are in `torch_scan`.

The weights stay Thinc parameters. They are handed over without a copy (DLPack for CuPy), the
packed rows go through torch's functional RNNs, one call for each direction, and autograd runs
inside the callback.
"""

import contextlib
import warnings
from typing import Any, Dict, Iterator, List, Optional, Tuple, cast

import torch
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d

from ..packing import Packing, Segment
from .base import Cell, Direction, GradsT, ResultT, StateT
from .torch_scan import scan

TAKES_SOURCE = False
_FUNCTIONS: Dict[str, Any] = {
    "elman_tanh": torch._VF.rnn_tanh,
    "elman_relu": torch._VF.rnn_relu,
    "lstm": torch._VF.lstm,
    "gru": torch._VF.gru,
}


def forward(
    cell: Cell, X: Floats2d, packing: Packing, directions: List[Direction], is_train: bool
) -> ResultT:
    """Run a cell over a batch (see `base.Engine.forward`)."""
    passes = [_Pass(cell, X, packing, direction, is_train) for direction in directions]
    Y = torch.cat([p.Y for p in passes], dim=1)
    finals = [p.final for p in passes]

    def backward(
        dY: Floats2d, d_final: List[Optional[StateT]]
    ) -> Tuple[Floats2d, List[GradsT], List[StateT]]:
        width = dY.shape[1] // len(passes)
        results = [
            p.backward(_to_torch(dY)[:, i * width : (i + 1) * width], d)
            for i, (p, d) in enumerate(zip(passes, d_final))
        ]
        dX = results[0][0]
        for further in results[1:]:
            dX = dX + further[0]
        return _to_xp(dX), [r[1] for r in results], [r[2] for r in results]

    return _to_xp(Y.detach()), finals, backward


class _Pass:
    """One direction. Rows are packed by an index of our own, so a direction that reads from the
    end is the forward kernel on rows in the other order.

    Y (Tensor): (n_tokens, nO) Outputs in the order of the Ragged.
    final (StateT): (n_seqs, nO) each, in the order of the batch.
    """

    def __init__(
        self, cell: Cell, X: Floats2d, packing: Packing, direction: Direction, is_train: bool
    ) -> None:
        self.cell = cell
        segment = packing.whole()
        n_running = segment.n_running
        self.X = _to_torch(X).requires_grad_(is_train)
        device = self.X.device
        window = direction.window(X.shape[1])
        sources = torch.as_tensor(segment.sources(direction.reverse, window), device=device)
        index = sources[:, -1]
        order = torch.as_tensor(packing.order, device=device)
        self.rank = torch.as_tensor(packing.rank, device=device)
        self.weights = {
            key: _to_torch(value).requires_grad_(is_train)
            for key, value in direction.weights.items()
        }
        self.states = {
            key: _to_torch(value).requires_grad_(is_train) for key, value in direction.state.items()
        }
        with torch.set_grad_enabled(is_train):
            sorted_states = {key: value[order] for key, value in self.states.items()}
            # Sequences of length zero, which are last, do not run: their state stays.
            running = {key: value[:n_running] for key, value in sorted_states.items()}
            rows = self.X
            if window > 1:
                # What was carried stands below the rows of the Ragged, as the sources count.
                carried = sorted_states["x"].reshape((-1, X.shape[1]))
                rows = torch.cat([self.X, carried])
            if packing.n_rows:
                Yp, final = self._call(rows[sources].flatten(1), segment, running)
            else:
                nO = len(self.weights["b"]) // cell.n_gates
                Yp, final = self.X.new_zeros((0, nO)), running
            self.Y = torch.empty_like(Yp).index_copy(0, index, Yp)
            self.finals = {
                key: torch.cat([final[key], sorted_states[key][n_running:]])[self.rank]
                for key in cell.states
            }
            if window > 1:
                last = packing.last_sources(direction.reverse, window)
                last_rows = rows[torch.as_tensor(last, device=device)]
                self.finals["x"] = last_rows.flatten(1)[self.rank]
        self.final: StateT = {key: _to_xp(value.detach()) for key, value in self.finals.items()}

    def backward(
        self, dY: torch.Tensor, d_final: Optional[StateT]
    ) -> Tuple[torch.Tensor, GradsT, StateT]:
        """RETURNS: Gradients of the input, of the weights and of the initial state."""
        outputs, gradients = ([self.Y], [dY]) if self.Y.requires_grad else ([], [])
        for key, value in self.finals.items():
            if d_final is not None and key in d_final:
                outputs.append(value)
                gradients.append(_to_torch(d_final[key]))
        inputs = [self.X, *self.weights.values(), *self.states.values()]
        found: Any = [None] * len(inputs)
        if outputs:
            found = torch.autograd.grad(
                outputs, inputs, gradients, allow_unused=True, retain_graph=True
            )
        filled = [
            torch.zeros_like(i) if gradient is None else gradient
            for i, gradient in zip(inputs, found)
        ]
        n_weights = len(self.weights)
        grads = {k: _to_xp(g) for k, g in zip(self.weights, filled[1 : 1 + n_weights])}
        d_state = {k: _to_xp(g) for k, g in zip(self.states, filled[1 + n_weights :])}
        return filled[0], cast(GradsT, grads), cast(StateT, d_state)

    def _call(
        self, Xp: torch.Tensor, segment: Segment, states: Dict[str, torch.Tensor]
    ) -> Tuple[torch.Tensor, Dict[str, torch.Tensor]]:
        """The kernel itself. Xp: (n_rows, window*nI) -> (n_rows, nO)."""
        if self.cell.is_scan:
            return scan(self.cell, Xp, segment, states, self.weights["Wx"], self.weights["b"])
        batch_sizes = torch.as_tensor(segment.sizes)  # always on the CPU
        # (1, n_running, nO): one layer, one direction
        hx: Any = tuple(states[key].contiguous()[None] for key in self.cell.states)
        if len(hx) == 1:
            hx = hx[0]
        w = self.weights
        b = w["b"]
        bias_h = torch.zeros_like(b)
        if "bh" in w:
            bias_h = torch.cat([bias_h[: -len(w["bh"])], w["bh"]])
        function = _FUNCTIONS[self.cell.name]
        weights = [w["Wx"], w["Wh"], b, bias_h]
        with _without_layout_warning(Xp.is_cuda):
            # has_biases, num_layers, dropout, train, bidirectional
            result = function(Xp, batch_sizes, hx, weights, True, 1, 0.0, Xp.requires_grad, False)
        return result[0], {key: result[1 + i][0] for i, key in enumerate(self.cell.states)}


@contextlib.contextmanager
def _without_layout_warning(is_cuda: bool) -> Iterator[None]:
    """cuDNN copies the weights into one buffer at each call, and torch warns that nn.LSTM would do
    that only once. Ours stay separate parameters."""
    if not is_cuda:
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of")
        yield


def _to_torch(X: Any) -> torch.Tensor:
    return cast(torch.Tensor, xp2torch(X)).detach()


def _to_xp(X: torch.Tensor) -> Any:
    return torch2xp(X.contiguous())
