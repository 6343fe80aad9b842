"""Draw the pictures of the documentation from what `benchmarks.speed` has measured.

python -m benchmarks.picture metrics/speed.json docs
"""

from pathlib import Path
from statistics import geometric_mean
from typing import Any, Dict, List

import numpy
import srsly
import typer
from spacy import registry
from thinc.api import fix_random_seed
from wasabi import msg

from spacy_rnn.interop import from_torch
from spacy_rnn.layers.ragged import with_ragged

from .batches import draw_lengths, make_batch
from .peers import BASELINE, BUCKETED, N_IN, N_OUT
from .plots import CELL_COLORS, PEER_COLORS, PLOTS

RESULTS = "results.png"
CELLS: Dict[str, str] = {
    "lstm": "LSTM",
    "gru": "GRU",
    "qrnn": "QRNN",
    "mingru": "MinGRU",
}
PEERS: Dict[str, str] = {BASELINE: "spacy.TorchBiLSTMEncoder", BUCKETED: "bucketed nn.LSTM"}
SMALLEST = 1e-9  # where a logarithmic axis shows no change at all


def main(
    speed: Path = typer.Argument(Path("metrics/speed.json"), exists=True),
    folder: Path = typer.Argument(Path("docs"), file_okay=False),
) -> None:
    """Draw what there are figures for: the README's picture and those of docs/speed.md."""
    try:
        import matplotlib
    except ImportError:
        msg.fail("Drawing needs matplotlib", "pip install 'spacy-rnn[viz]'", exits=1)
    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    for path in draw_all(srsly.read_json(speed), folder):
        msg.good(f"Drew {path}")


def draw_all(results: Dict[str, Any], folder: Path) -> List[Path]:
    """RETURNS (List[Path]): The pictures that were drawn: those whose sections were measured."""
    from matplotlib import pyplot

    sections = results["sections"]
    figures = {}
    if sections.get("encoder"):
        figures[RESULTS] = draw_results(sections["encoder"])
    for name, (needed, draw) in PLOTS.items():
        if all(sections.get(section) for section in needed):
            figures[name] = draw(*(sections[section] for section in needed))
    for name, figure in figures.items():
        _stamp(figure, results["machine"])
        figure.savefig(folder / name, bbox_inches="tight", pad_inches=0.08)
        pyplot.close(figure)
    return [folder / name for name in figures]


def draw_results(found: Dict[str, Any]) -> Any:
    """RETURNS (Figure): Left: how much a text's vectors change with its batch. Right: words per
    second."""
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(11.5, 3.8), dpi=110)
    left, middle, right = (
        figure.add_axes(place)
        for place in (
            (0.06, 0.13, 0.22, 0.72),
            (0.46, 0.13, 0.22, 0.72),
            (0.74, 0.13, 0.22, 0.72),
        )
    )
    draw_batch_effect(left)
    for axes, mode in ((middle, "inference"), (right, "training")):
        draw_rates(axes, mean_rates(found, mode), mode)
    right.set_yticklabels([])
    return figure


def batch_effect() -> Dict[str, List[float]]:
    """RETURNS (Dict[str, List[float]]): By model, the largest change of each of 64 docs' vectors
    between the doc alone and in their batch. Both have the weights that torch begins with."""
    fix_random_seed(0)
    lengths = draw_lengths("short", 64, 1)[0]
    docs: Any = make_batch(lengths, [N_IN], N_OUT).inputs[N_IN]
    theirs = registry.get("architectures", "spacy.TorchBiLSTMEncoder.v1")(N_IN, 1, 0.0)
    theirs.initialize(X=docs[:1])
    module = next(shim for node in theirs.walk() for shim in node.shims)._model
    ours = with_ragged(from_torch(module))
    changes = {}
    for name, model in (("spacy-rnn LSTM", ours), (PEERS[BASELINE], theirs)):
        together = model.predict(docs)
        changes[name] = [
            float(numpy.abs(model.predict([doc])[0] - rows).max())
            for doc, rows in zip(docs, together)
        ]
    return changes


def mean_rates(found: Dict[str, Any], mode: str) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): Words per second of our cells and of PEERS, geometric means over
    the settings that have all of them."""
    ours = {f"{found['engine']}-{cell}" for cell in CELLS}
    chosen = [name for name in found["models"] if name in ours or name in PEERS]
    rates = [
        setting["words_per_second"][mode]
        for setting in found["settings"]
        if all(name in setting["words_per_second"][mode] for name in chosen)
    ]
    return {name: geometric_mean([rate[name] for rate in rates]) for name in chosen}


def draw_batch_effect(axes: Any) -> None:
    """One dot for each doc."""
    rng = numpy.random.RandomState(0)
    colors = (CELL_COLORS["lstm"], PEER_COLORS[BASELINE])
    effect = batch_effect()
    for i, (changes, color) in enumerate(zip(effect.values(), colors)):
        x = i + rng.uniform(-0.25, 0.25, size=len(changes))
        y = [max(change, SMALLEST) for change in changes]
        axes.scatter(x, y, s=12, color=color, alpha=0.8, linewidths=0)
    labels = [label.replace("TorchBiLSTM", "\nTorchBiLSTM") for label in effect]
    axes.set_xticks([0, 1], labels, fontsize=8)
    axes.set_xlim(-0.5, 1.5)
    axes.set_yscale("log")
    axes.set_title("Change of 64 texts' vectors\nbetween alone and in a batch", fontsize=10)
    _plain(axes)


def draw_rates(axes: Any, rates: Dict[str, float], mode: str) -> None:
    """One bar for each model."""
    names = list(reversed(list(rates)))
    cells = [name.split("-")[-1] for name in names]
    colors = [PEER_COLORS.get(name) or CELL_COLORS[cell] for name, cell in zip(names, cells)]
    labels = [PEERS.get(name) or f"spacy-rnn {CELLS[cell]}" for name, cell in zip(names, cells)]
    axes.barh(names, [rates[name] for name in names], color=colors)
    axes.set_yticks(range(len(names)), labels)
    for i, name in enumerate(names):
        axes.text(rates[name], i, f" {rates[name] / 1000:.0f}k", va="center", fontsize=9)
    axes.set_xlim(0, max(rates.values()) * 1.2)
    axes.set_xticks([])
    axes.set_title(f"{mode.capitalize()}, words per second", fontsize=10)
    _plain(axes)


def _stamp(figure: Any, machine: Dict[str, Any]) -> None:
    """What it was measured on, below the picture."""
    kernels = "; ".join(machine["numpy_blas"])
    text = f"bidirectional, {N_IN} to {N_OUT}; {machine['cpu']}; {kernels}"
    figure.text(0.995, -0.005, text, ha="right", va="top", fontsize=7, color="#666666")


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    typer.run(main)
