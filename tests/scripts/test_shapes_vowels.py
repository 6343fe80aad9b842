"""Speakers told by their vowels, on utterances that were made up, in the same format."""

import json
from pathlib import Path
from typing import Any, List

import numpy
import pytest
import srsly

pytest.importorskip("sklearn")
import vowels
from vowel_baselines import logistic_regression, nearest_neighbour


def utterances(rng: numpy.random.RandomState, n_each: int) -> List[Any]:
    """Each speaker goes from a point of its own to another one, faster or slower."""
    places = numpy.random.RandomState(1).standard_normal((9, 2, 12))
    entries = []
    for label in range(9):
        for _ in range(n_each):
            share = numpy.linspace(0.0, 1.0, rng.randint(7, 30))[:, None]
            steps = places[label, 0] * (1.0 - share) + places[label, 1] * share
            steps = steps + 0.3 * rng.standard_normal(steps.shape)
            entries.append({"label": label, "steps": steps.round(6).tolist()})
    return entries


@pytest.fixture
def folder(tmp_path: Path, rng: numpy.random.RandomState) -> Path:
    for part, n_each in (("train", 8), ("test", 4)):
        srsly.write_jsonl(tmp_path / f"{part}.jsonl", utterances(rng, n_each))
    return tmp_path


def test_speakers_are_learned(folder: Path, capsys: pytest.CaptureFixture) -> None:
    output = folder / "metrics" / "vowels.json"
    vowels.main(folder, output, width=32, epochs=15, folds=2, seeds=2)
    metrics = json.loads(output.read_text(encoding="utf8"))
    assert metrics["parts"] == {"train": 72, "test": 36}
    assert metrics["test"] == pytest.approx(numpy.mean(metrics["runs"]))
    for name in ("test", "cross_validation", "nearest_neighbour_dtw", "logistic_regression"):
        assert metrics[name] > 0.8, name
    assert "gru, mean" in capsys.readouterr().out


def test_the_nearest_neighbour_is_that_of_the_cheapest_path(rng: numpy.random.RandomState) -> None:
    def warped(x: Any, y: Any) -> float:
        cost = numpy.full((len(x) + 1, len(y) + 1), numpy.inf)
        cost[0, 0] = 0.0
        for i in range(len(x)):
            for j in range(len(y)):
                cheapest = min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
                cost[i + 1, j + 1] = ((x[i] - y[j]) ** 2).sum() + cheapest
        return float(cost[-1, -1])

    train = [rng.standard_normal((n, 3)) for n in (4, 7, 5, 6)]
    test = [rng.standard_normal((n, 3)) for n in (5, 3, 8)]
    labels = numpy.arange(4)
    nearest = [numpy.argmin([warped(x, y) for y in train]) for x in test]
    assert nearest_neighbour((train, labels), (test, numpy.asarray(nearest))) == 1.0
    assert nearest_neighbour((train, labels), (test, (numpy.asarray(nearest) + 1) % 4)) == 0.0


def test_the_linear_model_reads_means(rng: numpy.random.RandomState) -> None:
    X = [rng.standard_normal((n, 3)) + 9.0 * (i % 2) for i, n in enumerate([3, 9] * 10)]
    part = (X, numpy.arange(20) % 2)
    assert logistic_regression(part, part) == 1.0
