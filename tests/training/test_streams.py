"""The streams of windows: no token is lost, and each window says what it goes on from."""

import random
from collections import Counter
from itertools import islice

import numpy
import pytest
import srsly
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.loop import create_train_batches, subdivide_batch
from spacy.util import registry
from spacy.vocab import Vocab

from spacy_rnn.training.streams import WINDOW, Piece, Window, batch_by_stream, read_window


def make_doc(number, n_tokens, vocab, spaces=None):
    """A doc whose words say from which document and place they are."""
    words = [f"{number}:{i}" for i in range(n_tokens)]
    return Doc(vocab, words=words, spaces=spaces or [i % 3 > 0 for i in range(n_tokens)])


def make_examples(lengths, vocab=None):
    vocab = vocab or Vocab()
    docs = [make_doc(number, n_tokens, vocab) for number, n_tokens in enumerate(lengths)]
    return [Example(doc.copy(), doc) for doc in docs]


def places(doc):
    """RETURNS (List[Tuple[int, int]]): Document and place of each token."""
    return [tuple(map(int, token.text.split(":"))) for token in doc]


def windows_of(batches):
    """RETURNS (Dict[int, List[Doc]]): The windows of each stream, in order."""
    streams = {}
    for batch in batches:
        for example in batch:
            streams.setdefault(read_window(example.reference).stream, []).append(example.reference)
    return streams


def pieces_of(doc):
    """RETURNS (List[Tuple[Piece, Span]]): Each piece with its tokens."""
    found, start = [], 0
    for piece in read_window(doc).pieces:
        found.append((piece, doc[start : start + piece.n_tokens]))
        start += piece.n_tokens
    assert start == len(doc)
    return found


def check_streams(lengths, batches):
    """Check each word of what the windows say against the words of the documents."""
    tokens, begun, ended = Counter(), 0, 0
    for stream, docs in windows_of(batches).items():
        assert [read_window(doc).serial for doc in docs] == list(range(len(docs)))
        before = None  # Document and place of the token that the stream must go on with.
        for doc in docs:
            for i, (piece, span) in enumerate(pieces_of(doc)):
                found = places(span)
                tokens.update(found)
                begun += piece.begins
                ended += piece.ends
                assert not (piece.fresh and i), f"{stream}: not the first of its window"
                if not found:
                    assert piece.begins
                    assert piece.ends
                    before = None
                    continue
                number, first = found[0]
                assert found == [(number, first + j) for j in range(len(found))]
                assert piece.begins == (first == 0)
                assert piece.ends == (found[-1][1] == lengths[number] - 1)
                if not piece.begins:
                    assert piece.fresh == (before != (number, first))
                before = None if piece.ends else (number, first + len(found))
        assert read_window(docs[0]).pieces[0].fresh
    assert tokens == Counter((d, i) for d, n in enumerate(lengths) for i in range(n))
    assert begun == ended == len(lengths)


@given(
    lengths=st.lists(st.integers(0, 60), max_size=12),
    n_streams=st.integers(1, 6),
    bptt=st.integers(1, 20),
    unit=st.sampled_from(["token", "char"]),
    jitter=st.booleans(),
)
def test_every_token_is_in_one_piece_that_says_what_it_goes_on_from(
    lengths, n_streams, bptt, unit, jitter
):
    batcher = batch_by_stream(n_streams, bptt, unit=unit, jitter=jitter)
    batches = list(batcher(make_examples(lengths)))
    assert all(1 <= len(batch) <= n_streams for batch in batches)
    check_streams(lengths, batches)


@given(lengths=st.lists(st.integers(0, 60), max_size=8), n_streams=st.integers(1, 4))
def test_the_text_of_the_windows_is_that_of_the_documents_with_its_whitespace(lengths, n_streams):
    examples = make_examples(lengths)
    texts = {}
    for batch in batch_by_stream(n_streams, 7)(examples):
        for example in batch:
            for _, span in pieces_of(example.reference):
                for token, place in zip(span, places(span)):
                    texts[place] = token.text_with_ws
    for number, example in enumerate(examples):
        found = "".join(texts[number, i] for i in range(len(example.reference)))
        assert found == example.reference.text


def test_all_windows_but_the_last_of_a_text_have_bptt_tokens():
    batches = list(batch_by_stream(2, 10)(make_examples([35, 35])))
    assert [[len(example) for example in batch] for batch in batches] == [
        [10, 10],
        [10, 10],
        [10, 10],
        [5, 5],
    ]


def test_each_batch_goes_on_where_the_batch_before_stopped():
    first, second = islice(batch_by_stream(3, 4)(make_examples([20, 20, 20])), 2)
    assert [places(eg.reference)[-1] for eg in first] == [(0, 3), (1, 3), (2, 3)]
    assert [places(eg.reference)[0] for eg in second] == [(0, 4), (1, 4), (2, 4)]


def test_a_window_holds_the_end_of_a_document_and_the_beginning_of_the_next():
    (window,), *_ = batch_by_stream(1, 6)(make_examples([4, 0, 9]))
    assert read_window(window.reference).pieces == [
        Piece(4, begins=True, ends=True, fresh=True, cats=None),
        Piece(0, begins=True, ends=True, fresh=False, cats=None),
        Piece(1, begins=True, ends=False, fresh=False, cats=None),
    ]


def test_a_document_that_fills_its_window_ends_in_it():
    (first,), (second,) = batch_by_stream(1, 5)(make_examples([10]))
    assert not read_window(first.reference).pieces[-1].ends
    assert [piece.ends for piece in read_window(second.reference).pieces] == [True]


def test_windows_of_documents_without_tokens_are_bounded():
    batches = list(batch_by_stream(1, 5)(make_examples([0] * 12)))
    assert [len(read_window(batch[0].reference).pieces) for batch in batches] == [5, 5, 2]


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0], [1]])
def test_few_or_empty_documents_make_few_or_no_windows(lengths):
    batches = list(batch_by_stream(4, 10)(make_examples(lengths)))
    assert len(batches) == min(len(lengths), 1)
    check_streams(lengths, batches)


def test_characters_are_counted_with_whitespace_and_windows_end_with_tokens():
    vocab = Vocab()
    doc = Doc(vocab, words=["abc", "de", "f", "ghijkl", "m"], spaces=[True, False, True, False, 0])
    batches = list(batch_by_stream(1, 5, unit="char")([Example(doc, doc)]))
    assert [batch[0].reference.text for batch in batches] == ["abc de", "f ghijkl", "m"]


def test_a_long_document_is_shared_among_streams_that_have_none():
    batches = list(batch_by_stream(4, 10)(make_examples([4000])))
    assert len(batches) == pytest.approx(100, abs=3)
    assert sum(len(batch) for batch in batches[:-5]) == 4 * (len(batches) - 5)
    starts = [places(example.reference)[0] for example in batches[0]]
    assert starts == [(0, 0), (0, 2005), (0, 1007), (0, 3007)]
    check_streams([4000], batches)


def test_text_that_is_taken_over_is_fresh_and_the_serials_go_on():
    batches = list(batch_by_stream(2, 10)(make_examples([200, 30])))
    docs = windows_of(batches)[1]
    fresh = [i for i, doc in enumerate(docs) if read_window(doc).pieces[0].fresh]
    assert fresh[:2] == [0, 3]
    assert not read_window(docs[3]).pieces[0].begins
    check_streams([200, 30], batches)


def test_little_text_is_not_shared():
    batches = list(batch_by_stream(2, 10)(make_examples([40, 5])))
    assert [len(batch) for batch in batches] == [2, 1, 1, 1]


def test_a_single_long_token_is_not_cut():
    vocab = Vocab()
    doc = Doc(vocab, words=["x" * 500], spaces=[False])
    ((window,),) = batch_by_stream(3, 10, unit="char")([Example(doc, doc)])
    assert window.reference.text == doc.text


def test_the_order_within_a_batch_does_not_matter_to_what_windows_say():
    lengths = [50, 3, 0, 80, 41]
    batches = []
    for batch in batch_by_stream(4, 10)(make_examples(lengths)):
        batches.append([example for part in subdivide_batch(batch, 2) for example in part])
    check_streams(lengths, batches)


def test_each_pass_has_a_number_of_its_own():
    examples = make_examples([30])
    batcher = batch_by_stream(1, 10)
    passes = [list(batcher(examples)), list(batcher(examples)), list(batch_by_stream(1)(examples))]
    runs = [{read_window(batch[0].reference).run for batch in batches} for batches in passes]
    assert [len(run) for run in runs] == [1, 1, 1]
    assert len(set.union(*runs)) == 3


def test_two_passes_at_once_do_not_disturb_each_other():
    batcher = batch_by_stream(2, 10)
    lengths = [50, 60, 3]
    examples = make_examples(lengths)
    pairs = list(zip(batcher(examples), batcher(examples)))
    check_streams(lengths, [pair[0] for pair in pairs])
    check_streams(lengths, [pair[1] for pair in pairs])


def test_a_window_keeps_the_cats_of_its_document_and_pieces_have_theirs():
    examples = make_examples([6, 6, 6])
    examples[0].reference.cats = {"A": 1.0}
    examples[2].reference.cats = {"B": 1.0, "C": 0.0}
    windows = [batch[0].reference for batch in batch_by_stream(1, 4)(examples)]
    cats = [[piece.cats for piece in read_window(doc).pieces] for doc in windows]
    a, b = {"A": 1.0}, {"B": 1.0, "C": 0.0}
    assert cats == [[a], [a, None], [None], [b], [b]]
    assert [doc.cats for doc in windows] == [a, {}, {}, b, b]


def test_the_batcher_changes_no_document_and_hands_out_no_part_of_it():
    examples = make_examples([6])
    examples[0].reference.cats = {"A": 1.0}
    for batch in batch_by_stream(1, 4)(examples):
        window = batch[0].reference
        assert window.cats == {"A": 1.0}
        window.cats["A"] = 0.5
        (piece,) = read_window(window).pieces
        assert piece.cats == {"A": 1.0}
    piece.cats["A"] = 0.5
    assert examples[0].reference.cats == {"A": 1.0}
    assert examples[0].reference.user_data == {}


def test_windows_keep_no_other_annotation_and_tell_so():
    examples = make_examples([3])
    doc = examples[0].reference
    doc[0].tag_ = "X"
    doc.ents = [doc.char_span(0, 3, label="Y")]
    with pytest.warns(UserWarning, match="W030.*tags, entities"):
        ((window,),) = batch_by_stream(1, 4)(examples)
    assert [token.tag_ for token in window.reference] == ["", "", ""]
    assert not window.reference.ents


def test_documents_with_another_vocab_and_unknown_spaces_keep_their_words():
    vocab, other = Vocab(), Vocab()
    docs = [Doc(vocab, words=["one"], spaces=[False]), Doc(other, words=["two", "three"])]
    ((window,),) = batch_by_stream(1, 4)([Example(doc, doc) for doc in docs])
    assert [token.text for token in window.reference] == ["one", "two", "three"]
    assert window.reference.vocab is vocab
    assert window.reference.text == "onetwo three "


def test_reset_and_run_are_noted_in_plain_data_that_survives_bytes_and_copies():
    ((window,),) = batch_by_stream(1, 9, reset=True)(make_examples([3]))
    doc = window.reference
    assert doc is window.predicted
    data = doc.user_data[WINDOW]
    assert srsly.json_loads(srsly.json_dumps(data)) == data
    expected = Window(
        run=data["run"],
        stream=0,
        serial=0,
        pieces=[Piece(3, begins=True, ends=True, fresh=True, cats=None)],
        reset=True,
        rate_scale=1.0,
    )
    assert read_window(doc) == expected
    assert read_window(doc.copy()) == expected
    assert read_window(Doc(doc.vocab).from_bytes(doc.to_bytes())) == expected


def test_other_docs_are_no_windows():
    assert read_window(Doc(Vocab(), words=["a"])) is None


def drawn(batcher, n_tokens=400_000):
    """RETURNS (List[Tuple[int, float]]): Length and rate_scale of each batch."""
    doc = Doc(VOCAB, words=["a"] * n_tokens)
    batches = [batch[0].reference for batch in batcher([Example(doc, doc)])]
    return [(len(doc), read_window(doc).rate_scale) for doc in batches[:-1]]


VOCAB = Vocab()


@pytest.mark.parametrize("unit", ["token", "char"])
def test_jitter_draws_the_lengths_that_the_paper_describes(unit):
    n_units = 2 if unit == "char" else 1  # "a" and a space
    pairs = drawn(batch_by_stream(1, 70 * n_units, unit=unit, jitter=True))
    lengths = numpy.array([length for length, _ in pairs])
    halves = lengths < 52
    assert halves.mean() == pytest.approx(0.05, abs=0.01)
    assert lengths[halves].mean() == pytest.approx(35, abs=1.5)
    assert lengths[~halves].mean() == pytest.approx(70, abs=0.5)
    assert lengths[~halves].std() == pytest.approx(5, abs=0.3)


def test_the_learn_rate_is_scaled_with_the_length_of_the_batch():
    pairs = drawn(batch_by_stream(1, 70, jitter=True), 20_000)
    assert len({scale for _, scale in pairs}) > 10
    for length, scale in pairs:
        assert scale == pytest.approx(length / 70)
    assert {scale for _, scale in drawn(batch_by_stream(1, 70), 20_000)} == {1.0}


def test_all_windows_of_a_jittered_batch_have_the_same_length_of_at_least_five_tokens():
    batches = list(batch_by_stream(4, 8, jitter=True)(make_examples([2000] * 4)))
    for batch in batches[:200]:
        assert len({len(example) for example in batch}) == 1
        assert len(batch[0]) >= 5


def test_jitter_is_the_same_for_the_same_seed_and_differs_from_pass_to_pass():
    def lengths(batcher):
        return [length for length, _ in drawn(batcher, 5000)]

    batcher = batch_by_stream(1, 70, jitter=True, seed=1)
    first, second = lengths(batcher), lengths(batcher)
    numpy.random.seed(99)
    again = batch_by_stream(1, 70, jitter=True, seed=1)
    assert [lengths(again), lengths(again)] == [first, second]
    assert first != second
    assert lengths(batch_by_stream(1, 70, jitter=True, seed=2)) != first


def test_the_batcher_leaves_the_global_random_states_alone():
    states = random.getstate(), numpy.random.get_state()[1].tolist()
    drawn(batch_by_stream(1, 70, jitter=True), 1000)
    assert (random.getstate(), numpy.random.get_state()[1].tolist()) == states


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"n_streams": 0}, "E011"),
        ({"bptt": 0}, "E011"),
        ({"bptt": float("nan")}, "E011"),
        ({"bptt": 1.5}, "E011"),
        ({"n_streams": None}, "E011"),
        ({"seed": -1}, "E011"),
        ({"unit": "word"}, "E009"),
    ],
)
def test_settings_out_of_range_are_refused(settings, code):
    with pytest.raises(ValueError, match=rf"\[spacy-rnn {code}\]"):
        batch_by_stream(**settings)


class CountingCorpus:
    """A corpus without end, which counts the documents that were read."""

    def __init__(self, n_tokens):
        self.n_tokens = n_tokens
        self.n_read = 0

    def __call__(self, nlp):
        while True:
            self.n_read += 1
            yield from make_examples([self.n_tokens], VOCAB)


def test_training_on_a_stream_reads_few_documents_ahead():
    corpus = CountingCorpus(100)
    batches = create_train_batches(None, corpus, batch_by_stream(8, 10), max_epochs=-1)
    for n_batches in range(1, 101):
        epoch, batch = next(batches)
        assert epoch == 0
        assert [len(example) for example in batch] == [10] * 8
        assert corpus.n_read * 100 <= n_batches * 80 + 8 * 100


def test_training_for_epochs_passes_over_all_documents_in_each():
    def corpus(nlp):
        return iter(make_examples([20, 0, 35, 7]))

    batches = list(create_train_batches(None, corpus, batch_by_stream(2, 5), max_epochs=3))
    for epoch in range(3):
        check_streams([20, 0, 35, 7], [batch for number, batch in batches if number == epoch])


def test_the_registered_batcher_is_built_by_a_config():
    config = {"@batchers": "spacy-rnn.batch_by_stream.v1", "n_streams": 2, "bptt": 3}
    batcher = registry.resolve({"batcher": config})["batcher"]
    assert [len(example) for example in next(batcher(make_examples([9, 9])))] == [3, 3]
