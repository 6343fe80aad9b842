"""The comparison by accuracy: what is done, what is done again, and when it stops."""

import json
import shutil
from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from typer.testing import CliRunner

from benchmarks import accuracy, accuracy_runs
from benchmarks.accuracy import app, parse_seeds
from benchmarks.accuracy_runs import (
    Places,
    Run,
    TrainingError,
    do_run,
    expected_seconds,
    find_result,
    read_results,
    setup_digest,
    training_speed,
)
from benchmarks.accuracy_sets import BUDGETS
from benchmarks.accuracy_systems import DEFAULT, SPACY, SYSTEMS, TFIDF

TEXTS = ["a good and clever film", "a dull and clumsy film", "good fun", "no fun at all"]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Two small data sets, and nothing done."""
    nlp = spacy.blank("en")
    for name in ("sentences", "mr"):
        for part, n in (("train", 40), ("dev", 8), ("test", 12)):
            docs = [nlp.make_doc(f"{TEXTS[i % 4]}, number {i}.") for i in range(n)]
            for i, doc in enumerate(docs):
                doc.cats = {"GOOD": float(i % 2 == 0), "BAD": float(i % 2 == 1)}
            folder = tmp_path / "corpus" / name
            folder.mkdir(parents=True, exist_ok=True)
            DocBin(docs=docs).to_disk(folder / f"{part}.spacy")
    return Places(tmp_path / "corpus", tmp_path / "metrics" / "accuracy", tmp_path / "work")


def options(places: Places, *more: str) -> List[str]:
    output = str(places.results.with_suffix(".json"))
    folders = ["--corpus", str(places.corpus), "--work", str(places.work), "--output", output]
    return [*folders, "--no-page", *more]


def succeed(places: Places, *more: str) -> str:
    result = CliRunner().invoke(app, options(places, *more))
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def fake(monkeypatch: pytest.MonkeyPatch, **figures: Any) -> List[str]:
    """Let runs cost nothing. RETURNS: The titles of those that are done."""
    done: List[str] = []
    found = {"accuracy": 0.75, "macro_f": 0.75, "words_per_second": 1e4, "mb": 1.0, **figures}

    def train(run: Run, data: Any, folder: Path) -> Dict[str, Any]:
        done.append(run.title)
        folder.mkdir(parents=True)
        return {"epochs": 1, "train_words_per_second": 1e4}

    def train_linear(data: Any) -> Dict[str, Any]:
        done.append(f"{data.name}, {TFIDF}")
        return {**found, "train_words_per_second": 1e5}

    monkeypatch.setattr(accuracy_runs, "train_pipeline", train)
    monkeypatch.setattr(accuracy_runs, "score_pipeline", lambda model, test: found)
    monkeypatch.setattr(accuracy_runs, "train_linear", train_linear)
    return done


# Figures that are kept


def test_runs_behind_the_page_are_not_done_again(
    places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = fake(monkeypatch)
    page = tmp_path / "page.md"
    page.write_text("<!-- accuracy -->\n<!-- end of accuracy -->", "utf8")
    chosen = ["--sets", "sentences", "--systems", f"{TFIDF},{DEFAULT}", "--page", str(page)]
    with_page = [option for option in options(places, *chosen) if option != "--no-page"]
    for n_done in (4, 4):
        result = CliRunner().invoke(app, with_page)
        assert result.exit_code == 0, result.output
        assert len(done) == n_done
        # Those of the folder are lost; the page keeps its own.
        shutil.rmtree(places.results, ignore_errors=True)
    kept = json.loads(page.with_suffix(".json").read_text("utf8"))["runs"]
    assert {(run["system"], run["seed"]) for run in kept} == {
        (TFIDF, 0),
        *((DEFAULT, seed) for seed in range(3)),
    }
    assert DEFAULT in page.read_text("utf8")


def test_of_a_run_that_was_done_twice_the_later_one_counts(places: Places, tmp_path: Path) -> None:
    row = {"set": "mr", "n_labels": 0, "system": DEFAULT, "seed": 0, "setup": "a"}
    rows = [{**row, "finished": day, "accuracy": value} for day, value in (("2", 0.2), ("1", 0.1))]
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps({"runs": rows[:1]}), "utf8")
    file = Run("mr", 0, DEFAULT, 0).file(places)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(rows[1]), "utf8")
    assert [run["accuracy"] for run in read_results(places._replace(kept=kept))] == [0.2]


# Trainings


def test_a_training_is_scored_written_and_cleared_away(places: Places) -> None:
    names = f"{TFIDF},{DEFAULT}"
    output = succeed(places, "--sets=sentences", f"--systems={names}", "--seeds=1", "--max-steps=6")
    assert "2 runs: 0 done before, 2 to do" in output
    found = json.loads((places.results / f"sentences/all/{DEFAULT}/1.json").read_text("utf8"))
    assert found["steps"] == 6
    assert found["train_words"] > 6 * 20
    assert 0.0 <= found["macro_f"] <= found["accuracy"] <= 1.0
    assert found["mb"] > 1.0
    assert not list(places.work.rglob("model-best"))
    linear = json.loads((places.results / f"sentences/all/{TFIDF}/1.json").read_text("utf8"))
    assert linear["accuracy"] == 1.0  # "good", "fun" and "dull" tell all
    figures = json.loads(places.results.with_suffix(".json").read_text("utf8"))
    assert list(figures["sets"]["sentences"]["all"]) == [TFIDF, DEFAULT]
    assert all(bar["met"] is None for bar in figures["bars"])


@pytest.mark.slow
def test_a_training_that_fails_is_told_and_the_others_go_on(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = SYSTEMS["textcat-bow"]._replace(overrides={"components.textcat.factory": "no_such"})
    monkeypatch.setitem(SYSTEMS, "textcat-bow", system)
    names = f"{TFIDF},textcat-bow"
    arguments = options(places, "--sets=sentences,mr", "--seeds=0", f"--systems={names}")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "sentences, textcat-bow, seed 0: the training failed" in " ".join(result.output.split())
    assert "no_such" in result.output
    assert (places.results / f"mr/all/{TFIDF}/0.json").exists()
    assert not (places.results / "mr/all/textcat-bow").exists()
    with pytest.raises(TrainingError, match="no_such"):
        do_run(Run("mr", 0, "textcat-bow", 0), places)


def test_trained_pipelines_can_be_kept(places: Places) -> None:
    found = do_run(Run("mr", 10, "textcat-bow", 2, max_steps=3), places, keep=True)
    assert found["n_labels"] == 10
    nlp = spacy.load(places.work / "mr" / "10" / "textcat-bow" / "2" / "model-best")
    assert set(nlp("good").cats) == {"GOOD", "BAD"}


def test_speed_is_that_of_steps_without_evaluations() -> None:
    rows = [
        {"words": 10, "words_per_second": None},
        {"words": 110, "words_per_second": 100.0},
        {"words": 120, "words_per_second": None},
        {"words": 420, "words_per_second": 300.0},
    ]
    assert training_speed(rows) == pytest.approx(400 / 2)
    assert training_speed(rows[:1]) is None


# What is done, and what again


def test_what_is_done_is_not_done_again(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    done = fake(monkeypatch)
    arguments = ["--sets=mr", f"--systems={TFIDF},{SPACY}", "--seeds=0,1"]
    output = succeed(places, *arguments)
    # There is no chance in logistic regression.
    assert done == [f"mr, {TFIDF}", f"mr, {SPACY}, seed 0", f"mr, {SPACY}, seed 1"]
    assert "75.0 ± 0.0" in output
    done.clear()
    assert "3 runs: 3 done before, 0 to do" in succeed(places, *arguments)
    assert done == []
    (places.results / f"mr/all/{SPACY}/1.json").unlink()
    succeed(places, *arguments)
    assert done == [f"mr, {SPACY}, seed 1"]
    done.clear()
    succeed(places, *arguments, "--fresh")
    assert len(done) == 3


def test_what_was_interrupted_leaves_no_result(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(accuracy_runs, "train_linear", interrupt)
    with pytest.raises(KeyboardInterrupt):
        do_run(Run("mr", 0, TFIDF, 0), places)
    assert not list(places.results.rglob("*"))


@pytest.mark.parametrize("name", [SPACY, DEFAULT, "textcat-cnn"])
def test_other_settings_make_another_setup(
    name: str, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run("mr", 0, name, 0)
    digests = [setup_digest(run, places)]
    assert setup_digest(run._replace(seed=5), places) == digests[0]
    digests.append(setup_digest(run._replace(n_labels=10), places))
    digests.append(setup_digest(run._replace(data_set="sentences"), places))
    with monkeypatch.context() as patch:
        budget = BUDGETS["mr"]._replace(epochs=99)
        patch.setitem(BUDGETS, "mr", budget)
        digests.append(setup_digest(run, places))
    with monkeypatch.context() as patch:
        changed = SYSTEMS[name]._replace(overrides={"training.dropout": 0.123})
        patch.setitem(SYSTEMS, name, changed)
        digests.append(setup_digest(run, places))
    (places.corpus / "mr" / "dev.spacy").write_bytes(b"other")
    digests.append(setup_digest(run, places))
    # The two sets of this test have the same texts, but not the same budget.
    assert len(set(digests)) == len(digests)


def test_a_setup_has_the_defaults_of_the_factory(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run("mr", 0, DEFAULT, 0)
    before = setup_digest(run, places)
    meta = Language.get_factory_meta("rnn_textcat")
    monkeypatch.setitem(meta.default_config, "label_smoothing", 0.07)
    assert setup_digest(run, places) != before


def test_a_setup_has_what_the_system_needs(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = tmp_path / "lm-mr-all"
    needed.mkdir()
    (needed / "model").write_bytes(b"one")
    system = SYSTEMS[SPACY]._replace(needs=(str(tmp_path / "lm-{set}-{labels}"),))
    monkeypatch.setitem(SYSTEMS, SPACY, system)
    before = setup_digest(Run("mr", 0, SPACY, 0), places)
    (needed / "more").write_bytes(b"two")
    assert setup_digest(Run("mr", 0, SPACY, 0), places) != before


def test_a_changed_setup_is_run_again(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    done = fake(monkeypatch)
    run = Run("mr", 0, SPACY, 0)
    do_run(run, places)
    assert find_result(run, places) is not None
    monkeypatch.setitem(BUDGETS, "mr", BUDGETS["mr"]._replace(patience=1))
    assert find_result(run, places) is None
    do_run(run, places)
    assert len(done) == 2


# What there is time for, and what can't be done


def test_no_run_begins_that_would_end_too_late(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = fake(monkeypatch)
    times = {"sentences": 100.0, "mr": 1000.0}
    monkeypatch.setattr(
        accuracy, "expected_seconds", lambda run, places, known: times[run.data_set]
    )
    output = succeed(
        places, "--sets=sentences,mr", f"--systems={SPACY}", "--seeds=0,1", "--max-minutes=3"
    )
    assert done == [f"sentences, {SPACY}, seed 0", f"sentences, {SPACY}, seed 1"]
    assert "with 2 runs left: mr, textcat, seed 0 would take about 16.7" in output


def test_the_time_is_that_of_earlier_runs_if_there_are_any(places: Places) -> None:
    run = Run("mr", 0, SPACY, 0)
    guess = expected_seconds(run, places, [])
    known = {
        "set": "sentences",
        "n_labels": 0,
        "system": SPACY,
        "minutes": 2.0,
        "minutes_scoring": 0.5,
        "train_words_per_second": SYSTEMS[SPACY].words_per_second / 2,
    }
    waiting = accuracy_runs.START_SECONDS
    assert expected_seconds(run, places, [known]) - waiting == pytest.approx(2 * (guess - waiting))
    assert expected_seconds(run, places, [{**known, "set": "mr"}]) == pytest.approx(150)
    assert expected_seconds(run, places, [{**known, "system": TFIDF}]) == guess
    few = expected_seconds(run._replace(n_labels=10), places, [])
    assert few == expected_seconds(run._replace(n_labels=10, seed=1), places, [])
    assert few < expected_seconds(run._replace(n_labels=20), places, [])


def test_a_dry_run_does_nothing(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    done = fake(monkeypatch)
    output = succeed(places, "--sets=sentences", f"--systems={SPACY},{DEFAULT}", "--dry-run")
    assert "6 runs, about 0." in output
    assert f"sentences, {DEFAULT}, seed 2: about" in output
    assert done == []
    assert not places.results.parent.exists()


def test_what_cannot_be_done_is_named_and_left_out(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = fake(monkeypatch)
    monkeypatch.setitem(SYSTEMS, DEFAULT, SYSTEMS[DEFAULT]._replace(needs=("no/such/{set}",)))
    output = succeed(
        places, "--sets=mr,imdb", f"--systems={SPACY},{DEFAULT}", "--seeds=0", "--max-steps=1"
    )
    assert f"mr, {DEFAULT}: left out, there is no no/such/mr" in output
    assert f"imdb, {SPACY}: left out, there is no" in output
    assert done == [f"mr, {SPACY}, seed 0"]


def test_the_table_is_shown_without_any_run(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = fake(monkeypatch)
    succeed(places, "--sets=mr", f"--systems={SPACY}", "--seeds=0")
    output = succeed(places, "--table")
    assert "75.0" in output
    assert len(done) == 1


@pytest.mark.parametrize(
    "option", ["--sets=mr,sst", "--systems=bert", "--seeds=a", "--seeds=", "--n-labels=-1"]
)
def test_bad_options_are_refused(option: str, places: Places) -> None:
    assert CliRunner().invoke(app, options(places, option)).exit_code == 2


def test_seeds_are_taken_once() -> None:
    assert parse_seeds("2,0,2") == [2, 0]
