"""Attention: of a memory of rows, what a query asks for."""

from typing import Any, Callable, Literal, NamedTuple, Optional, Tuple, cast

import numpy
from thinc.api import Model, Ops, glorot_uniform_init
from thinc.types import Floats1d, Floats2d, Ragged

from ..errors import Errors, number_error

KindT = Literal["additive", "multiplicative"]
KINDS = ("additive", "multiplicative")
InT = Tuple[Floats2d, Ragged]
OutT = Floats2d
# (gradient of the contexts, of the weights) -> gradient of the queries.
AttendBackpropT = Callable[[Floats2d, Optional[Floats1d]], Floats2d]


class Memory:
    """The rows that queries ask, one sequence of them for each query.

    values (Floats2d): (n_rows, nV) What contexts are means of.
    keys (Floats2d): (n_rows, nH) What queries are compared with.
    lengths (numpy.ndarray): (n_seqs,) Rows of each sequence; 0 is legal.
    owners (Ints1d): (n_rows,) The sequence that each row is of.
    units (Optional[Ints1d]): (n_rows,) For a decoder that copies: the unit that each row is. From
        the number of units on, one that the decoder does not know otherwise.
    d_values, d_keys (Floats2d): Their gradients, added up by each query.
    """

    def __init__(self, ops: Ops, values: Any, keys: Any, lengths: Any, units: Any = None) -> None:
        self.ops = ops
        self.units = units
        self.values = values
        self.keys = keys
        self.lengths = lengths
        self.ends = numpy.concatenate([[0], numpy.cumsum(lengths)])
        owners: Any = numpy.repeat(numpy.arange(len(lengths)), lengths)
        self.owners: Any = ops.asarray1i(owners)
        self.present: Any = ops.asarray1i(lengths.nonzero()[0])
        self.n_present = numpy.concatenate([[0], numpy.cumsum(lengths > 0)])
        self.counts: Any = ops.asarray1i(lengths[lengths > 0])
        self.d_values: Any = None
        self.d_keys: Any = None

    def first(self, n_seqs: int) -> "Rows":
        """RETURNS (Rows): Where the rows of the first sequences are."""
        n_present = int(self.n_present[n_seqs])
        rows = slice(0, int(self.ends[n_seqs]))
        return Rows(rows, self.owners[rows], self.present[:n_present], self.counts[:n_present])

    def repeated(self, times: int) -> "Memory":
        """RETURNS (Memory): With each sequence so many times, one after the other."""
        return self.taken(numpy.repeat(numpy.arange(len(self.lengths)), times))

    def taken(self, seqs: Any) -> "Memory":
        """
        seqs (numpy.ndarray): (n,) Numbers of sequences; some may come twice.
        RETURNS (Memory): With these sequences alone, in their order.
        """
        rows = [numpy.arange(self.ends[i], self.ends[i + 1]) for i in seqs]
        index = numpy.concatenate([numpy.zeros(0, dtype="int64"), *rows]).astype("int64")
        units = None if self.units is None else self.units[index]
        return Memory(self.ops, self.values[index], self.keys[index], self.lengths[seqs], units)


class Rows(NamedTuple):
    """Where the rows of the first sequences of a memory are.

    where (slice): The rows.
    owners (Ints1d): (n_rows,) The sequence of each.
    present (Ints1d): The sequences that have any.
    counts (Ints1d): How many those have.
    """

    where: slice
    owners: Any
    present: Any
    counts: Any


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
        if width is not None and width < 1:
            raise number_error(what, "a positive number", width)
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
    memory = Memory(ops, values, values @ K.T, lengths, units)
    if is_train:
        memory.d_values = ops.xp.zeros_like(memory.values)
        memory.d_keys = ops.xp.zeros_like(memory.keys)

    def backprop() -> Ragged:
        model.inc_grad("K", memory.d_keys.T @ memory.values)
        return Ragged(memory.d_values + memory.d_keys @ K, Kr.lengths)

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
    ops, rows = model.ops, memory.first(len(queries))
    score = _additive if is_additive(model) else _multiplicative
    scores, backprop_score = score(model, memory, rows, queries)
    weights: Any = _softmax(ops, scores, rows)
    values = memory.values[rows.where]
    contexts = _sum(ops, values * weights[:, None], rows, len(queries))

    def backprop(d_contexts: Any, d_weights: Optional[Floats1d] = None) -> Floats2d:
        d_rows = d_contexts[rows.owners]
        d_found = cast(Any, (values * d_rows).sum(axis=1))
        if d_weights is not None:
            d_found += d_weights
        memory.d_values[rows.where] += d_rows * weights[:, None]
        means = _sum(ops, (weights * d_found)[:, None], rows, len(queries))
        return backprop_score(weights * (d_found - means[rows.owners, 0]))

    return contexts, weights, backprop


def _multiplicative(
    model: Model[InT, OutT], memory: Memory, rows: Rows, queries: Any
) -> Tuple[Floats1d, Callable[[Floats1d], Floats2d]]:
    keys = memory.keys[rows.where]
    asked = queries[rows.owners]
    scores = cast(Floats1d, (keys * asked).sum(axis=1))

    def backprop(d_scores: Any) -> Floats2d:
        memory.d_keys[rows.where] += d_scores[:, None] * asked
        return _sum(model.ops, keys * d_scores[:, None], rows, len(queries))

    return scores, backprop


def _additive(
    model: Model[InT, OutT], memory: Memory, rows: Rows, queries: Any
) -> Tuple[Floats1d, Callable[[Floats1d], Floats2d]]:
    Q, v = cast(Any, model.get_param("Q")), cast(Any, model.get_param("v"))
    asked = queries @ Q.T + model.get_param("b")
    hidden = model.ops.xp.tanh(memory.keys[rows.where] + asked[rows.owners])
    scores = cast(Floats1d, hidden @ v)

    def backprop(d_scores: Any) -> Floats2d:
        model.inc_grad("v", d_scores @ hidden)
        d_hidden = d_scores[:, None] * v * (1.0 - hidden * hidden)
        memory.d_keys[rows.where] += d_hidden
        d_asked = _sum(model.ops, d_hidden, rows, len(queries))
        model.inc_grad("Q", d_asked.T @ queries)
        model.inc_grad("b", d_asked.sum(axis=0))
        return cast(Floats2d, d_asked @ Q)

    return scores, backprop


def _softmax(ops: Ops, scores: Any, rows: Rows) -> Floats1d:
    """RETURNS (Floats1d): (n_rows,) That sums to 1 over the rows of each sequence."""
    if not len(scores):
        return cast(Floats1d, scores)
    highest = ops.xp.zeros(int(rows.owners[-1]) + 1, dtype=scores.dtype)
    highest[rows.present] = _reduce_max(ops, scores, rows.counts)
    weights = ops.xp.exp(scores - highest[rows.owners])
    totals = _sum(ops, weights[:, None], rows, len(highest))
    return cast(Floats1d, weights / totals[rows.owners, 0])


def _reduce_max(ops: Ops, scores: Any, counts: Any) -> Any:
    if ops.xp is numpy:
        return numpy.maximum.reduceat(scores, numpy.cumsum(counts) - counts)
    return ops.reduce_max(scores[:, None], counts)[0][:, 0]


def _sum(ops: Ops, X: Any, rows: Rows, n_seqs: int) -> Floats2d:
    """RETURNS (Floats2d): (n_seqs, width) The sum of the rows of each sequence."""
    Y = ops.xp.zeros((n_seqs, X.shape[1]), dtype=X.dtype)
    if not len(X):
        return cast(Floats2d, Y)
    if ops.xp is numpy:
        starts = numpy.cumsum(rows.counts) - rows.counts
        Y[rows.present] = numpy.add.reduceat(X, starts, axis=0)
    else:
        Y[rows.present] = ops.reduce_sum(X, rows.counts)
    return cast(Floats2d, Y)
