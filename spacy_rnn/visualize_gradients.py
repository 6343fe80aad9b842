"""Draw how far gradients reach back through recurrent layers. Needs the extra `viz`."""

from itertools import count
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from .gradient_curves import FAINT, LOUD, Curve
from .visualize_calibration import check_viz

# Of the cells, told apart by those who see colours otherwise too (Okabe & Ito 2008).
COLORS: Dict[str, str] = {
    "elman": "#d55e00",
    "lstm": "#0072b2",
    "gru": "#009e73",
    "qrnn": "#cc79a7",
    "mingru": "#e69f00",
}
# Of trained layers.
INK = ("#111111", "#6a51a3", "#7f7f7f", "#8c564b")
TEXT = "#444444"
# What a float32 sum does not notice beside 1, and how far the axis reaches beyond it.
EPSILON, LOWEST, HIGHEST = 2.0**-23, 2e-9, 1e9


def gradient_picture(curves: Sequence[Curve], *, title: str = "") -> Any:
    """Draw the norm of the gradient by distance, on a logarithmic axis.

    Trained layers are drawn bold, with the band from 10 to 90 percent of the documents; a hidden
    state h as a line, a cell state c as a broken one.

    curves (Sequence[Curve]): The curves, as `GradientNorms.curves()` gives them.
    title (str): Title of the picture.
    RETURNS (Figure): A figure of matplotlib: `figure.savefig("picture.png")`. It belongs to no
        window and is not known to pyplot.
    RAISES (ImportError): E008 without matplotlib.
    """
    check_viz("The picture")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 5.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    drawn = [curve for curve in curves if curve.distances]
    for curve, color in _colored(drawn):
        _draw(axes, curve, color)
    _mark(axes, drawn)
    axes.set(
        yscale="log",
        ylim=_limits(drawn),
        xlim=(0, max([1, *(curve.distances[-1] for curve in drawn)])),
        xlabel="Distance: steps back from the last one",
        ylabel="Norm of the gradient, relative to the last output's",
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    axes.set_axisbelow(True)
    if drawn:
        legend = axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
        for text, curve in zip(legend.get_texts(), drawn):
            text.set_fontweight("bold" if curve.trained else "normal")
    if title:
        axes.set_title(title, fontsize=11, loc="left", color=TEXT)
    return figure


def _colored(curves: Sequence[Curve]) -> Iterator[Tuple[Curve, str]]:
    """YIELDS (Tuple[Curve, str]): Each curve with its color, of all states of a layer the same."""
    numbers = count()
    inks: Dict[str, str] = {}
    for curve in curves:
        if curve.trained:
            if curve.name not in inks:
                inks[curve.name] = INK[next(numbers) % len(INK)]
            yield curve, inks[curve.name]
        else:
            yield curve, COLORS.get(curve.cell.split("_")[0], TEXT)


def _draw(axes: Any, curve: Curve, color: str) -> None:
    label = f"{curve.name}: {curve.state}" + (f", {curve.verdict}" if curve.verdict else "")
    axes.plot(
        curve.distances,
        curve.norms,
        color=color,
        linestyle="-" if curve.state == "h" else (0, (4, 2)),
        linewidth=2.8 if curve.trained else 1.4,
        label=label,
        zorder=3 if curve.trained else 2,
    )
    if curve.trained:
        axes.fill_between(curve.distances, curve.low, curve.high, color=color, alpha=0.13, lw=0)


def _mark(axes: Any, curves: Sequence[Curve]) -> None:
    """Draw what the curves are held to."""
    low, high = _limits(curves)
    for level, text in (
        (LOUD, "above, it explodes"),
        (FAINT, "below, it vanishes"),
        (EPSILON, "lost in a float32 sum"),
    ):
        if not low < level < high:
            continue
        axes.axhline(level, color=TEXT, linewidth=0.8, linestyle=":")
        axes.annotate(
            text,
            (0.0, level),  # where curves that come from 1 are not
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            ha="left",
            fontsize=8,
            color=TEXT,
        )


def _limits(curves: Sequence[Curve]) -> Tuple[float, float]:
    values: List[float] = [norm for curve in curves for norm in curve.norms if norm > 0.0]
    low, high = min([FAINT / 3, *values]), max([3.0, *values])
    return max(low / 2, LOWEST), min(high * 2, HIGHEST)
