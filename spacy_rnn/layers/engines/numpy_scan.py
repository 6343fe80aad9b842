"""Cells whose gates depend on the inputs alone, for the NumPy engine.

Without a product by Wh, one GEMM and the activations are done for many rows at once, and what is
left for the loop is elementwise:

    s_t = f_t s_{t-1} + u_t
    h_t = o_t s_t, or s_t

where `f` is what is kept and `u` what is fed in. The way back is such a loop in reverse.
"""

from typing import Any, Dict, Optional, Tuple, Type

from .numpy_kernel import BaseKernel, Floats3d, StepsT, Trace


class QRNNKernel(BaseKernel):
    """f-pooling: h_t = f h_{t-1} + (1 - f) z. Bradbury et al. (2016), "Quasi-recurrent neural
    networks"; the convolution is in the rows that it reads.

    The loop's order of the gates is o, f, i, z, of those that there are.
    """

    n_gates = 2
    n_sigmoids = 1
    gate_order: Tuple[int, ...] = (1, 0)  # from z, f
    key = "h"  # the state of the loop
    has_output_gate = False

    def start(self, Xp: Floats3d, state: Dict[str, Floats3d]) -> Trace:
        trace = super().start(Xp, state)
        if self.has_output_gate:
            trace.outputs = self.xp.empty_like(trace.states[self.key][:, trace.n_first :])
        return trace

    def run(
        self, trace: Trace, Xp: Floats3d, rows: slice, steps: StepsT, mask: Optional[Floats3d]
    ) -> None:
        self.read(trace, Xp, rows)
        gates = trace.gates[:, rows]
        self.activate(gates)
        states, n_first = trace.states[self.key], trace.n_first
        here = states[:, n_first + rows.start : n_first + rows.stop]
        self.feed(gates, out=here)
        f = self.forget_gate(trace.gates)
        for n, row, previous in steps:
            s = states[:, n_first + row : n_first + row + n]
            s_previous = states[:, previous : previous + n]
            s += self.xp.multiply(f[:, row : row + n], s_previous, out=self.scratch[:, :n])
        if self.has_output_gate:
            self.xp.multiply(gates[..., : self.nO], here, out=trace.outputs[:, rows])

    def activate(self, gates: Floats3d) -> None:
        """From the products to the gates, in place."""
        self.xp.tanh(gates, out=gates)
        # The sigmoids become (1 + tanh) / 2, and z is multiplied by 1 and given 0.
        gates *= self.scale
        gates += 1.0 - self.scale

    def forget_gate(self, gates: Floats3d) -> Floats3d:
        """(D, n, nG*nO) -> (D, n, nO)"""
        first = self.nO if self.has_output_gate else 0
        return gates[..., first : first + self.nO]

    def feed(self, gates: Floats3d, out: Floats3d) -> None:
        """What each step feeds in: (1 - f) z."""
        f, z = self.forget_gate(gates), gates[..., -self.nO :]
        self.xp.multiply(f, z, out=out)
        self.xp.subtract(z, out, out=out)

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
        nO = self.nO
        gates, d_gate = trace.gates[:, rows], d_gates[:, rows]
        self.factors(trace, rows, previous_rows, out=d_gate)
        dS = dH
        if self.has_output_gate:
            d_gate[..., :nO] *= dH
            dS *= gates[..., :nO]
            d_gate = d_gate[..., nO:]
        f = self.forget_gate(gates)
        for n, row, _ in reversed(steps):
            step = slice(row - rows.start, row - rows.start + n)
            ds, ds_next = dS[:, step], d_state[self.key][:, :n]
            ds += ds_next
            self.xp.multiply(ds, f[:, step], out=ds_next)
        # dS repeated along an axis of gates. (D, n, gates, nO)
        by_gate = d_gate.reshape((*dS.shape[:2], d_gate.shape[2] // nO, nO))
        by_gate *= dS[:, :, None]

    def factors(self, trace: Trace, rows: slice, previous_rows: Any, out: Floats3d) -> None:
        """By what the gradient of the output, for o, or of the state, for the others, is to be
        multiplied for that of each gate.

        rows (slice): The packed rows.
        previous_rows (Ints1d): (n,) Of the states, the row that each of them began from.
        out (Floats3d): (D, n, nG*nO)
        """
        n_first, width = trace.n_first, self.n_sigmoids * self.nO
        gates, states = trace.gates[:, rows], trace.states[self.key]
        sigmoids, slopes = gates[..., :width], out[..., :width]
        self.xp.multiply(sigmoids, sigmoids, out=slopes)
        self.xp.subtract(sigmoids, slopes, out=slopes)  # s (1 - s)
        if self.has_output_gate:
            out[..., : self.nO] *= states[:, n_first + rows.start : n_first + rows.stop]
        self.feed_factors(gates, states[:, previous_rows], out)

    def feed_factors(self, gates: Floats3d, s_previous: Floats3d, out: Floats3d) -> None:
        """Finish the factors of all gates but o; the slopes of the sigmoids are there."""
        f, z = self.forget_gate(gates), gates[..., -self.nO :]
        d_forget = self.forget_gate(out)
        d_forget *= s_previous - z
        out[..., -self.nO :] = (1.0 - f) * (1.0 - z * z)


class QRNNOutputKernel(QRNNKernel):
    """fo-pooling: c_t = f c_{t-1} + (1 - f) z, h_t = o c_t."""

    n_gates = 3
    n_sigmoids = 2
    gate_order: Tuple[int, ...] = (2, 1, 0)  # from z, f, o
    key = "c"
    has_output_gate = True


class QRNNInputKernel(QRNNOutputKernel):
    """ifo-pooling: c_t = f c_{t-1} + i z, h_t = o c_t."""

    n_gates = 4
    n_sigmoids = 3
    gate_order = (2, 1, 3, 0)  # from z, f, o, i

    def feed(self, gates: Floats3d, out: Floats3d) -> None:
        i, z = gates[..., 2 * self.nO : 3 * self.nO], gates[..., 3 * self.nO :]
        self.xp.multiply(i, z, out=out)

    def feed_factors(self, gates: Floats3d, s_previous: Floats3d, out: Floats3d) -> None:
        nO = self.nO
        i, z = gates[..., 2 * nO : 3 * nO], gates[..., 3 * nO :]
        out[..., nO : 2 * nO] *= s_previous
        out[..., 2 * nO : 3 * nO] *= z
        out[..., 3 * nO :] = i * (1.0 - z * z)


class MinGRUKernel(QRNNKernel):
    """h_t = (1 - z) h_{t-1} + z h~, with h~ linear. Feng et al. (2024), "Were RNNs all we needed?"

    The loop has 1 - z for z: what is kept, as f is in the others.
    """

    gate_order = (0, 1)  # z, h~

    def activate(self, gates: Floats3d) -> None:
        z = gates[..., : self.nO]
        self.xp.tanh(z, out=z)
        z *= -0.5  # 1 - (1 + tanh) / 2
        z += 0.5

    def feed_factors(self, gates: Floats3d, s_previous: Floats3d, out: Floats3d) -> None:
        kept, candidate = gates[..., : self.nO], gates[..., self.nO :]
        out[..., : self.nO] *= candidate - s_previous
        out[..., self.nO :] = 1.0 - kept


SCAN_KERNELS: Dict[str, Type[BaseKernel]] = {
    "qrnn_f": QRNNKernel,
    "qrnn_fo": QRNNOutputKernel,
    "qrnn_ifo": QRNNInputKernel,
    "mingru": MinGRUKernel,
}
