"""The decoder: its equations, its gradients over all parameters, and what it does without rows."""

from functools import partial
from typing import Any, Dict, List

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import Model, Ragged, fix_random_seed, set_dropout_rate

from spacy_rnn.layers.attention import Attention, remember
from spacy_rnn.layers.decoder import Decoder, gate, log_probs, parts, start, step
from spacy_rnn.layers.engines import use_engine
from spacy_rnn.layers.recurrent import CELLS as RECURRENCES
from spacy_rnn.layers.state import recurrent_layers
from spacy_rnn.layers.teaching import Targets, losses_of, read_through, teach
from spacy_rnn.models.encoder import CELLS

from .numeric import assert_gradient

LENGTHS = [3, 0, 2, 1]
TARGETS = [numpy.asarray(units, "int32") for units in ([2, 4, 3, 0], [3, 3, 0], [4, 0], [0])]
COPIED = numpy.asarray([2, 4, 4, 3, 0, 1], "int32")
N_UNITS = 5


def make(cell: str = "lstm", kind: Any = "additive", depth: int = 1, **settings: Any) -> Any:
    fix_random_seed(0)
    attention = Attention(kind, nI=3)
    model = Decoder(partial(CELLS[cell]), attention, 4, 2, depth, **settings)
    parts(model).embed.set_dim("nV", N_UNITS)
    parts(model).output.set_dim("nO", N_UNITS)
    model.initialize()
    rng = numpy.random.RandomState(0)
    for node in model.walk():
        for name in node.param_names:
            value = node.get_param(name)
            noise = 0.5 * rng.standard_normal(value.shape)
            node.set_param(name, (value + noise).astype("float64"))
    return model


def states_of(model: Model[Any, Any], n: int = 4) -> List[Dict[str, Any]]:
    rng = numpy.random.RandomState(1)
    return [
        {key: rng.standard_normal((n, 4)) for key in RECURRENCES[node.attrs["recurrence"]].states}
        for node in recurrent_layers(model)
    ]


def memory_rows() -> Ragged:
    rows = numpy.random.RandomState(2).standard_normal((sum(LENGTHS), 3))
    return Ragged(rows, numpy.asarray(LENGTHS, "int32"))


CASES = [
    *(("multiplicative", cell, 1, True, False) for cell in CELLS),
    ("additive", "lstm", 1, True, False),
    ("additive", "gru", 2, True, True),
    ("multiplicative", "lstm", 2, False, True),
    ("additive", "gru", 1, False, False),
]


@pytest.mark.parametrize(("kind", "cell", "depth", "feeding", "copy"), CASES)
def test_gradients_are_those_of_finite_differences(
    kind: str, cell: str, depth: int, feeding: bool, copy: bool
) -> None:
    model = make(cell, kind, depth, input_feeding=feeding, copy=copy)
    attention = parts(model).attention
    states, Kr, targets = states_of(model), memory_rows(), Targets(TARGETS)
    weights = numpy.random.RandomState(3).uniform(0.5, 1.5, len(targets.all))

    def total() -> float:
        memory, _ = remember(attention, Kr, units=COPIED)
        return float(losses_of(model, memory, states, targets) @ weights)

    memory, backprop_memory = remember(attention, Kr, True, units=COPIED)
    taught = teach(model, memory, states, targets, weights)
    assert taught.losses @ weights == pytest.approx(total())
    d_rows = backprop_memory()
    assert_gradient(d_rows.dataXd, total, Kr.data, "rows")
    for state, d_state in zip(states, taught.d_states):
        for key in state:
            assert_gradient(d_state[key], total, state[key], key)
    n_checked = 0
    for node in model.walk():
        for name in node.param_names:
            assert_gradient(node.get_grad(name), total, node.get_param(name), f"{node.name} {name}")
            n_checked += 1
    assert n_checked >= 8


def test_a_step_is_its_equations() -> None:
    model = make("gru", "multiplicative", copy=True)
    attention = parts(model).attention
    states, Kr = states_of(model), memory_rows()
    memory, _ = remember(attention, Kr, units=COPIED)
    ids = numpy.asarray([1, 2, 3, 4], "int32")
    feed = numpy.random.RandomState(4).standard_normal((4, 4))
    found = step(model, memory, ids, start(model, states, 4)._replace(feed=feed))
    E = parts(model).embed.get_param("E")
    H = cell_step(parts(model).cells, numpy.hstack([E[ids], feed]), states[0]["h"])
    contexts = attention.predict((H, Kr))
    a = numpy.tanh(numpy.hstack([H, contexts]) @ model.get_param("C").T + model.get_param("c"))
    assert_allclose(found.read, a)
    output = parts(model).output
    exponents = numpy.exp(a @ output.get_param("W").T + output.get_param("b"))
    probs = exponents / exponents.sum(axis=1, keepdims=True)
    g = 1 / (1 + numpy.exp(-(a @ model.get_param("G")[0] + model.get_param("bg"))))
    g[1] = 1.0  # it has nothing to copy
    assert_allclose(gate(model, a, memory), g)
    probs *= g[:, None]
    for owner, unit, weight in zip(memory.owners, COPIED, found.weights):
        probs[owner, unit] += (1 - g[owner]) * weight
    assert_allclose(numpy.exp(log_probs(model, found, memory)), probs)
    assert_allclose(probs.sum(axis=1), 1.0)


def cell_step(cells: Any, X: Any, h: Any) -> Any:
    """The GRU by its equations."""
    Wx, Wh, b, bh = (cells.get_param(name) for name in ("Wx", "Wh", "b", "bh"))
    x, u = X @ Wx.T + b, h @ Wh.T
    r, z = (1 / (1 + numpy.exp(-(x + u)[:, part])) for part in (slice(0, 4), slice(4, 8)))
    n = numpy.tanh(x[:, 8:] + r * (u[:, 8:] + bh))
    return (1 - z) * n + z * h


@pytest.mark.parametrize("copy", [False, True])
def test_losses_are_those_of_what_it_would_write(copy: bool) -> None:
    model = make("lstm", copy=copy)
    states, Kr, targets = states_of(model), memory_rows(), Targets(TARGETS)
    memory, _ = remember(parts(model).attention, Kr, units=COPIED)
    losses = losses_of(model, memory, states, targets)
    standing = start(model, states, 4)
    ids = numpy.zeros(4, "int32")
    for t in range(4):
        n = targets.n_active[t]
        found = step(model, memory, ids[:n], standing.take(slice(0, n)))
        logs = log_probs(model, found, memory)
        assert_allclose(losses[targets.rows(t)], -logs[numpy.arange(n), targets.at(t)])
        standing, ids = found.standing, targets.at(t)


def test_a_sequence_costs_the_same_alone_and_in_a_batch() -> None:
    model = make("lstm")
    states, Kr, targets = states_of(model), memory_rows(), Targets(TARGETS)
    together = losses_of(
        model, remember(parts(model).attention, Kr, units=COPIED)[0], states, targets
    )
    starts = numpy.cumsum([0, *LENGTHS])
    for i, units in enumerate(TARGETS):
        rows = Ragged(Kr.data[starts[i] : starts[i + 1]], Kr.lengths[i : i + 1])
        own = [{key: state[key][i : i + 1] for key in state} for state in states]
        memory, _ = remember(parts(model).attention, rows)
        alone = losses_of(model, memory, own, Targets([units]))
        places = [targets.rows(t).start + i for t in range(len(units))]
        assert_allclose(alone, together[places], atol=1e-10)


def test_scheduled_sampling_reads_what_the_model_writes() -> None:
    model = make("lstm")
    states, Kr = states_of(model), memory_rows()
    # It is sure to write a 4.
    parts(model).output.get_param("b")[:] = [0, 0, 0, 0, 100]
    memory, _ = remember(parts(model).attention, Kr, units=COPIED)
    targets = Targets([numpy.asarray([2] * 50, "int32")] * 4)
    for share, low, high in ((0.0, 0, 0), (0.25, 20, 80), (1.0, 196, 196)):
        fix_random_seed(0)
        _, read = read_through(model, memory, states, targets, sampling=share)
        assert (read[0] == 0).all()
        assert low <= sum((ids == 4).sum() for ids in read[1:]) <= high


def test_dropout_is_there_in_training_alone() -> None:
    model = make("lstm", depth=2, dropout=0.5, embed_dropout=0.5)
    states, Kr, targets = states_of(model), memory_rows(), Targets(TARGETS)
    weights = numpy.ones(len(targets.all))
    attention = parts(model).attention

    def taught() -> Any:
        return teach(model, remember(attention, Kr, True)[0], states, targets, weights).losses

    plain = losses_of(model, remember(attention, Kr, units=COPIED)[0], states, targets)
    assert abs(taught() - plain).max() > 1e-3
    assert abs(taught() - taught()).max() > 1e-3
    set_dropout_rate(model, 0.0)
    assert_allclose(taught(), plain)


def test_a_gate_that_is_sure_does_not_overflow() -> None:
    model = make("gru", copy=True)
    memory, _ = remember(parts(model).attention, memory_rows(), units=COPIED)
    for score, expected in ((-1e4, 0.0), (1e4, 1.0)):
        model.set_param("bg", numpy.asarray([score]))
        found = gate(model, numpy.zeros((4, 4)), memory)
        assert_allclose(found, [expected, 1.0, expected, expected])


def test_no_sequences_are_legal() -> None:
    model = make("lstm")
    Kr = Ragged(numpy.zeros((0, 3)), numpy.zeros(0, "int32"))
    memory, _ = remember(parts(model).attention, Kr, True)
    taught = teach(model, memory, states_of(model, 0), Targets([]), numpy.zeros(0))
    assert len(taught.losses) == 0
    assert taught.d_states[0]["h"].shape == (0, 4)


def test_bytes_give_the_same_model() -> None:
    model, other = make("lstm", copy=True), make("lstm", copy=True, depth=1)
    for node in other.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name) * 0)
    other.from_bytes(model.to_bytes())
    states, Kr, targets = states_of(model), memory_rows(), Targets(TARGETS)
    for one in (other, model.copy()):
        found = losses_of(one, remember(parts(one).attention, Kr, units=COPIED)[0], states, targets)
        expected = losses_of(
            model, remember(parts(model).attention, Kr, units=COPIED)[0], states, targets
        )
        assert_allclose(found, expected)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_all_engines_find_the_same_gradients(cell: str, depth: int) -> None:
    """The compiled one adds up those of the weights over all steps before it lays them out."""
    model = make(cell, "multiplicative", depth)
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name).astype("float32"))
    found = []
    for engine in ("numba", "numpy"):
        states = [{k: v.astype("float32") for k, v in state.items()} for state in states_of(model)]
        Kr = Ragged(memory_rows().data.astype("float32"), memory_rows().lengths)
        memory, backprop_memory = remember(parts(model).attention, Kr, True)
        targets = Targets(TARGETS)
        weights = numpy.ones(len(targets.all), dtype="float32")
        with use_engine(engine):
            d_states = teach(model, memory, states, targets, weights).d_states
        d_rows = backprop_memory().dataXd
        grads = {
            (node.id, name): node.get_grad(name)
            for node in model.walk()
            for name in node.param_names
        }
        given = {(i, key): d for i, state in enumerate(d_states) for key, d in state.items()}
        found.append({**grads, **given, "rows": d_rows})
        for node in model.walk():
            for name in node.param_names:
                node.set_grad(name, numpy.zeros_like(node.get_param(name)))
    for key, expected in found[1].items():
        assert_allclose(found[0][key], expected, rtol=1e-4, atol=1e-5, err_msg=str(key))
