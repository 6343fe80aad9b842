"""The sampled softmax: in training, each unit against a few others instead of all."""

from typing import Any, Optional, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d, Ints1d

from ..errors import number_error
from .configured import Count
from .embedding import add_rows
from .gradients import gradient_of
from .softmax import FullSoftmax, InT, OutT, block_gradient, init, output_layer, weights_of


def SampledSoftmax(
    nO: Optional[int] = None, nI: Optional[int] = None, *, n_samples: int = 1024
) -> Model[InT, OutT]:
    """A full softmax that is trained on samples: the gradient is that of a softmax over the units
    that follow in the batch and `n_samples` others.

    Bengio & Senecal (2008), "Adaptive importance sampling to accelerate training of a neural
    probabilistic language model"; Jean et al. (2015). The others are drawn log-uniformly, which is
    about right for a vocabulary in order of falling frequency, and each logit is lowered by the
    logarithm of how often its unit is expected, so that in the mean the gradient tends to the full
    one as samples grow. Predictions, losses on other texts and probabilities are the full ones.
    Parameters: as `Softmax`.

    nO (Optional[int]): Size of the vocabulary.
    nI (Optional[int]): Width of the hidden state.
    n_samples (int): How many units are drawn for a batch. Recommended: 500 to 8000; from the size
        of the vocabulary on, the softmax is the full one.
    RETURNS (Model[Tuple[Floats2d, Ints1d], Floats1d]): Hidden states (n, nI) and the units that
        follow them (n,) -> their losses in nats (n,).
    """
    if n_samples < 1:
        raise number_error("n_samples", "a positive number", n_samples)
    params = {"W": None, "b": None}
    return output_layer("sampled_softmax", nO, nI, params, init, n_samples=Count(n_samples))


class SampledKind(FullSoftmax):
    """How the losses of a sampled softmax are found: but for the gradient, as the full one's."""

    @staticmethod
    def loss_and_gradient(
        model: Model[InT, OutT], H: Floats2d, targets: Ints1d, weights: Floats1d
    ) -> Tuple[Floats1d, Floats2d]:
        """The losses are those of the samples: less than the full ones."""
        ops, nO, n_samples = model.ops, model.get_dim("nO"), model.attrs["n_samples"]
        if n_samples >= nO:
            return FullSoftmax.loss_and_gradient(model, H, targets, weights)
        xp = ops.xp
        node, name = weights_of(model)
        units, expected = draw(nO, n_samples, ops.to_numpy(targets))
        # Which of the units each target is: they are in order.
        places = xp.asarray(numpy.searchsorted(units, ops.to_numpy(targets)))
        units = xp.asarray(units)
        W = node.get_param(name)[units]
        b = model.get_param("b")[units] - xp.asarray(numpy.log(expected), dtype=H.dtype)
        dW, db = xp.zeros_like(W), xp.zeros_like(b)
        losses, dH = block_gradient(ops, H, W, b, places, weights, dW, db)
        add_rows(ops, gradient_of(node, name), units, dW)
        gradient_of(model, "b")[units] += db
        return losses, dH


def draw(nO: int, n_samples: int, targets: numpy.ndarray) -> Tuple[numpy.ndarray, Any]:
    """Draw units by the log-uniform distribution, from NumPy's global state.

    nO (int): Size of the vocabulary.
    n_samples (int): How many are drawn, with repetition.
    targets (Ints1d): Units that must be among them.
    RETURNS (Tuple[Ints1d, Floats1d]): The different units in order, and for each the probability
        that it is there: for targets it is as if they had been drawn, as for any other unit.
    """
    # P(u) = log((u + 2) / (u + 1)) / log(nO + 1)
    log_size = numpy.log(nO + 1.0)
    drawn = numpy.exp(numpy.random.uniform(0.0, log_size, n_samples)).astype("int64") - 1
    units = numpy.union1d(drawn.clip(0, nO - 1), targets)
    p = numpy.log((units + 2.0) / (units + 1.0)) / log_size
    expected = -numpy.expm1(n_samples * numpy.log1p(-p))
    return cast(Any, units), expected
