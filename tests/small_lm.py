"""Small language models, trained in a second, for tests of what is built on them."""

from typing import Any, Dict, List, Optional

import numpy
import spacy
from spacy.language import Language
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_rnn.pipeline.condition import VECTOR

TEXTS = [
    "The cat sat on the mat.",
    "The dog sat on the log.",
    "A cat saw the dog.",
    "The dog saw a cat on the mat.\nIt ran.",
]


def train_lm(
    unit: str = "word",
    *,
    texts: Optional[List[str]] = None,
    cats: Optional[List[Dict[str, float]]] = None,
    vectors: Optional[List[List[float]]] = None,
    n_steps: int = 30,
    init: Optional[Dict[str, Any]] = None,
    **model: Any,
) -> Language:
    """Train a language model on a few sentences.

    unit (str): "word", "char" or "subword".
    texts (Optional[List[str]]): The sentences.
    cats (Optional[List[Dict[str, float]]]): Their categories.
    vectors (Optional[List[List[float]]]): Likewise vectors, for condition = "vector".
    n_steps (int): Updates by all texts.
    init (Optional[Dict[str, Any]]): Settings of its initialization.
    **model: Further settings of the model.
    RETURNS (Language): A pipeline of a tokenizer and an `rnn_lm`.
    """
    fix_random_seed(0)
    texts = TEXTS if texts is None else texts
    nlp = spacy.blank("en")
    settings = {"unit": unit, "width": 24, "embed_width": 12, "tied": False, **model}
    config = {"model": {"@architectures": "spacy-rnn.LanguageModel.v1", **settings}}
    nlp.add_pipe("rnn_lm", config=config)
    nlp.config["initialize"]["components"]["rnn_lm"] = init or {}
    docs = [nlp.make_doc(text) for text in texts]
    for doc, known in zip(docs, cats or []):
        doc.cats = known
    for doc, vector in zip(docs, vectors or []):
        doc.user_data[VECTOR] = numpy.asarray(vector, dtype="float32")
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs] * 3
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.03
    for _ in range(n_steps):
        nlp.update(examples, sgd=optimizer)
    return nlp
