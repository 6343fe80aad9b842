"""How far scores of a classifier are probabilities, and the temperature that brings them nearer.

On arrays alone: n_docs texts by n_labels labels. The temperature is that of C. Guo et al., 2017,
"On calibration of modern neural networks": logits are divided by it, which makes scores milder
above 1 and sharper below 1, and changes no order of the labels.
"""

import math
from dataclasses import dataclass
from typing import Any, Dict, List, NamedTuple, Tuple, Union

import numpy
from thinc.api import get_array_module

from .errors import Errors, number_error

ArrayT = Any  # of NumPy, or of CuPy where it comes from a model
SMALLEST = 1e-30
# Of float32 no score is between this and 1, so that scores of 1 alone are taken down to it.
LARGEST = 1.0 - 2.0**-25
# Where the search for a temperature ends.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
N_BINS, N_FOLDS = 15, 5


class Predictions(NamedTuple):
    """What a classifier said of texts whose labels are known.

    logits (Floats2d): (n_docs, n_labels) Of the temperature 1.
    truths (Floats2d): (n_docs, n_labels) 1 for the labels of each text, else 0.
    known (ndarray): (n_docs, n_labels) False where the truth is missing. Of labels that exclude
        each other, all are known.
    exclusive (bool): Whether the labels exclude each other.
    """

    logits: numpy.ndarray
    truths: numpy.ndarray
    known: numpy.ndarray
    exclusive: bool

    def rows(self, index: numpy.ndarray) -> "Predictions":
        """RETURNS (Predictions): Those of some of the texts."""
        return Predictions(
            self.logits[index], self.truths[index], self.known[index], self.exclusive
        )


class Bins(NamedTuple):
    """Predictions by their confidence, in bins of equal width.

    counts (Ints1d): (n_bins,) Predictions in each; of a bin from a to b, those above a and not
        above b, and those of 0 in the first.
    confidence (Floats1d): (n_bins,) Their mean confidence; 0 in an empty bin.
    accuracy (Floats1d): (n_bins,) The share of them that came true; 0 in an empty bin.
    """

    counts: numpy.ndarray
    confidence: numpy.ndarray
    accuracy: numpy.ndarray

    @property
    def edges(self) -> numpy.ndarray:
        """RETURNS (Floats1d): (n_bins + 1,) From 0 to 1."""
        return numpy.linspace(0.0, 1.0, len(self.counts) + 1)

    @property
    def gaps(self) -> numpy.ndarray:
        """RETURNS (Floats1d): (n_bins,) Accuracy less confidence; below 0 where a classifier is too
        sure."""
        return self.accuracy - self.confidence


@dataclass(frozen=True)
class Calibration:
    """How good scores are as probabilities.

    accuracy (float): Share of the predictions that are right: of texts, if labels exclude each
        other; else of labels, each held to be given from a score of 0.5 on.
    confidence (float): The mean confidence.
    ece (float): Expected calibration error: the mean distance of confidence and accuracy in the
        bins, weighted by their counts. M. P. Naeini et al., 2015, "Obtaining well calibrated
        probabilities using Bayesian binning".
    mce (float): Maximum calibration error: the greatest of these distances.
    brier (float): The squared distance of the scores and the truth: of a text, from 0 to 2, if
        labels exclude each other (G. W. Brier, 1950, "Verification of forecasts expressed in terms
        of probability"), else of a label, from 0 to 1.
    nll (float): Negative log-likelihood in nats, by the same.
    bins (Bins): Confidence and accuracy, bin by bin.
    """

    accuracy: float
    confidence: float
    ece: float
    mce: float
    brier: float
    nll: float
    bins: Bins

    def figures(self) -> Dict[str, float]:
        """RETURNS (Dict[str, float]): All numbers but the bins, by name."""
        return {name: value for name, value in vars(self).items() if name != "bins"}


def to_logits(scores: ArrayT, exclusive: bool) -> ArrayT:
    """Find logits that have these scores.

    scores (Floats2d): (n_docs, n_labels) Probabilities.
    exclusive (bool): By softmax over the labels, or by a logistic function for each.
    RETURNS (Floats2d): (n_docs, n_labels) In float64. Of softmax, which sees differences alone, the
        logarithms of the scores.
    """
    xp = get_array_module(scores)
    scores = xp.maximum(scores.astype("float64"), SMALLEST)
    if exclusive:
        return xp.log(scores)
    scores = xp.minimum(scores, LARGEST)
    return xp.log(scores) - xp.log1p(-scores)


def to_scores(logits: ArrayT, temperature: Union[float, ArrayT], exclusive: bool) -> ArrayT:
    """RETURNS (Floats2d): (n_docs, n_labels) The scores of logits at a temperature, or at one for
    each text, (n_docs, 1)."""
    xp = get_array_module(logits)
    logits = logits / temperature
    if not exclusive:
        # Of the two forms, that whose power doesn't overflow.
        powers = xp.exp(-xp.abs(logits))
        return xp.where(logits >= 0.0, 1.0, powers) / (1.0 + powers)
    powers = xp.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def temper(scores: ArrayT, temperature: float, exclusive: bool) -> ArrayT:
    """Apply a temperature to scores.

    scores (Floats2d): (n_docs, n_labels) Probabilities.
    temperature (float): Above 0. 1 leaves them as they are.
    exclusive (bool): Whether the labels exclude each other.
    RETURNS (Floats2d): (n_docs, n_labels) Of the same type.
    """
    if temperature == 1.0 or not scores.size:
        return scores
    tempered = to_scores(to_logits(scores, exclusive), temperature, exclusive)
    return tempered.astype(scores.dtype)


def temper_threshold(threshold: float, change: float) -> float:
    """Move a threshold along with the scores of labels that do not exclude each other, so that the
    same labels are above it.

    threshold (float): From 0 to 1.
    change (float): The new temperature by the old one.
    RETURNS (float): The threshold.
    """
    if not 0.0 < threshold < 1.0:
        return threshold
    logit = (math.log(threshold) - math.log1p(-threshold)) / change
    power = math.exp(-abs(logit))  # of the two forms, that whose power doesn't overflow
    return (1.0 if logit >= 0.0 else power) / (1.0 + power)


def is_temperature(value: Any) -> bool:
    """RETURNS (bool): Whether a value can be one: a finite number above 0."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0.0 < value < math.inf


def negative_log_likelihood(
    predictions: Predictions, temperature: Union[float, numpy.ndarray] = 1.0
) -> float:
    """RETURNS (float): In nats, a mean over the texts if labels exclude each other, else over the
    labels whose truth is known."""
    logits = predictions.logits / temperature
    if predictions.exclusive:
        top = logits.max(axis=1, keepdims=True)
        sums = top[:, 0] + numpy.log(numpy.exp(logits - top).sum(axis=1))
        return float((sums - (logits * predictions.truths).sum(axis=1)).mean())
    # -log sigmoid(x) of what is true, -log sigmoid(-x) of what is not.
    signed = numpy.where(predictions.truths > 0.5, -logits, logits)
    return float(numpy.logaddexp(0.0, signed)[predictions.known].mean())


def _slope(predictions: Predictions, temperature: float) -> float:
    """RETURNS (float): How fast the negative log-likelihood, as a sum, grows with 1/T."""
    logits, truths, known, exclusive = predictions
    scores = to_scores(logits, temperature, exclusive)
    return float(((scores - truths) * logits)[known].sum())


def fit_temperature(predictions: Predictions) -> float:
    """Find the temperature at which the negative log-likelihood is least.

    It is convex in 1/T: a sum of logarithms of sums of exponentials of what is linear in it. So its
    slope crosses zero once, and halving the range of log T finds the place for certain.

    predictions (Predictions): At least one.
    RETURNS (float): The temperature, at least MIN_TEMPERATURE (which it is if every prediction is
        right, as then no score is too high) and at most MAX_TEMPERATURE (if they are no better than
        chance). 1 if all make no difference.
    """
    logits = predictions.logits
    if predictions.exclusive:
        # What all logits of a text have in common makes no difference.
        logits = logits - logits.max(axis=1, keepdims=True)
        predictions = predictions._replace(logits=logits)
    if not logits[predictions.known].any():
        return 1.0
    if _slope(predictions, MIN_TEMPERATURE) <= 0.0:
        return MIN_TEMPERATURE
    if _slope(predictions, MAX_TEMPERATURE) >= 0.0:
        return MAX_TEMPERATURE
    low, high = math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)
    for _ in range(60):
        middle = (low + high) / 2
        # Above the best temperature 1/T is too small, and more of it makes the likelihood better.
        if _slope(predictions, math.exp(middle)) < 0.0:
            high = middle
        else:
            low = middle
    return math.exp((low + high) / 2)


def is_at_limit(temperature: float) -> bool:
    """RETURNS (bool): Whether the search ended at a limit, so that the best one lies beyond it."""
    return temperature in (MIN_TEMPERATURE, MAX_TEMPERATURE)


def measure(
    predictions: Predictions,
    temperature: Union[float, numpy.ndarray] = 1.0,
    n_bins: int = N_BINS,
) -> Calibration:
    """Measure how good scores are as probabilities.

    predictions (Predictions): At least one.
    temperature (Union[float, Floats2d]): The temperature, or one for each text, (n_docs, 1).
    n_bins (int): Bins of equal width. Recommended: 10 to 20.
    RETURNS (Calibration): The figures. The confidence of a text whose labels exclude each other is
        its highest score, which comes true if the label is right; where they don't, each score is a
        prediction of its own, which comes true if the text has the label.
    RAISES (ValueError): E011 for a wrong number of bins.
    """
    if isinstance(n_bins, bool) or not isinstance(n_bins, int) or n_bins < 1:
        raise number_error("n_bins", "a whole number of at least 1", n_bins)
    _, truths, known, exclusive = predictions
    scores = to_scores(predictions.logits, temperature, exclusive)
    errors = (scores - truths) ** 2
    if exclusive:
        best = predictions.logits.argmax(axis=1)
        rows = numpy.arange(len(scores))
        confidence, came_true = scores[rows, best], truths[rows, best] > 0.5
        accuracy, brier = float(came_true.mean()), float(errors.sum(axis=1).mean())
    else:
        confidence, came_true = scores[known], truths[known] > 0.5
        accuracy = float(((confidence >= 0.5) == came_true).mean())
        brier = float(errors[known].mean())
    bins = sort_into_bins(confidence, came_true, n_bins)
    gaps = numpy.abs(bins.gaps)
    return Calibration(
        accuracy=accuracy,
        confidence=float(confidence.mean()),
        ece=float((gaps * bins.counts).sum() / bins.counts.sum()),
        mce=float(gaps.max()),
        brier=brier,
        nll=negative_log_likelihood(predictions, temperature),
        bins=bins,
    )


def sort_into_bins(confidence: numpy.ndarray, came_true: numpy.ndarray, n_bins: int) -> Bins:
    """Sort predictions into bins of equal width.

    confidence (Floats1d): (n,) From 0 to 1.
    came_true (ndarray): (n,) Whether each came true.
    n_bins (int): How many.
    RETURNS (Bins): The bins.
    """
    inner = numpy.linspace(0.0, 1.0, n_bins + 1)[1:-1]
    index = numpy.digitize(confidence, inner, right=True)
    counts = numpy.bincount(index, minlength=n_bins)
    sizes = numpy.maximum(counts, 1)
    confidences = numpy.bincount(index, weights=confidence, minlength=n_bins) / sizes
    accuracies = numpy.bincount(index, weights=came_true, minlength=n_bins) / sizes
    return Bins(counts, confidences, accuracies)


def cross_fit(
    predictions: Predictions, n_folds: int = N_FOLDS, n_bins: int = N_BINS, seed: int = 0
) -> Tuple[Calibration, List[float]]:
    """Measure what temperatures do for texts that they were not fitted on: each part of the texts
    is scored at the temperature that fits the others best.

    predictions (Predictions): As many as there are folds, or more.
    n_folds (int): Parts, which are drawn by chance. At least 2. Recommended: 5 or 10.
    n_bins (int): As for `measure`.
    seed (int): The same seed draws the same parts.
    RETURNS (Tuple[Calibration, List[float]]): The figures over all texts, and the temperatures.
    RAISES (ValueError): E011 for a wrong number of folds or bins, E113 for too few texts.
    """
    if isinstance(n_folds, bool) or not isinstance(n_folds, int) or n_folds < 2:
        raise number_error("n_folds", "a whole number of at least 2", n_folds)
    n_docs = len(predictions.logits)
    if n_docs < n_folds:
        raise ValueError(Errors.E113.format(found=n_docs, n_folds=n_folds))
    fold_of = numpy.random.RandomState(seed).permutation(n_docs) % n_folds
    temperatures = [
        fit_temperature(predictions.rows(numpy.flatnonzero(fold_of != fold)))
        for fold in range(n_folds)
    ]
    by_doc = numpy.asarray(temperatures)[fold_of][:, None]
    return measure(predictions, by_doc, n_bins), temperatures
