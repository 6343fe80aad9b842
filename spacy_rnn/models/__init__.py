"""Models that take Docs: embeddings, encoders, text classifiers."""

from .char_embed import CharEmbed
from .conv_encoder import ConvRNNEncoder
from .embed import HashEmbed
from .encoder import RNNEncoder
from .language_model import LanguageModel
from .ngrams import NgramLinear
from .textcat import TextCatRNN

__all__ = [
    "CharEmbed",
    "ConvRNNEncoder",
    "HashEmbed",
    "LanguageModel",
    "NgramLinear",
    "RNNEncoder",
    "TextCatRNN",
]
