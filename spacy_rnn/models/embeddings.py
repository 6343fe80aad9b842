"""What embeds the tokens of a text, beneath the layers that read them."""

from typing import Any, List

from thinc.api import Model
from thinc.layers.chain import forward as chain_forward

from ..layers.freezing import has_parameters
from .lm_parts import embedding_of
from .lm_tok2vec import readers_of


def embeds_then_encodes(tok2vec: Model[Any, Any]) -> bool:
    """RETURNS (bool): Whether it is an embedding and an encoder, one after the other, as
    `spacy.Tok2Vec.v2`."""
    # Not by references, which Model.copy() does not keep. Callbacks of spaCy's may replace
    # functions, but leave the name that Thinc gives a chain.
    is_named = tok2vec.name == ">>".join(layer.name for layer in tok2vec.layers)
    return len(tok2vec.layers) == 2 and (is_named or tok2vec._func is chain_forward)


def reads_as_language_models(tok2vec: Model[Any, Any]) -> bool:
    """RETURNS (bool): Whether it is a `spacy-rnn.LanguageModelTok2Vec.v1`."""
    return tok2vec.name == "lm_tok2vec"


def embeddings_of(tok2vec: Model[Any, Any]) -> List[Model[Any, Any]]:
    """Find the layers that give each token, or each unit, a vector that does not depend on others.

    tok2vec (Model[List[Doc], List[Floats2d]]): The tok2vec of a text classifier.
    RETURNS (List[Model]): They have rows for their output. None for a tok2vec of another kind, for
        one in which there is a listener, whose vectors are another component's, and for language
        models that never learn.
    """
    if any(node.name == "tok2vec-listener" for node in tok2vec.walk()):
        return []
    if reads_as_language_models(tok2vec):
        return [embedding_of(reader) for reader in readers_of(tok2vec) if _has_learners(reader)]
    if embeds_then_encodes(tok2vec) and _has_learners(tok2vec.layers[0]):
        return [tok2vec.layers[0]]
    return []


def _has_learners(model: Model[Any, Any]) -> bool:
    """RETURNS (bool): Whether there are parameters beneath that are not frozen for good."""
    if model.attrs.get("always_frozen"):
        return False
    return has_parameters(model) or any(_has_learners(layer) for layer in model.layers)
