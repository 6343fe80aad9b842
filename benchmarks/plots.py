"""The pictures of docs/speed.md, each from one section of what `benchmarks.speed` has measured."""

from typing import Any, Callable, Dict, List, Tuple

from .bars import LONG_MB, THREADS_RATIO
from .peers import BASELINE, BUCKETED, FLAIR, MAXOUT, MAXOUT_BLAS, PACKED, THINC
from .timing import MODES

OURS_COLOR = "#1b7f5c"
PEER_COLORS: Dict[str, str] = {
    BASELINE: "#c8553d",
    BUCKETED: "#e5a88f",
    PACKED: "#e5a88f",
    THINC: "#7a9cc6",
    MAXOUT: "#7a9cc6",
    MAXOUT_BLAS: "#7a9cc6",
    FLAIR: "#b39bc8",
}
CELL_COLORS: Dict[str, str] = {
    "lstm": OURS_COLOR,
    "gru": "#63b99a",
    "elman": "#a5d6c1",
    "qrnn": "#b8860b",
    "mingru": "#dfc27d",
}
LINE = "#333333"
GREY = "#666666"


def draw_encoders(found: Dict[str, Any]) -> Any:
    """RETURNS (Figure): Words per second of each encoder; a line marks the products' limit."""
    names = list(reversed(found["models"]))
    figure, all_axes = _figure(2, height=0.32 * len(names) + 1.3, sharey=True)
    for axes, mode in zip(all_axes, MODES):
        summary = found["summary"][mode]
        rates = [summary.get(name, {}).get("words_per_second", 0.0) for name in names]
        axes.barh(names, rates, color=[_color(name) for name in names])
        limits = [summary.get(name, {}).get("limit", 0.0) for name in names]
        for i, (name, limit) in enumerate(zip(names, limits)):
            if limit:
                axes.plot([limit, limit], [i - 0.42, i + 0.42], color=LINE, lw=2)
            at = max(rates[i], limit)
            axes.text(at, i, _rate_label(summary.get(name, {})), va="center", fontsize=8)
        axes.set_xlim(0, 1.32 * max(rates + limits))
        _rate_axis(axes, f"{mode.capitalize()}, words per second and ratio to {BASELINE}")
    figure.supxlabel(
        "Geometric means over batches of short and long texts. Lines: what the products allow.",
        fontsize=8,
        color=GREY,
    )
    return figure


def draw_pipes(found: Dict[str, Any]) -> Any:
    """RETURNS (Figure): Words per second of whole pipelines, for short and long texts."""
    names = list(reversed(found["pipelines"]))
    figure, all_axes = _figure(len(found["texts"]), height=0.32 * len(names) + 1.3, sharey=True)
    for axes, (docs, text) in zip(all_axes, found["texts"].items()):
        rates = [text["words_per_second"][name] for name in names]
        axes.barh(names, rates, color=[_pipe_color(name) for name in names])
        for i, name in enumerate(names):
            label = f" {rates[i] / 1000:.0f}k ({text['ratio'][name]:.2f})"
            axes.text(rates[i], i, label, va="center", fontsize=8)
        axes.set_xlim(0, 1.3 * max(rates))
        mean = text["n_words"] / text["n_texts"]
        _rate_axis(axes, f"{docs.capitalize()} texts ({mean:.0f} words), words per second (ratio)")
    figure.supxlabel(
        "nlp.pipe, from texts to classified docs. -BLAS: Thinc's layers by NumPy's BLAS; "
        "+BOW: with a linear model.",
        fontsize=8,
        color=GREY,
    )
    return figure


def draw_growth(found: Dict[str, Any]) -> Any:
    """RETURNS (Figure): Seconds by the number of tokens of one text, on logarithmic axes."""
    figure, all_axes = _figure(2, height=3.8, sharey=True)
    for axes, mode in zip(all_axes, MODES):
        for name, seconds in found["seconds"][mode].items():
            x = [int(n) for n in seconds]
            label = f"{name}: exponent {found['exponents'][mode][name]:.2f}"
            axes.plot(x, list(seconds.values()), marker="o", ms=4, color=_color(name), label=label)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("tokens of one text")
        axes.set_title(mode.capitalize(), fontsize=10)
        axes.legend(fontsize=8, frameon=False, loc="upper left")
        axes.grid(color="#dddddd", lw=0.6)
        _plain(axes)
    all_axes[0].set_ylabel("seconds")
    return figure


def draw_threads(found: Dict[str, Any]) -> Any:
    """RETURNS (Figure): How much faster each model is with more threads."""
    few, many = found["threads"]
    figure, all_axes = _figure(2, height=3.6, sharey=True)
    for axes, mode in zip(all_axes, MODES):
        summary = found["summary"][mode]
        names = list(summary)
        means = [summary[name]["geomean"] for name in names]
        axes.bar(range(len(names)), means, color=[_color(name) for name in names], width=0.7)
        for i, name in enumerate(names):
            lowest = summary[name]["minimum"]
            axes.plot([i - 0.35, i + 0.35], [lowest, lowest], color=LINE, lw=1.5)
            box = {"facecolor": "white", "linewidth": 0, "pad": 1}
            at = means[i] + 0.03
            axes.text(i, at, f"{means[i]:.2f}", ha="center", va="bottom", fontsize=8, bbox=box)
        axes.axhline(1.0, color=LINE, lw=0.8)
        axes.axhline(THREADS_RATIO, color=GREY, lw=0.8, ls="--")
        labels = [name.split("-")[-1].replace(BASELINE, "TorchBi-\nLSTM") for name in names]
        axes.set_xticks(range(len(names)), labels, fontsize=8)
        axes.set_ylim(0, 1.12 * max(*means, THREADS_RATIO))
        axes.set_title(f"{mode.capitalize()}: {many} threads against {few}", fontsize=10)
        _plain(axes)
    all_axes[0].set_ylabel("ratio of words per second")
    figure.supxlabel(
        "Geometric means over batches of 64 texts and more; lines: the lowest; dashed: the bar.",
        fontsize=8,
        color=GREY,
    )
    return figure


def draw_memory(long_doc: Dict[str, Any], growth: Dict[str, Any]) -> Any:
    """RETURNS (Figure): Left: peaks for one long text among short ones. Right: memory by length."""
    figure, (left, right) = _figure(2, height=3.8)
    names = list(long_doc["models"])
    for k, mode in enumerate(MODES):
        sizes = [long_doc["models"][name][mode]["mb"] for name in names]
        places = [i + (k - 0.5) * 0.38 for i in range(len(names))]
        colors = [_color(name) for name in names]
        left.bar(places, sizes, width=0.36, color=colors, alpha=0.5 + 0.5 * k, label=mode)
        for x, size in zip(places, sizes):
            left.text(x, size, f"{size:.0f}", ha="center", va="bottom", fontsize=7)
    left.axhline(LONG_MB, color=GREY, lw=0.8, ls="--")
    left.set_xticks(range(len(names)), [name.replace("-", "\n") for name in names], fontsize=8)
    title = f"1 text of {long_doc['tokens']:,} tokens among 99 of 2\nMB at the peak"
    left.set_title(title + " (pale: inference; full: training)", fontsize=10)
    _plain(left)
    for mode, by_name in growth["extra_mb"].items():
        for name, by_size in by_name.items():
            tokens = [int(n) for n in by_size]
            style = "-" if mode == "training" else "--"
            y = list(by_size.values())
            label = f"{name}, {mode}"
            right.plot(tokens, y, style, marker="o", ms=4, color=_color(name), label=label)
    right.set_xscale("log")
    right.set_yscale("symlog", linthresh=10.0)
    right.set_ylim(bottom=0)
    right.set_xlabel("tokens of one text")
    right.set_title("MB beyond inputs and outputs", fontsize=10)
    right.legend(fontsize=8, frameon=False, loc="upper left")
    right.grid(color="#dddddd", lw=0.6)
    _plain(right)
    return figure


# File names, the sections that a picture needs, and the function that draws it.
PLOTS: Dict[str, Tuple[List[str], Callable[..., Any]]] = {
    "speed-encoder.png": (["encoder"], draw_encoders),
    "speed-pipe.png": (["pipe"], draw_pipes),
    "speed-growth.png": (["growth"], draw_growth),
    "speed-threads.png": (["threads"], draw_threads),
    "speed-memory.png": (["long_doc", "growth"], draw_memory),
}


def _figure(n_axes: int, height: float, sharey: bool = False) -> Any:
    from matplotlib import pyplot

    return pyplot.subplots(
        1, n_axes, figsize=(11.5, height), dpi=110, sharey=sharey, layout="constrained"
    )


def _rate_label(entry: Dict[str, Any]) -> str:
    if not entry:
        return " left out"
    ratio = f" ({entry['geomean']:.2f})" if "geomean" in entry else ""
    return f"  {entry['words_per_second'] / 1000:.0f}k{ratio}"


def _rate_axis(axes: Any, title: str) -> None:
    axes.set_xticks([])
    axes.set_title(title, fontsize=10)
    axes.tick_params(axis="y", labelsize=8)
    _plain(axes)


def _color(name: str) -> str:
    if name in PEER_COLORS:
        return PEER_COLORS[name]
    engine, _, cell = name.partition("-")
    return CELL_COLORS[cell] if engine not in ("numpy", "torch") else "#9fb7ad"


def _pipe_color(name: str) -> str:
    if name.startswith("rnn_textcat-"):
        return CELL_COLORS[name.split("-")[1].split("+")[0]]
    return "#c8553d" if name.startswith("TorchBiLSTM") else "#7a9cc6"


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
