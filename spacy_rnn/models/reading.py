"""Read texts by a language model: a step of training, and surprisals in pieces of bounded size."""

from typing import Any, Iterator, List, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ragged

from ..layers.softmax import loss, loss_and_gradient
from ..layers.state import StatesT, run
from .lm_parts import InT, OutT, is_backward, parts
from .vocabulary import END

# Rows that are read at a time for a prediction.
MAX_ROWS = 4096


def in_order(model: Model[InT, OutT], ids: Any) -> Any:
    """RETURNS (Ints1d): (n,) The units of a text in the order in which the model reads them."""
    return ids[::-1] if is_backward(model) else ids


def turned(model: Model[InT, OutT], rows: List[Any]) -> List[Any]:
    """From the order in which the model reads texts to that of the texts, or back again.

    rows (List[Floats1d]): (n_units + 1,) values of each text; the last, that of the symbol at which
        its reading ends, stays the last.
    RETURNS (List[Floats1d]): The same values.
    """
    if not is_backward(model):
        return rows
    xp = model.ops.xp
    return [xp.concatenate([row[:-1][::-1], row[-1:]]) for row in rows]


def shift(model: Model[InT, OutT], sequences: List[Any]) -> Tuple[Any, Any, Any]:
    """What whole documents are read as.

    sequences (List[Ints1d]): The numbers of the units of each, in the order of reading.
    RETURNS (Tuple[Ints1d, Ints1d, Ints1d]): The units that are read, beginning with the end symbol;
        those that follow them, ending with it; and the lengths.
    """
    ops = model.ops
    end = numpy.asarray([END], dtype="int32")
    lengths = ops.asarray1i([len(ids) + 1 for ids in sequences])
    inputs = numpy.concatenate([end[:0], *(part for ids in sequences for part in (end, ids))])
    targets = numpy.concatenate([end[:0], *(part for ids in sequences for part in (ids, end))])
    return ops.asarray1i(cast(Any, inputs)), ops.asarray1i(cast(Any, targets)), lengths


class Step(NamedTuple):
    """What a step of training leaves.

    losses (Floats1d): (n,) In nats.
    state (StatesT): After the last unit of each sequence.
    d_state (StatesT): The gradient of the state that it began from.
    """

    losses: Floats1d
    state: StatesT
    d_state: StatesT


def step(
    model: Model[InT, OutT],
    inputs: Any,
    targets: Any,
    lengths: Any,
    state: Optional[StatesT],
    weights: Floats1d,
    share: float = 1.0,
) -> Step:
    """Read sequences from a state, and add up the gradients of the loss.

    inputs, targets (Ints1d): (n,) The units that are read, and those that are to be predicted.
    lengths (Ints1d): (n_seqs,)
    state (Optional[StatesT]): What the sequences begin from.
    weights (Floats1d): (n,) Of each unit's loss.
    share (float): Of the activation regularization, which is a mean: what the weights sum to, where
        they are a mean's over more or fewer units than these.
    RETURNS (Step): The losses, and the states. Gradients end at the state.
    """
    encoder, drop, output, _ = parts(model)
    Hr, after, backprop = run(encoder, Ragged(inputs, lengths), state, is_train=True)
    Dr, backprop_drop = drop(Hr, True)
    D, H = cast(Floats2d, Dr.dataXd), cast(Floats2d, Hr.dataXd)
    losses, dD = loss_and_gradient(output, D, targets, weights)
    if model.attrs["ar"] and D.size:
        dD += (2.0 * model.attrs["ar"] * share / D.size) * D
    dH = backprop_drop(Ragged(dD, lengths)).dataXd
    if model.attrs["tar"]:
        dH = dH + _temporal_gradient(model, H, lengths, share)
    d_state = backprop.through_state(Ragged(dH, lengths), None)[1]
    return Step(losses, after, d_state)


def _temporal_gradient(
    model: Model[InT, OutT], H: Floats2d, lengths: Any, share: float
) -> Floats2d:
    """The gradient of the mean square of the differences between neighbouring states, times tar and
    a share."""
    xp = model.ops.xp
    dH = xp.zeros_like(H)
    if len(H) < 2:
        return cast(Floats2d, dH)
    differences = H[1:] - H[:-1]
    # Not from the end of a sequence to the beginning of the next one.
    ends = model.ops.to_numpy(xp.cumsum(lengths))
    ends = ends[(ends > 0) & (ends < len(H))]
    differences[xp.asarray(ends - 1)] = 0.0
    n_pairs = max(1, len(differences) - len(set(ends.tolist())))
    differences *= 2.0 * model.attrs["tar"] * share / (n_pairs * H.shape[1])
    dH[1:] += differences
    dH[:-1] -= differences
    return cast(Floats2d, dH)


def surprisals(
    model: Model[InT, OutT], sequences: List[Any], state: Optional[StatesT] = None
) -> List[Floats1d]:
    """Read whole documents, however long, in pieces.

    sequences (List[Ints1d]): The numbers of the units of each, in the order of reading.
    state (Optional[StatesT]): What they begin from.
    RETURNS (List[Floats1d]): (n_units + 1,) bits of each, the last that of its end.
    """
    inputs, targets, lengths = shift(model, sequences)
    xp = model.ops.xp
    bits = xp.zeros(len(inputs), dtype="float32")
    encoder, _, output, _ = parts(model)
    for piece in pieces(model.ops.to_numpy(lengths), state):
        rows = xp.asarray(piece.rows)
        Xr = Ragged(inputs[rows], model.ops.asarray1i(piece.lengths))
        Hr, after, _ = run(encoder, Xr, piece.state)
        piece.leave(after)
        bits[rows] = loss(output, cast(Floats2d, Hr.dataXd), targets[rows])
    bits /= numpy.float32(numpy.log(2.0))
    return list(xp.split(bits, xp.cumsum(lengths)[:-1].tolist())) if sequences else []


class Piece:
    """The next rows of the documents that are not read to the end.

    rows (Ints1d): Where they are among the rows of all documents.
    lengths (Ints1d): How many each document has among them.
    state (Optional[StatesT]): What they begin from.
    """

    def __init__(self, rows: Any, lengths: Any, state: Optional[StatesT]) -> None:
        self.rows, self.lengths, self.state = rows, lengths, state
        self.after: Optional[StatesT] = None

    def leave(self, state: StatesT) -> None:
        """Tell the state that they have ended with."""
        self.after = state


def pieces(lengths: numpy.ndarray, state: Optional[StatesT]) -> Iterator["Piece"]:
    """Cut documents into pieces of at most MAX_ROWS rows together.

    lengths (Ints1d): (n_docs,)
    state (Optional[StatesT]): What the documents begin from.
    YIELDS (Piece): The pieces in order; each is to be told the state that it leaves.
    """
    starts = numpy.cumsum(lengths) - lengths
    for first in range(0, len(lengths), MAX_ROWS):
        chosen = slice(first, first + MAX_ROWS)
        running = numpy.arange(len(lengths))[chosen]
        now = None if state is None else take(state, chosen)
        done = 0
        while len(running):
            n_steps = max(1, MAX_ROWS // len(running))
            sizes = numpy.minimum(lengths[running] - done, n_steps)
            ranges = [
                numpy.arange(start, start + size)
                for start, size in zip(starts[running] + done, sizes)
            ]
            piece = Piece(numpy.concatenate(ranges), sizes, now)
            yield piece
            done += n_steps
            going_on = numpy.nonzero(lengths[running] > done)[0].tolist()
            assert piece.after is not None
            now = take(piece.after, going_on)
            running = running[going_on]


def take(state: StatesT, sequences: Any) -> StatesT:
    """RETURNS (StatesT): The states of these sequences."""
    return [{key: cast(Any, values)[sequences] for key, values in entry.items()} for entry in state]
