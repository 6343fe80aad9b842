"""Several text classifiers that vote."""

from typing import Any, Callable, Dict, List, Optional, Tuple, cast

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from . import textcat
from .ensembles import TEXTCAT, checked_members

InT = List[Doc]
OutT = Floats2d
# Scores that gradients are divided by are taken for no smaller.
SMALLEST = 1e-6


def TextCatEnsemble(*members: Model[InT, OutT]) -> Model[InT, OutT]:
    """Text classifiers that vote: the score of a label is the mean of those that they give to it.

    In training they learn from the error of this mean, and not each from its own. They may be of
    different tok2vecs, poolings and linear models.

    *members (Model[List[Doc], Floats2d]): Models by `spacy-rnn.TextCatRNN.v1`, with the same
        exclusive_classes. Recommended: 2 to 5.
    RETURNS (Model[List[Doc], Floats2d]): (n_docs, nO) scores. The gradient that its callback takes
        is that of their logits, as that of its members is.
    RAISES (ValueError): If there is none, or they do not go together.
    """
    layers = checked_members(TEXTCAT, members, _choices)
    return Model(
        TEXTCAT.name,
        forward,
        init=init,
        dims={"nO": layers[0].maybe_get_dim("nO")},
        layers=layers,
        attrs={
            "multi_label": layers[0].attrs["multi_label"],
            "resize_output": resize_output,
            "gradient_of": "logits",
        },
    )


def _choices(model: Model[InT, OutT]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What must be the same in all members."""
    return {"exclusive_classes": not model.attrs["multi_label"]}


def forward(model: Model[InT, OutT], docs: InT, is_train: bool) -> Tuple[OutT, Callable]:
    xp, n_members = model.ops.xp, len(model.layers)
    found = [member(docs, is_train) for member in model.layers]
    mean: Any = sum(cast(Any, scores) for scores, _ in found) / n_members
    is_multi = model.attrs["multi_label"]

    def backprop(d_logits: OutT) -> InT:
        # By way of the mean: d score / d logit of the mean is divided out, and that of each member
        # multiplied by.
        for scores, callback in found:
            p: Any = scores
            if is_multi:
                slope = p * (1.0 - p) / xp.maximum(mean * (1.0 - mean), SMALLEST)
                callback(d_logits * slope / n_members)
            else:
                d_scores = d_logits / xp.maximum(mean, SMALLEST)
                d_member = p * (d_scores - (p * d_scores).sum(axis=1, keepdims=True))
                callback(d_member / n_members)
        return []

    return mean, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    for member in model.layers:
        member.initialize(X=X, Y=Y)
    model.set_dim("nO", model.layers[0].get_dim("nO"), force=True)


def resize_output(model: Model[InT, OutT], new_nO: int) -> Model[InT, OutT]:
    """Make room for more labels, in all members.

    model (Model): Changed in place; initialized or not.
    new_nO (int): Number of labels.
    RETURNS (Model): The same.
    """
    for member in model.layers:
        textcat.resize_output(member, new_nO)
    model.set_dim("nO", new_nO, force=True)
    return model
