"""Recurrent language models: the probability of each unit of a text, given those before it, or
those after it."""

from functools import partial
from itertools import pairwise
from typing import Any, Callable, List, Literal, Optional, Tuple

import numpy
from thinc.api import Model, chain, noop
from thinc.types import Floats1d, Floats2d, Ragged

from ..checks import check_rate, check_width
from ..errors import Errors, number_error
from ..layers.configured import Rate
from ..layers.embedding import Embedding
from ..layers.initial_state import initial_state
from ..layers.locked_dropout import locked_dropout
from ..layers.softmax import Softmax, tie
from ..layers.state import run
from .encoder import CELLS
from .lm_parts import InT, OutT, parts, set_vocabulary, vocabulary_of
from .reading import in_order, shift, surprisals, turned
from .vocabulary import UNITS, Vocabulary

UnitT = Literal["word", "char", "subword"]
ConditionT = Literal["cats", "vector"]
AttrT = Literal["ORTH", "LOWER", "NORM"]


def LanguageModel(
    unit: UnitT = "word",
    cell: str = "lstm",
    width: int = 256,
    depth: int = 1,
    embed_width: Optional[int] = None,
    tied: bool = True,
    softmax: Optional[Model[Tuple[Floats2d, Any], Floats1d]] = None,
    dropout: float = 0.0,
    embed_dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    weight_dropout: float = 0.0,
    ar: float = 0.0,
    tar: float = 0.0,
    condition: Optional[ConditionT] = None,
    backward: bool = False,
    attr: AttrT = "ORTH",
) -> Model[InT, OutT]:
    """A language model: embedding, recurrent layers, softmax.

    Its regularization is that of Merity et al. (2018), "Regularizing and optimizing LSTM language
    models". It begins each document from the end symbol, and predicts another one at its end.

    unit (str): What is predicted one after the other: "word" (spaCy's tokens), "char" (the
        characters of the text) or "subword" (pieces of tokens, learned by the library tokenizers).
    cell (str): "lstm", "gru", "elman", "qrnn" or "mingru".
    width (int): Width of the hidden state. Recommended: 200 to 1000.
    depth (int): Number of recurrent layers. Recommended: 1 to 3.
    embed_width (Optional[int]): Width of the embedding; null for that of the hidden state. With
        tied weights the last layer has it too.
    tied (bool): Use the embedding as the weights of the softmax as well (Press & Wolf 2017).
    softmax (Optional[Model]): `spacy-rnn.Softmax.v1`, `spacy-rnn.AdaptiveSoftmax.v1` or
        `spacy-rnn.SampledSoftmax.v1`; null for the first.
    dropout (float): Initial rate of variational dropout before, between and behind the layers;
        `spacy train` sets it to [training] dropout.
    embed_dropout (float): Rate at which units are dropped wherever they occur in a batch.
    recurrent_dropout (float): Rate of variational dropout on the hidden state.
    weight_dropout (float): Rate of dropout on the recurrent weights. These three keep their rates
        when the dropout rate is set, except that a rate of 0 turns them off as well.
    ar (float): Activation regularization: this times the mean square of the last layer's dropped
        out outputs is added to the loss. Recommended: 0 to 2.
    tar (float): Temporal activation regularization: likewise of the differences between the outputs
        of neighbouring steps. Recommended: 0 to 1.
    condition (Optional[str]): What sets the initial state: "cats" (the labels of the doc), "vector"
        (`doc.vector`, or the one given), or null for nothing.
    backward (bool): Read each document from its end: predict each unit from those after it, and the
        end symbol at the document's beginning.
    attr (str): With unit = "word": the attribute of tokens whose string is the unit, "ORTH" (the
        text), "LOWER" or "NORM".
    RETURNS (Model[List[Doc], List[Floats1d]]): (n_units + 1,) surprisals of each doc, in bits, in
        the order of its text; the last is that of the end symbol.
    RAISES (ValueError): For an unknown unit, cell, condition or attribute, an attribute of units
        that are no words, or a number outside its range.
    """
    if cell not in CELLS:
        raise ValueError(Errors.E002.format(cell=cell, cells=", ".join(CELLS)))
    for what, choice, expected in (
        ("unit", unit, UNITS),
        ("condition", condition or "cats", ("cats", "vector")),
    ):
        if choice not in expected:
            raise ValueError(
                Errors.E009.format(what=what, found=choice, expected=", ".join(expected))
            )
    nE = width if embed_width is None else embed_width
    for what, number in (("width", width), ("depth", depth), ("embed_width", nE)):
        check_width(what, number)
    for what, factor in (("ar", ar), ("tar", tar)):
        if factor < 0.0:
            raise number_error(what, "at least 0", factor)
    check_rate("embed_dropout", embed_dropout)  # by its own name; the layer has another one for it
    output = softmax if softmax is not None else Softmax()
    embed = Embedding(nE, dropout=embed_dropout)
    widths = [nE] + [width] * (depth - 1) + [nE if tied else width]
    make_layer = partial(
        CELLS[cell], recurrent_dropout=recurrent_dropout, weight_dropout=weight_dropout
    )
    layers: List[Model[Any, Any]] = [embed]
    for nI, nO in pairwise(widths):
        layers += [locked_dropout(dropout), make_layer(nO, nI)]
    encoder: Model[Ragged, Ragged] = chain(*layers)
    output.set_dim("nI", widths[-1])
    if tied:
        tie(output, embed)
    start = initial_state(encoder) if condition else noop()
    return Model(
        "language_model",
        forward,
        init=init,
        layers=[encoder, locked_dropout(dropout), output, start],
        attrs={
            "unit": unit,
            "vocabulary": Vocabulary(unit, attr=attr),
            "condition": condition or "",
            "labels": [],
            "cell": cell,
            "ar": Rate(ar),
            "tar": Rate(tar),
            "backward": bool(backward),
            "tied": bool(tied),
        },
    )


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    """Initialize the weights. The vocabulary is learned from X if it has not been set."""
    vocabulary = vocabulary_of(model)
    if not vocabulary.units:
        vocabulary = Vocabulary.learn(vocabulary.kind, X or [], min_freq=1, attr=vocabulary.attr)
    set_vocabulary(model, vocabulary)
    encoder, _, output, start = parts(model)
    encoder.initialize()
    output.initialize()
    if model.attrs["condition"]:
        if start.has_dim("nI") is None:
            docs = X or []
            start.set_dim("nI", len(docs[0].vector) if docs else 1)
        start.initialize()


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    """The surprisals of whole docs. `spacy_rnn.pipeline.RNNLanguageModel` trains by `step`, which
    does without a second pass over the logits."""
    vocabulary, xp = vocabulary_of(model), model.ops.xp
    sequences = [in_order(model, vocabulary.encode(doc).ids) for doc in docs]
    if not is_train:
        return turned(model, surprisals(model, sequences)), lambda dY: []
    inputs, targets, lengths = shift(model, sequences)
    encoder, drop, output, _ = parts(model)
    Hr, _, backprop_encoder = run(encoder, Ragged(inputs, lengths), None, True)
    Dr, backprop_drop = drop(Hr, True)
    losses, backprop_output = output((Dr.dataXd, targets), True)
    ends = xp.cumsum(lengths)[:-1].tolist()

    def backprop(dYs: OutT) -> InT:
        dlosses = xp.concatenate([*turned(model, dYs), xp.zeros(0, dtype="f")])
        weights = dlosses / numpy.float32(numpy.log(2.0))
        dD, _ = backprop_output(weights)
        backprop_encoder(backprop_drop(Ragged(dD, lengths)))
        return []

    bits = list(xp.split(losses / numpy.float32(numpy.log(2.0)), ends))[: len(docs)]
    return turned(model, bits), backprop
