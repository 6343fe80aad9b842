"""The baseline of the language models: n-grams with interpolated Kneser-Ney smoothing.

python -m benchmarks.kneser_ney
python -m benchmarks.kneser_ney --unit char

Trained on the training part of the State of the Union addresses, and scored on dev and test.
`assets/README.md` tells how the addresses are split, `benchmarks/sotu.py` what the tokens are.
"""

import time
from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional, Sequence

import numpy
import srsly
import typer
from wasabi import msg

from .ngrams import DISCOUNT, KneserNey
from .sotu import MIN_COUNT, Symbols, Unit, read_parts

ORDERS = {Unit.word: 3, Unit.char: 6}
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    unit: Annotated[Unit, typer.Option(help="What is predicted one after the other")] = Unit.word,
    order: Annotated[
        Optional[int], typer.Option(min=1, help="n of the n-grams: by default 3, of characters 6")
    ] = None,
    discount: Annotated[float, typer.Option(min=0.0, max=1.0, help="D")] = DISCOUNT,
    min_count: Annotated[
        int, typer.Option(min=1, help="What occurs less often in training is unknown")
    ] = MIN_COUNT,
    lower: Annotated[bool, typer.Option("--lower", help="In lower case")] = False,
    keep_whitespace: Annotated[
        bool, typer.Option("--keep-whitespace", help="With the tokens of whitespace")
    ] = False,
    train_on_dev: Annotated[
        bool, typer.Option("--train-on-dev", help="Train on all that is not test")
    ] = False,
    output: Annotated[
        Optional[Path], typer.Option(help="Where to write the figures, as JSON")
    ] = None,
) -> None:
    """Train the n-grams, and print what they are worth on texts that they have not seen."""
    start = time.perf_counter()
    parts = read_parts(unit, lower=lower, keep_whitespace=keep_whitespace)
    if train_on_dev:
        parts["train"] += parts.pop("dev")
    order = order or ORDERS[unit]
    figures = {
        "unit": unit.value,
        "order": order,
        "discount": discount,
        "min_count": min_count,
        "lower": lower,
        "keep_whitespace": keep_whitespace,
        "train_on_dev": train_on_dev,
        **measure(parts, order, discount, min_count),
        "seconds": time.perf_counter() - start,
    }
    print_figures(figures)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        srsly.write_json(output, figures)
        msg.good(f"Wrote {output}")


def measure(
    parts: Dict[str, List[List[str]]], order: int, discount: float, min_count: int
) -> Dict[str, Any]:
    """Train on one part and score the others.

    parts (Dict[str, List[List[str]]]): The units of each text; "train" and any others.
    order (int): n.
    discount (float): D.
    min_count (int): Units that are rarer in training are unknown.
    RETURNS (Dict[str, Any]): The "vocabulary" (with the unknown and the end), what "train" has, and
        by the name of each other part its "scores".
    """
    symbols = Symbols(parts["train"], min_count)
    encoded = {name: [symbols.encode(text) for text in part] for name, part in parts.items()}
    model = KneserNey(len(symbols), order, discount)
    model.fit(encoded["train"])
    return {
        "vocabulary": len(symbols),
        "train": {"texts": len(encoded["train"]), "units": _n_units(encoded["train"])},
        "scores": {name: score(model, part) for name, part in encoded.items() if name != "train"},
    }


def score(model: KneserNey, texts: Sequence[Sequence[int]]) -> Dict[str, float]:
    """
    model (KneserNey): Trained n-grams.
    texts (Sequence[Sequence[int]]): Texts that it has not seen, each with its end.
    RETURNS (Dict[str, float]): The number of "texts", of their "units" without the ends, of those
        "scored", which is with the ends, and of the "unknown"; "bits" in all; "perplexity", which
        is two to the power of bits by scored; "bits_per_unit", in which the ends cost but do not
        count.
    """
    log_probs = model.log2_probs(texts)
    bits, n_units = -float(log_probs.sum()), _n_units(texts)
    return {
        "texts": len(texts),
        "units": n_units,
        "scored": len(log_probs),
        "unknown": sum(text.count(Symbols.UNKNOWN) for text in texts),
        "bits": bits,
        "perplexity": float(numpy.exp2(bits / len(log_probs))),
        "bits_per_unit": bits / n_units,
    }


def _n_units(texts: Sequence[Sequence[int]]) -> int:
    return sum(len(text) - 1 for text in texts)


def print_figures(figures: Dict[str, Any]) -> None:
    """Print what was measured.

    figures (Dict[str, Any]): As the command writes them.
    """
    unit, train = figures["unit"], figures["train"]
    msg.divider(f"Kneser-Ney, {figures['order']}-grams of {unit}s, D = {figures['discount']}")
    msg.text(
        f"Trained on {train['texts']} addresses, {train['units']:,} {unit}s. "
        f"{figures['vocabulary']:,} different symbols: {unit}s that training has "
        f"{figures['min_count']} times or more, the unknown and the end. "
        f"Both are predicted and scored. {figures['seconds']:.0f} seconds."
    )
    header = ("part", "addresses", f"{unit}s", "scored", "unknown", "perplexity", f"bits/{unit}")
    rows = [
        (
            name,
            found["texts"],
            f"{found['units']:,}",
            f"{found['scored']:,}",
            f"{found['unknown'] / found['units']:.2%}",
            f"{found['perplexity']:.2f}",
            f"{found['bits_per_unit']:.4f}",
        )
        for name, found in figures["scores"].items()
    ]
    msg.table(rows, header=header, aligns=("l", *"rrrrrr"), divider=True)


if __name__ == "__main__":
    app()
