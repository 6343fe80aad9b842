"""Streams of windows for backward language models: the mirror of those for forward ones."""

import random

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_rnn.training.streams import batch_by_stream, read_window

VOCAB = Vocab()


def make_doc(number, n_tokens, spaces=None):
    """A doc whose words say from which document and place they are, and are of several lengths."""
    words = [f"{number}:{i}" for i in range(n_tokens)]
    return Doc(VOCAB, words=words, spaces=spaces or [i % 3 > 0 for i in range(n_tokens)])


def mirrored(doc):
    """The doc from its end. Each word keeps the space behind it, so that its size is the same."""
    words = [token.text for token in doc][::-1]
    return Doc(VOCAB, words=words, spaces=[bool(token.whitespace_) for token in doc][::-1])


def examples_of(docs):
    return [Example(doc, doc) for doc in docs]


def pieces_of(doc):
    """RETURNS (List[Tuple[Piece, List[str]]]): Each piece with its words."""
    found, start = [], 0
    for piece in read_window(doc).pieces:
        found.append((piece, [token.text for token in doc[start : start + piece.n_tokens]]))
        start += piece.n_tokens
    assert start == len(doc)
    return found


@given(
    lengths=st.lists(st.integers(0, 60), max_size=10),
    n_streams=st.integers(1, 5),
    bptt=st.integers(1, 20),
    unit=st.sampled_from(["token", "char"]),
    jitter=st.booleans(),
    reset=st.booleans(),
)
def test_windows_are_those_of_the_mirrored_documents_read_forward(
    lengths, n_streams, bptt, unit, jitter, reset
):
    docs = [make_doc(number, length) for number, length in enumerate(lengths)]
    settings = dict(unit=unit, jitter=jitter, reset=reset, seed=5)
    backward = batch_by_stream(n_streams, bptt, backward=True, **settings)(examples_of(docs))
    forward = batch_by_stream(n_streams, bptt, **settings)(examples_of(map(mirrored, docs)))
    for found, expected in zip(backward, forward, strict=True):
        for one, other in zip(found, expected, strict=True):
            window, twin = read_window(one.reference), read_window(other.reference)
            assert window.backward
            assert not twin.backward
            for attr in ("stream", "serial", "reset", "rate_scale"):
                assert getattr(window, attr) == getattr(twin, attr)
            pairs = zip(pieces_of(one.reference), pieces_of(other.reference), strict=True)
            for (piece, words), (mirror, reverse) in pairs:
                assert words[::-1] == reverse
                assert piece.n_tokens == mirror.n_tokens
                assert (piece.begins, piece.ends) == (mirror.ends, mirror.begins)
                assert piece.fresh == mirror.fresh


@pytest.mark.parametrize("backward", [False, True])
@given(
    lengths=st.lists(st.integers(0, 40), max_size=6),
    n_streams=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_a_piece_knows_the_space_before_it(backward, lengths, n_streams, seed):
    rng = random.Random(seed)
    docs = [make_doc(i, n, [rng.random() < 0.5 for _ in range(n)]) for i, n in enumerate(lengths)]
    for batch in batch_by_stream(n_streams, 7, backward=backward)(examples_of(docs)):
        for example in batch:
            for piece, words in pieces_of(example.reference):
                number, place = map(int, words[0].split(":")) if words else (0, 0)
                assert piece.spaced == bool(place and docs[number][place - 1].whitespace_)


def test_a_long_document_is_shared_from_its_end():
    batches = list(batch_by_stream(2, 10, backward=True)(examples_of([make_doc(0, 100)])))
    first, second = (pieces_of(example.reference)[0] for example in batches[0])
    assert first[1] == [f"0:{i}" for i in range(90, 100)]
    # One window is taken when the other half is.
    assert second[1] == [f"0:{i}" for i in range(35, 45)]
    assert second[0].fresh
    assert not second[0].ends
    windows = [read_window(example.reference) for batch in batches for example in batch]
    begun = [window.stream for window in windows for piece in window.pieces if piece.begins]
    ended = [window.stream for window in windows for piece in window.pieces if piece.ends]
    assert (begun, ended) == ([1], [0])


@pytest.mark.parametrize("backward", [False, True])
def test_windows_keep_the_norms_that_the_tokenizer_gives(backward):
    nlp = spacy.blank("en")
    doc = nlp("They don't, 'cause they're gonna go.")
    norms = [token.norm_ for token in doc]
    assert "not" in norms
    assert [token.norm_ for token in Doc(nlp.vocab, [t.text for t in doc])] != norms
    other = Doc(nlp.vocab, ["plain"])
    for vocab_doc in (other, Doc(spacy.blank("en").vocab, ["plain"])):
        batches = batch_by_stream(1, 3, backward=backward)(examples_of([vocab_doc, doc]))
        windows = [batch[0].reference for batch in batches]
        pieces = [[token.norm_ for token in window] for window in windows]
        if backward:
            tokens = [norm for piece in pieces[1:][::-1] for norm in piece]
            assert pieces[0] == ["plain", *norms[-2:]]
            assert [*tokens, *norms[-2:]] == norms
        else:
            assert [norm for piece in pieces for norm in piece] == ["plain", *norms]
