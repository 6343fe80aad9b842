"""What `spacy init labels` has written for a sequence to sequence component."""

import math
from typing import Any, Dict, List, NamedTuple

from ..checks import is_number
from ..errors import Errors
from ..models.vocabulary import Vocabulary

FIELDS = {"source": dict, "target": dict, "longest": list, "counts": list}


class Labels(NamedTuple):
    """What a component learns of its pairs before it is trained.

    source, target (Vocabulary): Their units.
    longest (List[float]): The most target units for each unit of a source, in all, and for each
        unit of nearly all sources.
    counts (List[int]): How often each unit is in the targets.
    """

    source: Vocabulary
    target: Vocabulary
    longest: List[float]
    counts: List[int]


def read_labels(
    name: str, labels: Dict[str, Any], source: Vocabulary, target: Vocabulary
) -> Labels:
    """
    name (str): Name of the component.
    labels (Dict[str, Any]): Its `label_data`.
    source, target (Vocabulary): Of the kinds that its model has.
    RETURNS (Labels): What is in it.
    RAISES (ValueError): E060 if it is damaged, E065 or E141 for vocabularies of another kind.
    """
    for field, kind in FIELDS.items():
        if field not in labels:
            raise _damaged(f"'{field}' is missing")
        value = labels[field]
        if not isinstance(value, kind):
            raise _damaged(f"'{field}' is a {type(value).__name__}, no {kind.__name__}")
        if kind is list and not all(is_number(n) and 0 <= n < math.inf for n in value):
            raise _damaged(f"'{field}' has something else than numbers that are not negative")
    if len(labels["longest"]) not in (2, 3):  # two once
        raise _damaged(f"'longest' has {len(labels['longest'])} numbers instead of three")
    found = [Vocabulary.from_dict(labels[key]) for key in ("source", "target")]
    for given, known in zip(found, (source, target)):
        if given.kind != known.kind:
            raise ValueError(Errors.E065.format(name=name, found=given.kind, expected=known.kind))
        if given.attr != known.attr:
            raise ValueError(Errors.E141.format(name=name, found=given.attr, expected=known.attr))
    if len(labels["counts"]) != len(found[1]):
        raise _damaged(f"'counts' has {len(labels['counts'])} numbers for {len(found[1])} units")
    return Labels(found[0], found[1], labels["longest"], labels["counts"])


def _damaged(reason: str) -> ValueError:
    return ValueError(Errors.E060.format(reason=reason))
