"""Tiny trained pipelines, each trained once for all tests that ask for it."""

import json
from typing import Any, Dict, Sequence

from spacy.language import Language

from spacy_rnn.pipeline.language_model import RNNLanguageModel
from tests.small_lm import TEXTS, train_lm

_trained: Dict[str, Language] = {}


def make_nlp(unit: str = "word", texts: Sequence[str] = TEXTS, **settings: Any) -> Language:
    """Train a language model; one that was trained before by the same settings is given again, so
    it must not be changed.

    unit (str): "word", "char" or "subword".
    texts (Sequence[str]): What it is trained on.
    **settings: Those of `tests.small_lm.train_lm`, and of the model.
    RETURNS (Language): A pipeline of a tokenizer and an `rnn_lm`.
    """
    key = json.dumps([unit, list(texts), settings], sort_keys=True)
    if key not in _trained:
        _trained[key] = train_lm(unit, texts=list(texts), **settings)
    return _trained[key]


def make_lm(unit: str = "word", texts: Sequence[str] = TEXTS, **settings: Any) -> RNNLanguageModel:
    """RETURNS (RNNLanguageModel): The component of such a pipeline."""
    lm = make_nlp(unit, texts, **settings).get_pipe("rnn_lm")
    assert isinstance(lm, RNNLanguageModel)
    return lm
