"""Figures of calibration by hand, and temperatures that are known."""

import math

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from spacy_rnn.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    Predictions,
    cross_fit,
    fit_temperature,
    is_temperature,
    measure,
    negative_log_likelihood,
    sort_into_bins,
    temper,
    temper_threshold,
    to_logits,
    to_scores,
)


def predictions(scores, truths, exclusive=True, known=None):
    scores, truths = numpy.asarray(scores, "float64"), numpy.asarray(truths, "float64")
    known = numpy.ones(truths.shape, bool) if known is None else numpy.asarray(known, bool)
    return Predictions(to_logits(scores, exclusive), truths, known, exclusive)


def drawn(factor, n_docs=4000, n_labels=4, exclusive=True, seed=0):
    """Truths that were drawn from logits, which are `factor` times too high then."""
    rng = numpy.random.RandomState(seed)
    logits = rng.normal(scale=2.0, size=(n_docs, n_labels))
    scores = to_scores(logits, 1.0, exclusive)
    if exclusive:
        labels = [rng.choice(n_labels, p=row) for row in scores]
        truths = numpy.eye(n_labels)[labels]
    else:
        truths = (rng.uniform(size=scores.shape) < scores).astype("float64")
    return Predictions(logits * factor, truths, numpy.ones(truths.shape, bool), exclusive)


# Bins and figures


def test_figures_of_exclusive_labels_are_those_computed_by_hand():
    found = predictions(
        [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55], [0.95, 0.05]],
        [[1, 0], [0, 1], [0, 1], [0, 1], [1, 0]],
    )
    calibration = measure(found, n_bins=5)
    # (0.4, 0.6]: 0.55, right. (0.6, 0.8]: 0.8 wrong, 0.7 right. (0.8, 1]: 0.9 and 0.95, right.
    assert calibration.bins.counts.tolist() == [0, 0, 1, 2, 2]
    assert_allclose(calibration.bins.confidence, [0, 0, 0.55, 0.75, 0.925])
    assert_allclose(calibration.bins.accuracy, [0, 0, 1.0, 0.5, 1.0])
    assert calibration.ece == pytest.approx((1 * 0.45 + 2 * 0.25 + 2 * 0.075) / 5)
    assert calibration.mce == pytest.approx(0.45)
    assert calibration.accuracy == pytest.approx(4 / 5)
    assert calibration.confidence == pytest.approx((0.9 + 0.8 + 0.7 + 0.55 + 0.95) / 5)
    squares = 2 * (0.1**2 + 0.8**2 + 0.3**2 + 0.45**2 + 0.05**2)
    assert calibration.brier == pytest.approx(squares / 5)
    logs = [math.log(p) for p in (0.9, 0.2, 0.7, 0.55, 0.95)]
    assert calibration.nll == pytest.approx(-sum(logs) / 5)


def test_each_known_score_of_labels_that_may_go_together_is_a_prediction():
    found = predictions(
        [[0.9, 0.2], [0.6, 0.3]],
        [[1, 0], [0, 1]],
        exclusive=False,
        known=[[True, True], [True, False]],
    )
    calibration = measure(found, n_bins=2)
    assert calibration.bins.counts.tolist() == [1, 2]
    assert_allclose(calibration.bins.confidence, [0.2, 0.75])
    assert_allclose(calibration.bins.accuracy, [0.0, 0.5])
    assert calibration.ece == pytest.approx((0.2 + 2 * 0.25) / 3)
    assert calibration.mce == pytest.approx(0.25)
    assert calibration.accuracy == pytest.approx(2 / 3)
    assert calibration.brier == pytest.approx((0.1**2 + 0.2**2 + 0.6**2) / 3)
    assert calibration.nll == pytest.approx(-math.log(0.9 * 0.8 * 0.4) / 3)


def test_an_edge_belongs_to_the_bin_below_and_zero_to_the_first():
    confidence = numpy.asarray([0.0, 0.25, 0.26, 0.5, 1.0])
    bins = sort_into_bins(confidence, numpy.ones(5, bool), 4)
    assert bins.counts.tolist() == [2, 2, 0, 1]
    assert bins.edges.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_scores_that_are_the_probabilities_have_hardly_any_error():
    assert measure(drawn(1.0, n_docs=20000)).ece < 0.01
    assert measure(drawn(1.0, n_docs=20000, exclusive=False)).ece < 0.01
    assert measure(drawn(3.0)).ece > 0.1


@pytest.mark.parametrize("n_bins", [0, -1, 1.5, True])
def test_a_wrong_number_of_bins_is_an_error(n_bins):
    with pytest.raises(ValueError, match=r"E011.*n_bins"):
        measure(drawn(1.0, n_docs=10), n_bins=n_bins)


# Temperatures


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_the_temperature_of_logits_that_were_scaled_is_found(factor, exclusive):
    assert fit_temperature(drawn(factor, exclusive=exclusive)) == pytest.approx(factor, rel=0.06)
    whole = fit_temperature(drawn(1.0, exclusive=exclusive))
    assert fit_temperature(drawn(factor, exclusive=exclusive)) == pytest.approx(whole * factor)


@pytest.mark.parametrize("exclusive", [True, False])
def test_no_temperature_has_a_better_likelihood(exclusive):
    found = drawn(1.7, n_docs=200, exclusive=exclusive)
    best = fit_temperature(found)
    least = negative_log_likelihood(found, best)
    for temperature in numpy.geomspace(MIN_TEMPERATURE, MAX_TEMPERATURE, 400):
        assert least <= negative_log_likelihood(found, temperature) + 1e-12


def logits_of(shape):
    return arrays("float64", shape, elements=st.floats(-30, 30, allow_subnormal=False))


@given(logits_of((6, 3)), st.lists(st.integers(0, 2), min_size=6, max_size=6), st.booleans())
def test_the_likelihood_never_becomes_worse(logits, labels, exclusive):
    found = Predictions(logits, numpy.eye(3)[labels], numpy.ones((6, 3), bool), exclusive)
    best = fit_temperature(found)
    assert MIN_TEMPERATURE <= best <= MAX_TEMPERATURE
    before = negative_log_likelihood(found)
    assert negative_log_likelihood(found, best) <= before + 1e-9 * (1 + before)


def test_the_slope_that_is_followed_is_that_of_the_likelihood():
    from spacy_rnn.calibration import _slope

    for exclusive in (True, False):
        found = drawn(1.0, n_docs=50, exclusive=exclusive)
        n = 50 if exclusive else 200
        for temperature in (0.5, 1.0, 3.0):
            inverse, step = 1 / temperature, 1e-5
            higher = negative_log_likelihood(found, 1 / (inverse + step))
            lower = negative_log_likelihood(found, 1 / (inverse - step))
            expected = n * (higher - lower) / (2 * step)
            assert _slope(found, temperature) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_predictions_that_are_all_right_or_mere_chance_end_at_a_limit():
    right = predictions([[0.9, 0.1], [0.2, 0.8]], [[1, 0], [0, 1]])
    wrong = predictions([[0.9, 0.1], [0.2, 0.8]], [[0, 1], [1, 0]])
    assert fit_temperature(right) == MIN_TEMPERATURE
    assert fit_temperature(wrong) == MAX_TEMPERATURE


@pytest.mark.parametrize("exclusive", [True, False])
def test_scores_that_say_nothing_keep_the_temperature_1(exclusive):
    found = predictions([[0.5, 0.5], [0.5, 0.5]], [[1, 0], [1, 0]], exclusive)
    assert fit_temperature(found) == 1.0
    unknown = found._replace(known=numpy.zeros((2, 2), bool))
    assert fit_temperature(unknown) == 1.0


def test_unknown_truths_do_not_count():
    found = drawn(2.0, n_docs=300, exclusive=False)
    known = found.known.copy()
    known[:, 2] = False
    without = Predictions(found.logits[:, :2], found.truths[:, :2], known[:, :2], False)
    masked = Predictions(found.logits[:, :3], found.truths[:, :3], known[:, :3], False)
    assert fit_temperature(masked) == fit_temperature(without)
    assert measure(masked).figures() == measure(without).figures()


@pytest.mark.parametrize("value", [0, 0.0, -1.0, math.inf, math.nan, "1", None, True])
def test_what_is_no_temperature(value):
    assert not is_temperature(value)


# Scores


@given(
    arrays("float32", (5, 4), elements=st.floats(0, 1, width=32)),
    st.floats(MIN_TEMPERATURE, MAX_TEMPERATURE),
)
def test_a_temperature_changes_no_order_of_labels(raw, temperature):
    for exclusive in (True, False):
        scores = raw.copy()
        if exclusive:
            scores = (scores + 1e-6) / (scores + 1e-6).sum(axis=1, keepdims=True)
        tempered = temper(scores, temperature, exclusive)
        assert tempered.dtype == scores.dtype
        best = scores.argmax(axis=1)
        # Where two are alike, but for less than float32 can tell, either may be the first.
        assert_allclose(tempered[range(5), best], tempered.max(axis=1), rtol=1e-6)
        for row, tempered_row in zip(scores, tempered):
            order = row.argsort(kind="stable")
            assert (numpy.diff(tempered_row[order]) >= -1e-7).all()
        if exclusive:
            assert_allclose(tempered.sum(axis=1), 1.0, rtol=1e-5)


def test_the_temperature_1_returns_the_scores_themselves():
    scores = numpy.asarray([[0.1, 0.9]], "float32")
    assert temper(scores, 1.0, True) is scores


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_scores_of_logits_are_those_that_they_are_of(exclusive, rng):
    logits = rng.normal(size=(5, 3)) * 3
    scores = to_scores(logits, 1.0, exclusive)
    assert_allclose(to_scores(to_logits(scores, exclusive), 1.0, exclusive), scores)
    assert_allclose(temper(scores, 2.5, exclusive), to_scores(logits, 2.5, exclusive), rtol=1e-12)


def test_scores_of_0_and_1_stay_finite():
    scores = numpy.asarray([[0.0, 1.0], [1.0, 0.0]], "float32")
    for exclusive in (True, False):
        tempered = temper(scores, 2.0, exclusive)
        assert numpy.isfinite(tempered).all()
        assert_array_equal(tempered.argmax(axis=1), [1, 0])
    assert temper(numpy.zeros((0, 2), "float32"), 2.0, True).shape == (0, 2)


def test_logits_of_any_size_give_scores_without_a_warning():
    logits = numpy.asarray([[-1e4, 1e4], [1e4, -1e4]])
    for exclusive in (True, False):
        assert_array_equal(to_scores(logits, 1.0, exclusive), [[0, 1], [1, 0]])


def test_a_threshold_moves_with_the_scores():
    scores = numpy.linspace(0.01, 0.99, 99)[:, None]
    for threshold in (0.2, 0.5, 0.8):
        moved = temper_threshold(threshold + 1e-6, 1.8)
        found = temper(scores, 1.8, False) >= moved
        assert_array_equal(found, scores >= threshold + 1e-6)
    assert temper_threshold(0.5, 3.0) == 0.5
    assert temper_threshold(0.0, 3.0) == 0.0
    assert temper_threshold(1.0, 3.0) == 1.0
    assert temper_threshold(0.01, 0.0025) == 0.0  # not an overflow


# Held-out texts


def test_each_fold_is_at_the_temperature_of_the_others():
    found = drawn(2.0, n_docs=60)
    calibration, temperatures = cross_fit(found, n_folds=3, seed=1)
    fold_of = numpy.random.RandomState(1).permutation(60) % 3
    total = 0.0
    for fold, temperature in enumerate(temperatures):
        others = found.rows(numpy.flatnonzero(fold_of != fold))
        assert temperature == fit_temperature(others)
        held_out = found.rows(numpy.flatnonzero(fold_of == fold))
        total += 20 * negative_log_likelihood(held_out, temperature)
    assert calibration.nll == pytest.approx(total / 60)


def test_held_out_texts_are_scored_no_better_than_those_of_the_fit():
    found = drawn(2.0, n_docs=50)
    held_out, _ = cross_fit(found, n_folds=10)
    fitted = measure(found, fit_temperature(found))
    assert held_out.nll > fitted.nll
    assert held_out.accuracy == fitted.accuracy == measure(found).accuracy
    assert held_out.nll < measure(found).nll


def test_the_folds_are_the_same_each_time():
    found = drawn(2.0, n_docs=50)
    assert cross_fit(found)[1] == cross_fit(found)[1]


def test_too_few_texts_and_too_few_folds_are_errors():
    with pytest.raises(ValueError, match=r"E113.*4 texts.*5 folds"):
        cross_fit(drawn(1.0, n_docs=4))
    with pytest.raises(ValueError, match=r"E011.*n_folds"):
        cross_fit(drawn(1.0, n_docs=4), n_folds=1)
