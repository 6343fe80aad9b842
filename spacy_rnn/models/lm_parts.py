"""The layers of a language model, and the vocabulary that is saved with it."""

from typing import Any, List, NamedTuple, cast

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats1d, Ragged

from .vocabulary import Vocabulary

InT = List[Doc]
OutT = List[Floats1d]


class Parts(NamedTuple):
    """The layers of a language model.

    encoder (Model[Ragged, Ragged]): Numbers (n,) -> hidden states (n, width).
    drop (Model[Ragged, Ragged]): Dropout on them.
    output (Model[Tuple[Floats2d, Ints1d], Floats1d]): The softmax.
    start (Model[Floats2d, StatesT]): From the condition to the initial state, if there is one.
    """

    encoder: Model[Ragged, Ragged]
    drop: Model[Ragged, Ragged]
    output: Model[Any, Floats1d]
    start: Model[Any, Any]


def parts(model: Model[InT, OutT]) -> Parts:
    """RETURNS (Parts): By place, not by reference: Model.copy() does not keep references."""
    return Parts(*model.layers)


def embedding_of(model: Model[InT, OutT]) -> Model[Ragged, Ragged]:
    """RETURNS (Model[Ragged, Ragged]): The embedding of the units."""
    return cast(Model[Ragged, Ragged], model.layers[0].layers[0])


def vocabulary_of(model: Model[InT, OutT]) -> Vocabulary:
    """RETURNS (Vocabulary): The units that the model knows."""
    return cast(Vocabulary, model.attrs["vocabulary"])


def set_vocabulary(model: Model[InT, OutT], vocabulary: Vocabulary) -> None:
    """Give a model that has no weights yet the units that it is to know."""
    model.attrs["vocabulary"] = vocabulary
    embedding_of(model).set_dim("nV", len(vocabulary), force=True)
    parts(model).output.set_dim("nO", len(vocabulary), force=True)
