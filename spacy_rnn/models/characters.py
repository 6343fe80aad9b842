"""Read the characters of words by a recurrent network."""

from typing import Any, Callable, Iterator, List, Optional, Tuple, cast

import numpy
from thinc.api import HashEmbed as HashTable
from thinc.api import Model
from thinc.types import Floats2d, Ints1d, Ragged

from ..checks import check_width
from ..errors import Errors, number_error
from ..layers.bidirectional import bidirectional as read_both_ways
from ..layers.embedding import add_rows
from ..layers.engines.workspace import recycler
from ..layers.freezing import constant, is_constant, is_frozen
from ..layers.pooling import pool
from ..layers.ragged import SharedRows
from ..layers.state import without_carry
from .encoder import CELLS

InT = List[str]
OutT = Floats2d
# Characters that are read at a time at a prediction.
MAX_CHARACTERS = 2**16


def characters(
    cell: str,
    nO: int,
    *,
    char_width: int,
    char_rows: int,
    bidirectional: bool,
    max_length: int,
) -> Model[InT, OutT]:
    """Read each word character by character, and keep the state that has read all of it; with two
    directions the last state of each, side by side.

    A character's vector is the sum of the four rows of a table that its code point is hashed to. So
    there is no vocabulary to be learned first, all scripts are served alike, and a character that
    was never seen has a vector too. In a thousand rows, no two characters of the Latin, Greek,
    Cyrillic, Armenian and Hebrew scripts have the same four, and of Chinese ones two in a thousand.

    cell (str): A cell of `RNNEncoder`.
    nO (int): Width of both states together.
    char_width (int): Width of the table.
    char_rows (int): Rows of the table.
    bidirectional (bool): Whether words are read from both ends.
    max_length (int): Of longer words so many characters are read: the first and the last half.
    RETURNS (Model[List[str], Floats2d]): (n_words, nO), zeros for a word without characters.
    RAISES (ValueError): For an unknown cell, or a number out of its range.
    """
    if cell not in CELLS:
        raise ValueError(Errors.E002.format(cell=cell, cells=", ".join(CELLS)))
    numbers = {
        "char_width": char_width,
        "char_rows": char_rows,
        "hidden_width": nO,
        "max_length": max_length,
    }
    for what, value in numbers.items():
        check_width(what, value)
    if bidirectional and nO % 2:
        expected = "an even number, as each direction has half of it"
        raise number_error("hidden_width", expected, nO)
    width = nO // 2 if bidirectional else nO
    directions = [CELLS[cell](width, char_width) for _ in range(1 + bidirectional)]
    for layer in directions:
        # Not the name of the encoder's layers: patterns of names can tell them apart.
        layer.name = f"character_{layer.name}"
    return Model(
        "characters",
        forward,
        init=init,
        dims={"nO": nO},
        # By place, not by reference: Model.copy() does not keep references.
        layers=[
            HashTable(char_width, char_rows, seed=8),
            read_both_ways(*directions) if bidirectional else directions[0],
            pool(["last"], nO, reverse_from=width if bidirectional else None),
        ],
        attrs={"max_length": max_length},
    )


def forward(model: Model[InT, OutT], words: InT, is_train: bool) -> Tuple[OutT, Callable]:
    words = [_shortened(word, model.attrs["max_length"]) for word in words]
    if is_train:
        return _read(model, words, True)
    pieces = [_read(model, piece, False)[0] for piece in _pieces(words)]
    return pieces[0] if len(pieces) == 1 else model.ops.xp.concatenate(pieces), lambda dY: []


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    for layer in model.layers:
        layer.initialize()


def _read(model: Model[InT, OutT], words: InT, is_train: bool) -> Tuple[OutT, Callable]:
    """All words as one batch of sequences."""
    table, read, last = model.layers
    Xr, backprop_table = _look_up(table, words, is_train)
    with without_carry():
        Hr, backprop_read = read(Xr, is_train)
    Y, backprop_last = last(Hr, is_train)

    def backprop(dY: OutT) -> InT:
        backprop_table(backprop_read(backprop_last(dY)))
        return []

    return Y, backprop


def _look_up(
    table: Model[Ints1d, Floats2d], words: InT, is_train: bool
) -> Tuple[SharedRows, Callable[[Ragged], None]]:
    """RETURNS (Tuple[SharedRows, Callable]): (n_characters, char_width) The vectors of all
    characters, each distinct one looked up once."""
    ops = table.ops
    code_points = numpy.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), "<u4")
    distinct, source = numpy.unique(code_points, return_inverse=True)
    keys: Any = ops.xp.asarray(distinct, dtype="uint64")
    E, backprop_table = table(keys, is_train)
    index = ops.asarray1i(cast(Any, source.reshape(-1)))
    lengths = ops.asarray1i([len(word) for word in words])
    Xr = SharedRows(recycler.take_rows(ops.xp, E, index), lengths, E, index)
    constant(Xr, is_train and is_frozen(table))

    def backprop(dXr: Ragged) -> None:
        if len(distinct) and not is_constant(Xr):
            dE = ops.xp.zeros_like(E)
            add_rows(ops, dE, index, cast(Floats2d, dXr.dataXd))
            backprop_table(dE)

    return Xr, backprop


def _shortened(word: str, max_length: int) -> str:
    """RETURNS (str): The word, or both ends of it: they tell more than the middle does."""
    if len(word) <= max_length:
        return word
    n_last = max_length // 2
    return word[: max_length - n_last] + word[len(word) - n_last :]


def _pieces(words: InT) -> Iterator[InT]:
    """YIELDS (List[str]): The words, of MAX_CHARACTERS or one at a time; at least one list."""
    first = n_characters = 0
    for i, word in enumerate(words):
        n_characters += len(word)
        if n_characters > MAX_CHARACTERS and i > first:
            yield words[first:i]
            first, n_characters = i, len(word)
    yield words[first:]
