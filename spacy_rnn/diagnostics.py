"""How much of the gradient of a loss reaches back through recurrent layers, and how far.

A recurrent layer makes each state from the one before it and an input, up to the last one, h_T. For
a loss L that depends on h_T alone, with the inputs held as they are,

    d L / d h_{T-k} = (d h_T / d h_{T-1} ... d h_{T-k+1} / d h_{T-k})^T d L / d h_T

is what backpropagation through time brings to the state k steps earlier: a product of k Jacobians,
which vanishes or explodes with k unless they are near to rotations (Hochreiter 1991; Bengio et al.
1994; Pascanu et al. 2013). It is computed exactly, step by step, by the layers' own callbacks. An
LSTM hands on two states, h and c, and the gradient of each is taken with the other held as it is.

Nothing is changed: the layers that are asked are copies, with their dropout off.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Model, set_dropout_rate
from thinc.types import Floats2d, Ragged

from .errors import Errors
from .gradient_curves import Curve, summarize
from .layers.engines.base import StateT
from .layers.observer import Observer, Reading
from .layers.state import Backprop, StatesT, run

# From the last outputs of a layer, (n_seqs, nO), to the gradient of a loss, (n_seqs, nO).
LossT = Callable[[Floats2d], Floats2d]
# The rows of a sequence, (n_steps, nI), and the state that it begins from, (1, nO) each.
SequenceT = Tuple[Floats2d, StateT]
LogsT = Dict[str, numpy.ndarray]
# Rows of sequences that are worked on at a time, if they are not of one sequence alone.
MAX_ROWS = 16384


class GradientNorms(NamedTuple):
    """The norms of gradients of a recurrent layer's states.

    name (str): The layer's name.
    cell (str): Its cell.
    logs (Dict[str, Floats2d]): For each state, "h" or "c" or both, (n_seqs, n_distances): the
        natural logarithm of || d L / d h_{T-k} ||, or of that of c, divided by || d L / d h_T ||,
        the norm for the last output. NaN where a sequence has no such state.
    first (Floats1d): (n_seqs,) || d L / d h_T ||.
    """

    name: str
    cell: str
    logs: LogsT
    first: numpy.ndarray

    def curves(self, *, trained: bool = True) -> List[Curve]:
        """RETURNS (List[Curve]): One for each state, over all sequences that have a gradient."""
        return [
            summarize(self.name, self.cell, key, logs[self.first > 0.0], trained=trained)
            for key, logs in self.logs.items()
        ]


def gradient_norms(
    model: Model[Any, Any], X: Any, *, loss: Optional[LossT] = None, seed: int = 0
) -> List[GradientNorms]:
    """Find how far gradients reach back through each recurrent layer of a model: for each layer by
    itself, with what it reads in the model held as it is.

    model (Model): A recurrent layer, a stack of them, an encoder, a tok2vec, or any model around
        such. It is not changed.
    X (Union[Ragged, List]): What the model takes: a Ragged, or a list with an item for each
        sequence. Empty sequences have no gradient, and are left out.
    loss (Optional[Callable[[Floats2d], Floats2d]]): From the last outputs of the model's last
        recurrent layer, (n_seqs, nO), to the gradient of a loss, (n_seqs, nO). If None, and for all
        other layers, the loss is the projection of the last output on a random direction, another
        one for each sequence; its gradient is that direction.
    seed (int): The seed of the random directions.
    RETURNS (List[GradientNorms]): One for each recurrent layer, in the order in which they run; of
        two directions, the forward one first.
    RAISES (ValueError): E024 if the layers have no weights, E123 if a gradient is not finite.
    """
    observer = Observer(model)
    for item in _items(X):
        observer.read(item)
    found = observer.readings()
    losses = [None] * (len(found) - 1) + [loss]
    return [reading_norms(reading, one, seed) for reading, one in zip(found, losses)]


def _items(X: Any) -> List[Any]:
    """RETURNS (List[Any]): Each sequence as an input of its own."""
    if not isinstance(X, Ragged):
        return [X[i : i + 1] for i in range(len(X))]
    ends = numpy.cumsum(numpy.asarray(X.lengths.tolist(), dtype="int64"))
    starts = [end - length for end, length in zip(ends, X.lengths.tolist())]
    return [
        Ragged(X.dataXd[start:end], X.lengths[i : i + 1])
        for i, (start, end) in enumerate(zip(starts, ends))
    ]


def reading_norms(reading: Reading, loss: Optional[LossT] = None, seed: int = 0) -> GradientNorms:
    """Find how far gradients reach back through a layer, over what it has read.

    reading (Reading): The layer, and what it has read.
    loss, seed: See `gradient_norms`.
    RETURNS (GradientNorms): The norms, of the sequences that are not empty.
    RAISES (ValueError): E123 if a gradient is not finite.
    """
    layer = reading.layer.copy()
    set_dropout_rate(layer, 0.0)
    keys = [key for key in ("h", "c") if key in _initial_state(layer)]
    sequences = [
        (rows, _initial_state(layer) if state is None else state)
        for rows, state in zip(reading.rows, reading.states)
        if len(rows)
    ]
    outputs = _last_outputs(layer, sequences)
    if loss is not None:
        d_last = loss(outputs)
    else:
        directions = numpy.random.RandomState(seed).standard_normal(outputs.shape)
        directions /= numpy.linalg.norm(directions, axis=1, keepdims=True)
        d_last = layer.ops.xp.asarray(directions, dtype=outputs.dtype)
    # Longest first, so that those that still have a step to go back are the first ones.
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i][0]))
    n_distances = len(sequences[order[0]][0]) if order else 0
    shape = (len(sequences), n_distances)
    logs: LogsT = {key: numpy.full(shape, numpy.nan) for key in keys}
    first = _finite(reading.name, _norm(layer, d_last))
    while order:
        size = max(1, MAX_ROWS // len(sequences[order[0]][0]))
        now, order = order[:size], order[size:]
        found = _go_back(reading.name, layer, [sequences[i] for i in now], d_last[now])
        for key in keys:
            logs[key][now, : found[key].shape[1]] = found[key]
    return GradientNorms(reading.name, layer.attrs["recurrence"], logs, first)


def _initial_state(layer: Model[Ragged, Ragged]) -> StateT:
    """RETURNS (StateT): (1, nO) each: what an empty sequence ends with is what it begins with."""
    rows = layer.ops.alloc2f(0, layer.get_dim("nI"))
    return run(layer, Ragged(rows, layer.ops.alloc1i(1)))[1][0]


def _joined(layer: Model[Ragged, Ragged], states: Sequence[StateT]) -> StateT:
    return {key: layer.ops.xp.concatenate([state[key] for state in states]) for key in states[0]}


def _last_outputs(layer: Model[Ragged, Ragged], sequences: Sequence[SequenceT]) -> Floats2d:
    """RETURNS (Floats2d): (n_seqs, nO) Outputs of the last steps."""
    if not sequences:
        return layer.ops.alloc2f(0, layer.get_dim("nO"))
    X: Any = layer.ops.xp.concatenate([rows for rows, _ in sequences])
    lengths = layer.ops.asarray1i([len(rows) for rows, _ in sequences])
    state = _joined(layer, [given for _, given in sequences])
    Yr, _, _ = run(layer, Ragged(X, lengths), [state])
    return cast(Floats2d, Yr.dataXd[layer.ops.xp.cumsum(lengths) - 1])


class _Step(NamedTuple):
    """A step forward.

    n_running (int): The sequences that take it: those that are long enough, which are the first.
    backprop (Backprop): The callback.
    """

    n_running: int
    backprop: Backprop[Ragged, Ragged]


def _go_back(
    name: str, layer: Model[Ragged, Ragged], sequences: Sequence[SequenceT], d_last: Floats2d
) -> LogsT:
    """Take the gradient back step by step.

    name (str): What the layer is called in messages.
    sequences (Sequence[SequenceT]): Longest first.
    d_last (Floats2d): (n_seqs, nO) Gradient of the last outputs.
    RETURNS (Dict[str, Floats2d]): (n_seqs, n_steps) logarithms of norms; see `GradientNorms`.
    """
    steps = _walk(layer, sequences)
    ops, nO = layer.ops, layer.get_dim("nO")
    keys = [key for key in ("h", "c") if key in sequences[0][1]]
    shape = (len(sequences), len(steps))
    logs: LogsT = {key: numpy.full(shape, numpy.nan) for key in keys}
    # What is taken back has a norm near 1, and its logarithm is kept beside it: the gradient itself
    # would be beyond float32 after some hundred steps.
    first = _norm(layer, d_last)
    log_scale = numpy.zeros(len(sequences))
    if "h" in logs:
        logs["h"][:, 0] = 0.0
    dY = d_last / _divisor(layer, first)
    d_state: Optional[StatesT] = None
    for k in range(1, len(steps)):
        step, n_left = steps[-k], steps[-k - 1].n_running
        _, d_states = step.backprop.through_state(_single_rows(layer, dY), d_state)
        entry: StateT = {key: value[:n_left] for key, value in d_states[0].items()}
        norms = {key: _finite(name, _norm(layer, entry[key])) for key in keys}
        log_scale = log_scale[:n_left]
        for key in keys:
            with numpy.errstate(divide="ignore"):
                logs[key][:n_left, k] = numpy.log(norms[key]) + log_scale
        whole = numpy.sqrt(sum(norm**2 for norm in norms.values()))
        divisor = _divisor(layer, whole)
        d_state = [{key: value / divisor for key, value in entry.items()}]
        log_scale = log_scale + numpy.log(numpy.where(whole > 0.0, whole, 1.0))
        dY = ops.xp.zeros((n_left, nO), dtype=dY.dtype)
    for key in keys:  # a loss without a gradient has no part of it to speak of
        logs[key][first == 0.0] = numpy.nan
    return logs


def _walk(layer: Model[Ragged, Ragged], sequences: Sequence[SequenceT]) -> List[_Step]:
    """Read sequences step by step, so that all are at their ends at the same step."""
    xp, n_steps = layer.ops.xp, len(sequences[0][0])
    lengths = [len(rows) for rows, _ in sequences]
    shape = (n_steps, len(sequences), layer.get_dim("nI"))
    aligned = xp.zeros(shape, dtype=sequences[0][0].dtype)
    for i, (rows, _) in enumerate(sequences):
        aligned[n_steps - lengths[i] :, i] = rows
    initial = _joined(layer, [state for _, state in sequences])
    state = {key: value[:0] for key, value in initial.items()}
    steps: List[_Step] = []
    for t in range(n_steps):
        n_before = steps[-1].n_running if steps else 0
        n_running = sum(length >= n_steps - t for length in lengths)
        new = {key: value[n_before:n_running] for key, value in initial.items()}
        state = _joined(layer, [state, new])
        X = _single_rows(layer, aligned[t, :n_running])
        _, (state,), backprop = run(layer, X, [state], is_train=True)
        steps.append(_Step(n_running, backprop))
    return steps


def _single_rows(layer: Model[Ragged, Ragged], X: Floats2d) -> Ragged:
    """RETURNS (Ragged): Each row as a sequence."""
    return Ragged(X, layer.ops.asarray1i([1] * len(X)))


def _norm(layer: Model[Ragged, Ragged], X: Floats2d) -> numpy.ndarray:
    """RETURNS (Floats1d): (n_rows,) float64."""
    norms = numpy.linalg.norm(layer.ops.to_numpy(X).astype("float64"), axis=1)
    return cast(numpy.ndarray, norms)


def _finite(name: str, norms: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (Floats1d): The norms, if all are numbers."""
    if not numpy.isfinite(norms).all():
        raise ValueError(Errors.E123.format(name=name))
    return norms


def _divisor(layer: Model[Ragged, Ragged], norms: numpy.ndarray) -> Floats2d:
    """RETURNS (Floats2d): (n_rows, 1) The norms, or 1 where there is nothing to divide."""
    column: Any = numpy.where(norms > 0.0, norms, 1.0)[:, None]
    return cast(Floats2d, layer.ops.xp.asarray(column, dtype=layer.get_param("Wx").dtype))
