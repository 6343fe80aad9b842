"""Softmax over a vocabulary and its cross-entropy, in blocks of bounded size.

For each of its rows a language model has as many logits as words. They are never all there at the
same time: a block of rows is multiplied out, its loss and its gradients are taken while it is at
hand, and the next block takes its place.
"""

from functools import partial
from typing import Any, Callable, Dict, Optional, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d

from ..errors import Errors
from .embedding import uniform
from .engines.workspace import recycler, workspace
from .gradients import gradient_of
from .threads import get_num_threads, one_blas_thread, workers

InT = Tuple[Floats2d, Ints1d]
OutT = Floats1d
# Logits that a thread has at the same time: 64 MB.
MAX_LOGITS = 2**24
# Rows that are exponentiated in one go: so many logits stay in the cache.
CACHED_LOGITS = 2**17
# Multiplications for each thread: fewer are done before another one has woken up.
MIN_WORK = 1e7


def Softmax(nO: Optional[int] = None, nI: Optional[int] = None) -> Model[InT, OutT]:
    """The full softmax: a logit for each unit of the vocabulary.

        log p(u | h) = W_u h + b_u - log sum_v exp(W_v h + b_v)

    Parameters: W (nO, nI), unless it is tied to an embedding's E, and b (nO,).

    nO (Optional[int]): Size of the vocabulary.
    nI (Optional[int]): Width of the hidden state.
    RETURNS (Model[Tuple[Floats2d, Ints1d], Floats1d]): Hidden states (n, nI) and the units that
        follow them (n,) -> their losses in nats (n,).
    """
    return output_layer("softmax", nO, nI, {"W": None, "b": None}, init)


def output_layer(
    name: str, nO: Optional[int], nI: Optional[int], params: Any, init: Callable, **attrs: Any
) -> Model[InT, OutT]:
    """Build the Thinc model of an output layer; the constructors of the kinds call it."""
    return Model(
        name,
        forward,
        init=init,
        dims={"nO": nO, "nI": nI},
        params=params,
        attrs=dict(attrs),
    )


def tie(model: Model[InT, OutT], embedding: Model[Any, Any]) -> None:
    """Let an output layer use an embedding's table as its weights (Press & Wolf 2017)."""
    model.layers.append(embedding)


def is_tied(model: Model[InT, OutT]) -> bool:
    """RETURNS (bool): Whether the weights are an embedding's."""
    return bool(model.layers)


def weights_of(model: Model[InT, OutT]) -> Tuple[Model[Any, Any], str]:
    """RETURNS (Tuple[Model, str]): The node that has the weights (nO, nI), and their name."""
    return (model.layers[0], "E") if is_tied(model) else (model, "W")


def weights_and_bias(model: Model[InT, OutT]) -> Tuple[Any, Any]:
    """RETURNS (Tuple[Floats2d, Floats1d]): W (nO, nI) and b (nO,)."""
    node, name = weights_of(model)
    return node.get_param(name), model.get_param("b")


def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> Tuple[OutT, Callable]:
    """The losses. The gradient is found anew on the way back, as the logits are not kept: training
    goes by `loss_and_gradient`, which does both in one pass."""
    H, targets = X
    losses = loss(model, H, targets)

    def backprop(d_losses: OutT) -> InT:
        return loss_and_gradient(model, H, targets, d_losses)[1], targets

    return losses, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    check_dims(model)
    nO, nI = model.get_dim("nO"), model.get_dim("nI")
    model.set_param("b", model.ops.alloc1f(nO))
    if not is_tied(model):
        model.set_param("W", uniform(model.ops, (nO, nI)))


def check_dims(model: Model[InT, OutT]) -> None:
    """Raise an error if a dim is not known."""
    for dim in ("nO", "nI"):
        if model.has_dim(dim) is None:
            raise ValueError(Errors.E004.format(name=model.name, dim=dim))


def loss(model: Model[InT, OutT], H: Floats2d, targets: Ints1d) -> Floats1d:
    """RETURNS (Floats1d): (n,) The loss of each row in nats."""
    return _kind(model).loss(model, H, targets)


def loss_and_gradient(
    model: Model[InT, OutT], H: Floats2d, targets: Ints1d, weights: Floats1d
) -> Tuple[Floats1d, Floats2d]:
    """The losses, and the gradient of their weighted sum; that of the parameters is added up.

    H (Floats2d): (n, nI) Hidden states.
    targets (Ints1d): (n,) The units that follow.
    weights (Floats1d): (n,) Of each loss in the sum.
    RETURNS (Tuple[Floats1d, Floats2d]): (n,) The losses, not weighted, and (n, nI).
    """
    return _kind(model).loss_and_gradient(model, H, targets, weights)


def smoothed_gradient(
    model: Model[InT, OutT],
    H: Floats2d,
    targets: Ints1d,
    weights: Floats1d,
    spread: Optional[Floats1d],
) -> Tuple[Floats1d, Floats2d]:
    """Of a full softmax: as `loss_and_gradient`, of a sum that units which do not follow have a
    part in, which is label smoothing (Szegedy et al. 2016).

        sum_n weights_n -log p(targets_n | h_n) + spread_n mean_u -log p(u | h_n)

    H (Floats2d): (n, nI) Hidden states.
    targets (Ints1d): (n,) The units that follow.
    weights (Floats1d): (n,) Of their losses in the sum.
    spread (Optional[Floats1d]): (n,) Of the mean over all units; None for zeros.
    RETURNS (Tuple[Floats1d, Floats2d]): (n,) The losses of the targets, not weighted, and (n, nI).
    """
    node, name = weights_of(model)
    W, b = weights_and_bias(model)
    dW, db = gradient_of(node, name), gradient_of(model, "b")
    return block_gradient(model.ops, H, W, b, targets, weights, dW, db, spread)


def log_probs(model: Model[InT, OutT], H: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (n, nO) The log-probability of each unit after each row, in nats. All at
    once, so for few rows."""
    return _kind(model).log_probs(model, H)


class FullSoftmax:
    """How the losses of a full softmax are found."""

    @staticmethod
    def loss(model: Model[InT, OutT], H: Floats2d, targets: Ints1d) -> Floats1d:
        W, b = weights_and_bias(model)
        return block_loss(model.ops, H, W, b, targets)

    @staticmethod
    def loss_and_gradient(
        model: Model[InT, OutT], H: Floats2d, targets: Ints1d, weights: Floats1d
    ) -> Tuple[Floats1d, Floats2d]:
        return smoothed_gradient(model, H, targets, weights, None)

    @staticmethod
    def log_probs(model: Model[InT, OutT], H: Floats2d) -> Floats2d:
        W, b = weights_and_bias(model)
        return log_softmax(model.ops.xp, H @ W.T + b)


def _kind(model: Model[InT, OutT]) -> Any:
    # Not in attrs, which are saved: the name of the layer says it.
    from .adaptive_softmax import AdaptiveKind
    from .sampled_softmax import SampledKind

    kinds = {"adaptive_softmax": AdaptiveKind, "sampled_softmax": SampledKind}
    return kinds.get(model.name, FullSoftmax)


def log_softmax(xp: Any, logits: Any) -> Floats2d:
    """RETURNS (Floats2d): The logits less the logarithm of the sum of their exponentials, by
    row."""
    logits = logits - logits.max(axis=1, keepdims=True)
    return cast(Floats2d, logits - xp.log(xp.exp(logits).sum(axis=1, keepdims=True)))


def block_loss(ops: Any, H: Floats2d, W: Floats2d, b: Floats1d, targets: Ints1d) -> Floats1d:
    """RETURNS (Floats1d): (n,) The loss of each row in nats, as a softmax over the rows of W."""
    losses = ops.xp.zeros(len(H), dtype=H.dtype)

    def work(rows: slice, slot: int) -> None:
        logits = _logits(ops.xp, H[rows], W)
        _exponentiate(ops.xp, logits, b, targets[rows], losses[rows], None)

    _run(ops, work, len(H), W.shape)
    return cast(Floats1d, losses)


def block_gradient(
    ops: Any,
    H: Floats2d,
    W: Floats2d,
    b: Floats1d,
    targets: Ints1d,
    weights: Floats1d,
    dW: Floats2d,
    db: Floats1d,
    spread: Optional[Floats1d] = None,
) -> Tuple[Floats1d, Floats2d]:
    """Losses and gradients of a softmax over the rows of W.

    H (Floats2d): (n, nI)
    W (Floats2d): (nO, nI)
    b (Floats1d): (nO,)
    targets (Ints1d): (n,)
    weights (Floats1d): (n,) What each row's loss is multiplied by.
    dW, db: As W and b; the gradients are added to them.
    spread (Optional[Floats1d]): (n,) What the mean of the losses of all units is multiplied by.
    RETURNS (Tuple[Floats1d, Floats2d]): (n,) The losses in nats, not weighted, and (n, nI).
    """
    xp = ops.xp
    losses = xp.zeros(len(H), dtype=H.dtype)
    dH = recycler.empty(xp, H.shape, H.dtype)
    parts: Dict[int, Any] = {}

    def work(rows: slice, slot: int) -> None:
        Hb = H[rows]
        logits = _logits(xp, Hb, W)
        spread_here = None if spread is None else spread[rows]
        _exponentiate(xp, logits, b, targets[rows], losses[rows], weights[rows], spread_here)
        xp.matmul(logits, W, out=dH[rows])
        part = recycler.empty(xp, W.shape, W.dtype)
        xp.matmul(logits.T, Hb, out=part)
        parts[slot] = part, xp.ones(len(Hb), dtype=H.dtype) @ logits

    _run(ops, work, len(H), W.shape, after=lambda: _collect(parts, dW, db))
    return cast(Floats1d, losses), cast(Floats2d, dH)


def _collect(parts: Dict[int, Any], dW: Floats2d, db: Floats1d) -> None:
    """Add up what the threads have found: in the order of their rows, whoever was done first, as
    sums of floats depend on the order."""
    for _, (part, bias) in sorted(parts.items(), key=lambda item: item[0]):
        dW += part
        db += bias
    parts.clear()


def _run(
    ops: Any,
    work: Callable[[slice, int], None],
    n_rows: int,
    shape: Tuple[int, int],
    after: Callable[[], None] = lambda: None,
) -> None:
    """Call `work` with the rows of each block and its number among those that run together, on
    several threads if it is worth it, and `after` when all threads have done a block each, so that
    no more than a block a thread is there at a time."""
    on_cpu = ops.xp is numpy
    n_worth = int(n_rows * shape[0] * shape[1] / MIN_WORK) if on_cpu else 1
    n_threads = max(1, min(get_num_threads(), n_worth))
    size = max(1, min(-(-n_rows // n_threads), MAX_LOGITS // shape[0]))
    blocks = [slice(first, min(first + size, n_rows)) for first in range(0, n_rows, size)]
    for first in range(0, len(blocks), n_threads):
        together = blocks[first : first + n_threads]
        tasks = [partial(work, block, slot) for slot, block in enumerate(together)]
        with one_blas_thread:
            workers.run(tasks, n_threads)
        after()


def _logits(xp: Any, H: Floats2d, W: Floats2d) -> Floats2d:
    """RETURNS (Floats2d): (n, nO) In memory that the thread's next call uses again."""
    out = workspace.take(xp, "logits", (len(H), len(W)), H.dtype)
    return cast(Floats2d, xp.matmul(H, W.T, out=out))


def _exponentiate(
    xp: Any,
    logits: Any,
    b: Floats1d,
    targets: Ints1d,
    losses: Floats1d,
    weights: Optional[Floats1d],
    spread: Optional[Floats1d] = None,
) -> None:
    """Turn logits into losses and, if there are weights, into their gradient, in place."""
    n_rows, width = logits.shape
    size = max(1, CACHED_LOGITS // width) if xp is numpy else n_rows
    for first in range(0, n_rows, max(size, 1)):
        rows = slice(first, first + size)
        L, wanted = logits[rows], targets[rows]
        at = (xp.arange(len(L)), wanted)
        L += b
        L -= L.max(axis=1, keepdims=True)
        chosen = L[at]
        xp.exp(L, out=L)
        total = L.sum(axis=1)
        losses[rows] = xp.log(total) - chosen
        if weights is not None:
            share = weights[rows] if spread is None else weights[rows] + spread[rows]
            L *= (share / total)[:, None]
            L[at] -= weights[rows]
            if spread is not None:
                L -= (spread[rows] / width)[:, None]
