"""Digits named letter by letter, on a part of the images."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("sklearn")
import captions


def test_names_are_written_by_the_pixels(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    output = tmp_path / "metrics" / "captions.json"
    captions.main(output, width=64, epochs=150, seeds=1, limit=400)
    metrics = json.loads(output.read_text(encoding="utf8"))
    assert metrics["parts"] == {"train": 240, "dev": 60, "test": 100}
    assert metrics["test"] > 0.8
    assert "logistic regression" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--seeds", "--limit"])
def test_a_number_that_is_too_small_is_refused(option: str) -> None:
    app = typer.Typer()
    app.command()(captions.main)
    result = CliRunner().invoke(app, [option, "-1"])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output


def test_too_few_images_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="1"):
        captions.main(tmp_path / "figures.json", limit=99)
    assert "99 images are too few" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
