"""What it costs to spell an unknown unit."""

import math

import pytest

from spacy_rnn.models.spelling import N_CODE_POINTS, Spelling

RARE = {"ab": 7, "b\U0001f600": 1, "": 2}  # "" is a type too


@pytest.mark.parametrize("rare", [{}, RARE])
def test_the_probabilities_of_all_characters_and_the_end_sum_to_1(rare):
    spelling = Spelling.of(rare)
    end = 2.0 ** -spelling.bits("")
    seen = sorted(set("".join(rare)))
    of_seen = [2.0 ** -(spelling.bits(char) - spelling.bits("")) for char in seen]
    unseen = {2.0 ** -(spelling.bits(chr(i)) - spelling.bits("")) for i in (0, 0xD800, 0x10FFFF)}
    assert max(unseen) == pytest.approx(min(unseen))
    total = end + sum(of_seen) + (N_CODE_POINTS - len(seen)) * max(unseen)
    assert total == pytest.approx(1.0, rel=1e-6)


def test_each_type_counts_once_whatever_its_frequency():
    assert Spelling.of(RARE).counts == {"": 3, "a": 1, "b": 2, "\U0001f600": 1}
    # Seven observations, and one for what has not been seen.
    assert Spelling.of(RARE).bits("") == pytest.approx(-math.log2(3 / 8), abs=1e-5)


def test_the_characters_and_the_end_are_added_up():
    spelling = Spelling.of(RARE)
    one = [spelling.bits(char) - spelling.bits("") for char in "ba"]
    assert spelling.bits("ba") == pytest.approx(sum(one) + spelling.bits(""))
    assert spelling.bits("b") < spelling.bits("a") < spelling.bits("z")


def test_without_any_rare_unit_all_characters_cost_the_same():
    spelling = Spelling({})
    assert spelling.bits("a") == pytest.approx(2 * math.log2(N_CODE_POINTS + 1))
