"""Models that take Docs: embeddings, encoders, text classifiers. And whole models that take
sequences of vectors."""

from .embed import HashEmbed
from .encoder import RNNEncoder
from .language_model import LanguageModel
from .ngrams import NgramLinear
from .sequences import classifier, forecaster, tagger
from .textcat import TextCatRNN

__all__ = [
    "HashEmbed",
    "LanguageModel",
    "NgramLinear",
    "RNNEncoder",
    "TextCatRNN",
    "classifier",
    "forecaster",
    "tagger",
]
