"""What arguments have to be."""

from numbers import Integral, Real
from typing import Any

from .errors import number_error


def is_whole(value: Any, least: float = -float("inf")) -> bool:
    """RETURNS (bool): Whether it is an integer of Python or NumPy, and at least so large."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def is_number(value: Any) -> bool:
    """RETURNS (bool): Whether it is an integer or a float of Python or NumPy."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_width(what: str, value: Any) -> None:
    """Raise an error unless a value can be a width, or how many layers there are.

    what (str): What it is.
    value (Any): The value.
    RAISES (ValueError): E011.
    """
    if not is_whole(value, 1):
        raise number_error(what, "a whole number, at least 1", value)


def check_rate(what: str, value: Any) -> None:
    """Raise an error unless a value can be a rate of dropout, or of smoothing.

    what (str): Name of the argument.
    RAISES (ValueError): E011.
    """
    if not isinstance(value, Real) or not 0.0 <= float(value) < 1.0:
        raise number_error(what, "at least 0 and less than 1", value)
