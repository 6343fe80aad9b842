"""Models that take Docs: embeddings, encoders, text classifiers."""

from .embed import HashEmbed
from .encoder import RNNEncoder
from .language_model import LanguageModel
from .ngrams import NgramLinear
from .textcat import TextCatRNN

__all__ = ["HashEmbed", "LanguageModel", "NgramLinear", "RNNEncoder", "TextCatRNN"]
