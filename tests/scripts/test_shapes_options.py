"""What the scripts of shapes refuse, before anything is trained."""

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
import captions
import digits_rows
import forecast
import vowels


@pytest.mark.parametrize(
    ("script", "option", "number"),
    [
        (captions, "--seeds", 0),
        (captions, "--limit", -1),
        (digits_rows, "--seeds", 0),
        (digits_rows, "--limit", -1),
        (forecast, "--seeds", 0),
        (forecast, "--n-test", 0),
        (vowels, "--seeds", 0),
    ],
)
def test_a_number_that_is_too_small_is_refused(script: Any, option: str, number: int) -> None:
    app = typer.Typer()
    app.command()(script.main)
    result = CliRunner().invoke(app, [option, str(number)])
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output


@pytest.mark.parametrize("script", [captions, digits_rows])
def test_too_few_images_are_refused(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit, match="1"):
        script.main(tmp_path / "figures.json", limit=digits_rows.LEAST - 1)
    assert "99 images are too few" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_the_fewest_images_have_some_of_each_digit_in_each_part() -> None:
    X, Y = digits_rows.read(limit=digits_rows.LEAST)["dev"]
    assert (len(X), len(set(Y))) == (15, 10)


@pytest.mark.parametrize(
    ("script", "given", "missing", "command"),
    [
        (forecast, "none.csv", "none.csv", "python scripts/series.py co2"),
        (vowels, ".", "train.jsonl", "python scripts/series.py vowels"),
    ],
)
def test_files_that_are_missing_are_named(
    script: Any,
    given: str,
    missing: str,
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    with pytest.raises(SystemExit, match="1"):
        script.main(tmp_path / given)
    printed = " ".join(capsys.readouterr().out.split())
    assert "There is no file" in printed
    assert missing in printed
    assert command in printed
