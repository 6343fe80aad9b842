"""The state that recurrent layers begin from, as a function of a vector."""

from typing import Any, Callable, List, Optional, Tuple

from thinc.api import Model
from thinc.types import Floats2d

from ..errors import Errors
from .engines.base import StateT
from .gradients import gradient_of
from .recurrent import CELLS
from .state import StatesT, carrying_layers

InT = Floats2d
OutT = StatesT


def initial_state(layers: Model[Any, Any], nI: Optional[int] = None) -> Model[InT, OutT]:
    """An affine map from a vector, such as a label's or an image's, to the initial states of all
    recurrent layers of a model: one to many (Karpathy & Fei-Fei 2015; Vinyals et al. 2015).

    Parameters: W (n_states, nI) and b (n_states,), with n_states the width of all states together.

    layers (Model): The model with the recurrent layers; it is not a part of this one.
    nI (Optional[int]): Width of the vector.
    RETURNS (Model[Floats2d, StatesT]): (n_seqs, nI) -> states, as `run` takes them.
    """
    sizes = []
    for node in carrying_layers(layers):
        if "recurrence" not in node.attrs:  # a convolution, which begins from zeros
            sizes.append([0, [], [node.attrs["n_before"], node.maybe_get_dim("nI")]])
            continue
        states = CELLS[node.attrs["recurrence"]].states
        n_before = (node.attrs["window"] - 1, node.maybe_get_dim("nI"))
        sizes.append([node.get_dim("nO"), list(states), list(n_before)])
    return Model(
        "initial_state",
        forward,
        init=init,
        dims={"nI": nI},
        params={"W": None, "b": None},
        attrs={"sizes": sizes},
    )


def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> Tuple[OutT, Callable]:
    xp, W = model.ops.xp, model.get_param("W")
    if X.shape[1] != model.get_dim("nI"):
        raise ValueError(
            Errors.E003.format(name=model.name, expected=model.get_dim("nI"), found=X.shape[1])
        )
    Y = X @ W.T + model.get_param("b")
    states: List[StateT] = []
    start = 0
    for width, keys, (n_before, nI) in model.attrs["sizes"]:
        state = {}
        for key in keys:
            state[key] = Y[:, start : start + width]
            start += width
        if n_before:
            state["x"] = xp.zeros((len(X), n_before * nI), dtype=Y.dtype)
        states.append(state)

    def backprop(d_states: OutT) -> InT:
        columns = [
            d_state[key]
            for d_state, (_, keys, _) in zip(d_states, model.attrs["sizes"])
            for key in keys
        ]
        dY = xp.concatenate(columns, axis=1)
        gradient_of(model, "W")[...] += dY.T @ X
        gradient_of(model, "b")[...] += dY.sum(axis=0)
        return dY @ W

    return states, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    if X is not None and model.has_dim("nI") is None:
        model.set_dim("nI", X.shape[1])
    if model.has_dim("nI") is None:
        raise ValueError(Errors.E004.format(name=model.name, dim="nI"))
    n_states = sum(width * len(keys) for width, keys, _ in model.attrs["sizes"])
    # Zeros: each document begins as without a vector, until training finds what helps. The maps
    # from there on are not alike, so the gradients are not either.
    model.set_param("W", model.ops.alloc2f(n_states, model.get_dim("nI")))
    model.set_param("b", model.ops.alloc1f(n_states))
