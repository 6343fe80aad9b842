"""The equations of each cell, forward and backward, for the NumPy engine.

Those of the cells without recurrent weights are in `numpy_scan`.
"""

from typing import Any, Dict, List, Optional, Type

from .base import GradsT
from .numpy_kernel import BaseKernel, Floats3d, Kernel, Trace
from .numpy_scan import SCAN_KERNELS


class ElmanKernel(Kernel):
    """h_t = act(Wx x_t + Wh h_{t-1} + b). Elman (1990), "Finding structure in time"."""

    n_gates = 1
    gate_order = (0,)

    def step(self, trace: Trace, n: int, row: int, previous: int, mask: Optional[Floats3d]) -> None:
        xp = self.xp
        h_previous = trace.states["h"][:, previous : previous + n]
        if mask is not None:
            h_previous = h_previous * mask
        h = trace.states["h"][:, trace.n_first + row : trace.n_first + row + n]
        recurrent = xp.matmul(h_previous, self.WhT, out=self.recurrent[:, :n])
        recurrent += trace.gates[:, row : row + n]
        self.activate(recurrent, h)

    def activate(self, X: Floats3d, out: Floats3d) -> None:
        self.xp.tanh(X, out=out)

    def factors(self, trace: Trace, rows: slice, previous_rows: Any, out: Floats3d) -> None:
        h = trace.outputs[:, rows]
        self.xp.multiply(h, h, out=out)
        self.xp.subtract(1.0, out, out=out)

    def step_back(
        self,
        trace: Trace,
        d_gates: Floats3d,
        d_state: Dict[str, Floats3d],
        n: int,
        row: int,
        mask: Optional[Floats3d],
    ) -> None:
        dh = d_state["h"][:, :n]
        d_gate = d_gates[:, row : row + n]
        d_gate *= dh
        self.xp.matmul(d_gate, self.Wh, out=dh)
        if mask is not None:
            dh *= mask


class ElmanReluKernel(ElmanKernel):
    """The same with max(0, x)."""

    def activate(self, X: Floats3d, out: Floats3d) -> None:
        self.xp.maximum(X, 0, out=out)

    def factors(self, trace: Trace, rows: slice, previous_rows: Any, out: Floats3d) -> None:
        out[:] = trace.outputs[:, rows] > 0


class LSTMKernel(Kernel):
    """The LSTM with forget gates (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

        i, f, o = sigmoid(Wx x_t + Wh h_{t-1} + b)
        g       = tanh(Wx x_t + Wh h_{t-1} + b)
        c_t     = f c_{t-1} + i g
        h_t     = o tanh(c_t)

    The loop's order of the gates is o, i, f, g: the sigmoids are one block, and so are the
    three gates that the gradient of c reaches.
    """

    n_gates = 4
    saved = ("tanh_c",)
    n_sigmoids = 3
    gate_order = (3, 0, 1, 2)  # from i, f, g, o

    def __init__(self, xp: Any, weights: List[Dict[str, Any]]) -> None:
        super().__init__(xp, weights)
        self.shift = 1.0 - self.scale  # one half for the sigmoids, nothing for g

    def step(self, trace: Trace, n: int, row: int, previous: int, mask: Optional[Floats3d]) -> None:
        xp, nO = self.xp, self.nO
        h_previous = trace.states["h"][:, previous : previous + n]
        c_previous = trace.states["c"][:, previous : previous + n]
        if mask is not None:
            h_previous = h_previous * mask
        here = slice(trace.n_first + row, trace.n_first + row + n)
        h = trace.states["h"][:, here]
        c = trace.states["c"][:, here]
        tanh_c = trace.saved["tanh_c"][:, row : row + n]
        gates = trace.gates[:, row : row + n]
        gates += xp.matmul(h_previous, self.WhT, out=self.recurrent[:, :n])
        xp.tanh(gates, out=gates)
        # The sigmoids become (1 + tanh) / 2. That g is multiplied by 1 and given 0 costs less
        # than leaving it out: whole rows are contiguous.
        gates *= self.scale
        gates += self.shift
        o = gates[..., :nO]
        i = gates[..., nO : 2 * nO]
        f = gates[..., 2 * nO : 3 * nO]
        g = gates[..., 3 * nO :]
        xp.multiply(f, c_previous, out=c)
        c += xp.multiply(i, g, out=self.scratch[:, :n])
        xp.tanh(c, out=tanh_c)
        xp.multiply(o, tanh_c, out=h)

    def start_back(self, trace: Trace) -> Floats3d:
        self.room(trace, "dc_by_dh")
        return super().start_back(trace)

    def factors(self, trace: Trace, rows: slice, previous_rows: Any, out: Floats3d) -> None:
        xp, nO = self.xp, self.nO
        gates, tanh_c = trace.gates[:, rows], trace.saved["tanh_c"][:, rows]
        o = gates[..., :nO]
        i = gates[..., nO : 2 * nO]
        g = gates[..., 3 * nO :]
        sigmoids, d_sigmoids = gates[..., : 3 * nO], out[..., : 3 * nO]
        xp.multiply(sigmoids, sigmoids, out=d_sigmoids)
        xp.subtract(sigmoids, d_sigmoids, out=d_sigmoids)  # s (1 - s)
        out[..., :nO] *= tanh_c  # o, to be multiplied by dh; the others by dc
        out[..., nO : 2 * nO] *= g
        out[..., 2 * nO : 3 * nO] *= trace.states["c"][:, previous_rows]
        out[..., 3 * nO :] = i * (1.0 - g * g)
        trace.saved["dc_by_dh"][:, rows] = o * (1.0 - tanh_c * tanh_c)

    def step_back(
        self,
        trace: Trace,
        d_gates: Floats3d,
        d_state: Dict[str, Floats3d],
        n: int,
        row: int,
        mask: Optional[Floats3d],
    ) -> None:
        xp, nO = self.xp, self.nO
        dh, dc = d_state["h"][:, :n], d_state["c"][:, :n]
        dc += xp.multiply(dh, trace.saved["dc_by_dh"][:, row : row + n])
        d_gate = d_gates[:, row : row + n]
        d_gate[..., :nO] *= dh
        # i, f, g: one product, with dc repeated along an axis of gates. (D, n, 3, nO)
        by_gate = d_gate[..., nO:].reshape(len(d_gate), n, 3, nO)
        by_gate *= dc[:, :, None]
        dc *= trace.gates[:, row : row + n, 2 * nO : 3 * nO]
        xp.matmul(d_gate, self.Wh, out=dh)
        if mask is not None:
            dh *= mask


class GRUKernel(Kernel):
    """The GRU (Cho et al. 2014), with the reset gate applied after the matrix product.

    r, z = sigmoid(Wx x_t + Wh h_{t-1} + b)
    q    = Wh h_{t-1} + bh
    n    = tanh(Wx x_t + b + r q)
    h_t  = (1 - z) n + z h_{t-1}
    """

    n_gates = 3
    saved = ("q",)
    n_sigmoids = 2
    gate_order = (0, 1, 2)

    def __init__(self, xp: Any, weights: List[Dict[str, Any]]) -> None:
        super().__init__(xp, weights)
        self.bh = xp.stack([w["bh"] for w in weights])[:, None, :]

    def step(self, trace: Trace, n: int, row: int, previous: int, mask: Optional[Floats3d]) -> None:
        xp, nO = self.xp, self.nO
        h_previous = trace.states["h"][:, previous : previous + n]
        h_in = h_previous if mask is None else h_previous * mask
        h = trace.states["h"][:, trace.n_first + row : trace.n_first + row + n]
        gates = trace.gates[:, row : row + n]
        recurrent = xp.matmul(h_in, self.WhT, out=self.recurrent[:, :n])
        q = xp.add(recurrent[..., 2 * nO :], self.bh, out=trace.saved["q"][:, row : row + n])
        rz, n_gate = gates[..., : 2 * nO], gates[..., 2 * nO :]
        rz += recurrent[..., : 2 * nO]
        xp.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        r, z = rz[..., :nO], rz[..., nO:]
        n_gate += xp.multiply(r, q, out=self.scratch[:, :n])
        xp.tanh(n_gate, out=n_gate)
        # (1 - z) n + z h = n + z (h - n)
        xp.subtract(h_previous, n_gate, out=h)
        h *= z
        h += n_gate

    def start_back(self, trace: Trace) -> Floats3d:
        self.room(trace, "dn")
        return super().start_back(trace)

    def factors(self, trace: Trace, rows: slice, previous_rows: Any, out: Floats3d) -> None:
        xp, nO = self.xp, self.nO
        gates, q = trace.gates[:, rows], trace.saved["q"][:, rows]
        z, n = gates[..., nO : 2 * nO], gates[..., 2 * nO :]
        sigmoids, d_sigmoids = gates[..., : 2 * nO], out[..., : 2 * nO]
        xp.multiply(sigmoids, sigmoids, out=d_sigmoids)
        xp.subtract(sigmoids, d_sigmoids, out=d_sigmoids)  # s (1 - s)
        out[..., :nO] *= q  # r, to be multiplied by dn; z and n by dh
        out[..., nO : 2 * nO] *= trace.states["h"][:, previous_rows] - n
        out[..., 2 * nO :] = (1.0 - z) * (1.0 - n * n)

    def step_back(
        self,
        trace: Trace,
        d_gates: Floats3d,
        d_state: Dict[str, Floats3d],
        n: int,
        row: int,
        mask: Optional[Floats3d],
    ) -> None:
        xp, nO = self.xp, self.nO
        dh = d_state["h"][:, :n]
        gates = trace.gates[:, row : row + n]
        d_gate = d_gates[:, row : row + n]
        dn = xp.multiply(d_gate[..., 2 * nO :], dh, out=trace.saved["dn"][:, row : row + n])
        d_gate[..., :nO] *= dn
        d_gate[..., nO : 2 * nO] *= dh
        # On the hidden side the third block is the gradient of q.
        xp.multiply(dn, gates[..., :nO], out=d_gate[..., 2 * nO :])
        dh *= gates[..., nO : 2 * nO]
        recurrent = xp.matmul(d_gate, self.Wh)
        if mask is not None:
            recurrent *= mask
        dh += recurrent

    def gradients(self, trace: Trace, d_gates: Floats3d, Xp: Floats3d) -> List[GradsT]:
        dbh = d_gates[..., 2 * self.nO :].sum(axis=1)
        grads = super().gradients(trace, d_gates, Xp)
        for d, grad in enumerate(grads):
            grad["bh"] = dbh[d]
        return grads

    def finish_gates(self, trace: Trace, d_gates: Floats3d) -> None:
        # On the input side the third block is the gradient of n.
        d_gates[..., 2 * self.nO :] = trace.saved["dn"]


KERNELS: Dict[str, Type[BaseKernel]] = {
    "elman_tanh": ElmanKernel,
    "elman_relu": ElmanReluKernel,
    "lstm": LSTMKernel,
    "gru": GRUKernel,
    **SCAN_KERNELS,
}
