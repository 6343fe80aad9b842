"""Votes for labels by what a text is about: latent semantic analysis of raw texts."""

import warnings
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model, get_array_module, to_numpy
from thinc.types import Floats2d

from ..checks import is_number, is_whole
from ..errors import Warnings, number_error
from ..layers.embedding import add_rows
from ..layers.gradients import gradient_of
from .ngram_keys import check_attr, count_texts, find_rows, most_frequent, ngram_keys, words_of

InT = List[Doc]
OutT = Floats2d
NAME = "latent_ngrams"
# The attribute with the keys of the n-grams that have rows, in the order of these, (n_rows,);
# None as long as nothing was learned from raw texts.
KEYS = "keys"
# The most numbers of the matrix that is decomposed, and of the dense ones that it is multiplied
# with. If there are more, a sample of the texts is decomposed; all are counted.
MAX_NUMBERS = 2**25
# The subspace of the largest singular values is found with so many directions more than are kept,
# by so many products with the matrix and its transpose.
OVERSAMPLING, ITERATIONS = 10, 6
# Below this share of the largest, singular values and rows of components are rounding.
LEAST = 1e-4


def LatentNgrams(
    width: int = 25,
    ngram_size: int = 2,
    length: int = 262144,
    attr: str = "NORM",
    min_texts: int = 10,
    max_share: float = 0.03,
    scale: float = 40.0,
    nO: Optional[int] = None,
) -> Model[InT, OutT]:
    """Vote for labels by the latent vector of a text, as the `latent` of an `NgramLinear`.

    Latent semantic analysis (Deerwester et al. 1990): texts without labels tell which words and
    word pairs stand in the same texts, so that a few labelled texts tell about words that are in
    none of them. The matrix of texts and n-grams, 1 + log(count) times the inverse document
    frequency and each text of length 1, is decomposed, and the right singular vectors with the
    largest singular values are kept. A text's vector are its products with these, made as long as
    `scale`; the weights of the labels are learned, from zero.

    The components of this package find the vectors as they are initialized, from the texts in
    `raw_texts` and the training texts. Under spaCy's own `textcat` there are none, and all votes
    are 0.

    Parameters: V (width, nO), which is learned; idf (n_rows,) and components (n_rows, width), which
    are found.

    width (int): How many numbers a text's vector has. Recommended: 15 to 30 for a hundred labelled
        texts, more for thousands.
    ngram_size (int): The longest n-grams, in tokens. Recommended: 2.
    length (int): Most n-grams that count; if there are more, those in the most texts do.
    attr (str): What of a token is its word: "ORTH", "LOWER", "NORM" or "LEMMA".
    min_texts (int): N-grams in fewer texts are left out. Recommended: 5 to 20.
    max_share (float): N-grams in more than this share of the texts are left out, as they say what
        the language is rather than the text. Recommended: 0.03 to 0.1.
    scale (float): Length of the vector of a text, which is how fast it learns.
    nO (Optional[int]): Number of labels; inferred by the component.
    RETURNS (Model[List[Doc], Floats2d]): (n_docs, nO) logits; 0 for docs without n-grams that are
        known.
    RAISES (ValueError): If an argument is wrong.
    """
    sizes = {"width": width, "ngram_size": ngram_size, "length": length, "min_texts": min_texts}
    for name, value in sizes.items():
        if not is_whole(value, 1):
            raise number_error(name, "a positive whole number", value)
    if not (is_number(max_share) and 0.0 < max_share <= 1.0):
        raise number_error("max_share", "above 0, up to 1", max_share)
    if not (is_number(scale) and scale > 0.0):
        raise number_error("scale", "a positive number", scale)
    check_attr(attr)
    attrs = {
        "ngram_size": ngram_size,
        "attr": attr,
        "min_texts": min_texts,
        "max_share": max_share,
        "scale": scale,
        KEYS: None,
    }
    return _build(attrs, width, length, nO)


def _build(attrs: Dict[str, Any], width: int, length: int, nO: Optional[int]) -> Model[InT, OutT]:
    return Model(
        NAME,
        forward,
        init=init,
        dims={"nO": nO, "width": width, "length": length},
        params={"V": None, "idf": None, "components": None},
        attrs=attrs,
    )


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    V = cast(Floats2d, model.get_param("V"))
    vectors = text_vectors(model, docs)

    def backprop(d_logits: OutT) -> InT:
        gradient = gradient_of(model, "V")
        gradient += vectors.T @ d_logits
        return []

    return vectors @ V, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    if Y is not None and model.has_dim("nO") is None:
        model.set_dim("nO", Y.shape[1])
    ops, width = model.ops, model.get_dim("width")
    model.attrs[KEYS] = None
    model.set_param("V", ops.alloc2f(width, model.get_dim("nO")))
    model.set_param("idf", ops.alloc1f(0))
    model.set_param("components", ops.alloc2f(0, width))


def expected_shapes(model: Model[InT, OutT]) -> Dict[str, Tuple[int, ...]]:
    """RETURNS (Dict[str, Tuple[int, ...]]): The shape of each parameter, as far as it is known."""
    if not model.has_dim("nO"):
        return {}
    keys, width = model.attrs[KEYS], model.get_dim("width")
    n_rows = 0 if keys is None else len(keys)
    return {"V": (width, model.get_dim("nO")), "idf": (n_rows,), "components": (n_rows, width)}


class Counts(NamedTuple):
    """The distinct n-grams of a text that have a row.

    rows (Ints1d): (n,) The row of each, rising.
    values (Floats1d): (n,) 1 + log(how often it occurs).
    """

    rows: Any
    values: Any


def text_vectors(model: Model[InT, OutT], docs: InT) -> Floats2d:
    """RETURNS (Floats2d): (n_docs, width) The latent vectors, as long as the scale; zeros for docs
    without n-grams that are known."""
    ops, idf = model.ops, cast(Any, model.get_param("idf"))
    components = cast(Any, model.get_param("components"))
    vectors = ops.xp.zeros((len(docs), components.shape[1]), dtype=components.dtype)
    if len(components) and docs:
        found = [_count(model, words_of(doc, model.attrs["attr"])) for doc in docs]
        sizes = [len(each.rows) for each in found]
        counted: Any = numpy.concatenate([each.values for each in found])
        numbers: Any = numpy.concatenate([each.rows for each in found])
        texts: Any = numpy.repeat(numpy.arange(len(docs), dtype="int32"), sizes)
        rows, values = ops.asarray1i(numbers), ops.asarray(counted, dtype=idf.dtype)
        parts = components[rows] * (values * idf[rows])[:, None]
        add_rows(ops, vectors, ops.asarray1i(texts), parts)
    return cast(Floats2d, vectors * _stretch(model, vectors))


def _stretch(model: Model[InT, OutT], vectors: Any) -> Any:
    """RETURNS (Floats2d): (n_docs, 1) What makes vectors as long as the scale."""
    xp = get_array_module(vectors)
    lengths = xp.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return model.attrs["scale"] / xp.where(lengths > 0.0, lengths, 1.0)


def _count(model: Model[InT, OutT], words: numpy.ndarray) -> Counts:
    """RETURNS (Counts): Of the words of one text."""
    found = numpy.concatenate([rows for _, rows in _ngram_rows(model, words)])
    rows, counts = numpy.unique(found[found >= 0], return_counts=True)
    return Counts(rows, (1.0 + numpy.log(counts)).astype("float32"))


def _ngram_rows(
    model: Model[InT, OutT], words: numpy.ndarray
) -> Iterator[Tuple[int, numpy.ndarray]]:
    """YIELDS (Tuple[int, Ints1d]): n, and the rows of all n-grams of this length, or -1."""
    for n, keys in ngram_keys(words, model.attrs["ngram_size"]):
        yield n, find_rows(model.attrs[KEYS], keys)


def latent_votes(model: Model[InT, OutT], doc: Doc) -> Iterator[Tuple[int, numpy.ndarray]]:
    """What each n-gram of a doc adds to the logits; all together are the logits.

    model (Model): With weights.
    doc (Doc): A doc with tokens.
    YIELDS (Tuple[int, Floats2d]): n, and (n_ngrams, nO) for all n-grams of this length, from the
        first token on.
    """
    if model.attrs[KEYS] is None:
        return
    words = words_of(doc, model.attrs["attr"])
    found = _count(model, words)
    idf, components, V = (to_numpy(model.get_param(p)) for p in ("idf", "components", "V"))
    parts = (components[found.rows] * (found.values * idf[found.rows])[:, None]).astype("float64")
    votes = parts @ V * _stretch(model, parts.sum(axis=0, keepdims=True))
    n_each = numpy.zeros(len(idf))
    for _, rows in _ngram_rows(model, words):
        numpy.add.at(n_each, rows[rows >= 0], 1.0)
    votes /= n_each[found.rows][:, None]
    # One more, for those without a row.
    votes = numpy.concatenate([votes, numpy.zeros((1, votes.shape[1]))])
    for n, rows in _ngram_rows(model, words):
        yield n, votes[numpy.where(rows < 0, -1, numpy.searchsorted(found.rows, rows))]


def learn_components(model: Model[InT, OutT], docs: Iterable[Doc]) -> None:
    """Find the latent vectors' components in texts. Without any text, nothing changes.

    model (Model): One that has been initialized. Its parameters but V are set.
    docs (Iterable[Doc]): The texts, which are read once. Their words are kept meanwhile, 8 bytes
        each; the matrices take up to about 2 GB beside.
    """
    attrs, width = model.attrs, model.get_dim("width")
    texts = [words_of(doc, attrs["attr"]) for doc in docs]
    if not texts:
        return
    length = model.get_dim("length")
    keys, n_in, n_texts = count_texts(texts, attrs["ngram_size"], 2 * length)
    kept = (n_in >= attrs["min_texts"]) & (n_in / n_texts <= attrs["max_share"])
    keys, n_in = most_frequent(keys[kept], n_in[kept], length)
    if not len(keys):
        warnings.warn(
            Warnings.W171.format(
                n_texts=n_texts, min_texts=attrs["min_texts"], max_share=attrs["max_share"]
            ),
            stacklevel=2,
        )
        return
    attrs[KEYS] = keys
    idf: Any = numpy.log((1.0 + n_texts) / (1.0 + n_in)) + 1.0
    n_numbers = max(int(n_in.sum()), n_texts * (width + OVERSAMPLING))
    sample = _sample(texts, min(1.0, MAX_NUMBERS / n_numbers))
    matrix = _make_matrix([_count(model, words) for words in sample], idf)
    ops = model.ops
    components: Any = numpy.zeros((len(keys), width), dtype="float32")
    directions = _right_singular_vectors(matrix, width)
    components[:, : directions.shape[1]] = directions
    # N-grams that stand with none of the others in these directions: rounding would be stretched.
    lengths = numpy.linalg.norm(components, axis=1)
    components[lengths < LEAST * lengths.max()] = 0.0
    model.set_param("idf", ops.asarray1f(idf, dtype="float32"))
    model.set_param("components", ops.asarray2f(components))


def _sample(texts: List[numpy.ndarray], share: float) -> List[numpy.ndarray]:
    """RETURNS (List[numpy.ndarray]): Such a share of the texts, at least one, in their order."""
    if share == 1.0:
        return texts
    n = max(1, int(share * len(texts)))
    chosen = numpy.sort(numpy.random.RandomState(0).permutation(len(texts))[:n])
    return [texts[i] for i in chosen]


def _make_matrix(texts: List[Counts], idf: numpy.ndarray) -> Any:
    """RETURNS (csr_matrix): (n_texts, n_rows) TF-IDF, each text of length 1."""
    # Takes a while to be imported, and is needed for nothing else.
    from scipy.sparse import csr_matrix

    starts = numpy.cumsum([0, *(len(text.rows) for text in texts)])
    rows = numpy.concatenate([text.rows for text in texts])
    values = numpy.concatenate([text.values for text in texts]) * idf[rows].astype("float32")
    numbers = numpy.repeat(numpy.arange(len(texts), dtype="int32"), numpy.diff(starts))
    lengths = numpy.sqrt(numpy.bincount(numbers, values * values, minlength=len(texts)))
    values = (values / lengths[numbers]).astype("float32")
    return csr_matrix((values, rows, starts), shape=(len(texts), len(idf)))


def _right_singular_vectors(matrix: Any, n_most: int) -> numpy.ndarray:
    """By a randomized subspace iteration (Halko et al. 2011, algorithms 4.4 and 5.1), which comes
    to an end whatever the matrix.

    matrix (csr_matrix): (n_texts, n_rows)
    n_most (int): How many to find.
    RETURNS (Floats2d): (n_rows, n) Those with the largest singular values, which are first; fewer
        if there are not as many. The largest number of each is positive.
    """
    size = min(n_most + OVERSAMPLING, *matrix.shape)
    basis = numpy.random.RandomState(0).standard_normal((matrix.shape[1], size)).astype("float32")
    for _ in range(ITERATIONS):
        left, _ = numpy.linalg.qr(matrix @ basis)
        basis, _ = numpy.linalg.qr(matrix.T @ left)
    _, values, rotation = numpy.linalg.svd(matrix @ basis, full_matrices=False)
    # Of directions without any texts only rounding is left.
    n = min(n_most, int((values > LEAST * values[0]).sum()))
    vectors = rotation[:n] @ basis.T
    largest = numpy.abs(vectors).argmax(axis=1)
    signs = numpy.sign(vectors[numpy.arange(n), largest])
    return cast(numpy.ndarray, (vectors * signs[:, None]).T)


def resize(model: Model[InT, OutT], nO: int) -> Model[InT, OutT]:
    """Make room for more labels, for which the latent vectors say nothing yet.

    model (Model): Initialized or not.
    nO (int): Number of labels.
    RETURNS (Model): The same if only the number was not known yet, else a new one.
    """
    if not model.has_param("V"):
        model.set_dim("nO", nO, force=True)
        return model
    ops, old = model.ops, cast(Floats2d, model.get_param("V"))
    new = _build(dict(model.attrs), model.get_dim("width"), model.get_dim("length"), nO)
    columns = [old, ops.alloc2f(len(old), nO - old.shape[1])]
    new.set_param("V", ops.as_contig(ops.xp.concatenate(columns, axis=1)))
    for param in ("idf", "components"):
        new.set_param(param, cast(Any, model.get_param(param)))
    return new
