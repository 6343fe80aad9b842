"""The word vectors of the vocab, by a projection that is trained."""

from typing import Any, Callable, Dict, List, Optional, Tuple, cast

import numpy
from spacy.tokens import Doc
from spacy.vectors import Mode
from thinc.api import Model, glorot_uniform_init
from thinc.types import Floats1d, Floats2d
from thinc.util import partial

from ..errors import Errors

InT = Floats2d
OutT = Floats2d


def project_vectors(width: int) -> Model[InT, OutT]:
    """A linear layer without bias, as `spacy.ml.StaticVectors` has it: W (width, nI)."""
    return Model(
        "static_vectors",
        forward,
        init=partial(init, glorot_uniform_init),
        dims={"nO": width, "nI": None},
        params={"W": None},
        attrs={"dropout_rate": 0.0},
    )


def forward(model: Model[InT, OutT], V: InT, is_train: bool) -> Tuple[OutT, Callable]:
    W = cast(Floats2d, model.get_param("W"))
    if V.shape[1] != W.shape[1]:
        raise ValueError(Errors.E003.format(name=model.name, expected=W.shape[1], found=V.shape[1]))
    # NumPy's BLAS, not that of `ops.gemm`: see `spacy_rnn.layers.ops`.
    Y = V @ W.T
    mask = None
    if is_train:
        # One mask for the batch, as in spaCy's layer: whole dimensions of the vectors fall out.
        mask = cast(
            Floats1d, model.ops.get_dropout_mask((Y.shape[1],), model.attrs["dropout_rate"])
        )
        Y *= mask

    def backprop(dY: OutT) -> InT:
        if mask is not None:
            dY = dY * mask
        model.inc_grad("W", dY.T @ V)
        return model.ops.alloc2f(0, 0)  # the vectors are static

    return Y, backprop


def init(
    init_W: Callable, model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None
) -> None:
    model.set_param("W", init_W(model.ops, (model.get_dim("nO"), model.get_dim("nI"))))


def vector_keys_of(docs: List[Doc]) -> numpy.ndarray:
    """RETURNS (Ints1d): (n_tokens,) The keys by which the vocab's vectors are looked up."""
    attr = getattr(docs[0].vocab.vectors, "attr", "ORTH")
    return cast(numpy.ndarray, numpy.concatenate([doc.to_array(attr) for doc in docs]))


def _is_table(vectors: Any) -> bool:
    return bool(getattr(vectors, "mode", None) == Mode.default)


def vectors_width(doc: Doc) -> int:
    """RETURNS (int): The width of the vectors of a doc's vocab; 0 if there are none."""
    vectors = doc.vocab.vectors
    return 0 if _is_table(vectors) and not vectors.shape[0] else int(vectors.shape[1])


def look_up(doc: Doc, keys: numpy.ndarray, ops: Any) -> Floats2d:
    """RETURNS (Floats2d): (n_types, nM) The vector of each key, zeros for keys that have none."""
    vectors = doc.vocab.vectors
    if not vectors_width(doc):
        raise ValueError(Errors.E015)
    if not _is_table(vectors):  # floret, or a table of the user's own
        return cast(Floats2d, ops.asarray(vectors.get_batch(keys), dtype="float32"))
    rows = ops.xp.asarray(vectors.find(keys=keys))
    V = ops.asarray(vectors.data)[rows]
    V[rows < 0] = 0.0
    return cast(Floats2d, V.astype("float32", copy=False))


def by_vectors(docs: List[Doc]) -> List[List[int]]:
    """RETURNS (List[List[int]]): Numbers of docs, those together whose vocabs have the same
    vectors."""
    groups: Dict[int, List[int]] = {}
    for i, doc in enumerate(docs):
        groups.setdefault(id(doc.vocab.vectors), []).append(i)
    return list(groups.values())
