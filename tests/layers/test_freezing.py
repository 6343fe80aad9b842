"""Frozen layers learn nothing, and at the bottom of a model they cost no backward pass."""

import pickle

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.ml.models import MultiHashEmbed, build_Tok2Vec_model
from thinc.api import HashEmbed as EmbedAttribute
from thinc.api import LayerNorm, Linear, Maxout, Model, Ragged, chain, fix_random_seed

from spacy_rnn.layers import LSTM, available_engines, bidirectional, run, use_engine, use_threads
from spacy_rnn.layers import recurrent as recurrent_module
from spacy_rnn.layers.embedding import Embedding
from spacy_rnn.layers.freezing import (
    FROZEN,
    constant,
    drop_gradients,
    freeze,
    frozen_prefix,
    is_constant,
    is_frozen,
    thaw,
)
from spacy_rnn.layers.locked_dropout import locked_dropout
from spacy_rnn.layers.stack import stack
from spacy_rnn.models import HashEmbed, RNNEncoder, TextCatRNN

from .cells import gradients, layers, parameters, ragged, randomize, sequences
from .numeric import assert_gradient

LENGTHS = [3, 0, 5, 1]
LAYERS = layers(3, 4)


class Counter:
    """Counts what an engine is asked for.

    kept (List[bool]): For each pass forward, whether anything is kept for the way back.
    needs_dX (List[bool]): For each pass backward, whether the gradient of the input is needed.
    """

    def __init__(self, monkeypatch):
        self.kept, self.needs_dX = [], []
        get_engine = recurrent_module.get_engine

        def counting(*args, **kwargs):
            engine = get_engine(*args, **kwargs)
            counter = self

            class Counting:
                TAKES_SOURCE, USES_BLAS = engine.TAKES_SOURCE, engine.USES_BLAS

                @staticmethod
                def forward(cell, X, packing, directions, is_train, **shared):
                    counter.kept.append(is_train)
                    Y, finals, backward = engine.forward(
                        cell, X, packing, directions, is_train, **shared
                    )

                    def counted(dY, d_final, needs_dX=True):
                        counter.needs_dX.append(needs_dX)
                        return backward(dY, d_final, needs_dX)

                    return Y, finals, counted

            return Counting

        monkeypatch.setattr(recurrent_module, "get_engine", counting)

    def take(self):
        taken = (self.kept[:], self.needs_dX[:])
        self.kept.clear()
        self.needs_dX.clear()
        return taken


def grad_names(model):
    return {f"{node.name}/{name}" for node in model.walk() for name in node.grad_names}


def sample_docs():
    nlp = spacy.blank("en")
    return [nlp.make_doc(text) for text in ("a fine day", "", "a day is a day", "one")]


def tok2vec(depth=2, **settings):
    embed = HashEmbed(8, ["NORM", "SHAPE"], [50, 20])
    return build_Tok2Vec_model(embed, RNNEncoder("lstm", 8, depth, **settings))


def both_passes(model, X, dY_of):
    """RETURNS: Output, gradient of the input and of the parameters, from gradients of none."""
    for node in model.walk():
        for name in node.param_names:
            node._params._grads.pop((node.id, name), None)
    Y, backprop = model.begin_update(X)
    return Y, backprop(dY_of(Y)), gradients(model)


@pytest.mark.parametrize("engine", available_engines())
@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_goes_through_a_frozen_layer_and_leaves_nothing(name, engine, rng):
    model = LAYERS[name]().initialize()
    randomize(model, rng)
    X, dY = ragged(rng, LENGTHS, 4), rng.standard_normal((9, model.get_dim("nO"))).astype("f")
    with use_engine(engine):
        Y, dX, _ = both_passes(model, X, lambda Yr: Ragged(dY, Yr.lengths))
        freeze(model)
        assert not grad_names(model), "those gathered before are dropped"
        frozen_Y, frozen_dX, _ = both_passes(model, X, lambda Yr: Ragged(dY, Yr.lengths))
    assert_allclose(frozen_Y.dataXd, Y.dataXd, atol=1e-6)
    assert_allclose(frozen_dX.dataXd, dX.dataXd, atol=1e-6)
    assert not grad_names(model)


@pytest.mark.parametrize("engine", available_engines())
@pytest.mark.parametrize("name", LAYERS)
def test_for_constant_rows_the_weights_have_the_same_gradient(name, engine, rng, monkeypatch):
    model = LAYERS[name]().initialize()
    randomize(model, rng)
    X, dY = ragged(rng, LENGTHS, 4), rng.standard_normal((9, model.get_dim("nO"))).astype("f")
    counter = Counter(monkeypatch)
    with use_engine(engine):
        _, _, expected = both_passes(model, X, lambda Yr: Ragged(dY, Yr.lengths))
        assert all(counter.take()[1])
        Yr, dX, found = both_passes(model, constant(X), lambda Yr: Ragged(dY, Yr.lengths))
    assert not any(counter.take()[1])
    assert not is_constant(Yr)
    assert_array_equal(dX.dataXd, numpy.zeros((9, 4)))
    assert_array_equal(dX.lengths, LENGTHS)
    for param, gradient in expected.items():
        assert_allclose(found[param], gradient, atol=1e-5, err_msg=param)


@pytest.mark.parametrize("name", ["lstm-both", "mingru-both", "qrnn-fo-window-2-both"])
def test_threads_leave_it_out_as_well(name, rng, monkeypatch):
    numba_engine = pytest.importorskip("spacy_rnn.layers.engines.numba_engine")
    monkeypatch.setattr(numba_engine, "MIN_WORK", 1.0)
    model = LAYERS[name]().initialize()
    X = ragged(rng, LENGTHS, 4)
    with use_engine("numba"):
        _, _, expected = both_passes(model, X, lambda Yr: Yr)
        with use_threads(4):
            _, dX, found = both_passes(model, constant(X), lambda Yr: Yr)
    assert not dX.dataXd.any()
    for param, gradient in expected.items():
        assert_allclose(found[param], gradient, atol=1e-5, err_msg=param)


@pytest.mark.parametrize("engine", available_engines())
@pytest.mark.parametrize("name", LAYERS)
def test_a_frozen_layer_over_constant_rows_keeps_nothing(name, engine, rng, monkeypatch):
    model = LAYERS[name]().initialize()
    randomize(model, rng)
    X = ragged(rng, LENGTHS, 4)
    with use_engine(engine):
        expected = model.predict(X).dataXd
        freeze(model)
        counter = Counter(monkeypatch)
        Yr, backprop = model.begin_update(constant(X))
        dX = backprop(Yr)
    assert is_constant(Yr)
    kept, needs_dX = counter.take()
    assert kept
    assert not any(kept)
    assert not needs_dX
    assert_allclose(Yr.dataXd, expected, atol=1e-6)
    assert_array_equal(dX.dataXd, numpy.zeros((9, 4)))
    assert not grad_names(model)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("both", [False, True])
def test_dropout_of_frozen_layers_stays_on(both, engine, rng):
    if engine not in available_engines():
        pytest.skip("no numba")

    def make():
        return LSTM(3, 4, dropout=0.4, recurrent_dropout=0.3, weight_dropout=0.3)

    model = (bidirectional(make(), make()) if both else make()).initialize()
    X = ragged(rng, LENGTHS, 4)
    with use_engine(engine):
        fix_random_seed(1)
        expected = model.begin_update(X)[0].dataXd
        freeze(model)
        fix_random_seed(1)
        found = model.begin_update(constant(X))[0].dataXd
    assert_allclose(found, expected, atol=1e-6)
    assert (found == 0.0).any()


@pytest.mark.parametrize("train_state", [False, True])
def test_one_frozen_direction_leaves_the_other_as_it_is(train_state, rng):
    forward, backward = (LSTM(3, 4, train_state=train_state) for _ in range(2))
    model = bidirectional(forward, backward).initialize()
    X = ragged(rng, LENGTHS, 4)
    _, dX, expected = both_passes(model, X, lambda Yr: Yr)
    freeze(backward)
    assert not is_frozen(model)
    _, found_dX, found = both_passes(model, X, lambda Yr: Yr)
    assert_array_equal(found_dX.dataXd, dX.dataXd)
    assert not backward.grad_names
    assert set(forward.grad_names) == set(forward.param_names)
    for (param, gradient), other in zip(expected.items(), found.values()):
        if param.startswith("1."):  # the first of the directions
            assert_array_equal(other, gradient)


def test_a_state_that_was_given_still_has_a_gradient(rng):
    model = freeze_all(LSTM(3, 4).initialize())
    X = constant(ragged(rng, [2, 3], 4))
    state = [{key: rng.standard_normal((2, 3)).astype("f") for key in "hc"}]
    Yr, final, backprop = run(model, X, state, is_train=True)
    assert not is_constant(Yr), "whatever made the state may learn"
    _, d_state = backprop.through_state(Yr, final)
    assert d_state[0]["h"].any()
    assert d_state[0]["c"].any()
    assert not model.grad_names


def freeze_all(model):
    freeze(model)
    return model


@pytest.mark.parametrize("n_frozen", [0, 1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"residual": True, "layer_norm": True}])
@pytest.mark.parametrize("both", [False, True])
def test_above_frozen_layers_the_gradients_are_what_they_are(
    both, options, n_frozen, rng, monkeypatch
):
    model = RNNEncoder("gru", 6, 3, bidirectional=both, **options).initialize(
        X=sequences(rng, [2], 5)
    )
    randomize(model, rng)
    Xs = sequences(rng, LENGTHS, 5)
    _, _, expected = both_passes(model, Xs, lambda Ys: Ys)
    levels = model.layers[0].layers
    for layer in levels[:n_frozen]:
        freeze(layer)
    frozen = {id(node) for layer in levels[:n_frozen] for node in layer.walk()}
    counter = Counter(monkeypatch)
    Xr = constant(Ragged(numpy.concatenate(Xs), numpy.asarray(LENGTHS, "i")))
    Yr, backprop = model.layers[0].begin_update(Xr)
    for node in model.walk():
        for name in node.grad_names:
            node._params._grads.pop((node.id, name))
    backprop(Yr)
    found = gradients(model)
    kept, needs_dX = counter.take()
    assert kept == [False] * n_frozen + [True] * (3 - n_frozen)
    assert needs_dX == [True] * (2 - n_frozen) + [False] * (n_frozen < 3)
    for i, node in enumerate(model.walk()):
        for name in node.param_names:
            if id(node) in frozen:
                assert not node.has_grad(name)
            else:
                path = f"{i}.{node.name}.{name}"
                assert_allclose(found[path], expected[path], atol=1e-5, err_msg=path)


def test_gradients_above_frozen_layers_agree_with_finite_differences(rng):
    lower, upper = LSTM(3, 4), LSTM(2, 3)
    model = stack(lower, locked_dropout(), upper).initialize()
    randomize(model, rng, "float64")
    freeze(lower)
    X = constant(ragged(rng, LENGTHS, 4, "float64"))
    weights = rng.standard_normal((9, 2))

    def loss():
        return float((model.begin_update(X)[0].dataXd * weights).sum())

    Yr, backprop = model.begin_update(X)
    backprop(Ragged(weights, Yr.lengths))
    assert not lower.grad_names
    for name in upper.param_names:
        assert_gradient(upper.get_grad(name), loss, upper.get_param(name), name)


def test_inputs_that_ask_for_a_gradient_get_it_through_frozen_layers(rng):
    model = stack(LSTM(3, 4), LSTM(2, 3)).initialize()
    X = ragged(rng, LENGTHS, 4)
    _, expected, _ = both_passes(model, X, lambda Yr: Yr)
    freeze(model)
    Yr, found, _ = both_passes(model, X, lambda Yr: Yr)
    assert_allclose(found.dataXd, expected.dataXd, atol=1e-6)
    assert found.dataXd.any()
    assert not is_constant(Yr)


def test_a_stack_is_what_a_chain_is(rng):
    parts = [bidirectional(LSTM(3), LSTM(3)), LSTM(2)]
    X = ragged(rng, LENGTHS, 4)
    chained, stacked = chain(*parts), stack(*parts)
    stacked.initialize(X=X)
    assert (stacked.name, stacked.get_dim("nI"), stacked.get_dim("nO")) == (chained.name, 4, 2)
    for ours, theirs in zip(
        both_passes(stacked, X, lambda Yr: Yr)[:2], both_passes(chained, X, lambda Yr: Yr)[:2]
    ):
        assert_array_equal(ours.dataXd, theirs.dataXd)


def test_a_frozen_embedding_takes_no_gradient():
    model = Embedding(3, 5, dropout=0.2).initialize()
    ids = Ragged(numpy.asarray([1, 2, 1], "i"), numpy.asarray([3], "i"))
    freeze(model)
    Yr, backprop = model.begin_update(ids)
    assert is_constant(Yr)
    backprop(Yr)
    assert not model.grad_names
    assert not is_constant(Ragged(model.predict(ids).dataXd, ids.lengths))
    thaw(model)
    Yr, backprop = model.begin_update(ids)
    assert not is_constant(Yr)
    backprop(Yr)
    assert model.has_grad("E")


@pytest.mark.parametrize("n_frozen", [1, 2, 3])
def test_in_a_tok2vec_gradients_end_at_the_first_layer_that_learns(n_frozen, monkeypatch):
    docs = sample_docs()
    model = tok2vec().initialize(X=docs)
    embed, encode = model.layers
    _, _, expected = both_passes(model, docs, lambda Ys: Ys)
    levels = [embed, *encode.layers[0].layers]
    for layer in levels[:n_frozen]:
        freeze(layer)
    counter = Counter(monkeypatch)
    _, _, found = both_passes(model, docs, lambda Ys: Ys)
    kept, needs_dX = counter.take()
    assert kept == [False] * (n_frozen - 1) + [True] * (3 - n_frozen)
    assert needs_dX == [True] * (2 - n_frozen) + [False] * (n_frozen < 3)
    frozen = {node.name for layer in levels[:n_frozen] for node in layer.walk()}
    for param, gradient in expected.items():
        if param.split(".")[1] not in frozen:
            assert_allclose(found[param], gradient, atol=1e-5, err_msg=param)
    for layer in levels[:n_frozen]:
        assert not grad_names(layer)
    assert len(grad_names(model)) == (0 if n_frozen == 3 else 3)


def test_a_frozen_embedding_of_hashes_is_not_run_backward(monkeypatch):
    docs = sample_docs()
    embed = HashEmbed(8, ["NORM", "SHAPE"], [50, 20]).initialize()
    freeze(embed)
    monkeypatch.setattr(embed.ops, "scatter_add", None)  # the first step of its way back
    rows, backprop = embed.begin_update(docs)
    assert backprop(rows) == []
    assert is_constant(rows.ragged)


def test_a_frozen_embedding_of_spacys_learns_nothing():
    docs = sample_docs()
    embed = MultiHashEmbed(8, ["NORM", "SHAPE"], [50, 20], False)
    model = build_Tok2Vec_model(embed, RNNEncoder("lstm", 8, 1)).initialize(X=docs)
    _, _, expected = both_passes(model, docs, lambda Ys: Ys)
    freeze(embed)
    _, _, found = both_passes(model, docs, lambda Ys: Ys)
    assert not grad_names(embed)
    assert grad_names(model) == {"lstm/Wx", "lstm/Wh", "lstm/b"}
    for param, gradient in expected.items():
        if ".lstm." in param:
            assert_allclose(found[param], gradient, atol=1e-6)


@pytest.mark.parametrize("pooling", [["last", "mean"], ["attention"]])
def test_under_a_frozen_tok2vec_no_engine_runs_backward(pooling, monkeypatch):
    docs = sample_docs()
    base = tok2vec(dropout=0.3, recurrent_dropout=0.2)
    model = TextCatRNN(base, True, pooling=pooling, hidden_width=4, nO=2)
    model.initialize(X=docs, Y=numpy.eye(2, dtype="f")[[0, 1, 1, 0]])
    freeze(base)
    expected = model.predict(docs)
    before = {name: value.copy() for name, value in parameters(base).items()}
    counter = Counter(monkeypatch)
    scores, backprop = model.begin_update(docs)
    backprop(scores - 0.25)
    kept, needs_dX = counter.take()
    assert kept == [False, False]
    assert needs_dX == []
    assert_allclose(scores, expected, atol=1e-6)
    assert not grad_names(base)
    assert {"linear/W", "linear/b"} <= grad_names(model)
    assert ("pool/Q" in grad_names(model)) == ("attention" in pooling)
    model.finish_update(lambda key, weights, gradient: (weights - gradient, gradient * 0))
    for name, value in parameters(base).items():
        assert_array_equal(value, before[name])


@pytest.mark.parametrize(
    ("make", "X"),
    [
        (lambda: Linear(3, 4), numpy.ones((2, 4), "f")),
        (lambda: Maxout(3, 4, nP=2, normalize=True), numpy.ones((2, 4), "f")),
        (lambda: LayerNorm(4), numpy.arange(8, dtype="f").reshape(2, 4)),
        (lambda: EmbedAttribute(3, 20), numpy.asarray([1, 2], "uint64")),
    ],
    ids=["linear", "maxout", "layernorm", "hashembed"],
)
def test_layers_of_thinc_freeze_too(make, X):
    model = make().initialize()
    Y, expected, _ = both_passes(model, X, lambda Y: Y + 1.0)
    freeze(model)
    assert is_frozen(model)
    found_Y, found, _ = both_passes(model, X, lambda Y: Y + 1.0)
    assert_array_equal(found_Y, Y)
    assert_array_equal(found, expected)
    assert not grad_names(model)
    assert_array_equal(model.predict(X), Y)
    thaw(model)
    both_passes(model, X, lambda Y: Y + 1.0)
    assert len(grad_names(model)) == len({n.name + p for n in model.walk() for p in n.param_names})


def test_modules_of_torch_freeze_too():
    torch = pytest.importorskip("torch")
    from thinc.api import PyTorchWrapper

    model = PyTorchWrapper(torch.nn.Linear(3, 2))
    weight = model.shims[0]._model.weight
    before = weight.detach().clone()
    freeze(model)
    assert is_frozen(model)
    X = numpy.ones((4, 3), "f")
    Y, backprop = model.begin_update(X)
    dX = backprop(Y)
    assert dX.shape == (4, 3)

    def never(key, weights, gradient):
        raise AssertionError(key)

    model.finish_update(never)
    assert torch.equal(weight, before)
    thaw(model)
    model.begin_update(X)[1](Y)
    with pytest.raises(AssertionError):
        model.finish_update(never)


def test_frozen_twice_is_thawed_once():
    model = LSTM(3, 4).initialize()
    forward, init = model._func, model.init
    freeze(model)
    freeze(model)
    assert model._func is not forward
    thaw(model)
    assert model._func is forward
    assert model.init is init
    thaw(model)
    assert model._func is forward
    assert FROZEN not in model.attrs


def test_what_has_no_parameters_is_not_frozen():
    drop = locked_dropout()
    freeze(drop)
    assert not is_frozen(drop)
    assert FROZEN not in drop.attrs
    pair = stack(LSTM(3, 4), LSTM(2, 3))
    freeze(pair.layers[0])
    assert not is_frozen(pair)
    freeze(pair.layers[1])
    assert is_frozen(pair)
    thaw(pair.layers[0], deep=False)
    assert not is_frozen(pair)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("", 0),
        ("FFF", 3),
        ("FdFd", 4),
        ("FdLdF", 2),
        ("LF", 0),
        ("dL", 0),
        ("dFL", 2),
        ("dd", 0),
    ],
)
def test_the_frozen_layers_below_all_that_learn_are_counted(kinds, expected):
    made = {
        "F": lambda: freeze_all(LSTM(3, 3)),
        "L": lambda: LSTM(3, 3),
        "d": locked_dropout,
    }
    assert frozen_prefix([made[kind]() for kind in kinds]) == expected


def test_a_model_saved_while_frozen_is_loaded_thawed(rng):
    def make():
        return RNNEncoder("lstm", 6, 2).initialize(X=sequences(rng, [2], 5))

    model = make()
    thawed = model.to_bytes()
    freeze(model)
    assert model.to_bytes() == thawed
    loaded = make().from_bytes(model.to_bytes())
    assert not any(FROZEN in node.attrs for node in loaded.walk())
    Xs = sequences(rng, LENGTHS, 5)
    _, _, found = both_passes(loaded, Xs, lambda Ys: Ys)
    assert any(gradient.any() for gradient in found.values())
    for a, b in zip(loaded.predict(Xs), model.predict(Xs)):
        assert_array_equal(a, b)
    # What is loaded into does not change what learns there.
    assert is_frozen(model.from_bytes(thawed))


@pytest.mark.parametrize("again", [lambda m: m.copy(), lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_frozen_as_well_and_thaw_by_themselves(again, rng):
    model = freeze_all(RNNEncoder("lstm", 6, 2).initialize(X=sequences(rng, [2], 5)))
    other = again(model)
    assert is_frozen(other)
    thaw(other)
    assert is_frozen(model)
    assert not is_frozen(other)
    Xs = sequences(rng, LENGTHS, 5)
    both_passes(other, Xs, lambda Ys: Ys)
    assert grad_names(other) == {"lstm/Wx", "lstm/Wh", "lstm/b"}


def test_gradients_that_another_layer_left_are_dropped():
    frozen, learning = Linear(2, 2).initialize(), Linear(2, 2).initialize()
    model = Model("both", lambda model, X, is_train: (X, lambda dY: dY), layers=[frozen, learning])
    freeze(frozen)
    for node in (frozen, learning):
        node.inc_grad("W", numpy.ones((2, 2), "f"))
    drop_gradients(model)
    assert frozen.grad_names == ()
    assert learning.grad_names == ("W",)


def test_frozen_layers_can_be_explained():
    nlp = spacy.blank("en")
    textcat = nlp.add_pipe("rnn_textcat")
    for label in "AB":
        textcat.add_label(label)
    nlp.initialize()
    for node in textcat.model.walk():
        if node.name == "linear":
            node.set_param("W", numpy.random.normal(size=node.get_param("W").shape).astype("f"))
    doc = nlp("a fine day")
    expected = textcat.explain(doc, n_steps=32).attributions
    freeze(textcat.model)
    assert_allclose(textcat.explain(doc, n_steps=32).attributions, expected, atol=1e-5)
    assert any(expected)
