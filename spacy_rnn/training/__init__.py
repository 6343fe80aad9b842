"""What `spacy train` is configured with: corpora, batchers, optimizers, loggers. And `fit`, for
models over sequences of vectors."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fitting import Settings, fit, predict
    from .history import History
    from .losses import quantile_loss

__all__ = ["History", "Settings", "fit", "predict", "quantile_loss"]
_MODULES = {
    "History": "history",
    "Settings": "fitting",
    "fit": "fitting",
    "predict": "fitting",
    "quantile_loss": "losses",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: spaCy loads entry points below this package whenever it starts, and
    they need none of it."""
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
