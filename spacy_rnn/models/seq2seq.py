"""Sequence to sequence: an encoder that reads, a decoder that writes, attention between them."""

from functools import partial
from typing import Any, Callable, List, Literal, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Linear, Model
from thinc.types import Floats1d, Floats2d, Ints1d, Ragged

from ..checks import check_rate, check_width
from ..errors import Errors, number_error
from ..layers.attention import KINDS, Attention, KindT, remember
from ..layers.configured import Rate
from ..layers.decoder import Decoder
from ..layers.decoder import parts as decoder_parts
from ..layers.embedding import Embedding
from ..layers.initial_state import initial_state
from ..layers.locked_dropout import locked_dropout
from ..layers.memory import Memory
from ..layers.ops import without_blis
from ..layers.pooling import pool
from ..layers.state import StatesT
from ..layers.teaching import Targets, losses_of, teach
from .encoder import CELLS, RNNEncoder
from .ensembles import members
from .vocabulary import UNITS, Vocabulary

UnitT = Literal["word", "char", "subword"]
# The units of each source, with the units of the target that they are in a second column, if the
# model copies; or a vector of each source.
SourcesT = Sequence[Any]
InT = Tuple[SourcesT, List[Ints1d]]
OutT = Floats1d
TEXT, VECTOR = "text", "vector"


class Parts(NamedTuple):
    """The layers of a sequence to sequence model.

    embed (Model): Vectors of the source's units; of a vector, its one row.
    drop (Model[Ragged, Ragged]): Dropout on them.
    encoder (Model[List[Floats2d], List[Floats2d]]): Reads the source; none for a vector.
    pool (Model[Ragged, Floats2d]): Where the reading has ended, in both directions.
    start (Model[Floats2d, StatesT]): From there to the decoder's first state.
    decoder (Model): Writes the target.
    """

    embed: Model[Any, Any]
    drop: Model[Ragged, Ragged]
    encoder: Optional[Model[Any, Any]]
    pool: Optional[Model[Ragged, Floats2d]]
    start: Model[Floats2d, StatesT]
    decoder: Model[Any, Any]


def Seq2Seq(
    source: str = TEXT,
    source_unit: UnitT = "char",
    source_attr: str = "ORTH",
    unit: UnitT = "char",
    cell: str = "lstm",
    width: int = 256,
    depth: int = 1,
    embed_width: int = 128,
    attention: KindT = "multiplicative",
    input_feeding: bool = True,
    copy: bool = False,
    sampling: float = 0.0,
    dropout: float = 0.0,
    embed_dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
) -> Model[InT, OutT]:
    """An encoder and a decoder with attention (Bahdanau et al. 2015; Luong et al. 2015).

    The encoder reads the source from both ends. The decoder begins from where both readings have
    ended, and at each step asks all of the source by attention.

    source (str): What is read: "text" for the doc; "_.name" for the string in that attribute of
        the doc; "vector" for `doc.vector`, or the one given, which is one to many.
    source_unit (str): What the source is read by: "word" (spaCy's tokens), "char" or "subword".
    source_attr (str): With source_unit = "word": "ORTH", "LOWER" or "NORM".
    unit (str): What the target is written by: "word", "char" or "subword".
    cell (str): "lstm", "gru", "elman", "qrnn" or "mingru".
    width (int): Width of the hidden state, of both directions of the encoder together, so it must
        be even. Recommended: 128 to 512.
    depth (int): Number of recurrent layers, on either side. Recommended: 1 or 2.
    embed_width (int): Width of the embeddings.
    attention (str): "multiplicative" or "additive".
    input_feeding (bool): Let each step know what the one before it has attended to.
    copy (bool): Let units of the source be taken over, also those that are not in the target's
        vocabulary (See et al. 2017).
    sampling (float): In training, the share of units that the decoder reads from itself instead of
        the true target (Bengio et al. 2015). Recommended: 0 to 0.25.
    dropout (float): Initial rate of dropout on embeddings of the source, between the layers and
        before the softmax; `spacy train` sets it to [training] dropout.
    embed_dropout (float): Rate at which target units are dropped wherever they occur in a batch.
    recurrent_dropout (float): Rate of variational dropout on the hidden state. Both keep their
        rates when the dropout rate is set, except that a rate of 0 turns them off as well.
    RETURNS (Model[Tuple[Sequence, List[Ints1d]], Floats1d]): Units or vectors of sources, and the
        units of their targets, the end included -> (n,) losses, in nats.
    RAISES (ValueError): For a choice that is unknown or a number outside its range.
    """
    _check_choices(source, source_unit, source_attr, unit, cell, attention)
    for what, number in (("width", width), ("depth", depth), ("embed_width", embed_width)):
        check_width(what, number)
    if not 0.0 <= sampling <= 1.0:
        raise number_error("sampling", "from 0 to 1", sampling)
    check_rate("embed_dropout", embed_dropout)
    is_vector = source == VECTOR
    if copy and is_vector:
        raise ValueError(Errors.E150)
    make_layer = partial(CELLS[cell], recurrent_dropout=recurrent_dropout)
    decoder = Decoder(
        make_layer,
        Attention(attention, nI=width, nO=width),
        width,
        embed_width,
        depth,
        input_feeding=input_feeding,
        copy=copy,
        dropout=dropout,
        embed_dropout=embed_dropout,
    )
    layers: List[Model[Any, Any]] = [
        Linear(width) if is_vector else Embedding(embed_width),
        locked_dropout(dropout),
    ]
    if not is_vector:
        encoder = RNNEncoder(
            cell, width, depth, dropout=dropout, recurrent_dropout=recurrent_dropout
        )
        layers += [encoder, pool(["last"], width, encoder.attrs["reverse_from"])]
    start = initial_state(decoder_parts(decoder).cells, width)
    return Model(
        "seq2seq",
        forward,
        init=init,
        layers=[*layers, start, decoder],
        attrs={
            "source": source,
            "source_vocabulary": Vocabulary(source_unit, attr=source_attr),
            "vocabulary": Vocabulary(unit),
            "sampling": Rate(sampling),
            # Units of the longest target by those of its source, and by itself.
            "longest": [1.0, 0],
            # How often each unit is in the targets.
            "counts": [],
        },
    )


def _check_choices(
    source: str, source_unit: str, source_attr: str, unit: str, cell: str, attention: str
) -> None:
    if source not in (TEXT, VECTOR) and not source.startswith("_."):
        expected = '"text", "vector" or an attribute such as "_.phonemes"'
        raise ValueError(Errors.E009.format(what="source", found=source, expected=expected))
    for what, found, known in (
        ("source_unit", source_unit, UNITS),
        ("unit", unit, UNITS),
        ("attention", attention, KINDS),
    ):
        if found not in known:
            raise ValueError(Errors.E009.format(what=what, found=found, expected=", ".join(known)))
    Vocabulary(source_unit, attr=source_attr)  # an error for an attribute of what is no word
    if cell not in CELLS:
        raise ValueError(Errors.E002.format(cell=cell, cells=", ".join(CELLS)))


def parts(model: Model[InT, OutT]) -> Parts:
    """RETURNS (Parts): By place, not by reference: Model.copy() does not keep references. Not of an
    ensemble, but of its members."""
    layers = list(model.layers)
    if reads_vectors(model):
        layers[2:2] = [None, None]  # type: ignore[list-item]
    return Parts(*layers)


def reads_vectors(model: Model[InT, OutT]) -> bool:
    """RETURNS (bool): Whether the source is a vector."""
    return cast(str, model.attrs["source"]) == VECTOR


def copies(model: Model[InT, OutT]) -> bool:
    """RETURNS (bool): Whether units of the source can be taken over."""
    return bool(parts(members(model)[0]).decoder.attrs["copy"])


def set_vocabularies(model: Model[InT, OutT], source: Vocabulary, target: Vocabulary) -> None:
    """Give a model the units that it is to know, before its weights are made."""
    model.attrs["source_vocabulary"], model.attrs["vocabulary"] = source, target
    set_n_units(model, len(source), len(target))


def set_n_units(model: Model[InT, OutT], n_source: Optional[int], n_target: Optional[int]) -> None:
    """Set how many rows the tables have, whether or not they have them yet.

    n_source, n_target (Optional[int]): None for what is about to be loaded.
    """
    for member in members(model):
        # Not set_dim, which refuses to change the dims of a layer that has weights.
        decoder = decoder_parts(parts(member).decoder)
        if not reads_vectors(model):
            parts(member).embed._dims["nV"] = n_source
        decoder.embed._dims["nV"] = n_target
        decoder.output._dims["nO"] = n_target


def set_vector_width(model: Model[InT, OutT], width: Optional[int]) -> None:
    """Set how wide the vectors are that are the sources.

    width (Optional[int]): None for what is about to be loaded.
    """
    for member in members(model):
        parts(member).embed._dims["nI"] = width


def vector_width(model: Model[InT, OutT]) -> int:
    """RETURNS (int): How wide the vectors are that are the sources."""
    return cast(int, parts(members(model)[0]).embed.get_dim("nI"))


def has_weights(model: Model[InT, OutT]) -> bool:
    """RETURNS (bool): Whether it has been initialized or loaded."""
    return all(bool(parts(member).decoder.has_param("C")) for member in members(model))


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    """Initialize the weights, once the vocabularies, or the width of the vectors, have been set."""
    for member in members(model):
        _init(member, model.attrs["counts"])


def _init(model: Model[InT, OutT], counts: List[int]) -> None:
    embed, _, encoder, _, start, decoder = parts(model)
    embed.initialize()
    if encoder is not None:
        encoder.initialize(X=[model.ops.alloc2f(1, embed.get_dim("nO"))])
    start.initialize()
    decoder.initialize()
    if counts:
        # From their frequencies on, it is differences that are learned; else all of the decoder is
        # first driven in the one direction that makes rare units improbable, and may stay there.
        expected: Any = model.ops.asarray(counts, dtype="float32") + 0.1
        bias = model.ops.xp.log(expected / expected.sum())
        decoder_parts(decoder).output.set_param("b", bias)


class Encoded(NamedTuple):
    """Sources that were read.

    memory (Memory): For the attention.
    states (StatesT): Where the decoder begins.
    backprop (Callable): From the gradient of the states to that of the parameters; that of the
        memory is in the memory.
    """

    memory: Memory
    states: StatesT
    backprop: Callable[[StatesT], None]


def encode(model: Model[InT, OutT], sources: SourcesT, is_train: bool = False) -> Encoded:
    """Read sources.

    model (Model): A sequence to sequence model, or a member of an ensemble.
    sources (Sequence): (n_units,) units of each, (n_units, 2) if the model copies; or (nI,)
        vectors.
    is_train (bool): Whether gradients will be asked for.
    RETURNS (Encoded): What the decoder needs.
    """
    return (_encode_vectors if reads_vectors(model) else _encode_units)(model, sources, is_train)


def _encode_units(model: Model[InT, OutT], sources: SourcesT, is_train: bool) -> Encoded:
    ops = model.ops
    embed, drop, encoder, last, start, decoder = parts(model)
    assert encoder is not None
    assert last is not None
    nothing = numpy.zeros((0, 2) if copies(model) else 0, dtype="int32")
    flat: Any = numpy.concatenate([nothing, *sources])
    ids: Any = ops.asarray1i(flat[:, 0] if copies(model) else flat)
    lengths = ops.asarray1i([len(units) for units in sources])
    Er, backprop_embed = embed(Ragged(ids, lengths), is_train)
    Dr, backprop_drop = drop(Er, is_train)
    Kr, backprop_encoder = encoder.layers[0](Dr, is_train)
    ends, backprop_last = last(Kr, is_train)
    states, backprop_start = start(ends, is_train)
    units = ops.asarray1i(flat[:, 1]) if copies(model) else None
    attention = decoder_parts(decoder).attention
    memory, backprop_memory = remember(attention, Kr, is_train, units=units)

    def backprop(d_states: StatesT) -> None:
        d_rows: Any = backprop_memory().dataXd
        d_rows = d_rows + backprop_last(backprop_start(d_states)).dataXd
        backprop_embed(backprop_drop(backprop_encoder(Ragged(d_rows, lengths))))

    return Encoded(memory, states, backprop)


def _encode_vectors(model: Model[InT, OutT], sources: SourcesT, is_train: bool) -> Encoded:
    ops = model.ops
    embed, drop, _, _, start, decoder = parts(model)
    W = cast(Any, embed.get_param("W"))
    rows: Any = sources if len(sources) else numpy.zeros((0, W.shape[1]))
    X: Any = ops.asarray(rows, dtype=W.dtype)
    lengths = ops.asarray1i([1] * len(X))
    if X.shape[1] != W.shape[1]:
        raise ValueError(Errors.E003.format(name=model.name, expected=W.shape[1], found=X.shape[1]))
    E, backprop_embed = without_blis(embed)(X, is_train)
    row = ops.xp.tanh(E)
    Dr, backprop_drop = drop(Ragged(row, lengths), is_train)
    states, backprop_start = start(cast(Any, Dr.dataXd), is_train)
    memory, backprop_memory = remember(decoder_parts(decoder).attention, Dr, is_train)

    def backprop(d_states: StatesT) -> None:
        d_row = backprop_memory().dataXd + backprop_start(d_states)
        d_row = backprop_drop(Ragged(d_row, lengths)).dataXd
        backprop_embed(d_row * (1.0 - row * row))

    return Encoded(memory, states, backprop)


def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> Tuple[OutT, Callable]:
    """The losses of targets. The gradient is found anew on the way back, without dropout's being
    the same: training goes by `learn`, which does both in one pass."""
    if not isinstance(X, tuple) or len(X) != 2:
        raise ValueError(Errors.E181.format(name=model.name, found=type(X).__name__))
    sources, targets = X
    losses = target_losses(model, sources, targets)

    def backprop(d_losses: OutT) -> InT:
        learn(model, sources, targets, d_losses)
        return X

    return losses, backprop


def target_losses(model: Model[InT, OutT], sources: SourcesT, targets: List[Ints1d]) -> Floats1d:
    """RETURNS (Floats1d): (n,) What each target costs after its source, in nats. What an ensemble
    finds probable is the mean of what its members do, unit by unit."""
    order, wanted = _by_length(targets)
    in_order = [sources[i] for i in order]
    losses: List[Any] = []
    for member in members(model):
        encoded = encode(member, in_order)
        losses.append(losses_of(parts(member).decoder, encoded.memory, encoded.states, wanted))
    mean = mean_log_probs(model.ops.xp, [-each for each in losses])
    return _summed(model, -mean, wanted, order)


def mean_log_probs(xp: Any, logs: List[Any]) -> Any:
    """
    logs (List[FloatsXd]): Log-probabilities, of as many models, in nats.
    RETURNS (FloatsXd): Of the mean of the probabilities.
    """
    if len(logs) == 1:
        return logs[0]
    highest = xp.stack(logs).max(axis=0)
    return highest + xp.log(sum(xp.exp(each - highest) for each in logs) / len(logs))


def learn(
    model: Model[InT, OutT],
    sources: SourcesT,
    targets: List[Ints1d],
    weights: Any,
    *,
    label_smoothing: float = 0.0,
) -> Floats1d:
    """Add up the gradients of the weighted losses of targets.

    model (Model): A sequence to sequence model.
    sources (Sequence): Units of each, or vectors.
    targets (List[Ints1d]): Units of each, the end included.
    weights (Floats1d): (n,) Of each target in the sum.
    label_smoothing (float): Share of the truth that is spread over all units.
    RETURNS (Floats1d): (n,) The losses in nats, neither weighted nor smoothed. Each member of an
        ensemble learns from its own; these are their mean.
    """
    xp = model.ops.xp
    order, wanted = _by_length(targets)
    ordered = [sources[i] for i in order]
    in_order = xp.asarray(weights, dtype="float32")[order]
    by_step = xp.concatenate([in_order[:0], *(in_order[:n] for n in wanted.n_active)])
    losses: List[Any] = []
    for member in members(model):
        encoded = encode(member, ordered, is_train=True)
        taught = teach(
            parts(member).decoder,
            encoded.memory,
            encoded.states,
            wanted,
            by_step,
            sampling=member.attrs["sampling"],
            label_smoothing=label_smoothing,
        )
        encoded.backprop(taught.d_states)
        losses.append(taught.losses)
    return _summed(model, sum(losses) / len(losses), wanted, order)


def _by_length(targets: List[Ints1d]) -> Tuple[numpy.ndarray, Targets]:
    """RETURNS (Tuple[numpy.ndarray, Targets]): The order of falling length, and the targets in
    it."""
    order = numpy.argsort([-len(units) for units in targets], kind="stable")
    return order, Targets([cast(Any, targets[i]) for i in order])


def _summed(model: Model[InT, OutT], losses: Any, wanted: Targets, order: Any) -> Floats1d:
    """RETURNS (Floats1d): (n,) The sum over each sequence, in the order of before."""
    xp = model.ops.xp
    sums = xp.zeros(wanted.n_seqs, dtype=losses.dtype)
    for t, n in enumerate(wanted.n_active):
        sums[:n] += losses[wanted.rows(t)]
    found = xp.zeros_like(sums)
    found[order] = sums
    return cast(Floats1d, found)
