"""The decoder of a sequence to sequence model: a recurrent network that asks a memory at each
step."""

from typing import Any, Callable, List, NamedTuple, Tuple, cast

import numpy
from thinc.api import Model, chain, glorot_uniform_init
from thinc.types import Floats1d, Floats2d, Ints1d, Ragged

from .attention import attend
from .dropout import dropout_mask
from .embedding import Embedding
from .locked_dropout import locked_dropout
from .memory import Memory
from .softmax import Softmax, log_softmax, weights_and_bias
from .state import StatesT, run

# The number of the unknown unit.
UNKNOWN = 1
InT = Tuple[Memory, Ints1d, "Standing"]
DecoderT = Model[InT, "Step"]
LayerT = Callable[..., Model[Ragged, Ragged]]


class Parts(NamedTuple):
    """The layers of a decoder.

    embed (Model[Ragged, Ragged]): Of the units that were written.
    cells (Model[Ragged, Ragged]): The recurrent layers.
    attention (Model): What asks the memory.
    drop (Model): Dropout on what the softmax reads.
    output (Model[Tuple[Floats2d, Ints1d], Floats1d]): The softmax.
    """

    embed: Model[Ragged, Ragged]
    cells: Model[Ragged, Ragged]
    attention: Model[Any, Any]
    drop: Model[Ragged, Ragged]
    output: Model[Any, Floats1d]


class Standing(NamedTuple):
    """Where a decoder stands.

    states (StatesT): Of the recurrent layers, (n, width) each.
    feed (Floats2d): (n, nO) What the softmax read last; zeros at the beginning.
    """

    states: StatesT
    feed: Any

    def take(self, rows: Any) -> "Standing":
        """
        rows (Union[slice, numpy.ndarray]): Which of those that are decoded; some may come twice.
        RETURNS (Standing): Where these stand.
        """
        states = [{key: state[key][rows] for key in state} for state in self.states]
        return Standing(states, self.feed[rows])


def Decoder(
    make_layer: LayerT,
    attention: Model[Any, Any],
    nO: int,
    nE: int,
    depth: int = 1,
    *,
    input_feeding: bool = True,
    copy: bool = False,
    dropout: float = 0.0,
    embed_dropout: float = 0.0,
) -> DecoderT:
    """Write one unit after the other, each by the last one, the state, and what attention finds.

        h_t = cell([e(y_{t-1}); a_{t-1}], h_{t-1})
        a_t = tanh(C [h_t; context(h_t)] + c)
        p(y_t) = softmax(W a_t + b)

    a_{t-1} is there with input feeding, so that each choice knows what was attended to before
    (Luong et al. 2015). With a copy mechanism a unit is, with a probability of 1 - g, taken from
    the memory, with the weights of the attention (See et al. 2017):

        p(y_t) = g softmax(W a_t + b) + (1 - g) sum over rows i that are y_t of weight_i
        g = sigmoid(G a_t + bg)

    Rows may be units that the softmax does not know, with numbers from nV on: such a unit is only
    copied, and read as the unknown one.

    Parameters: C (nO, nO + nI) and c (nO,); with copying G (1, nO) and bg (1,).

    make_layer (Callable): Makes a recurrent layer of the widths nO and nI.
    attention (Model): An attention layer for queries of the width nO.
    nO (int): Width of the hidden state.
    nE (int): Width of the embedding.
    depth (int): Number of recurrent layers.
    input_feeding (bool): See above.
    copy (bool): See above.
    dropout (float): Rate between the layers and before the softmax, at first; `set_dropout_rate`
        changes it.
    embed_dropout (float): Rate at which units are dropped wherever they occur in a batch.
    RETURNS (Model[Tuple[Memory, Ints1d, Standing], Step]): To be called by `teach` and `step`.
    """
    widths = [nE + nO * input_feeding] + [nO] * (depth - 1)
    layers: List[Model[Any, Any]] = []
    for i, nI in enumerate(widths):
        layers += [locked_dropout(dropout)] * bool(i) + [make_layer(nO, nI)]
    cells = chain(*layers) if depth > 1 else layers[0]
    attention.set_dim("nO", nO)
    names = ("C", "c", "G", "bg") if copy else ("C", "c")
    return Model(
        "decoder",
        forward,
        init=init,
        dims={"nO": nO},
        params=dict.fromkeys(names),
        # By place, not by reference: Model.copy() does not keep references.
        layers=[
            Embedding(nE, dropout=embed_dropout),
            cells,
            attention,
            locked_dropout(dropout),
            Softmax(nI=nO),
        ],
        attrs={"input_feeding": bool(input_feeding), "copy": bool(copy)},
    )


def parts(model: DecoderT) -> Parts:
    """RETURNS (Parts): By place."""
    return Parts(*model.layers)


def forward(model: DecoderT, X: InT, is_train: bool) -> Tuple["Step", Callable]:
    """One step; see `step`. Whether gradients can be asked for is the memory's to say."""
    found = step(model, *X)
    return found, found.backprop


def init(model: DecoderT, X: Any = None, Y: Any = None) -> None:
    for layer in model.layers:
        if layer.name != "locked_dropout":
            layer.initialize()
    nO, nI = model.get_dim("nO"), parts(model).attention.get_dim("nI")
    model.set_param("C", glorot_uniform_init(model.ops, (nO, nO + nI)))
    model.set_param("c", model.ops.alloc1f(nO))
    if model.attrs["copy"]:
        model.set_param("G", glorot_uniform_init(model.ops, (1, nO)))
        model.set_param("bg", model.ops.alloc1f(1))


def start(model: DecoderT, states: StatesT, n_seqs: int) -> Standing:
    """RETURNS (Standing): Before the first unit."""
    C = cast(Any, model.get_param("C"))
    feed = model.ops.xp.zeros((n_seqs, model.get_dim("nO")), dtype=C.dtype)
    return Standing(states, feed)


def known_units(model: DecoderT, ids: Any) -> Any:
    """RETURNS (Ints1d): (n,) Units as they are read: the unknown one for what was only copied."""
    nV = parts(model).embed.get_dim("nV")
    return model.ops.xp.where(ids < nV, ids, UNKNOWN) if model.attrs["copy"] else ids


class Step(NamedTuple):
    """What a decoder has found at a step.

    read (Floats2d): (n, nO) What the softmax reads.
    weights (Floats1d): (n_rows,) Those of the attention.
    standing (Standing): Where it stands now.
    backprop (Callable): From the gradient of `read`, of the weights and of the new state to those
        of the embedded units, of what was fed, and of the state before.
    """

    read: Any
    weights: Any
    standing: Standing
    backprop: Callable[..., Tuple[Any, Any, StatesT]]


def step(
    model: DecoderT, memory: Memory, ids: Ints1d, standing: Standing, *, mask: Any = None
) -> Step:
    """Read the last units, and find what the next ones depend on.

    model (Model): A decoder.
    memory (Memory): What its attention has remembered: of as many sequences or more.
    ids (Ints1d): (n,) The last units.
    standing (Standing): Where it stands.
    mask (Optional[Floats2d]): (nV, 1) In training: dropout of units.
    RETURNS (Step): What was found.
    """
    ops, is_train = model.ops, memory.is_train
    embed, cells, attention, drop, _ = parts(model)
    E, C = cast(Any, embed.get_param("E")), cast(Any, model.get_param("C"))
    ids = known_units(model, ids)
    X = E[ids] if mask is None else E[ids] * mask[ids]
    if model.attrs["input_feeding"]:
        X = ops.xp.concatenate([X, standing.feed], axis=1)
    ones = ops.asarray1i([1] * len(ids))
    Hr, states, backprop_cells = run(cells, Ragged(X, ones), standing.states, is_train)
    H: Any = Hr.dataXd
    contexts, weights, backprop_attention = attend(attention, memory, H)
    joined = ops.xp.concatenate([H, contexts], axis=1)
    found = ops.xp.tanh(joined @ C.T + model.get_param("c"))
    rate = drop.attrs["dropout_rate"] if is_train else 0.0
    dropped = dropout_mask(ops, found.shape, rate, found.dtype) if rate else None
    read = found if dropped is None else found * dropped

    def backprop(d_read: Any, d_weights: Any, d_states: Any) -> Tuple[Any, Any, StatesT]:
        d_found = d_read if dropped is None else d_read * dropped
        d_sum = d_found * (1.0 - found * found)
        model.inc_grad("C", d_sum.T @ joined)
        model.inc_grad("c", d_sum.sum(axis=0))
        d_joined = d_sum @ C
        nO = model.get_dim("nO")
        d_H = d_joined[:, :nO] + backprop_attention(d_joined[:, nO:], d_weights)
        dXr, d_before = backprop_cells.through_state(Ragged(d_H, ones), d_states)
        dX, nE = cast(Any, dXr.dataXd), embed.get_dim("nO")
        return dX[:, :nE], dX[:, nE:], d_before

    return Step(read, weights, Standing(states, read), backprop)


def gate(model: DecoderT, read: Any, memory: Memory) -> Any:
    """RETURNS (Floats1d): (n,) With a copy mechanism: how probably a unit is not copied; 1 where
    there is nothing to copy."""
    xp = model.ops.xp
    scores = read @ cast(Any, model.get_param("G"))[0] + model.get_param("bg")
    is_empty = xp.asarray(memory.lengths[: len(read)] == 0)
    # The logistic function, in a form that does not overflow.
    return xp.where(is_empty, 1.0, 0.5 + 0.5 * xp.tanh(0.5 * scores)).astype(read.dtype)


def log_probs(model: DecoderT, found: Step, memory: Memory) -> Floats2d:
    """What is written next.

    model (Model): A decoder.
    found (Step): What `step` has found.
    memory (Memory): The memory it asked.
    RETURNS (Floats2d): (n, nV) Log-probabilities, in nats; of more units, if there are some that
        can only be copied.
    """
    xp = model.ops.xp
    W, b = weights_and_bias(parts(model).output)
    logs = log_softmax(xp, found.read @ W.T + b)
    if not model.attrs["copy"]:
        return logs
    share = gate(model, found.read, memory)
    rows = memory.first(len(found.read))
    nV = len(b)
    n_units = max(nV, 1 + int(memory.units.max())) if len(memory.units) else nV
    probs = xp.zeros((len(logs), n_units), dtype=logs.dtype)
    probs[:, :nV] = xp.exp(logs) * share[:, None]
    values = (1.0 - share)[rows.owners] * found.weights
    units: Any = memory.units[rows.where]
    add_at: Any = xp.add.at if xp is numpy else model.ops.scatter_add
    add_at(probs, (rows.owners, units), values)
    return cast(Floats2d, xp.log(xp.maximum(probs, 1e-30)))
