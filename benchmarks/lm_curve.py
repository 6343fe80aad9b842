"""Draw how language models improve as they are trained, from what their logger has written.

python -m benchmarks.lm_curve training/lm_word/log.jsonl training/lm_char/log.jsonl \\
    --output docs/lm-curves.png

The Kneser-Ney models of `benchmarks.kneser_ney` on the same development set are lines beside the
curves.
"""

import math
from pathlib import Path
from typing import Annotated, Any, Dict, List, Tuple

import srsly
import typer
from wasabi import msg

# By what a curve shows: the key of the score, the axis, the baseline on dev and its name.
MEASURES: Dict[str, Tuple[str, str, float, str]] = {
    "word": ("lm_perplexity", "perplexity of words on dev", 127.97, "Kneser-Ney trigrams"),
    "char": ("lm_bits_per_char", "bits per character on dev", 1.561, "Kneser-Ney 6-grams"),
}
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    logs: Annotated[
        List[Path], typer.Argument(metavar="LOG...", help="Output files of the console logger")
    ],
    output: Annotated[Path, typer.Option(help="The .png file to write")],
) -> None:
    """Draw one panel for words and one for characters, as far as there are logs of them."""
    try:
        curves = {str(path): read(path) for path in logs}
    except (OSError, ValueError, KeyError) as err:
        msg.fail("Cannot read the logs", f"{type(err).__name__}: {err}", exits=1)
    figure = draw(curves)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=120)
    msg.good(f"Wrote {output}")


def read(path: Path) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The "unit" of a log, "minutes" and, by score, its values."""
    lines: List[Any] = [line for line in srsly.read_jsonl(path) if line["step"]]
    if not lines:
        raise ValueError(f"{path} has no evaluation after the first step")
    scores = {key: [line["scores"][key] for line in lines] for key, *_ in MEASURES.values()}
    # Words have one unit a token, characters several.
    bits = [line["scores"]["lm_bits_per_token"] for line in lines]
    per_char = scores["lm_bits_per_char"]
    perplexities = scores["lm_perplexity"]
    is_char = abs(per_char[-1] - math.log2(perplexities[-1])) < abs(
        bits[-1] - math.log2(perplexities[-1])
    )
    unit = "char" if is_char else "word"
    return {"unit": unit, "minutes": [line["minutes"] for line in lines], "scores": scores}


def draw(curves: Dict[str, Dict[str, Any]]) -> Any:
    """
    curves (Dict[str, Dict[str, Any]]): As `read` returns them, by name.
    RETURNS (Figure): One panel for each unit.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    units = [unit for unit in MEASURES if any(one["unit"] == unit for one in curves.values())]
    figure, all_axes = pyplot.subplots(
        1, len(units), figsize=(4.8 * len(units), 3.4), squeeze=False, layout="constrained"
    )
    for axes, unit in zip(all_axes[0], units):
        key, label, baseline, name = MEASURES[unit]
        for one in curves.values():
            if one["unit"] == unit:
                values = one["scores"][key]
                axes.plot(one["minutes"], values, color="#1b7f5c", marker="o", ms=3)
                end = (one["minutes"][-1], values[-1])
                axes.annotate(
                    f"{values[-1]:.3g}" if unit == "word" else f"{values[-1]:.3f}",
                    end,
                    textcoords="offset points",
                    xytext=(0, 6),
                    ha="right",
                )
        axes.axhline(baseline, color="#c8553d", lw=1.5)
        axes.annotate(
            f"{name} {baseline:g}",
            (1.0, baseline),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            xytext=(0, -4),
            ha="right",
            va="top",
            color="#c8553d",
        )
        axes.set_xlabel("minutes of training")
        axes.set_ylabel(label)
        axes.margins(y=0.14)
        axes.set_xlim(left=0)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    app()
