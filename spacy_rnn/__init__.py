"""Recurrent networks for spaCy: text classification, language modelling, sequence to sequence."""

from .about import __version__

__all__ = ["__version__"]
