"""The cells without recurrent weights, by torch: one product for all rows, an elementwise loop."""

from typing import Callable, Dict, List, Optional, Tuple

import torch

from ..packing import Segment
from .base import Cell

# What is kept, what is fed in and what goes out: s_t = f_t s_{t-1} + u_t; h_t = o_t s_t, or s_t
ScanT = Tuple[torch.Tensor, torch.Tensor, Optional[torch.Tensor]]


def scan(
    cell: Cell,
    Xp: torch.Tensor,
    segment: Segment,
    initial: torch.Tensor,
    Wx: torch.Tensor,
    b: torch.Tensor,
) -> Tuple[torch.Tensor, List[torch.Tensor]]:
    """Run a cell over packed rows; the equations are those of `numpy_scan`.

    Xp (Tensor): (n_rows, window*nI)
    initial (Tensor): (1, n_running, nO) What the sequences begin from.
    RETURNS (Tuple[Tensor, List[Tensor]]): The outputs (n_rows, nO); and, as the only kind of
        state that a scan has, the final ones (1, n_running, nO).
    """
    f, u, o = GATES[cell.name](*torch.addmm(b, Xp, Wx.T).chunk(cell.n_gates, dim=1))
    s = initial[0]
    steps = []
    sizes = segment.sizes.tolist()
    for n, f_t, u_t in zip(sizes, f.split(sizes), u.split(sizes)):
        s = torch.addcmul(u_t, f_t, s[:n])
        steps.append(s)
    S = torch.cat(steps)
    last = torch.as_tensor(segment.last_rows(), device=S.device)
    return S if o is None else o * S, [S[last][None]]


def _qrnn_f(z: torch.Tensor, f: torch.Tensor) -> ScanT:
    f = torch.sigmoid(f)
    return f, (1 - f) * torch.tanh(z), None


def _qrnn_fo(z: torch.Tensor, f: torch.Tensor, o: torch.Tensor) -> ScanT:
    f = torch.sigmoid(f)
    return f, (1 - f) * torch.tanh(z), torch.sigmoid(o)


def _qrnn_ifo(z: torch.Tensor, f: torch.Tensor, o: torch.Tensor, i: torch.Tensor) -> ScanT:
    return torch.sigmoid(f), torch.sigmoid(i) * torch.tanh(z), torch.sigmoid(o)


def _mingru(z: torch.Tensor, candidate: torch.Tensor) -> ScanT:
    z = torch.sigmoid(z)
    return 1 - z, z * candidate, None


GATES: Dict[str, Callable[..., ScanT]] = {
    "qrnn_f": _qrnn_f,
    "qrnn_fo": _qrnn_fo,
    "qrnn_ifo": _qrnn_ifo,
    "mingru": _mingru,
}
