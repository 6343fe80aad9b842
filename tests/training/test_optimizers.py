"""The optimizers, over models as a whole and over single parameters."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_models import arrays, copies, make_model, poison, set_gradients
from thinc.api import Config, Optimizer, registry

from spacy_rnn.training.optimizers import NTASGD, SGD, Adam
from spacy_rnn.training.steps import StepStats, finish_update

ALL = [Adam, SGD, NTASGD]
NAMES = {"Adam": Adam, "SGD": SGD, "NTASGD": NTASGD}


def step(model, sgd, seed=0, scale=1.0, **settings):
    """Take a step as our components do. RETURNS: The gradients, before that."""
    gradients = set_gradients(model, seed, scale)
    finish_update(model, sgd, StepStats(), **settings)
    return gradients


def step_in_parts(model, sgd, seed=0, scale=1.0):
    """Take a step as spaCy's components do."""
    gradients = set_gradients(model, seed, scale)
    model.finish_update(sgd)
    return gradients


def from_torch(make_optimizer, n_steps, clip_norm):
    """RETURNS: What an optimizer of torch makes of the weights of the model above."""
    torch = pytest.importorskip("torch")
    model = make_model()
    weights = {path: torch.nn.Parameter(torch.tensor(W)) for path, W in arrays(model).items()}
    optimizer = make_optimizer(torch.optim, list(weights.values()))
    for i in range(n_steps):
        for path, gradient in set_gradients(model, seed=i).items():
            weights[path].grad = torch.tensor(gradient)
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(weights.values(), clip_norm)
        optimizer.step()
    return {path: W.detach().numpy() for path, W in weights.items()}


@pytest.mark.parametrize("clip_norm", [0.0, 1.0, 1000.0])
@pytest.mark.parametrize(
    ("make", "make_torch"),
    [
        (lambda **kw: Adam(0.01, **kw), lambda optim, W: optim.Adam(W, 0.01)),
        (
            lambda **kw: Adam(0.01, beta1=0.8, beta2=0.9, eps=0.1, **kw),
            lambda optim, W: optim.Adam(W, 0.01, betas=(0.8, 0.9), eps=0.1),
        ),
        (
            lambda **kw: Adam(0.01, L2=0.5, **kw),
            lambda optim, W: optim.AdamW(W, 0.01, weight_decay=0.5),
        ),
        (
            lambda **kw: Adam(0.01, L2=0.5, L2_is_weight_decay=False, **kw),
            lambda optim, W: optim.Adam(W, 0.01, weight_decay=0.5),
        ),
        (lambda **kw: SGD(0.1, **kw), lambda optim, W: optim.SGD(W, 0.1)),
        (
            lambda **kw: SGD(0.1, L2=0.5, L2_is_weight_decay=False, **kw),
            lambda optim, W: optim.SGD(W, 0.1, weight_decay=0.5),
        ),
        (
            lambda **kw: SGD(0.1, momentum=0.9, **kw),
            lambda optim, W: optim.SGD(W, 0.1, momentum=0.9),
        ),
        (
            lambda **kw: SGD(0.1, momentum=0.9, nesterov=True, **kw),
            lambda optim, W: optim.SGD(W, 0.1, momentum=0.9, nesterov=True),
        ),
        (lambda **kw: NTASGD(0.1, L2=0.0, **kw), lambda optim, W: optim.SGD(W, 0.1)),
    ],
    ids=["Adam", "betas", "AdamW", "L2", "SGD", "SGD-L2", "momentum", "nesterov", "NTASGD"],
)
def test_steps_are_those_of_torch(make, make_torch, clip_norm):
    model = make_model()
    sgd = make(clip_norm=clip_norm)
    for i in range(6):
        step(model, sgd, seed=i)
    expected = from_torch(make_torch, 6, clip_norm)
    for path, weights in arrays(model).items():
        assert_allclose(weights, expected[path], atol=2e-6, err_msg=path)


def test_adam_with_its_averages_goes_where_thincs_does():
    ours, thincs = make_model(), make_model()
    sgd, reference = (
        Adam(0.01, clip_norm=0.0, use_averages=True),
        Optimizer(0.01, grad_clip=0.0, use_averages=True),
    )
    for i in range(60):
        step(ours, sgd, seed=i)
        step_in_parts(thincs, reference, seed=i)
    for mine, other in zip(ours.layers, thincs.layers):
        for name in mine.param_names:
            assert_allclose(mine.get_param(name), other.get_param(name), atol=1e-5)
            average = sgd.averages[mine.id, name]
            assert average.shape == mine.get_param(name).shape
            assert_allclose(average, reference.averages[other.id, name], atol=1e-5)


def test_the_first_average_is_the_weights():
    model = make_model()
    sgd = Adam(0.01, use_averages=True)
    step(model, sgd)
    node = model.layers[0]
    assert_array_equal(sgd.averages[node.id, "W"], node.get_param("W"))
    assert not numpy.shares_memory(sgd.averages[node.id, "W"], node.get_param("W"))


def test_all_gradients_of_a_model_are_clipped_together():
    model = make_model()
    before = copies(model)
    gradients = step(model, SGD(1.0, clip_norm=0.5))
    norm = numpy.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))
    moved = {path: before[path] - weights for path, weights in arrays(model).items()}
    assert numpy.sqrt(sum((array**2).sum() for array in moved.values())) == pytest.approx(0.5)
    for path, gradient in gradients.items():
        assert_allclose(moved[path], gradient * 0.5 / norm, atol=1e-6)


def test_a_parameter_whose_model_is_not_shown_is_clipped_by_itself():
    model = make_model()
    before = copies(model)
    step_in_parts(model, SGD(1.0, clip_norm=0.5))
    for path, weights in arrays(model).items():
        assert numpy.linalg.norm(before[path] - weights) == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("make", ALL)
def test_gradients_are_0_after_a_step(make):
    model = make_model()
    step(model, make(learn_rate=0.01))
    for gradient in arrays(model, "get_grad").values():
        assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_a_gradient_that_is_not_finite_changes_nothing_at_all(make, value):
    model, other = make_model(), make_model()
    sgd, reference = make(learn_rate=0.01), make(learn_rate=0.01)
    for i in range(4):
        if i == 2:
            before = copies(model)
            set_gradients(model)
            poison(model, value)
            assert not finish_update(model, sgd, StepStats())
            for path, weights in arrays(model).items():
                assert_array_equal(weights, before[path])
            for gradient in arrays(model, "get_grad").values():
                assert_array_equal(gradient, 0.0)
        step(model, sgd, seed=i)
        step(other, reference, seed=i)
    assert (sgd.n_skipped, reference.n_skipped) == (1, 0)
    # Moments and numbers of updates as well are as if it had not been.
    for path, weights in arrays(model).items():
        assert_array_equal(weights, arrays(other)[path])


@pytest.mark.parametrize("make", ALL)
def test_of_a_model_that_is_not_shown_the_broken_parameter_alone_is_skipped(make):
    model = make_model()
    before = copies(model)
    sgd = make(learn_rate=0.01)
    set_gradients(model)
    poison(model)
    model.finish_update(sgd)
    changed = {path for path, W in arrays(model).items() if (before[path] != W).any()}
    assert changed == {"first/b", "second/W", "second/b"}
    assert sgd.n_skipped == 1
    assert_array_equal(model.layers[0].get_grad("W"), 0.0)


def test_without_a_limit_gradients_whose_squares_overflow_are_skipped():
    model = make_model()
    sgd = Adam(0.01, clip_norm=0.0)
    step(model, sgd, scale=1e25)
    assert sgd.n_skipped == 1
    step(model, sgd)
    assert all(numpy.isfinite(weights).all() for weights in arrays(model).values())


def test_with_a_limit_gradients_whose_squares_overflow_are_clipped():
    model = make_model()
    before = copies(model)
    sgd = SGD(1.0, clip_norm=0.5)
    step(model, sgd, scale=1e25)
    assert sgd.n_skipped == 0
    moved = [before[path] - weights for path, weights in arrays(model).items()]
    assert numpy.sqrt(sum((array**2).sum() for array in moved)) == pytest.approx(0.5)


@pytest.mark.parametrize("step_of", [step, step_in_parts])
def test_averages_are_the_mean_of_the_weights_since_averaging_began(step_of):
    model = make_model()
    sgd = NTASGD(0.1, nonmono=0)
    step_of(model, sgd)
    assert sgd.averages is None
    assert not sgd.is_averaging
    for loss in (1.0, 2.0):
        sgd.observe(loss)
    assert sgd.is_averaging
    assert not sgd.averages
    seen = []
    for i in range(7):
        step_of(model, sgd, seed=i)
        seen.append(copies(model))
    for node in model.layers:
        for name in node.param_names:
            mean = numpy.mean([weights[f"{node.name}/{name}"] for weights in seen], axis=0)
            assert_allclose(sgd.averages[node.id, name], mean, atol=1e-6)
    with model.use_params(sgd.averages):
        assert_array_equal(model.layers[0].get_param("W"), sgd.averages[model.layers[0].id, "W"])


def test_a_skipped_step_is_not_averaged():
    model = make_model()
    sgd = NTASGD(0.1, nonmono=0)
    for loss in (1.0, 2.0):
        sgd.observe(loss)
    step(model, sgd)
    before = {key: average.copy() for key, average in sgd.averages.items()}
    set_gradients(model)
    poison(model)
    finish_update(model, sgd, StepStats())
    for key, average in before.items():
        assert_array_equal(sgd.averages[key], average)


@pytest.mark.parametrize(
    "make",
    [lambda: Adam(0.01, use_averages=True), lambda: SGD(0.01, momentum=0.9)],
    ids=["Adam", "momentum"],
)
def test_a_parameter_of_another_size_begins_anew(make):
    model, other = make_model(), make_model(((5, 3), (2, 4)))
    sgd, reference = make(), make()
    step(model, sgd)
    first, like = model.layers[0], other.layers[0]
    for name in first.param_names:
        first.set_param(name, like.get_param(name).copy())
    step(model, sgd, seed=1)
    step(other, reference, seed=1)
    for name in first.param_names:
        assert_allclose(first.get_param(name), like.get_param(name), atol=1e-6)


def test_arrays_that_are_not_contiguous_are_updated():
    weights = numpy.ones((4, 6), dtype="f").T
    gradient = numpy.ones((6, 8), dtype="f")[:, ::2]
    new, _ = SGD(0.5, clip_norm=0.0)((1, "W"), weights, gradient)
    assert_array_equal(new, 0.5)
    assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("make", ALL)
def test_a_parameter_without_numbers_is_left_alone(make):
    empty = numpy.zeros((0, 3), dtype="f")
    weights, gradient = make(learn_rate=0.1)((1, "W"), empty, empty.copy())
    assert weights.shape == gradient.shape == (0, 3)


@pytest.mark.parametrize("name", list(NAMES))
def test_a_config_describes_an_optimizer(name):
    text = f"""
    [optimizer]
    @optimizers = "spacy-rnn.{name}.v1"
    clip_norm = 0.25
    L2 = 0.001

    [optimizer.groups]
    first = 0.5

    [optimizer.learn_rate]
    @schedules = "warmup_linear.v1"
    warmup_steps = 2
    total_steps = 4
    initial_rate = 0.1
    """
    sgd = registry.resolve(Config().from_str(text))["optimizer"]
    assert isinstance(sgd, Optimizer)
    assert type(sgd) is type(NAMES[name](0.1))
    rates = []
    for _ in range(4):
        rates.append(sgd.learn_rate)
        sgd.step_schedules()
    assert_allclose(rates, [0.0, 0.05, 0.1, 0.05])
