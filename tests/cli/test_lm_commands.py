"""spaCy's own commands over a language model: labels, training, evaluation, debugging."""

import json
import random
from pathlib import Path
from typing import Any, List

import pytest
import spacy
import srsly
from spacy.cli._util import app
from thinc.api import Config
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]


def run(*arguments: Any) -> str:
    """RETURNS (str): What the command printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def sentences(n: int, seed: int) -> str:
    rng = random.Random(seed)
    lines = []
    for _ in range(n):
        first, second = rng.sample(["cat", "dog", "mat"], 2)
        start, verb = rng.choice(["the", "a"]), rng.choice(["sat on", "saw"])
        lines.append(f"{start} {first} {verb} the {second} .")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module", params=["word", "char"])
def work(request: Any, tmp_path_factory: Any) -> Path:
    """A folder with texts, and a config of the repository in a small setting."""
    path = tmp_path_factory.mktemp(request.param)
    (path / "train.txt").write_text(sentences(120, 0), encoding="utf8")
    (path / "dev.txt").write_text(sentences(20, 1), encoding="utf8")
    config = Config().from_disk(ROOT / "configs" / f"lm_{request.param}.cfg", interpolate=False)
    model = config["components"]["rnn_lm"]["model"]
    model["width"] = 32
    if model["embed_width"]:
        model["embed_width"] = 16
    config["paths"]["train"] = str(path / "train.txt")
    config["paths"]["dev"] = str(path / "dev.txt")
    config["training"]["batcher"].update({"n_streams": 8, "bptt": 12})
    config["training"].update({"max_steps": 60, "eval_frequency": 20})
    config["training"]["logger"]["progress_bar"] = None
    config["training"]["optimizer"]["learn_rate"] = 0.02
    config["initialize"]["components"]["rnn_lm"]["min_freq"] = 1
    config.to_disk(path / "config.cfg")
    return path


@pytest.fixture(scope="module")
def trained(work: Path) -> Path:
    log = work / "log.jsonl"
    output = run("train", work / "config.cfg", "--output", work / "out", "--paths.log", log)
    assert "DEV PPL" in output
    lines: List[Any] = list(srsly.read_jsonl(log))
    perplexities = [line["scores"]["lm_perplexity"] for line in lines]
    assert perplexities[-1] < perplexities[0] / 2
    return work


def test_the_best_pipeline_reloads_to_the_same_figures(trained: Path, tmp_path: Path) -> None:
    best = trained / "out" / "model-best"
    run("evaluate", best, make_docs(trained, tmp_path), "--output", tmp_path / "scores.json")
    scores = srsly.read_json(tmp_path / "scores.json")
    meta = srsly.read_json(best / "meta.json")
    assert scores["lm_perplexity"] == pytest.approx(meta["performance"]["lm_perplexity"], rel=1e-4)
    assert meta["performance"]["lm_score"] == pytest.approx(1 / scores["lm_perplexity"], rel=1e-4)


def make_docs(trained: Path, tmp_path: Path) -> Path:
    """The development texts as spaCy's `evaluate` reads them."""
    nlp = spacy.blank("en")
    lines = (trained / "dev.txt").read_text(encoding="utf8").splitlines()
    docs = spacy.tokens.DocBin(docs=[nlp.make_doc(line) for line in lines])
    docs.to_disk(tmp_path / "dev.spacy")
    return tmp_path / "dev.spacy"


def test_a_trained_pipeline_scores_and_writes(trained: Path) -> None:
    nlp = spacy.load(trained / "out" / "model-best")
    usual, odd = nlp("the cat sat on the dog ."), nlp("dog . on the mat the saw")
    assert usual._.perplexity < odd._.perplexity / 2
    doc = nlp.get_pipe("rnn_lm").generate("the", seed=0, max_length=40)[0]
    assert doc.text.startswith("the")


def test_labels_are_written_and_trained_from_a_stream(work: Path, tmp_path: Path) -> None:
    run("init", "labels", work / "config.cfg", tmp_path / "labels", "--training.max_epochs", 1)
    found = json.loads((tmp_path / "labels" / "rnn_lm.json").read_text(encoding="utf8"))
    assert found["kind"] in work.name
    config = Config().from_disk(work / "config.cfg", interpolate=False)
    config["initialize"]["components"]["rnn_lm"]["labels"] = {
        "@readers": "spacy.read_labels.v1",
        "path": str(tmp_path / "labels" / "rnn_lm.json"),
    }
    config["training"]["max_epochs"] = -1
    config["training"]["max_steps"] = 30
    config.to_disk(tmp_path / "config.cfg")
    run("train", tmp_path / "config.cfg", "--output", tmp_path / "out")
    lm: Any = spacy.load(tmp_path / "out" / "model-last").get_pipe("rnn_lm")
    assert lm.vocabulary.units == found["units"]
    assert {"cat"} <= set(found["units"]) or {"c", "a", "t"} <= set(found["units"])


def test_averages_and_the_other_optimizers_train(work: Path, tmp_path: Path) -> None:
    for name, settings in (
        ("spacy-rnn.Adam.v1", {"learn_rate": 0.02, "use_averages": True}),
        ("spacy-rnn.SGD.v1", {"learn_rate": 0.5, "momentum": 0.9}),
        ("spacy-rnn.NTASGD.v1", {"learn_rate": 2.0}),
    ):
        config = Config().from_disk(work / "config.cfg", interpolate=False)
        config["training"]["optimizer"] = {"@optimizers": name, "clip_norm": 0.5, **settings}
        path = tmp_path / name
        path.mkdir()
        config["training"]["max_steps"] = 40
        config.to_disk(path / "config.cfg")
        log = path / "log.jsonl"
        run("train", path / "config.cfg", "--output", path / "out", "--paths.log", log)
        lines: List[Any] = list(srsly.read_jsonl(path / "log.jsonl"))
        first, last = lines[0]["scores"], lines[-1]["scores"]
        assert last["lm_perplexity"] < 0.8 * first["lm_perplexity"], name


def test_debugging_commands_know_the_component(work: Path) -> None:
    run("debug", "config", work / "config.cfg")
    run("debug", "model", work / "config.cfg", "rnn_lm", "-P0", "-P3")
    run("init", "fill-config", work / "config.cfg", work / "filled.cfg")
    assert "rnn_lm" in (work / "filled.cfg").read_text(encoding="utf8")
