"""Let a language model write texts of each label, and have a classifier say what it takes them for.

python scripts/lm_labels.py training/lm_reviews/model-best training/sentences/lstm/model-best \\
    --output metrics/lm_reviews
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List

import spacy
import srsly
import typer
from spacy.language import Language
from tqdm import tqdm
from wasabi import msg

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def main(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A pipeline with a language model")
    ],
    classifier: Annotated[
        Path, typer.Argument(metavar="CLASSIFIER", help="A pipeline that sets doc.cats")
    ],
    output: Annotated[Path, typer.Option(help="Folder to write to")],
    n: Annotated[int, typer.Option(min=1, help="Texts of each label")] = 200,
    shown: Annotated[int, typer.Option(min=0, help="Texts of each label to print")] = 4,
    temperature: Annotated[float, typer.Option(min=0.0, help="Of the writing")] = 0.7,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the texts")] = 0,
) -> None:
    """Write texts.jsonl and scores.json, and print how many texts are taken for what was wanted."""
    lm: Any = load(model).get_pipe("rnn_lm")
    labels = lm.info()["labels"]
    if not labels:
        msg.fail(f"{model} does not depend on labels.", "Train it with condition = cats.", exits=1)
    reader = load(classifier)
    records: List[Dict[str, Any]] = []
    for label in tqdm(labels, "Writing", leave=False, delay=2, disable=None):
        texts = lm.generate(
            n=n, cats={label: 1.0}, max_length=60, temperature=temperature, seed=seed
        )
        for doc in reader.pipe(doc.text for doc in texts):
            found = max(doc.cats, key=lambda cat: doc.cats[cat])
            records.append({"label": label, "text": doc.text, "found": found})
    scores = {label: share(records, label) for label in labels}
    output.mkdir(parents=True, exist_ok=True)
    srsly.write_jsonl(output / "texts.jsonl", records)
    srsly.write_json(output / "scores.json", scores)
    for label in labels:
        msg.divider(f"{label}: {scores[label]:.1%} taken for it")
        for record in [one for one in records if one["label"] == label][:shown]:
            msg.text(record["text"])
    msg.good(f"Wrote texts.jsonl and scores.json to {output}")


def share(records: List[Dict[str, Any]], label: str) -> float:
    """RETURNS (float): Of the texts that were to have a label, those that are taken for it."""
    found = [record["found"] == label for record in records if record["label"] == label]
    return sum(found) / max(len(found), 1)


def load(path: Path) -> Language:
    """RETURNS (Language): A pipeline."""
    try:
        return spacy.load(path)
    except (OSError, ValueError) as err:
        msg.fail(f"Cannot load {path}", str(err), exits=1)
        raise typer.Exit(1) from err


if __name__ == "__main__":
    app()
