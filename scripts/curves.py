"""Draw how trainings went, from the figures that their logger has written.

python scripts/curves.py metrics/transfer.png forward=training/lm_forward/log.jsonl \\
    transfer=training/transfer/rnn_textcat/log.jsonl

Language models: the perplexity of the training texts, with dropout, and of the development set.
Classifiers: the loss and the score. Dotted lines mark where layers were thawed.
"""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Dict, List, NamedTuple

import srsly
import typer
from thinc.api import Config
from wasabi import msg

COLORS = ("#1b7f5c", "#c8553d", "#7a9cc6", "#b8860b", "#b39bc8", "#63b99a")
GREY = "#666666"
UNFREEZING = "spacy-rnn.gradual_unfreezing.v1"
app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


class Curve(NamedTuple):
    """A training.

    name (str): What it is called.
    rows (List[Dict[str, Any]]): The figures of each evaluation.
    thaws (List[int]): The steps at which more layers began to learn.
    """

    name: str
    rows: List[Dict[str, Any]]
    thaws: List[int]

    @property
    def is_language_model(self) -> bool:
        return "lm_perplexity" in self.rows[-1]["scores"]


@app.command()
def main(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The .png file to write")],
    logs: Annotated[List[str], typer.Argument(metavar="NAME=LOG...", help="Files of figures")],
) -> None:
    """Draw a row of panels for language models and one for classifiers, as far as there are any."""
    curves = []
    for entry in logs:
        name, _, path = entry.partition("=")
        try:
            curves.append(read(name, Path(path)))
        except (OSError, ValueError, LookupError, TypeError) as err:
            reason = f"{type(err).__name__}: {err}"
            advice = "Expected NAME=PATH of what spacy-rnn.ConsoleLogger.v1 has written."
            msg.fail(f"Cannot read '{entry}'", f"{reason}. {advice}", exits=1)
    try:
        figure = draw(curves)
    except ImportError:
        msg.fail("matplotlib is not installed", "pip install 'spacy-rnn[viz]'", exits=1)
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f"{output.stem}.tmp.png")
    figure.savefig(part, dpi=120)
    part.replace(output)
    msg.good(f"Wrote {output}")


def read(name: str, path: Path) -> Curve:
    """RETURNS (Curve): The figures of a training."""
    rows: List[Any] = list(srsly.read_jsonl(path))
    if not rows:
        raise ValueError(f"no evaluation in {path}")
    keys = {"step", "scores", "score", "losses"}
    if not all(isinstance(row, dict) and keys <= set(row) for row in rows):
        raise ValueError(f"a line of {path} is without one of {', '.join(sorted(keys))}")
    config = path.parent / "model-last" / "config.cfg"
    return Curve(
        name, rows, find_thaws(Config().from_disk(config), rows) if config.exists() else []
    )


def find_thaws(config: Config, rows: List[Dict[str, Any]]) -> List[int]:
    """
    config (Config): That of a trained pipeline.
    rows (List[Dict[str, Any]]): Its figures.
    RETURNS (List[int]): The steps from which on more layers have learned; those counted in epochs
        are the steps of the first evaluation after it.
    """
    block = config["training"]["before_update"] or {}
    if block.get("@callbacks") != UNFREEZING:
        return []
    n_groups = len(block["groups"] or []) or 2 + depth_of(config["components"][block["component"]])
    counts = [block["every"] * i for i in range(1, n_groups)]
    if block["unit"] == "step":
        found = [count for count in counts if count <= rows[-1]["step"]]
    else:
        firsts = ([row["step"] for row in rows if row["epoch"] >= count] for count in counts)
        found = [steps[0] for steps in firsts if steps]
    return found


def depth_of(block: Dict[str, Any]) -> int:
    """RETURNS (int): How many recurrent layers stand above each other in a component."""
    depths = [block["depth"]] if isinstance(block.get("depth"), int) else []
    depths += [depth_of(inner) for inner in block.values() if isinstance(inner, dict)]
    return max(depths, default=0)


def draw(curves: List[Curve]) -> Any:
    """
    curves (List[Curve]): Trainings.
    RETURNS (Figure): A row of two panels for each kind.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = [True, False] if len({curve.is_language_model for curve in curves}) == 2 else [None]
    rows = [[c for c in curves if kind is None or c.is_language_model == kind] for kind in kinds]
    figure, all_axes = pyplot.subplots(
        len(rows), 2, figsize=(9.6, 3.4 * len(rows)), squeeze=False, layout="constrained"
    )
    for (left, right), row in zip(all_axes, rows):
        if row[0].is_language_model:
            titles = ("perplexity, training texts", "perplexity, development set")
            keys = ("train_perplexity", "lm_perplexity")
            for axes in (left, right):
                axes.set_yscale("log")
        else:
            titles, keys = ("loss a step", "score on the development set"), ("", "")
        for axes, title, key in zip((left, right), titles, keys):
            for curve, color in zip(row, COLORS * len(row)):
                _draw_curve(axes, curve, key, axes is left, color)
            axes.set_title(title, fontsize=10)
            axes.set_xlabel("steps")
            axes.set_xlim(left=0)
            axes.margins(x=0.12)
            axes.spines[["top", "right"]].set_visible(False)
        right.legend(fontsize=8, frameon=False, loc="best")
    return figure


def _draw_curve(axes: Any, curve: Curve, key: str, is_loss: bool, color: str) -> None:
    """Draw one figure of a training by its steps. Of a loss the first row is of one step alone."""
    rows = curve.rows[1:] or curve.rows
    if key:
        values = [row[key] if is_loss else row["scores"].get(key) for row in rows]
    elif is_loss:
        widths = _intervals(curve.rows)
        values = [sum(row["losses"].values()) / n for row, n in zip(rows, widths)]
    else:
        values = [row["score"] for row in rows]
    steps = [row["step"] for row in rows]
    axes.plot(steps, values, color=color, marker="o", ms=2.5, lw=1.3, label=curve.name)
    for step in curve.thaws:
        axes.axvline(step, color=color, lw=0.9, ls=":")


def _intervals(rows: List[Dict[str, Any]]) -> List[int]:
    """RETURNS (List[int]): How many steps each row sums up its losses over, but for the first."""
    steps = [row["step"] for row in rows]
    return [b - a for a, b in pairwise(steps)] or [1]


if __name__ == "__main__":
    app()
