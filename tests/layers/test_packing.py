import numpy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from spacy_rnn.layers.packing import Packing, reversal_index

LENGTHS = st.lists(st.integers(0, 7), max_size=8)


@given(LENGTHS, st.booleans(), st.integers(1, 20))
def test_each_row_is_read_once_and_in_order(lengths, reverse, max_rows):
    packing = Packing(lengths)
    seen = []
    position = dict.fromkeys(range(len(lengths)), 0)
    sequence_of = numpy.repeat(numpy.arange(len(lengths)), lengths)
    starts = numpy.cumsum(lengths) - lengths
    for segment in packing.segments(max_rows):
        assert segment.n_rows <= max(max_rows, segment.sizes[0])
        for row in segment.index(reverse).tolist():
            i = sequence_of[row]
            step = position[i]
            offset = lengths[i] - 1 - step if reverse else step
            assert row == starts[i] + offset
            position[i] += 1
            seen.append(row)
    assert sorted(seen) == list(range(sum(lengths)))


@given(LENGTHS)
def test_sizes_shrink_and_add_up(lengths):
    segment = Packing(lengths).whole()
    assert segment.sizes.tolist() == sorted(segment.sizes.tolist(), reverse=True)
    assert segment.sizes.sum() == sum(lengths)
    assert segment.sizes.tolist() == [
        sum(length > t for length in lengths) for t in range(max(lengths, default=0))
    ]


@given(LENGTHS)
def test_previous_rows_lead_back_to_the_initial_state(lengths):
    segment = Packing(lengths).whole()
    previous, ranks = segment.previous_rows(), segment.row_ranks
    for row, before in enumerate(previous.tolist()):
        if before < segment.n_running:
            assert before == ranks[row]
        else:
            assert ranks[before - segment.n_running] == ranks[row]


@given(LENGTHS)
def test_reversal_is_its_own_inverse_and_stays_within_sequences(lengths):
    index = reversal_index(lengths)
    assert_array_equal(index[index], numpy.arange(sum(lengths)))
    start = 0
    for length in lengths:
        expected = numpy.arange(start, start + length)[::-1]
        assert_array_equal(index[start : start + length], expected)
        start += length
