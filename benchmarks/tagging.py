"""What encoders are worth under a tagger, a morphologizer and an entity recognizer.

python scripts/treebank.py
python -m spacy pretrain configs/tagger_rnn.cfg training/porttinari/pretrain
python -m benchmarks.tagging --dry-run
python -m benchmarks.tagging --systems pretrained,lstm,spacy --seeds 0,1,2
python -m benchmarks.tagging --table

Trains configs/tagger_rnn.cfg, with other encoders in it, and what `spacy init config` recommends,
on the same treebank for as many epochs. What is done, or among the figures behind the page, is not
done again.
"""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter
from typing import Annotated, Any, Dict, List, Optional, Sequence, Tuple

import typer
from wasabi import msg

from .accuracy import DryRunT, FreshT, MaxStepsT, NoPageT, SeedsT, TableT, parse_names, parse_seeds
from .accuracy_runs import THREAD_VARIABLES, TrainingError, read_rows, training_speed, watch
from .accuracy_sets import checksum
from .accuracy_tables import fill_place
from .lm_tables import about_machine
from .machine import describe_machine
from .report import print_table
from .speed import write_json
from .tables import MISSING, Table
from .tagging_systems import PARTS, PRETRAINED, SCORES, SYSTEMS, make_config, score

PLACES = {
    "tagging": ("pretrained", "lstm", "spacy"),
    "encoders": tuple(name for name, system in SYSTEMS.items() if not system.pretrained),
}
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    systems: Annotated[
        str, typer.Option(help=f"Systems, separated by commas: {', '.join(SYSTEMS)}")
    ] = ",".join(SYSTEMS),
    seeds: SeedsT = "0",
    max_steps: MaxStepsT = 0,
    dry_run: DryRunT = False,
    table: TableT = False,
    fresh: FreshT = False,
    corpus: Annotated[Path, typer.Option(help="Folder of the treebank")] = Path(
        "corpus/porttinari"
    ),
    work: Annotated[Path, typer.Option(help="Folder for what is trained")] = Path(
        "training/tagging"
    ),
    output: Annotated[
        Path, typer.Option(help="Where to write all figures; runs go to a folder beside it")
    ] = Path("metrics/tagging.json"),
    page: Annotated[Path, typer.Option(help="Whose places are filled")] = Path("docs/shapes.md"),
    kept: Annotated[Path, typer.Option(help="The figures behind the page")] = Path(
        "docs/shapes-tagging.json"
    ),
    no_page: NoPageT = False,
) -> None:
    """Train the systems that are not done yet, and print and write how good they are."""
    names = parse_names(systems, list(SYSTEMS), "--systems")
    folder = output.with_suffix("")
    files = [] if no_page else [kept]
    if not table:
        missing = [part for part in PARTS if not (corpus / f"{part}.spacy").exists()]
        if missing:
            text = "Make it by: python scripts/treebank.py"
            msg.fail(f"There is no {missing[0]}.spacy in {corpus}.", text, exits=1)
        if any(SYSTEMS[name].pretrained for name in names) and not PRETRAINED.exists():
            text = (
                f"Make it by: python -m spacy pretrain configs/tagger_rnn.cfg {PRETRAINED.parent}"
            )
            msg.fail(f"There is no {PRETRAINED}.", text, exits=1)
        known = {key_of(run): run for run in read_runs(files, folder)}
        for name, seed in [(name, seed) for seed in parse_seeds(seeds) for name in names]:
            found = known.get((name, seed))
            if found and found["setup"] == setup_digest(name, corpus, max_steps) and not fresh:
                msg.text(f"{name}, seed {seed}: done before")
            elif dry_run:
                msg.text(f"{name}, seed {seed}: to do")
            else:
                try:
                    run = do_run(name, seed, corpus, work, max_steps)
                except TrainingError as err:
                    msg.fail(f"{name}, seed {seed} failed.", err.output, exits=1)
                write_json(run, folder / name / f"{seed}.json")
                told = ", ".join(f"{key} {100 * run[key]:.2f}" for key in SCORES)
                msg.good(f"{name}, seed {seed}: {told}, {run['minutes']:.1f} minutes")
    if dry_run:
        return
    runs = read_runs(files, folder)
    machine = describe_machine()
    write_json({"machine": machine, "runs": runs}, output)
    tables = {place: tagging_table(place, runs, machine) for place in PLACES}
    print_table(tables["encoders"])
    if not no_page and not max_steps:
        write_json({"machine": machine, "runs": runs}, kept)
        text = page.read_text("utf8")
        for place, found_table in tables.items():
            text = fill_place(text, place, [found_table])
        page.write_text(text, encoding="utf8")
        msg.good(f"Wrote the figures into {page}")


def setup_digest(name: str, corpus: Path, max_steps: int) -> str:
    """RETURNS (str): Differs if the config, the data or the weights to begin with differ."""
    about: Dict[str, Any] = {
        "config": make_config(name, max_steps).to_str(),
        "data": {part: checksum(corpus / f"{part}.spacy") for part in PARTS},
    }
    if SYSTEMS[name].pretrained:
        about["pretrained"] = checksum(PRETRAINED)
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode("utf8")).hexdigest()[:12]


def do_run(name: str, seed: int, corpus: Path, work: Path, max_steps: int) -> Dict[str, Any]:
    """Train by `spacy train`, in a process of its own, and score on dev and test.

    name (str): A key of SYSTEMS.
    seed (int): The seed of the training.
    corpus (Path): Folder of the treebank.
    work (Path): Folder for what is trained, which is removed at the end.
    max_steps (int): So many updates at most, to see that all works; 0 for the budget.
    RETURNS (Dict[str, Any]): The figures of the run.
    RAISES (TrainingError): If the training fails.
    """
    folder = work / name / str(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = make_config(name, max_steps)
    config["training"]["logger"]["output_file"] = str(folder / "rows.jsonl")
    config.to_disk(folder / "config.cfg")
    command = [sys.executable, "-m", "spacy", "train", str(folder / "config.cfg")]
    command += ["--output", str(folder), "--system.seed", str(seed)]
    for part in ("train", "dev"):
        command += [f"--paths.{part}", str(corpus / f"{part}.spacy")]
    start, cpu_start = perf_counter(), cpu_seconds()
    with (folder / "spacy.log").open("w", encoding="utf8") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            watch(process, folder / "rows.jsonl", config["training"]["max_steps"], name)
        finally:
            process.kill()
            process.wait()
    minutes = (perf_counter() - start) / 60
    cpu_minutes = (cpu_seconds() - cpu_start) / 60
    rows = read_rows(folder / "rows.jsonl")
    if process.returncode or not rows:
        log = (folder / "spacy.log").read_text("utf8")
        raise TrainingError("\n".join(log.splitlines()[-15:]))
    on_test = score(folder / "model-best", corpus / "test.spacy")
    on_dev = score(folder / "model-best", corpus / "dev.spacy")
    size = sum(file.stat().st_size for file in (folder / "model-best").rglob("*") if file.is_file())
    result = {
        "system": name,
        "seed": seed,
        "setup": setup_digest(name, corpus, max_steps),
        "max_steps": max_steps,
        "epochs": rows[-1]["epoch"] + 1,
        "steps": rows[-1]["step"],
        "minutes": minutes,
        "cpu_minutes": cpu_minutes,
        "train_words": rows[-1]["words"],
        "train_words_per_second": training_speed(rows),
        **on_test,
        "dev": on_dev,
        "mb": size / 1e6,
        "threads": {key: os.environ[key] for key in THREAD_VARIABLES if key in os.environ},
        "finished": datetime.now(timezone.utc).isoformat(),
    }
    shutil.rmtree(folder)
    return result


def cpu_seconds() -> float:
    """RETURNS (float): Seconds that the processes of this one that have ended took of a core. What
    else runs on the machine adds little to it."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def read_runs(files: Sequence[Path], folder: Path) -> List[Dict[str, Any]]:
    """
    files (Sequence[Path]): Files of figures with further results, if they are there.
    folder (Path): Has a file for each run.
    RETURNS (List[Dict[str, Any]]): Of each system and seed the latest result.
    """
    runs = [
        r for path in files if path.exists() for r in json.loads(path.read_text("utf8"))["runs"]
    ]
    runs += [json.loads(path.read_text("utf8")) for path in sorted(folder.glob("*/*.json"))]
    runs.sort(key=lambda run: run["finished"])
    latest = {key_of(run): run for run in runs}
    order = list(SYSTEMS)
    return sorted(latest.values(), key=lambda run: (order.index(run["system"]), run["seed"]))


def key_of(run: Dict[str, Any]) -> Tuple[str, int]:
    """RETURNS (Tuple[str, int]): What tells the runs apart."""
    return run["system"], run["seed"]


def tagging_table(place: str, runs: List[Dict[str, Any]], machine: Dict[str, Any]) -> Table:
    """RETURNS (Table): For a place of the page: all seeds of two systems, or one of each system."""
    rows = []
    for name in PLACES[place]:
        own = [run for run in runs if run["system"] == name]
        if place == "encoders":
            own = own[:1]
        if own:
            cells = [_score([run[key] for run in own]) for key in SCORES]
            cpu_minutes = _mean(own, "cpu_minutes")
            rows.append(
                [
                    SYSTEMS[name].about,
                    *cells,
                    MISSING if cpu_minutes is None else f"{cpu_minutes:.1f}",
                    str(len(own)),
                ]
            )
    header = ["system", *SCORES.values(), "CPU minutes"]
    title = {"tagging": "The tagger and its baseline", "encoders": "Encoders, one training of each"}
    notes = [
        "On the test part, %. ± is the standard deviation over the seeds. CPU minutes are what the "
        "training took of one core, its evaluations included.",
        "`MaxoutWindowEncoder` multiplies by BLIS, which ran its kernels for "
        f"{machine['blis_kernels']} processors.",
        about_machine(machine),
    ]
    return Table(title[place], [*header, "runs"], rows, notes)


def _score(values: List[float]) -> str:
    text = f"{100 * mean(values):.2f}"
    return text if len(values) == 1 else f"{text} ± {100 * stdev(values):.2f}"


def _mean(runs: List[Dict[str, Any]], key: str) -> Optional[float]:
    values = [run[key] for run in runs if run.get(key)]
    return mean(values) if values else None


if __name__ == "__main__":
    app()
