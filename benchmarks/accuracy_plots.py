"""The picture of the accuracies."""

from typing import Any, Dict, List, Tuple

from .accuracy_bars import SETS
from .accuracy_systems import PEER, SCRATCH, SYSTEMS, TRANSFER, VECTORS
from .accuracy_tables import TITLES
from .plots import GREY, OURS_COLOR

COLORS = {PEER: "#7a9cc6", SCRATCH: OURS_COLOR, VECTORS: "#b8860b", TRANSFER: "#c8553d"}


def draw_accuracy(results: Dict[str, Any]) -> Any:
    """RETURNS (Figure): Accuracy by system, a panel for each data set and number of labels that was
    measured; bars of error are standard deviations over the seeds."""
    from matplotlib import pyplot

    panels = find_panels(results)
    n_columns = min(3, len(panels)) or 1
    n_rows = -(-len(panels) // n_columns) or 1
    names = [name for name in reversed(SYSTEMS) if any(name in by_name for _, by_name in panels)]
    size = (4.2 * n_columns + 1.5, n_rows * (0.24 * len(names) + 0.9) + 0.6)
    figure, grid = pyplot.subplots(
        n_rows, n_columns, figsize=size, dpi=110, layout="constrained", sharey=True, squeeze=False
    )
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (title, by_name) in zip(grid.flat, panels):
        _draw(axes, title, names, by_name)
    handles = [
        pyplot.Line2D([], [], marker="o", ls="", color=color, label=group)
        for group, color in COLORS.items()
    ]
    figure.legend(handles=handles, fontsize=8, frameon=False, loc="outside upper center", ncols=4)
    figure.supxlabel(
        "Accuracy on the test set, %; bars: standard deviation over seeds", fontsize=8, color=GREY
    )
    return figure


def find_panels(results: Dict[str, Any]) -> List[Tuple[str, Dict[str, Dict[str, Any]]]]:
    """RETURNS (List[Tuple[str, Dict]]): Title, and the figures by system, of each panel."""
    return [
        (TITLES[name] + ("" if labels == "all" else f", {labels} labels"), by_name)
        for name in SETS
        for labels, by_name in sorted(results["sets"].get(name, {}).items(), reverse=True)
    ]


def _draw(axes: Any, title: str, names: List[str], by_name: Dict[str, Dict[str, Any]]) -> None:
    for i, name in enumerate(names):
        if name not in by_name:
            continue
        found = by_name[name]
        value, error = (100 * found[key]["accuracy"] for key in ("mean", "deviation"))
        color = COLORS[SYSTEMS[name].group]
        axes.errorbar(value, i, xerr=error, fmt="o", ms=5, color=color, capsize=2, lw=1)
        axes.annotate(
            f"{value:.1f}",
            (value, i),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color=GREY,
        )
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(-0.6, len(names) - 0.2)
    axes.tick_params(axis="x", labelsize=8)
    axes.margins(x=0.12)
    axes.grid(axis="y", color="#eeeeee", lw=0.6)
    axes.set_axisbelow(True)
    axes.set_title(title, fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
