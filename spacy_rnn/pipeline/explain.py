"""What each token of a text says for or against a label of a text classifier."""

from typing import Any, Callable, List, Optional, Tuple, cast

import numpy
from spacy.tokens import Doc
from thinc.api import Model, get_array_module, set_dropout_rate, to_numpy
from thinc.types import Floats1d, Floats2d

from ..checks import is_whole
from ..errors import Errors, number_error
from ..layers.ops import without_blis
from ..layers.ragged import to_list, to_ragged
from ..layers.threads import one_blas_thread
from ..models import ngrams
from ..models.embeddings import embeds_then_encodes, reads_as_language_models
from ..models.ensembles import TEXTCAT, members
from ..models.lm_path import Embedded, embed_units
from ..models.textcat import logit_shares
from .explanation import METHODS, Explanation
from .path_integral import MIN_STEPS, integrate

# Copies of a text that are computed at once have so many tokens in all, or are one.
MAX_TOKENS = 4096


def explain(
    name: str,
    model: Model[List[Doc], Floats2d],
    doc: Doc,
    label: str,
    index: int,
    *,
    method: str = "integrated_gradients",
    n_steps: int = 256,
) -> Explanation:
    """Explain the score of one label by the tokens of a doc. The model is only read: what has to be
    written is written to a copy of its small layers, so threads may do this at once.

    The score is one of logits, as the model computes them. A component may divide them by a
    temperature, in order to make probabilities of them: that divides score, baseline and
    attributions alike, so it changes neither their ratios nor that they sum up. Models that vote
    are explained one by one, and all numbers are means over them.

    name (str): Name of the component, for messages.
    model (Model[List[Doc], Floats2d]): A `spacy-rnn.TextCatRNN.v1` or an ensemble of them.
    doc (Doc): The doc, which is not changed.
    label (str): The label.
    index (int): Its number.
    method (str): "integrated_gradients" or "attention".
    n_steps (int): The most points of the path at which a gradient is computed.
    RETURNS (Explanation): The explanation.
    RAISES (ValueError): E009 or E011 for a wrong argument, E080, E081 or E083 if the model cannot
        be explained by this method.
    """
    if method not in METHODS:
        raise ValueError(
            Errors.E009.format(what="method", found=method, expected=", ".join(METHODS))
        )
    if not is_whole(n_steps, MIN_STEPS):
        raise number_error("n_steps", f"a whole number of at least {MIN_STEPS}", n_steps)
    voters = members(model)
    for voter in voters:
        if voter.name != TEXTCAT.member:
            raise ValueError(Errors.E081.format(name=name, found=f"a model '{voter.name}'"))
    weights = label_weights(index, model.get_dim("nO"), model.attrs["multi_label"])
    baseline: Optional[float] = None
    error: Optional[float] = None
    if method == "attention":
        values, score = _mean([_attention(name, voter, doc, weights) for voter in voters])
    else:
        values, score, baseline = _mean(
            [_integrated_gradients(name, voter, doc, weights, int(n_steps)) for voter in voters]
        )
        error = float(values.sum()) - (score - baseline)
    return Explanation(
        label=label,
        method=method,
        tokens=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        attributions=[float(value) for value in values],
        score=score,
        baseline=baseline,
        error=error,
        lang="" if doc.lang_ == "xx" else doc.lang_,
        title=str(doc.user_data.get("title") or ""),
    )


def _mean(found: List[Tuple[Any, ...]]) -> Tuple[Any, ...]:
    """RETURNS (Tuple): The means of what was found of several models, each in its place."""
    return tuple(sum(each) / len(found) for each in zip(*found))


def label_weights(index: int, n_labels: int, multi_label: bool) -> Floats1d:
    """How the score of a label is made of the logits of all of them.

    Where labels are independent of each other, it is the label's logit, the logarithm of its odds.
    Where they exclude each other, the mean of the other logits is taken off, as softmax sees
    differences alone: what raises all logits says nothing. Of two labels, it is the logarithm of
    the odds again.

    index (int): Number of the label.
    n_labels (int): Number of labels.
    multi_label (bool): Whether they are independent.
    RETURNS (Floats1d): (n_labels,)
    """
    others = 0.0 if multi_label or n_labels < 2 else -1.0 / (n_labels - 1)
    weights = numpy.full((n_labels,), others, dtype="float32")
    weights[index] = 1.0
    return cast(Floats1d, weights)


class _Head:
    """What of the model stands behind the tok2vec, and behind its embedding: a copy, as a gradient
    leaves traces in parameters, without dropout.

    name (str): Name of the component.
    model (Model): The model.
    weights (Floats1d): (n_labels,) What of the logits the score is.
    encode (Optional[Model]): The encoder, from (n_tokens, width) to (n_tokens, nI) for each text;
        None if the rows have been encoded.
    """

    def __init__(
        self,
        model: Model[List[Doc], Floats2d],
        weights: Floats1d,
        encode: Optional[Model[List[Floats2d], List[Floats2d]]] = None,
    ) -> None:
        self.ops = model.ops
        _, pool, head, output = (layer for layer in model.layers[:4])
        self.pool, self.head, self.output = pool.copy(), head.copy(), output.layers[0].copy()
        self.encode = None if encode is None else encode.copy()
        self.weights = self.ops.asarray1f(weights)
        for part in (self.encode, self.head):
            if part is not None:
                set_dropout_rate(part, 0.0)

    def score(self, rows: List[Floats2d]) -> Tuple[numpy.ndarray, Callable[[], List[Floats2d]]]:
        """Score texts by the rows of their tokens.

        rows (List[Floats2d]): (n_tokens, width) for each text.
        RETURNS (Tuple[Floats1d, Callable[[], List[Floats2d]]]): (n_texts,), and a function for the
            gradients, (n_tokens, width) each.
        """
        backprop_encode: Callable[[Any], Any] = lambda d_rows: d_rows  # noqa: E731
        if self.encode is not None:
            rows, backprop_encode = self.encode(rows, is_train=True)
        vectors, backprop_pool = self.pool(to_ragged(self.ops, rows), is_train=True)
        with one_blas_thread:
            features, backprop_head = without_blis(self.head)(vectors, is_train=True)
            logits, backprop_output = without_blis(self.output)(features, is_train=True)

        def gradients() -> List[Floats2d]:
            d_logits = self.ops.xp.tile(self.weights, (len(logits), 1))
            with one_blas_thread:
                d_vectors = backprop_head(backprop_output(d_logits))
            d_rows = to_list(backprop_pool(d_vectors), self.pool.get_dim("nI"))
            return cast(List[Floats2d], backprop_encode(d_rows))

        return to_numpy(logits @ self.weights).astype("float64"), gradients

    def score_nothing(self) -> float:
        """RETURNS (float): Score of a text without tokens."""
        vectors = self.ops.alloc2f(1, self.pool.get_dim("nO"))
        logits = self.output.predict(self.head.predict(vectors))
        return float((logits @ self.weights)[0])


def _integrated_gradients(
    name: str, model: Model[List[Doc], Floats2d], doc: Doc, weights: Floats1d, n_steps: int
) -> Tuple[numpy.ndarray, float, float]:
    """RETURNS (Tuple[Floats1d, float, float]): The attributions, the score, and the baseline."""
    linear, bias = _ngram_attributions(name, model, doc, weights)
    embedded = _embed(name, model.layers[0], doc)
    weights = weights * logit_shares(model)[0]
    if embedded is None:
        score = _Head(model, weights).score_nothing()
        return linear, score, score
    path = _Path(_Head(model, weights, embedded.encode), embedded.rows)
    values, start, end = integrate(path, n_steps)
    by_token = numpy.bincount(embedded.tokens, weights=values, minlength=len(doc))
    return by_token + linear, end + bias + float(linear.sum()), start + bias


def _embed(name: str, tok2vec: Model[Any, Any], doc: Doc) -> Optional[Embedded]:
    """RETURNS (Optional[Embedded]): The text, embedded; None if it has no tokens."""
    is_chain = embeds_then_encodes(tok2vec)
    if not is_chain and not reads_as_language_models(tok2vec):
        raise ValueError(Errors.E080.format(name=name, found=f"'{tok2vec.name}'"))
    if not len(doc):
        return None
    if not is_chain:
        return embed_units(tok2vec, doc)
    embed, encode = tok2vec.layers
    rows = embed.predict([doc])
    if not _is_rows(rows, len(doc)):
        raise ValueError(Errors.E080.format(name=name, found=f"an embedding '{embed.name}'"))
    return Embedded(rows[0], numpy.arange(len(doc)), encode)


def _is_rows(rows: Any, n_tokens: int) -> bool:
    if not isinstance(rows, list) or len(rows) != 1:
        return False
    return getattr(rows[0], "ndim", 0) == 2 and len(rows[0]) == n_tokens


class _Path:
    """The straight way from rows of zeros to the embedded rows of a text.

    At the end the steps are as long as they are, but near zero they are short: there a layer norm,
    such as that of the hidden layer, may turn within a ten-thousandth of the way. The integral does
    not depend on it.

    head (_Head): Scores rows.
    rows (Floats2d): (n_rows, width)
    """

    def __init__(self, head: _Head, rows: Floats2d) -> None:
        self._head = head
        self._rows = rows

    def walk(self, places: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Look at places on the path, from 0 to 1.

        places (Floats1d): (n,)
        RETURNS (Tuple[Floats1d, Floats2d]): The score there, (n,), and how fast each row changes
            it, (n, n_rows).
        """
        size = max(1, MAX_TOKENS // len(self._rows))
        scores, rates = [], []
        for i in range(0, len(places), size):
            part = places[i : i + size]
            found, gradients = self._head.score([self._rows * float(u) ** 3 for u in part])
            scores.append(found)
            for u, gradient in zip(part, gradients()):
                products = to_numpy((gradient * self._rows).sum(axis=1)).astype("float64")
                rates.append(3 * u**2 * products)
        return numpy.concatenate(scores), numpy.array(rates)


def _ngram_attributions(
    name: str, model: Model[List[Doc], Floats2d], doc: Doc, weights: Floats1d
) -> Tuple[numpy.ndarray, float]:
    """The linear model's part: each n-gram's vote, in equal shares to its tokens.

    RETURNS (Tuple[Floats1d, float]): (n_tokens,), and the vote of no n-gram at all.
    """
    values = numpy.zeros((len(doc),), dtype="float64")
    if len(model.layers) < 5 or not len(doc):
        return values, 0.0
    weights = cast(Floats1d, weights * logit_shares(model)[1])
    bias, votes = _votes(name, model.layers[4], doc)
    for n, each in votes:
        shares = each @ weights / n
        for i in range(n):
            values[i : i + len(shares)] += shares
    return values, float(bias @ weights)


def _votes(
    name: str, linear_model: Model[List[Doc], Floats2d], doc: Doc
) -> Tuple[numpy.ndarray, List[Tuple[int, numpy.ndarray]]]:
    """RETURNS (Tuple[Floats1d, List[Tuple[int, Floats2d]]]): (n_labels,) What the linear model says
    of no n-gram at all; and for each length of n-grams what each of them adds, from the first token
    on, (n_ngrams, n_labels)."""
    if linear_model.name == ngrams.NAME:
        bias = to_numpy(linear_model.get_param("b")).astype("float64")
        return bias, list(ngrams.ngram_votes(linear_model, doc))
    nodes = {node.name: node for node in linear_model.walk()}
    extract, sparse = nodes.get("extract_ngrams"), nodes.get("sparse_linear")
    if extract is None or sparse is None:
        found = f"a linear model '{linear_model.name}'"
        raise ValueError(Errors.E081.format(name=name, found=found))
    bias, votes = to_numpy(sparse.get_param("b")).astype("float64"), []
    words: Any = linear_model.ops.asarray(doc.to_array([extract.attrs["attr"]]))  # type: ignore[arg-type]
    for n in range(1, min(extract.attrs["ngram_size"], len(doc)) + 1):
        keys = words if n == 1 else linear_model.ops.ngrams(n, words)
        # Each n-gram as a text of its own.
        ones = linear_model.ops.xp.ones((len(keys),), dtype="float32")
        found, _ = sparse((keys, ones, ones.astype("int32")), is_train=False)
        votes.append((n, to_numpy(found).astype("float64") - bias))
    return bias, votes


def _attention(
    name: str, model: Model[List[Doc], Floats2d], doc: Doc, weights: Floats1d
) -> Tuple[numpy.ndarray, float]:
    """RETURNS (Tuple[Floats1d, float]): The weights of the attention, and the score."""
    tok2vec, pool = model.layers[:2]
    if "attention" not in pool.attrs["pooling"]:
        raise ValueError(Errors.E083.format(name=name, pooling=", ".join(pool.attrs["pooling"])))
    linear, bias = _ngram_attributions(name, model, doc, weights)
    head = _Head(model, weights * logit_shares(model)[0])
    if not len(doc):
        return linear, head.score_nothing()
    rows = tok2vec.predict([doc])
    xp = get_array_module(rows[0])
    products = rows[0] @ pool.get_param("Q")
    shares = xp.exp(products - products.max())
    scores, _ = head.score(rows)
    values = to_numpy(shares / shares.sum()).astype("float64")
    return values, float(scores[0]) + bias + float(linear.sum())
