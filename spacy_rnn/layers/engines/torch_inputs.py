"""The inputs of each step, for the torch engine: packed rows, as `inputs.py` has them."""

from typing import Any, Optional, Tuple

import numpy
import torch

from ..packing import Packing
from .base import Direction, StateT
from .torch_arrays import to_device, to_torch


class PackedInputs:
    """How the rows of a direction are packed, and all that is packed with them.

    Autograd does not see it. It would add up what an index has taken, row by row; but no row is
    taken twice for the same place of the window, so gradients are moved back as they are.

    X (Tensor): (n_tokens, nI) Rows of the Ragged.
    running (Tensor): (n_running,) The sequences that have any, longest first.
    """

    def __init__(self, X: torch.Tensor, packing: Packing, direction: Direction) -> None:
        self.packing, self.reverse = packing, direction.reverse
        self.n_tokens, self.nI = X.shape
        self.window = direction.window(self.nI)
        segment = packing.whole()
        sources = segment.sources(direction.reverse, self.window)  # (n_rows, window)
        index = sources[:, -1]
        places = numpy.empty_like(index)
        places[index] = numpy.arange(len(index))
        running = packing.order[: segment.n_running]
        # In one piece: each way to a GPU takes its time.
        parts = [index, places, running]
        sent = to_device(numpy.concatenate(parts), X.device).split([len(part) for part in parts])
        self.index, self.places, self.running = sent
        self.rows = X
        if self.window > 1:
            self.sources = to_device(sources, X.device)
            # What was carried stands below the rows of the Ragged, as the sources count.
            self.order = to_device(packing.order, X.device)
            carried = to_torch(direction.state["x"])[self.order]
            self.rows = torch.cat([X, carried.reshape((-1, self.nI))])

    def read(self) -> torch.Tensor:
        """RETURNS (Tensor): (n_rows, window*nI) The packed inputs."""
        if self.window == 1:
            return self.pack(self.rows)
        return self.rows[self.sources].flatten(1)

    def pack(self, rows: torch.Tensor) -> torch.Tensor:
        """RETURNS (Tensor): (n_rows, width) Rows of the Ragged's order, packed."""
        return rows.index_select(0, self.index)

    def unpack(self, rows: torch.Tensor) -> torch.Tensor:
        """RETURNS (Tensor): (n_tokens, width) Packed rows in the order of the Ragged."""
        return rows.index_select(0, self.places)

    def last(self) -> Optional[torch.Tensor]:
        """RETURNS (Optional[Tensor]): (n_seqs, (window-1)*nI) What is carried on, in the order
        of the batch; None if each step reads its own input alone."""
        if self.window == 1:
            return None
        return self._by_sequence(self.rows[self._last_sources()])

    def gradient(
        self, d_read: torch.Tensor, d_final: Optional[StateT]
    ) -> Tuple[torch.Tensor, Optional[torch.Tensor]]:
        """From the gradient of what was read to that of where it came from.

        d_read (Tensor): (n_rows, window*nI)
        d_final (Optional[StateT]): If given, perhaps with "x" (n_seqs, (window-1)*nI), the gradient
            of what is carried on.
        RETURNS (Tuple[Tensor, Optional[Tensor]]): That of the rows (n_tokens, nI), and that of what
            was carried, shaped as `last` gives it.
        """
        if self.window == 1:
            return self.unpack(d_read), None
        d_rows = torch.zeros_like(self.rows)
        by_place: Any = d_read.reshape((-1, self.window, self.nI))
        # Place by place: in each, no row comes twice, so there is no matter of order.
        for k in range(self.window):
            d_rows.index_add_(0, self.sources[:, k], by_place[:, k])
        if d_final is not None and "x" in d_final:
            d_last = to_torch(d_final["x"])[self.order].reshape((-1, self.window - 1, self.nI))
            sources = self._last_sources()
            for k in range(self.window - 1):
                d_rows.index_add_(0, sources[:, k], d_last[:, k])
        d_carried = d_rows[self.n_tokens :].reshape((-1, self.window - 1, self.nI))
        return d_rows[: self.n_tokens], self._by_sequence(d_carried)

    def _last_sources(self) -> torch.Tensor:
        sources = self.packing.last_sources(self.reverse, self.window)
        return to_device(sources, self.rows.device)

    def _by_sequence(self, rows: torch.Tensor) -> torch.Tensor:
        """(n_seqs, window - 1, nI), longest first, to (n_seqs, (window-1)*nI) as in the batch."""
        return torch.empty_like(rows).index_copy_(0, self.order, rows).flatten(1)
