"""What the optimizers have in common: learn rates, groups, settings."""

import warnings

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_models import arrays, copies, make_model, poison, set_gradients

from spacy_rnn.training.optimizers import NTASGD, SGD, Adam
from spacy_rnn.training.steps import StepStats, finish_update


def moves(model, sgd, n_steps=1, **settings):
    """RETURNS: How far the weights went, as a multiple of their gradients, in the last step."""
    for i in range(n_steps):
        gradients = set_gradients(model, seed=i)
        before = copies(model)
        finish_update(model, sgd, StepStats(), **settings)
    found = {}
    for path, weights in arrays(model).items():
        ratios = (before[path] - weights) / gradients[path]
        found[path] = float(numpy.median(ratios))
        assert_allclose(ratios, found[path], rtol=0.01, atol=1e-4)
    return found


def plain(learn_rate, **settings):
    return SGD(learn_rate, clip_norm=0.0, **settings)


@pytest.mark.parametrize(
    ("groups", "rates"),
    [
        ({"first": 0.5}, [0.05, 0.05, 0.1, 0.1]),
        ({"first/W": 0.5}, [0.05, 0.1, 0.1, 0.1]),
        ({"*/b": 0.0}, [0.1, 0.0, 0.1, 0.0]),
        ({"f*": 0.5, "*/b": 2.0}, [0.05, 0.2, 0.1, 0.2]),
        ({"*/b": 2.0, "f*": 0.5}, [0.05, 0.05, 0.1, 0.2]),
        ({"[fs]*": 0.0, "second": 1.0}, [0.0, 0.0, 0.1, 0.1]),
    ],
)
def test_the_last_pattern_that_matches_is_the_factor_on_the_learn_rate(groups, rates):
    found = moves(make_model(), plain(0.1, groups=groups))
    assert list(found) == ["first/W", "first/b", "second/W", "second/b"]
    assert list(found.values()) == pytest.approx(rates, rel=0.01, abs=1e-6)


@pytest.mark.parametrize("optimizer", [SGD(0.1), Adam(0.1), NTASGD(0.1)])
def test_a_gradient_of_another_shape_is_an_error_and_changes_nothing(optimizer):
    weights, gradient = numpy.ones((3, 2), "f"), numpy.ones((8, 2), "f")
    with pytest.raises(ValueError, match=r"E170.*'W'.*\(8, 2\).*\(3, 2\)"):
        optimizer((1, "W"), weights, gradient)
    assert_array_equal(weights, 1.0)


def test_frozen_parameters_stay_exactly_as_they_are():
    model = make_model()
    before = copies(model)
    sgd = Adam(0.1, L2=0.5, groups={"first": 0.0}, use_averages=True)
    for i in range(3):
        set_gradients(model, seed=i)
        assert finish_update(model, sgd, StepStats())
    for name in ("W", "b"):
        assert_array_equal(model.layers[0].get_param(name), before[f"first/{name}"])
        assert_array_equal(model.layers[0].get_grad(name), 0.0)
        assert (model.layers[0].id, name) not in sgd.averages


def test_frozen_parameters_have_no_part_in_the_norm():
    model = make_model()
    gradients = set_gradients(model)
    poison(model)
    sgd = plain(0.1, groups={"first": 0.0})
    assert finish_update(model, sgd, StepStats())
    rest = [gradients["second/W"].ravel(), gradients["second/b"]]
    assert sgd.last_norm == pytest.approx(numpy.linalg.norm(numpy.concatenate(rest)), rel=1e-5)


def test_a_pattern_that_matches_nothing_is_an_error_in_the_second_step():
    model = make_model()
    sgd = plain(0.1, groups={"frist": 0.5, "second": 0.5})
    moves(model, sgd)
    set_gradients(model)
    with pytest.raises(ValueError, match=r"E041.*\['frist'\].*first/W, first/b, second/W"):
        finish_update(model, sgd, StepStats())


def test_a_pattern_may_match_the_model_of_another_component():
    one, other = make_model(), make_model()
    other.layers[0].name = "third"
    sgd = plain(0.1, groups={"third": 0.5})
    for i in range(2):
        for model in (one, other):
            set_gradients(model, seed=i)
            assert finish_update(model, sgd, StepStats())


def test_a_component_that_does_not_show_its_model_is_warned_of_once():
    model = make_model()
    sgd = plain(0.1, groups={"first": 0.5})
    set_gradients(model)
    with pytest.warns(UserWarning, match="W040"):
        model.finish_update(sgd)
    set_gradients(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.finish_update(sgd)


@pytest.mark.parametrize("make", [Adam, SGD])
def test_annealing_survives_schedules(make):
    sgd = make([0.1, 0.2, 0.4], anneal=0.5)
    for loss in (2.0, 3.0):
        sgd.observe(loss)
    assert sgd.learn_rate == pytest.approx(0.05)
    sgd.step_schedules()
    assert sgd.learn_rate == pytest.approx(0.1)
    for _ in range(3):  # The list has ended: the last rate stays.
        sgd.step_schedules()
    assert sgd.learn_rate == pytest.approx(0.2)


def test_a_constant_rate_is_annealed_once_for_each_time():
    sgd = plain(0.1, anneal=0.5, anneal_patience=2)
    for loss in (2.0, 3.0, 3.0):
        sgd.observe(loss)
    for _ in range(3):
        sgd.step_schedules()
    assert sgd.learn_rate == pytest.approx(0.05)
    assert moves(make_model(), sgd)["first/W"] == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize("loss", [numpy.nan, numpy.inf])
def test_a_loss_that_is_no_number_is_worse_than_any(loss):
    sgd = plain(0.1, anneal=0.5)
    sgd.observe(5.0)
    sgd.observe(loss)
    assert sgd.learn_rate == pytest.approx(0.05)
    sgd.observe(4.0)
    assert sgd.learn_rate == pytest.approx(0.05)


def test_of_several_components_the_first_to_tell_its_loss_counts():
    sgd = plain(0.1, anneal=0.5)
    one, other = StepStats(), StepStats()
    for loss in (2.0, 1.0):
        sgd.observe(loss, source=one)
        sgd.observe(loss + 1.0, source=other)
    assert sgd.learn_rate == pytest.approx(0.1)


def test_the_next_component_counts_when_the_first_is_gone():
    sgd = plain(0.1, anneal=0.5)
    one, other = StepStats(), StepStats()
    sgd.observe(1.0, source=one)
    sgd.observe(2.0, source=other)
    assert sgd.learn_rate == pytest.approx(0.1)
    del one
    sgd.observe(2.0, source=other)
    assert sgd.learn_rate == pytest.approx(0.05)


def test_a_group_may_be_of_a_model_that_learns_later():
    first, later = make_model(), make_model()
    later.layers[0].name = "later"
    sgd = plain(0.1, groups={"later*": 0.5})
    for has_gradients in (False, False, True):
        set_gradients(first)
        assert finish_update(first, sgd, StepStats())
        if has_gradients:
            set_gradients(later)
        assert finish_update(later, sgd, StepStats()) == has_gradients


def test_groups_are_told_by_strings():
    with pytest.raises(ValueError, match=r"E040.*groups.*strings.*found 1|E040.*groups.*1"):
        plain(0.1, groups={1: 0.5})


def test_the_rate_that_is_set_is_the_rate_that_is_read():
    sgd = plain(0.1, anneal=0.5)
    for loss in (2.0, 3.0):
        sgd.observe(loss)
    sgd.learn_rate = 0.3
    assert sgd.learn_rate == pytest.approx(0.3)
    sgd.step_schedules()
    assert sgd.learn_rate == pytest.approx(0.3)


def test_the_rate_rises_during_the_warmup_and_can_be_read():
    model, sgd = make_model(), plain(0.1, warmup=4)
    assert sgd.learn_rate == pytest.approx(0.025)
    for factor in (0.25, 0.5, 0.75, 1.0, 1.0):
        assert moves(model, sgd)["first/W"] == pytest.approx(0.1 * factor, rel=0.01)
        assert sgd.learn_rate == pytest.approx(0.1 * factor)
        sgd.step_schedules()


def test_a_step_may_have_a_rate_of_its_own():
    model, sgd = make_model(), plain(0.1)
    assert moves(model, sgd, rate_scale=0.5)["second/W"] == pytest.approx(0.05, rel=0.01)
    assert moves(model, sgd)["second/W"] == pytest.approx(0.1, rel=0.01)
    assert sgd.learn_rate == 0.1


def test_the_numbers_of_numpy_are_taken():
    sgd = Adam(numpy.float32(0.5), L2=numpy.float64(0.1), warmup=numpy.int64(0))
    assert type(sgd.learn_rate) is float
    assert type(sgd.L2) is float
    assert sgd.learn_rate == 0.5


@pytest.mark.parametrize(
    ("make", "settings", "what"),
    [
        (Adam, {"learn_rate": -0.1}, "learn_rate"),
        (Adam, {"learn_rate": float("nan")}, "learn_rate"),
        (Adam, {"learn_rate": "fast"}, "learn_rate"),
        (Adam, {"learn_rate": True}, "learn_rate"),
        (Adam, {"learn_rate": []}, "learn_rate"),
        (Adam, {"learn_rate": iter(["fast"])}, "learn_rate"),
        (Adam, {"beta1": 1.0}, "beta1"),
        (Adam, {"beta2": -0.5}, "beta2"),
        (Adam, {"eps": 0.0}, "eps"),
        (Adam, {"L2": -1.0}, "L2"),
        (Adam, {"clip_norm": -1.0}, "clip_norm"),
        (Adam, {"clip_norm": float("inf")}, "clip_norm"),
        (Adam, {"groups": ["first"]}, "groups"),
        (Adam, {"groups": {"first": "half"}}, "groups.first"),
        (Adam, {"groups": {"first": -1.0}}, "groups.first"),
        (Adam, {"warmup": 1.5}, "warmup"),
        (Adam, {"anneal": 1.0}, "anneal"),
        (Adam, {"anneal": 0.0}, "anneal"),
        (Adam, {"anneal_patience": 0}, "anneal_patience"),
        (SGD, {"learn_rate": 0.1, "momentum": 1.0}, "momentum"),
        (SGD, {"learn_rate": 0.1, "nesterov": True}, "nesterov"),
        (NTASGD, {"nonmono": -1}, "nonmono"),
    ],
)
def test_settings_out_of_their_range_are_errors(make, settings, what):
    with pytest.raises(ValueError, match=rf"E040.* {what} of the optimizer spacy-rnn\.\w+\.v1"):
        make(**settings)


def test_a_schedule_that_goes_wrong_later_is_an_error_then():
    sgd = plain([0.1, -0.1])
    with pytest.raises(ValueError, match=r"E040.*learn_rate"):
        sgd.step_schedules()
