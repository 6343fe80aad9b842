"""Seeded splits, balanced by label and source, in which no text is in two parts."""

from collections import defaultdict
from fractions import Fraction
from random import Random
from typing import Dict, List, Mapping, Sequence, Set, Tuple

from datalib.errors import DataError
from datalib.records import Record, fold

PARTS = ("train", "dev", "test")
Parts = Dict[str, List[Record]]


def parse_shares(split: str) -> Dict[str, Fraction]:
    """Parse a split such as "70,10,20" into the shares of train, dev and test.

    Exact fractions, so that the sizes of the parts do not depend on rounding.
    """
    try:
        numbers = [Fraction(number.strip()) for number in split.split(",")]
    except (ValueError, ZeroDivisionError):
        numbers = []
    if len(numbers) != len(PARTS) or any(number <= 0 for number in numbers):
        raise DataError(
            f"Cannot use '{split}' as a split.",
            "Expected three numbers above 0 for train, dev and test, such as 70,10,20.",
        )
    return dict(zip(PARTS, numbers, strict=True))


def split_records(records: Sequence[Record], shares: Mapping[str, Fraction], seed: int) -> Parts:
    """Deal the records out to parts, the same way for the same seed.

    Records with the same text (ignoring whitespace and case) form a group that stays together.
    The groups of one stratum (source and labels) are shuffled, and each group goes to the part
    that is furthest behind its share: so the parts are balanced in every stratum as well as in
    total. Finally each part is shuffled.

    records (Sequence[Record]): The records.
    shares (Mapping[str, Fraction]): The parts and their relative sizes.
    seed (int): Seed of the shuffling.
    RETURNS (Parts): The records of each part.
    RAISES (DataError): If there are too few texts for a part to have any.
    """
    rng = Random(seed)
    total = sum(shares.values())
    parts: Parts = {name: [] for name in shares}
    seen = 0
    for stratum in _strata(records):
        rng.shuffle(stratum)
        for group in stratum:
            seen += len(group)
            behind = {
                name: share * seen / total - len(parts[name]) for name, share in shares.items()
            }
            # In a tie the first part named wins, which is train.
            parts[max(behind, key=lambda name: behind[name])].extend(group)
    for name, part in parts.items():
        if not part:
            distinct = len({fold(record.text) for record in records})
            raise DataError(
                f"Found {distinct} different texts: too few, nothing is left for {name}.",
                f"Expected enough for {', '.join(shares)}. Add data, give {name} a larger share "
                "with --split, or give the parts as files of their own with --dev and --test.",
            )
        rng.shuffle(part)
    return parts


def _strata(records: Sequence[Record]) -> List[List[List[Record]]]:
    """Groups of equal texts, by the source and labels of the first of each group."""
    groups: Dict[str, List[Record]] = defaultdict(list)
    for record in records:
        groups[fold(record.text)].append(record)
    strata: Dict[Tuple[str, Tuple[str, ...]], List[List[Record]]] = defaultdict(list)
    for group in groups.values():
        strata[group[0].source, tuple(sorted(group[0].labels))].append(group)
    return [strata[key] for key in sorted(strata)]


def drop_leaks(parts: Parts) -> Tuple[Parts, Dict[str, int]]:
    """Remove texts that occur in a later part too: test keeps all, dev what test lacks.

    RETURNS (Tuple[Parts, Dict[str, int]]): The parts, and how many records each has lost.
    """
    taken: Set[str] = set()
    kept: Parts = {}
    for name in reversed(PARTS):
        folded = [(fold(record.text), record) for record in parts[name]]
        kept[name] = [record for text, record in folded if text not in taken]
        taken.update(text for text, _ in folded)
    dropped = {name: len(parts[name]) - len(kept[name]) for name in PARTS}
    return {name: kept[name] for name in PARTS}, {n: c for n, c in dropped.items() if c}


def part_by_place(place: int) -> str:
    """Deal out texts in the order that they come in, without reading them all: every tenth is test,
    and of the others every tenth is dev, so that each part has texts from everywhere.

    place (int): Of the text, counted from 0. The tenth is the first of test, the sixth of dev.
    RETURNS (str): "train", "dev" or "test".
    """
    if place % 10 == 9:
        return "test"
    return "dev" if (place - place // 10) % 10 == 5 else "train"
