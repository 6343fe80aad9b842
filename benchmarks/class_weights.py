"""Whether class weights help rare labels: accuracy and macro-F1 with and without them.

python -m benchmarks.class_weights
python -m benchmarks.class_weights --settings null,sqrt --seeds 5

Trains configs/textcat_lstm.cfg on Reuters-8 (python scripts/data.py fetch r8), whose rarest label
has 37 of 4,932 texts. Each training is a file beside the output; what is there is not done again.
"""

import hashlib
import json
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Any, Dict, List, Optional

import spacy
import typer
from spacy.cli.train import train
from spacy.training import Corpus, Example
from thinc.api import Config
from tqdm import tqdm
from wasabi import msg

from spacy_rnn.pipeline.cross_entropy import POWERS

from .machine import describe_machine
from .report import print_table
from .speed import write_json
from .tables import Table
from .threads import use_threads

CONFIG = Path(__file__).parents[1] / "configs" / "textcat_lstm.cfg"
COMPONENT = "textcat"
SETTINGS = ("null", *reversed(POWERS))
# Of exclusive labels, the micro-average of precision, recall and F-score is the accuracy.
SCORES = {"accuracy": "cats_micro_f", "macro_f": "cats_macro_f"}
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    corpus: Annotated[
        Path, typer.Option(help="Folder of train.spacy, dev.spacy and test.spacy")
    ] = Path("corpus/r8"),
    settings: Annotated[
        str, typer.Option(help=f"Class weights, separated by commas: {', '.join(SETTINGS)}")
    ] = ",".join(SETTINGS),
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each")] = 3,
    max_steps: Annotated[
        Optional[int], typer.Option(min=1, help="Steps of a training; by default the config's")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what was measured before")] = False,
    output: Annotated[Path, typer.Option(help="Where to write all figures, as JSON")] = Path(
        "metrics/class_weights.json"
    ),
) -> None:
    """Train with each of the class weights, and print and write how good it was on the test set."""
    names = parse_settings(settings)
    missing = [part for part in ("train", "dev", "test") if not find_part(corpus, part).exists()]
    if missing:
        msg.fail(f"There is no {missing[0]}.spacy in {corpus}", "Make the corpus first.", exits=1)
    folder = output.with_suffix("")
    if fresh:
        for path in folder.glob("*.json"):
            path.unlink()
    runs: List[Dict[str, Any]] = []
    with use_threads(threads):
        # Seed by seed, so that what is there after an interruption can be compared.
        for seed, name in tqdm([(s, n) for s in range(seeds) for n in names], desc="Trainings"):
            overrides = make_overrides(corpus, name, seed, max_steps)
            runs.append(run(folder / f"{name}-{seed}.json", name, seed, overrides, corpus))
            results = {"machine": describe_machine(), "summary": summarize(runs), "runs": runs}
            write_json(results, output)
    print_table(table(runs))
    print_table(label_table(runs))
    typer.echo(f"Wrote {output}")


def parse_settings(text: str) -> List[str]:
    """RETURNS (List[str]): The names of the option --settings, each once."""
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in SETTINGS:
            raise typer.BadParameter(
                f"--settings takes some of {', '.join(SETTINGS)}, not '{name}'."
            )
    return names


def find_part(corpus: Path, part: str) -> Path:
    return corpus / f"{part}.spacy"


def make_overrides(corpus: Path, name: str, seed: int, max_steps: Optional[int]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What a training changes in the config."""
    overrides = {
        "paths.train": str(find_part(corpus, "train")),
        "paths.dev": str(find_part(corpus, "dev")),
        "system.seed": seed,
        f"components.{COMPONENT}.class_weights": None if name == "null" else name,
    }
    if max_steps is not None:
        overrides["training.max_steps"] = max_steps
    return overrides


def run(
    path: Path, name: str, seed: int, overrides: Dict[str, Any], corpus: Path
) -> Dict[str, Any]:
    """Train and score a pipeline, or read what came of it before.

    path (Path): The file of this training.
    name (str): Name of the class weights.
    seed (int): The seed.
    overrides (Dict[str, Any]): What is changed in the config.
    corpus (Path): The corpus.
    RETURNS (Dict[str, Any]): "setting", "seed", "minutes", and of "dev" and "test" the scores.
    """
    digest = _digest(overrides)
    if path.exists():
        # Not by srsly, whose floats are not always those that were written.
        found: Dict[str, Any] = json.loads(path.read_text("utf8"))
        if found["digest"] == digest:
            return found
    start = perf_counter()
    with TemporaryDirectory() as folder:
        train(CONFIG, folder, overrides=overrides)
        nlp = spacy.load(Path(folder) / "model-best")
    minutes = (perf_counter() - start) / 60
    result: Dict[str, Any] = {"setting": name, "seed": seed, "digest": digest, "minutes": minutes}
    for part in ("dev", "test"):
        examples: List[Example] = list(Corpus(find_part(corpus, part))(nlp))
        scores = nlp.evaluate(examples)
        by_label = {key: value["f"] for key, value in scores["cats_f_per_type"].items()}
        figures = {key: scores[value] for key, value in SCORES.items()}
        result[part] = {**figures, "f_per_label": by_label}
    write_json(result, path)
    return result


def _digest(overrides: Dict[str, Any]) -> str:
    """RETURNS (str): Differs if anything else is to be done."""
    config = Config().from_disk(CONFIG, interpolate=False)
    text = f"{config.to_str()}{json.dumps(overrides, sort_keys=True)}"
    return hashlib.sha256(text.encode("utf8")).hexdigest()[:12]


def summarize(runs: List[Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """RETURNS (Dict[str, Dict[str, Any]]): By setting: the number of "runs", and of each score on
    the test set the mean, the standard deviation, the least and the greatest."""
    summary: Dict[str, Dict[str, Any]] = {}
    for name in dict.fromkeys(found["setting"] for found in runs):
        own = [found["test"] for found in runs if found["setting"] == name]
        summary[name] = {"runs": len(own)}
        for key in SCORES:
            values = [scores[key] for scores in own]
            summary[name][key] = {
                "mean": mean(values),
                "deviation": stdev(values) if len(values) > 1 else 0.0,
                "min": min(values),
                "max": max(values),
            }
        labels = own[0]["f_per_label"]
        summary[name]["f_per_label"] = {
            label: mean(scores["f_per_label"][label] for scores in own) for label in labels
        }
    return summary


def table(runs: List[Dict[str, Any]]) -> Table:
    """RETURNS (Table): Accuracy and macro-F1 of each setting."""
    rows = []
    for name, found in summarize(runs).items():
        cells = [
            f"{100 * score['mean']:.1f} ± {100 * score['deviation']:.1f} "
            f"({100 * score['min']:.1f}-{100 * score['max']:.1f})"
            for score in (found[key] for key in SCORES)
        ]
        minutes = mean(r["minutes"] for r in runs if r["setting"] == name)
        rows.append([name, str(found["runs"]), *cells, f"{minutes:.1f}"])
    header = ["class_weights", "Runs", "Accuracy, %", "Macro-F1, %", "Minutes"]
    note = "Of the test set: means, standard deviations over the seeds, least and greatest."
    return Table("Class weights", header, rows, [note])


def label_table(runs: List[Dict[str, Any]]) -> Table:
    """RETURNS (Table): The F1 of each label, a mean over the seeds."""
    summary = summarize(runs)
    labels = next(iter(summary.values()))["f_per_label"]
    rows = [
        [label, *(f"{100 * found['f_per_label'][label]:.1f}" for found in summary.values())]
        for label in labels
    ]
    return Table("F1 of each label, %", ["Label", *summary], rows)


if __name__ == "__main__":
    app()
