"""What is said about norms of gradients."""

import math

import numpy
import pytest

from spacy_rnn.gradient_curves import Curve, summarize

NAN, NONE = numpy.nan, -numpy.inf


def curve(norms, first=0):
    """A curve of these norms, from a distance on."""
    n = len(norms)
    return Curve("a", "gru", "h", True, list(range(first, first + n)), norms, norms, norms, [1] * n)


def test_it_is_the_geometric_mean_within_a_band():
    logs = numpy.log(numpy.repeat([[1.0], [4.0], [16.0]], 2, axis=1))
    found = summarize("a", "gru", "h", logs, trained=True)
    assert found.distances == [0, 1]
    assert found.norms == pytest.approx([4.0, 4.0])
    assert found.low == pytest.approx([1.0, 1.0])
    assert found.high == pytest.approx([16.0, 16.0])
    assert found.n_docs == [3, 3]


def test_it_goes_as_far_as_half_of_the_documents():
    logs = numpy.zeros((4, 6))
    for i, length in enumerate((6, 4, 2, 1)):
        logs[i, length:] = NAN
    found = summarize("a", "gru", "h", logs, trained=True)
    assert found.distances == [0, 1, 2, 3]
    assert found.n_docs == [4, 3, 2, 2]


def test_a_state_may_have_no_norm_at_distance_zero():
    logs = numpy.array([[NAN, 0.0, -1.0], [NAN, 0.0, -1.0]])
    found = summarize("a", "lstm", "c", logs, trained=True)
    assert found.distances == [1, 2]
    assert found.at(0) is None
    assert found.at(1) == 1.0


def test_gradients_of_nothing_and_beyond_all_floats_are_numbers():
    logs = numpy.array([[0.0, NONE, 1e4], [0.0, -1.0, 2e4]])
    found = summarize("a", "gru", "h", logs, trained=True)
    assert found.norms[1] == found.low[1] == 0.0
    assert found.high[1] == pytest.approx(math.exp(-1))
    assert math.isfinite(found.norms[2])
    assert found.verdict == "explodes"


def test_no_document_is_a_curve_of_nothing():
    found = summarize("a", "gru", "h", numpy.zeros((0, 3)), trained=True)
    assert found.distances == []
    assert (found.half_life, found.factor, found.verdict) == (None, None, "")


@pytest.mark.parametrize(
    ("norms", "first", "half_life", "factor", "verdict"),
    [
        ([1.0, 0.5, 0.25], 0, 1, 0.5, "holds"),
        ([1.0, 0.1, 0.09, 0.001], 0, 1, 0.1, "holds"),
        ([1.0, 0.1, 0.09, 0.0009], 0, 1, None, "vanishes"),
        ([1.0, 0.9, 0.8], 0, None, 8 / 9, "holds"),
        ([1.0, 100.0, 1001.0], 0, None, 10.01, "explodes"),
        ([0.2, 0.12, 0.1], 1, 2, 0.5**0.5, "holds"),
        ([1.0], 0, None, None, ""),
        ([1.0, 0.5], 0, 1, None, "holds"),
        ([1.0, 0.5, 0.0], 0, 1, 0.0, "vanishes"),
        ([1.0, 0.0, 0.0], 0, 1, None, "vanishes"),
    ],
)
def test_what_a_curve_says(norms, first, half_life, factor, verdict):
    found = curve(norms, first)
    assert found.half_life == half_life
    if factor is not None or len(norms) < 3 or norms[1] == 0.0:
        assert found.factor == (None if factor is None else pytest.approx(factor))
    assert found.verdict == verdict
    assert found.to_dict()["verdict"] == verdict
    assert found.to_dict()["norms"] == norms
