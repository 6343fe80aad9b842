"""Reading a text to go on from it."""

from typing import Any, List

import numpy
import pytest
import spacy
from lm_helpers import make_lm
from numpy.testing import assert_allclose

from spacy_rnn.models.vocabulary import END, UNKNOWN
from spacy_rnn.pipeline import reader as module
from spacy_rnn.pipeline.reader import MAX_KEPT, Reached, Reader

NLP = spacy.blank("en")
TEXT = "The cat sat on the mat. A dog saw the log, and it ran on the cat and sat. " * 2


class Counting(Reader):
    """Counts the units that are read."""

    n_read = 0

    def read(self, units: List[int], state: Any) -> Reached:
        self.n_read += len(units)
        return super().read(units, state)


def ids_of(lm: Any, text: str) -> List[int]:
    doc = NLP.make_doc(text)
    return [END, *lm.vocabulary.encode(doc).ids.tolist()]


def assert_same(found: Reached, expected: Reached) -> None:
    assert_allclose(found.H, expected.H, atol=1e-6)
    for one, other in zip(found.state, expected.state):
        assert one.keys() == other.keys()
        for key, values in one.items():
            assert_allclose(values, other[key], atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru", "qrnn"])
def test_what_was_read_before_does_not_change_where_a_text_leads(cell: str) -> None:
    lm = make_lm("char", cell=cell, depth=2, n_steps=3)
    reader = Reader(lm.model)
    none = reader.condition()
    typed = [TEXT[:i] for i in range(1, 30)]
    typed += [TEXT[:i] for i in range(28, 10, -3)]  # backspace
    typed += [TEXT[:12] + "x", "x" + TEXT[:12], "", TEXT[:100], TEXT[:20], TEXT]
    for text in typed:
        units = ids_of(lm, text)
        assert_same(reader.read_on(units, none), Reader(lm.model).read(units, None))


def test_a_keystroke_costs_one_unit_and_a_step_back_none() -> None:
    lm = make_lm("char")
    reader = Counting(lm.model)
    units = ids_of(lm, TEXT)

    def cost(n: int, last: int = -1) -> int:
        before = reader.n_read
        given = units[:n] if last < 0 else [*units[: n - 1], last]
        reader.read_on(given, reader.condition())
        return reader.n_read - before

    assert cost(50) == 50
    assert [cost(n) for n in range(51, 60)] == [1] * 9
    assert [cost(n) for n in range(59, 48, -1)] == [0] * 11
    assert cost(60, UNKNOWN) == 1  # another last unit
    assert cost(62) == 3  # several at once, from the 59 that both have
    assert cost(62) == 0


def test_what_is_kept_is_bounded_and_used_again_before_it_is_forgotten() -> None:
    lm = make_lm("char")
    reader = Counting(lm.model)
    units = ids_of(lm, TEXT)
    none = reader.condition()
    for n in range(1, MAX_KEPT + 20):
        reader.read_on(units[:n], none)
        reader.read_on(units[:5], none)
    assert len(reader._kept) == MAX_KEPT
    before = reader.n_read
    reader.read_on(units[:5], none)  # the one that was asked for again and again
    assert reader.n_read == before
    reader.read_on(units[:7], none)
    assert reader.n_read == before + 2
    sizes = [reached.H.size for reached in reader._kept.values()]
    assert set(sizes) == {24}  # no probabilities, of which there are as many as words


def test_a_long_text_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = make_lm("char")
    units = ids_of(lm, TEXT)
    whole = Reader(lm.model).read(units, None)
    monkeypatch.setattr(module, "MAX_ROWS", 7)
    assert_same(Reader(lm.model).read(units, None), whole)


def test_steps_of_several_texts_are_those_of_each() -> None:
    lm = make_lm("word")
    reader = Reader(lm.model)
    start = reader.read(ids_of(lm, "The cat"), None)
    after = reader.step(start.take([0, 0, 0]), [5, 6, 7])
    again = reader.step(after.take([2, 0]), [4, 4])
    for row, unit in enumerate([7, 5]):
        alone = reader.read([*ids_of(lm, "The cat"), unit, 4], None)
        assert_same(again.take([row]), alone)


def test_probabilities_come_in_blocks_and_sum_to_1_but_for_the_unknown_unit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lm = make_lm("word")
    reader = Reader(lm.model)
    H = numpy.random.RandomState(0).normal(size=(7, 24)).astype("float32")
    ((first, whole),) = reader.log_probs(H)
    assert first == 0
    assert (whole[:, UNKNOWN] == -numpy.inf).all()
    assert (numpy.exp(whole).sum(axis=1) < 1.0).all()
    monkeypatch.setattr(module, "MAX_PROBS", 3 * len(lm.vocabulary))
    blocks = list(reader.log_probs(H))
    assert [first for first, _ in blocks] == [0, 3, 6]
    assert_allclose(numpy.concatenate([block for _, block in blocks]), whole, atol=1e-5)
    assert list(reader.log_probs(H[:0])) == []


@pytest.mark.parametrize(
    ("kind", "values"),
    [("cats", [{"A": 1.0}, {"B": 1.0}]), ("vector", [[1.0, 0.0], [0.0, 1.0]])],
)
def test_a_text_is_kept_for_each_condition(kind: str, values: List[Any]) -> None:
    given = {"cats" if kind == "cats" else "vectors": values}
    lm = make_lm("char", ["ab", "ba"], condition=kind, n_steps=3, **given)
    reader = Reader(lm.model)
    for value in [None, *values] * 2:
        condition = reader.condition(**{kind: value})
        found = reader.read_on([END, 2, 3], condition)
        assert_same(found, Reader(lm.model).read([END, 2, 3], reader.start(condition)))
    assert len(reader._kept) == 6  # with and without the last unit


def test_a_model_without_weights_is_told() -> None:
    lm: Any = spacy.blank("en").add_pipe("rnn_lm")
    with pytest.raises(ValueError, match="E073"):
        lm.next_tokens("The")
    with pytest.raises(ValueError, match="E073"):
        lm.stream("The")
