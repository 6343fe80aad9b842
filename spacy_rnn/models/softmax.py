"""Output layers of language models, to be named in configs."""

from typing import List, Tuple

from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d

from ..layers.adaptive_softmax import AdaptiveSoftmax as adaptive_softmax
from ..layers.sampled_softmax import SampledSoftmax as sampled_softmax
from ..layers.softmax import Softmax as full_softmax

InT = Tuple[Floats2d, Ints1d]
OutT = Floats1d


def Softmax() -> Model[InT, OutT]:
    """The full softmax: a logit for each unit of the vocabulary.

    RETURNS (Model[Tuple[Floats2d, Ints1d], Floats1d]): See `spacy_rnn.layers.Softmax`. The language
        model that it is given to sets its dims.
    """
    return full_softmax()


def AdaptiveSoftmax(cutoffs: List[int], factor: float = 1.0) -> Model[InT, OutT]:
    """Frequent units first, rare ones in clusters behind them (Grave et al. 2017): several times as
    fast as the full softmax for tens of thousands of words.

    cutoffs (List[int]): Where clusters begin, rising. Those beyond the vocabulary are left out.
        Recommended: an eighth and a third of the vocabulary.
    factor (float): By how much each cluster is narrower than the one before. At 1 all have the full
        width.
    RETURNS (Model[Tuple[Floats2d, Ints1d], Floats1d]): See `spacy_rnn.layers.AdaptiveSoftmax`.
    """
    return adaptive_softmax(cutoffs=cutoffs, factor=factor)


def SampledSoftmax(n_samples: int = 1024) -> Model[InT, OutT]:
    """A full softmax that is trained on samples (Jean et al. 2015).

    n_samples (int): How many units each batch is told from. Recommended: 500 to 8000.
    RETURNS (Model[Tuple[Floats2d, Ints1d], Floats1d]): See `spacy_rnn.layers.SampledSoftmax`.
    """
    return sampled_softmax(n_samples=n_samples)
