"""Subword units by the library `tokenizers`."""

import json
import pickle
import sys
from typing import Any, Dict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.models import subwords
from spacy_rnn.models.subwords import MODELS, Subwords, bytes_of, train_subwords
from spacy_rnn.models.vocabulary import Vocabulary

TOKENS = {"the": 9, " cat": 5, " cats": 4, " sat": 2, " \U0001f600": 1, "\n": 1}
CHARS = st.characters(exclude_categories=["Cs"])


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)


def trained(subword_model: str = "bpe", min_freq: int = 1, max_size: int = 0) -> Subwords:
    return Subwords(train_subwords(TOKENS, subword_model, min_freq, max_size))


@pytest.mark.usefixtures("without_library")
def test_a_missing_library_is_told_with_what_installs_it() -> None:
    expected = r"E008.*tokenizers.*pip install 'spacy-rnn\[subword\]'"
    with pytest.raises(ImportError, match=expected):
        train_subwords(TOKENS, "bpe", 1, 0)
    with pytest.raises(ImportError, match=expected):
        Subwords("{}")
    # Other units do without.
    assert len(Vocabulary.learn("word", [])) == 2


def test_frequent_pairs_are_joined_and_rare_ones_are_not() -> None:
    pieces = trained(min_freq=4)
    assert pieces.cut("the") == ("the",)
    assert pieces.cut(" cats") == ("Ġcats",)
    assert pieces.cut(" sat") == ("Ġ", "s", "at")
    assert pieces.cut("sat the") == ("s", "at", "Ġ", "the")
    assert trained(min_freq=2).cut(" sat") == ("Ġsat",)


@pytest.mark.parametrize("subword_model", MODELS)
def test_the_most_frequent_pieces_come_first(subword_model: str) -> None:
    pieces = trained(subword_model)
    found = pieces.count(TOKENS)
    counts: Dict[str, int] = dict.fromkeys(found, 0)
    for token, n in TOKENS.items():
        for piece in pieces.cut(token):
            counts[piece] += n
    assert found == sorted(found, key=lambda piece: (-counts[piece], piece))
    assert counts[found[0]] >= 9
    assert set(found) == pieces.all() >= set(bytes_of())


@pytest.mark.parametrize("max_size", [0, 1, 260, 10**12])
@pytest.mark.parametrize("subword_model", MODELS)
def test_there_are_no_more_pieces_than_wanted_but_all_bytes(
    subword_model: str, max_size: int
) -> None:
    pieces = trained(subword_model, max_size=max_size)
    # The unigram model's trainer keeps a piece or two beside the bytes.
    assert 256 <= len(pieces.all()) <= max(260, max_size or 10**12)
    assert pieces.join(pieces.cut(" cat 中")) == " cat 中"


@pytest.mark.parametrize("subword_model", MODELS)
@given(text=st.text(CHARS, max_size=20))
def test_no_text_is_unknown(subword_model: str, text: str) -> None:
    pieces = PIECES[subword_model]
    found = pieces.cut(text)
    assert pieces.join(found) == text
    assert set(found) <= pieces.all()
    assert all(found)
    assert bool(found) == bool(text)


PIECES = {subword_model: trained(subword_model) for subword_model in MODELS}


def test_bytes_that_make_no_character_are_marked() -> None:
    pieces = PIECES["bpe"]
    first, *rest = trained(min_freq=9).cut("\U0001f600")
    assert len(rest) == 3
    assert pieces.join([first]) == "\ufffd"
    assert pieces.join([*rest, "a"]).endswith("a")
    assert sorted(bytes_of().values()) == list(range(256))


def test_the_tokenizer_survives_as_json_and_in_other_processes() -> None:
    data = train_subwords(TOKENS, "bpe", 1, 0)
    assert data == train_subwords(dict(reversed(TOKENS.items())), "bpe", 1, 0)
    pieces = Subwords(json.loads(json.dumps(data)))
    for other in (pieces, pickle.loads(pickle.dumps(pieces))):
        assert other.cut(" cats") == trained().cut(" cats")


def test_tokens_that_come_again_are_not_cut_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = trained()
    pieces.cut(" cat")
    monkeypatch.setattr(pieces, "_tokenizer", None)
    assert pieces.cut(" cat") == ("Ġcat",)


@pytest.mark.parametrize("data", ["", "{}", "[", '{"model": 1}'])
def test_damaged_data_is_told(data: str) -> None:
    with pytest.raises(ValueError, match=r"E060.*subwords"):
        Subwords(data)


def test_an_unknown_kind_of_model_is_told() -> None:
    with pytest.raises(ValueError, match=r"E009.*'words'.*bpe, unigram"):
        train_subwords(TOKENS, "words", 1, 0)


def test_a_token_counts_as_often_as_it_occurs() -> None:
    batches: Any = list(subwords._repeated({"a": 5, "b": 0, "c": 2}, size=3))
    assert batches == [["a"] * 3, ["a", "a", "c"], ["c"]]
