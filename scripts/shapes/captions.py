"""One to many: write the name of a handwritten digit, letter by letter, from its pixels.

python scripts/shapes/captions.py
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List

import numpy
import spacy
import typer
from common import report
from digits_rows import logistic_regression, read
from spacy.language import Language
from spacy.training import Example
from thinc.api import fix_random_seed
from tqdm import trange

from spacy_rnn.pipeline.condition import VECTOR
from spacy_rnn.training.optimizers import Adam

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
MODEL = {
    "@architectures": "spacy-rnn.Seq2Seq.v1",
    "source": "vector",
    "cell": "lstm",
    "embed_width": 32,
}
BATCH_SIZE = 64


def main(
    output: Annotated[Path, typer.Option(help="Where to write the figures")] = Path(
        "metrics/captions.json"
    ),
    width: Annotated[int, typer.Option(help="Width of the decoder")] = 256,
    epochs: Annotated[int, typer.Option(help="How often all images are learned from")] = 60,
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings")] = 3,
    limit: Annotated[int, typer.Option(min=0, help="Only so many images; 0 for all")] = 0,
) -> None:
    """Train on vectors of pixels and names, and compare with logistic regression on the pixels,
    whose answers are a class."""
    parts = read(limit)
    runs = [run(parts, width, epochs, seed) for seed in range(seeds)]
    mean = float(numpy.mean([entry["test"] for entry in runs]))
    baseline = logistic_regression(parts)
    sizes = {name: len(Y) for name, (_, Y) in parts.items()}
    metrics = {"parts": sizes, "test": mean, "baseline": baseline, "runs": runs}
    rows = [
        [f"rnn_seq2seq, seed {i}", f"{e['dev']:.4f}", f"{e['test']:.4f}"]
        for i, e in enumerate(runs)
    ]
    rows += [["rnn_seq2seq, mean", "", f"{mean:.4f}"]]
    rows += [["logistic regression", "", f"{baseline:.4f}"]]
    report(output, metrics, rows, ["Exact", "dev", "test"])


def run(parts: Dict[str, Any], width: int, epochs: int, seed: int) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The share of names without a mistake, on dev and on test."""
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    model = {**MODEL, "width": width}
    nlp.add_pipe("rnn_seq2seq", config={"model": model})
    data = {name: examples(nlp, *part) for name, part in parts.items()}
    nlp.initialize(lambda: data["train"])
    n_steps = epochs * -(-len(data["train"]) // BATCH_SIZE)
    rates: Any = (0.002 * (1.0 - step / n_steps) for step in range(n_steps + 1))
    optimizer = Adam(rates, use_averages=True)
    order = numpy.random.RandomState(seed)
    for _ in trange(epochs, desc=f"seed {seed}", delay=2, disable=None, leave=False):
        shuffled = order.permutation(len(data["train"]))
        for first in range(0, len(shuffled), BATCH_SIZE):
            batch = [data["train"][i] for i in shuffled[first : first + BATCH_SIZE]]
            nlp.update(batch, sgd=optimizer, drop=0.3)
            optimizer.step_schedules()
    with nlp.use_params(optimizer.averages):
        return {name: nlp.evaluate(data[name])["seq2seq_exact"] for name in ("dev", "test")}


def examples(nlp: Language, X: Any, Y: Any) -> List[Example]:
    """RETURNS (List[Example]): Docs without a word, with the pixels, and the name of the digit."""
    found = []
    for pixels, digit in zip(X.reshape((len(X), -1)).astype("float32"), Y):
        example = Example(nlp.make_doc(""), nlp.make_doc(""))
        example.predicted.user_data[VECTOR] = pixels
        example.reference._.seq2seq = NAMES[digit]
        found.append(example)
    return found


if __name__ == "__main__":
    typer.run(main)
