"""Attention: of a memory of rows, what a query asks for."""

from typing import Any, Callable, Literal, Optional, Tuple, cast

import numpy
from thinc.api import Model, glorot_uniform_init
from thinc.types import Floats1d, Floats2d, Ragged

from ..checks import check_width
from ..errors import Errors
from .memory import BLOCK, Block, Memory

KindT = Literal["additive", "multiplicative"]
KINDS = ("additive", "multiplicative")
InT = Tuple[Floats2d, Ragged]
OutT = Floats2d
# (gradient of the contexts, of the weights) -> gradient of the queries.
AttendBackpropT = Callable[[Floats2d, Optional[Floats1d]], Floats2d]


def Attention(
    kind: KindT = "multiplicative",
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    nH: Optional[int] = None,
) -> Model[InT, OutT]:
    """For each query the mean of the rows of its sequence, weighted by how well they fit.

        weights = softmax over the rows of score(query, row)
        multiplicative: q^T K k (Luong et al. 2015, "general")
        additive:       v^T tanh(Q q + K k + b) (Bahdanau et al. 2015)

    The rows are multiplied by K once, however many queries follow: see `remember` and `attend`. A
    sequence without rows gives zeros.

    Parameters: K (nH, nI), and for the additive kind Q (nH, nO), b (nH,) and v (nH,).

    kind (str): "multiplicative", which is the faster, or "additive".
    nO (Optional[int]): Width of the queries.
    nI (Optional[int]): Width of the rows.
    nH (Optional[int]): Width in which they are compared; None for that of the queries. The
        multiplicative kind compares in the width of the queries.
    RETURNS (Model[Tuple[Floats2d, Ragged], Floats2d]): Queries (n_seqs, nO) and rows (n_rows, nI)
        -> (n_seqs, nI).
    RAISES (ValueError): For an unknown kind, or a width that is not positive.
    """
    if kind not in KINDS:
        raise ValueError(
            Errors.E009.format(what="attention", found=kind, expected=", ".join(KINDS))
        )
    for what, width in (("nO", nO), ("nI", nI), ("nH", nH)):
        if width is not None:
            check_width(what, width)
    names = ("K",) if kind == "multiplicative" else ("K", "Q", "b", "v")
    return Model(
        f"{kind}_attention",
        forward,
        init=init,
        dims={"nO": nO, "nI": nI, "nH": nH},
        params=dict.fromkeys(names),
    )


def is_additive(model: Model[InT, OutT]) -> bool:
    """RETURNS (bool): Which of the two kinds it is."""
    return model.name == "additive_attention"


def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> Tuple[OutT, Callable]:
    queries, Kr = X
    memory, backprop_memory = remember(model, Kr, is_train)
    Y, _, backprop_query = attend(model, memory, queries)

    def backprop(dY: OutT) -> InT:
        d_queries = backprop_query(dY, None)
        return d_queries, backprop_memory()

    return Y, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    if X is not None:
        for dim, width in (("nO", X[0].shape[1]), ("nI", X[1].dataXd.shape[-1])):
            if model.has_dim(dim) is None and width:
                model.set_dim(dim, width)
    for dim in ("nO", "nI"):
        if model.has_dim(dim) is None:
            raise ValueError(Errors.E004.format(name=model.name, dim=dim))
    if not is_additive(model) or model.has_dim("nH") is None:
        model.set_dim("nH", model.get_dim("nO"), force=True)
    nO, nI, nH = (model.get_dim(dim) for dim in ("nO", "nI", "nH"))
    model.set_param("K", glorot_uniform_init(model.ops, (nH, nI)))
    if is_additive(model):
        model.set_param("Q", glorot_uniform_init(model.ops, (nH, nO)))
        model.set_param("b", model.ops.alloc1f(nH))
        v: Any = glorot_uniform_init(model.ops, (1, nH))
        model.set_param("v", v.reshape(nH))


def remember(
    model: Model[InT, OutT], Kr: Ragged, is_train: bool = False, *, units: Any = None
) -> Tuple[Memory, Callable[[], Ragged]]:
    """Read the rows that queries will ask.

    model (Model): An attention layer.
    Kr (Ragged): (n_rows, nI)
    is_train (bool): Whether gradients will be asked for.
    units (Optional[Ints1d]): (n_rows,) For a decoder that copies: the unit that each row is.
    RETURNS (Tuple[Memory, Callable]): The memory; and what gives the gradient of the rows when all
        queries have been called back, and adds up that of K.
    """
    ops, K = model.ops, cast(Any, model.get_param("K"))
    lengths = ops.to_numpy(Kr.lengths)
    values: Any = Kr.dataXd.reshape((-1, model.get_dim("nI")))
    memory = Memory(ops, values, values @ K.T, lengths, units, is_train)

    def backprop() -> Ragged:
        d_values, d_keys = memory.gradients()
        model.inc_grad("K", d_keys.T @ values)
        return Ragged(d_values + d_keys @ K, Kr.lengths)

    return memory, backprop


def attend(
    model: Model[InT, OutT], memory: Memory, queries: Floats2d
) -> Tuple[Floats2d, Floats1d, AttendBackpropT]:
    """Ask a memory, each of its first sequences by a query.

    model (Model): An attention layer.
    memory (Memory): What it has remembered.
    queries (Floats2d): (n, nO), of the first n sequences.
    RETURNS (Tuple[Floats2d, Floats1d, Callable]): The contexts (n, nI); the weights of the rows
        (n_rows,), which sum to 1 over each sequence; and the callback from the gradients of both to
        that of the queries. It adds to the gradients in the memory.
    """
    concatenate = model.ops.xp.concatenate
    blocks = memory.blocks(len(queries))
    places = [slice(block.first, block.first + BLOCK) for block in blocks]
    found = [_ask(model, block, queries[place]) for block, place in zip(blocks, places)]
    contexts, weights = (concatenate([each[i] for each in found]) for i in range(2))

    def backprop(d_contexts: Any, d_weights: Optional[Floats1d] = None) -> Floats2d:
        given = [None if d_weights is None else d_weights[block.rows] for block in blocks]
        d_queries = [
            backprop_block(d_contexts[place], d_here)
            for place, d_here, (_, _, backprop_block) in zip(places, given, found)
        ]
        return cast(Floats2d, concatenate(d_queries))

    return contexts, weights, backprop


def _ask(
    model: Model[InT, OutT], block: Block, queries: Any
) -> Tuple[Floats2d, Floats1d, AttendBackpropT]:
    """Ask a block, each of its first sequences by a query; as `attend` does."""
    n = len(queries)
    score = _additive if is_additive(model) else _multiplicative
    scores, backprop_score = score(model, block, queries)
    is_row, values = block.is_row[:n], block.values[:n]
    weights = _softmax(block.xp, scores, is_row)
    contexts = (weights[:, None] @ values)[:, 0]

    def backprop(d_contexts: Any, d_weights: Any = None) -> Floats2d:
        d_found = (values @ d_contexts[:, :, None])[:, :, 0]
        if d_weights is not None:
            given = block.xp.zeros_like(d_found)
            given[is_row] = d_weights
            d_found = d_found + given
        block.of_values.append((weights, d_contexts))
        mean = (weights * d_found).sum(axis=1, keepdims=True)
        return backprop_score(weights * (d_found - mean))

    return contexts, weights[is_row], backprop


def _multiplicative(
    model: Model[InT, OutT], block: Block, queries: Any
) -> Tuple[Any, Callable[[Any], Floats2d]]:
    """RETURNS (Tuple[Floats2d, Callable]): (n, n_longest) What padding has here is not asked."""
    keys = block.keys[: len(queries)]
    scores = (keys @ queries[:, :, None])[:, :, 0]

    def backprop(d_scores: Any) -> Floats2d:
        block.of_keys.append((d_scores, queries))
        return cast(Floats2d, (d_scores[:, None] @ keys)[:, 0])

    return scores, backprop


def _additive(
    model: Model[InT, OutT], block: Block, queries: Any
) -> Tuple[Any, Callable[[Any], Floats2d]]:
    Q, v = cast(Any, model.get_param("Q")), cast(Any, model.get_param("v"))
    asked = queries @ Q.T + model.get_param("b")
    n = len(queries)

    def read() -> Any:
        return block.xp.tanh(block.keys[:n] + asked[:, None])

    def backprop(d_scores: Any) -> Floats2d:
        # Found anew, as that of all queries, each by all rows, would not fit the memory.
        hidden = read()
        model.inc_grad("v", (d_scores[:, None] @ hidden)[:, 0].sum(axis=0))
        d_hidden = d_scores[:, :, None] * v * (1.0 - hidden * hidden)
        if block.d_keys is None:
            block.d_keys = block.xp.zeros_like(block.keys)
        block.d_keys[:n] += d_hidden
        d_asked = d_hidden.sum(axis=1)
        model.inc_grad("Q", d_asked.T @ queries)
        model.inc_grad("b", d_asked.sum(axis=0))
        return cast(Floats2d, d_asked @ Q)

    return read() @ v, backprop


def _softmax(xp: Any, scores: Any, is_row: Any) -> Any:
    """RETURNS (Floats2d): (n, n_longest) That sums to 1 over the rows of each sequence; 0 for
    padding, and all 0 where there are no rows."""
    scores = xp.where(is_row, scores, -numpy.inf)
    highest = scores.max(axis=1, keepdims=True)
    weights = xp.exp(scores - xp.where(xp.isfinite(highest), highest, 0.0))
    totals = weights.sum(axis=1, keepdims=True)
    return weights / xp.where(totals > 0.0, totals, 1.0)
