"""Compare trained text classifiers: accuracy, macro-F1, speed, size on disk, training time."""

import statistics
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

import spacy
import srsly
import typer
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from tqdm import tqdm
from wasabi import msg

ROUNDS = 7


def main(
    test_path: Path = typer.Argument(..., help="Test set, a .spacy file", exists=True),
    models: List[str] = typer.Argument(..., help="NAME=PATH of each trained pipeline"),
    output: Path = typer.Option(Path("metrics/comparison.json"), help="Where to write the results"),
) -> None:
    """Score each pipeline, time all of them in turns, and print one table."""
    paths = dict(_parse_model(model) for model in models)
    pipelines = {}
    for name, path in paths.items():
        msg.info(f"Loading {name} from {path}")
        pipelines[name] = spacy.load(path)
    gold = list(DocBin().from_disk(test_path).get_docs(spacy.blank("en").vocab))
    if not gold:
        msg.fail(f"No docs in {test_path}", "Give a .spacy file with labelled docs.", exits=1)
    rows = {name: _score(nlp, gold) for name, nlp in pipelines.items()}
    for name, words_per_second in _time(pipelines, [doc.text for doc in gold]).items():
        rows[name]["words_per_second"] = words_per_second
        rows[name]["megabytes"] = _megabytes(paths[name])
        rows[name]["training_seconds"] = _training_seconds(paths[name])
    _print(rows, len(gold), str(test_path))
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_suffix(".partial")
    srsly.write_json(partial, {"test": str(test_path), "docs": len(gold), "models": rows})
    partial.replace(output)
    msg.good(f"Wrote {output}")


def _parse_model(model: str) -> Any:
    name, _, path = model.partition("=")
    if not path or not Path(path).is_dir():
        msg.fail(f"Found '{model}', expected NAME=PATH with the folder of a pipeline", exits=1)
    return name, Path(path)


def _score(nlp: Language, gold: List[Doc]) -> Dict[str, Any]:
    """Accuracy is the share of docs whose highest score is that of their label."""
    examples = []
    hits = 0
    for predicted, doc in zip(nlp.pipe([doc.text for doc in gold]), gold):
        reference = nlp.make_doc(doc.text)
        reference.cats = dict(doc.cats)
        examples.append(Example(predicted, reference))
        best = max(predicted.cats, key=lambda label: predicted.cats[label])
        hits += doc.cats.get(best) == 1.0
    labels = sorted({label for doc in gold for label in doc.cats})
    scores = Scorer.score_cats(examples, "cats", labels=labels, multi_label=False)
    return {"accuracy": hits / len(gold), "macro_f": scores["cats_macro_f"]}


def _time(pipelines: Dict[str, Language], texts: List[str]) -> Dict[str, float]:
    """Words per second of nlp.pipe, from text to label: medians of rounds in turn."""
    seconds: Dict[str, List[float]] = {name: [] for name in pipelines}
    words: Dict[str, int] = {}
    for _ in tqdm(range(ROUNDS), desc="Timing", unit="round"):
        for name, nlp in pipelines.items():
            start = time.perf_counter()
            words[name] = sum(len(doc) for doc in nlp.pipe(texts, batch_size=256))
            seconds[name].append(time.perf_counter() - start)
    return {name: words[name] / statistics.median(s) for name, s in seconds.items()}


def _megabytes(path: Path) -> float:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6


def _training_seconds(path: Path) -> Optional[float]:
    """As `scripts/timed.py` left it beside the pipeline."""
    record = path.parent / "time.json"
    return float(srsly.read_json(record)["seconds"]) if record.exists() else None


def _print(rows: Dict[str, Dict[str, Any]], n_docs: int, test_path: str) -> None:
    msg.divider(f"{n_docs} docs of {test_path}")
    header = ["Pipeline", "Accuracy", "Macro-F1", "Words/s", "MB on disk", "Training"]
    table = []
    for name, row in rows.items():
        seconds = row["training_seconds"]
        table.append(
            [
                name,
                f"{row['accuracy']:.3f}",
                f"{row['macro_f']:.3f}",
                f"{row['words_per_second']:,.0f}",
                f"{row['megabytes']:.1f}",
                "?" if seconds is None else f"{seconds:.0f} s",
            ]
        )
    msg.table(table, header=header, divider=True, aligns=["l", "r", "r", "r", "r", "r"])


if __name__ == "__main__":
    typer.run(main)
