"""Recurrent networks for spaCy: text classification and language modelling."""

from .about import __version__

__all__ = ["__version__"]
