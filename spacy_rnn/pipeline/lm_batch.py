"""What a batch of windows, or of whole docs, is read as."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy
from spacy.tokens import Doc
from thinc.api import Model

from ..errors import Errors
from ..layers.recurrent import CELLS
from ..layers.state import StatesT, recurrent_layers
from ..models.lm_parts import is_backward, parts, vocabulary_of
from ..models.reading import in_order
from ..models.vocabulary import END
from ..training.streams import Piece, Window, read_window
from .condition import cats_row, condition_row
from .stream_states import Position, StreamStates, gather, row


class Passage(NamedTuple):
    """A stretch of text that is read from one state.

    first (int): The unit that is read before the first target.
    targets (Ints1d): (n,) The units that are predicted, in the order of reading.
    position (Optional[Position]): Where its stream stands; None if it begins anew.
    condition (Optional[Floats1d]): What its initial state depends on, if it begins a document.
    window (Optional[Window]): Of which it is the last stretch.
    """

    first: int
    targets: numpy.ndarray
    position: Optional[Position]
    condition: Optional[numpy.ndarray]
    window: Optional[Window]


class Batch(NamedTuple):
    """A batch as the model reads it.

    inputs, targets (Ints1d): (n,) The units that are read, and those that follow.
    lengths (Ints1d): (n_seqs,)
    state (StatesT): (n_seqs, nO) each, what the sequences begin from.
    rate_scale (float): Factor on the learn rate.
    leave (Callable[[StatesT], None]): To be told the states that the sequences have ended with.
    backprop_start (Callable[[StatesT], None]): To be told the gradients of what they began from.
    """

    inputs: numpy.ndarray
    targets: numpy.ndarray
    lengths: numpy.ndarray
    state: StatesT
    rate_scale: float
    leave: Callable[[StatesT], None]
    backprop_start: Callable[[StatesT], None]


def make_batch(
    model: Model[Any, Any], docs: Sequence[Doc], streams: StreamStates
) -> Optional[Batch]:
    """Lay out windows and docs for a step of training.

    model (Model): A language model.
    docs (Sequence[Doc]): Windows of streams, or whole docs.
    streams (StreamStates): Where the streams stand; `leave` brings it up to date.
    RETURNS (Optional[Batch]): None if there is nothing to predict.
    RAISES (ValueError): For windows that were cut for a model of the other direction, or for one
        that depends on vectors.
    """
    sequences: List[Passage] = []
    rate_scale = 1.0
    for doc in docs:
        window = read_window(doc)
        if window is None:
            sequences.append(_whole(model, doc))
        else:
            sequences += _of_window(model, doc, window, streams)
            rate_scale = window.rate_scale
    sequences = [sequence for sequence in sequences if len(sequence.targets)]
    if not sequences:
        return None
    targets = numpy.concatenate([sequence.targets for sequence in sequences])
    lengths = numpy.asarray([len(sequence.targets) for sequence in sequences], dtype="int32")
    inputs = numpy.empty_like(targets)
    inputs[1:] = targets[:-1]
    inputs[numpy.cumsum(lengths) - lengths] = [sequence.first for sequence in sequences]
    initial, backprop_start = _begin(model, sequences)
    state = gather(model.ops, initial, [sequence.position for sequence in sequences])

    def leave(after: StatesT) -> None:
        for i, sequence in enumerate(sequences):
            window = sequence.window
            if window is not None:
                last = int(sequence.targets[-1])
                position = Position(window.serial, last, row(after, i))
                streams.put(window.run, window.stream, position)

    return Batch(inputs, targets, lengths, state, rate_scale, leave, backprop_start)


def _whole(model: Model[Any, Any], doc: Doc) -> Passage:
    """A whole doc, and the end symbol behind what is read last of it."""
    ids = in_order(model, vocabulary_of(model).encode(doc).ids)
    condition = condition_row(model, doc) if model.attrs["condition"] else None
    return Passage(END, numpy.append(ids, numpy.int32(END)), None, condition, None)


def _of_window(
    model: Model[Any, Any], doc: Doc, window: Window, streams: StreamStates
) -> List[Passage]:
    """The stretches of a window: one, or, if the state begins anew with each document, several."""
    kind = model.attrs["condition"]
    if kind == "vector":
        raise ValueError(Errors.E071)
    backward = is_backward(model)
    if window.backward != backward:
        raise _wrong_direction(backward)
    position = streams.get(window.run, window.stream, window.serial)
    if window.pieces and window.pieces[0].fresh:
        position = None
    unit = END if position is None else position.unit
    parts_of: List[List[numpy.ndarray]] = []
    heads: List[Any] = []  # of each stretch: the unit before it, its position, its condition
    start = 0
    for i, piece in enumerate(window.pieces):
        is_first = piece.ends if backward else piece.begins
        is_new = is_first and (window.reset or bool(kind))
        if i == 0 or is_new:
            is_fresh = is_first or piece.fresh
            condition = cats_row(model, piece.cats) if kind and is_fresh else None
            heads.append((END if is_first else unit, None if is_new else position, condition))
            parts_of.append([])
        parts_of[-1].append(_units(model, doc, start, piece))
        start += piece.n_tokens
    stretches = [
        Passage(unit, numpy.concatenate(found), position, condition, None)
        for (unit, position, condition), found in zip(heads, parts_of)
    ]
    if stretches:
        stretches[-1] = stretches[-1]._replace(window=window)
    return stretches


def _wrong_direction(backward: bool) -> ValueError:
    ways = ("backward, from the end of each text", "forward, from the beginning of each text")
    model, batcher = ways if backward else ways[::-1]
    value = str(backward).lower()
    return ValueError(Errors.E143.format(model=model, batcher=batcher, value=value))


def _units(model: Model[Any, Any], doc: Doc, start: int, piece: Piece) -> numpy.ndarray:
    """RETURNS (Ints1d): The units of a piece that begins at this token, in the order of reading,
    and the end symbol if its document is over then."""
    stop, before = start + piece.n_tokens, " " if piece.spaced else ""
    units = vocabulary_of(model).encode(doc, start, stop, before=before, is_end=piece.ends)
    ids = in_order(model, units.ids)
    is_last = piece.begins if is_backward(model) else piece.ends
    return numpy.append(ids, numpy.int32(END)) if is_last else ids


def zero_state(encoder: Model[Any, Any], n_seqs: int) -> StatesT:
    """RETURNS (StatesT): (n_seqs, nO) zeros each, for all recurrent layers of a model."""
    states: StatesT = []
    for node in recurrent_layers(encoder):
        widths: Dict[str, int] = dict.fromkeys(
            CELLS[node.attrs["recurrence"]].states, node.get_dim("nO")
        )
        if node.attrs["window"] > 1:
            widths["x"] = (node.attrs["window"] - 1) * node.get_dim("nI")
        states.append({key: node.ops.alloc2f(n_seqs, width) for key, width in widths.items()})
    return states


def _begin(model: Model[Any, Any], sequences: List[Passage]) -> Any:
    """RETURNS: The initial states of the sequences, and the callback for their gradients."""
    ops, initial = model.ops, zero_state(parts(model).encoder, len(sequences))
    rows = [i for i, sequence in enumerate(sequences) if sequence.condition is not None]
    if not rows:
        return initial, lambda d_state: None
    given_rows: Any = [sequences[i].condition for i in rows]
    X: Any = ops.xp.asarray(numpy.asarray(given_rows, dtype="float32"))
    index: Any = ops.xp.asarray(rows)
    given, backprop = parts(model).start(X, True)
    for entry, start in zip(initial, given):
        for key, values in start.items():
            entry[key][index] = values

    def backprop_start(d_state: StatesT) -> None:
        backprop([{key: values[index] for key, values in entry.items()} for entry in d_state])

    return initial, backprop_start
