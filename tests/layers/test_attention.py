"""Attention: what it weighs, its gradients, and memories without rows."""

from typing import Any, Tuple

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import CupyOps, Model, Ragged, fix_random_seed
from thinc.compat import has_cupy_gpu

from spacy_rnn.layers.attention import KINDS, Attention, attend, remember
from spacy_rnn.layers.memory import BLOCK

from .numeric import assert_gradient

LENGTHS = [3, 0, 1, 4, 0]


def make(kind: Any, nH: Any = None) -> Model[Any, Any]:
    fix_random_seed(0)
    model = Attention(kind, nO=3, nI=4, nH=nH)
    model.initialize()
    rng = numpy.random.RandomState(0)
    for name in model.param_names:
        value = model.get_param(name)
        model.set_param(name, (value + rng.standard_normal(value.shape)).astype("float64"))
    return model


def inputs(lengths: Any = LENGTHS) -> Tuple[Any, Ragged]:
    rng = numpy.random.RandomState(1)
    rows = rng.standard_normal((sum(lengths), 4))
    return rng.standard_normal((len(lengths), 3)), Ragged(rows, numpy.asarray(lengths, "int32"))


def scores_by_hand(model: Model[Any, Any], query: Any, rows: Any) -> Any:
    K = model.get_param("K")
    if model.name == "multiplicative_attention":
        return [query @ K @ row for row in rows]
    Q, b, v = (model.get_param(name) for name in ("Q", "b", "v"))
    return [v @ numpy.tanh(Q @ query + K @ row + b) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_contexts_are_means_weighted_by_the_softmax_of_the_scores(kind: str) -> None:
    model = make(kind)
    queries, Kr = inputs()
    found = model.predict((queries, Kr))
    memory, _ = remember(model, Kr)
    _, weights, _ = attend(model, memory, queries)
    start = 0
    for query, length, context in zip(queries, LENGTHS, found):
        rows = Kr.dataXd[start : start + length]
        exponents = numpy.exp(scores_by_hand(model, query, rows))
        expected = exponents / exponents.sum()
        assert_allclose(weights[start : start + length], expected)
        assert_allclose(context, sum((w * row for w, row in zip(expected, rows)), numpy.zeros(4)))
        start += length


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_asking", [0, 3, 5])
def test_gradients_are_those_of_finite_differences(kind: str, n_asking: int) -> None:
    model = make(kind, nH=2 if kind == "additive" else None)
    (queries, Kr), rng = inputs(), numpy.random.RandomState(2)
    queries = queries[:n_asking]
    others = rng.standard_normal(queries.shape)
    n_rows = sum(LENGTHS[:n_asking])
    d_contexts = rng.standard_normal((2, n_asking, 4))
    d_weights = rng.standard_normal((2, n_rows))

    def loss() -> float:
        memory, _ = remember(model, Kr)
        total = 0.0
        for asked, d_context, d_weight in zip((queries, others), d_contexts, d_weights):
            context, weights, _ = attend(model, memory, asked)
            total += (context * d_context).sum() + (weights * d_weight).sum()
        return float(total)

    memory, backprop_memory = remember(model, Kr, is_train=True)
    callbacks = [attend(model, memory, asked)[2] for asked in (queries, others)]
    d_queries = [
        callback(d_context, d_weight)
        for callback, d_context, d_weight in zip(callbacks, d_contexts, d_weights)
    ]
    d_rows = backprop_memory()
    assert_gradient(d_queries[0], loss, queries, "queries")
    assert_gradient(d_queries[1], loss, others, "others")
    assert_gradient(d_rows.dataXd, loss, Kr.data, "rows")
    for name in model.param_names:
        assert_gradient(model.get_grad(name), loss, model.get_param(name), name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_gets_the_same_alone_and_in_a_batch(kind: str) -> None:
    model = make(kind)
    queries, Kr = inputs()
    together = model.predict((queries, Kr))
    start = 0
    for i, length in enumerate(LENGTHS):
        rows = Ragged(Kr.dataXd[start : start + length], numpy.asarray([length], "int32"))
        assert_allclose(model.predict((queries[i : i + 1], rows))[0], together[i], atol=1e-12)
        start += length


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_memory_can_be_taken_and_repeated(kind: str) -> None:
    model = make(kind)
    queries, Kr = inputs()
    memory, _ = remember(model, Kr)
    whole = attend(model, memory, queries)[0]
    order = numpy.asarray([3, 1, 0])
    assert_allclose(attend(model, memory.taken(order), queries[order])[0], whole[order])
    twice = numpy.repeat(queries, 2, axis=0)
    found = attend(model, memory.repeated(2), twice)[0]
    assert_allclose(found, numpy.repeat(whole, 2, axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_at_all_give_zeros(kind: str) -> None:
    model = make(kind)
    queries, Kr = inputs([0, 0])
    found, backprop = model.begin_update((queries, Kr))
    assert (found == 0).all()
    d_queries, d_rows = backprop(numpy.ones((2, 4)))
    assert (d_queries == 0).all()
    assert d_rows.dataXd.shape == (0, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_large_scores_do_not_overflow(kind: str) -> None:
    model = make(kind)
    queries, Kr = inputs()
    assert numpy.isfinite(model.predict((queries * 1e4, Ragged(Kr.data * 1e4, Kr.lengths)))).all()


def test_widths_are_inferred() -> None:
    model = Attention("additive", nH=7).initialize(X=inputs())
    assert [model.get_dim(dim) for dim in ("nO", "nI", "nH")] == [3, 4, 7]
    other = Attention("additive", nH=7)
    other.from_bytes(model.to_bytes())
    assert_allclose(other.predict(inputs()), model.predict(inputs()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "none"}, "E009.*none.*multiplicative"),
        ({"nO": 0}, "E011.*nO"),
        ({"nI": -1}, "E011.*nI"),
    ],
)
def test_wrong_arguments_are_errors(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Attention(**arguments)


def test_missing_widths_are_an_error() -> None:
    with pytest.raises(ValueError, match="E004"):
        Attention("additive").initialize()


@pytest.mark.gpu
@pytest.mark.skipif(not has_cupy_gpu, reason="needs a CUDA device and CuPy")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_same(kind: str) -> None:
    model = make(kind)
    queries, Kr = inputs()
    for name in model.param_names:
        model.set_param(name, model.get_param(name).astype("float32"))
    queries, rows = queries.astype("f"), Kr.data.astype("f")
    expected, backprop = model.begin_update((queries, Ragged(rows, Kr.lengths)))
    d_queries, _ = backprop(expected)
    model.ops = CupyOps()
    model.to_gpu(0)
    asarray = model.ops.asarray
    found, backprop = model.begin_update((asarray(queries), Ragged(asarray(rows), Kr.lengths)))
    assert_allclose(found.get(), expected, atol=1e-5)
    assert_allclose(backprop(found)[0].get(), d_queries, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_more_sequences_than_are_padded_together_are_asked_as_one_by_one(kind: str) -> None:
    model = make(kind)
    lengths = [2, 5, 0, 1] * BLOCK
    queries, Kr = inputs(lengths)
    n_asking = 2 * BLOCK + 3
    found, backprop = ask_first(model, Kr, queries, n_asking)
    d_queries, d_rows = backprop(queries[:, :1] + numpy.ones(4))
    K = model.get_grad("K")
    model.set_grad("K", numpy.zeros_like(K))
    for i, (start, length) in enumerate(zip(numpy.cumsum([0, *lengths]), lengths)):
        if i == n_asking:
            break
        rows = slice(start, start + length)
        alone = Ragged(Kr.dataXd[rows], numpy.asarray([length], "int32"))
        Y, backprop = model.begin_update((queries[i : i + 1], alone))
        d_query, d_alone = backprop(queries[i : i + 1, :1] + numpy.ones(4))
        assert_allclose(found[i], Y[0], atol=1e-12)
        assert_allclose(d_queries[i], d_query[0], atol=1e-12)
        assert_allclose(d_rows[rows], d_alone.dataXd, atol=1e-12)
    assert_allclose(model.get_grad("K"), K, atol=1e-10)


def ask_first(model: Model[Any, Any], Kr: Ragged, queries: Any, n: int) -> Any:
    """RETURNS (Tuple[Floats2d, Callable]): What the first n queries find, and the callback."""
    memory, backprop_memory = remember(model, Kr, is_train=True)
    contexts, _, backprop_queries = attend(model, memory, queries[:n])

    def backprop(d_contexts: Any) -> Any:
        d_queries = backprop_queries(d_contexts[:n], None)
        return d_queries, backprop_memory().dataXd

    return contexts, backprop
