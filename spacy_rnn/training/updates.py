"""The arithmetic of the optimizers, in place and without large temporaries.

Weights, gradient and moments of a big table do not fit a processor's cache, and a pass over them
costs more than the arithmetic. Where numba works, one pass does all (`engines/numba_updates.py`).
NumPy does all that is to be done to one block of numbers after another. Arrays are flat.
"""

import math
from functools import partial
from types import ModuleType
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import numpy
from thinc.api import get_array_module

from ..layers.engines import get_engine
from ..layers.threads import get_num_threads, workers
from .gradients import BLOCK

# So many numbers are worth another thread: some 300 microseconds' work.
WORTH_A_THREAD = 4 * BLOCK


class Step(NamedTuple):
    """What all updates need to know.

    rate (float): The learn rate of these weights.
    scale (float): Factor on the gradient, by which it is clipped.
    L2 (float): Weight decay.
    decoupled (bool): Whether the weights shrink by rate * L2 (Loshchilov & Hutter 2019); or else
        L2 times the weights is added to the gradient.
    """

    rate: float
    scale: float = 1.0
    L2: float = 0.0
    decoupled: bool = True

    @property
    def keep(self) -> float:
        """What is left of the weights before the step."""
        return 1.0 - self.rate * self.L2 if self.decoupled else 1.0

    @property
    def coupled(self) -> float:
        """How much of the weights is added to the gradient."""
        return 0.0 if self.decoupled else self.L2


def sgd(weights: Any, gradient: Any, step: Step) -> None:
    """w -= rate g. The gradient is used up: it is 0 after this, and after those below."""
    _run("sgd", [weights, gradient], [step.scale, step.keep, step.coupled, step.rate])


def momentum(
    weights: Any, gradient: Any, velocity: Any, step: Step, *, momentum: float, nesterov: bool
) -> None:
    """v = momentum v + g;  w -= rate v, or rate (g + momentum v) in Nesterov's form.

    Sutskever et al. 2013, with the learn rate outside the velocity, as in PyTorch.
    """
    rates = [step.rate * momentum, step.rate] if nesterov else [step.rate, 0.0]
    numbers = [step.scale, step.keep, step.coupled, momentum, *rates]
    _run("momentum", [weights, gradient, velocity], numbers)


def adam(
    weights: Any,
    gradient: Any,
    mom1: Any,
    mom2: Any,
    step: Step,
    *,
    n_updates: int,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """Kingma & Ba 2015, algorithm 1, for the update number `n_updates`, counted from 1.

    m = beta1 m + (1 - beta1) g
    v = beta2 v + (1 - beta2) g^2
    w -= rate m / (1 - beta1^n) / (sqrt(v / (1 - beta2^n)) + eps)
    """
    # The corrections of both moments are numbers, so they go into the rate and eps.
    fix1 = 1.0 - beta1**n_updates
    fix2 = math.sqrt(1.0 - beta2**n_updates)
    rate = step.rate * fix2 / fix1
    numbers = [step.scale, step.keep, step.coupled, beta1, beta2, rate, eps * fix2]
    _run("adam", [weights, gradient, mom1, mom2], numbers)


def average(averages: Any, weights: Any, share: float) -> None:
    """average += share (w - average)"""
    _run("average", [averages, weights], [share])


def _run(name: str, arrays: List[Any], numbers: List[float]) -> None:
    """Do an update with the fastest of what there is for the arrays."""
    size = arrays[0].size
    compiled = _compiled(arrays)
    if compiled is not None:
        singles = [numpy.float32(number) for number in numbers]
        n_threads = max(1, min(get_num_threads(), size // WORTH_A_THREAD))
        share = math.ceil(size / n_threads)
        update = getattr(compiled, name)
        tasks = [
            partial(update, *[array[start : start + share] for array in arrays], *singles)
            for start in range(0, size, share)
        ]
        workers.run(tasks, n_threads)
        return
    xp = get_array_module(arrays[0])
    # On a GPU the arrays are one block.
    length = BLOCK if xp is numpy else size
    room = xp.empty_like(arrays[0][:length])
    for start in range(0, size, length):
        blocks = [array[start : start + length] for array in arrays]
        IN_BLOCKS[name](*blocks, room[: blocks[0].size], *numbers)


def _compiled(arrays: List[Any]) -> Optional[ModuleType]:
    """RETURNS (Optional[ModuleType]): The compiled updates, where they can be used."""
    if any(array.dtype != "float32" or get_array_module(array) is not numpy for array in arrays):
        return None
    if not getattr(get_engine(arrays[0]), "__name__", "").endswith(".numba_engine"):
        return None
    from ..layers.engines import numba_updates

    return numba_updates


def _sgd(W: Any, G: Any, room: Any, scale: float, keep: float, coupled: float, rate: float) -> None:
    _begin(W, G, room, scale * rate, keep, coupled * rate)
    W -= G
    G.fill(0.0)


def _momentum(
    W: Any,
    G: Any,
    V: Any,
    room: Any,
    scale: float,
    keep: float,
    coupled: float,
    momentum: float,
    rate: float,
    own_rate: float,
) -> None:
    _begin(W, G, room, scale, keep, coupled)
    V *= momentum
    V += G
    get_array_module(W).multiply(V, rate, out=room)
    W -= room
    if own_rate:
        G *= own_rate
        W -= G
    G.fill(0.0)


def _adam(
    W: Any,
    G: Any,
    M: Any,
    V: Any,
    room: Any,
    scale: float,
    keep: float,
    coupled: float,
    beta1: float,
    beta2: float,
    rate: float,
    eps: float,
) -> None:
    xp = get_array_module(W)
    share1, share2 = 1.0 - beta1, 1.0 - beta2
    _begin(W, G, room, scale * share1, keep, coupled * share1)
    M *= beta1
    M += G
    # The square of what was scaled by share1
    G *= G
    G *= share2 / share1**2
    V *= beta2
    V += G
    xp.sqrt(V, out=room)
    room += eps
    xp.divide(M, room, out=room)
    room *= rate
    W -= room
    G.fill(0.0)


def _average(A: Any, W: Any, room: Any, share: float) -> None:
    get_array_module(W).subtract(W, A, out=room)
    room *= share
    A += room


def _begin(W: Any, G: Any, room: Any, scale: float, keep: float, coupled: float) -> None:
    """Scale the gradient, add the part of the weights that belongs to it, and let them decay."""
    if scale != 1.0:
        G *= scale
    if coupled:
        get_array_module(W).multiply(W, coupled, out=room)
        G += room
    if keep != 1.0:
        W *= keep


IN_BLOCKS: Dict[str, Callable[..., None]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "adam": _adam,
    "average": _average,
}
