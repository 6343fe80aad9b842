"""Adam, SGD and NT-ASGD for whole models, as blocks of `[training.optimizer]`."""

from typing import Any, Dict, Optional, Tuple

from thinc.api import get_array_module
from thinc.optimizers import FloatOrSeq

from . import updates
from .gradients import KeyT
from .optimizer import WholeModelOptimizer
from .plateaus import NonMonotonic
from .updates import Step

# What the average keeps of itself in a step, at most; as in Thinc.
MAX_DECAY = 0.9999


class AdamOptimizer(WholeModelOptimizer):
    """See `Adam`. Moments are kept in `mom1` and `mom2`, averages in `averages`."""

    name = "spacy-rnn.Adam.v1"

    def _update(self, key: KeyT, weights: Any, gradient: Any, step: Step) -> None:
        for table in (self.mom1, self.mom2):
            if key not in table:
                table[key] = get_array_module(weights).zeros_like(weights)
        updates.adam(
            weights,
            gradient,
            self.mom1[key],
            self.mom2[key],
            step,
            n_updates=self.nr_update[key],
            beta1=self.b1,
            beta2=self.b2,
            eps=self.eps,
        )

    def _average(self, key: KeyT, weights: Any, shape: Tuple[int, ...]) -> None:
        if self.averages is None:
            return
        n_updates = self.nr_update[key]
        share = 1.0 - min((1.0 + n_updates) / (10.0 + n_updates), MAX_DECAY)
        _add_to_average(self.averages, key, weights, shape, share)


class SGDOptimizer(WholeModelOptimizer):
    """See `SGD`. Velocities are kept in `mom1`."""

    name = "spacy-rnn.SGD.v1"
    momentum: float

    def __init__(
        self, learn_rate: FloatOrSeq, *, momentum: FloatOrSeq, nesterov: bool, **settings: Any
    ) -> None:
        super().__init__(learn_rate, use_averages=False, **settings)
        self._set_attr_or_schedule("momentum", momentum)
        self.nesterov = nesterov
        if nesterov and not self.momentum:
            raise self._error("nesterov", "false where momentum is 0", nesterov)

    def _update(self, key: KeyT, weights: Any, gradient: Any, step: Step) -> None:
        if not self.momentum and key not in self.mom1:
            updates.sgd(weights, gradient, step)
            return
        if key not in self.mom1:
            self.mom1[key] = get_array_module(weights).zeros_like(weights)
        updates.momentum(
            weights,
            gradient,
            self.mom1[key],
            step,
            momentum=self.momentum,
            nesterov=self.nesterov,
        )


class NTASGDOptimizer(WholeModelOptimizer):
    """See `NTASGD`. `averages` is None until averaging begins."""

    name = "spacy-rnn.NTASGD.v1"

    def __init__(self, learn_rate: FloatOrSeq, *, nonmono: int, **settings: Any) -> None:
        super().__init__(learn_rate, use_averages=False, **settings)
        self._trigger = NonMonotonic(self._checked("nonmono", nonmono))
        self._n_averaged: Dict[KeyT, int] = {}

    @property
    def is_averaging(self) -> bool:
        """Whether averaging has begun."""
        return self.averages is not None

    def forget_evaluations(self) -> None:
        super().forget_evaluations()
        self._trigger.forget()

    def _observe(self, loss: float) -> None:
        if self._trigger.observe(loss):
            self.averages = {}

    def _update(self, key: KeyT, weights: Any, gradient: Any, step: Step) -> None:
        updates.sgd(weights, gradient, step)

    def _average(self, key: KeyT, weights: Any, shape: Tuple[int, ...]) -> None:
        if self.averages is None:
            return
        n_averaged = self._n_averaged.get(key, 0) + 1 if key in self.averages else 1
        self._n_averaged[key] = n_averaged
        _add_to_average(self.averages, key, weights, shape, 1.0 / n_averaged)


def _add_to_average(
    averages: Dict[KeyT, Any], key: KeyT, weights: Any, shape: Tuple[int, ...], share: float
) -> None:
    """The first weights are their own average: an average of 0 would be far off for a while."""
    if key not in averages:
        averages[key] = weights.reshape(shape).copy()
    else:
        updates.average(averages[key].reshape(-1), weights, share)


def Adam(
    learn_rate: FloatOrSeq = 0.001,
    *,
    L2: FloatOrSeq = 0.0,
    beta1: FloatOrSeq = 0.9,
    beta2: FloatOrSeq = 0.999,
    eps: FloatOrSeq = 1e-8,
    L2_is_weight_decay: bool = True,
    clip_norm: FloatOrSeq = 1.0,
    groups: Optional[Dict[str, float]] = None,
    use_averages: bool = False,
    warmup: int = 0,
    anneal: Optional[float] = None,
    anneal_patience: int = 1,
) -> AdamOptimizer:
    """Adam (Kingma & Ba 2015), with decoupled weight decay (AdamW, Loshchilov & Hutter 2019).

    learn_rate (FloatOrSeq): The learn rate, as a number, a list or a schedule, as all that follows
        of this type; recommended 0.0003 to 0.01.
    L2 (FloatOrSeq): Weight decay; recommended 0.0 to 0.1.
    beta1 (FloatOrSeq): How much of the mean of the gradients is kept; 0.9.
    beta2 (FloatOrSeq): How much of the mean of their squares is kept; 0.99 to 0.999.
    eps (FloatOrSeq): Is added to the root of that mean.
    L2_is_weight_decay (bool): Whether the decay is apart from the gradient, or a part of it.
    clip_norm (FloatOrSeq): The largest norm of the gradients of a model as a whole; recommended
        0.25 to 5.0, 0 for no limit.
    groups (Optional[Dict[str, float]]): Factors on the learn rate by shell patterns of
        "node/parameter" or "node", as in {"embed*": 0.5}. The last that matches is the one that
        counts; 0 freezes.
    use_averages (bool): Whether the pipeline is evaluated and saved with moving averages of the
        weights.
    warmup (int): For so many steps the rate rises from 0.
    anneal (Optional[float]): Factor on the learn rate whenever the loss on the development data
        has not fallen; recommended 0.25 to 0.5.
    anneal_patience (int): For how many evaluations it has to have not fallen.
    RETURNS (AdamOptimizer): The optimizer.
    RAISES (ValueError): If a setting is out of its range.
    """
    return AdamOptimizer(
        learn_rate,
        L2=L2,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        L2_is_weight_decay=L2_is_weight_decay,
        clip_norm=clip_norm,
        groups=groups,
        use_averages=use_averages,
        warmup=warmup,
        anneal=anneal,
        anneal_patience=anneal_patience,
    )


def SGD(
    learn_rate: FloatOrSeq,
    *,
    momentum: FloatOrSeq = 0.0,
    nesterov: bool = False,
    L2: FloatOrSeq = 0.0,
    L2_is_weight_decay: bool = True,
    clip_norm: FloatOrSeq = 1.0,
    groups: Optional[Dict[str, float]] = None,
    warmup: int = 0,
    anneal: Optional[float] = None,
    anneal_patience: int = 1,
) -> SGDOptimizer:
    """Stochastic gradient descent, with momentum if wanted (Sutskever et al. 2013).

    learn_rate (FloatOrSeq): The learn rate; 1.0 to 30.0 for language models, 0.01 to 1.0 else.
    momentum (FloatOrSeq): How much of its velocity a step keeps; 0.9, or 0.0 for none.
    nesterov (bool): Whether the momentum is Nesterov's.
    L2 (FloatOrSeq): Weight decay; recommended 0.0 to 0.00001.
    L2_is_weight_decay (bool): Whether the decay is apart from the gradient, or a part of it.
    clip_norm (FloatOrSeq): The largest norm of the gradients of a model as a whole; recommended
        0.25 to 5.0, 0 for no limit.
    groups (Optional[Dict[str, float]]): Factors on the learn rate, as in `Adam`.
    warmup (int): For so many steps the rate rises from 0.
    anneal (Optional[float]): Factor on the learn rate whenever the loss on the development data
        has not fallen; recommended 0.25 to 0.5.
    anneal_patience (int): For how many evaluations it has to have not fallen.
    RETURNS (SGDOptimizer): The optimizer.
    RAISES (ValueError): If a setting is out of its range.
    """
    return SGDOptimizer(
        learn_rate,
        momentum=momentum,
        nesterov=nesterov,
        L2=L2,
        L2_is_weight_decay=L2_is_weight_decay,
        clip_norm=clip_norm,
        groups=groups,
        warmup=warmup,
        anneal=anneal,
        anneal_patience=anneal_patience,
    )


def NTASGD(
    learn_rate: FloatOrSeq = 30.0,
    *,
    nonmono: int = 5,
    L2: FloatOrSeq = 1.2e-6,
    L2_is_weight_decay: bool = True,
    clip_norm: FloatOrSeq = 0.25,
    groups: Optional[Dict[str, float]] = None,
    warmup: int = 0,
) -> NTASGDOptimizer:
    """Stochastic gradient descent that begins to average its weights when the loss on the
    development data does not fall any more (NT-ASGD, Merity et al. 2018). From then on the
    pipeline is evaluated and saved with the mean of the weights after each step.

    learn_rate (FloatOrSeq): The learn rate, which stays as it is; recommended 10.0 to 30.0 for
        word models with dropout.
    nonmono (int): Averaging begins when the loss is worse than the best of those more than so
        many evaluations ago; recommended 5.
    L2 (FloatOrSeq): Weight decay.
    L2_is_weight_decay (bool): Whether the decay is apart from the gradient, or a part of it.
    clip_norm (FloatOrSeq): The largest norm of the gradients of a model as a whole; recommended
        0.25, 0 for no limit.
    groups (Optional[Dict[str, float]]): Factors on the learn rate, as in `Adam`.
    warmup (int): For so many steps the rate rises from 0.
    RETURNS (NTASGDOptimizer): The optimizer.
    RAISES (ValueError): If a setting is out of its range.
    """
    return NTASGDOptimizer(
        learn_rate,
        nonmono=nonmono,
        L2=L2,
        L2_is_weight_decay=L2_is_weight_decay,
        clip_norm=clip_norm,
        groups=groups,
        warmup=warmup,
    )
