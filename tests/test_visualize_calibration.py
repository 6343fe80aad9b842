"""Reliability diagrams: what they draw, and that they need matplotlib alone."""

import sys
from importlib.machinery import ModuleSpec

import numpy
import pytest

from spacy_rnn import visualize_calibration
from spacy_rnn.calibration import Predictions, measure
from spacy_rnn.visualize_calibration import TOO_MILD, TOO_SURE, reliability


@pytest.fixture
def found(rng):
    truths = numpy.eye(2)[rng.randint(2, size=40)]
    logits = rng.normal(size=(40, 2)) + truths
    made = Predictions(logits, truths, numpy.ones((40, 2), bool), True)
    return {"Before": measure(made, n_bins=10), "After": measure(made, 2.0, n_bins=10)}


def test_each_diagram_has_its_bins_and_its_histogram(found, tmp_path):
    pytest.importorskip("matplotlib")
    figure = reliability(found, title="Some texts")
    assert figure.get_suptitle() == "Some texts"
    assert len(figure.axes) == 4
    for column, (name, calibration) in enumerate(found.items()):
        curve, histogram = figure.axes[column], figure.axes[2 + column]
        assert curve.get_title().startswith(name)
        heights = [bar.get_height() for bar in histogram.patches]
        assert heights == calibration.bins.counts.tolist()
        n_there = int((calibration.bins.counts > 0).sum())
        accuracies = [bar.get_height() for bar in curve.patches[:n_there]]
        assert accuracies == calibration.bins.accuracy[calibration.bins.counts > 0].tolist()
    figure.savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_too_sure_has_another_colour_than_what_is_not_sure_enough():
    colors = pytest.importorskip("matplotlib.colors")
    # Of three texts with the confidence 0.73 one is right, of two with 0.95 both are.
    logits = numpy.asarray([[1.0, 0.0]] * 3 + [[3.0, 0.0]] * 2)
    truths = numpy.eye(2)[[0, 1, 1, 0, 0]]
    made = measure(Predictions(logits, truths, numpy.ones((5, 2), bool), True), n_bins=4)
    axes = reliability({"Some": made}).axes[0]
    drawn = {
        color: [bar for bar in axes.patches if bar.get_facecolor()[:3] == colors.to_rgb(color)]
        for color in (TOO_SURE, TOO_MILD)
    }
    assert [bar.get_height() for bar in drawn[TOO_SURE]] == pytest.approx([0.731 - 1 / 3], abs=1e-3)
    assert [bar.get_height() for bar in drawn[TOO_MILD]] == pytest.approx([1 - 0.953], abs=1e-3)


def test_drawing_leaves_pyplot_alone(found):
    pytest.importorskip("matplotlib")
    before = "matplotlib.pyplot" in sys.modules
    reliability(found)
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_without_matplotlib_the_error_says_what_to_install(found, monkeypatch):
    def find_spec(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(visualize_calibration, "find_spec", find_spec)
    with pytest.raises(ImportError, match=r"E008.*matplotlib.*pip install 'spacy-rnn\[viz\]'"):
        reliability(found)
