"""The search for the most probable texts."""

from itertools import product
from typing import Dict, List

import numpy
import pytest
from lm_helpers import make_lm

from spacy_rnn.models.vocabulary import END, UNKNOWN
from spacy_rnn.pipeline.language_model import RNNLanguageModel
from spacy_rnn.pipeline.reader import Reader

TINY = ["a b", "a b", "b a a", "b c"]


def all_texts(
    lm: RNNLanguageModel, max_length: int, prompt: str = "", stop: str = "?"
) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): Every text of a model of characters, and the mean log-probability
    of its units, each from reading the whole text anew."""
    reader, vocabulary = Reader(lm.model), lm.vocabulary
    read = [END, *(vocabulary.number(char) for char in prompt)]
    found: Dict[str, float] = {}

    def log_probs(units: List[int]) -> numpy.ndarray:
        reached = reader.read([*read, *units], None)
        return next(reader.log_probs(reached.H))[1][0].astype("float64")

    for length in range(max_length + 1):
        for units in product(range(2, len(vocabulary)), repeat=length):
            text = "".join(map(vocabulary.shown, units))
            steps = [log_probs(list(units[:i]))[unit] for i, unit in enumerate(units)]
            is_stopped = stop in text
            if is_stopped and stop in text[:-1]:
                continue
            if length < max_length and not is_stopped:
                steps.append(log_probs(list(units))[END])
            text = text.split(stop)[0]
            found[text] = max(float(numpy.mean(steps)), found.get(text, -numpy.inf))
    return found


@pytest.mark.parametrize(("prompt", "stop"), [("", "?"), ("b", "?"), ("", "b a"), ("a", "b")])
def test_a_wide_beam_finds_what_trying_all_texts_does(prompt: str, stop: str) -> None:
    lm = make_lm("char", TINY, n_steps=15)
    texts = all_texts(lm, 3, prompt, stop)
    best = sorted(texts, key=lambda text: -texts[text])
    docs = lm.generate(prompt, beam_width=200, n=8, max_length=3, stop=stop)
    assert [doc.text[len(prompt) :] for doc in docs] == best[:8]


def test_a_beam_finds_more_probable_texts_than_taking_the_best_unit_at_each_step() -> None:
    lm = make_lm("char", TINY, n_steps=15)
    texts = all_texts(lm, 4)
    greedy = lm.generate(temperature=0.0, max_length=4)[0].text
    found = [lm.generate(beam_width=width, max_length=4)[0].text for width in (2, 4, 400)]
    assert texts[greedy] <= texts[found[0]] <= texts[found[1]] <= texts[found[2]]
    assert texts[found[2]] == max(texts.values())


def test_texts_are_different_and_the_narrower_search_has_no_unknown_unit() -> None:
    lm = make_lm("word")
    docs = lm.generate("The", beam_width=6, n=6, max_length=12)
    texts = [doc.text for doc in docs]
    assert len(set(texts)) == 6
    assert all(text.startswith("The") for text in texts)
    assert lm.vocabulary.shown(UNKNOWN) not in " ".join(texts)
    assert texts[:2] == [doc.text for doc in lm.generate("The", beam_width=6, n=2, max_length=12)]


def test_a_search_gives_no_more_texts_than_there_are() -> None:
    lm = make_lm("char", ["a", "a", "b"], n_steps=5)
    texts = [doc.text for doc in lm.generate(beam_width=9, n=9, max_length=1)]
    assert sorted(texts) == ["", "a", "b"]
