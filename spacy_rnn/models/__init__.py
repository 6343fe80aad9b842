"""Models that take Docs: embeddings, encoders, text classifiers. And whole models that take
sequences of vectors."""

from .char_embed import CharEmbed
from .conv_encoder import ConvRNNEncoder
from .embed import HashEmbed
from .encoder import RNNEncoder
from .language_model import LanguageModel
from .latent import LatentNgrams
from .ngrams import NgramLinear
from .seq2seq import Seq2Seq
from .seq2seq_ensemble import Seq2SeqEnsemble
from .sequences import classifier, forecaster, tagger
from .textcat import TextCatRNN
from .textcat_ensemble import TextCatEnsemble

__all__ = [
    "CharEmbed",
    "ConvRNNEncoder",
    "HashEmbed",
    "LanguageModel",
    "LatentNgrams",
    "NgramLinear",
    "RNNEncoder",
    "Seq2Seq",
    "Seq2SeqEnsemble",
    "TextCatEnsemble",
    "TextCatRNN",
    "classifier",
    "forecaster",
    "tagger",
]
