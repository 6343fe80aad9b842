"""Embed tokens by their characters, read by a recurrent network once for each distinct word."""

from typing import Any, Dict, List, Optional, Union

from spacy.ml.featureextractor import FeatureExtractor
from spacy.tokens import Doc
from thinc.api import Dropout, Model
from thinc.types import Floats2d

from ..checks import check_width
from ..errors import Errors
from ..layers.configured import Rate
from .characters import characters
from .embed import hash_tables, mixer
from .static_vectors import project_vectors
from .type_embedding import type_embedding
from .word_dropout import word_columns

# What of a token may be read.
ATTRS = ("ORTH", "NORM", "LOWER")


def CharEmbed(
    width: int,
    cell: str,
    char_width: int = 32,
    char_rows: int = 1000,
    hidden_width: int = 64,
    bidirectional: bool = True,
    max_length: int = 40,
    attr: str = "ORTH",
    attrs: Optional[List[Union[int, str]]] = None,
    rows: Optional[List[int]] = None,
    include_static_vectors: bool = False,
    word_dropout: float = 0.0,
) -> Model[List[Doc], List[Floats2d]]:
    """Embed each token by the characters of its word: a recurrent network reads them from both
    ends, and what it has read is mixed to the width of the output (Ling et al. 2015, "Finding
    function in form: compositional character models for open vocabulary word representation";
    Lample et al. 2016, "Neural architectures for named entity recognition"). Hashed attributes and
    word vectors may be mixed in.

    A word's vector depends on nothing around it. So each distinct word of a batch is read once,
    forward and backward, however often it occurs.

    width (int): Width of the output. Recommended: 64 to 300.
    cell (str): Of the network over characters, as that of `RNNEncoder`.
    char_width (int): Width of the vectors of characters. Recommended: 16 to 64.
    char_rows (int): Rows of the table that characters are hashed into. A character is the sum of
        four of them, so no two are likely to be the same, in any script. Recommended: 500 to 5000.
    hidden_width (int): Width of what was read, both directions together. Recommended: 50 to 200.
    bidirectional (bool): Read each word from both ends.
    max_length (int): How many characters are read of a word; of a longer one its first and its last
        half so many. Recommended: 20 to 50.
    attr (str): What of a token is read: "ORTH", "NORM" or "LOWER".
    attrs (Optional[List[Union[int, str]]]): Lexical attributes that are hashed into tables beside,
        as in `HashEmbed`; None for none.
    rows (Optional[List[int]]): Rows of each attribute's table.
    include_static_vectors (bool): Mix in the vectors of the vocab, which are not trained.
    word_dropout (float): In training, the share of the distinct words of a batch whose ORTH, NORM
        and LOWER, of those that are in `attrs`, are those of a word that there is not. So the
        characters have to tell what the word is. Recommended: 0 to 0.5.
    RETURNS (Model[List[Doc], List[Floats2d]]): (n_tokens, width) for each doc.
    RAISES (ValueError): For an unknown cell or attr, a number out of its range, or if `rows` is not
        as long as `attrs`; at initialization, if there are no vectors to include.
    """
    check_width("width", width)
    if attr not in ATTRS:
        raise ValueError(Errors.E009.format(what="attr", found=attr, expected=", ".join(ATTRS)))
    attrs, rows = list(attrs or []), list(rows or [])
    columns = word_columns(word_dropout, attrs)
    parts: Dict[str, Model[Any, Any]] = {
        # The string that is read comes last.
        "extract": FeatureExtractor([*attrs, attr]),
        "characters": characters(
            cell,
            hidden_width,
            char_width=char_width,
            char_rows=char_rows,
            bidirectional=bidirectional,
            max_length=max_length,
        ),
    }
    if attrs or rows:
        parts["tables"] = hash_tables(width, attrs, rows)
    if include_static_vectors:
        parts["vectors"] = project_vectors(width)
    nI = width * (len(attrs) + include_static_vectors) + hidden_width
    parts["mix"] = mixer(width, nI)
    parts["dropout"] = Dropout(0.0)
    model = type_embedding("char_embed", width, parts)
    # No layer of its own: weights that were trained at one rate can be trained further at another.
    # As that of recurrent dropout, the rate stays when the dropout rate is set, except that 0 turns
    # it off.
    model.attrs.update({"dropout_rate": word_dropout, "rate": Rate(word_dropout)})
    model.attrs["word_columns"] = columns
    return model
