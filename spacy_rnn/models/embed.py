"""Embed tokens by hashed lexical attributes, once for each distinct type of a batch."""

from typing import Any, Callable, List, Optional, Tuple, Union, cast

import numpy
from spacy.ml.featureextractor import FeatureExtractor
from spacy.tokens import Doc
from spacy.vectors import Mode
from thinc.api import (
    Dropout,
    Maxout,
    Model,
    concatenate,
    glorot_uniform_init,
)
from thinc.api import HashEmbed as EmbedAttribute
from thinc.types import Floats1d, Floats2d, Ints1d, Ints2d
from thinc.util import partial

from ..errors import Errors, number_error
from ..layers.engines.workspace import recycler
from ..layers.freezing import constant, is_frozen
from ..layers.ops import without_blis
from ..layers.ragged import SharedRows, to_list, to_ragged
from ..layers.threads import one_blas_thread

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
    if len(attrs) != len(rows):
        raise ValueError(Errors.E014.format(attrs=len(attrs), rows=len(rows)))
    if not attrs:
        raise number_error("attrs", "a list of at least one attribute", attrs)
    if width < 1:
        raise number_error("width", "a positive number", width)
    # Seeds as in MultiHashEmbed, so that the same tables mean the same.
    tables: List[Model[Ints2d, Floats2d]] = [
        EmbedAttribute(width, n_rows, column=i, seed=8 + i, dropout=0.0)
        for i, n_rows in enumerate(rows)
    ]
    embed: Model[Ints2d, Floats2d] = tables[0] if len(tables) == 1 else concatenate(*tables)
    layers: List[Model[Any, Any]] = [
        FeatureExtractor(list(attrs)),
        embed,
        Maxout(width, width * (len(attrs) + include_static_vectors), nP=3, normalize=True),
        Dropout(0.0),
    ]
    if include_static_vectors:
        layers.append(_project_vectors(width))
    model: Model[InT, OutT] = Model(
        "hash_embed",
        forward,
        init=init,
        dims={"nO": width},
        layers=layers,
    )
    return model


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    ops, width = model.ops, model.get_dim("nO")
    # By place, not by reference: Model.copy() does not keep references.
    extract, embed, mix, dropout, *further = model.layers
    projector = further[0] if further else None
    features: List[Ints2d] = extract.predict(docs)
    n_tokens = sum(len(feature) for feature in features)
    if not n_tokens:
        return [ops.alloc2f(0, width) for _ in docs], lambda dY: []
    keys = ops.xp.concatenate(features)
    vector_keys = _vector_keys(docs) if projector is not None else None
    type_rows, token_types = distinct_rows(ops.to_numpy(keys), vector_keys)
    with one_blas_thread:
        embedded, backprop_embed = embed(keys[ops.xp.asarray(type_rows)], is_train)
        if projector is not None:
            assert vector_keys is not None
            V = _look_up(docs[0], vector_keys[type_rows], ops)
            projected, backprop_vectors = projector(V, is_train)
            embedded = ops.xp.concatenate([embedded, projected], axis=1)
        mixed, backprop_mix = without_blis(mix)(embedded, is_train)
    index = ops.asarray1i(cast(Ints1d, token_types))
    lengths = ops.asarray1i([len(feature) for feature in features])
    rows = recycler.take_rows(ops.xp, mixed, index)
    # Dropout falls on tokens, not on types, as it does in MultiHashEmbed.
    Yr, backprop_dropout = dropout(SharedRows(rows, lengths, mixed, index), is_train)

    if is_train and is_frozen(model):
        return to_list(constant(Yr), width), lambda dYs: []

    def backprop(dYs: OutT) -> InT:
        dY = backprop_dropout(to_ragged(ops, dYs)).dataXd
        d_mixed = ops.xp.zeros_like(mixed)
        ops.scatter_add(d_mixed, index, ops.as_contig(dY))
        with one_blas_thread:
            d_embedded = backprop_mix(d_mixed)
            if projector is not None:
                backprop_vectors(ops.as_contig(d_embedded[:, -width:]))
                d_embedded = ops.as_contig(d_embedded[:, :-width])
            backprop_embed(d_embedded)
        return []

    return to_list(Yr, width), backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    model.layers[1].initialize()
    model.layers[2].initialize()
    for projector in model.layers[4:]:
        if X and projector.has_dim("nI") is None:
            projector.set_dim("nI", X[0].vocab.vectors.shape[1] or 0)
        if not projector.maybe_get_dim("nI"):
            raise ValueError(Errors.E015)
        projector.initialize()


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


def _vector_keys(docs: InT) -> numpy.ndarray:
    """(n_tokens,) The keys by which the vocab's vectors are looked up."""
    attr = getattr(docs[0].vocab.vectors, "attr", "ORTH")
    return cast(numpy.ndarray, numpy.concatenate([doc.to_array(attr) for doc in docs]))


def _look_up(doc: Doc, keys: numpy.ndarray, ops: Any) -> Floats2d:
    """(n_types, nM) The vector of each key, zeros for keys that have none."""
    vectors = doc.vocab.vectors
    if not vectors.shape[1]:
        raise ValueError(Errors.E015)
    if getattr(vectors, "mode", None) != Mode.default:  # floret, or a table of the user's own
        return cast(Floats2d, ops.asarray(vectors.get_batch(keys)))
    rows = ops.xp.asarray(vectors.find(keys=keys))
    V = ops.asarray(vectors.data)[rows]
    V[rows < 0] = 0.0
    return cast(Floats2d, V)


def _project_vectors(width: int) -> Model[Floats2d, Floats2d]:
    """A linear layer without bias, as `spacy.ml.StaticVectors` has it: W (width, nI)."""
    return Model(
        "static_vectors",
        _project_forward,
        init=partial(_project_init, glorot_uniform_init),
        dims={"nO": width, "nI": None},
        params={"W": None},
        attrs={"dropout_rate": 0.0},
    )


def _project_forward(
    model: Model[Floats2d, Floats2d], V: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable]:
    W = cast(Floats2d, model.get_param("W"))
    if V.shape[1] != W.shape[1]:
        raise ValueError(Errors.E003.format(name=model.name, expected=W.shape[1], found=V.shape[1]))
    Y = model.ops.gemm(V, W, trans2=True)
    mask = None
    if is_train:
        # One mask for the batch, as in spaCy's layer: whole dimensions of the vectors fall out.
        mask = cast(
            Floats1d, model.ops.get_dropout_mask((Y.shape[1],), model.attrs["dropout_rate"])
        )
        Y *= mask

    def backprop(dY: Floats2d) -> Floats2d:
        if mask is not None:
            dY = dY * mask
        model.inc_grad("W", model.ops.gemm(dY, V, trans1=True))
        return model.ops.alloc2f(0, 0)  # the vectors are static

    return Y, backprop


def _project_init(
    init_W: Callable,
    model: Model[Floats2d, Floats2d],
    X: Optional[Floats2d] = None,
    Y: Optional[Floats2d] = None,
) -> None:
    model.set_param("W", init_W(model.ops, (model.get_dim("nO"), model.get_dim("nI"))))
