"""Cross-entropy for text classifiers."""

from dataclasses import dataclass, field
from typing import Dict, Iterable, Optional, Sequence, Tuple, Union

from spacy.training import Example
from thinc.api import Ops
from thinc.types import Floats2d

from ..errors import Errors, number_error

ClassWeightsT = Optional[Union[str, Dict[str, float]]]
# Settings that are computed from counts, and the power of the balanced weights that they take.
POWERS = {"balanced": 1.0, "sqrt": 0.5}
SMALLEST = 1e-30


@dataclass
class LabelCounts:
    """How often each label is set to 1 and to 0 in some examples."""

    positive: Dict[str, int] = field(default_factory=dict)
    negative: Dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, examples: Iterable[Example]) -> "LabelCounts":
        counts = cls()
        for example in examples:
            for label, value in example.reference.cats.items():
                table = counts.positive if value else counts.negative
                table[label] = table.get(label, 0) + 1
        return counts


def check_class_weights(name: str, class_weights: ClassWeightsT) -> None:
    """Raise an error unless the setting is None, one of POWERS or a table of positive numbers."""
    if class_weights is None or (isinstance(class_weights, str) and class_weights in POWERS):
        return
    if not isinstance(class_weights, dict):
        raise number_error(
            f"class_weights of '{name}'",
            "null, 'balanced', 'sqrt' or a table of labels",
            class_weights,
        )
    for label, weight in class_weights.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not weight > 0:
            raise number_error(f"class_weights.{label} of '{name}'", "a positive number", weight)


def resolve_class_weights(
    name: str,
    class_weights: ClassWeightsT,
    labels: Sequence[str],
    counts: Optional[LabelCounts],
    exclusive: bool,
) -> Dict[str, float]:
    """Turn the setting into one weight a label.

    class_weights: None, "balanced", "sqrt", or a table; labels that it leaves out weigh 1.
    counts (Optional[LabelCounts]): Needed for "balanced" and "sqrt". The balanced weight of a label
        that excludes the others is n / (n_labels * count), as in scikit-learn; that of another is
        its ratio of negatives to positives. "sqrt" takes the square root of it.
    RETURNS (Dict[str, float]): The factor on the loss of examples that have the label.
    RAISES (ValueError): If the table has labels that the component does not.
    """
    if isinstance(class_weights, dict):
        unknown = sorted(set(class_weights) - set(labels))
        if unknown:
            raise ValueError(
                Errors.E020.format(name=name, unknown=unknown, labels=", ".join(labels))
            )
        return {label: float(class_weights.get(label, 1.0)) for label in labels}
    if class_weights is None or counts is None:
        return dict.fromkeys(labels, 1.0)
    power = POWERS[class_weights]
    total = sum(counts.positive.get(label, 0) for label in labels)
    weights = {}
    for label in labels:
        n_positive = counts.positive.get(label, 0)
        n_negative = counts.negative.get(label, 0)
        if not n_positive or (not exclusive and not n_negative):
            weights[label] = 1.0
        elif exclusive:
            weights[label] = (total / (len(labels) * n_positive)) ** power
        else:
            weights[label] = (n_negative / n_positive) ** power
    return weights


def cross_entropy(
    ops: Ops,
    scores: Floats2d,
    truths: Floats2d,
    known: Floats2d,
    weights: Floats2d,
    *,
    exclusive: bool,
    label_smoothing: float = 0.0,
) -> Tuple[float, Floats2d]:
    """The mean over the docs of the cross-entropy, in nats, and its gradient.

    scores (Floats2d): (n_docs, n_labels) Probabilities.
    truths (Floats2d): (n_docs, n_labels) 1 for the labels of each doc, else 0.
    known (Floats2d): (n_docs, n_labels) 0 where the truth is missing, else 1. Where the classes
        exclude each other a row is known as a whole, or not.
    weights (Floats2d): (1, n_labels) Factors on the loss of docs that have the label.
    exclusive (bool): One softmax over all labels, or one logistic function for each.
    label_smoothing (float): Share of the truth that is spread over all outcomes (Szegedy 2016).
    RETURNS (Tuple[float, Floats2d]): The loss, and its gradient with respect to the logits.
    """
    xp = ops.xp
    n_docs, n_labels = scores.shape
    if not n_docs:
        return 0.0, xp.zeros_like(scores)
    n_outcomes = n_labels if exclusive else 2
    smoothed = truths * (1.0 - label_smoothing) + label_smoothing / n_outcomes
    if exclusive:
        factors = (truths * weights).sum(axis=1, keepdims=True) * known / n_docs
        losses = -smoothed * xp.log(xp.maximum(scores, SMALLEST))
    else:
        factors = (truths * weights + (1.0 - truths)) * known / n_docs
        losses = -smoothed * xp.log(xp.maximum(scores, SMALLEST))
        losses -= (1.0 - smoothed) * xp.log(xp.maximum(1.0 - scores, SMALLEST))
    d_logits = (scores - smoothed) * factors
    return float((losses * factors).sum()), d_logits.astype(scores.dtype)
