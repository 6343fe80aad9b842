"""Which quantiles a model forecasts, and a loss is of."""

from numbers import Real
from typing import Any, Iterable, Sequence

from ..errors import number_error


def check_quantiles(quantiles: Sequence[float]) -> None:
    """Raise an error unless these are rising numbers between 0 and 1.

    RAISES (ValueError): E011.
    """
    found: Any = list(quantiles) if isinstance(quantiles, Iterable) else quantiles
    is_list = isinstance(found, list) and bool(found) and all(isinstance(q, Real) for q in found)
    if not is_list or sorted(set(found)) != found or not 0.0 < found[0] <= found[-1] < 1.0:
        found = quantiles if isinstance(quantiles, str) else found
        raise number_error("quantiles", "a list of rising numbers between 0 and 1", found)
