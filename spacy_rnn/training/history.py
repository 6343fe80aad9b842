"""How a training of `fit` went."""

import math
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from ..errors import Errors
from ..figures import write_figure

TRAIN, DEV, GREY = "#7a9cc6", "#c8553d", "#666666"


@dataclass
class History:
    """What `fit` returns.

    losses (List[float]): The mean loss of each epoch, while it was learned from.
    dev_losses (List[float]): The loss on the dev part after each epoch; empty without one.
    dev_accuracies (List[float]): The share of its rows whose class was told, if there are classes.
    best_epoch (int): The epoch whose weights the model has, counted from 1.
    n_steps, n_skipped (int): Steps made; and left out, for a gradient that was not finite.
    seconds (float): How long it took.
    """

    losses: List[float] = field(default_factory=list)
    dev_losses: List[float] = field(default_factory=list)
    dev_accuracies: List[float] = field(default_factory=list)
    best_epoch: int = 0
    n_steps: int = 0
    n_skipped: int = 0
    seconds: float = 0.0

    @property
    def n_epochs(self) -> int:
        """RETURNS (int): How many epochs there were."""
        return len(self.losses)

    @property
    def best_dev_loss(self) -> Optional[float]:
        """RETURNS (Optional[float]): The loss on the dev part of the weights that the model has."""
        return self.dev_losses[self.best_epoch - 1] if self.dev_losses else None

    @property
    def best_dev_accuracy(self) -> Optional[float]:
        """RETURNS (Optional[float]): Their accuracy there."""
        return self.dev_accuracies[self.best_epoch - 1] if self.dev_accuracies else None

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): All of it, to be written as JSON; None stands for a loss that
        is not finite, which JSON has no number for."""
        found = asdict(self)
        for name in ("losses", "dev_losses"):
            found[name] = [loss if math.isfinite(loss) else None for loss in found[name]]
        return found

    def draw(self, path: Optional[Union[str, Path]] = None) -> Any:
        """Draw the losses by epoch. Needs the extra `viz`.

        path (Optional[Union[str, Path]]): A file to write, such as "history.png".
        RETURNS (Figure): A figure of matplotlib, which is not known to pyplot.
        RAISES (ImportError): E008 without matplotlib.
        RAISES (ValueError): E059 if the file cannot be written.
        """
        if find_spec("matplotlib") is None:
            raise ImportError(
                Errors.E008.format(what="History.draw", module="matplotlib", extra="viz")
            )
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.0, 3.6), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        epochs = range(1, self.n_epochs + 1)
        axes.plot(epochs, self.losses, color=TRAIN, label="train")
        if self.dev_losses:
            axes.plot(epochs, self.dev_losses, color=DEV, label="dev")
            label = f"best, epoch {self.best_epoch}"
            axes.axvline(self.best_epoch, color=GREY, lw=1, ls=":", label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        if path is not None:
            write_figure(figure, Path(path))
        return figure
