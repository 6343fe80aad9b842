"""The picture of the language models' speed."""

from typing import Any, Dict, List

from .lm_models import LSTM, LSTM_ADAPTIVE, NAMES, QRNN, TORCH, TORCH_ADAPTIVE
from .lm_tables import PLURALS
from .peers import BASELINE, BUCKETED
from .plots import CELL_COLORS, OURS_COLOR, PEER_COLORS

COLORS: Dict[str, str] = {
    TORCH: PEER_COLORS[BASELINE],
    TORCH_ADAPTIVE: PEER_COLORS[BUCKETED],
    LSTM: OURS_COLOR,
    LSTM_ADAPTIVE: CELL_COLORS["gru"],
    QRNN: CELL_COLORS["qrnn"],
}


def draw_speed(results: Dict[str, Any]) -> Any:
    """RETURNS (Figure): Units per second of training by setting and model, with as many threads as
    there were at the most; words left, characters right."""
    from matplotlib import pyplot

    n_threads = max((one["threads"] for one in results["settings"]), default=1)
    groups = {
        unit: [
            one
            for one in results["settings"]
            if one["unit"] == unit and one["threads"] == n_threads
        ]
        for unit in NAMES
    }
    figure, all_axes = pyplot.subplots(1, 2, figsize=(11.5, 4.6), dpi=110, layout="constrained")
    for axes, (unit, settings) in zip(all_axes, groups.items()):
        _draw(axes, settings, NAMES[unit])
        symbols = results["corpus"][unit]["symbols"]
        title = f"{PLURALS[unit].capitalize()}/s in training, vocabulary {symbols:,}"
        axes.set_title(f"{title}\n(ratio to {TORCH}, full softmax)", fontsize=10)
    handles = {
        label: handle
        for axes in all_axes
        for handle, label in zip(*axes.get_legend_handles_labels())
    }
    figure.legend(
        handles.values(),
        handles.keys(),
        fontsize=8,
        frameon=False,
        loc="outside upper center",
        ncols=5,
    )
    threads = f"{n_threads} thread{'s' if n_threads > 1 else ''}"
    machine = results["machine"]
    figure.supxlabel(
        f"Whole steps, clipping and Adam included; {threads}. Width, streams x window. "
        f"{machine['cpu']}; torch {machine['torch']}",
        fontsize=8,
        color="#666666",
    )
    return figure


def _draw(axes: Any, settings: List[Dict[str, Any]], names: List[str]) -> None:
    height = 0.8 / len(names)
    largest = 0.0
    for i, setting in enumerate(settings):
        for k, name in enumerate(names):
            rate, at = setting["units_per_second"][name], i + (k - (len(names) - 1) / 2) * height
            label = name if i == 0 else None
            axes.barh(at, rate, height=0.92 * height, color=COLORS[name], label=label)
            text = f" {rate / 1000:,.1f}k ({setting['ratio'][name]:.2f})"
            axes.text(rate, at, text, va="center", fontsize=8)
            largest = max(largest, rate)
    axes.set_yticks(range(len(settings)), [setting["title"] for setting in settings], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.28 * largest or 1.0)
    axes.set_xticks([])
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
