"""The n-gram baseline: its probabilities, by hand and by definition, and its command."""

import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Dict, List, Sequence, Set, Tuple

import numpy
import pytest
from typer.testing import CliRunner

from benchmarks import kneser_ney
from benchmarks.kneser_ney import app, measure
from benchmarks.ngrams import KneserNey
from benchmarks.sotu import Symbols, Unit, read_parts

END, A, B, C, NEVER = range(5)
# "a b", "a b" and "a c"; there is a fifth symbol that they do not have.
SMALL = [[A, B, END], [A, B, END], [A, C, END]]


def trained(order: int) -> KneserNey:
    model = KneserNey(5, order, discount=0.75)
    model.fit(SMALL)
    return model


# By hand


def test_unigrams_are_as_worked_out_by_hand() -> None:
    # Of 9 symbols END is 3, a 3, b 2, c 1. Four different ones have lost 0.75 each; a fifth of
    # that, (4 * 0.75 / 9) / 5 = 1 / 15, goes to each of the five symbols.
    expected = [2.25 / 9, 2.25 / 9, 1.25 / 9, 0.25 / 9, 0.0]
    found = trained(1).distribution([])
    numpy.testing.assert_allclose(found, numpy.asarray(expected) + 1 / 15)
    numpy.testing.assert_allclose(trained(1).distribution([C, NEVER]), found)


# Five different bigrams: start a, a b, a c, b END, c END. END follows two symbols, a, b and c one;
# again four of them have lost 0.75, and 0.75 * 4 / 5 / 5 = 0.12 goes to each symbol.
BY_CONTINUATION = [1.25 / 5 + 0.12, 0.25 / 5 + 0.12, 0.25 / 5 + 0.12, 0.25 / 5 + 0.12, 0.12]


def test_bigrams_are_as_worked_out_by_hand() -> None:
    model = trained(2)
    numpy.testing.assert_allclose(BY_CONTINUATION, [0.37, 0.17, 0.17, 0.17, 0.12])
    # "a" occurs three times, before b twice and before c once: 2 * 0.75 / 3 = 0.5 is for all.
    after_a = [0.5 * 0.37, 0.5 * 0.17, 1.25 / 3 + 0.5 * 0.17, 0.25 / 3 + 0.5 * 0.17, 0.5 * 0.12]
    numpy.testing.assert_allclose(model.distribution([A]), after_a)
    # The start is followed by a, three times: 0.75 / 3 = 0.25 is for all.
    at_start = 0.25 * numpy.asarray(BY_CONTINUATION)
    at_start[A] += 2.25 / 3
    numpy.testing.assert_allclose(model.distribution([]), at_start)
    # What never occurs tells nothing.
    numpy.testing.assert_allclose(model.distribution([NEVER]), BY_CONTINUATION)


def test_trigrams_are_as_worked_out_by_hand() -> None:
    model = trained(3)
    # Among the different trigrams "a b" has one symbol before it, the start, and so has "a c".
    b_after_a = 0.25 / 2 + (2 * 0.75 / 2) * 0.17
    # "start a" occurs three times, with b twice and with c once.
    b_after_start_a = 1.25 / 3 + (2 * 0.75 / 3) * b_after_a
    assert model.distribution([A])[B] == pytest.approx(b_after_start_a)
    # "c a" does not occur, "a" does.
    assert model.distribution([C, A])[B] == pytest.approx(b_after_a)
    assert model.distribution([A, NEVER])[B] == pytest.approx(0.17)


def test_text_is_scored_as_worked_out_by_hand() -> None:
    a_at_start = 2.25 / 3 + 0.25 * 0.17
    b_after_a = 1.25 / 3 + 0.5 * 0.17
    end_after_b = 1.25 / 2 + 0.375 * 0.37
    expected = numpy.log2([a_at_start, b_after_a, end_after_b])
    numpy.testing.assert_allclose(trained(2).log2_probs([[A, B, END]]), expected)


# By definition


def by_definition(
    sequences: Sequence[Sequence[int]], n_symbols: int, order: int, discount: float
) -> Dict[Tuple[int, ...], List[float]]:
    """The distribution after each history of the sequences, with the formula taken at its word."""
    ngrams: Counter[Tuple[int, ...]] = Counter()
    before: Dict[Tuple[int, ...], Set[int]] = defaultdict(set)
    for sequence in sequences:
        padded = [n_symbols] * (order - 1) + list(sequence)
        for end in range(order, len(padded) + 1):
            ngrams[tuple(padded[end - order : end])] += 1
            for size in range(1, order):
                before[tuple(padded[end - size : end])].add(padded[end - size - 1])

    def count(gram: Tuple[int, ...]) -> int:
        return ngrams[gram] if len(gram) == order else len(before.get(gram, ()))

    def prob(history: Tuple[int, ...], symbol: int) -> float:
        lower = prob(history[1:], symbol) if history else 1 / n_symbols
        counts = [count((*history, other)) for other in range(n_symbols)]
        if not sum(counts):
            return lower
        n_types = sum(one > 0 for one in counts)
        kept = max(counts[symbol] - discount, 0.0)
        return (kept + discount * n_types * lower) / sum(counts)

    histories = {tuple(s[:end]) for s in sequences for end in range(len(s))}
    padding = (n_symbols,) * (order - 1)
    return {
        history: [prob((padding + history)[len(history) :], symbol) for symbol in range(n_symbols)]
        for history in histories
    }


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_are_those_of_the_definition(
    order: int, rng: numpy.random.RandomState
) -> None:
    sequences = [rng.randint(6, size=size).tolist() for size in (0, 1, 2, 9, 30, 30)]
    model = KneserNey(7, order, discount=0.6)
    model.fit(sequences)
    for history, expected in by_definition(sequences, 7, order, 0.6).items():
        numpy.testing.assert_allclose(model.distribution(history), expected)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_sum_to_one(order: int, rng: numpy.random.RandomState) -> None:
    sequences = [rng.zipf(1.5, size=50).clip(max=19).tolist() for _ in range(8)]
    model = KneserNey(25, order)
    model.fit(sequences)
    seen = [sequences[0][:end] for end in range(10)]
    unseen = [[24], [24, 23], [1, 24, 1], [24, 1, 1, 1], list(range(25))]
    for history in seen + unseen:
        probs = model.distribution(history)
        assert probs.sum() == pytest.approx(1.0)
        assert (probs > 0.0).all()


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_scores_are_the_logarithms_of_the_distributions(
    order: int, rng: numpy.random.RandomState
) -> None:
    model = KneserNey(9, order)
    model.fit([rng.randint(7, size=size).tolist() for size in (40, 3, 0, 20)])
    texts = [rng.randint(9, size=size).tolist() for size in (1, 0, 12)]
    expected = [
        math.log2(model.distribution(text[:i])[symbol])
        for text in texts
        for i, symbol in enumerate(text)
    ]
    numpy.testing.assert_allclose(model.log2_probs(texts), expected)


def test_more_of_the_history_helps_where_it_decides() -> None:
    texts = [[A, B, A, C, END]] * 20
    bits = []
    for order in (1, 2, 3):
        model = KneserNey(5, order)
        model.fit(texts)
        bits.append(-model.log2_probs(texts[:1]).sum())
    assert bits[0] > bits[1] > bits[2]


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 3, 0.75), "n_symbols=0"), ((5, 0, 0.75), "order=0"), ((5, 3, 1.5), "discount=1.5")],
)
def test_bad_arguments_are_named(arguments: Tuple[int, int, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KneserNey(*arguments)


@pytest.mark.parametrize("sequences", [[], [[]]])
def test_nothing_cannot_be_learned_from(sequences: List[List[int]]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        KneserNey(5).fit(sequences)


def test_symbols_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="from 1 to 5"):
        KneserNey(5).fit([[1, 5]])
    with pytest.raises(ValueError, match="from -1 to 1"):
        trained(2).log2_probs([[1, -1]])


def test_untrained_model_says_so() -> None:
    with pytest.raises(ValueError, match="fit"):
        KneserNey(5).log2_probs([[A]])
    with pytest.raises(ValueError, match="fit"):
        KneserNey(5).distribution([A])


# The command

TEXTS = {
    "train": [["the", "cat", "sat"], ["the", "cat", "ran"], ["the", "dog", "sat"]],
    "dev": [["the", "dog"]],
    "test": [["the", "cat", "flew", "away"], []],
}


def test_rare_words_are_unknown_and_each_text_has_an_end() -> None:
    symbols = Symbols(TEXTS["train"], min_count=2)
    assert len(symbols) == 5
    cat, sat, the = 2, 3, 4
    assert symbols.encode(["the", "dog", "sat", "cat"]) == [
        the,
        Symbols.UNKNOWN,
        sat,
        cat,
        Symbols.END,
    ]
    assert symbols.encode([]) == [Symbols.END]


def test_unknown_words_and_ends_are_scored() -> None:
    found = measure(TEXTS, order=2, discount=0.75, min_count=2)
    assert found["vocabulary"] == 5
    assert found["train"] == {"texts": 3, "units": 9}
    scores = found["scores"]["test"]
    counted = [scores[key] for key in ("texts", "units", "scored", "unknown")]
    assert counted == [2, 4, 6, 2]
    assert scores["perplexity"] == pytest.approx(2 ** (scores["bits"] / 6))
    assert scores["bits_per_unit"] == pytest.approx(scores["bits"] / 4)


@pytest.fixture
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(unit: Unit, *, lower: bool, keep_whitespace: bool) -> Dict[str, List[List[str]]]:
        return {name: list(part) for name, part in TEXTS.items()}

    monkeypatch.setattr(kneser_ney, "read_parts", read)


@pytest.mark.usefixtures("few_texts")
def test_command_prints_and_writes_the_figures(tmp_path: Path) -> None:
    path = tmp_path / "new" / "figures.json"
    run = CliRunner().invoke(app, ["--order", "2", "--min-count", "1", "--output", str(path)])
    assert run.exit_code == 0, run.output
    written = json.loads(path.read_text(encoding="utf-8"))
    assert (written["order"], written["unit"], written["min_count"]) == (2, "word", 1)
    assert list(written["scores"]) == ["dev", "test"]
    for figures in written["scores"].values():
        assert f"{figures['perplexity']:.2f}" in run.output


@pytest.mark.usefixtures("few_texts")
def test_dev_is_not_scored_if_it_is_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    run = CliRunner().invoke(app, ["--train-on-dev", "--output", str(path)])
    assert run.exit_code == 0, run.output
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["train"]["texts"] == 4
    assert list(written["scores"]) == ["test"]


@pytest.mark.parametrize("option", ["--order=0", "--discount=2", "--min-count=0", "--unit=line"])
def test_command_refuses_bad_options(option: str) -> None:
    assert CliRunner().invoke(app, [option]).exit_code == 2


# The addresses


@pytest.mark.slow
def test_words_of_the_addresses_are_as_many_as_their_readme_says(readme: str) -> None:
    parts = read_parts()
    for name, part in parts.items():
        n_words = sum(len(text) for text in part)
        assert f"| {name} | {len(part)} | {n_words:,} |" in readme
        assert not any(word.isspace() for text in part for word in text)
    figures = measure(parts, order=3, discount=0.75, min_count=3)
    assert f"{figures['vocabulary']:,} symbols" in readme
    assert figures["scores"]["test"]["perplexity"] == pytest.approx(113.70, abs=0.005)
    assert figures["scores"]["dev"]["perplexity"] == pytest.approx(127.97, abs=0.005)
    assert "| 127.97 | 113.70 |" in readme


@pytest.mark.slow
def test_characters_of_the_addresses_are_scored_as_their_readme_says(readme: str) -> None:
    figures = measure(read_parts(Unit.char), order=6, discount=0.75, min_count=3)
    bits = [figures["scores"][name]["bits_per_unit"] for name in ("dev", "test")]
    assert "| {:.3f} | {:.3f} |".format(*bits) in readme


@pytest.fixture
def readme() -> str:
    return (Path(__file__).parents[2] / "assets" / "README.md").read_text(encoding="utf-8")
