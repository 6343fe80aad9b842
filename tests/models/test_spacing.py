"""Where spaces stand between words."""

from typing import List

import pytest
import spacy

from spacy_rnn.models.spacing import FIELDS, Spaces, Spacing
from spacy_rnn.models.vocabulary import Vocabulary
from spacy_rnn.pipeline.joining import make_joiner

NLP = spacy.blank("en")
SENTENCES = [
    '"Go away," he said, "or I\'ll call them."',
    'She said "no" (twice), didn\'t she?',
    "It costs $5.50, not $6 [sic]; that's 20% less!",
    "They can't do it: we won't.",
    "A well-known (and much-loved) cat sat -- quietly -- on the mat.",
    'He wrote: "The cat\'s mat".',
    "We've seen a dog at No. 5, haven't we?",
    "(It wasn't the dog.)",
    '"Who?"',
]


def learned(texts: List[str]) -> Vocabulary:
    return Vocabulary.learn("word", [NLP.make_doc(text) for text in texts], min_freq=1)


def joined(vocabulary: Vocabulary, words: List[str], prompt: str = "") -> str:
    """RETURNS (str): What these words add to a prompt."""
    assert all(word in vocabulary for word in words), words
    joiner = make_joiner(vocabulary, NLP.make_doc(prompt))
    return "".join(joiner.add(vocabulary.number(word)) for word in words)


@pytest.mark.parametrize("text", SENTENCES)
def test_the_words_of_a_sentence_are_joined_as_they_stood(text: str) -> None:
    words = [token.text for token in NLP.make_doc(text)]
    assert joined(learned(SENTENCES), words) == text


@pytest.mark.parametrize(
    "text",
    [
        '"$20," she wrote (to the dog), "don\'t go."',
        'They\'ve seen "the dog": a much-known (and loved) "cat".',
        "We can't call [the dog] $6.",
        "twice that mat -- it costs 20%, he said.",
    ],
)
def test_words_are_joined_where_they_never_stood_together(text: str) -> None:
    vocabulary = learned([*SENTENCES, "to $ 20 wrote do go loved that"])
    assert joined(vocabulary, [token.text for token in NLP.make_doc(text)]) == text


@pytest.mark.parametrize(
    ("prompt", "words", "expected"),
    [
        ("", ['"', "no", '"', "."], '"no".'),
        ("He said", ['"', "no", '"', "."], ' "no".'),
        ("He said ", ['"', "no", '"', "."], '"no".'),
        ('He said "', ["no", '"', "he", "said"], 'no" he said'),
        ('He said "no', ['"', "he"], '" he'),
        ('He said "no"', ["he", '"', "no"], ' he "no'),
        ("He said $", ["5.50"], "5.50"),
        ("an unseen", ["dog", ".", "It"], " dog. It"),
        ("unseen$", ["dog"], " dog"),
        ('It "\n', ["It", '"', "no"], 'It "no'),  # no quotation goes on in another paragraph
        ("It\n", ["It"], "It"),
        ("It  ", ["It"], "It"),
    ],
)
def test_what_follows_a_prompt_depends_on_it(prompt: str, words: List[str], expected: str) -> None:
    assert joined(learned(SENTENCES), words, prompt) == expected


def test_whitespace_among_words_needs_no_spaces() -> None:
    texts = ["It was.\n\nIt was.", "It was:\n\tIt was.", "It  was."]
    for text in texts:
        words = [token.text for token in NLP.make_doc(text)]
        assert joined(learned(texts), words) == text


def test_a_hyphen_has_spaces_on_both_sides_or_on_none() -> None:
    vocabulary = learned(["A well-known one-off cat-like off-hand dog - a cat - sat."])
    assert joined(vocabulary, ["dog", "-", "cat"]) == "dog-cat"  # most often it is a hyphen
    assert joined(vocabulary, ["cat"], "the dog -") == " cat"


def test_a_word_that_stood_before_commas_alone_has_a_space_before_other_words() -> None:
    vocabulary = learned(["red, red, red, red, red, green"] * 5)
    assert joined(vocabulary, ["red", "green", "red", "red", ","]) == "red green red red,"


def test_the_space_before_a_contraction_is_missed_by_none_but_it() -> None:
    vocabulary = learned(["they didn't and didn't and didn't go"] * 5)
    assert joined(vocabulary, ["did", "n't", "did", "go"]) == "didn't did go"


def test_words_that_are_parts_of_one_stick_together() -> None:
    assert joined(learned(["we cannot"] * 3), ["we", "can", "not"]) == "we cannot"


def test_an_added_word_has_spaces_beside_it() -> None:
    vocabulary = learned(SENTENCES).grown(["zebra"])
    assert joined(vocabulary, ["the", "zebra", "sat", "(", "zebra"]) == "the zebra sat (zebra"


def test_places_are_counted_by_the_spaces_beside_them() -> None:
    spaces = Spaces()
    spaces.add(["do", "n't", "go", ",", '"', "he"], [False, True, False, False, False, False])
    # No space; one behind; one before; both.
    assert spaces.counts == {
        "do": [0, 0, 0, 1],  # not its fault
        "n't": [0, 1, 0, 0],
        "go": [0, 0, 0, 1],
        ",": [0, 1, 0, 0],
        '"': [1, 0, 0, 0],
        "he": [0, 0, 0, 1],  # nor here; the end of a doc is like a space
    }
    spaces.add([], [])
    spaces.add(["go"], [False])
    assert spaces.counts["go"] == [0, 0, 0, 2]


def test_plain_data_and_back() -> None:
    spacing = learned(SENTENCES).spacing
    data = spacing.to_dict()
    assert set(data) == set(FIELDS)
    assert all(data[field] for field in FIELDS)
    assert Spacing.from_dict(data).to_dict() == data
    assert not any(Spacing().to_dict().values())
