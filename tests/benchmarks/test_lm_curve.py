"""The picture of training curves."""

import math
from pathlib import Path
from typing import Any, Dict

import pytest
import srsly

from benchmarks import lm_curve


def log(path: Path, perplexities: Any, units_a_char: float, tokens_a_char: float) -> Path:
    lines = []
    for step, perplexity in enumerate(perplexities):
        bits: Dict[str, float] = {
            "lm_perplexity": perplexity,
            "lm_bits_per_char": math.log2(perplexity) * units_a_char,
            "lm_bits_per_token": math.log2(perplexity) * units_a_char / tokens_a_char,
        }
        lines.append({"step": step, "minutes": 0.5 * step, "scores": bits})
    srsly.write_jsonl(path, lines)
    return path


def test_units_are_told_from_the_scores(tmp_path: Path) -> None:
    words = log(tmp_path / "words.jsonl", [900, 300, 120], 0.2, 0.2)
    chars = log(tmp_path / "chars.jsonl", [90, 4, 3], 1.0, 0.2)
    assert lm_curve.read(words)["unit"] == "word"
    assert lm_curve.read(chars)["unit"] == "char"
    assert lm_curve.read(words)["minutes"] == [0.5, 1.0]


def test_a_panel_is_drawn_for_each_unit(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    words = log(tmp_path / "words.jsonl", [900, 300, 120], 0.2, 0.2)
    chars = log(tmp_path / "chars.jsonl", [90, 4, 3], 1.0, 0.2)
    one = lm_curve.draw({"w": lm_curve.read(words)})
    both = lm_curve.draw({"w": lm_curve.read(words), "c": lm_curve.read(chars)})
    assert [len(figure.axes) for figure in (one, both)] == [1, 2]
    curve = both.axes[0].lines[0]
    assert curve.get_ydata().tolist() == [300, 120]


def test_an_empty_log_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no evaluation"):
        lm_curve.read(log(tmp_path / "empty.jsonl", [900], 0.2, 0.2))
