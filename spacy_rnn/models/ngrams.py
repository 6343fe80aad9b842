"""A linear model of words and word pairs that knows from counts how telling each of them is."""

from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, cast

import numpy
from spacy.attrs import intify_attr
from spacy.tokens import Doc
from thinc.api import Model, NumpyOps, to_numpy
from thinc.types import Floats2d

from ..errors import Errors, number_error
from ..layers.embedding import add_rows, gradient_of

InT = List[Doc]
OutT = Floats2d
NAME = "ngram_linear"
# Hashes n-grams on the CPU, wherever the model is.
HASHING = NumpyOps()
ATTRS = ("ORTH", "LOWER", "NORM", "LEMMA")
# Added to the counts of each n-gram, as if it had been seen once more with and without a label.
SMOOTHING = 1.0
# What is equally frequent with and without a label may still tell something together with others,
# so it learns too, if slowly.
LEAST_RATIO = 0.1


def NgramLinear(
    exclusive_classes: bool,
    ngram_size: int = 2,
    length: int = 262144,
    attr: str = "NORM",
    scale: float = 7.0,
    nO: Optional[int] = None,
) -> Model[InT, OutT]:
    """Vote for labels by the n-grams of a text, to stand beside a network in `TextCatRNN`.

    A text is a vector of its distinct n-grams: 1 + log(count), times the inverse document frequency
    (Salton & Buckley 1988), made as long as `scale`. Each n-gram counts for a label as much as the
    logarithm of how much more frequent it is in the texts with the label than in the others (Wang &
    Manning 2012); the weights that are learned are factors on that, from zero. So n-grams that
    tell nothing, which are most of them, are not learned by heart.

    Both are counted by the components of this package as they are initialized, over all training
    texts. Under spaCy's own `textcat` nothing is counted, and all n-grams count the same.

    Parameters: W (length, nO) and b (nO,), which are learned; idf (length,) and ratios
    (length, nO), which are counted.

    exclusive_classes (bool): As that of the classifier.
    ngram_size (int): The longest n-grams, in tokens. Recommended: 2.
    length (int): Rows of the table that n-grams are hashed to. Recommended: 262144, or 1048576 from
        a hundred thousand texts on.
    attr (str): What of a token is its word: "ORTH", "LOWER", "NORM" or "LEMMA".
    scale (float): Length of the vector of a text, which is how fast it learns. Recommended: 3 for
        sentences to 10 for long texts.
    nO (Optional[int]): Number of labels; inferred by the component.
    RETURNS (Model[List[Doc], Floats2d]): (n_docs, nO) logits; b for docs without tokens.
    RAISES (ValueError): If an argument is wrong.
    """
    for name, value in (("ngram_size", ngram_size), ("length", length)):
        if value < 1:
            raise number_error(name, "a positive whole number", value)
    if not scale > 0.0:
        raise number_error("scale", "a positive number", scale)
    if attr not in ATTRS:
        raise ValueError(Errors.E009.format(what="attr", found=attr, expected=", ".join(ATTRS)))
    attrs = {
        "multi_label": not exclusive_classes,
        "ngram_size": ngram_size,
        "attr": intify_attr(attr),
        "scale": scale,
    }
    return _build(attrs, length, nO)


def _build(attrs: Dict[str, Any], length: int, nO: Optional[int]) -> Model[InT, OutT]:
    return Model(
        NAME,
        forward,
        init=init,
        dims={"nO": nO, "length": length},
        params={"W": None, "b": None, "idf": None, "ratios": None},
        attrs=attrs,
    )


class Features(NamedTuple):
    """The distinct n-grams of texts.

    rows (Ints1d): (n,) The row of the table of each.
    counts (Floats1d): (n,) How often it occurs in its text.
    texts (Ints1d): (n,) The number of its text.
    """

    rows: Any
    counts: Any
    texts: Any


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    ops, nO = model.ops, model.get_dim("nO")
    W, b = cast(Floats2d, model.get_param("W")), model.get_param("b")
    found = find_features(model, docs)
    rows, texts = ops.asarray1i(found.rows), ops.asarray1i(found.texts)
    factors = _factors(model, found, len(docs))
    logits = ops.xp.zeros((len(docs), nO), dtype=W.dtype)
    add_rows(ops, logits, texts, factors * W[rows])
    logits += b

    def backprop(d_logits: OutT) -> InT:
        add_rows(ops, gradient_of(model, "W"), rows, factors * d_logits[texts])
        model.inc_grad("b", d_logits.sum(axis=0))
        return []

    return logits, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    if Y is not None and model.has_dim("nO") is None:
        model.set_dim("nO", Y.shape[1])
    ops, nO, length = model.ops, model.get_dim("nO"), model.get_dim("length")
    model.set_param("W", ops.alloc2f(length, nO))
    model.set_param("b", ops.alloc1f(nO))
    model.set_param("idf", ops.alloc1f(length) + 1.0)
    model.set_param("ratios", ops.alloc2f(length, nO) + 1.0)


def find_features(model: Model[InT, OutT], docs: InT) -> Features:
    """RETURNS (Features): The distinct n-grams of each doc, by row."""
    rows, counts = [], []
    for doc in docs:
        found = [of_length for _, of_length in ngram_rows(model, doc)]
        distinct, n_each = numpy.unique(numpy.concatenate(found), return_counts=True)
        rows.append(distinct)
        counts.append(n_each)
    sizes = [len(each) for each in rows]
    return Features(
        numpy.concatenate([numpy.zeros(0, dtype="int32"), *rows]),
        numpy.concatenate([numpy.zeros(0), *counts]).astype("float32"),
        numpy.repeat(numpy.arange(len(docs), dtype="int32"), sizes),
    )


def ngram_rows(model: Model[InT, OutT], doc: Doc) -> Iterator[Tuple[int, numpy.ndarray]]:
    """YIELDS (Tuple[int, Ints1d]): n, and the rows of all n-grams of this length from the first
    token on."""
    words = doc.to_array([model.attrs["attr"]]).reshape(-1).astype("uint64")
    length = numpy.uint64(model.get_dim("length"))
    for n in range(1, max(1, min(model.attrs["ngram_size"], len(doc))) + 1):
        keys = words if n == 1 else HASHING.ngrams(n, words)
        yield n, (keys % length).astype("int32")


def ngram_votes(model: Model[InT, OutT], doc: Doc) -> Iterator[Tuple[int, numpy.ndarray]]:
    """What each n-gram of a doc adds to the logits. All together, and b, they are the logits.

    model (Model): A linear model.
    doc (Doc): A doc with tokens.
    YIELDS (Tuple[int, Floats2d]): n, and (n_ngrams, nO) for all n-grams of this length, from the
        first token on.
    """
    found = find_features(model, [doc])
    W = cast(Floats2d, model.get_param("W"))[model.ops.asarray1i(found.rows)]
    votes = to_numpy(_factors(model, found, 1) * W).astype("float64")
    votes /= found.counts[:, None]
    for n, places in ngram_rows(model, doc):
        yield n, votes[numpy.searchsorted(found.rows, places)]


def _factors(model: Model[InT, OutT], found: Features, n_texts: int) -> Any:
    """What weights are multiplied with: TF-IDF, scaled over each text, times the ratio of a label.

    RETURNS (Floats2d): (n, nO)
    """
    ops, idf = model.ops, cast(Any, model.get_param("idf"))
    rows, texts = ops.asarray1i(found.rows), ops.asarray1i(found.texts)
    values = (1.0 + ops.xp.log(ops.asarray(found.counts))).astype(idf.dtype) * idf[rows]
    squares = ops.xp.zeros((n_texts, 1), dtype=idf.dtype)
    add_rows(ops, squares, texts, (values * values)[:, None])
    values *= model.attrs["scale"] / ops.xp.sqrt(squares[texts, 0])
    return values[:, None] * cast(Floats2d, model.get_param("ratios"))[rows]


def count_ngrams(
    model: Model[InT, OutT], batches: Iterable[Tuple[InT, numpy.ndarray, numpy.ndarray]]
) -> None:
    """Count in how many texts n-grams are, and in how many of each label.

    N-grams that are in none have the inverse document frequency of one in less than one text, and
    a ratio of 1, so that they can be learned when further texts come.

    model (Model): A linear model that has been initialized. Its idf and ratios are set.
    batches (Iterable[Tuple[List[Doc], Floats2d, Floats2d]]): Docs, the truth of each label,
        (n_docs, nO), and 1 where it is known.
    """
    length, nO = model.get_dim("length"), model.get_dim("nO")
    n_docs, n_in = 0, numpy.zeros((length,))
    n_with, n_without = numpy.zeros((length, nO)), numpy.zeros((length, nO))
    for docs, truths, known in batches:
        docs = list(docs)
        found = find_features(model, docs)
        n_docs += len(docs)
        numpy.add.at(n_in, found.rows, 1.0)
        numpy.add.at(n_with, found.rows, (truths * known)[found.texts])
        numpy.add.at(n_without, found.rows, ((1.0 - truths) * known)[found.texts])
    ratios = numpy.ones((length, nO))
    seen = n_in > 0
    if seen.any():
        logs = []
        for counts in (n_with[seen], n_without[seen]):
            smoothed = counts + SMOOTHING
            logs.append(numpy.log(smoothed / smoothed.sum(axis=0)))
        difference = logs[0] - logs[1]
        sign = numpy.where(difference < 0.0, -1.0, 1.0)
        ratios[seen] = sign * numpy.maximum(abs(difference), LEAST_RATIO)
    idf = numpy.log((1.0 + n_docs) / (1.0 + n_in)) + 1.0
    counted: Dict[str, Any] = {"idf": idf, "ratios": ratios}
    for name, values in counted.items():
        model.set_param(name, cast(Any, model.ops.asarray(values, dtype="float32")))


def resize(model: Model[InT, OutT], nO: int, bias: float = 0.0) -> Model[InT, OutT]:
    """Make room for more labels. What is known of n-grams is counted for those that are there; for
    new ones all n-grams count the same.

    model (Model): A linear model; initialized or not.
    nO (int): Number of labels.
    bias (float): Where b of a new label starts.
    RETURNS (Model): The same if only the number was not known yet, else a new one.
    """
    if not model.has_param("W"):
        model.set_dim("nO", nO, force=True)
        return model
    ops, length, n_new = model.ops, model.get_dim("length"), nO - model.get_dim("nO")
    new = _build(dict(model.attrs), length, nO)
    for name, fill in (("W", 0.0), ("ratios", 1.0)):
        old = cast(Floats2d, model.get_param(name))
        columns = [old, ops.alloc2f(length, n_new) + fill]
        new.set_param(name, ops.as_contig(ops.xp.concatenate(columns, axis=1)))
    new.set_param("b", ops.xp.concatenate([model.get_param("b"), ops.alloc1f(n_new) + bias]))
    new.set_param("idf", model.get_param("idf"))
    return new
