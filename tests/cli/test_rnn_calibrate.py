"""`python -m spacy rnn calibrate`, and `find-threshold` behind it, on small trained pipelines."""

import json
import os
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy
import pytest
import spacy
import srsly
from click.testing import Result
from spacy.cli._util import app
from spacy.cli.find_threshold import find_threshold
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from spacy.util import registry
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from spacy_rnn import visualize_calibration
from spacy_rnn.calibration import fit_temperature, measure
from spacy_rnn.cli.calibrate import set_temperature
from spacy_rnn.pipeline.predictions import collect

LABELS = ("GOOD", "BAD")
# A word tells the label in nine of ten texts.
WORDS = {"GOOD": ["good", "lovely", "fine"], "BAD": ["bad", "awful", "poor"]}
MODEL: Dict[str, Any] = {
    "tok2vec": {
        "embed": {"width": 8, "rows": [50], "attrs": ["NORM"]},
        "encode": {"width": 8},
    },
    "linear_model": {"length": 1024},
    "network_share": None,  # a mean of logits is not as sure as their sum
}
OURS = ("rnn_textcat", "rnn_textcat_multilabel")


def write_docs(nlp: Language, path: Path, seed: int, n: int = 120, noise: float = 0.1) -> None:
    """Texts with a label that is the other one in a share of them."""
    rng = numpy.random.RandomState(seed)
    docs = []
    for _ in range(n):
        label = LABELS[rng.randint(2)]
        doc = nlp.make_doc(f"{rng.choice(WORDS[label])} {rng.choice(['film', 'food', 'people'])}")
        if rng.uniform() < noise:
            label = LABELS[1 - LABELS.index(label)]
        doc.cats = {name: float(name == label) for name in LABELS}
        docs.append(doc)
    DocBin(docs=docs, store_user_data=True).to_disk(path)


def train(path: Path, *factories: str) -> Language:
    """RETURNS (Language): A pipeline with a text classifier of each factory, named as it is, which
    is too sure: it was trained on texts without noise."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    for factory in factories:
        nlp.add_pipe(factory, config={"model": MODEL} if factory in OURS else {})
    examples: List[Example] = list(Corpus(path)(nlp))
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(15):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved pipelines: one, multi, two (text classifiers), theirs (spaCy's), none; and docs."""
    path = tmp_path_factory.mktemp("pipelines")
    registry.cli.get_all()  # as spaCy does when its command line starts
    blank = spacy.blank("en")
    write_docs(blank, path / "train.spacy", seed=0, n=60, noise=0.0)
    write_docs(blank, path / "dev.spacy", seed=1)
    bare = blank.make_doc("no label")
    DocBin(docs=[bare]).to_disk(path / "bare.spacy")
    few = [blank.make_doc("good film") for _ in range(3)]
    for doc in few:
        doc.cats = {"GOOD": 1.0, "BAD": 0.0}
    DocBin(docs=few).to_disk(path / "few.spacy")
    (path / "damaged.spacy").write_bytes((path / "dev.spacy").read_bytes()[:200])
    (path / "texts.jsonl").write_text('{"text": "good", "label": "GOOD"}\n', encoding="utf8")
    one = train(path / "train.spacy", "rnn_textcat")
    one.to_disk(path / "one")
    for node in one.get_pipe("rnn_textcat").model.walk():
        for param in node.param_names:
            node.set_param(param, node.get_param(param) * numpy.nan)
    one.to_disk(path / "broken")
    train(path / "train.spacy", "rnn_textcat_multilabel").to_disk(path / "multi")
    train(path / "train.spacy", *OURS).to_disk(path / "two")
    train(path / "train.spacy", "textcat").to_disk(path / "theirs")
    blank.add_pipe("sentencizer")
    blank.to_disk(path / "none")
    return path


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["rnn", "calibrate", *map(str, arguments)])


def run(*arguments: Any) -> Result:
    result = invoke(*arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def record(*arguments: Any) -> Dict[str, Any]:
    return dict(json.loads(run(*arguments, "--json").stdout))


def load(path: Path, name: Optional[str] = None) -> Any:
    nlp = spacy.load(path)
    return nlp.get_pipe(name or nlp.pipe_names[-1])


def content(path: Path) -> Dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


# What is measured


@pytest.mark.parametrize("name", ["one", "multi"])
def test_a_pipeline_that_is_too_sure_gets_a_temperature_above_1(folder, name):
    found = record(folder / name, folder / "dev.spacy")
    assert found["temperature"]["before"] == 1.0
    assert found["temperature"]["after"] > 1.3
    assert len(found["temperature"]["folds"]) == 5
    for key in ("ece", "nll", "brier"):
        assert found["after"][key] < found["before"][key]
        assert found["held_out"][key] < found["before"][key]
    assert found["before"]["accuracy"] == found["after"]["accuracy"]
    assert found["held_out"]["accuracy"] == found["before"]["accuracy"]
    assert (found["n_docs"], found["n_labels"]) == (120, 2)
    assert found["exclusive"] == (name == "one")


def test_json_has_the_figures_of_the_functions(folder):
    found = record(folder / "one", folder / "dev.spacy", "--n-bins", 4, "--n-folds", 3)
    nlp = spacy.load(folder / "one")
    docs = DocBin().from_disk(folder / "dev.spacy").get_docs(nlp.vocab)
    predictions = collect(nlp, "rnn_textcat", docs, "dev").predictions
    best = fit_temperature(predictions)
    assert found["temperature"]["after"] == pytest.approx(best)
    for key, temperature in (("before", 1.0), ("after", best)):
        expected = measure(predictions, temperature, 4)
        bins = found[key].pop("bins")
        assert found[key] == pytest.approx(expected.figures())
        assert [b["count"] for b in bins] == expected.bins.counts.tolist()
        assert [(b["low"], b["high"]) for b in bins] == [
            (0, 0.25),
            (0.25, 0.5),
            (0.5, 0.75),
            (0.75, 1),
        ]
    assert len(found["temperature"]["folds"]) == 3


def test_accuracy_is_that_of_evaluate(folder):
    nlp = spacy.load(folder / "one")
    scores = nlp.evaluate(list(Corpus(folder / "dev.spacy")(nlp)))
    found = record(folder / "one", folder / "dev.spacy")
    assert found["before"]["accuracy"] == pytest.approx(scores["cats_micro_f"])


def test_the_table_has_before_after_and_held_out(folder):
    printed = run(folder / "one", folder / "dev.spacy").stdout
    lines = [line for line in printed.splitlines() if line.strip()]
    assert lines[0].startswith("# 'rnn_textcat' of ")
    assert "120 texts" in lines[0]
    assert lines[1].split() == ["Before", "After", "Held", "out"]
    titles = ["Temperature", "Accuracy", "Mean", "ECE", "MCE", "Brier", "NLL"]
    assert [line.split()[0] for line in lines[3:]] == titles
    assert "1.000" in lines[3]


def test_pipelines_of_spacy_are_measured(folder):
    found = record(folder / "theirs", folder / "dev.spacy")
    assert found["component"] == "textcat"
    assert found["temperature"]["before"] == 1.0
    assert found["after"]["nll"] <= found["before"]["nll"]


def test_a_folder_of_files_is_read_as_a_whole(folder, tmp_path):
    for name in ("a.spacy", "b.spacy"):
        write_docs(spacy.blank("en"), tmp_path / name, seed=2, n=30)
    assert record(folder / "one", tmp_path)["n_docs"] == 60


def test_of_several_classifiers_one_is_named(folder):
    found = record(folder / "two", folder / "dev.spacy", "-c", "rnn_textcat_multilabel")
    assert found["component"] == "rnn_textcat_multilabel"
    assert not found["exclusive"]


def test_it_says_what_was_left_out_and_what_no_text_has(folder, tmp_path):
    docs = list(DocBin().from_disk(folder / "few.spacy").get_docs(spacy.blank("en").vocab))
    extra = list(DocBin().from_disk(folder / "bare.spacy").get_docs(docs[0].vocab))
    DocBin(docs=[*docs, *docs, *extra]).to_disk(tmp_path / "some.spacy")
    told = " ".join(run(folder / "one", tmp_path / "some.spacy").stderr.split())
    assert "W111" in told
    assert "labels BAD" in told
    assert "Left out 1 text" in told
    assert "W110" in told  # all of them were right


# What is written


@pytest.mark.parametrize("name", ["one", "multi"])
def test_the_pipeline_that_is_written_has_the_temperature(folder, name, tmp_path):
    before = content(folder / name)
    result = run(folder / name, folder / "dev.spacy", "--output", tmp_path / "new")
    assert "Wrote" in result.stderr
    assert content(folder / name) == before
    assert os.listdir(tmp_path) == ["new"]
    found = record(folder / name, folder / "dev.spacy")
    again = record(tmp_path / "new", folder / "dev.spacy")
    assert again["temperature"]["before"] == pytest.approx(found["temperature"]["after"])
    for key in ("accuracy", "ece", "brier", "nll"):
        assert again["before"][key] == pytest.approx(found["after"][key], abs=1e-5)
    # A second time, it is the same temperature, not that of the scores at the first.
    assert again["temperature"]["after"] == pytest.approx(found["temperature"]["after"])
    nlp, calibrated = spacy.load(folder / name), spacy.load(tmp_path / "new")
    one, other = nlp("good film").cats, calibrated("good film").cats
    assert max(one, key=lambda key: one[key]) == max(other, key=lambda key: other[key])
    assert max(other.values()) < max(one.values())


def test_the_threshold_moves_along(folder, tmp_path):
    nlp = spacy.load(folder / "multi")
    nlp.get_pipe("rnn_textcat_multilabel").cfg["threshold"] = 0.9  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path / "model")
    result = run(tmp_path / "model", folder / "dev.spacy", "-o", tmp_path / "new")
    assert "Moved the threshold from 0.9 to" in " ".join(result.stderr.split())
    pipe = load(tmp_path / "new")
    assert 0.5 < pipe.cfg["threshold"] < 0.9
    config = spacy.util.load_config(tmp_path / "new" / "config.cfg")
    assert config["components"]["rnn_textcat_multilabel"]["threshold"] == pipe.cfg["threshold"]
    examples = list(Corpus(folder / "dev.spacy")(nlp))
    before = nlp.evaluate(examples)["cats_f_per_type"]
    assert spacy.load(tmp_path / "new").evaluate(examples)["cats_f_per_type"] == before


@pytest.mark.parametrize(
    ("threshold", "temperature"), [(0.02, 0.25), (0.9, 0.14), (0.1, 0.05), (0.9999, 0.05)]
)
def test_a_threshold_is_not_moved_to_where_it_decides_nothing(
    folder, tmp_path, threshold, temperature
):
    nlp = spacy.load(folder / "multi")
    pipe: Any = nlp.get_pipe("rnn_textcat_multilabel")
    pipe.cfg["threshold"] = threshold
    set_temperature(nlp, "rnn_textcat_multilabel", temperature)
    nlp.to_disk(tmp_path)
    moved = load(tmp_path).cfg["threshold"]
    assert 0.0 < moved < 1.0
    logit = numpy.log(threshold / (1 - threshold)) / temperature
    expected = numpy.clip(1 / (1 + numpy.exp(-logit)), 1e-10, 1 - 1e-10)
    assert moved == pytest.approx(expected, rel=1e-3)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    assert config["components"]["rnn_textcat_multilabel"]["threshold"] == moved


def test_a_pipeline_that_is_there_is_replaced_only_by_force(folder, tmp_path):
    spacy.load(folder / "one").to_disk(tmp_path / "model")
    before = content(tmp_path / "model")
    arguments = (tmp_path / "model", folder / "dev.spacy", "--output", tmp_path / "model")
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert "E116" in result.stderr
    assert "--force" in result.stderr
    assert content(tmp_path / "model") == before
    run(*arguments, "--force")
    assert load(tmp_path / "model").cfg["temperature"] > 1.3
    assert os.listdir(tmp_path) == ["model"]


def test_an_empty_folder_is_written_into(folder, tmp_path):
    (tmp_path / "new").mkdir()
    run(folder / "one", folder / "dev.spacy", "--output", tmp_path / "new")
    assert load(tmp_path / "new").cfg["temperature"] > 1.3


@pytest.mark.parametrize("what", ["file", "folder", "pipeline with notes"])
def test_nothing_else_is_replaced_also_by_force(folder, what, tmp_path):
    path = tmp_path / "mine"
    if what == "pipeline with notes":
        spacy.load(folder / "one").to_disk(path)
    elif what == "folder":
        path.mkdir()
    file = path if what == "file" else path / "notes.txt"
    file.write_text("mine", encoding="utf8")
    result = invoke(folder / "one", folder / "dev.spacy", "--output", path, "--force")
    assert result.exit_code == 1
    assert "E116" in result.stderr
    assert file.read_text(encoding="utf8") == "mine"
    assert os.listdir(tmp_path) == ["mine"]


def test_what_is_there_stays_if_writing_fails(folder, tmp_path, monkeypatch):
    spacy.load(folder / "one").to_disk(tmp_path / "model")
    before = content(tmp_path / "model")

    def to_disk(self: Language, path: Path, **settings: Any) -> None:
        (path / "config.cfg").write_text("half", encoding="utf8")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Language, "to_disk", to_disk)
    result = invoke(folder / "one", folder / "dev.spacy", "--output", tmp_path / "model", "--force")
    assert result.exit_code == 1
    assert "E116" in result.stderr
    assert "No space left" in " ".join(result.stderr.split())
    assert content(tmp_path / "model") == before
    assert os.listdir(tmp_path) == ["model"]


def test_a_picture_is_drawn(folder, tmp_path):
    pytest.importorskip("matplotlib")
    for name, start in (("a.png", b"\x89PNG"), ("b.svg", b"<?xml")):
        run(folder / "one", folder / "dev.spacy", "--picture", tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.svg"]


# Errors


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["none", "dev.spacy"], "E055"),
        (["two", "dev.spacy"], "E056"),
        (["one", "dev.spacy", "-c", "parser"], "E057"),
        (["no_such", "dev.spacy"], "E054"),
        (["one", "no_such.spacy"], "E030"),
        (["one", ""], "E030"),
        (["broken", "dev.spacy"], "E177"),
        (["one", "texts.jsonl"], "E111"),
        (["one", "one"], "E031"),
        (["one", "damaged.spacy"], "E036"),
        (["one", "bare.spacy"], "E112"),
        (["one", "few.spacy"], "E113"),
        (["one", "dev.spacy", "--picture", "picture.bmp"], "E059"),
        (["one", "dev.spacy", "--picture", "no_such/picture.png"], "E059"),
        (["one", "dev.spacy", "--picture", "one/picture.png"], "E059"),
        (["one", "dev.spacy", "--output", "no_such/new"], "E116"),
        (["theirs", "dev.spacy", "--output", "new"], "E115"),
        (["one", "few.spacy", "--output", "new", "--n-folds", "2"], "E117"),
    ],
)
def test_errors_are_told_without_a_traceback(folder, arguments, code, monkeypatch):
    monkeypatch.chdir(folder)
    before = sorted(os.listdir())
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert f"spacy-rnn {code}" in " ".join(result.stderr.split())
    assert sorted(os.listdir()) == before


def test_wrong_numbers_are_mistakes_in_the_options(folder):
    for option in (["--n-bins", 0], ["--n-folds", 1]):
        assert invoke(folder / "one", folder / "dev.spacy", *option).exit_code == 2


def test_a_picture_without_matplotlib_is_an_error(folder, tmp_path, monkeypatch):
    def find_spec(name: str) -> Optional[ModuleSpec]:
        return None

    monkeypatch.setattr(visualize_calibration, "find_spec", find_spec)
    result = invoke(folder / "one", folder / "dev.spacy", "--picture", tmp_path / "a.png")
    assert result.exit_code == 1
    assert "E008" in result.stderr


def test_help_names_the_options():
    told = run("--help").stdout
    for option in ("--output", "--force", "--n-bins", "--n-folds", "--picture", "--json"):
        assert option in told


# Thresholds


def test_the_threshold_that_is_found_is_used(folder, tmp_path):
    """After the calibration, on which the threshold depends."""
    run(folder / "multi", folder / "dev.spacy", "--output", tmp_path / "new")
    name = "rnn_textcat_multilabel"
    threshold, score, scores = find_threshold(
        tmp_path / "new", folder / "dev.spacy", name, "threshold", "cats_macro_f", n_trials=5
    )
    assert list(scores) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert score == max(scores.values()) > scores[0.0]
    assert 0.0 < threshold < 1.0
    nlp = spacy.load(tmp_path / "new")
    examples = list(Corpus(folder / "dev.spacy")(nlp))
    # 0 counts every label as given, so that it can be told from the one that was found.
    for value, expected in ((threshold, score), (0.0, scores[0.0])):
        nlp.get_pipe(name).cfg["threshold"] = float(value)  # type: ignore[attr-defined]
        nlp.to_disk(tmp_path / "set")
        loaded = spacy.load(tmp_path / "set")
        assert loaded.evaluate(examples)["cats_macro_f"] == pytest.approx(expected)
    assert srsly.read_json(tmp_path / "set" / name / "cfg")["threshold"] == 0.0
