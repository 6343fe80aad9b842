"""Find out by trial which tokens the vectors of a tok2vec depend on."""

from itertools import islice
from typing import Any, List, Optional, Tuple

import numpy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model
from thinc.types import Floats2d

from ..errors import Errors
from .lm_parts import vocabulary_of
from .lm_tok2vec import readers_of

# Words that differ in whatever a token may be embedded by: letters, prefix, suffix, shape, length.
WORDS = ["river", "The", "1984", "!", "unbelievably", "iPhone", "x-ray", "USA", "café", "3.14"]
# How many words the text has that is changed, and by how many others each is replaced.
N_WORDS, N_OTHERS = 12, 3
# Of the largest change of a vector when its own token is replaced: less is the noise of float32. At
# their first weights, encoders that see the next token change by a third of it and more.
TOLERANCE = 1e-4


def n_directions(tok2vec: Model[List[Doc], List[Floats2d]], vocab: Vocab) -> Tuple[int, int]:
    """Find out whether a tok2vec can predict the tokens that follow.

    Each token of a text is replaced in turn, and what the vectors of the others do is looked at.
    Nothing is drawn from NumPy's global state that is not put back.

    tok2vec (Model[List[Doc], List[Floats2d]]): Has its weights.
    vocab (Vocab): Of the docs that the trial is made on.
    RETURNS (Tuple[int, int]): 1 if no vector depends on a token after its own, 2 if that holds for
        the first half of its columns, and the second half depends on no token before its own; and
        the width of the vectors.
    RAISES (ValueError): If neither is so, or the layer is no tok2vec.
    """
    state = numpy.random.get_state()
    changes, size = _changes(tok2vec, vocab)
    numpy.random.set_state(state)
    n_words, _, width = changes.shape
    own = changes[range(n_words), range(n_words)]
    scale = numpy.nanmax(own, initial=0.0)
    if not scale > 1e-6 * size:
        found = "vectors that stay the same, whatever the token"
        raise ValueError(Errors.E101.format(found=found))
    # What is not a number has changed.
    is_changed = ~(changes <= TOLERANCE * scale)
    half = width // 2
    ahead = _first(is_changed, after=False)
    if ahead is None:
        return 1, width
    parts = {
        "first half of the ": _first(is_changed[..., :half], after=False),
        "second half of the ": _first(is_changed[..., half:], after=True),
    }
    if width % 2:
        parts = {"": ahead}
    for part, seen in parts.items():
        if seen is not None:
            replaced, changed = seen
            raise ValueError(Errors.E100.format(part=part, replaced=replaced, changed=changed))
    return 2, width


def _changes(tok2vec: Model[Any, Any], vocab: Vocab) -> Tuple[Any, float]:
    """RETURNS (Tuple[Floats3d, float]): (n_words, n_words, width) For each token that is replaced,
    by how much each vector changes at the most, and the largest value of any vector."""
    words = _words(vocab, tok2vec)
    text = [words[i % len(words)] for i in range(N_WORDS)]
    docs = [Doc(vocab, words=text)]
    for place in range(N_WORDS):
        for step in range(1, N_OTHERS + 1):
            other = words[(place + step) % len(words)]
            docs.append(Doc(vocab, words=[*text[:place], other, *text[place + 1 :]]))
    # In one batch, and of one length, so that all are computed in the same way.
    vectors = tok2vec.predict(docs)
    expected = f"one array of {N_WORDS} rows for each doc of {N_WORDS} tokens"
    if not isinstance(vectors, list) or [len(rows) for rows in vectors] != [N_WORDS] * len(docs):
        found = f"an output of the type {type(vectors).__name__} that is not {expected}"
        raise ValueError(Errors.E101.format(found=found))
    Y = numpy.stack([tok2vec.ops.to_numpy(rows) for rows in vectors])
    moved = numpy.abs(Y[1:] - Y[0]).reshape((N_WORDS, N_OTHERS, N_WORDS, -1)).max(axis=1)
    return moved, float(numpy.nanmax(numpy.abs(Y[0]), initial=0.0))


def _words(vocab: Vocab, tok2vec: Model[Any, Any]) -> List[str]:
    """RETURNS (List[str]): Some words; those of a language model within and of the word vectors, if
    there are any, come first, as a tok2vec may know no others."""
    units: List[str] = []
    for reader in readers_of(tok2vec):
        # In front of a word of subwords there may be a space.
        texts = (unit.strip() for unit in vocabulary_of(reader).units)
        units += islice((text for text in texts if text), N_WORDS)
    # A table of the user's own need not have keys.
    keys = islice(getattr(vocab.vectors, "keys", tuple)(), 4)
    known = [vocab.strings[key] for key in keys if key in vocab.strings]
    return list(dict.fromkeys([*units, *(word for word in known if word), *WORDS]))


def _first(is_changed: Any, *, after: bool) -> Optional[Tuple[int, int]]:
    """RETURNS (Optional[Tuple[int, int]]): A token that was replaced and one before it, or after
    it, whose vector has changed."""
    reaches = is_changed.any(axis=2)
    places = numpy.argwhere(numpy.triu(reaches, 1) if after else numpy.tril(reaches, -1))
    return (int(places[0][0]), int(places[0][1])) if len(places) else None
