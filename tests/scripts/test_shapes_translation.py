"""Translation: a table of words that EM finds, and a tiny network that learns a few verses."""

import json
from pathlib import Path
from typing import Any, List

import pytest
import spacy
import srsly
import translation
import word_table
from spacy.cli.train import train

ROOT = Path(__file__).parents[2]
VERSES = Path(__file__).parent / "cuts" / "verses.jsonl"
TOY = [
    (["the", "house"], ["la", "casa"]),
    (["the", "book"], ["el", "libro"]),
    (["a", "book"], ["un", "libro"]),
    (["a", "house"], ["una", "casa"]),
    (["the", "big", "house"], ["la", "casa", "grande"]),
    (["the", "house", "please"], ["la", "casa"]),
    (["the", "big", "book"], ["el", "libro", "grande"]),
]


def test_em_finds_the_words_that_go_together() -> None:
    table = word_table.learn(TOY, n_rounds=30)
    assert table.best["house"] == "casa"
    assert table.best["book"] == "libro"
    assert table.best["big"] == "grande"
    assert table.rates["please"] < table.rates["book"]


@pytest.mark.parametrize("verses", [False, True])
def test_the_likelihood_never_falls(verses: bool) -> None:
    pairs = TOY
    if verses:
        cut = word_table.cut
        pairs = [(cut(p["text"]), cut(p["target"])) for p in srsly.read_jsonl(VERSES)]
    likelihoods = word_table.learn(pairs, n_rounds=20).log_likelihoods
    assert likelihoods == sorted(likelihoods)
    assert likelihoods[-1] > likelihoods[0]


def test_words_are_translated_in_their_order() -> None:
    best = {"the": "la", "house": "casa", ".": ".", "please": "casa"}
    rates = {"the": 1.0, "house": 1.0, ".": 1.0, "please": 0.1}
    table = word_table.Table(best, rates, [])
    assert word_table.translate(table, "The house, Please.", 0.2) == "La casa,."
    assert word_table.translate(table, "please the HOUSE of Bilbo", 0.0) == "Casa la casa of Bilbo"
    assert word_table.translate(table, "", 0.2) == ""


def test_verses_that_are_told_twice_are_not_new() -> None:
    train_pairs = [{"text": "And he said to them all: rise up and go home."}]
    pairs = [
        {"text": "He said to them all, rise up, now."},
        {"text": "He said to them: rise up, all of you."},
        {"text": "Too short."},
    ]
    assert translation.unlike(pairs, train_pairs) == [False, True, True]


@pytest.mark.slow
def test_a_tiny_network_learns_verses_and_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """With the config of the project, but for its size: it knows the verses it has learned from."""
    verses: List[Any] = list(srsly.read_jsonl(VERSES))[:14]
    # The last two of the test part are new.
    for part, n in {"train": 12, "dev": 12, "test": 14}.items():
        srsly.write_jsonl(tmp_path / f"{part}.jsonl", verses[:n])
    model: Any = {"width": 64, "embed_width": 32, "embed_dropout": 0.0}
    overrides = {
        "paths.train": str(tmp_path / "train.jsonl"),
        "paths.dev": str(tmp_path / "dev.jsonl"),
        **{f"components.rnn_seq2seq.model.{key}": value for key, value in model.items()},
        "initialize.components.rnn_seq2seq.source_max_size": 300,
        "initialize.components.rnn_seq2seq.max_size": 300,
        "training.dropout": 0.0,
        "training.max_steps": 200,
        "training.eval_frequency": 100,
        "training.optimizer.learn_rate.initial_rate": 0.01,
        "training.optimizer.learn_rate.warmup_steps": 20,
        "training.optimizer.learn_rate.total_steps": 200,
    }
    train(ROOT / "configs" / "seq2seq_translation.cfg", tmp_path / "out", overrides=overrides)
    output = tmp_path / "metrics" / "translation.json"
    translation.main(str(tmp_path / "out" / "model-best"), tmp_path, output)
    metrics = json.loads(output.read_text(encoding="utf8"))
    assert (metrics["n_test"], metrics["n_new"]) == (14, 2)
    assert set(metrics["test"]) == {"word for word", "greedy", "beam of 5"}
    assert metrics["test"]["beam of 5"]["BLEU"] > 70.0
    assert len(metrics["samples"]) == 2 * translation.N_SAMPLES
    printed = capsys.readouterr().out
    assert all(pair["target"] in printed for pair in verses[:6])
    nlp = spacy.load(tmp_path / "out" / "model-best")
    assert nlp(verses[0]["text"])._.seq2seq == verses[0]["target"]


def test_files_that_are_missing_are_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for part in ("train", "test"):
        srsly.write_jsonl(tmp_path / f"{part}.jsonl", [])
    with pytest.raises(SystemExit, match="1"):
        translation.main("no-model", tmp_path)
    printed = " ".join(capsys.readouterr().out.split())
    assert "There is no file" in printed
    assert "dev.jsonl" in printed
    assert "scripts/pairs.py translation" in printed
