"""Digits named letter by letter, on a part of the images."""

import json
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
import captions


@pytest.mark.slow
def test_names_are_written_by_the_pixels(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    output = tmp_path / "metrics" / "captions.json"
    captions.main(output, width=64, epochs=150, seeds=1, limit=400)
    metrics = json.loads(output.read_text(encoding="utf8"))
    assert metrics["parts"] == {"train": 240, "dev": 60, "test": 100}
    assert metrics["test"] > 0.8
    assert "logistic regression" in capsys.readouterr().out
