"""Digits read row by row, on a part of the images."""

import json
from pathlib import Path

import numpy
import pytest

pytest.importorskip("sklearn")
import digits_rows


def test_rows_of_pixels_are_learned_from(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    output = tmp_path / "metrics" / "digits.json"
    digits_rows.main(output, cell="gru", width=32, epochs=30, seeds=1, limit=400)
    metrics = json.loads(output.read_text(encoding="utf8"))
    assert metrics["parts"] == {"train": 240, "dev": 60, "test": 100}
    assert metrics["test"] > 0.85
    assert metrics["baseline"] > 0.85
    history = metrics["runs"][0]["history"]
    assert len(history["losses"]) == len(history["dev_losses"]) <= 30
    assert "logistic regression" in capsys.readouterr().out
    assert [path.name for path in output.parent.iterdir()] == ["digits.json"]


@pytest.mark.parametrize("cell", ["qrnn", "elman"])
def test_other_cells_are_trained_too(cell: str, tmp_path: Path) -> None:
    digits_rows.main(tmp_path / "digits.json", cell=cell, width=8, epochs=1, seeds=1, limit=200)
    assert (tmp_path / "digits.json").exists()


def test_the_parts_are_fixed_balanced_and_apart() -> None:
    first, second = digits_rows.read(), digits_rows.read()
    for name, (X, Y) in first.items():
        numpy.testing.assert_array_equal(X, second[name][0])
        assert X.shape[1:] == (8, 8)
        assert 0.0 <= X.min() < X.max() == 1.0
        assert numpy.bincount(Y).min() > 0.9 * len(Y) / 10
    images = [X.tobytes() for X_part, _ in first.values() for X in X_part]
    assert len(images) == len(set(images)) == 1797
