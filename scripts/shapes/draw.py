"""Draw the shapes that recurrent networks are used in, side by side, for docs/shapes.md.

python scripts/shapes/draw.py docs/shapes.png
"""

from pathlib import Path
from typing import Any, List, NamedTuple

import typer
from wasabi import msg

from spacy_rnn.figures import write_figure

IN, STATE, OUT, LINE = "#9ecae1", "#d9d9d9", "#a1d99b", "#444444"
BOX = 0.62


class Shape(NamedTuple):
    """A way from inputs to outputs.

    title (str): What it is called, in two lines.
    example (str): What it is used for.
    n_steps (int): How many states there are.
    inputs (List[int]): The steps that read an input.
    outputs (List[int]): The steps that give an output.
    fed_back (bool): Whether an output is read at the step after it.
    """

    title: str
    example: str
    n_steps: int
    inputs: List[int]
    outputs: List[int]
    fed_back: bool = False


SHAPES = [
    Shape("one to one", "a layer without\na past", 1, [0], [0]),
    Shape("one to many", "writing,\ncaptions", 3, [0], [0, 1, 2], fed_back=True),
    Shape("many to one", "text and series\nclassification", 3, [0, 1, 2], [2]),
    Shape("many to many,\naligned", "tags, forecasts,\nlanguage models", 3, [0, 1, 2], [0, 1, 2]),
    Shape("many to many,\nunaligned", "translation,\npronunciation", 5, [0, 1, 2], [2, 3, 4], True),
]


def main(path: Path = typer.Argument(Path("docs/shapes.png"), help="The .png file")) -> None:
    """Draw all shapes in a row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = sum(shape.n_steps + 0.9 for shape in SHAPES) + 1.0, 4.2
    figure = Figure(figsize=(0.6 * width, 0.6 * height), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    left = 0.0
    for shape in SHAPES:
        draw(axes, shape, left)
        left += shape.n_steps + 0.9
    for y, text, color in ((2.0, "output", OUT), (1.0, "state", STATE), (0.0, "input", IN)):
        axes.text(-0.9, y, text, ha="right", va="center", size=9, bbox=dict(fc=color, ec="none"))
    axes.set(xlim=(-1.9, width - 1.9), ylim=(-1.1, height - 1.1), aspect="equal")
    axes.axis("off")
    write_figure(figure, path)
    msg.good(f"Wrote {path}")


def draw(axes: Any, shape: Shape, left: float) -> None:
    """Draw one shape, with its first state at x = `left`."""
    for step in range(shape.n_steps):
        x = left + step
        box(axes, x, 1.0, STATE)
        if step:
            arrow(axes, (x - 1.0 + BOX / 2, 1.0), (x - BOX / 2, 1.0))
        if step in shape.inputs:
            box(axes, x, 0.0, IN)
            arrow(axes, (x, BOX / 2), (x, 1.0 - BOX / 2))
        if step in shape.outputs:
            box(axes, x, 2.0, OUT)
            arrow(axes, (x, 1.0 + BOX / 2), (x, 2.0 - BOX / 2))
            if shape.fed_back and step + 1 < shape.n_steps:
                arrow(axes, (x + BOX / 2, 2.0 - BOX / 4), (x + 1.0 - BOX / 4, 1.0 + BOX / 2), "--")
    middle = left + (shape.n_steps - 1) / 2
    axes.text(middle, 2.72, shape.title, ha="center", va="center", size=11, weight="bold")
    axes.text(middle, -0.75, shape.example, ha="center", va="center", size=9, color=LINE)


def box(axes: Any, x: float, y: float, color: str) -> None:
    """Draw a box around a point."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x - BOX / 2, y - BOX / 2), BOX, BOX, fc=color, ec=LINE, lw=0.8))


def arrow(axes: Any, start: Any, end: Any, style: str = "-") -> None:
    """Draw an arrow between two points."""
    properties = dict(arrowstyle="-|>", color=LINE, lw=0.9, ls=style, shrinkA=0, shrinkB=0)
    axes.annotate("", xy=end, xytext=start, arrowprops=properties)


if __name__ == "__main__":
    typer.run(main)
