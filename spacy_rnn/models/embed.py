"""Embed tokens by hashed lexical attributes, once for each distinct type of a batch."""

from typing import Any, Dict, List, Union

from spacy.attrs import intify_attr
from spacy.ml.featureextractor import FeatureExtractor
from spacy.tokens import Doc
from thinc.api import Dropout, Maxout, Model, concatenate
from thinc.api import HashEmbed as EmbedAttribute
from thinc.types import Floats2d, Ints2d

from ..checks import check_width, is_whole
from ..errors import Errors, number_error
from .static_vectors import project_vectors
from .type_embedding import type_embedding

InT = List[Doc]
OutT = List[Floats2d]


def HashEmbed(
    width: int,
    attrs: List[Union[int, str]],
    rows: List[int],
    include_static_vectors: bool = False,
) -> Model[InT, OutT]:
    """Embed each token by several of its attributes, hashed into tables, and mix the results.

    The features, parameters and results are those of `spacy.MultiHashEmbed.v2`. But what it
    computes for each token depends on the token's type alone, so here each distinct type of a
    batch is embedded and mixed once, forward and backward, and then copied to its tokens.

    width (int): Width of the tables and of the output. Recommended: 64 to 300.
    attrs (List[Union[int, str]]): Lexical attributes, for instance ["NORM", "PREFIX", "SUFFIX",
        "SHAPE"].
    rows (List[int]): Rows of each attribute's table. Recommended: 1000 to 10000. Collisions do
        little harm, as each key is the sum of four rows.
    include_static_vectors (bool): Mix in the vectors of the vocab, which are not trained.
    RETURNS (Model[List[Doc], List[Floats2d]]): (n_tokens, width) for each doc.
    RAISES (ValueError): If `rows` is not as long as `attrs`; at initialization, if there are no
        vectors to include.
    """
    if not attrs and not rows:
        raise number_error("attrs", "a list of at least one attribute", attrs)
    check_width("width", width)
    parts: Dict[str, Model[Any, Any]] = {
        "extract": FeatureExtractor(list(attrs)),
        "tables": hash_tables(width, attrs, rows),
        "mix": mixer(width, width * (len(attrs) + include_static_vectors)),
        "dropout": Dropout(0.0),
    }
    if include_static_vectors:
        parts["vectors"] = project_vectors(width)
    return type_embedding("hash_embed", width, parts)


def hash_tables(
    width: int, attrs: List[Union[int, str]], rows: List[int]
) -> Model[Ints2d, Floats2d]:
    """A table for each of the first columns of the features, side by side.

    RETURNS (Model[Ints2d, Floats2d]): (n, k) -> (n, len(attrs) * width).
    RAISES (ValueError): If `rows` is not as long as `attrs`, or one of them is none.
    """
    if len(attrs) != len(rows):
        raise ValueError(Errors.E014.format(attrs=len(attrs), rows=len(rows)))
    for attr in attrs:
        if not isinstance(attr, (int, str)) or intify_attr(attr) is None:
            raise number_error("attrs", "lexical attributes, such as NORM, PREFIX or SHAPE", attr)
    for n_rows in rows:
        if not is_whole(n_rows, 1):
            raise number_error("rows", "positive numbers", n_rows)
    # Seeds as in MultiHashEmbed, so that the same tables mean the same.
    tables: List[Model[Ints2d, Floats2d]] = [
        EmbedAttribute(width, n_rows, column=i, seed=8 + i, dropout=0.0)
        for i, n_rows in enumerate(rows)
    ]
    return tables[0] if len(tables) == 1 else concatenate(*tables)


def mixer(width: int, nI: int) -> Model[Floats2d, Floats2d]:
    """RETURNS (Model[Floats2d, Floats2d]): (n, nI) -> (n, width), normalized."""
    return Maxout(width, nI, nP=3, normalize=True)
