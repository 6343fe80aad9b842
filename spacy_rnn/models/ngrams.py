"""A linear model of words and word pairs that knows from counts how telling each of them is."""

from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model, to_numpy
from thinc.types import Floats2d

from ..checks import is_number, is_whole
from ..errors import Errors, number_error
from ..layers.embedding import add_rows
from ..layers.gradients import gradient_of
from . import latent as latents
from .ngram_keys import check_attr, count_texts, find_rows, ngram_keys, words_of

InT = List[Doc]
OutT = Floats2d
BatchT = Tuple[InT, numpy.ndarray, numpy.ndarray]
NAME = "ngram_linear"
# The attribute with the keys of the n-grams that have rows, in the order of these, (n_rows,);
# None as long as nothing was counted.
KEYS = "keys"
# The attribute with the number of rows after these that other n-grams are hashed to: none before
# labels are added, then NEW_ROWS.
SPARE = "spare"
NEW_ROWS = 2**14
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
    latent: Optional[Model[InT, OutT]] = None,
) -> Model[InT, OutT]:
    """Vote for labels by the n-grams of a text, to stand beside a network in `TextCatRNN`.

    A text is a vector of its distinct n-grams: 1 + log(count), times the inverse document frequency
    (Salton & Buckley 1988), made as long as `scale`. Each n-gram counts for a label as much as the
    logarithm of how much more frequent it is in the texts with the label than in the others (Wang &
    Manning 2012); the weights that are learned are factors on that, from zero. So n-grams that
    tell nothing, which are most of them, are not learned by heart.

    Both are counted by the components of this package as they are initialized, over all training
    texts. Each n-gram has a row of its own then, and others than these say nothing: where n-grams
    share rows by their hash, two in five of those of a new text may stand for one that is known.
    Under spaCy's own `textcat` nothing is counted: all n-grams count the same, and are hashed to
    `length` rows.

    Parameters: W (n_rows, nO) and b (nO,), which are learned; idf (n_rows,) and ratios
    (n_rows, nO), which are counted.

    exclusive_classes (bool): As that of the classifier.
    ngram_size (int): The longest n-grams, in tokens. Recommended: 2.
    length (int): Most rows of the table; if there are more n-grams, those in the most texts have
        one. Recommended: 262144, or 1048576 for two labels and ten thousand long texts or more.
    attr (str): What of a token is its word: "ORTH", "LOWER", "NORM" or "LEMMA".
    scale (float): Length of the vector of a text, which is how fast it learns. Recommended: 3 for
        sentences to 10 for long texts.
    nO (Optional[int]): Number of labels; inferred by the component.
    latent (Optional[Model[List[Doc], Floats2d]]): A `spacy-rnn.LatentNgrams.v1`, whose logits are
        added, and which learns from the error of the sum.
    RETURNS (Model[List[Doc], Floats2d]): (n_docs, nO) logits; b for docs without tokens.
    RAISES (ValueError): If an argument is wrong.
    """
    for name, value in (("ngram_size", ngram_size), ("length", length)):
        if not is_whole(value, 1):
            raise number_error(name, "a positive whole number", value)
    if not (is_number(scale) and scale > 0.0):
        raise number_error("scale", "a positive number", scale)
    if latent is not None and latent.name != latents.NAME:
        raise ValueError(
            Errors.E011.format(
                what="latent",
                expected="a spacy-rnn.LatentNgrams.v1 or null",
                found=f"a layer '{latent.name}'",
            )
        )
    check_attr(attr)
    attrs = {
        "multi_label": not exclusive_classes,
        "ngram_size": ngram_size,
        "attr": attr,
        "scale": scale,
        KEYS: None,
        SPARE: 0,
    }
    if latent is not None and nO is not None:
        latent = latents.resize(latent, nO)
    return _build(attrs, length, nO, latent)


def _build(
    attrs: Dict[str, Any], length: int, nO: Optional[int], latent: Optional[Model[InT, OutT]]
) -> Model[InT, OutT]:
    return Model(
        NAME,
        forward,
        init=init,
        layers=[] if latent is None else [latent],
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
    backprops = []
    for latent in model.layers:
        votes, backprop_votes = latent(docs, is_train)
        logits += votes
        backprops.append(backprop_votes)

    def backprop(d_logits: OutT) -> InT:
        for backprop_votes in backprops:
            backprop_votes(d_logits)
        add_rows(ops, gradient_of(model, "W"), rows, factors * d_logits[texts])
        model.inc_grad("b", d_logits.sum(axis=0))
        return []

    return logits, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    if Y is not None and model.has_dim("nO") is None:
        model.set_dim("nO", Y.shape[1])
    ops, nO, length = model.ops, model.get_dim("nO"), model.get_dim("length")
    for latent in model.layers:
        latent.set_dim("nO", nO, force=True)
        latent.initialize()
    model.attrs[KEYS], model.attrs[SPARE] = None, 0
    model.set_param("W", ops.alloc2f(length, nO))
    model.set_param("b", ops.alloc1f(nO))
    model.set_param("idf", ops.alloc1f(length) + 1.0)
    model.set_param("ratios", ops.alloc2f(length, nO) + 1.0)


def expected_shapes(model: Model[InT, OutT]) -> Dict[str, Tuple[int, ...]]:
    """RETURNS (Dict[str, Tuple[int, ...]]): The shape of each parameter, as far as it is known."""
    if not model.has_dim("nO"):
        return {}
    keys, nO = model.attrs[KEYS], model.get_dim("nO")
    n_rows = model.get_dim("length") if keys is None else len(keys) + model.attrs[SPARE]
    return {"W": (n_rows, nO), "b": (nO,), "idf": (n_rows,), "ratios": (n_rows, nO)}


def find_features(model: Model[InT, OutT], docs: InT) -> Features:
    """RETURNS (Features): The distinct n-grams of each doc that have a row, by row."""
    rows, counts = [], []
    for doc in docs:
        found = numpy.concatenate([of_length for _, of_length in ngram_rows(model, doc)])
        distinct, n_each = numpy.unique(found[found >= 0], return_counts=True)
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
    token on; -1 for those that have none."""
    known, spare = model.attrs[KEYS], model.attrs[SPARE]
    words = words_of(doc, model.attrs["attr"])
    for n, keys in ngram_keys(words, model.attrs["ngram_size"]):
        if known is None:
            rows = keys % numpy.uint64(model.get_dim("length"))
        else:
            rows = find_rows(known, keys)
            if spare:
                others = len(known) + keys % numpy.uint64(spare)
                rows = numpy.where(rows < 0, others.astype("int32"), rows)
        yield n, rows.astype("int32")


def ngram_votes(model: Model[InT, OutT], doc: Doc) -> Iterator[Tuple[int, numpy.ndarray]]:
    """What each n-gram of a doc adds to the logits: nothing, if it has no row. All together, and b,
    they are the logits.

    model (Model): A linear model.
    doc (Doc): A doc with tokens.
    YIELDS (Tuple[int, Floats2d]): n, and (n_ngrams, nO) for all n-grams of this length, from the
        first token on; twice for a length, if there are latent vectors, which add their own.
    """
    found = find_features(model, [doc])
    W = cast(Floats2d, model.get_param("W"))[model.ops.asarray1i(found.rows)]
    votes = to_numpy(_factors(model, found, 1) * W).astype("float64")
    votes /= found.counts[:, None]
    # One more, for those without a row.
    votes = numpy.concatenate([votes, numpy.zeros((1, votes.shape[1]))])
    for n, places in ngram_rows(model, doc):
        yield n, votes[numpy.where(places < 0, -1, numpy.searchsorted(found.rows, places))]
    for latent in model.layers:
        yield from latents.latent_votes(latent, doc)


def _factors(model: Model[InT, OutT], found: Features, n_texts: int) -> Any:
    """What weights are multiplied with: TF-IDF, scaled over each text, times the ratio of a label.

    RETURNS (Floats2d): (n, nO)
    """
    ops, idf, keys = model.ops, cast(Any, model.get_param("idf")), model.attrs[KEYS]
    rows, texts = ops.asarray1i(found.rows), ops.asarray1i(found.texts)
    values = (1.0 + ops.xp.log(ops.asarray(found.counts))).astype(idf.dtype) * idf[rows]
    # What was counted is scaled as if there were nothing else, so that new labels leave the votes
    # for the others as they are.
    is_counted = rows < (len(idf) if keys is None else len(keys))
    squares = ops.xp.zeros((n_texts, 2), dtype=idf.dtype)
    parts = [values * values * is_counted, values * values]
    add_rows(ops, squares, texts, ops.xp.stack(parts, axis=1).astype(idf.dtype))
    values *= model.attrs["scale"] / ops.xp.sqrt(squares[texts, ops.xp.where(is_counted, 0, 1)])
    return values[:, None] * cast(Floats2d, model.get_param("ratios"))[rows]


def count_ngrams(model: Model[InT, OutT], get_batches: Callable[[], Iterable[BatchT]]) -> None:
    """Give a row to each n-gram of the texts, and count in how many of them it is, and in how many
    of each label. Without any, nothing changes.

    model (Model): A linear model that has been initialized. Its parameters are set.
    get_batches (Callable[[], Iterable[Tuple[List[Doc], Floats2d, Floats2d]]]): Is called twice for
        docs, the truth of each label, (n_docs, nO), and 1 where it is known.
    """
    ops, nO = model.ops, model.get_dim("nO")
    texts = (words_of(doc, model.attrs["attr"]) for docs, _, _ in get_batches() for doc in docs)
    length = model.get_dim("length")
    keys, n_in, n_docs = count_texts(texts, model.attrs["ngram_size"], length)
    if not len(keys):
        return
    model.attrs[KEYS] = keys
    n_with, n_without = numpy.zeros((len(keys), nO)), numpy.zeros((len(keys), nO))
    for docs, truths, known in get_batches():
        found = find_features(model, docs)
        numpy.add.at(n_with, found.rows, (truths * known)[found.texts])
        numpy.add.at(n_without, found.rows, ((1.0 - truths) * known)[found.texts])
    logs = []
    for counts in (n_with, n_without):
        smoothed = counts + SMOOTHING
        logs.append(numpy.log(smoothed / smoothed.sum(axis=0)))
    difference = logs[0] - logs[1]
    sign = numpy.where(difference < 0.0, -1.0, 1.0)
    counted: Dict[str, Any] = {
        "W": numpy.zeros((len(keys), nO)),
        "idf": numpy.log((1.0 + n_docs) / (1.0 + n_in)) + 1.0,
        "ratios": sign * numpy.maximum(abs(difference), LEAST_RATIO),
    }
    for name, values in counted.items():
        model.set_param(name, cast(Any, ops.asarray(values, dtype="float32")))


def resize(model: Model[InT, OutT], nO: int, bias: float = 0.0) -> Model[InT, OutT]:
    """Make room for more labels. What is known of n-grams is counted for those that are there; for
    new ones all n-grams count the same, and those that were not counted get rows to share.

    model (Model): A linear model; initialized or not.
    nO (int): Number of labels.
    bias (float): Where b of a new label starts.
    RETURNS (Model): The same if only the number was not known yet, else a new one.
    """
    if not model.has_param("W"):
        model.set_dim("nO", nO, force=True)
        return model
    ops, n_new = model.ops, nO - model.get_dim("nO")
    latent = next((latents.resize(layer, nO) for layer in model.layers), None)
    new = _build(dict(model.attrs), model.get_dim("length"), nO, latent)
    n_rows = 0
    if model.attrs[KEYS] is not None and not model.attrs[SPARE]:
        new.attrs[SPARE] = n_rows = NEW_ROWS
    for name, fill in (("W", 0.0), ("ratios", 1.0)):
        old = cast(Floats2d, model.get_param(name))
        columns = [old, ops.alloc2f(len(old), n_new) + fill]
        rows = [ops.xp.concatenate(columns, axis=1), ops.alloc2f(n_rows, nO) + fill]
        new.set_param(name, ops.as_contig(ops.xp.concatenate(rows)))
    idf = cast(Any, model.get_param("idf"))
    new.set_param("idf", ops.xp.concatenate([idf, ops.alloc1f(n_rows) + idf.max()]))
    new.set_param("b", ops.xp.concatenate([model.get_param("b"), ops.alloc1f(n_new) + bias]))
    return new
