"""Pictures of gradients."""

import sys
from io import BytesIO

import pytest

from spacy_rnn.gradient_curves import Curve
from spacy_rnn.visualize_gradients import gradient_picture

pytest.importorskip("matplotlib")


def curve(name, state="h", *, trained=True, cell="lstm", norms=(1.0, 0.1, 1e-5)):
    low, high = [norm / 2 for norm in norms], [norm * 2 for norm in norms]
    distances = list(range(len(norms)))
    return Curve(name, cell, state, trained, distances, list(norms), low, high, [3] * len(norms))


CURVES = [
    curve("lstm"),
    curve("lstm", "c"),
    curve("elman, untrained", cell="elman_tanh", trained=False, norms=(1.0, 0.01, 1e-8)),
]


def lines(axes):
    """Lines of curves, not those of levels."""
    return [line for line in axes.get_lines() if not line.get_label().startswith("_")]


def test_each_curve_is_a_line_on_a_logarithmic_axis():
    (axes,) = gradient_picture(CURVES, title="A title").axes
    assert axes.get_yscale() == "log"
    assert axes.get_title(loc="left") == "A title"
    assert [list(line.get_ydata()) for line in lines(axes)] == [each.norms for each in CURVES]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["lstm: h, vanishes", "lstm: c, vanishes", "elman, untrained: h, vanishes"]


def test_trained_layers_are_bold_with_a_band_and_c_is_a_broken_line():
    (axes,) = gradient_picture(CURVES).axes
    h, c, other = lines(axes)
    assert h.get_linewidth() == c.get_linewidth() > other.get_linewidth()
    assert len(axes.collections) == 2
    assert h.get_linestyle() == other.get_linestyle() == "-"
    assert c.get_linestyle() == "--"
    assert h.get_color() == c.get_color() != other.get_color()


def test_layers_of_one_model_differ_in_color():
    (axes,) = gradient_picture([curve("lstm 1"), curve("lstm 2")]).axes
    assert len({line.get_color() for line in lines(axes)}) == 2


@pytest.mark.parametrize("curves", [[], [curve("a", norms=())], [curve("a", norms=(0.0, 0.0))]])
def test_what_has_nothing_to_draw_is_drawn_all_the_same(curves):
    data = BytesIO()
    gradient_picture(curves).savefig(data, format="png")
    assert data.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("norms", [(1.0, 1e30), (1.0, 1e-30), (1.0, 1.0)])
def test_the_axis_stays_readable(norms):
    (axes,) = gradient_picture([curve("a", norms=norms)]).axes
    low, high = axes.get_ylim()
    assert 1e-10 < low < 1.0 < high < 1e10


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("spacy_rnn.visualize_calibration.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"E008.*spacy-rnn\[viz\]"):
        gradient_picture(CURVES)
