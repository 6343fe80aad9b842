"""Sequence to sequence on small cuts of the data that its figures are measured on."""

import json
from pathlib import Path
from typing import Any, Dict, List

import g2p_transducer
import inflection
import pairs_report
import pytest
import spacy
import typer
from inflection_rules import inflect
from spacy.cli.train import train
from typer.testing import CliRunner

pytest.importorskip("sacrebleu")
pytest.importorskip("rapidfuzz")

CUTS = Path(__file__).parent / "cuts"
CONFIGS = Path(__file__).parents[2] / "configs"
# Enough to learn a few dozen pairs by heart.
SMALL: Dict[str, Any] = {
    "components.rnn_seq2seq.model.width": 64,
    "components.rnn_seq2seq.model.embed_width": 32,
    "training.dropout": 0.0,
    "training.max_steps": 120,
    "training.eval_frequency": 60,
    "training.batcher.size": 40,
    "training.optimizer.learn_rate.initial_rate": 0.01,
    "training.optimizer.learn_rate.warmup_steps": 10,
    "training.optimizer.learn_rate.total_steps": 120,
}


@pytest.mark.parametrize("name", ["g2p", "inflection"])
def test_a_config_learns_its_task_and_is_reported_on(name: str, tmp_path: Path) -> None:
    cut = CUTS / f"{name}.jsonl"
    overrides = {**SMALL, "paths.train": str(cut), "paths.dev": str(cut)}
    train(CONFIGS / f"seq2seq_{name}.cfg", tmp_path / "out", overrides=overrides)
    words = [str(tmp_path / "out" / "model-best"), str(cut), "--output", str(tmp_path / "m.json")]
    script = {"g2p": pairs_report, "inflection": inflection}[name]
    found = report(script, words)
    metrics = json.loads((tmp_path / "m.json").read_text(encoding="utf8"))
    scores = metrics["rnn_seq2seq"]
    assert scores["exact"] > 0.9
    assert scores["accepted"] >= scores["exact"]
    assert scores["cer"] < 0.05
    assert len(metrics["samples"]) == 10
    assert all(sample["text"] in found.output for sample in metrics["samples"])
    if name == "inflection":
        assert scores["exact"] > metrics["rules"]["exact"]
        assert metrics["pairs"]["rules, inflected"] == 35
        assert metrics["rules, inflected"]["accepted"] > metrics["rules"]["accepted"]
        nlp = spacy.load(tmp_path / "out" / "model-best")
        assert nlp("VBG tire")._.seq2seq == "tiring"


def report(script: Any, words: List[str], exit_code: int = 0) -> Any:
    app = typer.Typer()
    app.command()(script.main)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == exit_code, result.output
    return result


def test_a_transducer_is_scored_as_the_network_is(tmp_path: Path, monkeypatch: Any) -> None:
    for part in ("train", "test"):
        (tmp_path / f"{part}.jsonl").write_bytes((CUTS / "g2p.jsonl").read_bytes())
    pairs = pairs_report.read_pairs(tmp_path / "test.jsonl")
    calls = []

    def run(*arguments: str, words: str = "") -> str:
        calls.append(arguments[0])
        if arguments[0] == "train":
            lexicon = Path(arguments[-1]).read_text(encoding="utf8")
            assert f"{pairs[0]['text']} {pairs[0]['target']}\n" in lexicon
        # Of the first word it says nothing.
        said = [g2p_transducer.entry(pair) for pair in pairs if pair["text"] in words.split()]
        return "".join(said[1:])

    monkeypatch.setattr(g2p_transducer, "run", run)
    monkeypatch.setattr(g2p_transducer, "find_spec", lambda name: object())
    report(g2p_transducer, [str(tmp_path), "--output", str(tmp_path / "m.json")])
    assert calls == ["train", "predict"]
    scores = json.loads((tmp_path / "m.json").read_text(encoding="utf8"))["phonetisaurus"]
    assert scores["exact"] == pytest.approx(1 - 1 / len(pairs))
    monkeypatch.setattr(g2p_transducer, "find_spec", lambda name: None)
    result = report(g2p_transducer, [str(tmp_path)], exit_code=1)
    assert "pip install phonetisaurus" in result.output


def test_any_accepted_spelling_is_right_but_one_is_exact() -> None:
    pairs = [
        {"text": "NNS Adam", "target": "Adams", "accepted": ["Adam", "Adams"]},
        {"text": "NNS cat", "target": "cats"},
    ]
    scores = pairs_report.score(pairs, ["Adam", "cat"])
    assert (scores["exact"], scores["accepted"]) == (0.0, 0.5)


def test_no_pairs_are_an_error(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path / "model")
    (tmp_path / "none.jsonl").touch()
    words = [str(tmp_path / "model"), str(tmp_path / "none.jsonl")]
    result = report(pairs_report, words, exit_code=1)
    assert "No pairs" in result.output


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("NNS city", "cities"),
        ("NNS boy", "boys"),
        ("NNS box", "boxes"),
        ("VBZ watch", "watches"),
        ("VBG run", "running"),
        ("VBG bake", "baking"),
        ("VBG see", "seeing"),
        ("VBG open", "opening"),
        ("VBD stop", "stopped"),
        ("VBD try", "tried"),
        ("VBD play", "played"),
        ("VBN agree", "agreed"),
        ("JJR big", "bigger"),
        ("JJS happy", "happiest"),
        ("RBR soon", "sooner"),
        ("RBS fast", "fastest"),
        ("VBG fix", "fixing"),
        ("NNS a", "as"),
    ],
)
def test_regular_words_are_inflected_by_their_spelling(text: str, form: str) -> None:
    assert inflect(*text.split(" ")) == form
