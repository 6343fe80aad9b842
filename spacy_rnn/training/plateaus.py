"""What is done when the loss on the development data does not fall any more."""

import math
from typing import List, Optional


class Annealing:
    """Lower the learn rate each time when the loss has not fallen for some evaluations.

    factor (Optional[float]): By what the rate is multiplied; None for never.
    patience (int): For how many evaluations.
    """

    def __init__(self, factor: Optional[float], patience: int) -> None:
        self.factor = factor
        self.patience = patience
        self.scale = 1.0
        self._best = math.inf
        self._n_worse = 0

    def forget(self) -> None:
        """Begin anew with losses, as those of another training are not to be compared with. The
        rate stays as low as it is."""
        self._best = math.inf
        self._n_worse = 0

    def observe(self, loss: float) -> None:
        """loss (float): That of the next evaluation."""
        if loss < self._best:
            self._best = loss
            self._n_worse = 0
            return
        self._n_worse += 1
        if self.factor is not None and self._n_worse >= self.patience:
            self.scale *= self.factor
            self._n_worse = 0


class NonMonotonic:
    """Wait until the loss is worse than one of those more than `n` evaluations ago.

    Merity et al. 2018, "Regularizing and Optimizing LSTM Language Models", algorithm 1.

    n (int): Within so many evaluations the loss may rise and fall.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.is_over = False
        self._losses: List[float] = []

    def forget(self) -> None:
        """Begin anew with losses. What is over stays so."""
        self._losses = []

    def observe(self, loss: float) -> bool:
        """loss (float): That of the next evaluation.
        RETURNS (bool): Whether the waiting ends now.
        """
        older = self._losses[: max(0, len(self._losses) - self.n)]
        ends_now = not self.is_over and bool(older) and loss > min(older)
        self._losses.append(loss)
        self.is_over = self.is_over or ends_now
        return ends_now
