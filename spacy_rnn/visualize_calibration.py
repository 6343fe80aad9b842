"""Draw how far confidence and accuracy go together. Needs the extra `viz`."""

from importlib.util import find_spec
from typing import Any, Dict

import numpy

from .calibration import Calibration
from .errors import Errors

BARS, LINE, TEXT = "#7fb0e0", "#1f5f9e", "#444444"
TOO_SURE, TOO_MILD = "#d9541e", "#2a8a4a"
RATIOS = [3.2, 1.0]  # of the heights of curve and histogram


def check_viz(what: str) -> None:
    """Raise an error if a picture cannot be drawn.

    what (str): What is to be drawn, for the message.
    RAISES (ImportError): E008 without matplotlib.
    """
    if find_spec("matplotlib") is None:
        raise ImportError(Errors.E008.format(what=what, module="matplotlib", extra="viz"))


def reliability(found: Dict[str, Calibration], *, title: str = "", exclusive: bool = True) -> Any:
    """Draw reliability diagrams side by side, each over the histogram of the confidences.

    A bar is as high as the share of the predictions of its bin that came true. Where it differs
    from their mean confidence, the difference is drawn: orange if they were too sure, green if not
    sure enough. The broken line is where confidence would be a probability.

    found (Dict[str, Calibration]): What was measured, by the titles of the diagrams.
    title (str): Title of the whole.
    exclusive (bool): Whether the labels exclude each other, which the axes are named after.
    RETURNS (Figure): A figure of matplotlib: `figure.savefig("picture.png")`. It belongs to no
        window and is not known to pyplot.
    RAISES (ImportError): E008 without matplotlib.
    """
    check_viz("The picture")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.0 + 4.0 * len(found), 5.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(
        2, len(found), squeeze=False, sharex=True, sharey="row", height_ratios=RATIOS
    )
    for column, (name, calibration) in enumerate(found.items()):
        _draw_bins(rows[0][column], calibration, name)
        _draw_histogram(rows[1][column], calibration)
        rows[1][column].set_xlabel("Confidence" if exclusive else "Score of a label")
    rows[0][0].set_ylabel("Share that came true")
    rows[1][0].set_ylabel("Predictions")
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _draw_bins(axes: Any, calibration: Calibration, name: str) -> None:
    bins = calibration.bins
    edges, width = bins.edges, 1.0 / len(bins.counts)
    there = bins.counts > 0
    lefts, accuracy, confidence = edges[:-1][there], bins.accuracy[there], bins.confidence[there]
    axes.bar(lefts, accuracy, width, align="edge", color=BARS, edgecolor="white", linewidth=0.5)
    for is_sure, color, label in (
        (True, TOO_SURE, "too sure"),
        (False, TOO_MILD, "not sure enough"),
    ):
        chosen = (confidence > accuracy) == is_sure
        low = numpy.minimum(accuracy, confidence)[chosen]
        high = numpy.maximum(accuracy, confidence)[chosen]
        axes.bar(
            lefts[chosen] + width * 0.3,
            high - low,
            width * 0.4,
            bottom=low,
            align="edge",
            color=color,
            alpha=0.75,
            label=label,
        )
    axes.plot([0, 1], [0, 1], color=TEXT, linewidth=1.0, linestyle="--")
    axes.plot(confidence, accuracy, color=LINE, marker="o", markersize=3.5, linewidth=1.0)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"{name}\nECE {calibration.ece:.3f}, NLL {calibration.nll:.3f}", fontsize=10)
    axes.legend(loc="upper left", fontsize=8, frameon=False)
    _plain(axes)


def _draw_histogram(axes: Any, calibration: Calibration) -> None:
    bins = calibration.bins
    edges, width = bins.edges[:-1], 1.0 / len(bins.counts)
    axes.bar(edges, bins.counts, width, align="edge", color="#b5b5b5", edgecolor="white")
    axes.axvline(calibration.confidence, color=TEXT, linewidth=1.0, linestyle=":")
    _plain(axes)


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
