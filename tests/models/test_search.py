"""The search for targets: greedy, by a beam, with penalties, in batches."""

from itertools import product
from typing import Any, Dict, List, Tuple

import numpy
import pytest
from numpy.testing import assert_allclose

from spacy_rnn.layers.decoder import parts as decoder_parts
from spacy_rnn.models import search as search_module
from spacy_rnn.models.search import Found, Settings, search
from spacy_rnn.models.seq2seq import parts, target_losses

from .test_seq2seq import SOURCES, VECTORS, make, sources_for

LIMITS = [4, 3, 4, 2]


def by_hand(model: Any, source: Any, limit: int, settings: Settings) -> Dict[Tuple[int, ...], Any]:
    """All targets there are, and their scores. A target that is cut off at the limit goes without
    the end symbol."""
    n_units = len(model.attrs["vocabulary"])
    if numpy.ndim(source) == 2:
        n_units = max([n_units, *(source[:, 1] + 1)])
    found = {}
    for length in range(limit + 1):
        for units in product(range(1, n_units), repeat=length):
            ids = numpy.asarray([*units, 0], "int32")
            whole = float(target_losses(model, [source], [ids])[0])
            n_read = length + 1
            if length == limit:
                # The loss of the units without the end.
                prefix = float(target_losses(model, [source], [ids[:-1]])[0]) if length else 0.0
                whole, n_read = prefix, length
            found[units] = (-whole / settings.divisor(n_read), -whole)
    return found


def best(found: Dict[Tuple[int, ...], Any], n: int) -> List[Tuple[Tuple[int, ...], float]]:
    ordered = sorted(found.items(), key=lambda item: -item[1][0])[:n]
    return [(units, score) for units, (score, _) in ordered]


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("settings", [{}, {"copy": True}, {"cell": "gru", "depth": 2}], ids=str)
def test_a_wide_beam_finds_the_most_probable_targets(settings: Any, penalty: float) -> None:
    model = make(**settings)
    # As wide as there are targets of the longest length but one.
    wide = Settings(64, length_penalty=penalty)
    sources = sources_for(settings)
    found = search(model, sources[:2], [3, 3], wide)
    for source, targets in zip(sources, found):
        expected = best(by_hand(model, source, 3, wide), 5)
        assert [tuple(one.units) for one in targets[:5]] == [units for units, _ in expected]
        assert_allclose([one.score for one in targets[:5]], [score for _, score in expected], 1e-6)


@pytest.mark.parametrize("inclination", [0.0, 0.2, 0.4, 0.6])
def test_greedy_takes_the_most_probable_unit_at_each_step(inclination: float) -> None:
    """Also where an end is the second in probability, and would be better on the whole."""
    model = make()
    decoder_parts(parts(model).decoder).output.get_param("b")[0] += inclination
    found = search(model, SOURCES, [6] * 4, Settings())
    for source, targets in zip(SOURCES, found):
        units: List[int] = []
        while len(units) < 6:
            losses = [
                float(target_losses(model, [source], [numpy.asarray([*units, u], "int32")])[0])
                for u in range(5)
            ]
            chosen = int(numpy.argmin(losses))
            if chosen == 0:
                break
            units.append(chosen)
        assert len(targets) == 1
        assert targets[0].units == units


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("source", ["text", "vector"])
def test_a_source_gets_the_same_alone_and_in_any_batch(
    monkeypatch: Any, width: int, source: str
) -> None:
    model = make(source=source)
    sources: Any = VECTORS if source == "vector" else SOURCES
    settings = Settings(width, 0.6, 0.2)
    together = search(model, sources, LIMITS, settings)
    alone = [search(model, [one], [limit], settings)[0] for one, limit in zip(sources, LIMITS)]
    monkeypatch.setattr(search_module, "MAX_ROWS", 5)
    pieces = search(model, sources, LIMITS, settings)
    for one, other in ((alone, together), (pieces, together)):
        assert [[t.units for t in each] for each in one] == [
            [t.units for t in each] for each in other
        ]
    for one, limit in zip(together, LIMITS):
        assert 1 <= len(one) <= width
        assert all(len(target.units) <= limit for target in one)
        scores = [target.score for target in one]
        assert scores == sorted(scores, reverse=True)


def test_the_coverage_penalty_prefers_what_has_read_all() -> None:
    model = make(attention="additive")
    # It looks at one unit of the source only, so what it leaves out costs.
    plain = search(model, [SOURCES[2]], [4], Settings(5))[0]
    costly = search(model, [SOURCES[2]], [4], Settings(5, coverage_penalty=1.0))[0]
    by_units = {tuple(one.units): one for one in plain}
    for one in costly:
        if tuple(one.units) in by_units:
            assert one.score < by_units[tuple(one.units)].score
            assert one.log_prob == pytest.approx(by_units[tuple(one.units)].log_prob)


def test_nothing_is_written_where_nothing_may_be() -> None:
    model = make()
    assert search(model, [], [], Settings()) == []
    assert search(model, SOURCES[:2], [0, 2], Settings())[0] == []


def test_a_beam_wider_than_the_vocabulary_is_legal() -> None:
    found = search(make(), SOURCES[:1], [1], Settings(100))[0]
    assert len(found) == 5
    assert all(isinstance(one, Found) for one in found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beam_width": 0}, "E011.*beam_width"),
        ({"length_penalty": -1.0}, "E011.*length_penalty"),
        ({"length_penalty": 300.0}, "E011.*from 0 to 10"),
        ({"length_penalty": "1"}, "E011.*length_penalty"),
        ({"coverage_penalty": float("nan")}, "E011.*coverage_penalty"),
    ],
)
def test_wrong_settings_are_errors(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**arguments).check()


def test_batches_are_bounded_by_what_is_compared(monkeypatch: Any) -> None:
    model = make()
    expected = search(model, SOURCES, LIMITS, Settings(3))
    sizes: List[int] = []

    class Counted(search_module._Search):
        def _advance(self, logs: Any, weights: Any, length: int) -> None:
            sizes.append(logs.size)
            super()._advance(logs, weights, length)

    monkeypatch.setattr(search_module, "_Search", Counted)
    n_units = len(model.attrs["vocabulary"])
    monkeypatch.setattr(search_module, "MAX_SCORES", 3 * n_units * 2)
    found = search(model, SOURCES, LIMITS, Settings(3))
    assert max(sizes) == 3 * n_units * 2
    assert [[one.units for one in each] for each in found] == [
        [one.units for one in each] for each in expected
    ]


def test_weights_that_are_no_numbers_write_nothing() -> None:
    model = make()
    decoder_parts(parts(model).decoder).output.get_param("W")[:] = numpy.nan
    for width in (1, 3):
        with pytest.raises(FloatingPointError):
            search(model, SOURCES, LIMITS, Settings(width))
