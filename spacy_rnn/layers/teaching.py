"""Train a decoder by the true units: teacher forcing, scheduled sampling, and the way back."""

from typing import Any, List, NamedTuple, Tuple, cast

import numpy
from thinc.types import Floats1d

from .decoder import DecoderT, Step, gate, known_units, log_probs, parts, start, step
from .dropout import dropout_mask, is_active
from .embedding import add_rows
from .engines.summing import summed_gradients
from .gradients import gradient_of
from .memory import Memory
from .softmax import loss, smoothed_gradient
from .state import StatesT, kept_masks

# The number of the unit before the first, which is that of the end.
BEGIN = 0


class Taught(NamedTuple):
    """What came of a batch.

    losses (Floats1d): (n_units,) In nats, step by step: of the first units of all sequences, then
        of the second units, and so on.
    d_states (StatesT): The gradient of the states that the decoder began from.
    """

    losses: Any
    d_states: StatesT


class Targets:
    """The units of sequences that are to be written, as they are needed: step by step.

    sequences (List[numpy.ndarray]): Units of each, the end included, by falling length.
    """

    def __init__(self, sequences: List[numpy.ndarray]) -> None:
        lengths = numpy.asarray([len(units) for units in sequences], dtype="int64")
        if (lengths[1:] > lengths[:-1]).any() or not lengths.all():
            raise AssertionError("sequences must have units, and be in order of their lengths")
        self.n_seqs = len(sequences)
        n_steps = int(lengths[0]) if len(lengths) else 0
        table = numpy.zeros((len(sequences), n_steps), dtype="int32")
        for row, units in zip(table, sequences):
            row[: len(units)] = units
        self.table = table
        # How many sequences have a unit at each step.
        self.n_active = [int((lengths > t).sum()) for t in range(n_steps)]
        self.ends = numpy.cumsum([0, *self.n_active])

    def at(self, t: int) -> Any:
        """RETURNS (Ints1d): (n_active[t],) The units of a step."""
        return self.table[: self.n_active[t], t]

    def rows(self, t: int) -> slice:
        """RETURNS (slice): Where a step is among all."""
        return slice(int(self.ends[t]), int(self.ends[t + 1]))

    @property
    def all(self) -> Any:
        """RETURNS (Ints1d): (n_units,) Step by step."""
        found = [self.at(t) for t in range(len(self.n_active))]
        return numpy.concatenate([numpy.zeros(0, dtype="int32"), *found])


def read_through(
    model: DecoderT,
    memory: Memory,
    states: StatesT,
    targets: Targets,
    *,
    sampling: float = 0.0,
    mask: Any = None,
) -> Tuple[List[Step], List[Any]]:
    """Run a decoder along what it is to write.

    sampling (float): The share of the units it reads that are its own instead of the true ones.
    mask (Optional[Floats2d]): (nV, 1) Dropout of units.
    RETURNS (Tuple[List[Step], List[Ints1d]]): The steps, and the units that each has read.
    """
    ops = model.ops
    standing = start(model, states, targets.n_seqs)
    steps: List[Step] = []
    read: List[Any] = []
    with kept_masks():
        for t, n in enumerate(targets.n_active):
            true: Any = targets.at(t - 1)[:n] if t else numpy.full(n, BEGIN, dtype="int32")
            ids: Any = ops.asarray1i(true)
            if t and sampling:
                ids = _sampled(model, steps[-1], memory, ids, sampling)
            found = step(model, memory, ids, standing.take(slice(0, n)), mask=mask)
            steps.append(found)
            read.append(ids)
            standing = found.standing
    return steps, read


def _sampled(model: DecoderT, found: Step, memory: Memory, true: Any, share: float) -> Any:
    """RETURNS (Ints1d): The true units, some replaced by what the model would have written (Bengio
    et al. 2015)."""
    n = len(true)
    chosen = numpy.random.random_sample(n) < share
    logs: Any = model.ops.to_numpy(log_probs(model, found, memory))[:n]
    own = (logs + numpy.random.gumbel(size=logs.shape)).argmax(axis=1)
    ids: Any = numpy.where(chosen, own, model.ops.to_numpy(true)).astype("int32")
    return model.ops.asarray1i(ids)


def losses_of(model: DecoderT, memory: Memory, states: StatesT, targets: Targets) -> Floats1d:
    """RETURNS (Floats1d): (n_units,) What the true units cost, in nats, step by step."""
    steps, _ = read_through(model, memory, states, targets)
    every: Any = model.ops.asarray1i(targets.all)
    wanted = known_units(model, every)
    read = _joined(model, [found.read for found in steps])
    losses: Any = loss(parts(model).output, read, wanted)
    if not model.attrs["copy"]:
        return losses
    shares, masses, _ = _copying(model, memory, steps, targets)
    written = model.ops.xp.exp(-losses) * (every == wanted)
    return cast(Floats1d, -model.ops.xp.log(_mixed(written, shares, masses)))


def teach(
    model: DecoderT,
    memory: Memory,
    states: StatesT,
    targets: Targets,
    weights: Floats1d,
    *,
    sampling: float = 0.0,
    label_smoothing: float = 0.0,
) -> Taught:
    """The losses of true units, and the gradient of their weighted sum: those of the parameters and
    of the memory are added up.

    model (Model): A decoder.
    memory (Memory): Of the sequences, remembered with is_train.
    states (StatesT): Where the recurrent layers begin.
    targets (Targets): What is to be written.
    weights (Floats1d): (n_units,) Of each loss in the sum, step by step.
    sampling (float): The share of units to be read that are the model's own.
    label_smoothing (float): Share of the truth that is spread over all units that the softmax
        knows (Szegedy et al. 2016). It is in the gradient, not in the losses that are returned.
    RETURNS (Taught): Losses, and the gradient of the states.
    """
    ops, embed = model.ops, parts(model).embed
    mask, node = None, embed.layers[0]
    if is_active(node, True):
        E = cast(Any, embed.get_param("E"))
        mask = dropout_mask(ops, (len(E), 1), node.attrs["rate"], E.dtype)
    steps, ids = read_through(model, memory, states, targets, sampling=sampling, mask=mask)
    read = _joined(model, [found.read for found in steps])
    wanted = ops.asarray1i(targets.all)
    spread = weights * label_smoothing if label_smoothing else None
    true = weights * (1.0 - label_smoothing)
    output = parts(model).output
    d_weights: List[Any] = [None] * len(steps)
    if model.attrs["copy"]:
        losses, d_read, d_weights = _copy_loss(model, memory, steps, targets, true, spread)
    else:
        losses, d_read = smoothed_gradient(output, read, wanted, true, spread)
    with summed_gradients():
        d_embedded, d_states = _back(model, steps, targets, d_read, d_weights, states)
    units = known_units(model, ops.xp.concatenate(ids) if ids else wanted)
    if mask is not None:
        d_embedded = d_embedded * mask[units]
    add_rows(ops, gradient_of(embed, "E"), units, d_embedded)
    return Taught(losses, d_states)


def _joined(model: DecoderT, arrays: List[Any]) -> Any:
    """RETURNS (Floats2d): (n_units, nO)"""
    if not arrays:
        return model.ops.alloc2f(0, model.get_dim("nO"))
    return model.ops.xp.concatenate(arrays)


def _back(
    model: DecoderT,
    steps: List[Step],
    targets: Targets,
    d_read: Any,
    d_weights: List[Any],
    states: StatesT,
) -> Tuple[Any, StatesT]:
    """Backpropagation through time.

    RETURNS (Tuple[Floats2d, StatesT]): (n_units, nE) The gradient of the embedded units, and that
        of the first states.
    """
    xp, nE = model.ops.xp, parts(model).embed.get_dim("nO")
    d_embedded = xp.zeros((len(d_read), nE), dtype=d_read.dtype)
    d_states: Any = None
    d_feed: Any = None
    for t in range(len(steps) - 1, -1, -1):
        rows = targets.rows(t)
        d_here = d_read[rows]
        if d_feed is not None and d_feed.shape[1]:
            d_here = d_here + _padded(xp, d_feed, len(d_here))
        if d_states is not None:
            d_states = [
                {key: _padded(xp, d_state[key], len(d_here)) for key in d_state}
                for d_state in d_states
            ]
        d_embedded[rows], d_feed, d_states = steps[t].backprop(d_here, d_weights[t], d_states)
    if d_states is None:
        d_states = [{key: xp.zeros_like(state[key]) for key in state} for state in states]
    return d_embedded, d_states


def _padded(xp: Any, array: Any, n: int) -> Any:
    """RETURNS (Floats2d): With rows of zeros, for sequences that have ended."""
    if len(array) == n:
        return array
    return xp.concatenate([array, xp.zeros((n - len(array), array.shape[1]), dtype=array.dtype)])


def _copying(
    model: DecoderT, memory: Memory, steps: List[Step], targets: Targets
) -> Tuple[Any, Any, List[Any]]:
    """RETURNS (Tuple[Floats1d, Floats1d, List[numpy.ndarray]]): For all units, the probability that
    they are not copied, and what attention gives to the rows that are these; and for each step
    which rows those are."""
    xp = model.ops.xp
    shares, masses, matches = [], [], []
    for t, found in enumerate(steps):
        rows = memory.first(len(found.read))
        wanted: Any = model.ops.asarray1i(targets.at(t))
        match = memory.units[rows.where] == wanted[rows.owners]
        mass = xp.zeros(len(found.read), dtype=found.read.dtype)
        if len(match):
            add_at = xp.add.at if xp is numpy else model.ops.scatter_add
            add_at(mass, rows.owners, found.weights * match)
        shares.append(gate(model, found.read, memory))
        masses.append(mass)
        matches.append(match)
    empty = xp.zeros(0, dtype="float32")
    return xp.concatenate([*shares, empty]), xp.concatenate([*masses, empty]), matches


def _mixed(written: Any, shares: Any, masses: Any) -> Any:
    """RETURNS (Floats1d): The probability of each unit, written or copied."""
    # The smallest keeps logarithms finite where a unit is neither.
    return (shares * written + (1.0 - shares) * masses).clip(1e-30)


def _copy_loss(
    model: DecoderT,
    memory: Memory,
    steps: List[Step],
    targets: Targets,
    weights: Any,
    spread: Any,
) -> Tuple[Any, Any, List[Any]]:
    """RETURNS (Tuple[Floats1d, Floats2d, List[Floats1d]]): The losses, the gradient of what the
    softmax read, and for each step that of the weights of the attention. Truth that is spread is
    spread over what can be written: attention is for the true unit alone.

    weights (Floats1d): (n_units,) Of each loss, step by step.
    spread (Optional[Floats1d]): (n_units,) Of the mean over all units of the softmax.
    """
    xp, output = model.ops.xp, parts(model).output
    read = _joined(model, [found.read for found in steps])
    every: Any = model.ops.asarray1i(targets.all)
    wanted = known_units(model, every)
    shares, masses, matches = _copying(model, memory, steps, targets)
    plain: Any = loss(output, read, wanted)
    # What the softmax does not know it cannot write.
    written = xp.exp(-plain) * (every == wanted)
    probs = _mixed(written, shares, masses)
    # d loss / d (loss of the softmax), of the gate's score, and of the mass that attention gives.
    d_losses = weights * shares * written / probs
    _, d_read = smoothed_gradient(output, read, wanted, d_losses, spread)
    d_scores = -weights * (written - masses) / probs * shares * (1.0 - shares)
    d_masses = -weights * (1.0 - shares) / probs
    model.inc_grad("G", d_scores[None] @ read)
    model.inc_grad("bg", d_scores.sum(keepdims=True))
    d_read = d_read + d_scores[:, None] * cast(Any, model.get_param("G"))
    d_weights = []
    for t, match in enumerate(matches):
        owners = memory.first(targets.n_active[t]).owners
        d_weights.append(d_masses[targets.rows(t)][owners] * match)
    return -xp.log(probs), d_read, d_weights
