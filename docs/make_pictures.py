"""Draw the pictures of the documentation. Needs the `viz` extra.

python docs/make_pictures.py
"""

from pathlib import Path
from typing import Any, List, Tuple

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot

from spacy_rnn.layers.packing import Packing

LENGTHS = [3, 6, 0, 4]
NAMES = "abcd"
COLORS = ["#9ecae1", "#fdae6b", "#ffffff", "#a1d99b"]
# A token: the number of its sequence in the batch, and its place in it.
TokenT = Tuple[int, int]


def draw_packing(path: Path) -> None:
    """Draw how a batch of ragged sequences is laid out for the loop.

    path (Path): The file to write.
    """
    packing = Packing(LENGTHS)
    segment = packing.whole()
    tokens = [(i, t) for i, length in enumerate(LENGTHS) for t in range(length)]
    figure, (batch, by_length, packed) = pyplot.subplots(
        3, 1, figsize=(8.4, 6.6), height_ratios=[4, 4.6, 2.4], layout="constrained"
    )
    batch.set_title("The batch: sequences of 3, 6, 0 and 4 tokens, one after another", loc="left")
    for i, t in tokens:
        _draw_token(batch, t, i, (i, t))
    _finish(batch, n_rows=len(LENGTHS), labels=list(NAMES))

    by_length.set_title("Sorted by length: each column is one step of the loop", loc="left")
    order: List[int] = packing.order.tolist()
    for row, i in enumerate(order):
        for t in range(LENGTHS[i]):
            _draw_token(by_length, t, row, (i, t))
    for t, size in enumerate(segment.sizes.tolist()):
        by_length.text(t, len(LENGTHS) - 0.35, f"n = {size}", ha="center", va="center")
        by_length.plot([t + 0.5] * 2, [-0.5, 3.1], color="#888888", lw=0.8, ls=":")
    _finish(by_length, n_rows=len(LENGTHS) + 0.4, labels=[NAMES[i] for i in order])

    packed.set_title(
        "Packed: the rows that the loop reads, step by step, without padding", loc="left"
    )
    for x, row in enumerate(segment.index(reverse=False).tolist()):
        _draw_token(packed, x, 0, tokens[row])
    for t, (start, size) in enumerate(zip(segment.offsets.tolist(), segment.sizes.tolist())):
        packed.plot([start - 0.42, start + size - 0.58], [0.68, 0.68], color="#444444", lw=1.2)
        packed.text(start + (size - 1) / 2, 0.98, f"step {t}", ha="center", va="center", size=8)
    _finish(packed, n_rows=1.7, labels=[])
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_token(axes: Any, x: float, y: float, token: TokenT) -> None:
    i, t = token
    box = pyplot.Rectangle(
        (x - 0.45, y - 0.42), 0.9, 0.84, facecolor=COLORS[i], edgecolor="#444444"
    )
    axes.add_patch(box)
    axes.text(x, y, f"{NAMES[i]}{t + 1}", ha="center", va="center")


def _finish(axes: Any, n_rows: float, labels: List[str]) -> None:
    axes.set_xlim(-1.0, 12.6)
    axes.set_ylim(n_rows - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.axis("off")
    for y, label in enumerate(labels):
        axes.text(-0.8, y, label, ha="center", va="center", weight="bold")


if __name__ == "__main__":
    draw_packing(Path(__file__).parent / "packing.png")
