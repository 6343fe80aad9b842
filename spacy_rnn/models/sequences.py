"""Whole models over sequences of vectors: an encoder, and what makes its states an answer."""

from typing import Any, List, Optional, Sequence, cast

from thinc.api import Dropout, Linear, Model, Softmax, chain, with_array
from thinc.types import Floats2d

from ..checks import check_rate, is_whole
from ..errors import Errors, number_error
from ..layers.list2ragged import list2ragged
from ..layers.pooling import pool
from ..layers.quantiles import check_quantiles
from ..layers.ragged import with_ragged

InT = List[Floats2d]


def classifier(
    encoder: Model[Any, Any],
    n_classes: Optional[int] = None,
    *,
    pooling: Sequence[str] = ("last",),
    dropout: float = 0.0,
) -> Model[InT, Floats2d]:
    """Many to one: a class for each sequence.

    encoder (Model): An `RNNEncoder`, or a layer over Ragged such as an `LSTM`; (n_steps, nI) ->
        (n_steps, width).
    n_classes (Optional[int]): How many classes there are; inferred by `fit`.
    pooling (Sequence[str]): What becomes of the states of a sequence: some of "last" (in both
        directions the state that has read the whole sequence), "mean", "max" and "attention", side
        by side.
    dropout (float): Rate on the pooled states. Recommended: 0 to 0.5.
    RETURNS (Model[List[Floats2d], Floats2d]): (n_steps, nI) for each sequence -> (n_seqs,
        n_classes) probabilities. It takes a Ragged as well.
    RAISES (ValueError): E009 for an unknown way of pooling, E011 for none, and for another argument
        out of its range; E004 for two directions whose widths were not given.
    """
    _check_head(n_classes, dropout)
    pooled = pool(cast(List[str], pooling), reverse_from=_first_reversed_column(encoder))
    head: Model[Floats2d, Floats2d] = chain(Dropout(dropout), Softmax(n_classes))
    model: Model[Any, Floats2d] = chain(list2ragged(), encoder, pooled, head)
    return model


def tagger(
    encoder: Model[Any, Any], n_classes: Optional[int] = None, *, dropout: float = 0.0
) -> Model[InT, InT]:
    """Many to many, aligned: a class for each step.

    encoder (Model): As for `classifier`.
    n_classes (Optional[int]): How many classes there are; inferred by `fit`.
    dropout (float): Rate on the states. Recommended: 0 to 0.5.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): (n_steps, nI) -> (n_steps, n_classes)
        probabilities for each sequence. It takes a Ragged as well, and returns one then.
    RAISES (ValueError): E011 for an argument out of its range.
    """
    _check_head(n_classes, dropout)
    head: Model[Floats2d, Floats2d] = chain(Dropout(dropout), Softmax(n_classes))
    return with_ragged(chain(encoder, with_array(head)))


def forecaster(
    encoder: Model[Any, Any],
    horizon: int,
    *,
    quantiles: Sequence[float] = (0.1, 0.5, 0.9),
    dropout: float = 0.0,
) -> Model[InT, InT]:
    """Many to many: at each step, the quantiles of the values that follow.

    Each step learns to forecast, and not the last one alone (Wen et al. 2017, "A multi-horizon
    quantile recurrent forecaster"). The forecast after a whole series is that of its last step. It
    is trained by `spacy_rnn.training.quantile_loss` with the same quantiles.

    encoder (Model): As for `classifier`, but in one direction: another one has read what is to be
        forecast.
    horizon (int): How many values are forecast at each step.
    quantiles (Sequence[float]): Which quantiles of each, between 0 and 1; [0.5] is the median
        alone.
    dropout (float): Rate on the states. Recommended: 0 to 0.3.
    RETURNS (Model[List[Floats2d], List[Floats2d]]): (n_steps, nI) -> (n_steps, horizon *
        n_quantiles) for each sequence, with the quantiles of one value side by side:
        `Y.reshape((n_steps, horizon, n_quantiles))`. It takes a Ragged as well, and returns one.
    RAISES (ValueError): E168 for an encoder of two directions, E011 for another argument out of its
        range.
    """
    check_rate("dropout", dropout)
    if not is_whole(horizon, 1):
        raise number_error("horizon", "a whole number of steps, at least 1", horizon)
    check_quantiles(quantiles)
    for node in encoder.walk():
        if node.attrs.get("bidirectional"):
            raise ValueError(Errors.E168.format(name=encoder.name))
    head: Model[Floats2d, Floats2d] = chain(Dropout(dropout), Linear(horizon * len(quantiles)))
    return with_ragged(chain(encoder, with_array(head)))


def _check_head(n_classes: Optional[int], dropout: float) -> None:
    """Raise an error for arguments out of their range.

    RAISES (ValueError): E011.
    """
    check_rate("dropout", dropout)
    if n_classes is not None and not is_whole(n_classes, 1):
        raise number_error("n_classes", "a whole number of at least 1, or None", n_classes)


def _first_reversed_column(encoder: Model[Any, Any]) -> Optional[int]:
    """Where the columns begin that an encoder has read from the end, if any."""
    if "reverse_from" in encoder.attrs:
        return int(encoder.attrs["reverse_from"])
    last = _last_recurrence(encoder)
    if last is None or not last.attrs.get("bidirectional"):
        return None
    if last.layers[0].has_dim("nO") is not True:
        raise ValueError(Errors.E004.format(name=last.name, dim="nO"))
    return last.layers[0].get_dim("nO")


def _last_recurrence(node: Model[Any, Any]) -> Optional[Model[Any, Any]]:
    """RETURNS (Optional[Model]): The last layer that reads sequences, of one direction or two."""
    if "recurrence" in node.attrs or node.attrs.get("bidirectional"):
        return node
    found = (_last_recurrence(layer) for layer in reversed(node.layers))
    return next((layer for layer in found if layer is not None), None)
