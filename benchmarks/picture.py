"""Draw the README's picture from what `benchmarks.speed` has measured.

python -m benchmarks.picture metrics/speed.json docs/results.png
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
from .peers import BASELINE, N_IN, N_OUT, OURS

COLORS = {
    OURS: "#1b7f5c",
    "numpy-gru": "#63b99a",
    BASELINE: "#c8553d",
    "PyTorchLSTM-packed": "#e5a88f",
}
LABELS = {
    OURS: "spacy-rnn LSTM",
    "numpy-gru": "spacy-rnn GRU",
    BASELINE: "spacy.TorchBiLSTMEncoder",
    "PyTorchLSTM-packed": "packed nn.LSTM",
}
SMALLEST = 1e-9  # where a logarithmic axis shows no change at all


def main(
    speed: Path = typer.Argument(Path("metrics/speed.json"), exists=True),
    output: Path = typer.Argument(Path("docs/results.png")),
) -> None:
    """Left: how much a text's vectors change with its batch. Right: words per second."""
    try:
        import matplotlib
    except ImportError:
        msg.fail("Drawing needs matplotlib", "pip install 'spacy-rnn[viz]'", exits=1)
    matplotlib.use("Agg")
    from matplotlib import pyplot

    results = srsly.read_json(speed)
    widths = {"width_ratios": [1.1, 1, 1]}
    figure, (left, middle, right) = pyplot.subplots(
        1, 3, figsize=(11.5, 3.6), dpi=110, gridspec_kw=widths
    )
    draw_batch_effect(left)
    for axes, mode in ((middle, "inference"), (right, "training")):
        draw_rates(axes, mean_rates(results, mode), mode)
    right.set_yticklabels([])
    kernels = "; ".join(results["machine"]["numpy_blas"])
    figure.text(
        0.99,
        0.01,
        f"bidirectional, 128 to 2 x 128, 1 thread of {results['machine']['cpu']}; {kernels}",
        ha="right",
        fontsize=7,
        color="#666666",
    )
    figure.subplots_adjust(left=0.06, right=0.98, top=0.86, bottom=0.17, wspace=0.08)
    left.set_position([0.06, 0.17, 0.22, 0.69])
    middle.set_position([0.46, 0.17, 0.22, 0.69])
    right.set_position([0.74, 0.17, 0.22, 0.69])
    figure.savefig(output)
    msg.good(f"Drew {output}")


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
    for name, model in ((OURS, ours), (BASELINE, theirs)):
        together = model.predict(docs)
        changes[name] = [
            float(numpy.abs(model.predict([doc])[0] - rows).max())
            for doc, rows in zip(docs, together)
        ]
    return changes


def mean_rates(results: Dict[str, Any], mode: str) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): Words per second of each model, geometric means over the
    settings with one thread that all of the models have."""
    rates = [
        setting["words_per_second"][mode]
        for setting in results["settings"]
        if setting["threads"] == 1 and all(n in setting["words_per_second"][mode] for n in LABELS)
    ]
    return {name: geometric_mean([rate[name] for rate in rates]) for name in LABELS}


def draw_batch_effect(axes: Any) -> None:
    """One dot for each doc."""
    rng = numpy.random.RandomState(0)
    for i, (name, changes) in enumerate(batch_effect().items()):
        x = i + rng.uniform(-0.25, 0.25, size=len(changes))
        y = [max(change, SMALLEST) for change in changes]
        axes.scatter(x, y, s=12, color=COLORS[name], alpha=0.8, linewidths=0)
    labels = [LABELS[name].replace("TorchBiLSTM", "\nTorchBiLSTM") for name in (OURS, BASELINE)]
    axes.set_xticks([0, 1], labels, fontsize=8)
    axes.set_xlim(-0.5, 1.5)
    axes.set_yscale("log")
    axes.set_title("Change of 64 texts' vectors\nbetween alone and in a batch", fontsize=10)
    _plain(axes)


def draw_rates(axes: Any, rates: Dict[str, float], mode: str) -> None:
    """One bar for each model."""
    names = list(reversed(list(LABELS)))
    axes.barh(names, [rates[name] for name in names], color=[COLORS[name] for name in names])
    axes.set_yticks(range(len(names)), [LABELS[name] for name in names])
    for i, name in enumerate(names):
        axes.text(rates[name], i, f" {rates[name] / 1000:.0f}k", va="center", fontsize=9)
    axes.set_xlim(0, max(rates.values()) * 1.18)
    axes.set_xticks([])
    axes.set_title(f"{mode.capitalize()}, words per second", fontsize=10)
    _plain(axes)


def _plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


if __name__ == "__main__":
    typer.run(main)
