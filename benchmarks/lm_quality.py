"""How good language models get: by the softmax after equal tokens, by the cell after equal minutes.

python -m benchmarks.lm_quality
python -m benchmarks.lm_quality --only cells --minutes 30

On the State of the Union addresses. What was interrupted is gone on with by the same command.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Dict, NamedTuple, Tuple

import typer
from thinc.api import Config
from wasabi import msg

from spacy_rnn.models.encoder import CELLS

from .lm_bars import judge_quality
from .lm_data import Corpus, read_corpus
from .lm_speed import parse_sections
from .lm_tables import quality_tables
from .lm_training import Training
from .machine import describe_machine
from .report import print_bars, print_table
from .speed import write_json
from .threads import use_threads

CONFIGS = Path(__file__).parents[1] / "configs"
SECTIONS = ("softmax", "cells")
MODEL = "components.rnn_lm.model"
BATCHER = "training.batcher"
SMALL: Dict[str, Any] = {f"{MODEL}.width": 8, f"{BATCHER}.n_streams": 3, f"{BATCHER}.bptt": 7}
N_SCORES = 5  # of a training by minutes
QUICK_TOKENS, QUICK_MINUTES = 200, 0.01
app = typer.Typer(help=__doc__, add_completion=False)
RunsT = Dict[str, "Run"]


class Run(NamedTuple):
    """A training that is to be done.

    config (Config): As `spacy train` takes it.
    limits (Dict[str, Any]): Arguments of `Training`.
    """

    config: Config
    limits: Dict[str, Any]

    @property
    def digest(self) -> str:
        """RETURNS (str): Differs if anything else is to be done."""
        text = f"{self.config.to_str()}{self.limits}"
        return hashlib.sha256(text.encode("utf8")).hexdigest()[:12]


@app.command()
def main(
    only: Annotated[
        str, typer.Option(help=f"Sections, separated by commas: {', '.join(SECTIONS)}")
    ] = ",".join(SECTIONS),
    tokens: Annotated[int, typer.Option(min=1, help="That each softmax learns from")] = 3_000_000,
    width: Annotated[int, typer.Option(min=1, help="Of the models of words")] = 256,
    minutes: Annotated[float, typer.Option(min=0.01, help="That each cell has")] = 10.0,
    cells: Annotated[
        str, typer.Option(help="Cells, separated by commas; with :2 behind it, of two layers")
    ] = "lstm,qrnn,qrnn:3",
    threads: Annotated[int, typer.Option(min=1, help="Threads")] = 2,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what was measured before")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that it works; the figures mean little")
    ] = False,
    output: Annotated[Path, typer.Option(help="Where to write all figures, as JSON")] = Path(
        "metrics/lm_quality.json"
    ),
) -> None:
    """Train language models, and print and write what they are worth on the development part."""
    names = parse_sections(only, SECTIONS)
    models = parse_cells(cells)
    if quick:
        tokens, minutes = min(tokens, QUICK_TOKENS), min(minutes, QUICK_MINUTES)
    if fresh:
        for path in [output, *output.with_suffix("").glob("*.npz")]:
            path.unlink(missing_ok=True)
    corpus = read_corpus(with_dev=True, quick=quick)
    # Not by srsly, whose floats are not always those that were written.
    results = json.loads(output.read_text("utf8")) if output.exists() else {}
    results = {**results, "quick": quick, "machine": describe_machine()}
    with use_threads(threads):
        if "softmax" in names:
            compare(results, "softmax", *softmax_runs(tokens, width, quick), corpus, output)
        if "cells" in names:
            compare(results, "cells", *cell_runs(models, minutes, quick), corpus, output)
    for table in quality_tables(results):
        print_table(table)
    print_bars(judge_quality(results))
    typer.echo(f"Wrote {output}")


def parse_cells(text: str) -> Dict[str, Tuple[str, int]]:
    """RETURNS (Dict[str, Tuple[str, int]]): Cell and depth, by the name of the model."""
    found = {}
    for part in text.split(","):
        cell, _, depth = part.partition(":")
        if cell not in CELLS or not (depth or "1").isdecimal() or depth == "0":
            known = ", ".join(CELLS)
            raise typer.BadParameter(f"--cells takes some of {known}, not '{part}'.")
        name = f"{cell}, {depth} layers" if int(depth or "1") > 1 else cell
        found[name] = (cell, int(depth or "1"))
    return found


def softmax_runs(tokens: int, width: int, quick: bool) -> Tuple[Dict[str, Any], RunsT]:
    """RETURNS (Tuple[Dict[str, Any], Dict[str, Run]]): What the trainings have in common, and the
    trainings: configs/lm_word.cfg with the full softmax, and with its own adaptive one."""
    small = {**SMALL, f"{MODEL}.softmax.cutoffs": [50, 150]} if quick else {}
    overrides = {f"{MODEL}.width": width, **small}
    adaptive = Config().from_disk(CONFIGS / "lm_word.cfg", overrides=overrides, interpolate=False)
    batcher = adaptive["training"]["batcher"]
    max_steps = max(1, tokens // (batcher["n_streams"] * batcher["bptt"]))
    adaptive["training"]["max_steps"] = max_steps
    full = adaptive.copy()
    full["components"]["rnn_lm"]["model"]["softmax"] = {"@architectures": "spacy-rnn.Softmax.v1"}
    settings = {
        "width": adaptive["components"]["rnn_lm"]["model"]["width"],
        "streams": batcher["n_streams"],
        "window": batcher["bptt"],
        "dropout": adaptive["training"]["dropout"],
        "steps": max_steps,
    }
    limits = {"max_steps": max_steps}
    return settings, {"full": Run(full, limits), "adaptive": Run(adaptive, limits)}


def cell_runs(
    models: Dict[str, Tuple[str, int]], minutes: float, quick: bool
) -> Tuple[Dict[str, Any], RunsT]:
    """RETURNS (Tuple[Dict[str, Any], Dict[str, Run]]): Likewise: configs/lm_char.cfg with each of
    the cells."""
    limits = {"max_seconds": 60.0 * minutes, "n_scores": N_SCORES}
    runs = {}
    for name, (cell, depth) in models.items():
        overrides = {f"{MODEL}.cell": cell, f"{MODEL}.depth": depth, **(SMALL if quick else {})}
        path = CONFIGS / "lm_char.cfg"
        config = Config().from_disk(path, overrides=overrides, interpolate=False)
        runs[name] = Run(config, limits)
    settings = {
        "width": config["components"]["rnn_lm"]["model"]["width"],
        "streams": config["training"]["batcher"]["n_streams"],
        "window": config["training"]["batcher"]["bptt"],
        "dropout": config["training"]["dropout"],
        "minutes": minutes,
    }
    return settings, runs


def compare(
    results: Dict[str, Any],
    section: str,
    settings: Dict[str, Any],
    runs: RunsT,
    corpus: Corpus,
    output: Path,
) -> None:
    """Do the trainings of a section that are not done yet, and write what they come to."""
    if results.get(section, {}).get("settings") != settings:
        results[section] = {"settings": settings, "runs": {}}
    done = results[section]["runs"]
    for name, run in runs.items():
        if done.get(name, {}).get("digest") == run.digest:
            msg.text(f"{section}, {name}: measured before")
            continue
        path = output.with_suffix("") / f"{section}-{run.digest}.npz"
        found = Training(run.config, corpus, **run.limits).run(f"{section}, {name}", path)
        done[name] = {"digest": run.digest, **found}
        write_json(results, output)


if __name__ == "__main__":
    app()
