"""The table and the file of figures, from given figures."""

import io
import json
import re

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.pipeline import TrainablePipe

from spacy_rnn.training import loggers
from spacy_rnn.training.loggers import ConsoleLogger
from spacy_rnn.training.steps import StepStats
from spacy_rnn.training.table import show

SCORES = {"lm_score": 1.0, "lm_perplexity": None, "lm_bits_per_char": None}


class StandIn(TrainablePipe):
    """What the logger needs of a language model."""

    def __init__(self, name):
        self.name = name
        self.steps = StepStats()

    @property
    def is_trainable(self):
        return True


@Language.factory("stand_in_for_lm", default_score_weights=SCORES)
def make_stand_in(nlp, name):
    return StandIn(name)


@Language.factory("stand_in_for_tagger", default_score_weights={"tag_acc": 1.0, "speed": 0.0})
def make_plain_stand_in(nlp, name):
    pipe = StandIn(name)
    del pipe.steps
    return pipe


@Language.factory("counts")
def make_counting_stand_in(nlp, name):
    return StandIn(name)


@pytest.fixture
def clock(monkeypatch):
    """A list of one number: the seconds that have passed."""
    now = [0.0]
    monkeypatch.setattr(loggers, "perf_counter", lambda: 1000.0 + now[0])
    return now


def make_nlp(*factories):
    nlp = spacy.blank("en")
    for name in factories:
        nlp.add_pipe(name, name=name[-2:])
    return nlp


def info(step, words, **settings):
    """RETURNS: What spaCy's training tells a logger."""
    scores = {"lm_score": 0.0081, "lm_perplexity": 123.456, "lm_bits_per_char": 1.5}
    losses = {"lm": 7.0, "er": 1234.5}
    given = {"epoch": 2, "step": step, "score": 0.0081, "words": words, "losses": losses}
    return {**given, "other_scores": scores, **settings}


def cells(line):
    return re.split(r" {2,}", line.strip())


def rows(text):
    """RETURNS: The rows of a table, each a dict by its headings."""
    heading, dashes, *lines = text.splitlines()
    assert set(dashes) == {"-", " "}
    titles = cells(heading)
    assert all(len(cells(line)) == len(titles) for line in lines)
    return [dict(zip(titles, cells(line))) for line in lines]


def test_the_table_has_the_perplexities_of_a_language_model(clock):
    nlp, out = make_nlp("stand_in_for_lm"), io.StringIO()
    steps = nlp.get_pipe("lm").steps
    log_step, finalize = ConsoleLogger()(nlp, out, io.StringIO())
    clock[0] = 2.0
    log_step(info(0, 100))
    for seconds in (3.0, 4.0, 5.0):
        clock[0] = seconds
        log_step(None)
    steps.n_steps, steps.n_skipped, steps.learn_rate = 3, 2, 0.0005
    steps.max_norm = 3.14159
    steps.add_loss(bits=100.0, n_units=10)
    clock[0] = 90.0  # The evaluation takes long.
    log_step(info(4, 500, other_scores={"lm_perplexity": 98765.4, "lm_bits_per_char": 1.2345}))
    finalize()
    first, second = rows(out.getvalue())
    assert first["WORDS/S"] == first["TRAIN PPL"] == first["RATE"] == "-"
    assert first["DEV PPL"] == "123.46"
    assert second == {
        "E": "2",
        "#": "4",
        "MINUTES": "1.5",
        "WORDS/S": "100",
        "TRAIN PPL": "1024.0",
        "DEV PPL": "98765.4",
        "BITS/CHAR": "1.234",
        "NORM": "3.14",
        "SKIPPED": "2",
        "RATE": "0.0005",
        "SCORE": "0.0081",
    }


def test_other_components_have_their_loss_and_scores_as_in_spacy(clock):
    nlp, out = make_nlp("stand_in_for_tagger"), io.StringIO()
    log_step, finalize = ConsoleLogger()(nlp, out, io.StringIO())
    log_step(info(0, 100, score=0.5, other_scores={"tag_acc": 0.25, "speed": 4321.0}))
    finalize()
    (row,) = rows(out.getvalue())
    expected = {"LOSS ER": "1234.5", "TAG_ACC": "25.00", "SPEED": "4321.00", "SCORE": "0.50"}
    assert list(row) == ["E", "#", "MINUTES", "WORDS/S", *expected]
    assert row.items() >= expected.items()


def test_a_pipeline_may_have_both(clock):
    nlp, out = make_nlp("stand_in_for_lm", "stand_in_for_tagger"), io.StringIO()
    log_step, _ = ConsoleLogger()(nlp, out, io.StringIO())
    log_step(info(0, 100))
    (row,) = rows(out.getvalue())
    assert row["DEV PPL"] == "123.46"
    assert row["LOSS ER"] == "1234.5"
    assert row["TAG_ACC"] == "0.00"  # As in spaCy, for a score that is missing
    assert "LOSS LM" not in row


def test_a_score_that_is_no_number_is_spacys_error(clock):
    log_step, _ = ConsoleLogger()(make_nlp("stand_in_for_tagger"), io.StringIO(), io.StringIO())
    with pytest.raises(ValueError, match="E916"):
        log_step(info(0, 100, other_scores={"tag_acc": {"NOUN": 0.5}}))


def test_the_figures_are_in_the_file_without_rounding(clock, tmp_path):
    path = tmp_path / "logs" / "figures.jsonl"
    nlp, out = make_nlp("stand_in_for_lm"), io.StringIO()
    steps = nlp.get_pipe("lm").steps
    log_step, finalize = ConsoleLogger(console_output=False, output_file=path)(
        nlp, out, io.StringIO()
    )
    for i, step in enumerate((0, 10, 20)):
        clock[0] = 1.5 * step
        steps.add_loss(bits=9000.0 if i == 2 else 10.0, n_units=3)
        log_step(info(step, 100 * i))
        # What has been logged is there, also if the training is interrupted.
        assert len(path.read_text(encoding="utf8").splitlines()) == i + 1
    finalize()
    assert out.getvalue() == ""
    lines = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    assert [(line["step"], line["seconds"]) for line in lines] == [(0, 0.0), (10, 15.0), (20, 30.0)]
    assert lines[1]["train_perplexity"] == pytest.approx(2 ** (10 / 3), rel=1e-12)
    assert lines[2]["train_perplexity"] is None  # JSON has no infinity.
    assert lines[1]["scores"]["lm_perplexity"] == 123.456
    assert lines[1]["losses"] == {"lm": 7.0}
    assert lines[1]["minutes"] == 0.25


def test_a_file_of_figures_that_exists_is_kept_beside_the_new_one(clock, tmp_path):
    path = tmp_path / "figures.jsonl"
    for n in range(3):
        log_step, finalize = ConsoleLogger(output_file=str(path))(
            make_nlp("stand_in_for_lm"), io.StringIO(), io.StringIO()
        )
        log_step(info(n, 100))
        finalize()
    assert json.loads(path.read_text(encoding="utf8"))["step"] == 2
    for step, end in enumerate((".bak", ".bak.1")):
        old = tmp_path / f"figures.jsonl{end}"
        assert json.loads(old.read_text(encoding="utf8"))["step"] == step


def test_a_file_that_cannot_be_written_is_an_error_before_the_training(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf8")
    nlp = make_nlp("stand_in_for_lm")
    for path in (tmp_path, tmp_path / "file" / "figures.jsonl"):
        with pytest.raises(ValueError, match="E042"):
            ConsoleLogger(output_file=path)(nlp, io.StringIO(), io.StringIO())


def test_an_unknown_bar_is_an_error():
    with pytest.raises(ValueError, match=r"E009.*progress_bar.*train, eval"):
        ConsoleLogger(progress_bar="steps")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("kind", "expected"), [("eval", "3/200"), ("train", "3/20000")])
def test_the_bar_shows_the_steps_on_a_terminal(kind, expected):
    out, err = io.StringIO(), Terminal()
    log_step, finalize = ConsoleLogger(progress_bar=kind)(make_nlp("stand_in_for_lm"), out, err)
    for _ in range(3):
        log_step(None)
    log_step(info(3, 100))
    finalize()
    assert f"0/{expected[2:]}" in err.getvalue()
    if kind == "train":
        assert expected in err.getvalue()  # Goes on where the last one ended
    assert len(rows(out.getvalue())) == 1


def test_there_is_no_bar_where_nobody_looks():
    err = io.StringIO()
    log_step, finalize = ConsoleLogger(progress_bar="train")(
        make_nlp("stand_in_for_lm"), io.StringIO(), err
    )
    log_step(None)
    finalize()
    assert err.getvalue() == ""


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (None, "size", "-"),
        (12.345, "size", "12.35"),
        (12345.6, "size", "12345.6"),
        (1234567.8, "size", "1.2e+06"),
        (numpy.inf, "size", "inf"),
        (0.5, "percent", "50.00"),
        (0.0123, "score", "0.0123"),
        (0.75, "score", "0.75"),
        (0.0, "score", "0.00"),
        (12345.0, ",.0f", "12,345"),
    ],
)
def test_figures_are_written_in_a_readable_form(value, form, shown):
    assert show(value, form) == shown


def test_the_perplexity_is_that_of_the_language_model(clock, tmp_path):
    """Whatever else counts its losses, and in whatever order they stand."""
    for order in (("stand_in_for_lm", "counts"), ("counts", "stand_in_for_lm")):
        nlp = make_nlp(*order)
        path = tmp_path / f"{order[0]}.jsonl"
        log_step, finalize = ConsoleLogger(output_file=path)(nlp, io.StringIO(), io.StringIO())
        nlp.get_pipe("lm").steps.add_loss(bits=100.0, n_units=10)
        nlp.get_pipe("ts").steps.add_loss(bits=10.0, n_units=10)
        log_step(info(0, 100, losses={}))
        finalize()
        assert json.loads(path.read_text())["train_perplexity"] == pytest.approx(1024.0)


def test_without_a_language_model_there_is_no_perplexity(clock, tmp_path):
    nlp = make_nlp("counts")
    log_step, finalize = ConsoleLogger(output_file=tmp_path / "a")(
        nlp, io.StringIO(), io.StringIO()
    )
    nlp.get_pipe("ts").steps.add_loss(bits=10.0, n_units=10)
    log_step(info(0, 100, losses={}, other_scores={}))
    finalize()
    assert json.loads((tmp_path / "a").read_text())["train_perplexity"] is None
