"""The layers of a language model, and the vocabulary that is saved with it."""

from typing import Any, List, NamedTuple, Optional, cast

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


def embedding_of(model: Model[InT, Any]) -> Model[Ragged, Ragged]:
    """RETURNS (Model[Ragged, Ragged]): The embedding of the units."""
    return cast(Model[Ragged, Ragged], model.layers[0].layers[0])


def vocabulary_of(model: Model[InT, Any]) -> Vocabulary:
    """RETURNS (Vocabulary): The units that the model knows."""
    return cast(Vocabulary, model.attrs["vocabulary"])


def is_backward(model: Model[InT, Any]) -> bool:
    """RETURNS (bool): Whether the model reads each text from its end."""
    return bool(model.attrs.get("backward", False))


def set_vocabulary(model: Model[InT, OutT], vocabulary: Vocabulary) -> None:
    """Give a model the units that it is to know, before its weights are made."""
    model.attrs["vocabulary"] = vocabulary
    set_n_units(model, len(vocabulary))


def set_n_units(model: Model[InT, OutT], n_units: Optional[int]) -> None:
    """Set how many rows the embedding and the softmax have, whether or not they have them yet.

    n_units (Optional[int]): None for what is about to be loaded.
    """
    # Not set_dim, which refuses to change the dims of a layer that has weights.
    embedding_of(model)._dims["nV"] = n_units
    parts(model).output._dims["nO"] = n_units


def set_condition_width(model: Model[InT, OutT], width: Optional[int]) -> None:
    """Likewise how wide the condition is. A model without one is left as it is.

    width (Optional[int]): None for what is about to be loaded.
    """
    if model.attrs["condition"]:
        parts(model).start._dims["nI"] = width
