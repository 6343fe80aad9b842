"""How many units a step learns from, where it has several batches."""

from dataclasses import dataclass

from thinc.api import Model

from .gradients import scale_gradients


@dataclass
class UnitCounts:
    """Units since the last step. Gradients are divided by those of its first batch as they come,
    and by those of all batches when the step is made: it is the mean over all units, however they
    were parted.

    n_first (int): Of the first batch.
    n_seen (int): Of all.
    """

    n_first: int = 0
    n_seen: int = 0

    def add(self, n_units: int) -> float:
        """Count a batch.

        n_units (int): How many units it has, at least 1.
        RETURNS (float): What the gradient of each unit's loss is to be multiplied by.
        """
        self.n_first = self.n_first or n_units
        self.n_seen += n_units
        return 1.0 / self.n_first

    def share(self, n_units: int) -> float:
        """RETURNS (float): What the gradient of a mean over the units of a batch that was counted
        is to be multiplied by: exactly 1 for the first batch, or for one as large."""
        return n_units / self.n_first

    def finish(self, model: Model) -> None:
        """Make the gradients of a model those of the mean over all units, and begin anew."""
        if self.n_seen > self.n_first:
            scale_gradients(model, self.n_first / self.n_seen)
        self.n_first = self.n_seen = 0
