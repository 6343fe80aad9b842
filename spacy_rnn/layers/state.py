"""Carry the hidden state of a model from one call to the next.

`run` works on any Thinc model that contains recurrent layers, however they are composed: the
layers find the state that they begin from, and leave the one that they end with, in a context
variable. One mechanism serves truncated backpropagation through time, streaming and
generation.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Callable, Dict, Generic, Iterator, List, Optional, Tuple, TypeVar

from thinc.api import Model

from ..errors import Errors
from .engines.base import StateT

InT = TypeVar("InT")
OutT = TypeVar("OutT")
# One entry for each layer that carries a state, in the order of model.walk(), such as
# {"h": (n_seqs, nO)}
StatesT = List[StateT]


class Carry:
    """States and their gradients during one run, by the id of the layer."""

    def __init__(self) -> None:
        self.initial: Dict[int, StateT] = {}
        self.final: Dict[int, StateT] = {}
        self.d_initial: Dict[int, StateT] = {}
        self.d_final: Dict[int, StateT] = {}


_carry: ContextVar[Optional[Carry]] = ContextVar("spacy_rnn_carry", default=None)
_masks: ContextVar[Optional[Dict[int, Any]]] = ContextVar("spacy_rnn_masks", default=None)


def current_carry() -> Optional[Carry]:
    """RETURNS (Optional[Carry]): That of the `run` we are in, if any."""
    return _carry.get()


@contextmanager
def without_carry() -> Iterator[None]:
    """Let the layers within the block begin anew, also in a `run`, which keeps no state of theirs:
    what they read are not the run's sequences, but parts of these, such as the words of a text."""
    token = _carry.set(None)
    try:
        yield
    finally:
        _carry.reset(token)


@contextmanager
def kept_masks() -> Iterator[None]:
    """Let each layer within the block drop the same of the hidden state in all runs: they read the
    same sequences step by step, of which the last ones may end before the others."""
    token = _masks.set({})
    try:
        yield
    finally:
        _masks.reset(token)


def drawn_mask(layer: Model[Any, Any], n_seqs: int, draw: Callable[[], Any]) -> Any:
    """RETURNS (Floats2d): (n_seqs, nO) What a layer multiplies its hidden state by: drawn, or what
    was drawn before within `kept_masks`."""
    masks = _masks.get()
    if masks is None:
        return draw()
    if layer.id not in masks:
        masks[layer.id] = draw()
    return masks[layer.id][:n_seqs]


def recurrent_layers(model: Model[Any, Any]) -> List[Model[Any, Any]]:
    """RETURNS (List[Model]): The recurrent layers, in the order of model.walk()."""
    return [node for node in model.walk() if "recurrence" in node.attrs]


def carrying_layers(model: Model[Any, Any]) -> List[Model[Any, Any]]:
    """RETURNS (List[Model]): The layers that have an entry in a state, in the order of
    model.walk(): the recurrent ones, and convolutions that look back."""
    return [node for node in model.walk() if {"recurrence", "carries"} & node.attrs.keys()]


class Backprop(Generic[InT, OutT]):
    """The callback of `run`.

    Called with dY it returns dX: gradients end at the initial state, as truncated
    backpropagation through time has it. `through_state` goes on into the piece before.
    """

    def __init__(self, model: Model[InT, OutT], callback: Any, carry: Carry) -> None:
        self._layers = carrying_layers(model)
        self._callback = callback
        self._carry = carry

    def __call__(self, dY: OutT) -> InT:
        return self.through_state(dY, None)[0]

    def through_state(self, dY: OutT, d_state: Optional[StatesT]) -> Tuple[InT, StatesT]:
        """
        dY: Gradient of the output.
        d_state (Optional[StatesT]): Gradient of the state that the run ended with.
        RETURNS (Tuple[InT, StatesT]): Gradients of the input and of the initial state.
        """
        if d_state is not None:
            _check_count(self._layers, d_state)
            self._carry.d_final = {n.id: d for n, d in zip(self._layers, d_state)}
        dX = self._callback(dY)
        self._carry.d_final = {}
        return dX, [self._carry.d_initial.get(n.id, {}) for n in self._layers]


def run(
    model: Model[InT, OutT],
    X: InT,
    state: Optional[StatesT] = None,
    is_train: bool = False,
) -> Tuple[OutT, StatesT, Backprop[InT, OutT]]:
    """Run a model from a given hidden state.

    Reading a text in pieces, each from the state that the last one ended with, gives what
    reading it whole does. In a bidirectional layer the state of the backward half is that at
    the start of the piece, so there the pieces differ from the whole.

    model (Model): A recurrent layer, a stack of them, an encoder, or any model around them.
    X: What the model takes.
    state (Optional[StatesT]): For each recurrent layer, in the order of model.walk(), a
        dictionary of "h" or "c" or both with (n_seqs, nO) each, in the order of the sequences, and
        of "x" with (n_seqs, (window-1)*nI) for a layer that reads a window of several inputs; a
        convolution that looks back has an entry with its "x" as well. None begins from the layers'
        initial state.
    is_train (bool): Whether dropout is on and the callback may be used.
    RETURNS (Tuple[OutT, StatesT, Backprop]): The output, the state after the last step of each
        sequence, and the callback for the gradients.
    RAISES (ValueError): E182 for a model that reads whole texts only.
    """
    for node in model.walk():
        if node.attrs.get("reads_whole"):
            raise ValueError(Errors.E182.format(name=node.name))
    layers = carrying_layers(model)
    carry = Carry()
    if state is not None:
        _check_count(layers, state)
        carry.initial = {node.id: entry for node, entry in zip(layers, state)}
    token = _carry.set(carry)
    try:
        Y, callback = model(X, is_train)
    finally:
        _carry.reset(token)
    final = [carry.final.get(node.id, {}) for node in layers]
    return Y, final, Backprop(model, callback, carry)


def _check_count(layers: List[Model[Any, Any]], state: StatesT) -> None:
    if len(state) != len(layers):
        raise ValueError(Errors.E007.format(expected=len(layers), found=len(state)))
