"""Many to one: tell handwritten digits from their rows of pixels, read from top to bottom.

python scripts/shapes/digits_rows.py
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List

import numpy
import typer
from common import report
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from wasabi import msg

from spacy_rnn.models import RNNEncoder, classifier
from spacy_rnn.training import Settings, fit, predict
from spacy_rnn.training.optimizers import Adam

# The split is the same for all seeds of the training.
SPLIT_SEED = 0
N_CLASSES = 10
# The fewest images that have some of each digit for each part.
LEAST = 100
WITHOUT_RECURRENT_WEIGHTS = ("qrnn", "mingru")


def main(
    output: Annotated[Path, typer.Option(help="Where to write the figures")] = Path(
        "metrics/digits_rows.json"
    ),
    cell: Annotated[str, typer.Option(help="lstm, gru, elman, qrnn or mingru")] = "gru",
    width: Annotated[int, typer.Option(help="Width of the encoder")] = 128,
    epochs: Annotated[int, typer.Option(help="At most")] = 100,
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings")] = 3,
    limit: Annotated[int, typer.Option(min=0, help="Only so many images; 0 for all")] = 0,
) -> None:
    """Train on rows of digits, and compare with logistic regression on the pixels."""
    parts = read(limit)
    settings = [Settings(epochs=epochs, patience=15, seed=seed) for seed in range(seeds)]
    runs = [run(parts, cell, width, entry) for entry in settings]
    mean = float(numpy.mean([entry["test"] for entry in runs]))
    baseline = logistic_regression(parts)
    sizes = {name: len(Y) for name, (_, Y) in parts.items()}
    metrics = {"parts": sizes, "test": mean, "baseline": baseline, "runs": runs}
    rows = [
        [f"{cell}, seed {i}", f"{e['dev']:.4f}", f"{e['test']:.4f}"] for i, e in enumerate(runs)
    ]
    rows += [[f"{cell}, mean", "", f"{mean:.4f}"], ["logistic regression", "", f"{baseline:.4f}"]]
    report(output, metrics, rows, ["Accuracy", "dev", "test"])


def read(limit: int = 0) -> Dict[str, Any]:
    """RETURNS (Dict[str, Tuple]): For train, dev and test, images as 8 steps of 8 pixels from 0 to
    1, (n_images, 8, 8), and their classes: 60, 15 and 25 percent, with as many of each digit."""
    if 0 < limit < LEAST:
        msg.fail(f"{limit} images are too few for three parts", f"--limit {LEAST} or more", exits=1)
    X, Y = load_digits(return_X_y=True)
    X, Y = (X / 16.0).reshape((-1, 8, 8)), Y.astype("int64")
    if limit:
        X, Y = X[:limit], Y[:limit]
    X, X_test, Y, Y_test = train_test_split(
        X, Y, test_size=0.25, random_state=SPLIT_SEED, stratify=Y
    )
    X, X_dev, Y, Y_dev = train_test_split(X, Y, test_size=0.2, random_state=SPLIT_SEED, stratify=Y)
    return {"train": (X, Y), "dev": (X_dev, Y_dev), "test": (X_test, Y_test)}


def run(parts: Dict[str, Any], cell: str, width: int, settings: Settings) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Accuracies of one training, and the epoch that was best on dev."""
    (X, Y), (X_dev, Y_dev), (X_test, Y_test) = (parts[name] for name in ("train", "dev", "test"))
    recurrent_dropout = 0.0 if cell in WITHOUT_RECURRENT_WEIGHTS else 0.2
    encoder = RNNEncoder(cell, width, 1, dropout=0.3, recurrent_dropout=recurrent_dropout)
    model = classifier(encoder, N_CLASSES, dropout=0.3)
    optimizer = Adam(0.003, use_averages=True)
    history = fit(model, X, Y, X_dev=X_dev, Y_dev=Y_dev, optimizer=optimizer, settings=settings)
    test = float((predict(model, X_test).argmax(axis=1) == Y_test).mean())
    return {"dev": history.best_dev_accuracy, "test": test, "history": history.to_dict()}


def logistic_regression(parts: Dict[str, Any]) -> float:
    """RETURNS (float): The test accuracy of a model of the pixels. It learns from dev as well."""
    images: List[Any] = [parts[name][0] for name in ("train", "dev", "test")]
    pixels = [X.reshape((len(X), -1)) for X in images]
    model = LogisticRegression(max_iter=2000)
    model.fit(
        numpy.concatenate(pixels[:2]), numpy.concatenate([parts["train"][1], parts["dev"][1]])
    )
    return float(model.score(pixels[2], parts["test"][1]))


if __name__ == "__main__":
    typer.run(main)
