"""Hide some words of a batch, so that what is not known by its form can be told all the same."""

from typing import Callable, List, Tuple, Union

import numpy
from spacy.attrs import LOWER, NORM, ORTH, intify_attr
from thinc.api import Model
from thinc.types import Ints2d

from ..checks import check_rate
from ..errors import number_error
from ..layers.dropout import is_active

# Attributes that tell a word from all others.
NAMES = (ORTH, NORM, LOWER)


def word_dropout(rate: float, attrs: List[Union[int, str]]) -> Model[Ints2d, Ints2d]:
    """In training, give some words the keys of words that there are not. A table then holds for
    them what it will hold for a word that it was not trained on: the sum of the rows of others.
    What is made of the tables and of the characters learns not to rely on it. Kiperwasser &
    Goldberg (2016), "Simple and accurate dependency parsing using bidirectional LSTM feature
    representations", drop words too, for one unknown word.

    As that of recurrent dropout, the rate stays what it is when the dropout rate is set, except
    that 0 turns it off.

    rate (float): Share of the rows.
    attrs (List[Union[int, str]]): What the columns are.
    RETURNS (Model[Ints2d, Ints2d]): (n_types, n_features) -> the same.
    RAISES (ValueError): If the rate is no share, or if no column tells words.
    """
    columns = [i for i, attr in enumerate(attrs) if intify_attr(attr) in NAMES]
    check_rate("word_dropout", rate)
    if not columns:
        expected = "0.0 where there is none of ORTH, NORM and LOWER in attrs"
        raise number_error("word_dropout", expected, rate)
    return Model(
        "word_dropout",
        forward,
        attrs={"dropout_rate": rate, "rate": rate, "columns": columns},
    )


def forward(model: Model[Ints2d, Ints2d], keys: Ints2d, is_train: bool) -> Tuple[Ints2d, Callable]:
    if is_active(model, is_train):
        hidden = numpy.flatnonzero(numpy.random.random(len(keys)) < model.attrs["rate"])
        keys = keys.copy()
        for column in model.attrs["columns"]:
            unknown = numpy.random.randint(2**63, size=len(hidden), dtype="uint64")
            keys[model.ops.xp.asarray(hidden), column] = model.ops.xp.asarray(unknown)
    return keys, lambda d_keys: d_keys
