"""The output layers of language models, against plain formulas and finite differences."""

from typing import Any, Callable, Dict

import numpy
import pytest

from spacy_rnn.layers import softmax as module
from spacy_rnn.layers.adaptive_softmax import AdaptiveSoftmax, cluster_bounds
from spacy_rnn.layers.embedding import Embedding
from spacy_rnn.layers.sampled_softmax import SampledSoftmax, draw
from spacy_rnn.layers.softmax import Softmax, log_probs, loss, loss_and_gradient, tie
from spacy_rnn.layers.threads import use_threads

from .numeric import assert_gradient

N_UNITS, WIDTH, N_ROWS = 23, 6, 11
KINDS: Dict[str, Callable[[], Any]] = {
    "full": Softmax,
    "adaptive": lambda: AdaptiveSoftmax(cutoffs=[5, 12]),
    "adaptive-narrow": lambda: AdaptiveSoftmax(cutoffs=[5, 12], factor=2.0),
    "adaptive-one-cluster": lambda: AdaptiveSoftmax(cutoffs=[9]),
    "adaptive-no-cluster": lambda: AdaptiveSoftmax(cutoffs=[100]),
    "sampled": lambda: SampledSoftmax(n_samples=1000),
}
WITH_WEIGHTS = [(name, tied) for name in KINDS for tied in (False, True)]


def make(name: str, tied: bool, rng: Any, dtype: str = "float64") -> Any:
    model = KINDS[name]()
    model.set_dim("nO", N_UNITS)
    model.set_dim("nI", WIDTH)
    if tied:
        embedding = Embedding(WIDTH, N_UNITS)
        embedding.initialize()
        tie(model, embedding)
    model.initialize()
    for node in model.walk():
        for param in [p for p in node.param_names if node.has_param(p)]:
            value = node.get_param(param)
            node.set_param(param, (value + 0.3 * rng.standard_normal(value.shape)).astype(dtype))
    return model


def sample(rng: Any, dtype: str = "float64") -> Any:
    H = rng.standard_normal((N_ROWS, WIDTH)).astype(dtype)
    targets = numpy.asarray([0, 22, 4, 5, 11, 12, 5, 0, 1, 20, 8], dtype="int32")
    weights = rng.uniform(0.1, 1.0, N_ROWS).astype(dtype)
    return H, targets, weights


def test_the_full_softmax_is_its_formula(rng: Any) -> None:
    model = make("full", False, rng)
    H, targets, _ = sample(rng)
    logits = H @ model.get_param("W").T + model.get_param("b")
    p = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
    numpy.testing.assert_allclose(loss(model, H, targets), -numpy.log(p[range(N_ROWS), targets]))


@pytest.mark.parametrize(("name", "tied"), WITH_WEIGHTS)
def test_probabilities_sum_to_one_and_are_those_of_the_losses(
    name: str, tied: bool, rng: Any
) -> None:
    model = make(name, tied, rng)
    H, targets, _ = sample(rng)
    found = log_probs(model, H)
    assert found.shape == (N_ROWS, N_UNITS)
    numpy.testing.assert_allclose(numpy.exp(found).sum(axis=1), 1.0)
    numpy.testing.assert_allclose(loss(model, H, targets), -found[range(N_ROWS), targets])
    numpy.testing.assert_allclose(model.predict((H, targets)), loss(model, H, targets))


@pytest.mark.parametrize(("name", "tied"), WITH_WEIGHTS)
def test_gradients_agree_with_finite_differences(name: str, tied: bool, rng: Any) -> None:
    model = make(name, tied, rng)
    H, targets, weights = sample(rng)
    losses, dH = loss_and_gradient(model, H, targets, weights)
    numpy.testing.assert_allclose(losses, loss(model, H, targets))

    def total() -> float:
        return float(loss(model, H, targets) @ weights)

    assert_gradient(dH, total, H, "H")
    for node in model.walk():
        for param in [p for p in node.param_names if node.has_param(p)]:
            value = node.get_param(param)
            found = node.get_grad(param) if node.has_grad(param) else 0 * value
            assert_gradient(found, total, value, param)


def test_the_callback_gives_the_gradient_of_any_weighted_sum(rng: Any) -> None:
    model = make("adaptive", False, rng)
    H, targets, weights = sample(rng)
    _, backprop = model((H, targets), True)
    dH, _ = backprop(weights)
    twin = model.copy()
    for param in twin.param_names:
        twin.set_grad(param, twin.get_param(param) * 0) if twin.has_grad(param) else None
    numpy.testing.assert_allclose(dH, loss_and_gradient(twin, H, targets, weights)[1])


@pytest.mark.parametrize("name", ["full", "adaptive"])
def test_blocks_and_threads_change_nothing(
    name: str, rng: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(name, False, rng)
    H, targets, weights = sample(rng)
    with use_threads(1):
        losses, dH = loss_and_gradient(model, H, targets, weights)
        dW = model.get_grad("W").copy()
    model.get_grad("W")[...] = 0.0
    monkeypatch.setattr(module, "MAX_LOGITS", 2 * N_UNITS)
    monkeypatch.setattr(module, "CACHED_LOGITS", N_UNITS)
    monkeypatch.setattr(module, "MIN_WORK", 1.0)
    with use_threads(3):
        in_blocks = loss_and_gradient(model, H, targets, weights)
    numpy.testing.assert_allclose(in_blocks[0], losses)
    numpy.testing.assert_allclose(in_blocks[1], dH)
    numpy.testing.assert_allclose(model.get_grad("W"), dW)


def test_a_thread_holds_no_more_logits_than_a_block(
    rng: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    take = module.workspace.take

    def spy(xp: Any, name: str, shape: Any, dtype: Any) -> Any:
        sizes.append(shape[0] * shape[1])
        return take(xp, name, shape, dtype)

    monkeypatch.setattr(module.workspace, "take", spy, raising=False)
    monkeypatch.setattr(module, "MAX_LOGITS", 3 * N_UNITS)
    model = make("full", False, rng)
    H, targets, weights = sample(rng)
    loss_and_gradient(model, H, targets, weights)
    assert len(sizes) > 3
    assert max(sizes) <= 3 * N_UNITS


@pytest.mark.parametrize("name", KINDS)
def test_no_rows_are_legal(name: str, rng: Any) -> None:
    model = make(name, True, rng)
    H, targets = numpy.zeros((0, WIDTH)), numpy.zeros(0, dtype="int32")
    losses, dH = loss_and_gradient(model, H, targets, numpy.zeros(0))
    assert losses.shape == (0,)
    assert dH.shape == (0, WIDTH)


def test_large_logits_do_not_overflow(rng: Any) -> None:
    model = make("full", False, rng, "float32")
    H, targets, weights = sample(rng, "float32")
    model.set_param("b", model.get_param("b") + 1e4)
    losses, dH = loss_and_gradient(model, 1e3 * H, targets, weights)
    assert numpy.isfinite(losses).all()
    assert numpy.isfinite(dH).all()


def test_the_sampled_gradient_tends_to_the_full_one(rng: Any) -> None:
    model = make("sampled", False, rng)
    H, targets, weights = sample(rng)
    _, expected = loss_and_gradient(model, H, targets, weights)
    errors = []
    for n_samples in (4, 22):
        model.attrs["n_samples"] = n_samples
        numpy.random.seed(0)
        found = [loss_and_gradient(model, H, targets, weights)[1] for _ in range(300)]
        errors.append(numpy.abs(numpy.mean(found, axis=0) - expected).max())
    # Its mean is not the full gradient, but comes near as samples grow.
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 0.2 * numpy.abs(expected).max()


def test_samples_have_the_targets_and_each_unit_as_often_as_is_said() -> None:
    numpy.random.seed(1)
    targets = numpy.asarray([3, 17])
    counts = numpy.zeros(20)
    for _ in range(4000):
        units, expected = draw(20, 5, targets)
        assert set(targets) <= set(units)
        assert (numpy.diff(units) > 0).all()
        counts[units] += 1
    assert len(draw(20, 100_000, targets)[0]) == 20
    p = numpy.log((numpy.arange(20) + 2) / (numpy.arange(20) + 1)) / numpy.log(21.0)
    there = 1 - (1 - p) ** 5
    numpy.testing.assert_allclose(expected, there[units])
    others = [unit for unit in range(20) if unit not in targets]
    numpy.testing.assert_allclose(counts[others] / 4000, there[others], atol=0.03)


def test_cutoffs_beyond_the_vocabulary_are_left_out() -> None:
    model = AdaptiveSoftmax(20, 4, cutoffs=[5, 20, 30])
    assert cluster_bounds(model) == [0, 5, 20]


@pytest.mark.parametrize(
    "settings", [{"cutoffs": []}, {"cutoffs": [5, 5]}, {"cutoffs": [0, 3]}, {"factor": 0.5}]
)
def test_wrong_clusters_are_refused(settings: Dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="E011"):
        AdaptiveSoftmax(**settings)


def test_an_output_layer_without_dims_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="E004"):
        Softmax().initialize()


def test_the_weights_of_a_tied_layer_are_the_embedding(rng: Any) -> None:
    model = make("full", True, rng)
    embedding = model.layers[0]
    H, targets, weights = sample(rng)
    loss_and_gradient(model, H, targets, weights)
    assert not model.has_param("W")
    assert numpy.abs(embedding.get_grad("E")).max() > 0
    twin = model.copy()
    assert twin.layers[0] is not embedding
    numpy.testing.assert_allclose(loss(twin, H, targets), loss(model, H, targets))


def test_the_order_in_which_threads_end_changes_nothing(
    rng: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bitwise: the same seed gives the same weights."""
    monkeypatch.setattr(module, "MAX_LOGITS", 2 * N_UNITS)
    monkeypatch.setattr(module, "MIN_WORK", 1.0)
    model = make("full", False, rng, "float32")
    H, targets, weights = sample(rng, "float32")
    found = set()
    run = module.workers.run
    for turn in range(4):

        def shuffled(tasks: Any, n_threads: int, turn: int = turn) -> None:
            run([*tasks[turn:], *tasks[:turn]], 1)

        monkeypatch.setattr(module.workers, "run", shuffled)
        model.set_grad("W", numpy.zeros((N_UNITS, WIDTH), dtype="f"))
        with use_threads(4):
            loss_and_gradient(model, H, targets, weights)
        found.add(model.get_grad("W").tobytes())
    assert len(found) == 1
