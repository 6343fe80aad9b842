"""One labelled text, and the checks that every text must pass."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc

from datalib.errors import DataError


@dataclass(frozen=True)
class Record:
    """A text with its labels.

    text (str): The text, as it was given.
    labels (Tuple[str, ...]): The labels that hold.
    known (Tuple[str, ...]): All labels named for this text, those that do not hold too.
    source (str): Where the text comes from, if the data says so; splits are balanced by it.
    where (str): Place in the input, for messages ("line 12 of reviews.csv").
    doc (Doc): The document, where the input had one: its annotations are kept.
    """

    text: str
    labels: Tuple[str, ...]
    known: Tuple[str, ...] = ()
    source: str = ""
    where: str = ""
    doc: Optional[Doc] = field(default=None, compare=False, repr=False)


def fold(text: str) -> str:
    """The form in which two texts count as the same: whitespace and case are ignored."""
    return " ".join(text.split()).casefold()


def check_record(record: Record, multilabel: bool) -> None:
    """Raise a DataError if the text is empty or its labels do not fit the mode."""
    if not record.text.strip():
        raise DataError(
            f"Empty text at {record.where}.",
            "Every record needs a text. Remove the record, or fill in its text.",
        )
    if any(not label.strip() for label in record.labels + record.known):
        raise DataError(
            f"Label missing at {record.where}.",
            "The label is an empty string. Fill it in, or remove the record.",
        )
    if multilabel or len(record.labels) == 1:
        return
    found = ", ".join(record.labels) if record.labels else "none"
    raise DataError(
        f"Found {len(record.labels)} labels ({found}) at {record.where}, expected exactly one.",
        "If several labels, or none, can hold for one text, add --multilabel. "
        "Otherwise correct the record.",
    )


def find_labels(records: Sequence[Record], multilabel: bool) -> List[str]:
    """All labels in the data, sorted. Raises a DataError if there is nothing to learn."""
    labels: Set[str] = set()
    for record in records:
        labels.update(record.labels, record.known)
    if not labels:
        raise DataError(
            "Found no label in the data.",
            "Expected at least one label that holds for some text.",
        )
    if len(labels) == 1 and not multilabel:
        raise DataError(
            f"Found a single label only: {next(iter(labels))}.",
            "A classifier needs at least two labels to choose between. Add texts with another "
            "label, or use --multilabel if the one label holds for some texts and not for others.",
        )
    return sorted(labels)


def count_conflicts(records: Sequence[Record]) -> int:
    """Number of distinct texts that occur with different labels."""
    seen: Dict[str, Set[Tuple[str, ...]]] = defaultdict(set)
    for record in records:
        seen[fold(record.text)].add(tuple(sorted(record.labels)))
    return sum(len(labels) > 1 for labels in seen.values())


def count_repeats(records: Sequence[Record]) -> int:
    """Number of records whose text has occurred before."""
    return len(records) - len({fold(record.text) for record in records})
