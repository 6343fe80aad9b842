"""Split raw texts into parts for a language model.

python scripts/texts.py assets/sotu.jsonl.bz2 corpus/sotu
python scripts/texts.py my_texts.txt corpus/mine
"""

from pathlib import Path
from typing import Annotated, Dict, Iterator, Tuple

import srsly
import typer
from datalib.splitting import PARTS, part_by_place
from wasabi import msg

from spacy_rnn.training.corpora import read_texts
from spacy_rnn.training.files import find_files

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def main(
    input_path: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help="A .txt or .jsonl file, also as .gz or .bz2, or a folder of them"
        ),
    ],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for the parts")],
    per: Annotated[str, typer.Option(help="A document in a .txt file: 'line' or 'file'")] = "line",
    every: Annotated[
        int, typer.Option(min=1, help="Keep only every so many-th of the training texts")
    ] = 1,
) -> None:
    """Write train.jsonl, dev.jsonl and test.jsonl. Every tenth text is test, beginning with the
    tenth; of the others every tenth is dev, beginning with the sixth."""
    try:
        counts = write_parts(input_path, out_dir, per=per, every=every)
    except (OSError, ValueError) as err:
        msg.fail("Cannot split the texts", str(err), exits=1)
    missing = [part for part in PARTS if not counts[part]]
    if missing:
        n_texts = sum(counts.values())
        msg.fail(
            f"Found {n_texts} texts, so {' and '.join(missing)} would be empty.",
            "Expected ten texts or more. Cut the file into more documents, such as its paragraphs.",
            exits=1,
        )
    shown = ", ".join(f"{part} {counts[part]:,}" for part in PARTS)
    msg.good(f"Wrote {out_dir}: {shown} texts")


def write_parts(input_path: Path, out_dir: Path, *, per: str, every: int) -> Dict[str, int]:
    """Write the parts beside where they are to be, and rename them when they are whole.

    RETURNS (Dict[str, int]): How many texts each part has.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(PARTS, 0)
    files = {part: (out_dir / f"{part}.jsonl.tmp").open("w", encoding="utf8") for part in PARTS}
    try:
        n_train = 0
        for part, text in split(input_path, per):
            n_train += part == "train"
            if part == "train" and (n_train - 1) % every:
                continue
            files[part].write(srsly.json_dumps({"text": text}) + "\n")
            counts[part] += 1
    finally:
        for file in files.values():
            file.close()
    for part in PARTS:
        (out_dir / f"{part}.jsonl.tmp").replace(out_dir / f"{part}.jsonl")
    return counts


def split(input_path: Path, per: str) -> Iterator[Tuple[str, str]]:
    """YIELDS (Tuple[str, str]): The part and the text, in the order of the files."""
    place = 0
    for file in find_files(input_path):
        for text in read_texts(file, per=per):
            yield part_by_place(place), text.text
            place += 1


if __name__ == "__main__":
    app()
