"""Models that take Docs: embeddings, encoders, text classifiers."""

from .embed import HashEmbed
from .encoder import RNNEncoder
from .textcat import TextCatRNN

__all__ = ["HashEmbed", "RNNEncoder", "TextCatRNN"]
