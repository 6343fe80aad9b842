"""Which quantiles a model forecasts, and a loss is of."""

from typing import Sequence

from ..errors import number_error


def check_quantiles(quantiles: Sequence[float]) -> None:
    """Raise an error unless these are rising numbers between 0 and 1.

    RAISES (ValueError): E011.
    """
    found = list(quantiles)
    if not found or sorted(set(found)) != found or not 0.0 < found[0] <= found[-1] < 1.0:
        raise number_error("quantiles", "rising numbers between 0 and 1", found)
