"""Sequence to sequence models that write together."""

from typing import Any, List

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from thinc.api import Linear, Model, fix_random_seed

from spacy_rnn.models.ensembles import members
from spacy_rnn.models.search import Settings, search
from spacy_rnn.models.seq2seq import (
    Seq2Seq,
    learn,
    set_vector_width,
    set_vocabularies,
    target_losses,
)
from spacy_rnn.models.seq2seq_ensemble import Seq2SeqEnsemble
from spacy_rnn.models.vocabulary import Vocabulary

from .test_search import LIMITS, best, by_hand
from .test_seq2seq import COPIES, SOURCES, TARGETS, WEIGHTS, make, sources_for

CASES: List[Any] = [{}, {"copy": True}, {"source": "vector"}]
OTHERS = {"cell": "gru", "depth": 2, "attention": "additive", "width": 4}


def make_ensemble(**settings: Any) -> Model[Any, Any]:
    """Of two models with weights of their own, and of other cells and widths."""
    ensemble = Seq2SeqEnsemble(make(**settings), make(**{**settings, **OTHERS}))
    set_vocabularies(ensemble, Vocabulary("char", "abcd"), Vocabulary("char", "cax"))
    return ensemble


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_probabilities_are_the_mean_of_those_of_the_members(settings: Any) -> None:
    ensemble = make_ensemble(**settings)
    sources = sources_for(settings)
    ends = [numpy.zeros(1, "int32")] * len(sources)
    alone = [numpy.exp(-target_losses(member, sources, ends)) for member in members(ensemble)]
    assert not numpy.allclose(alone[0], alone[1])
    assert_allclose(numpy.exp(-target_losses(ensemble, sources, ends)), sum(alone) / 2, rtol=1e-12)
    # Unit by unit: what follows depends on all that each member has read.
    longer = [numpy.asarray([2, 0], "int32")] * len(sources)
    first = [numpy.asarray([2], "int32")] * len(sources)
    of_first = [target_losses(member, sources, first) for member in members(ensemble)]
    of_both = [target_losses(member, sources, longer) for member in members(ensemble)]
    of_second = [both - one for both, one in zip(of_both, of_first)]
    expected = sum(
        -numpy.log(sum(numpy.exp(-each) for each in losses) / 2) for losses in (of_first, of_second)
    )
    assert_allclose(target_losses(ensemble, sources, longer), expected, rtol=1e-9)


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_each_member_learns_as_if_alone(settings: Any) -> None:
    ensemble = make_ensemble(**settings)
    sources = sources_for(settings)
    targets = COPIES if settings.get("copy") else TARGETS
    losses = learn(ensemble, sources, targets, WEIGHTS)
    alone = [make(**settings), make(**{**settings, **OTHERS})]
    apart = [learn(model, sources, targets, WEIGHTS) for model in alone]
    assert_allclose(losses, (apart[0] + apart[1]) / 2, rtol=1e-12)
    for model, member in zip(alone, members(ensemble)):
        for ours, theirs in zip(member.walk(), model.walk()):
            for name in ours.param_names:
                numpy.testing.assert_array_equal(ours.get_grad(name), theirs.get_grad(name))


@pytest.mark.parametrize("settings", [{}, {"copy": True}], ids=str)
def test_a_wide_beam_finds_what_all_together_find_most_probable(settings: Any) -> None:
    ensemble = make_ensemble(**settings)
    source = sources_for(settings)[0]
    wide = Settings(64)
    found = search(ensemble, [source], [3], wide)[0]
    expected = best(by_hand(ensemble, source, 3, wide), 5)
    assert [tuple(one.units) for one in found[:5]] == [units for units, _ in expected]
    assert_allclose([one.score for one in found[:5]], [score for _, score in expected], 1e-6)


@pytest.mark.parametrize("width", [1, 3])
def test_a_source_gets_the_same_alone_and_in_any_batch(width: int) -> None:
    ensemble = make_ensemble()
    settings = Settings(width, 0.6, 0.2)
    together = search(ensemble, SOURCES, LIMITS, settings)
    for source, limit, expected in zip(SOURCES, LIMITS, together):
        [found] = search(ensemble, [source], [limit], settings)
        assert [one.units for one in found] == [one.units for one in expected]
        assert_allclose([one.score for one in found], [one.score for one in expected], rtol=1e-6)


def test_one_member_twice_writes_as_it_does_alone() -> None:
    model = make()
    ensemble = Seq2SeqEnsemble(model, make())
    set_vocabularies(ensemble, Vocabulary("char", "abcd"), Vocabulary("char", "cax"))
    for settings in (Settings(1), Settings(4, 0.5, 0.3)):
        expected = search(model, SOURCES, LIMITS, settings)
        found = search(ensemble, SOURCES, LIMITS, settings)
        assert [[t.units for t in each] for each in found] == [
            [t.units for t in each] for each in expected
        ]


@pytest.mark.parametrize("source", ["text", "vector"])
def test_members_begin_with_weights_of_their_own_and_are_saved(source: str) -> None:
    def build() -> Model[Any, Any]:
        # The same object twice is two members all the same.
        member = Seq2Seq(source, width=4, embed_width=3)
        return Seq2SeqEnsemble(member, member)

    fix_random_seed(0)
    ensemble = build()
    set_vocabularies(ensemble, Vocabulary("char", "ab"), Vocabulary("char", "cd"))
    if source == "vector":
        set_vector_width(ensemble, 3)
    ensemble.attrs["counts"] = [5, 0, 3, 2]
    ensemble.initialize()
    first, second = (
        [node.get_param(name) for node in member.walk() for name in node.param_names]
        for member in members(ensemble)
    )
    assert len(first) == len(second) > 5
    assert any((one != other).any() for one, other in zip(first, second))
    again = build()
    set_vocabularies(again, Vocabulary("char", "ab"), Vocabulary("char", "cd"))
    if source == "vector":
        set_vector_width(again, 3)
    again.from_bytes(ensemble.to_bytes())
    sources: Any = [numpy.ones(3, "f")] if source == "vector" else [numpy.asarray([2], "int32")]
    losses = [target_losses(model, sources, [TARGETS[0][:1] * 0]) for model in (ensemble, again)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("make_model", [make, make_ensemble])
def test_a_model_that_is_called_with_docs_says_what_it_takes(make_model: Any) -> None:
    with pytest.raises(ValueError, match=r"E181.*one list"):
        make_model().predict([spacy.blank("en")("some text")])


@pytest.mark.parametrize(
    ("members_of", "message"),
    [
        ((), "there is none"),
        ((Linear(),), "'linear'"),
        ((Seq2Seq(), Seq2SeqEnsemble(Seq2Seq())), "'seq2seq_ensemble'"),
        ((Seq2Seq(), 3), "'int'"),
        ((Seq2Seq(), Seq2Seq("vector")), "'source' is 'text' for one, 'vector'"),
        ((Seq2Seq(unit="char"), Seq2Seq(unit="word")), "'unit'"),
        ((Seq2Seq(copy=True), Seq2Seq()), "'copy'"),
        (
            (Seq2Seq(source_unit="word"), Seq2Seq(source_unit="word", source_attr="LOWER")),
            "'source_attr'",
        ),
    ],
)
def test_members_that_do_not_go_together_are_errors(members_of: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"E178.*{message}"):
        Seq2SeqEnsemble(*members_of)
