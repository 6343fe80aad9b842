"""The objective for `spacy pretrain`: its loss, its gradients, and how it counts units."""

from typing import Any, Callable, Dict, List, Tuple

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy import registry
from spacy.tokens import Doc
from spacy.training.pretrain import make_update
from spacy.vocab import Vocab
from thinc.api import Adam, Model, fix_random_seed, set_dropout_rate

from spacy_rnn.layers.softmax import log_probs
from spacy_rnn.models import HashEmbed, RNNEncoder
from spacy_rnn.models.pretrain_lm import MetUnits, NeighbourLoss, PretrainLM
from spacy_rnn.models.softmax import AdaptiveSoftmax, SampledSoftmax, Softmax

from ..layers.cells import gradients, parameters
from ..layers.device import DeviceArray, to_device, to_host
from ..layers.numeric import assert_gradient
from .test_lm_device import DeviceOps

TEXTS = ["a b C d", "", "b", "c c a e b", "f b"]
# Units are numbered from "a" on; "f" is the sixth.
SOFTMAXES: Dict[str, Callable[[], Model]] = {
    "full": Softmax,
    "sampled-all": lambda: SampledSoftmax(50),
    "adaptive": lambda: AdaptiveSoftmax([2, 3], factor=2.0),
}


@pytest.fixture
def docs() -> List[Doc]:
    tokenizer = spacy.blank("en").tokenizer
    return [tokenizer(text) for text in TEXTS]


def make(docs: List[Doc], both: bool, dtype: str = "float32", **settings: Any) -> Model:
    fix_random_seed(0)
    build = registry.get("architectures", "spacy.Tok2Vec.v2")
    encoder = RNNEncoder("gru", 6, 1, bidirectional=both)
    tok2vec = build(HashEmbed(4, ["NORM"], [30]), encoder)
    model = PretrainLM(**{"max_size": 8, **settings})(docs[0].vocab, tok2vec)
    model.initialize(X=docs)
    for node in model.walk():
        for param in [name for name in node.param_names if node.has_param(name)]:
            value = node.get_param(param)
            noise = 0.3 * numpy.random.standard_normal(value.shape)
            node.set_param(param, (value + noise).astype(dtype))
    return model


def loss_of(model: Model, docs: List[Doc], is_train: bool = True) -> Tuple[float, Any, Callable]:
    """RETURNS: The loss, its gradient by the vectors, and the way back through the tok2vec."""
    prediction, backprop = model(docs, is_train)
    loss, gradient = model.attrs["loss"](model.ops, docs, prediction)
    return loss, gradient, backprop


def clear(model: Model) -> None:
    for node in model.walk():
        for param in node.param_names:
            if node.has_grad(param):
                node.set_grad(param, 0 * node.get_grad(param))


def losses_by_hand(model: Model, docs: List[Doc], units: str) -> List[List[float]]:
    """Of each direction, token by token; only the units are predicted."""
    softmaxes = model.layers[1:]
    width = 6 // len(softmaxes)
    found: List[List[float]] = [[] for _ in softmaxes]
    for doc, vectors in zip(docs, model.layers[0].predict(docs)):
        for k, softmax in enumerate(softmaxes):
            pairs = zip(range(len(doc) - 1), range(1, len(doc)))
            for left, right in pairs:
                row, target = (left, right) if k == 0 else (right, left)
                unit = doc[target].lower_
                if unit in units:
                    logs = log_probs(softmax, vectors[row : row + 1, k * width : (k + 1) * width])
                    found[k].append(-float(logs[0, units.index(unit)]))
    return found


@pytest.mark.parametrize("name", SOFTMAXES)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("max_size", [8, 4])
def test_the_loss_is_that_of_the_neighbours(
    name: str, both: bool, max_size: int, docs: List[Doc]
) -> None:
    model = make(docs, both, max_size=max_size, softmax=SOFTMAXES[name]())
    assert len(model.layers[1:]) == (2 if both else 1)
    expected = losses_by_hand(model, docs, "abcdef"[:max_size])
    # With four units, "e" and "f" are left out: one follows something, both precede.
    assert [len(losses) for losses in expected] == ([8, 8] if max_size == 8 else [7, 6])[: 1 + both]
    loss, _, _ = loss_of(model, docs, is_train=False)
    assert loss == pytest.approx(sum(map(sum, expected)) / len(expected), rel=1e-5)


@pytest.mark.parametrize("name", SOFTMAXES)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("max_size", [8, 4])
def test_gradients_agree_with_finite_differences(
    name: str, both: bool, max_size: int, docs: List[Doc]
) -> None:
    model = make(docs, both, "float64", max_size=max_size, softmax=SOFTMAXES[name]())
    n_targets = sum(map(len, losses_by_hand(model, docs, "abcdef"[:max_size])))
    n_directions = len(model.layers) - 1

    def mean() -> float:
        return loss_of(model, docs, is_train=False)[0] * n_directions / n_targets

    mean()
    clear(model)
    _, gradient, backprop = loss_of(model, docs)
    backprop(gradient)
    # The loss adds to those of the softmaxes whenever it is computed.
    found = {name: value.copy() for name, value in gradients(model).items()}
    for param, value in parameters(model).items():
        if "hashembed" not in param:  # of which most rows are not read
            assert_gradient(found[param], mean, value, param)
    assert any("softmax.W" in param for param in found)
    assert any(
        "hashembed" in param and numpy.abs(value).max() > 0 for param, value in found.items()
    )


def test_units_are_numbered_as_they_are_met(docs: List[Doc]) -> None:
    units = MetUnits("LOWER", 4)
    assert units.number([]).tolist() == []
    assert units.number(docs[1:3]).tolist() == [0]
    assert units.number(docs).tolist() == [1, 0, 2, 3, 0, 2, 2, 1, -1, 0, -1, 0]
    assert units.number(docs).tolist() == [1, 0, 2, 3, 0, 2, 2, 1, -1, 0, -1, 0]
    assert len(units) == 4


def test_attr_says_what_a_unit_is(docs: List[Doc]) -> None:
    assert MetUnits("ORTH", 8).number(docs[:4]).tolist() == [0, 1, 2, 3, 1, 4, 4, 0, 5, 1]
    docs[0][1].norm_ = "a"
    assert MetUnits("NORM", 8).number(docs[:1]).tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize("both", [False, True])
def test_units_beyond_the_last_number_are_left_out(both: bool, docs: List[Doc]) -> None:
    model = make(docs, both, max_size=2, softmax=Softmax())
    shapes = [value.shape for value in parameters(model).values()]
    _, gradient, _ = loss_of(model, docs)
    # "a" and "b" have numbers: what is before "c" and "e" is not told what follows.
    expected = [[1, 0, 0, 0], [], [0], [0, 1, 0, 1, 0], [1, 0]]
    has_forward = [(rows[:, :3] != 0).any(axis=1).astype(int).tolist() for rows in gradient]
    assert has_forward == expected
    model.finish_update(Adam(0.1))
    loss_of(model, [docs[3], docs[4]])
    assert [value.shape for value in parameters(model).values()] == shapes


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["a"], ["a", "", "b"]])
def test_texts_without_neighbours_are_legal(both: bool, texts: List[str], docs: List[Doc]) -> None:
    model = make(docs, both)
    few = [Doc(docs[0].vocab, words=text.split()) for text in texts]
    loss, gradient, backprop = loss_of(model, few)
    assert loss == 0.0
    assert [rows.shape for rows in gradient] == [(len(doc), 6) for doc in few]
    backprop(gradient)
    assert all((value == 0).all() for value in gradients(model).values())


@pytest.mark.parametrize("both", [False, True])
def test_a_text_is_learned_the_softmaxes_too(both: bool, docs: List[Doc]) -> None:
    model = make(docs, both)
    set_dropout_rate(model, 0.1)
    before = {name: value.copy() for name, value in parameters(model).items()}
    optimizer = Adam(0.05)
    losses = [make_update(model, docs, optimizer, model.attrs["loss"]) for _ in range(60)]
    assert losses[-1] < 0.4 * losses[0]
    unchanged = [name for name, value in parameters(model).items() if (before[name] == value).all()]
    # The lists of the encoder have no initial state that is trained.
    assert not [name for name in unchanged if name.split(".")[-1] not in ("h0", "c0")]
    assert isinstance(losses[0], float)


def test_directions_have_weights_of_their_own_and_those_of_the_argument_stay(
    docs: List[Doc],
) -> None:
    softmax = SampledSoftmax(50)
    first, second = make(docs, True, softmax=softmax), make(docs, True, softmax=softmax)
    layers = [softmax, *first.layers[1:], *second.layers[1:]]
    assert len({layer.id for layer in layers}) == 5
    assert softmax.has_dim("nO") is None
    assert [layer.get_dim("nI") for layer in layers[1:]] == [3] * 4
    assert all(layer.attrs["n_samples"] == 50 for layer in layers)


def test_a_thousand_units_are_sampled_if_nothing_is_said(docs: List[Doc]) -> None:
    model = make(docs, False, max_size=3000)
    assert model.layers[1].name == "sampled_softmax"
    assert model.layers[1].get_param("W").shape == (3000, 6)
    assert loss_of(model, docs)[0] > 0
    grown = model.layers[1].get_grad("W")
    assert grown.shape == (3000, 6)


def test_the_tok2vec_is_what_spacy_saves(docs: List[Doc]) -> None:
    model = make(docs, True)
    assert model.get_ref("tok2vec") is model.layers[0]
    for expected, found in zip(model.layers[0].predict(docs), model.predict(docs)):
        assert_array_equal(found, expected)


def test_initializing_again_gives_as_many_softmaxes(docs: List[Doc]) -> None:
    model = make(docs, True)
    model.initialize(X=docs)
    assert len(model.layers) == 3
    assert model.attrs["loss"].softmaxes == model.layers[1:]


def test_the_same_seed_gives_the_same_weights(docs: List[Doc]) -> None:
    results = []
    for _ in range(2):
        model = make(docs, True, max_size=2000)
        set_dropout_rate(model, 0.3)
        fix_random_seed(5)
        optimizer = Adam(0.01)
        for _ in range(3):
            make_update(model, docs, optimizer, model.attrs["loss"])
        results.append(parameters(model))
    for name, value in results[0].items():
        assert_array_equal(results[1][name], value)


def test_a_bidirectional_stack_is_refused(docs: List[Doc]) -> None:
    build = registry.get("architectures", "spacy.Tok2Vec.v2")
    tok2vec = build(HashEmbed(4, ["NORM"], [30]), RNNEncoder("gru", 6, 2))
    model = PretrainLM()(docs[0].vocab, tok2vec)
    with pytest.raises(ValueError, match="E100"):
        model.initialize(X=docs)


@pytest.mark.parametrize(
    ("settings", "code"), [({"attr": "LEMMA"}, "E009.*LOWER"), ({"max_size": 0}, "E011.*max_size")]
)
def test_wrong_arguments_are_refused(settings: Dict[str, Any], code: str) -> None:
    with pytest.raises(ValueError, match=code):
        PretrainLM(**settings)


def test_a_loss_before_initialization_is_refused() -> None:
    model = PretrainLM()(Vocab(), HashEmbed(4, ["NORM"], [30]))
    with pytest.raises(ValueError, match="E024"):
        model.attrs["loss"](model.ops, [], [])


@pytest.mark.parametrize("name", SOFTMAXES)
@pytest.mark.parametrize("both", [False, True])
def test_the_loss_keeps_to_the_module_of_its_arrays(name: str, both: bool, docs: List[Doc]) -> None:
    model = make(docs, both, softmax=SOFTMAXES[name]())
    vectors = model.predict(docs)
    objective: NeighbourLoss = model.attrs["loss"]
    expected = objective(model.ops, docs, vectors)
    grads = {name: value.copy() for name, value in gradients(model).items()}
    for node in model.walk():
        node.ops = DeviceOps()
        for param in [p for p in node.param_names if node.has_param(p)]:
            node.set_param(param, to_device(node.get_param(param).copy()))
            if node.has_grad(param):
                node.set_grad(param, to_device(0 * to_host(node.get_grad(param))))
    loss, gradient = objective(DeviceOps(), docs, [to_device(rows.copy()) for rows in vectors])
    assert loss == pytest.approx(expected[0], rel=1e-6)
    for a, b in zip(gradient, expected[1]):
        assert isinstance(a, DeviceArray)
        assert_allclose(to_host(a), b, atol=1e-6)
    for key, value in gradients(model).items():
        assert_allclose(to_host(value), grads[key], atol=1e-6)
