"""What embeds the tokens of a text, beneath the layers that read them."""

from typing import Any, List

from thinc.api import Model
from thinc.layers.chain import forward as chain_forward

from .lm_parts import embedding_of
from .lm_tok2vec import read, readers_of


def embeds_then_encodes(tok2vec: Model[Any, Any]) -> bool:
    """RETURNS (bool): Whether it is an embedding and an encoder, one after the other, as
    `spacy.Tok2Vec.v2`."""
    # By what it does, not by its references, which Model.copy() does not keep.
    return tok2vec._func is chain_forward and len(tok2vec.layers) == 2


def reads_as_language_models(tok2vec: Model[Any, Any]) -> bool:
    """RETURNS (bool): Whether it is a `spacy-rnn.LanguageModelTok2Vec.v1`."""
    return tok2vec._func is read


def embeddings_of(tok2vec: Model[Any, Any]) -> List[Model[Any, Any]]:
    """Find the layers that give each token, or each unit, a vector that does not depend on others,
    and that learn.

    tok2vec (Model[List[Doc], List[Floats2d]]): The tok2vec of a text classifier.
    RETURNS (List[Model]): They have rows for their output. None for a tok2vec of another kind, such
        as a listener, and for language models that are always frozen.
    """
    if reads_as_language_models(tok2vec):
        readers = (reader for reader in readers_of(tok2vec) if not reader.attrs["always_frozen"])
        return [embedding_of(reader) for reader in readers]
    return [tok2vec.layers[0]] if embeds_then_encodes(tok2vec) else []
