"""What `scripts/train_lm.py` keeps of a training, so that it can be gone on with at any time.

In the folder of a training are, beside spaCy's model-best and model-last:

- training.json: the settings, and whether the training has finished;
- log.0.jsonl, log.800.jsonl: the figures of each run, by the step from which it went on;
- log.jsonl: the same as one training;
- start: the pipeline from which the last run went on, until the training has finished.

A run may be killed at any point. spaCy writes model-last first and then copies it to model-best, so
that one of them is whole, or start is, as spaCy removes both when a training begins.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import srsly
from thinc.api import Config

from datalib.errors import DataError
from spacy_rnn.training.init_from_lm import load_language_model

NOTE = "training.json"
LOG = "log.jsonl"
START = "start"
# In order of preference.
PIPELINES = ("model-best", "model-last", START)
# What a logger counts from the beginning of a run.
COUNTS = ("epoch", "seconds", "minutes", "words", "n_skipped")
Row = Dict[str, Any]


class Start(NamedTuple):
    """Where a training goes on.

    path (Path): The pipeline.
    step (int): At how many steps it was saved.
    """

    path: Path
    step: int


def prepare(output: Path, config: Config) -> Optional[Path]:
    """Make sure that a folder is that of a training with these settings and texts.

    RETURNS (Optional[Path]): The new name of what was there, if that was another training.
    """
    if not output.exists() or not any(output.iterdir()):
        output.mkdir(parents=True, exist_ok=True)
        _write_note(output, {"settings": settings_of(config), "finished": False})
        return None
    note = _read_note(output)
    if note.get("settings") == settings_of(config):
        return None
    numbers = range(1, 10_000)
    old = next(p for i in numbers if not (p := output.with_name(f"{output.name}.{i}")).exists())
    output.rename(old)
    prepare(output, config)
    return old


def settings_of(config: Config) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The config, and how large the files are that it names."""
    paths = config.interpolate()["paths"]
    files = {name: Path(path) for name, path in paths.items() if isinstance(path, str)}
    sizes = {name: file.stat().st_size for name, file in files.items() if file.is_file()}
    # Where the figures are written is no setting of the training.
    shown = config.copy()
    shown["training"]["logger"] = {**shown["training"]["logger"], "output_file": None}
    shown["paths"] = {**shown["paths"], "log": None}
    return {"config": shown.to_str(interpolate=False), "bytes": sizes}


def is_finished(output: Path) -> bool:
    """RETURNS (bool): Whether a training has come to its end."""
    return bool(_read_note(output).get("finished")) and (output / "model-best").exists()


def begin(output: Path, start: Optional[Start]) -> None:
    """Take note that a run begins. What it begins from is put where spaCy does not remove it."""
    step = start.step if start is not None else 0
    for file in output.glob("log.*.jsonl"):
        if _offset(file) > step:
            file.unlink()
    kept = output / START
    if start is not None and start.path != kept:
        if kept.exists():
            shutil.rmtree(kept)
        start.path.rename(kept)


def end(output: Path, best: Optional[Start] = None) -> None:
    """Take note that the training has finished, in another run perhaps, whose best is given."""
    merge_logs(output)
    if best is not None and best.path != output / "model-best":
        shutil.rmtree(output / "model-best", ignore_errors=True)
        shutil.copytree(best.path, output / "model-best")
    _write_note(output, {**_read_note(output), "finished": True})
    if (output / START).exists():
        shutil.rmtree(output / START)


def find_start(output: Path, eval_frequency: int) -> Optional[Start]:
    """RETURNS (Optional[Start]): The first pipeline that is whole, and its step."""
    rows = srsly.read_jsonl(output / LOG) if (output / LOG).exists() else []
    steps = {row["step"]: row["scores"].get("lm_perplexity") for row in rows}
    for name in PIPELINES:
        path = output / name
        try:
            load_language_model(path)
            performance = srsly.read_json(path / "meta.json")["performance"]
        except (OSError, ValueError, LookupError):
            continue
        return Start(path, _step_of(performance["lm_perplexity"], steps, eval_frequency))
    return None


def _step_of(perplexity: float, steps: Dict[int, Optional[float]], eval_frequency: int) -> int:
    """A pipeline has the score of its evaluation. Without a row in the log it was saved just before
    the row would have been written."""
    for step, other in steps.items():
        if other is not None and abs(perplexity - other) <= 1e-6 * other:
            return step
    return max(steps) + eval_frequency if steps else 0


def log_of(output: Path, step: int) -> Path:
    """RETURNS (Path): The file of figures of a run that goes on from a step."""
    return output / f"log.{step}.jsonl"


def merge_logs(output: Path) -> List[Row]:
    """Write the figures of all runs into one file, as if it had been one training.

    RETURNS (List[Dict[str, Any]]): The figures.
    """
    rows: List[Row] = []
    for file in sorted(output.glob("log.*.jsonl"), key=_offset):
        offset = _offset(file)
        rows = [row for row in rows if row["step"] <= offset]
        last = rows[-1] if rows else {}
        for row in srsly.read_jsonl(file, skip=True):
            row["step"] += offset
            # The first evaluation of a run is that of the last one before it.
            if not rows or row["step"] > rows[-1]["step"]:
                for key in COUNTS:
                    row[key] = (row.get(key) or 0) + (last.get(key) or 0)
                rows.append(row)
    if rows:
        part = output / f"{LOG}.tmp"
        # Not by srsly, which rounds.
        part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
        part.replace(output / LOG)
    return rows


def _offset(file: Path) -> int:
    return int(file.name.split(".")[1])


def rest_of_rate(rate: Any, step: int) -> Any:
    """
    rate (Any): The learn rate in a config: a number, or the block of a schedule.
    step (int): How many steps there have been.
    RETURNS (Any): That of the steps that are left.
    RAISES (DataError): If it is a schedule that can't be begun in the middle.
    """
    if not isinstance(rate, dict):
        return rate
    if rate.get("@schedules") != "warmup_linear.v1":
        raise DataError(
            f"Cannot go on in the middle of the schedule {rate.get('@schedules')}.",
            "Expected a number as the learn rate, or warmup_linear.v1.",
        )
    highest, warmup, total = rate["initial_rate"], rate["warmup_steps"], rate["total_steps"]
    # In the midst of the warmup the rate rises from 0 again, as the moments are new.
    if step > warmup:
        highest *= max(0, total - step) / max(1, total - warmup)
    return {
        **rate,
        "initial_rate": highest,
        "warmup_steps": max(0, warmup - step),
        "total_steps": max(1, total - step),
    }


def _read_note(output: Path) -> Dict[str, Any]:
    try:
        return dict(srsly.read_json(output / NOTE))
    except (OSError, ValueError):
        return {}


def _write_note(output: Path, note: Dict[str, Any]) -> None:
    part = output / f"{NOTE}.tmp"
    srsly.write_json(part, note)
    part.replace(output / NOTE)
