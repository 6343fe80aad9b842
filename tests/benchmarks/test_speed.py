"""The command of the benchmark: what it writes is complete and follows from what it measured.

No test here looks at how long something took.
"""

import json
import math
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest
from typer.testing import CliRunner

from benchmarks import speed
from benchmarks.bars import judge
from benchmarks.report import fill_places
from benchmarks.speed import SECTIONS, app, parse_sections


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, float):
        yield value


def test_every_section_is_written_with_finite_figures(quick: Dict[str, Any]) -> None:
    assert quick["quick"]
    for name in SECTIONS:
        found = quick["sections"][name]
        assert found, f"the section '{name}' is empty"
        figures = list(numbers(found))
        assert figures
        assert all(math.isfinite(figure) for figure in figures)


def test_bars_are_those_of_the_sections(quick: Dict[str, Any]) -> None:
    assert quick["bars"] == judge(quick["sections"])
    for bar in quick["bars"]:
        assert bar["what"] in quick["output"]


def test_machine_is_written(quick: Dict[str, Any]) -> None:
    for key in ("cpu", "cores", "python", "numpy", "torch", "spacy", "thinc", "blis_kernels"):
        assert quick["machine"][key]


def test_page_takes_what_was_measured(quick: Dict[str, Any], page: str) -> None:
    filled = fill_places(page, quick)
    assert filled.count("<!-- figures:") == page.count("<!-- figures:")
    assert "Not measured." not in filled
    assert fill_places(filled, quick) == filled


def test_sections_are_chosen_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []

    def import_section(name: str, package: str) -> Any:
        class Section:
            @staticmethod
            def measure_section(options: Any) -> Dict[str, Any]:
                measured.append(name)
                return {}

        return Section

    monkeypatch.setattr(speed, "import_module", import_section)
    path = tmp_path / "speed.json"
    options = ["--only", "long-doc,gpu", "--no-own-kernels", "--output", str(path)]
    run = CliRunner().invoke(app, options)
    assert run.exit_code == 0, run.output
    assert measured == [".long_doc", ".gpu"]
    results = json.loads(path.read_text(encoding="utf8"))
    assert list(results["sections"]) == ["long_doc", "gpu"]
    assert all(bar["met"] is None for bar in results["bars"])


def test_measuring_again_has_no_pin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setattr(speed, "measure_all", lambda names, options, output: {})
    monkeypatch.setattr(
        speed.subprocess, "run", lambda *args, **kwargs: calls.append((args, kwargs))
    )
    output = str(tmp_path / "speed.json")
    for only in ("encoder,growth", "growth"):
        assert CliRunner().invoke(app, ["--only", only, "--output", output]).exit_code == 0
    (((command,), options),) = calls
    assert not any(key.startswith("OPENBLAS_") for key in options["env"])
    assert command[command.index("--only") + 1] == "encoder"
    assert command[-1].endswith("speed-own-kernels.json")


def test_sections_keep_their_order() -> None:
    assert parse_sections("gpu,encoder") == ["encoder", "gpu"]


def test_unknown_sections_are_refused() -> None:
    run = CliRunner().invoke(app, ["--only", "encoder,weather"])
    assert run.exit_code == 2
    assert "weather" in run.output


@pytest.mark.parametrize("option", ["--threads", "--batch-sizes"])
@pytest.mark.parametrize("value", ["0", "two", "1,,2", ""])
def test_impossible_counts_are_refused(option: str, value: str, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, [option, value, "--output", str(tmp_path / "speed.json")])
    assert run.exit_code == 2
    assert option in run.output


def test_too_few_rounds_are_refused() -> None:
    assert CliRunner().invoke(app, ["--rounds", "8"]).exit_code == 2
