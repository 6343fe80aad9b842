"""A causal objective for `spacy pretrain`: each token's vector predicts its neighbour."""

from functools import partial
from typing import Any, Callable, Dict, List, Optional, Tuple, cast

import numpy
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model, Ops
from thinc.types import Floats1d, Floats2d, Ragged

from ..errors import Errors, number_error
from ..layers.ragged import to_list, to_ragged
from ..layers.sampled_softmax import SampledSoftmax
from ..layers.softmax import loss_and_gradient
from .causality import n_directions

InT = List[Doc]
OutT = List[Floats2d]
SoftmaxT = Model[Tuple[Floats2d, Any], Floats1d]
ATTRS = ("LOWER", "NORM", "ORTH")
UNKNOWN = -1


def PretrainLM(
    max_size: int = 20000, attr: str = "LOWER", softmax: Optional[SoftmaxT] = None
) -> Callable[[Vocab, Model[InT, OutT]], Model[InT, OutT]]:
    """An objective for `spacy pretrain`: language modelling.

    The vector of each token predicts the next token. If the tok2vec reads in two directions, one
    half of the vector predicts the next token and the other half the previous one. Which of both it
    is is found out by trial, when the model is initialized. Howard & Ruder (2018), "Universal
    language model fine-tuning for text classification"; Peters et al. (2018), "Deep contextualized
    word representations", for the two directions.

    max_size (int): How many units are predicted. They are numbered as they are met; those that are
        met when all numbers are given away are left out of the loss. Recommended: 5000 to 50000.
    attr (str): What of a token is predicted: "LOWER", "NORM" or "ORTH".
    softmax (Optional[Model]): `spacy-rnn.Softmax.v1`, `spacy-rnn.AdaptiveSoftmax.v1` or
        `spacy-rnn.SampledSoftmax.v1`; null for the last, with 1024 samples. Each direction has one
        of its own.
    RETURNS (Callable[[Vocab, Model], Model]): What makes a model of a tok2vec. Its output are the
        vectors; `attrs["loss"]` goes on from them. When it is initialized it raises a ValueError if
        the tok2vec sees what it is to predict.
    RAISES (ValueError): For an unknown attribute, or a size below 1.
    """
    if attr not in ATTRS:
        raise ValueError(Errors.E009.format(what="attr", found=attr, expected=", ".join(ATTRS)))
    if max_size < 1:
        raise number_error("max_size", "a positive number", max_size)
    output = softmax if softmax is not None else SampledSoftmax()

    def create_objective(vocab: Vocab, tok2vec: Model[InT, OutT]) -> Model[InT, OutT]:
        return Model(
            "pretrain_lm",
            forward,
            init=partial(init, vocab, output),
            layers=[tok2vec],
            refs={"tok2vec": tok2vec},
            attrs={"loss": NeighbourLoss(MetUnits(attr, max_size))},
        )

    return create_objective


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    # The softmaxes come after, in the loss: all logits at once would need too much memory.
    return model.layers[0](docs, is_train)


def init(
    vocab: Vocab,
    softmax: SoftmaxT,
    model: Model[InT, OutT],
    X: Optional[InT] = None,
    Y: Optional[OutT] = None,
) -> None:
    """Initialize the tok2vec, find out what it can predict, and put that many softmaxes behind."""
    tok2vec, objective = model.layers[0], model.attrs["loss"]
    tok2vec.initialize(X=X)
    n, width = n_directions(tok2vec, vocab)
    objective.softmaxes = [softmax.copy() for _ in range(n)]
    # They are layers of the model so that the optimizer reaches them.
    model.layers[1:] = objective.softmaxes
    for layer in objective.softmaxes:
        layer.set_dim("nO", objective.units.max_size)
        layer.set_dim("nI", width // n)
        layer.initialize()


class MetUnits:
    """Numbers units in the order in which they are met: `spacy pretrain` shows no corpus before.
    About that of falling frequency, as frequent units are met first.

    attr (str): What of a token makes its unit.
    max_size (int): How many numbers there are.
    """

    def __init__(self, attr: str, max_size: int) -> None:
        self.attr = attr
        self.max_size = max_size
        self._numbers: Dict[int, int] = {}

    def __len__(self) -> int:
        """RETURNS (int): How many units have a number."""
        return len(self._numbers)

    def number(self, docs: InT) -> numpy.ndarray:
        """RETURNS (Ints1d): (n_tokens,) The numbers of all tokens, -1 where there is none left."""
        none = numpy.zeros(0, dtype="uint64")
        keys = numpy.concatenate([none, *(doc.to_array(self.attr) for doc in docs)])
        distinct, first, source = numpy.unique(keys, return_index=True, return_inverse=True)
        numbers = numpy.zeros(len(distinct), dtype="int32")
        for i in numpy.argsort(first):
            key, n = int(distinct[i]), len(self._numbers)
            if n < self.max_size:
                self._numbers.setdefault(key, n)
            numbers[i] = self._numbers.get(key, UNKNOWN)
        return numbers[source.reshape(-1)]


class NeighbourLoss:
    """The cross-entropy of the neighbours of each token, as `spacy pretrain` calls it.

    units (MetUnits): What is predicted.
    softmaxes (List[Model]): One for each direction; set when the model is initialized.
    """

    def __init__(self, units: MetUnits) -> None:
        self.units = units
        self.softmaxes: List[SoftmaxT] = []

    def __call__(self, ops: Ops, docs: InT, prediction: OutT) -> Tuple[float, OutT]:
        """Find the loss and its gradient; those of the softmaxes are added to theirs.

        prediction (List[Floats2d]): (n_tokens, width) for each doc. With two directions the first
            half of the columns is to know the next token, the second half the previous one.
        RETURNS (Tuple[float, List[Floats2d]]): The sum of the losses in nats, per direction, so
            that a token counts once, and the gradient of their mean.
        """
        if not self.softmaxes:
            raise ValueError(Errors.E024.format(name="pretrain_lm"))
        xp, Hr = ops.xp, to_ragged(ops, prediction)
        H: Any = Hr.dataXd
        dH = xp.zeros_like(H)
        wanted = self._wanted(docs)
        n_targets = sum(len(targets) for _, targets in wanted)
        width = H.shape[1] // len(wanted)
        total = 0.0
        for i, (rows, targets) in enumerate(wanted):
            if not len(rows):
                continue
            place = ops.asarray1i(rows), slice(i * width, (i + 1) * width)
            weights = xp.full(len(rows), 1.0 / n_targets, dtype=H.dtype)
            losses, dH[place] = loss_and_gradient(
                self.softmaxes[i],
                xp.ascontiguousarray(H[place]),
                ops.asarray1i(targets),
                weights,
            )
            total += float(cast(Any, losses).sum())
        return total / len(wanted), to_list(Ragged(dH, Hr.lengths), H.shape[1])

    def _wanted(self, docs: InT) -> List[Tuple[Any, Any]]:
        """RETURNS (List[Tuple[Ints1d, Ints1d]]): For each direction the rows that predict, and the
        units that they do. Ends of docs predict nothing outwards."""
        units = self.units.number(docs)
        doc_of = numpy.repeat(numpy.arange(len(docs)), [len(doc) for doc in docs])
        left = numpy.nonzero(doc_of[1:] == doc_of[:-1])[0]
        directions = [(left, left + 1), (left + 1, left)][: len(self.softmaxes)]
        known = [(rows, units[target]) for rows, target in directions]
        return [(rows[unit != UNKNOWN], unit[unit != UNKNOWN]) for rows, unit in known]
