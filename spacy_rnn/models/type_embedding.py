"""Embed the tokens of a batch by what each distinct type of them is, once for each."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ints1d, Ints2d

from ..errors import Errors
from ..layers.dropout import is_active
from ..layers.embedding import add_rows
from ..layers.engines.workspace import recycler
from ..layers.freezing import constant, is_frozen
from ..layers.ops import without_blis
from ..layers.ragged import SharedRows, to_list, to_ragged
from ..layers.threads import one_blas_thread
from .static_vectors import by_vectors, look_up, vector_keys_of, vectors_width
from .word_dropout import hide_words

InT = List[Doc]
OutT = List[Floats2d]
# Types that are mixed at a time at a prediction.
MAX_TYPES = 8192


def type_embedding(name: str, width: int, parts: Dict[str, Model[Any, Any]]) -> Model[InT, OutT]:
    """Build a model that embeds each distinct type of a batch once; the architectures call it.

    name (str): Name of the model.
    width (int): Width of the output.
    parts (Dict[str, Model]): The layers. "extract" tells the features by which types differ. What
        they are embedded by: "tables" of the features, "vectors" of the vocab, "characters" of the
        string in the last column of the features. "mix" makes one vector of these, in this order.
        "dropout" falls on the tokens.
    RETURNS (Model[List[Doc], List[Floats2d]]): (n_tokens, width) for each doc.
    """
    return Model(
        name,
        forward,
        init=init,
        dims={"nO": width},
        # By place, not by reference: Model.copy() does not keep references.
        layers=list(parts.values()),
        attrs={"parts": list(parts)},
    )


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    ops, width = model.ops, model.get_dim("nO")
    parts = dict(zip(model.attrs["parts"], model.layers))
    if "vectors" in parts:
        groups = by_vectors(docs)
        if len(groups) > 1:
            return _embed_apart(model, docs, groups, is_train)
    features: List[Ints2d] = parts["extract"].predict(docs)
    n_tokens = sum(len(feature) for feature in features)
    if not n_tokens:
        return [ops.alloc2f(0, width) for _ in docs], lambda dY: []
    keys = ops.xp.concatenate(features)
    vector_keys = vector_keys_of(docs) if "vectors" in parts else None
    type_rows, token_types = distinct_rows(ops.to_numpy(keys), vector_keys)
    types = Types(
        docs,
        keys[ops.xp.asarray(type_rows)],
        None if vector_keys is None else vector_keys[type_rows],
    )
    mixed, backprop_types = _embed_types(model, parts, types, is_train)
    index = ops.asarray1i(cast(Ints1d, token_types))
    lengths = ops.asarray1i([len(feature) for feature in features])
    rows = recycler.take_rows(ops.xp, mixed, index)
    # Dropout falls on tokens, not on types, as it does in MultiHashEmbed.
    Yr, backprop_dropout = parts["dropout"](SharedRows(rows, lengths, mixed, index), is_train)

    if is_train and is_frozen(model):
        return to_list(constant(Yr), width), lambda dYs: []

    def backprop(dYs: OutT) -> InT:
        dY = backprop_dropout(to_ragged(ops, dYs)).dataXd
        d_mixed = ops.xp.zeros_like(mixed)
        ops.scatter_add(d_mixed, index, ops.as_contig(dY))
        backprop_types(d_mixed)
        return []

    return to_list(Yr, width), backprop


def _embed_apart(
    model: Model[InT, OutT], docs: InT, groups: List[List[int]], is_train: bool
) -> Tuple[OutT, Callable]:
    """Embed docs of several vocabs, each by its own vectors."""
    found = [forward(model, [docs[i] for i in group], is_train) for group in groups]
    Ys: List[Any] = [None] * len(docs)
    for group, (rows, _) in zip(groups, found):
        for i, Y in zip(group, rows):
            Ys[i] = Y

    def backprop(dYs: OutT) -> InT:
        for group, (_, callback) in zip(groups, found):
            callback([dYs[i] for i in group])
        return []

    return Ys, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    for part, layer in zip(model.attrs["parts"], model.layers):
        if part == "vectors":
            width = vectors_width(X[0]) if X else 0
            if width and layer.has_dim("nI") is None:
                layer.set_dim("nI", width)
            if not layer.maybe_get_dim("nI") or (X and not width):
                raise ValueError(Errors.E015)
        layer.initialize()


class Types(NamedTuple):
    """The distinct types of a batch.

    docs (List[Doc]): What they were found in.
    keys (Ints2d): (n_types, n_features) Their features.
    vector_keys (Optional[Ints1d]): (n_types,) By which they find their vectors, on the CPU.
    words (Optional[Floats2d]): (n_words, nC) What was read in the characters of distinct words.
    word_of (Optional[Ints1d]): (n_types,) Which word each type is.
    """

    docs: InT
    keys: Ints2d
    vector_keys: Optional[numpy.ndarray]
    words: Optional[Floats2d] = None
    word_of: Optional[Ints1d] = None

    def piece(self, first: int, end: int) -> "Types":
        """RETURNS (Types): Some of the types, with all words."""
        rows = slice(first, end)
        return self._replace(
            keys=self.keys[rows],
            vector_keys=None if self.vector_keys is None else self.vector_keys[rows],
            word_of=None if self.word_of is None else self.word_of[rows],
        )


def _embed_types(
    model: Model[InT, OutT], parts: Dict[str, Model[Any, Any]], types: Types, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], None]]:
    """RETURNS (Tuple[Floats2d, Callable]): (n_types, width), and the callback."""
    ops: Any = model.ops
    backprop_words: Optional[Callable] = None
    if "characters" in parts:
        keys, word_of = numpy.unique(ops.to_numpy(types.keys[:, -1]), return_inverse=True)
        words, backprop_words = parts["characters"](_strings(types.docs, keys), is_train)
        types = types._replace(words=words, word_of=ops.asarray1i(word_of.reshape(-1)))
    if "rate" in model.attrs and is_active(model, is_train):
        columns, rate = model.attrs["word_columns"], model.attrs["rate"]
        types = types._replace(keys=hide_words(ops.xp, types.keys, columns, rate))
    n_types = len(types.keys)
    if not is_train and n_types > MAX_TYPES:
        pieces = [types.piece(i, i + MAX_TYPES) for i in range(0, n_types, MAX_TYPES)]
        mixed = ops.xp.concatenate([_mix(ops, parts, piece, False)[0] for piece in pieces])
        return mixed, lambda d_mixed: None
    mixed, backprop_mix = _mix(ops, parts, types, is_train)

    def backprop(d_mixed: Floats2d) -> None:
        d_words = backprop_mix(d_mixed)
        if backprop_words is not None:
            backprop_words(d_words)

    return mixed, backprop


def _mix(
    ops: Any, parts: Dict[str, Model[Any, Any]], types: Types, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Optional[Floats2d]]]:
    """RETURNS (Tuple[Floats2d, Callable]): (n_types, width), and the callback, which returns the
    gradient of the words, if there are any."""
    with one_blas_thread:
        embedded = []
        if "tables" in parts:
            embedded.append(parts["tables"](types.keys, is_train))
        if "vectors" in parts:
            assert types.vector_keys is not None
            V = look_up(types.docs[0], types.vector_keys, ops)
            embedded.append(parts["vectors"](V, is_train))
        if types.words is not None:
            embedded.append(_take_words(ops, types.words, types.word_of))
        rows = [X for X, _ in embedded]
        X = rows[0] if len(rows) == 1 else ops.xp.concatenate(rows, axis=1)
        mixed, backprop_mix = without_blis(parts["mix"])(X, is_train)

    def backprop(d_mixed: Floats2d) -> Optional[Floats2d]:
        with one_blas_thread:
            dX = backprop_mix(d_mixed)
            start, d_inputs = 0, None
            for part, callback in embedded:
                end = start + part.shape[1]
                d_inputs = callback(ops.as_contig(dX[:, start:end]))
                start = end
        return d_inputs if types.words is not None else None

    return mixed, backprop


def _take_words(ops: Any, words: Floats2d, word_of: Any) -> Tuple[Floats2d, Callable]:
    """RETURNS (Tuple[Floats2d, Callable]): (n_types, nC) The word of each type."""

    def backprop(dY: Floats2d) -> Floats2d:
        d_words = ops.xp.zeros_like(words)
        add_rows(ops, d_words, word_of, dY)
        return cast(Floats2d, d_words)

    return recycler.take_rows(ops.xp, words, word_of), backprop


def _strings(docs: InT, keys: numpy.ndarray) -> List[str]:
    """RETURNS (List[str]): What the keys are the hashes of."""
    stores = list({id(doc.vocab): doc.vocab.strings for doc in docs}.values())
    if len(stores) == 1:
        return [stores[0][key] for key in keys.tolist()]
    return [next(store for store in stores if key in store)[key] for key in keys.tolist()]


def distinct_rows(
    keys: numpy.ndarray, further: Optional[numpy.ndarray] = None
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Find the distinct rows of a table.

    keys (Ints2d): (n, k) uint64.
    further (Optional[Ints1d]): (n,) uint64, one more column.
    RETURNS (Tuple[Ints1d, Ints1d]): The row of the first occurrence of each distinct row, and
        for each row the number of its distinct row.
    """
    if further is not None:
        keys = numpy.concatenate([keys, further[:, None]], axis=1)
    # One number for each row, by a polynomial over the columns: sorting those is far faster
    # than sorting rows. That no two distinct rows got the same number is checked, not hoped.
    mixed = numpy.zeros(len(keys), dtype="uint64")
    for column in keys.T:
        mixed *= numpy.uint64(0x9E3779B97F4A7C15)
        mixed ^= column
        mixed ^= mixed >> numpy.uint64(31)
    _, first, inverse = numpy.unique(mixed, return_index=True, return_inverse=True)
    if not numpy.array_equal(keys[first][inverse], keys):
        _, first, inverse = numpy.unique(keys, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)
