"""Tell the plain data of a vocabulary from what is damaged."""

from typing import Any, Callable, Dict

from ..errors import Errors
from .counts import WORDS
from .spacing import FIELDS

KINDS = ("word", "char", "subword")
ATTRS = tuple(WORDS)


def check_data(data: Any) -> None:
    """Raise an error unless this is what `Vocabulary.to_dict` makes.

    data (Any): Read from a file.
    RAISES (ValueError): If something is missing, or is of another type.
    """
    if not isinstance(data, dict):
        raise ValueError(Errors.E060.format(reason=f"it is no object, but {data!r:.50}"))
    for field, is_right in _FIELDS.items():
        if field not in data:
            raise ValueError(Errors.E060.format(reason=f"'{field}' is missing"))
        if not is_right(data[field]):
            raise ValueError(Errors.E060.format(reason=f"'{field}' is {data[field]!r:.50}"))
    if bool(data["subwords"]) != (data["kind"] == "subword" and bool(data["units"])):
        reason = "'subwords' goes with units of the kind 'subword', and with no others"
        raise ValueError(Errors.E060.format(reason=reason))
    attr = data.get("attr", "ORTH")  # what was saved before there were others
    if attr not in ATTRS or (attr != "ORTH" and data["kind"] != "word"):
        raise ValueError(Errors.E060.format(reason=f"'attr' is {attr!r:.50}"))


def is_text(value: Any) -> bool:
    """RETURNS (bool): Whether it is a text that a doc can have: JSON can also hold halves of
    surrogate pairs."""
    return isinstance(value, str) and value.encode("utf8", "replace").decode("utf8") == value


def shown_no_text(value: Any) -> str:
    """RETURNS (str): What a value is that is no text, for messages."""
    is_half = isinstance(value, str)
    return "half of a surrogate pair" if is_half else f"a value of type {type(value).__name__}"


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_text, value))


def _is_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        is_text(key) and type(n) is int and n >= 0 for key, n in value.items()
    )


def _is_spacing(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(field), list) and all(type(place) is int for place in value[field])
        for field in FIELDS
    )


# What each field is, and how it is told from what is damaged.
_FIELDS: Dict[str, Callable[[Any], bool]] = {
    "kind": KINDS.__contains__,
    "units": _is_texts,
    "specials": lambda value: _is_texts(value) and len(value) == 2,
    "subwords": is_text,
    "spacing": _is_spacing,
    "spelling": _is_counts,
}
