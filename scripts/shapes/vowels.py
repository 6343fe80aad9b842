"""Many to one: tell nine speakers by 7 to 29 frames of a vowel.

python scripts/series.py vowels
python scripts/shapes/vowels.py
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List

import numpy
import srsly
import typer
from common import check_files, report
from sklearn.model_selection import StratifiedKFold
from vowel_baselines import DataT, logistic_regression, nearest_neighbour

from spacy_rnn.models import RNNEncoder, classifier
from spacy_rnn.training import Settings, fit, predict
from spacy_rnn.training.optimizers import Adam

N_SPEAKERS = 9


def main(
    data: Annotated[Path, typer.Argument(help="Folder that series.py wrote")] = Path(
        "corpus/vowels"
    ),
    output: Annotated[Path, typer.Option(help="Where to write the figures")] = Path(
        "metrics/vowels.json"
    ),
    width: Annotated[int, typer.Option(help="Width of the encoder")] = 128,
    epochs: Annotated[int, typer.Option(help="Found by cross-validation of train")] = 40,
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="How many trainings")] = 3,
) -> None:
    """Train on the published training part, and compare with two other classifiers."""
    files = [data / "train.jsonl", data / "test.jsonl"]
    check_files(files, "python scripts/series.py vowels")
    train, test = map(read, files)
    settings = [Settings(epochs=epochs, batch_size=16, seed=seed) for seed in range(seeds)]
    tests = [accuracy(train, test, width, entry) for entry in settings]
    metrics: Dict[str, Any] = {
        "parts": {"train": len(train[0]), "test": len(test[0])},
        "cross_validation": cross_validation(train, width, settings[0], folds),
        "runs": tests,
        "test": float(numpy.mean(tests)),
        "nearest_neighbour_dtw": nearest_neighbour(train, test),
        "logistic_regression": logistic_regression(train, test),
    }
    names = ["nearest_neighbour_dtw", "logistic_regression"]
    rows = [[f"gru, seed {seed}", f"{value:.4f}"] for seed, value in enumerate(tests)]
    rows += [["gru, mean", f"{metrics['test']:.4f}"], *([n, f"{metrics[n]:.4f}"] for n in names)]
    rows += [["gru, cross-validation of train", f"{metrics['cross_validation']:.4f}"]]
    report(output, metrics, rows, ["Accuracy", "test"])


def read(path: Path) -> DataT:
    """RETURNS (Tuple[List[Floats2d], Ints1d]): (n_frames, 12) for each utterance; the speakers."""
    entries: List[Any] = list(srsly.read_jsonl(path))
    X = [numpy.asarray(entry["steps"], dtype="float32") for entry in entries]
    return X, numpy.asarray([entry["label"] for entry in entries])


def accuracy(train: DataT, test: DataT, width: int, settings: Settings) -> float:
    """RETURNS (float): That of a training, on channels of mean 0 and deviation 1 in train."""
    frames = numpy.concatenate(train[0])
    mean, deviation = frames.mean(axis=0), frames.std(axis=0)
    encoder = RNNEncoder("gru", width, 1, dropout=0.5, recurrent_dropout=0.3)
    model = classifier(encoder, N_SPEAKERS, dropout=0.5)
    X, X_test = ([(x - mean) / deviation for x in part] for part in (train[0], test[0]))
    fit(model, X, train[1], optimizer=Adam(0.005, use_averages=True), settings=settings)
    return float((predict(model, X_test).argmax(axis=1) == test[1]).mean())


def cross_validation(train: DataT, width: int, settings: Settings, folds: int) -> float:
    """RETURNS (float): The mean accuracy on each fold of the training part, after the others."""
    X, Y = train
    scores = []
    for rest, fold in StratifiedKFold(folds, shuffle=True, random_state=0).split(Y, Y):
        parts = [([X[i] for i in numbers], Y[numbers]) for numbers in (rest, fold)]
        scores.append(accuracy(parts[0], parts[1], width, settings))
    return float(numpy.mean(scores))


if __name__ == "__main__":
    typer.run(main)
