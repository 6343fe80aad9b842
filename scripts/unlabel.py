"""Collect the bare texts of labelled corpora, for a language model to read.

python scripts/unlabel.py corpus/raw/texts.jsonl corpus/imdb/train.spacy corpus/imdb/dev.spacy
"""

from pathlib import Path
from typing import Annotated, List

import spacy
import srsly
import typer
from spacy.tokens import DocBin
from wasabi import msg

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def main(
    output: Annotated[Path, typer.Argument(help="The .jsonl file to write")],
    inputs: Annotated[List[Path], typer.Argument(help=".spacy files; no test parts, please")],
) -> None:
    """Write each text as {"text": ...}, without its labels, each once."""
    vocab = spacy.blank("xx").vocab
    texts = {}
    for path in inputs:
        try:
            docs = list(DocBin().from_disk(path).get_docs(vocab))
        except (OSError, ValueError) as err:
            msg.fail(
                f"Cannot read {path}: {str(err).splitlines()[0]}.",
                "Expected a .spacy file, as `python scripts/data.py` writes them.",
                exits=1,
            )
        texts.update(dict.fromkeys(doc.text for doc in docs if doc.text.strip()))
    if not texts:
        msg.fail("Found no text.", "Give .spacy files with docs in them.", exits=1)
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(output.name + ".tmp")
    srsly.write_jsonl(part, ({"text": text} for text in texts))
    part.replace(output)
    msg.good(f"Wrote {output}: {len(texts):,} texts")


if __name__ == "__main__":
    app()
