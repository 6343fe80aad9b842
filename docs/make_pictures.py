"""Draw the pictures of the documentation. Needs the `viz` extra.

python docs/make_pictures.py
"""

from pathlib import Path
from typing import Any, Tuple

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot

from spacy_rnn.layers.packing import Packing

LENGTHS = [3, 6, 0, 4]
NAMES = "abcd"
COLORS = ["#9ecae1", "#fdae6b", "#ffffff", "#a1d99b"]
LINE = "#444444"
# A token: the number of its sequence in the batch, and its place in it.
TokenT = Tuple[int, int]


def draw_packing(path: Path) -> None:
    """Draw how a batch of ragged sequences is laid out for the loop.

    path (Path): The file to write.
    """
    packing = Packing(LENGTHS)
    figure, axes = pyplot.subplots(figsize=(8.4, 8.6), layout="constrained")
    _title(axes, 0, "The batch: sequences of 3, 6, 0 and 4 tokens, one after another")
    for row, length in enumerate(LENGTHS):
        _draw_sequence(axes, row, 1 + row, length)
    _title(axes, 5.4, "Sorted by length: each column is one step of the loop, over n sequences")
    for rank, row in enumerate(packing.order.tolist()):
        _draw_sequence(axes, row, 6.4 + rank, LENGTHS[row])
    for step, size in enumerate(packing.whole().sizes.tolist()):
        axes.text(step, 10.2, f"n = {size}", ha="center", va="center")
        axes.plot([step + 0.5] * 2, [5.9, 9.8], color=LINE, lw=0.8, ls=":")
    _title(axes, 11.2, "Packed: the rows as the loop reads them, step by step, without padding")
    _draw_packed(axes, packing, 12.2)
    axes.set(xlim=(-1.2, 12.6), ylim=(13.5, -0.4), aspect="equal")
    axes.axis("off")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def _draw_sequence(axes: Any, row: int, y: float, length: int) -> None:
    axes.text(-0.9, y, NAMES[row], ha="center", va="center", weight="bold")
    for place in range(length):
        _draw_token(axes, place, y, (row, place))
    if not length:
        axes.text(-0.45, y, "(empty)", ha="left", va="center", color=LINE)


def _draw_packed(axes: Any, packing: Packing, y: float) -> None:
    segment = packing.whole()
    tokens = [(row, place) for row, length in enumerate(LENGTHS) for place in range(length)]
    for x, index in enumerate(segment.index(reverse=False).tolist()):
        _draw_token(axes, x, y, tokens[index])
    for step, (start, size) in enumerate(zip(segment.offsets.tolist(), segment.sizes.tolist())):
        axes.plot([start - 0.42, start + size - 0.58], [y + 0.65] * 2, color=LINE, lw=1.2)
        axes.text(start + (size - 1) / 2, y + 0.95, f"step {step}", ha="center", va="center")


def _draw_token(axes: Any, x: float, y: float, token: TokenT) -> None:
    row, place = token
    box = pyplot.Rectangle((x - 0.45, y - 0.42), 0.9, 0.84, facecolor=COLORS[row], edgecolor=LINE)
    axes.add_patch(box)
    axes.text(x, y, f"{NAMES[row]}{place + 1}", ha="center", va="center")


def _title(axes: Any, y: float, text: str) -> None:
    axes.text(-1.1, y, text, ha="left", va="center", size=12)


if __name__ == "__main__":
    draw_packing(Path(__file__).parent / "packing.png")
