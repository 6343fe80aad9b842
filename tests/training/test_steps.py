"""Steps with any optimizer, and what is known of them."""

import copy
import gc
import pickle

import numpy
import pytest
import spacy
from numpy.testing import assert_array_equal
from small_models import arrays, copies, make_model, poison, set_gradients
from spacy.training import Example
from thinc.api import Optimizer

from spacy_rnn.training.optimizers import NTASGD, SGD, Adam
from spacy_rnn.training.steps import StepStats, finish_update
from tests.small_textcat import SMALL

OPTIMIZERS = {
    "Adam": lambda: Adam(0.01),
    "SGD": lambda: SGD(0.01),
    "NTASGD": lambda: NTASGD(0.01),
    "thinc": lambda: Optimizer(0.01),
}
TEXTS = {"a lovely day": "GOOD", "a good film": "GOOD", "an awful day": "BAD", "a bad film": "BAD"}


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_step_changes_all_weights_and_is_counted(name):
    model, stats = make_model(), StepStats()
    before = copies(model)
    gradients = set_gradients(model)
    norm = numpy.linalg.norm(numpy.concatenate([array.ravel() for array in gradients.values()]))
    assert finish_update(model, OPTIMIZERS[name](), stats)
    assert all((before[path] != W).all() for path, W in arrays(model).items())
    assert (stats.n_steps, stats.n_skipped) == (1, 0)
    assert stats.last_norm == pytest.approx(norm, rel=1e-6)
    assert stats.max_norm == stats.last_norm
    assert stats.learn_rate == pytest.approx(0.01)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_a_broken_step_is_skipped_and_counted(name, value):
    model, stats = make_model(), StepStats()
    before = copies(model)
    set_gradients(model)
    poison(model, value)
    assert not finish_update(model, OPTIMIZERS[name](), stats)
    for path, weights in arrays(model).items():
        assert_array_equal(weights, before[path])
    for gradient in arrays(model, "get_grad").values():
        assert_array_equal(gradient, 0.0)
    assert (stats.n_steps, stats.n_skipped) == (0, 1)
    assert not numpy.isfinite(stats.last_norm)
    assert stats.max_norm == 0.0


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_before_there_are_gradients_there_is_no_step(name):
    stats = StepStats()
    assert not finish_update(make_model(), OPTIMIZERS[name](), stats)
    assert stats == StepStats()


@pytest.mark.parametrize("name", ["SGD", "thinc"])
def test_a_step_may_have_a_rate_of_its_own(name):
    makes = {"SGD": lambda: SGD(0.1), "thinc": lambda: Optimizer(0.1, beta1=0.0, beta2=0.0)}
    moved = []
    for rate_scale in (1.0, 0.5):
        model, stats = make_model(), StepStats()
        before = model.layers[0].get_param("W").copy()
        set_gradients(model)
        finish_update(model, makes[name](), stats, rate_scale=rate_scale)
        moved.append(before - model.layers[0].get_param("W"))
        assert stats.learn_rate == pytest.approx(0.1)
    numpy.testing.assert_allclose(moved[1], 0.5 * moved[0], rtol=1e-4, atol=1e-6)


def test_a_function_may_take_the_place_of_an_optimizer():
    model, stats, seen = make_model(), StepStats(), []

    def take_note(key, weights, gradient):
        seen.append(key)
        return weights, gradient

    set_gradients(model)
    assert finish_update(model, take_note, stats, rate_scale=0.5)
    assert len(seen) == 4
    assert stats.learn_rate is None


def test_what_is_counted_between_evaluations_starts_from_0_when_it_is_taken():
    model, stats, sgd = make_model(), StepStats(), SGD(0.1)
    for scale in (1.0, 5.0, 2.0):
        set_gradients(model, scale=scale)
        finish_update(model, sgd, stats)
    stats.add_loss(30.0, 10)
    stats.add_loss(10.0, 10)
    taken = stats.take()
    assert taken.max_norm == pytest.approx(2.5 * stats.last_norm, rel=1e-4)
    assert (taken.n_steps, taken.bits, taken.n_units) == (3, 40.0, 20)
    assert taken.perplexity == pytest.approx(4.0)
    assert (stats.n_steps, stats.bits, stats.n_units, stats.max_norm) == (3, 0.0, 0, 0.0)
    assert stats.perplexity is None
    assert stats.learn_rate == pytest.approx(0.1)


def test_a_perplexity_that_no_float_holds_is_infinite():
    assert StepStats(bits=5000.0, n_units=1).perplexity == numpy.inf


def test_the_rate_of_the_last_step_is_kept_when_the_schedule_has_gone_on():
    model, stats, sgd = make_model(), StepStats(), SGD([0.1, 0.2])
    set_gradients(model)
    finish_update(model, sgd, stats)
    sgd.step_schedules()
    assert stats.learn_rate == pytest.approx(0.1)


def test_the_optimizer_of_the_last_step_is_told_of_evaluations():
    model, stats, sgd = make_model(), StepStats(), SGD(0.1, anneal=0.5)
    assert not stats.is_observed
    stats.observe(1.0)  # To nobody
    set_gradients(model)
    finish_update(model, sgd, stats)
    assert stats.is_observed
    for loss in (2.0, 3.0):
        stats.observe(loss)
    assert sgd.learn_rate == pytest.approx(0.05)


def test_the_statistics_do_not_keep_an_optimizer_alive():
    model, stats, sgd = make_model(), StepStats(), SGD(0.1)
    set_gradients(model)
    finish_update(model, sgd, stats)
    del sgd
    gc.collect()
    assert not stats.is_observed


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda stats: pickle.loads(pickle.dumps(stats))])
def test_the_statistics_can_be_copied_during_a_training(copied):
    model, stats, sgd = make_model(), StepStats(), SGD([0.1, 0.2])
    set_gradients(model)
    finish_update(model, sgd, stats)
    other = copied(stats)
    assert other == stats
    assert not other.is_observed


@pytest.fixture
def textcat():
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_textcat", config=SMALL)
    examples = [
        Example.from_dict(
            nlp.make_doc(text), {"cats": {name: float(name == cat) for name in ("GOOD", "BAD")}}
        )
        for text, cat in TEXTS.items()
    ]
    nlp.initialize(lambda: examples)
    return nlp, examples


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_text_classifier_learns_with_each_optimizer(textcat, name):
    nlp, examples = textcat
    sgd = OPTIMIZERS[name]()
    sgd.learn_rate = 0.01 if name in ("Adam", "thinc") else 1.0
    for _ in range(40):
        nlp.update(examples, sgd=sgd)
    for text, cat in TEXTS.items():
        assert nlp(text).cats[cat] > 0.9
    assert nlp.get_pipe("rnn_textcat").steps.n_steps == 40


def test_a_text_classifier_survives_a_broken_batch(textcat):
    nlp, examples = textcat
    pipe = nlp.get_pipe("rnn_textcat")
    sgd = Adam(0.01)
    nlp.update(examples, sgd=sgd)
    before = nlp.to_bytes()
    nlp.update(examples, sgd=False)
    for node in pipe.model.walk():
        if node.has_grad("Wx"):
            poison_in_place(node.get_grad("Wx"))
    pipe.finish_update(sgd)
    assert pipe.steps.n_skipped == sgd.n_skipped == 1
    assert nlp.to_bytes() == before
    nlp.update(examples, sgd=sgd)
    assert pipe.steps.n_steps == 2
    assert all(0.0 < value < 1.0 for value in nlp("a lovely day").cats.values())


def poison_in_place(gradient):
    gradient.flat[0] = numpy.nan


def test_a_text_classifier_tells_its_cross_entropy_while_training(textcat):
    nlp, examples = textcat
    sgd = SGD(0.01)
    told = []
    sgd.observe = lambda loss, source: told.append(loss)
    nlp.evaluate(examples)
    assert told == []  # No optimizer yet
    nlp.update(examples, sgd=sgd)
    nlp.evaluate(examples)
    truths = [nlp(text).cats[cat] for text, cat in TEXTS.items()]
    assert told == [pytest.approx(-numpy.log(truths).mean(), rel=1e-4)]


def test_rehearsal_goes_through_the_optimizer(textcat):
    nlp, examples = textcat
    sgd = nlp.resume_training(sgd=Adam(0.01))
    nlp.update(examples, sgd=sgd)
    losses = nlp.rehearse(examples, sgd=sgd)
    assert losses["rnn_textcat"] > 0.0
    assert sgd.n_steps == 2
