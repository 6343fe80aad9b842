"""The comparison of language models by what they are worth: trainings are alike, and can be gone on
with."""

import json
from itertools import count
from pathlib import Path
from typing import Any, Dict, List

import numpy
import pytest
from typer.testing import CliRunner

from benchmarks import lm_quality, lm_report, lm_training
from benchmarks.lm_bars import judge_quality
from benchmarks.lm_data import Corpus, read_corpus
from benchmarks.lm_quality import app, cell_runs, parse_cells, softmax_runs
from benchmarks.lm_tables import fill_page, quality_tables
from benchmarks.lm_training import Training

QUICK = ["--quick", "--tokens", "150", "--cells", "lstm,qrnn:2"]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(with_dev=True, quick=True)


def make_training(corpus: Corpus, name: str = "adaptive", tokens: int = 300) -> Training:
    _, runs = softmax_runs(tokens, 8, quick=True)
    return Training(runs[name].config, corpus, **runs[name].limits)


def weights(training: Training) -> List[Any]:
    return [array.copy() for _, _, array in training._parameters()]


# Trainings


def test_both_softmaxes_read_the_same_batches(corpus: Corpus) -> None:
    read: Dict[str, List[List[str]]] = {}
    for name in ("full", "adaptive"):
        training = make_training(corpus, name)
        read[name] = [
            [example.reference.text for example in batch]
            for _, (_, batch) in zip(range(6), training.batches)
        ]
    assert read["full"] == read["adaptive"]


def test_the_softmaxes_are_those_that_they_are_called(corpus: Corpus) -> None:
    found = {
        name: make_training(corpus, name).lm.info()["softmax"] for name in ("full", "adaptive")
    }
    assert found == {"full": "softmax", "adaptive": "adaptive_softmax"}


def test_a_training_ends_after_its_steps_with_a_score(corpus: Corpus, tmp_path: Path) -> None:
    training = make_training(corpus)
    found = training.run("some", tmp_path / "some.npz")
    assert found["steps"] == training.max_steps == training.lm.steps.n_steps
    assert found["units"] >= 5 * training.max_steps
    assert found["lm_perplexity"] == found["curve"][-1]["lm_perplexity"] > 1.0
    assert list(tmp_path.iterdir()) == []


def test_a_training_by_minutes_is_scored_on_its_way(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count(1000.0, 1 / 64)  # each step takes a 64th of a second
    monkeypatch.setattr(lm_training, "perf_counter", lambda: next(clock))
    _, runs = cell_runs({"lstm": ("lstm", 1)}, 0.005, quick=True)
    training = Training(runs["lstm"].config, corpus, **runs["lstm"].limits)
    found = training.run("some", tmp_path / "some.npz")
    seconds = [point["seconds"] for point in found["curve"]]
    assert len(seconds) == lm_quality.N_SCORES
    assert seconds == sorted(seconds)
    assert found["seconds"] == seconds[-1] >= 0.3
    # The learn rate has fallen with the time: 19 of 20 steps are done before the last one.
    assert found["steps"] == 20
    highest = runs["lstm"].config["training"]["optimizer"]["learn_rate"]["initial_rate"]
    rate = highest * 20 / lm_training.WARM_UP * (1 - 19 / 64 / 0.3)
    assert training.optimizer.learn_rate == pytest.approx(rate)


def test_a_training_goes_on_where_it_was_saved(corpus: Corpus, tmp_path: Path) -> None:
    whole, path = make_training(corpus), tmp_path / "new" / "some.npz"
    for _ in range(4):
        whole.step()
    whole.save(path)
    whole.lm._streams.clear()  # what is not saved
    for _ in range(3):
        whole.step()
    other = make_training(corpus)
    other.load(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert other.n_steps == 4
    for _ in range(3):
        other.step()
    for ours, theirs in zip(weights(whole), weights(other), strict=True):
        numpy.testing.assert_array_equal(ours, theirs)
    assert whole.n_units == other.n_units
    assert whole.optimizer.learn_rate == other.optimizer.learn_rate


# The command


@pytest.mark.slow
def test_command_writes_what_it_found_and_does_not_repeat_it(tmp_path: Path) -> None:
    path = tmp_path / "made" / "lm_quality.json"
    run = CliRunner().invoke(app, [*QUICK, "--output", str(path)])
    assert run.exit_code == 0, run.output
    first = json.loads(path.read_text(encoding="utf8"))
    assert list(first["softmax"]["runs"]) == ["full", "adaptive"]
    assert list(first["cells"]["runs"]) == ["lstm", "qrnn, 2 layers"]
    units = [found["units"] for found in first["softmax"]["runs"].values()]
    assert units[0] == units[1]

    run = CliRunner().invoke(app, [*QUICK, "--output", str(path)])
    assert run.exit_code == 0, run.output
    assert run.output.count("measured before") == 4
    again = json.loads(path.read_text(encoding="utf8"))
    assert again["softmax"] == first["softmax"]
    assert again["cells"] == first["cells"]

    run = CliRunner().invoke(app, [*QUICK, "--only", "cells", "--fresh", "--output", str(path)])
    assert "measured before" not in run.output
    assert "softmax" not in json.loads(path.read_text(encoding="utf8"))


@pytest.mark.slow
def test_other_settings_are_measured_anew(tmp_path: Path) -> None:
    path, found = tmp_path / "lm_quality.json", []
    for more in ([], ["--only", "softmax", "--tokens", "80"]):
        run = CliRunner().invoke(app, [*QUICK, *more, "--output", str(path)])
        assert run.exit_code == 0, run.output
        found.append(json.loads(path.read_text(encoding="utf8")))
    first, second = found
    assert first["softmax"]["settings"]["steps"] == 7
    assert second["softmax"]["settings"]["steps"] == 3
    assert [run["steps"] for run in second["softmax"]["runs"].values()] == [3, 3]
    assert second["cells"] == first["cells"]


@pytest.mark.parametrize(
    "option", ["--only=weather", "--cells=lstm,rnn", "--cells=lstm:0", "--cells=lstm:x"]
)
def test_bad_options_are_refused(option: str, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["--quick", option, "--output", str(tmp_path / "q.json")])
    assert run.exit_code == 2


def test_cells_are_named_with_their_layers() -> None:
    found = parse_cells("lstm,qrnn:1,qrnn:3")
    assert found == {"lstm": ("lstm", 1), "qrnn": ("qrnn", 1), "qrnn, 3 layers": ("qrnn", 3)}


# Bars and tables

RUN = {"lm_perplexity": 100.0, "lm_bits_per_char": 1.5, "units": 6000, "seconds": 60.0}
FOUND: Dict[str, Any] = {
    "softmax": {
        "settings": {"width": 256},
        "runs": {"full": RUN, "adaptive": {**RUN, "lm_perplexity": 101.0}},
    },
    "cells": {"settings": {"minutes": 1.0}, "runs": {"lstm": RUN}},
}


@pytest.mark.parametrize(("perplexity", "met"), [(99.0, True), (102.0, True), (102.1, False)])
def test_the_adaptive_softmax_may_be_two_percent_worse(perplexity: float, met: bool) -> None:
    runs = {"full": RUN, "adaptive": {**RUN, "lm_perplexity": perplexity}}
    (bar,) = judge_quality({"softmax": {"runs": runs}})
    assert bar["value"] == pytest.approx(perplexity / 100)
    assert bar["met"] is met


def test_what_was_not_trained_is_not_judged() -> None:
    for results in ({}, {"softmax": {"runs": {"full": RUN}}}):
        (bar,) = judge_quality(results)
        assert bar["met"] is None


def test_tables_have_the_figures() -> None:
    softmax, cells = quality_tables(FOUND)
    assert softmax.rows[1] == ("adaptive", "101.00", "6,000", "1.0", "100")
    assert cells.rows == [("lstm", "1.500", "1.0", "6,000", "100")]
    assert any("width 256" in note for note in softmax.notes)
    assert quality_tables({}) == []


def test_the_report_shows_settings_as_they_were_given(
    machine: Dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    page, speed, quality = (tmp_path / name for name in ("page.md", "speed.json", "quality.json"))
    page.write_text("<!-- language models -->\n<!-- end of language models -->", encoding="utf8")
    symbols = {unit: {"units": 9, "symbols": 5} for unit in ("word", "char")}
    found = {"settings": [], "loops": [], "corpus": symbols, "machine": {**machine, "torch": "2"}}
    speed.write_text(json.dumps(found), encoding="utf8")
    softmax = {**FOUND["softmax"], "settings": {"dropout": 0.3}}
    quality.write_text(json.dumps({"softmax": softmax}), encoding="utf8")
    lm_report.main(page, speed, quality)
    assert "dropout 0.3." in page.read_text(encoding="utf8")


def test_the_page_takes_them_too(machine: Dict[str, Any]) -> None:
    speed = {"settings": [], "loops": [], "machine": machine}
    place = "<!-- language models -->\n<!-- end of language models -->"
    filled = fill_page(place, speed, FOUND)
    assert "| adaptive | 101.00 |" in filled
    assert "<= 1.02x | 1.01x | met |" in filled
