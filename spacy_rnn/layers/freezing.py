"""Frozen layers: they learn nothing, and at the beginning of a model they cost no backward pass.

A frozen node keeps its own forward function in `attrs["frozen"]`, and runs by one that drops the
gradients of its parameters. As Thinc saves no functions, a model that is saved with frozen layers
is loaded with none: being frozen is of a training, not of a model.

What is computed by frozen layers alone needs no gradient. Our layers mark it (`constant`): what is
above a mark computes no gradient for it, and what is frozen itself keeps nothing for the way back.
"""

from typing import Any, Callable, Iterator, List, Tuple, TypeVar

from thinc.api import Model, Ops
from thinc.types import Ragged

FROZEN = "frozen"
RaggedT = TypeVar("RaggedT", bound=Ragged)


def freeze(model: Model[Any, Any]) -> None:
    """Let all layers beneath a model keep their parameters as they are. Gradients that have been
    gathered are dropped, so that no optimizer sees the parameters.

    model (Model): A model of any kind, or one layer. Changed in place.
    """
    for node in _learners(model):
        if FROZEN not in node.attrs:
            node.attrs[FROZEN] = node._func
            node.replace_callbacks(forward, init=node.init)
        drop_gradients(node)


def thaw(model: Model[Any, Any], *, deep: bool = True) -> None:
    """Let all layers beneath a model learn again.

    model (Model): Changed in place.
    deep (bool): Whether its layers thaw too, or the node alone.
    """
    for node in _learners(model) if deep else [model]:
        if FROZEN in node.attrs:
            node.replace_callbacks(node.attrs.pop(FROZEN), init=node.init)


def is_frozen(model: Model[Any, Any]) -> bool:
    """RETURNS (bool): Whether there are parameters beneath, and all of them are frozen."""
    states = [FROZEN in node.attrs for node in _learners(model)]
    return bool(states) and all(states)


def frozen_prefix(layers: List[Model[Any, Any]]) -> int:
    """Find the layers below the first one that learns.

    layers (List[Model]): Layers that run one after another.
    RETURNS (int): How many from the input on are frozen. Layers without parameters count if there
        is a frozen one below; so dropout right above the last one does, as it needs no gradient.
    """
    n_frozen = 0
    for i, layer in enumerate(layers):
        if is_frozen(layer):
            n_frozen = i + 1
        elif any(_learners(layer)):
            break
        elif n_frozen:
            n_frozen = i + 1
    return n_frozen


def drop_gradients(model: Model[Any, Any]) -> None:
    """Forget the gradients of the layers beneath a model that are frozen. Zeros would not do: to an
    optimizer they are gradients, for which it counts steps and shrinks weights.

    model (Model): Changed in place.
    """
    for node in _learners(model):
        if FROZEN not in node.attrs:
            continue
        for name in node.param_names:
            node._params._grads.pop((node.id, name), None)
        for shim in node.shims:
            # That of a module of PyTorch, after which its parameters have no gradient.
            zero_grad = getattr(shim._model, "zero_grad", None)
            if zero_grad is not None:
                zero_grad()


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> Tuple[Any, Callable]:
    """Run a frozen node of any kind. The gradient goes through it, and leaves nothing there."""
    Y, backprop = model.attrs[FROZEN](model, X, is_train=is_train)
    if not is_train:
        return Y, backprop

    def backprop_input(dY: Any) -> Any:
        dX = backprop(dY)
        drop_gradients(model)
        return dX

    return Y, backprop_input


def has_parameters(node: Model[Any, Any]) -> bool:
    """RETURNS (bool): Whether a node has parameters of its own, Thinc's or another framework's."""
    return bool(node.param_names or node.shims)


def constant(Xr: RaggedT, when: bool = True) -> RaggedT:
    """Mark rows that depend on nothing that learns, so that no gradient is computed for them.

    Xr (Ragged): The rows.
    when (bool): Whether to mark them.
    RETURNS (Ragged): The same.
    """
    if when:
        Xr.is_constant = True  # type: ignore[attr-defined]
    return Xr


def is_constant(Xr: Ragged) -> bool:
    """RETURNS (bool): Whether rows are marked so."""
    return bool(getattr(Xr, "is_constant", False))


def no_gradient(ops: Ops, Xr: Ragged, width: int) -> Ragged:
    """What stands for the gradient of constant rows, for layers that pass it on or add to it.

    RETURNS (Ragged): (n_rows, width) Zeros; the rows themselves if they are numbers of units, (n,),
        which have no gradient.
    """
    if Xr.dataXd.ndim == 1:
        return Xr
    return Ragged(ops.alloc2f(Xr.dataXd.shape[0], width), Xr.lengths)


def _learners(model: Model[Any, Any]) -> Iterator[Model[Any, Any]]:
    """RETURNS (Iterator[Model]): The nodes that have parameters."""
    return filter(has_parameters, model.walk())
