"""Pictures of trainings."""

from pathlib import Path
from typing import Any, Dict, List

import pytest
import srsly
from curves import app, draw, find_thaws, read
from thinc.api import Config
from typer.testing import CliRunner

import spacy_rnn

ROOT = Path(spacy_rnn.__file__).parent.parent


def lm_log(path: Path) -> Path:
    rows = [
        {
            "step": 100 * i,
            "epoch": i // 3,
            "train_perplexity": 900 / (i + 1),
            "losses": {"rnn_lm": 5.0},
            "scores": {"lm_perplexity": 800 / (i + 1)},
            "score": (i + 1) / 800,
        }
        for i in range(6)
    ]
    srsly.write_jsonl(path, rows)
    return path


def textcat_log(path: Path) -> Path:
    rows: List[Dict[str, Any]] = [
        {
            "step": 50 * i,
            "epoch": i,
            "losses": {"textcat": 50 * 0.7 / (i + 1) if i else 0.7},
            "scores": {"cats_score": 0.5 + 0.05 * i},
            "score": 0.5 + 0.05 * i,
        }
        for i in range(6)
    ]
    srsly.write_jsonl(path, rows)
    return path


def test_language_models_have_perplexities_and_classifiers_losses_and_scores(
    tmp_path: Path,
) -> None:
    pytest.importorskip("matplotlib")
    lm = read("forward", lm_log(tmp_path / "lm.jsonl"))
    textcat = read("transfer", textcat_log(tmp_path / "textcat.jsonl"))
    both = draw([lm, textcat])
    train, dev, loss, score = both.axes
    assert train.get_yscale() == dev.get_yscale() == "log"
    assert dev.lines[0].get_xydata().tolist()[-1] == [500, pytest.approx(800 / 6)]
    assert train.lines[0].get_xydata().tolist()[0] == [100, 450]
    assert loss.lines[0].get_ydata().tolist() == pytest.approx([0.7 / (i + 1) for i in range(1, 6)])
    assert score.lines[0].get_ydata().tolist()[-1] == 0.75
    assert loss.get_yscale() == "linear"
    assert len(draw([textcat, textcat]).axes) == 2


def config(**changes: Any) -> Config:
    found = Config().from_disk(ROOT / "configs" / "textcat_transfer.cfg")
    found["training"]["before_update"].update(changes)
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"every": 100, "unit": "step"}, [100, 200]),
        ({"every": 200, "unit": "step"}, [200]),
        ({"every": 1, "unit": "epoch"}, [50, 100]),
        ({"every": 1, "unit": "epoch", "groups": [["*"]]}, []),
        ({"every": 1, "unit": "epoch", "groups": [["*"], ["a"], ["b"], ["c"]]}, [50, 100, 150]),
        ({"@callbacks": "other.v1"}, []),
    ],
)
def test_thaws_are_found_in_the_config(
    changes: Dict[str, Any], expected: List[int], tmp_path: Path
) -> None:
    rows: List[Any] = list(srsly.read_jsonl(textcat_log(tmp_path / "log.jsonl")))
    assert find_thaws(config(**changes), rows) == expected


def test_thaws_are_marked(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "model-last").mkdir()
    config().to_disk(tmp_path / "model-last" / "config.cfg")
    curve = read("transfer", textcat_log(tmp_path / "log.jsonl"))
    assert curve.thaws == [60, 120]
    for axes in draw([curve]).axes:
        assert [list(line.get_xdata()) for line in axes.lines[1:]] == [[60, 60], [120, 120]]


def test_the_picture_is_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    logs = [f"forward={lm_log(tmp_path / 'a.jsonl')}", f"cat={textcat_log(tmp_path / 'b.jsonl')}"]
    output = tmp_path / "new" / "curves.png"
    result = CliRunner().invoke(app, [str(output), *logs])
    assert result.exit_code == 0, result.output
    assert output.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in output.parent.iterdir()] == ["curves.png"]


@pytest.mark.parametrize("content", [None, "", "[1]\n", '{"step": 1}\n', "not json\n"])
def test_what_is_no_log_is_told(content: Any, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    if content is not None:
        log.write_text(content, encoding="utf8")
    result = CliRunner().invoke(app, [str(tmp_path / "out.png"), f"lm={log}"])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "Expected NAME=PATH" in " ".join(result.output.split())
    assert not (tmp_path / "out.png").exists()
