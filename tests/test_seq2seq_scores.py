"""Scores of what sequence to sequence models have written."""

import sys
from typing import Any, List, Optional, Tuple

import pytest
import sacrebleu
import spacy
from spacy.training import Example

from spacy_rnn.scorers import make_seq2seq_scorer, seq2seq_score
from spacy_rnn.training.pairs import register_target

PairT = Tuple[Optional[str], Optional[str]]


def examples(pairs: List[PairT]) -> List[Example]:
    register_target()
    nlp = spacy.blank("en")
    found = []
    for written, wanted in pairs:
        example = Example(nlp.make_doc("x"), nlp.make_doc("x"))
        example.predicted._.seq2seq = written
        example.reference._.seq2seq = wanted
        found.append(example)
    return found


def test_scores_are_their_definitions() -> None:
    pairs: List[PairT] = [("the cat", "the cat"), ("a cat sat", "the cat sat"), (None, "no")]
    scores = make_seq2seq_scorer()(examples(pairs))
    assert scores["seq2seq_exact"] == pytest.approx(1 / 3)
    # "a" for "the": three edits of letters; and two letters are missing.
    assert scores["seq2seq_cer"] == pytest.approx((0 + 3 + 2) / (7 + 11 + 2))
    assert scores["seq2seq_wer"] == pytest.approx((0 + 1 + 1) / (2 + 3 + 1))
    written, wanted = ["the cat", "a cat sat", ""], ["the cat", "the cat sat", "no"]
    bleu = sacrebleu.corpus_bleu(written, [wanted]).score
    assert scores["seq2seq_bleu"] == pytest.approx(bleu)


def test_bleu_is_of_the_corpus() -> None:
    wanted = "the cat sat on the mat and looked at the dog"
    scores = seq2seq_score(examples([(wanted, wanted), (wanted.replace("mat", "log"), wanted)]))
    assert 50 < scores["seq2seq_bleu"] < 100


def test_what_wants_nothing_is_left_out() -> None:
    scores = seq2seq_score(examples([("a", "a"), ("b", None)]))
    assert scores["seq2seq_exact"] == 1.0
    for pairs in ([], [("b", None)]):
        assert set(seq2seq_score(examples(pairs)).values()) == {None}


def test_empty_targets_are_compared_too() -> None:
    scores = seq2seq_score(examples([("", ""), ("ab", "")]))
    assert scores["seq2seq_exact"] == 0.5
    assert scores["seq2seq_cer"] == 2.0


@pytest.mark.parametrize("module", ["sacrebleu", "rapidfuzz.distance"])
def test_a_missing_extra_is_named(monkeypatch: Any, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"E008.*spacy-rnn\[seq2seq\]"):
        seq2seq_score(examples([("a", "a")]))
