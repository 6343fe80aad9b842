"""Text classifier over any tok2vec, made for recurrent ones."""

from functools import partial
from typing import Any, Callable, List, Literal, Optional, Sequence, Tuple, cast

from spacy.tokens import Doc
from thinc.api import Dropout, Linear, Maxout, Model, chain, resizable, zero_init
from thinc.layers.resizable import resize_linear_weighted, resize_model
from thinc.types import Floats2d

from ..checks import check_width
from ..errors import Errors, number_error
from ..layers.freezing import has_parameters, is_frozen
from ..layers.ops import without_blis
from ..layers.pooling import pool
from ..layers.ragged import to_list, to_ragged
from ..layers.threads import one_blas_thread
from . import latent, ngrams

InT = List[Doc]
OutT = Floats2d
PoolingT = Literal["last", "mean", "max", "attention"]

# Where the bias of a label starts that is added to a trained model. The new label must not take
# probability from the old ones, but must still be able to learn: exp(-14) is hardly above the
# precision of float32, and is unlearned within a hundred updates or two.
NEW_LABEL_BIAS = {"exclusive": -14.0, "multi_label": -4.0}


def TextCatRNN(
    tok2vec: Model[List[Doc], List[Floats2d]],
    exclusive_classes: bool,
    pooling: Sequence[PoolingT] = ("last", "mean", "max"),
    hidden_width: Optional[int] = None,
    linear_model: Optional[Model[List[Doc], Floats2d]] = None,
    dropout: float = 0.0,
    nO: Optional[int] = None,
    network_share: Optional[float] = None,
) -> Model[InT, OutT]:
    """Classify a text by its pooled token vectors, and, if given, a linear model's vote.

    The gradient that the model's callback takes is that of the logits: `scores - truths` for
    cross-entropy, as Thinc's `Softmax` has it, and likewise for the logistic function. So it
    trains by cross-entropy under spaCy's own `textcat` as well.

    A network and a linear model that learn jointly, from the error of their sum, share out what
    there is to be learned: what one explains, the other one never sees. On a few thousand short
    texts the network learns the training texts by heart first, and the linear model stays small;
    the sum is then worse than the linear model alone (docs/accuracy.md). With a `network_share`
    each learns from its own error, as if it were alone, and their logits are averaged.

    tok2vec (Model[List[Doc], List[Floats2d]]): Vectors of the tokens, or a listener.
    exclusive_classes (bool): Softmax if the classes exclude each other, else a logistic function
        for each label.
    pooling (Sequence[str]): Some of "last" (the state that has read the whole text, in both
        directions), "mean", "max" and "attention"; joined side by side.
    hidden_width (Optional[int]): Width of a maxout layer before the output, or None for none.
    linear_model (Optional[Model[List[Doc], Floats2d]]): A `spacy-rnn.NgramLinear.v1`, or a
        `spacy.TextCatBOW.v3` with no_output_layer = true, which votes at the logits. Worth it below
        100,000 texts.
    dropout (float): Initial rate on the pooled vector; `spacy train` sets it to [training] dropout.
    nO (Optional[int]): Number of labels; inferred by the component.
    network_share (Optional[float]): With a linear model: what the logits of the network count in
        the mean of both, from 0 to 1. In the components of this package each part then learns from
        its own error; under spaCy's, from that of the mean. Null to add the logits up, and to learn
        from the error of the sum. Recommended: 0.2 to 0.5, as a network is surer than it is right.
    RETURNS (Model[List[Doc], Floats2d]): (n_docs, nO) scores. Docs without tokens are scored by
        the biases, alone and in a batch.
    RAISES (ValueError): If the linear model does not fit.
    """
    if hidden_width is not None:
        check_width("hidden_width", hidden_width)
    if network_share is not None and not 0.0 <= network_share <= 1.0:
        raise number_error("network_share", "null, or from 0 to 1", network_share)
    if linear_model is not None:
        _check_linear_model(linear_model, exclusive_classes)
    pool_layer = pool(list(pooling), reverse_from=_first_reversed_column(tok2vec))
    drop_layer: Model[Floats2d, Floats2d] = Dropout(dropout)
    head: Model[Floats2d, Floats2d] = drop_layer
    if hidden_width is not None:
        hidden = Maxout(hidden_width, nP=2, dropout=dropout, normalize=True)
        head = chain(drop_layer, hidden)
    bias = NEW_LABEL_BIAS["exclusive" if exclusive_classes else "multi_label"]
    output_layer = Linear(nO=nO, init_W=zero_init)
    resize_layer = partial(resize_linear_weighted, fill_defaults={"W": 0.0, "b": bias})
    resizable_layer: Model[Floats2d, Floats2d] = resizable(output_layer, resize_layer=resize_layer)
    layers: List[Model[Any, Any]] = [tok2vec, pool_layer, head, resizable_layer]
    if linear_model is not None:
        layers.append(linear_model)
    model: Model[InT, OutT] = Model(
        "textcat_rnn",
        forward,
        init=init,
        dims={"nO": nO},
        layers=layers,
        refs={"tok2vec": tok2vec, "output_layer": output_layer},
        attrs={
            "multi_label": not exclusive_classes,
            "resize_output": resize_output,
            "hidden_width": hidden_width,
            "gradient_of": "logits",
            "network_share": network_share,
        },
    )
    if linear_model is not None and nO is not None:
        _resize_linear_model(linear_model, nO)
    return model


class Backprop:
    """The callback of a text classifier.

    logits (List[Floats2d]): (n_docs, n_labels) of the network, and, if there is one, of the linear
        model.
    callbacks (List[Callable]): Of each, taking the gradient of these.
    shares (List[float]): What the logits of each count in their sum.
    activate (Callable[[Floats2d], Floats2d]): From logits to scores.
    """

    def __init__(
        self,
        logits: List[Floats2d],
        callbacks: List[Callable[[Floats2d], Any]],
        shares: List[float],
        activate: Callable[[Floats2d], Floats2d],
    ) -> None:
        self.logits, self.callbacks = logits, callbacks
        self.shares, self.activate = shares, activate

    def __call__(self, d_logits: OutT) -> InT:
        """d_logits (Floats2d): (n_docs, n_labels) The gradient of the logits of all together."""
        for callback, share in zip(self.callbacks, self.shares):
            callback(d_logits if share == 1.0 else d_logits * share)
        return []

    def apart(self, get_gradient: Callable[[OutT], OutT]) -> InT:
        """Let each part learn from its own error.

        get_gradient (Callable[[Floats2d], Floats2d]): From scores, (n_docs, n_labels), to the
            gradient of the loss with respect to their logits.
        """
        for i in range(len(self.logits)):
            self.part(i, get_gradient)
        return []

    def part(self, i: int, get_gradient: Callable[[OutT], OutT]) -> None:
        """Let one part learn from its own error.

        i (int): 0 for the network, 1 for the linear model.
        get_gradient (Callable[[Floats2d], Floats2d]): As above.
        """
        self.callbacks[i](get_gradient(self.activate(self.logits[i])))


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    # By place, not by reference: Model.copy() does not keep references.
    _, _, head, output, *linear = model.layers
    ops, present = model.ops, [i for i, doc in enumerate(docs) if len(doc)]
    vectors, backprop_vectors = _pool_tokens(model, docs, is_train)
    with one_blas_thread:
        features, backprop_head = without_blis(head)(vectors, is_train)
        network, backprop_output = without_blis(output)(features, is_train)

    def backprop_network(d_logits: OutT) -> None:
        with one_blas_thread:
            d_vectors = backprop_head(backprop_output(d_logits))
        backprop_vectors(d_vectors)

    logits: List[Floats2d] = [network]
    callbacks: List[Callable[[Floats2d], Any]] = [backprop_network]
    if linear:
        votes = ops.xp.zeros_like(network)
        backprop_votes: Callable[[Any], Any] = lambda d_votes: None  # noqa: E731
        if present:
            # spaCy's n-grams fail on a doc without any token.
            votes[present], backprop_votes = linear[0]([docs[i] for i in present], is_train)
        logits.append(votes)
        callbacks.append(lambda d_logits: backprop_votes(d_logits[present]))
    shares = logit_shares(model)
    activate = ops.sigmoid if model.attrs["multi_label"] else ops.softmax
    whole = logits[0] * shares[0]
    for part, share in zip(logits[1:], shares[1:]):
        whole = whole + part * share
    return activate(whole), Backprop(logits, callbacks, shares, activate)


def logit_shares(model: Model[InT, OutT]) -> List[float]:
    """RETURNS (List[float]): What the logits of the network count, and, if there is one, those of
    the linear model."""
    share = model.attrs.get("network_share")
    if len(model.layers) == 4:
        return [1.0]
    # Models saved before there was the choice add up.
    return [1.0, 1.0] if share is None else [share, 1.0 - share]


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    tok2vec, pool_layer, head, output, *linear = model.layers
    # Sample docs without any token would tell the layers nothing.
    sample = [doc for doc in X or [] if len(doc)] or None
    tok2vec.initialize(X=sample if sample is not None else X)
    if tok2vec.has_dim("nO") is not True:
        raise ValueError(Errors.E004.format(name=tok2vec.name, dim="nO"))
    if Y is not None and model.has_dim("nO") is None:
        resize_output(model, Y.shape[1])
    pool_layer.set_dim("nI", tok2vec.get_dim("nO"))
    pool_layer.initialize()
    width = pool_layer.get_dim("nO")
    if model.attrs["hidden_width"]:
        for node in head.walk():
            if node.name == "maxout":
                node.set_dim("nI", width)
        width = model.attrs["hidden_width"]
        head.layers[1].initialize()
    output.layers[0].set_dim("nI", width)
    output.layers[0].initialize()
    for linear_model in linear:
        linear_model.initialize(X=sample, Y=Y)


def resize_output(model: Model[InT, OutT], new_nO: int) -> Model[InT, OutT]:
    """Make room for more labels, which keeps the scores of those that are there.

    model (Model): Changed in place; initialized or not.
    new_nO (int): Number of labels.
    RETURNS (Model): The same.
    """
    resizable_layer = resize_model(model.layers[3], new_nO)
    model.set_ref("output_layer", resizable_layer.layers[0])
    for node in (resizable_layer, model):
        node.set_dim("nO", new_nO, force=True)
    # Each part by itself must leave the old labels their probability, if it learns by itself.
    has_share = model.attrs.get("network_share") is not None
    bias = NEW_LABEL_BIAS["multi_label" if model.attrs["multi_label"] else "exclusive"]
    for i, linear_model in enumerate(model.layers[4:], 4):
        model.layers[i] = _resize_linear_model(linear_model, new_nO, bias if has_share else 0.0)
    return model


def _pool_tokens(
    model: Model[InT, OutT], docs: InT, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Any]]:
    """(n_docs, len(pooling) * width)"""
    ops, tok2vec, pool_layer = model.ops, model.layers[0], model.layers[1]
    if not any(len(doc) for doc in docs):
        # Not every tok2vec can do without any token.
        return ops.alloc2f(len(docs), pool_layer.get_dim("nO")), lambda dY: []
    # A tok2vec that learns nothing is read as for a prediction.
    learns = is_train and not is_frozen(tok2vec)
    rows, backprop_tok2vec = tok2vec(docs, learns)
    Xr = to_ragged(ops, rows)
    vectors, backprop_pool = pool_layer(Xr, is_train)
    width = pool_layer.get_dim("nI")

    def backprop(d_vectors: Floats2d) -> Any:
        d_rows = to_list(backprop_pool(d_vectors), width)
        return backprop_tok2vec(d_rows) if learns else []

    return vectors, backprop


def _first_reversed_column(tok2vec: Model[Any, Any]) -> Optional[int]:
    """Where the columns begin that the tok2vec's encoder has read from the end, if any. What stands
    beneath it, such as language models that embed, has columns of its own."""
    node = tok2vec
    while node.layers and not {"reverse_from", "bidirectional"} & node.attrs.keys():
        learning = [layer for layer in node.layers if any(map(has_parameters, layer.walk()))]
        node = (learning or node.layers)[-1]
    return cast(Optional[int], node.attrs.get("reverse_from"))


def _check_linear_model(linear_model: Model[Any, Any], exclusive_classes: bool) -> None:
    if linear_model.name == latent.NAME:
        expected = "a spacy-rnn.NgramLinear.v1, with this as its 'latent'"
        found = "a spacy-rnn.LatentNgrams.v1"
        raise ValueError(Errors.E011.format(what="linear_model", expected=expected, found=found))
    is_exclusive = not linear_model.attrs.get("multi_label", not exclusive_classes)
    if is_exclusive != exclusive_classes:
        raise ValueError(Errors.E016.format(found=is_exclusive, expected=exclusive_classes))
    if any(node.name in ("softmax_activation", "logistic") for node in linear_model.walk()):
        raise ValueError(Errors.E017)


def _resize_linear_model(
    linear_model: Model[Any, Any], new_nO: int, bias: float = 0.0
) -> Model[Any, Any]:
    """spaCy's own `resize_output` remembers one layer, which may belong to the model
    that this one was copied from. So look the layer up."""
    if linear_model.name == ngrams.NAME:
        return ngrams.resize(linear_model, new_nO, bias)
    for node in linear_model.walk():
        if "resize_layer" in node.attrs:
            old_nO = node.layers[0].maybe_get_dim("nO")
            resize_model(node, new_nO)
            sparse = node.layers[0]
            if old_nO and bias and sparse.has_param("b"):
                b = cast(Any, sparse.get_param("b")).copy()
                b[old_nO:] = sparse.ops.alloc1f(new_nO - old_nO) + bias
                sparse.set_param("b", b)
            linear_model.set_ref("output_layer", sparse)
            break
    linear_model.set_dim("nO", new_nO, force=True)
    return linear_model
