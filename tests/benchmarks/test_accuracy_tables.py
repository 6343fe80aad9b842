"""The comparison by accuracy: means, bars, tables, and the page."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

from benchmarks.accuracy import write_page
from benchmarks.accuracy_bars import SETS, is_best, judge, summarize
from benchmarks.accuracy_sets import TIME
from benchmarks.accuracy_systems import DEFAULT, SPACY, SYSTEMS, TFIDF, WITH_LATENT
from benchmarks.accuracy_tables import budget_table, fill_page, tables_of

PLACE = "before\n<!-- accuracy -->\nold\n<!-- end of accuracy -->\nafter\n"


def result(
    name: str, accuracy: float, data_set: str = "mr", seed: int = 0, **more: Any
) -> Dict[str, Any]:
    return {
        "set": data_set,
        "n_labels": 0,
        "system": name,
        "seed": seed,
        "setup": "one",
        "finished": "2020-01-01",
        "accuracy": accuracy,
        "macro_f": accuracy - 0.1,
        "minutes": 1.5,
        "train_words_per_second": 12345.0,
        "words_per_second": 54321.0,
        "mb": 6.7,
        **more,
    }


def value_of(bars: List[Dict[str, Any]], what: str) -> Optional[float]:
    (found,) = [bar["value"] for bar in bars if bar["what"] == what]
    return found


# Means


def test_means_and_deviations_are_those_of_the_seeds() -> None:
    runs = [result(SPACY, a, seed=i) for i, a in enumerate((0.7, 0.8, 0.9))]
    found = summarize(runs)["mr"]["all"][SPACY]
    assert found["runs"] == 3
    assert found["mean"]["accuracy"] == pytest.approx(0.8)
    assert found["deviation"]["accuracy"] == pytest.approx(0.1)
    assert (found["min"], found["max"]) == (0.7, 0.9)
    assert found["mean"]["minutes"] == 1.5
    assert found["mean"]["epochs"] is None
    assert summarize(runs[:1])["mr"]["all"][SPACY]["deviation"]["accuracy"] == 0.0


def test_runs_of_an_earlier_setup_are_left_out() -> None:
    runs = [
        result(SPACY, 0.5, seed=0, setup="new", finished="2020-01-03"),
        result(SPACY, 0.9, seed=1, setup="old", finished="2020-01-02"),
        result(SPACY, 0.6, seed=2, setup="new", finished="2020-01-01"),
    ]
    summary = summarize(runs)
    found = summary["mr"]["all"][SPACY]
    assert (found["runs"], found["outdated"]) == (2, 1)
    assert found["mean"]["accuracy"] == pytest.approx(0.55)
    (table,) = tables_of({"sets": summary, "machine": machine()})
    assert "1 runs of earlier setups are left out." in table.notes


# Bars


@pytest.mark.parametrize(("peer", "best"), [(0.79, True), (0.805, True), (0.85, False)])
def test_the_default_is_best_or_within_the_spread(peer: float, best: bool) -> None:
    runs = [result(DEFAULT, a, seed=i) for i, a in enumerate((0.79, 0.80, 0.81))]
    by_name = summarize([*runs, result(SPACY, peer)])["mr"]["all"]
    assert is_best(by_name[DEFAULT], by_name[SPACY]) is best


def test_sets_are_counted_on_which_the_default_is_best() -> None:
    runs = []
    for data_set, peer in zip(SETS, (0.1, 0.1, 0.1, 0.1, 0.9)):
        runs += [result(DEFAULT, 0.5, data_set), result(SPACY, peer, data_set)]
    what = judge(summarize(runs))[0]["what"]
    # Our other systems are no peers.
    runs += [result("rnn-gru", 0.99, data_set) for data_set in SETS]
    assert value_of(judge(summarize(runs)), what) == 4.0
    assert judge(summarize(runs))[0]["met"] is True
    # Three of the four that there are: the last could still be one.
    runs = [found for found in runs if found["set"] != SETS[0]]
    assert value_of(judge(summarize(runs)), what) is None


def test_accuracies_are_judged_in_per_cent() -> None:
    bars = judge(summarize([result(DEFAULT, 0.7804), result(DEFAULT, 0.97, "r8")]))
    assert value_of(bars, f"mr, {DEFAULT}") == pytest.approx(78.04)
    met = {bar["what"]: bar["met"] for bar in bars}
    assert met[f"mr, {DEFAULT}"] is True
    assert met[f"r8, {DEFAULT}"] is False
    assert met[f"imdb, {DEFAULT}"] is None


def test_latent_vectors_are_compared_with_the_best_peer() -> None:
    runs = [
        result(WITH_LATENT, 0.75, n_labels=100),
        result(TFIDF, 0.66, n_labels=100),
        result(SPACY, 0.60, n_labels=100),
        result("rnn-gru", 0.74, n_labels=100),
        result(SPACY, 0.99),
    ]
    what = f"mr, 100 labels, {WITH_LATENT}, more than the best peer"
    assert value_of(judge(summarize(runs)), what) == pytest.approx(9.0)


def test_times_are_those_of_the_same_sentences() -> None:
    runs = [result(DEFAULT, 0.7, TIME, minutes=1.0), result(DEFAULT, 0.7, TIME, minutes=1.5)]
    runs.append(result(SPACY, 0.7, TIME, minutes=2.5))
    what = f"{DEFAULT} trained on 10,000 sentences"
    bars = judge(summarize(runs))
    assert value_of(bars, what) == pytest.approx(75.0)
    assert value_of(bars, f"{what}, by the time of {SPACY}") == pytest.approx(0.5)


def test_nothing_is_judged_that_was_not_measured() -> None:
    assert all(bar["met"] is None for bar in judge({}))


# Tables and page


def machine() -> Dict[str, Any]:
    return {"cpu": "a CPU", "cores": 2, "numpy_blas": ["openblas 0.3"], "torch": "2"}


@pytest.fixture
def results() -> Dict[str, Any]:
    runs = [result(DEFAULT, a, seed=i) for i, a in enumerate((0.77, 0.78, 0.82))]
    runs += [result(TFIDF, 0.75), result(SPACY, 0.76, train_words_per_second=None)]
    runs += [result(TFIDF, 0.6, n_labels=100), result(TFIDF, 0.9, "sentences")]
    summary = summarize(runs)
    return {"sets": summary, "bars": judge(summary), "machine": machine(), "runs": runs}


def test_there_is_a_table_for_each_set_and_number_of_labels(results: Dict[str, Any]) -> None:
    tables = tables_of(results)
    titles = [table.title for table in tables]
    assert titles[0].startswith("Sentiment")
    assert titles[1:] == [
        "MR, sentences of film reviews",
        "MR, sentences of film reviews, 100 labelled texts",
    ]
    names = [row[0] for row in tables[1].rows]
    assert names == [name for name in SYSTEMS if name in (TFIDF, SPACY, DEFAULT)]
    assert tables[1].rows[-1] == [
        DEFAULT, "79.0 ± 2.6", "69.0 ± 2.6", "1.5", "12,345", "54,321", "6.7", "3",
    ]  # fmt: skip
    assert tables[1].rows[0][1] == "75.0"
    assert tables[1].rows[1][4] == "-"
    assert any("a CPU" in note for note in tables[-1].notes)


def test_the_page_gets_bars_and_tables(results: Dict[str, Any]) -> None:
    filled = fill_page(PLACE, results)
    assert filled.startswith("before\n<!-- accuracy -->\n**Bars**")
    assert filled.endswith("<!-- end of accuracy -->\nafter\n")
    assert "old" not in filled
    assert "| rnn_textcat | 79.0 ± 2.6 |" in filled
    assert fill_page(filled, results) == filled
    with pytest.raises(ValueError, match="no place"):
        fill_page("a page", results)


def test_the_page_of_the_docs_has_a_place(results: Dict[str, Any]) -> None:
    page = Path(__file__).parents[2] / "docs" / "accuracy.md"
    assert "| rnn_textcat | 79.0 ± 2.6 |" in fill_page(page.read_text("utf8"), results)


def test_the_page_tells_systems_and_budgets(results: Dict[str, Any]) -> None:
    filled = fill_page(PLACE, results)
    for row in budget_table().rows:
        assert f"| {' | '.join(row)} |" in filled
    for name, system in SYSTEMS.items():
        assert f"| {name} | {system.group} | {system.about} |" in filled


def test_a_picture_is_drawn_beside_the_page(results: Dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page = tmp_path / "page.md"
    page.write_text(PLACE, encoding="utf8")
    write_page(json.loads(json.dumps(results)), page)
    assert (tmp_path / "accuracy.png").read_bytes()[:4] == b"\x89PNG"
    # One panel, and none at all.
    write_page({**results, "sets": {"mr": {"all": results["sets"]["mr"]["all"]}}}, page)
    write_page({**results, "sets": {}}, page)
