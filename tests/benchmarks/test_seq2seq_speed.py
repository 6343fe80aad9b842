"""What is timed for sequence to sequence is the same model twice. No test looks at a time."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("torch")
from benchmarks import seq2seq_speed
from benchmarks.seq2seq_peer import Torchs

PAIRS = [
    {"text": word, "target": " ".join(word.upper())}
    for word in ("a", "bab", "acca", "cb", "abcabcabc", "bb", "ca", "cab")
]


def test_both_have_the_same_loss_and_gradients() -> None:
    model, batches = seq2seq_speed.build(PAIRS, 8, 4)
    assert len(batches) == 2
    peer = Torchs(model)
    for batch in batches:
        assert seq2seq_speed.compare(model, peer, batch) < 1e-4
        sources, targets, weights = batch
        losses = seq2seq_speed.learn(model, sources, targets, weights)
        theirs = peer(*peer.prepare(sources, targets)).item()
        assert float((losses * weights).sum()) == pytest.approx(theirs, abs=1e-5)
        seq2seq_speed.clear_gradients(model)
        peer.zero_grad()


def test_another_model_is_noticed() -> None:
    model, batches = seq2seq_speed.build(PAIRS, 8, 4)
    peer = Torchs(model)
    peer.join.weight.data *= 1.1
    with pytest.raises(RuntimeError, match="not the same"):
        seq2seq_speed.compare(model, peer, batches[0])


def test_every_setting_is_measured(tmp_path: Path) -> None:
    path, output = tmp_path / "pairs.jsonl", tmp_path / "speed.json"
    path.write_text("\n".join(map(json.dumps, PAIRS * 4)), encoding="utf8")
    app = typer.Typer()
    app.command()(seq2seq_speed.main)
    words = [str(path), "--widths", "4,6", "--batch-sizes", "4", "--threads", "1"]
    result = CliRunner().invoke(app, [*words, "--rounds", "2", "--output", str(output)])
    assert result.exit_code == 0, result.output
    results = json.loads(output.read_text(encoding="utf8"))
    assert [setting["width"] for setting in results["settings"]] == [4, 6]
    for setting in results["settings"]:
        assert set(setting["pairs_per_second"]) == {seq2seq_speed.OURS, seq2seq_speed.TORCH}
        assert setting["ratio"] > 0.0
