"""Hide some words of a batch, so that what is not known by its form can be told all the same.

In training, some words get the keys of words that there are not. A table then holds for them what
it will hold for a word that it was not trained on: the sum of the rows of others. What is made of
the tables and of the characters learns not to rely on it. Kiperwasser & Goldberg (2016), "Simple
and accurate dependency parsing using bidirectional LSTM feature representations", drop words too,
for one unknown word.
"""

from typing import Any, List, Sequence, Union

import numpy
from spacy.attrs import LOWER, NORM, ORTH, intify_attr
from thinc.types import Ints2d

from ..checks import check_rate
from ..errors import number_error

# Attributes that tell a word from all others.
NAMES = (ORTH, NORM, LOWER)


def word_columns(rate: float, attrs: Sequence[Union[int, str]]) -> List[int]:
    """
    rate (float): Share of the words that are to be hidden.
    attrs (Sequence[Union[int, str]]): What the columns of their features are.
    RETURNS (List[int]): The columns that tell words.
    RAISES (ValueError): E011 if the rate is no share, or if no column tells words.
    """
    columns = [i for i, attr in enumerate(attrs) if intify_attr(attr) in NAMES]
    check_rate("word_dropout", rate)
    if rate and not columns:
        expected = "0.0 where there is none of ORTH, NORM and LOWER in attrs"
        raise number_error("word_dropout", expected, rate)
    return columns


def hide_words(xp: Any, keys: Ints2d, columns: Sequence[int], rate: float) -> Ints2d:
    """
    keys (Ints2d): (n_types, n_features)
    columns (Sequence[int]): Those that tell words.
    rate (float): Share of the rows that are hidden.
    RETURNS (Ints2d): A copy, where these columns of some rows have keys that nothing else has.
    """
    hidden = numpy.flatnonzero(numpy.random.random(len(keys)) < rate)
    keys = keys.copy()
    for column in columns:
        unknown = numpy.random.randint(2**63, size=len(hidden), dtype="uint64")
        keys[xp.asarray(hidden), column] = xp.asarray(unknown)
    return keys
