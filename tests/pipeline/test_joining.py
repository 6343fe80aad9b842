"""From units back to text. How words are joined is tested with `spacy_rnn.models.spacing`."""

from typing import List

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn.models.vocabulary import END, UNITS, UNKNOWN, Vocabulary
from spacy_rnn.pipeline.joining import (
    bytes_in,
    cut_at_stop,
    make_joiner,
    may_follow,
    prompt_units,
    until_stop,
)

NLP = spacy.blank("en")
TEXTS = ['The "cat" sat; it didn\'t run.\n', "a  b 中 \U0001f600 é", "It costs $5 (or so)."]
VOCABULARIES = {
    kind: Vocabulary.learn(kind, [NLP.make_doc(text) for text in TEXTS], min_freq=1)
    for kind in UNITS
}
# Few characters, so that stops are met.
FEW = st.text("abc", max_size=8)


@given(pieces=st.lists(FEW), stops=st.lists(st.text("abc", min_size=1, max_size=4), max_size=3))
def test_a_text_ends_where_the_first_of_the_stops_begins(
    pieces: List[str], stops: List[str]
) -> None:
    text = "".join(pieces)
    found = list(until_stop(iter(pieces), stops))
    # A stop is seen when the piece that completes it comes; what comes after it is not read.
    read = ""
    for piece in pieces:
        read += piece
        if any(stop in read for stop in stops):
            break
    places = [read.find(stop) for stop in stops if stop in read]
    expected = read[: min(places)] if places else text
    assert "".join(found) == expected == cut_at_stop(read, stops)
    assert all(found)


def test_no_more_is_held_back_than_may_be_the_beginning_of_a_stop() -> None:
    found = []
    given = iter(["abcd", "ef", "x", "fg", "h", "i"])
    for piece in until_stop(given, ["fgh", "zz"]):
        found.append(piece)
    assert found == ["ab", "cd", "e", "fx"]
    assert list(given) == ["i"]


def test_without_stops_pieces_come_as_they_are() -> None:
    assert list(until_stop(iter(["ab", "", "c"]), [])) == ["ab", "c"]


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("cut", [0, 1, 3])
def test_a_prompt_and_what_follows_it_are_the_text(kind: str, text: str, cut: int) -> None:
    vocabulary, doc = VOCABULARIES[kind], NLP.make_doc(text)
    prompt = doc[:cut].as_doc()
    units = vocabulary.encode(doc).ids.tolist()
    read = prompt_units(vocabulary, prompt)
    assert units[: len(read)] == read
    joiner = make_joiner(vocabulary, prompt)
    assert prompt.text + "".join(map(joiner.add, units[len(read) :])) == text
    allowed = may_follow(vocabulary, prompt)
    assert allowed is None or allowed[[*units[len(read) :], END][0]]


@pytest.mark.parametrize("kind", UNITS)
@pytest.mark.parametrize(
    "prompt", ["", "The", "The ", "The  ", "The\n", "The \n", " ", "\n ", "it "]
)
def test_behind_the_space_of_a_prompt_a_subword_begins_a_token(kind: str, prompt: str) -> None:
    vocabulary, doc = VOCABULARIES[kind], NLP.make_doc(prompt)
    allowed = may_follow(vocabulary, doc)
    # Further spaces and line breaks are tokens, which anything may follow.
    if kind != "subword" or prompt not in ("The ", "it "):
        assert allowed is None
        return
    assert allowed is not None
    assert allowed.shape == (len(vocabulary),)
    assert (allowed[END], allowed[UNKNOWN]) == (True, False)
    for number, unit in enumerate(vocabulary.units, start=2):
        assert allowed[number] == (bytes_in(unit)[:1] == b" ")


def test_a_subword_needs_no_second_space_behind_a_prompt_that_ends_in_one() -> None:
    vocabulary = VOCABULARIES["subword"]
    numbers = [vocabulary.number(unit) for unit in vocabulary.units if unit.startswith("Ġs")][:1]
    shown = vocabulary.shown(numbers[0])[1:]
    for prompt, expected in [
        ("The", f" {shown}"),
        ("The ", shown),
        ("The  ", f" {shown}"),  # the second one is a token by itself
        ("", f" {shown}"),
        ("\n", f" {shown}"),
    ]:
        assert make_joiner(vocabulary, NLP.make_doc(prompt)).add(numbers[0]) == expected


def test_parts_of_a_character_are_shown_when_it_is_complete() -> None:
    vocabulary = VOCABULARIES["subword"]
    byte = {char: vocabulary.number(char) for char in "ðŁĺĢÃ"}
    joiner = make_joiner(vocabulary, NLP.make_doc(""))
    assert [joiner.add(byte[char]) for char in "ðŁĺĢ"] == ["", "", "", "\U0001f600"]
    # What will never be one is shown as such.
    assert joiner.add(byte["Ã"]) == ""
    assert joiner.add(vocabulary.number("a")) == "\ufffda"


@pytest.mark.parametrize("kind", UNITS)
def test_a_copy_goes_its_own_way(kind: str) -> None:
    vocabulary = VOCABULARIES[kind]
    doc = NLP.make_doc('The "cat" sat')
    joiner = make_joiner(vocabulary, NLP.make_doc(""))
    units = vocabulary.encode(doc).ids.tolist()
    texts = [joiner.add(unit) for unit in units[:2]]
    twin = joiner.copy()
    twin.add(units[0])
    texts += [joiner.add(unit) for unit in units[2:]]
    assert "".join(texts) == doc.text


@pytest.mark.parametrize("kind", UNITS)
def test_what_is_copied_is_text(kind: str) -> None:
    vocabulary = VOCABULARIES[kind]
    joiner = make_joiner(vocabulary, NLP.make_doc(""))
    assert joiner.take("Kä".encode()) == "Kä"
    # A subword of another vocabulary: its letters stand for bytes, that of a space too.
    piece = "ĠÃ¤s"
    assert joiner.take(bytes_in(piece)) == " äs"
    if kind == "word":
        # The space is between words, not of the piece.
        bracket = vocabulary.number("(")
        assert joiner.add(bracket) + joiner.take(b"Zed") + joiner.add(vocabulary.number(")")) == (
            " (Zed)"
        )
