"""One run of the comparison by accuracy: a system is trained with a seed, and scored."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from tqdm import tqdm

from .accuracy_linear import SETTINGS, train_linear
from .accuracy_score import score_pipeline
from .accuracy_sets import (
    FEW_DEV,
    DataSet,
    budget_of,
    checksum,
    find_raw,
    find_sources,
    lengths_of,
    prepare,
)
from .accuracy_systems import RAW, SYSTEMS, System, base_config, fill, make_config
from .accuracy_variants import VARIANTS
from .speed import write_json

THREAD_VARIABLES = ("OMP_NUM_THREADS", "SPACY_RNN_NUM_THREADS")
START_SECONDS = 15.0  # until the first update
# Predicting is about so many times as fast as training.
PREDICTION = 3.0


class TrainingError(Exception):
    """A training has failed.

    output (str): The end of what it printed.
    """

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


class Places(NamedTuple):
    """Where things are.

    corpus (Path): Folder of the data sets.
    results (Path): Folder of the results, a file for each run.
    work (Path): Folder of trained pipelines, and of data sets that are made.
    kept (Optional[Path]): A file of figures with further results, such as that behind the page.
    """

    corpus: Path
    results: Path
    work: Path
    kept: Optional[Path] = None


class Run(NamedTuple):
    """A run that is to be done.

    data_set (str): A key of BUDGETS.
    n_labels (int): Labelled texts; 0 for all.
    name (str): A key of SYSTEMS or VARIANTS.
    seed (int): The seed of training, and of the sample if there are few labels.
    max_steps (int): So many updates at most, to see that all works; 0 for no such limit.
    """

    data_set: str
    n_labels: int
    name: str
    seed: int
    max_steps: int = 0

    @property
    def system(self) -> System:
        """RETURNS (System): What is trained."""
        return {**VARIANTS, **SYSTEMS}[self.name]

    @property
    def title(self) -> str:
        """RETURNS (str): For messages."""
        few = f", {self.n_labels} labels" if self.n_labels else ""
        return f"{self.data_set}{few}, {self.name}, seed {self.seed}"

    def file(self, places: Places) -> Path:
        """RETURNS (Path): Where its result is kept."""
        labels = str(self.n_labels or "all")
        return places.results / self.data_set / labels / self.name / f"{self.seed}.json"

    def data(self, places: Places) -> DataSet:
        """RETURNS (DataSet): What it learns from, made if need be."""
        return prepare(places.corpus, self.data_set, self.n_labels, self.seed, places.work)


def find_result(run: Run, places: Places) -> Optional[Dict[str, Any]]:
    """RETURNS (Optional[Dict[str, Any]]): What the run came to, if nothing has changed since."""
    key = (run.data_set, run.n_labels, run.name, run.seed)
    found = [result for result in read_results(places) if key_of(result) == key]
    return found[0] if found and found[0]["setup"] == setup_digest(run, places) else None


def read_results(places: Places) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): What runs came to, of each the latest."""
    # Not by srsly, whose floats are not always those that were written.
    results: List[Dict[str, Any]] = []
    if places.kept is not None and places.kept.exists():
        results += json.loads(places.kept.read_text("utf8"))["runs"]
    paths = sorted(places.results.glob("*/*/*/*.json"))
    results += [json.loads(path.read_text("utf8")) for path in paths]
    results.sort(key=lambda result: result["finished"])
    return list({key_of(result): result for result in results}.values())


def key_of(result: Dict[str, Any]) -> Tuple[str, int, str, int]:
    """RETURNS (Tuple[str, int, str, int]): What tells the runs apart."""
    return result["set"], result["n_labels"], result["system"], result["seed"]


def setup_digest(run: Run, places: Places) -> str:
    """RETURNS (str): Differs if config, budget, data, or what the system needs differ. Runs with
    other seeds have the same."""
    sources = find_sources(places.corpus, run.data_set)
    needs = (Path(fill(need, run.data_set, run.n_labels)) for need in run.system.needs)
    about: Dict[str, Any] = {
        "data": {name: checksum(path) for name, path in sources.items()},
        "n_labels": run.n_labels,
        "needs": [checksum(path) for path in needs],
    }
    if RAW in run.system.overrides.values():
        about["raw"] = [checksum(path) for path in find_raw(places.corpus, run.data_set)]
    if run.system.config:
        about["config"] = base_config(run.system).to_str()
        about["overrides"] = run.system.overrides
        about["budget"] = [*budget_of(run.data_set, run.n_labels), run.max_steps]
    else:
        about["config"] = SETTINGS
    text = json.dumps(about, sort_keys=True)
    return hashlib.sha256(text.encode("utf8")).hexdigest()[:12]


def expected_seconds(run: Run, places: Places, known: List[Dict[str, Any]]) -> float:
    """
    run (Run): A run.
    places (Places): Where things are.
    known (List[Dict[str, Any]]): Results of other runs.
    RETURNS (float): About how long it will take.
    """
    own = [found for found in known if found["system"] == run.name]
    same = [
        found["minutes"] + found["minutes_scoring"]
        for found in own
        if found["set"] == run.data_set and found["n_labels"] == run.n_labels
    ]
    if same:
        return 60.0 * sum(same) / len(same)
    rates = [found["train_words_per_second"] for found in own if found["train_words_per_second"]]
    rate = sum(rates) / len(rates) if rates else run.system.words_per_second
    lengths = {
        name: lengths_of(path) for name, path in find_sources(places.corpus, run.data_set).items()
    }
    words = {name: sum(found) for name, found in lengths.items()}
    if run.n_labels:
        words["train"] = round(words["train"] / len(lengths["train"]) * run.n_labels)
        words["dev"] = round(words["dev"] * min(1.0, FEW_DEV / len(lengths["dev"])))
    budget = budget_of(run.data_set, run.n_labels)
    n_read = (words["train"] + words.get("more", 0)) * budget.epochs
    n_read += int(((budget.evals + 1) * words["dev"] + words["test"]) / PREDICTION)
    return START_SECONDS + n_read / rate


def do_run(run: Run, places: Places, keep: bool = False) -> Dict[str, Any]:
    """Train, score, and write the result.

    run (Run): What is to be done.
    places (Places): Where things are.
    keep (bool): Keep the trained pipeline.
    RETURNS (Dict[str, Any]): What is in the file.
    RAISES (TrainingError): If the training fails.
    """
    data = run.data(places)
    result: Dict[str, Any] = {
        "set": run.data_set,
        "n_labels": run.n_labels,
        "system": run.name,
        "seed": run.seed,
        "setup": setup_digest(run, places),
        "max_steps": run.max_steps,
    }
    start = perf_counter()
    if run.system.config:
        folder = places.work / run.data_set / str(run.n_labels or "all") / run.name / str(run.seed)
        shutil.rmtree(folder, ignore_errors=True)
        result.update(train_pipeline(run, data, folder))
        result["minutes"] = (perf_counter() - start) / 60
        start = perf_counter()
        result.update(score_pipeline(folder / "model-best", data.parts["test"]))
        result["minutes_scoring"] = (perf_counter() - start) / 60
        if not keep:
            shutil.rmtree(folder)
    else:
        result.update(train_linear(data))
        result["minutes"], result["minutes_scoring"] = (perf_counter() - start) / 60, 0.0
    threads = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
    result.update(finished=datetime.now(timezone.utc).isoformat(), threads=threads)
    write_json(result, run.file(places))
    return result


def train_pipeline(run: Run, data: DataSet, folder: Path) -> Dict[str, Any]:
    """Train by `spacy train`, in a process of its own.

    run (Run): What is to be done.
    data (DataSet): What is learned from.
    folder (Path): Gets the pipelines, the config and what is printed.
    RETURNS (Dict[str, Any]): "epochs" and "steps" that were done, "train_words" that were read,
        "train_words_per_second" without the evaluations, and "dev_score", the best one.
    RAISES (TrainingError): If it fails.
    """
    folder.mkdir(parents=True)
    config = make_config(run.system, data, run.max_steps)
    rows_path = folder / "rows.jsonl"
    config["training"]["logger"]["output_file"] = str(rows_path)
    config.to_disk(folder / "config.cfg")
    command = [sys.executable, "-m", "spacy", "train", str(folder / "config.cfg")]
    command += ["--output", str(folder), "--system.seed", str(run.seed)]
    for part in ("train", "dev"):
        command += [f"--paths.{part}", str(data.parts[part])]
    log = folder / "spacy.log"
    with log.open("w", encoding="utf8") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            watch(process, rows_path, config["training"]["max_steps"], run.title)
        finally:
            process.kill()
            process.wait()
    rows = read_rows(rows_path)
    if process.returncode or not rows or not (folder / "model-best").exists():
        raise TrainingError("\n".join(log.read_text("utf8").splitlines()[-15:]))
    return {
        "epochs": rows[-1]["epoch"] + 1,
        "steps": rows[-1]["step"],
        "train_words": rows[-1]["words"],
        "train_words_per_second": training_speed(rows),
        "dev_score": max(row["score"] for row in rows),
    }


def watch(process: "subprocess.Popen[bytes]", rows_path: Path, n_steps: int, title: str) -> None:
    """Show how far a training is, until it ends."""
    with tqdm(total=n_steps, desc=title, unit="step", leave=False, disable=None) as bar:
        while True:
            try:
                process.wait(timeout=1.0)
                return
            except subprocess.TimeoutExpired:
                rows = read_rows(rows_path)
            if rows:
                bar.set_postfix(score=f"{rows[-1]['score']:.3f}", refresh=False)
                bar.update(rows[-1]["step"] - bar.n)


def read_rows(path: Path) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): What the logger has written, an entry an evaluation."""
    if not path.exists():
        return []
    lines = path.read_text("utf8").split("\n")
    # The last one is empty, or not written to its end yet.
    return [json.loads(line) for line in lines[:-1]]


def training_speed(rows: List[Dict[str, Any]]) -> Optional[float]:
    """RETURNS (Optional[float]): Words a second in the steps without an evaluation, over the whole
    training; None if there was no such step."""
    words = seconds = 0.0
    for before, row in pairwise(rows):
        if row["words_per_second"]:
            words += row["words"] - before["words"]
            seconds += (row["words"] - before["words"]) / row["words_per_second"]
    return words / seconds if seconds else None
