"""Watch what the recurrent layers of a model read, wherever they stand in it."""

import copy
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..errors import Errors
from .bidirectional import forward as read_both_ways
from .engines.base import StateT
from .recurrent import can_share_loop
from .state import StatesT, current_carry, recurrent_layers, run


class Reading(NamedTuple):
    """What a recurrent layer has read.

    name (str): What tells it from other layers of its model.
    layer (Model[Ragged, Ragged]): The layer.
    rows (List[Floats2d]): (n_steps, nI) for each sequence, in the order in which they are read:
        from the end, if that is how the layer reads.
    states (List[Optional[StateT]]): (1, nO) each, what each sequence begins from; None for the
        layer's initial state.
    """

    name: str
    layer: Model[Ragged, Ragged]
    rows: List[Floats2d]
    states: List[Optional[StateT]]


class Observer:
    """Runs a model, and takes down what its recurrent layers read.

    model (Model): The model. What is run is a view of it: a new node for each recurrent layer and
        for those around it, which shares its weights with the old one.
    RAISES (ValueError): E024 if a recurrent layer has no weights.
    """

    def __init__(self, model: Model[Any, Any]) -> None:
        for node in recurrent_layers(model):
            if not node.has_param("Wx"):
                raise ValueError(Errors.E024.format(name=node.name))
        # By the id of the layer: (layer, rows of each sequence, the state they began from).
        self._calls: Dict[int, List[Tuple[Model, List[Floats2d], Optional[StateT]]]] = {}
        self._found: Dict[int, Reading] = {}
        self._levels: Dict[int, Tuple[int, str]] = {}
        self._n_levels = 0
        self.model = self._view(model, {})

    def read(self, X: Any, state: Optional[StatesT] = None) -> None:
        """Run the model over one sequence, or one doc.

        X: What the model takes, with a single sequence in it.
        state (Optional[StatesT]): What it begins from.
        """
        self._calls = {}
        if state is None:
            self.model.predict(X)
        else:
            run(self.model, X, state)
        for key, calls in self._calls.items():
            layer = calls[0][0]
            reading = self._found.setdefault(key, Reading("", layer, [], []))
            if _is_one_sequence(layer, calls):
                parts = [rows[0] for _, rows, _ in calls]
                reading.rows.append(layer.ops.xp.concatenate(parts))
                reading.states.append(calls[0][2])
                continue
            for _, rows, given in calls:
                reading.rows.extend(rows)
                reading.states.extend(_by_sequence(given, len(rows)))

    def readings(self) -> List[Reading]:
        """RETURNS (List[Reading]): What each layer has read so far, in the order in which they
        ran."""
        keys = list(self._found)
        places = [self._levels[key] for key in keys]
        n_levels = len({level for level, _ in places})
        names = []
        for key, (level, direction) in zip(keys, places):
            name = self._found[key].layer.name
            if "." not in name:  # else it says itself which one it is
                name += f" {level}" if n_levels > 1 else ""
                name += f" {direction}" if direction else ""
            names.append(name)
        return [self._found[key]._replace(name=name) for key, name in zip(keys, names)]

    def _view(self, node: Model[Any, Any], seen: Dict[int, Any]) -> Model[Any, Any]:
        if id(node) in seen:
            return cast(Model, seen[id(node)])
        if not recurrent_layers(node):
            return node
        # It shares the weights, and the id, by which `run` knows layers.
        view = seen[id(node)] = copy.copy(node)
        view._layers = [self._view(layer, seen) for layer in node.layers]
        view._refs = {name: seen.get(id(ref), ref) for name, ref in node._refs.items()}
        shared = node._func is read_both_ways and can_share_loop(node.layers)
        if shared or "recurrence" in node.attrs:
            view._func = self._watched(node, shared)
        return view

    def _watched(self, node: Model[Any, Any], shared: bool) -> Callable:
        """RETURNS (Callable): The forward function of the node, which takes down what it reads."""
        halves = list(zip(node.layers, ("forward", "backward"))) if shared else [(node, "")]

        def forward(model: Model[Any, Any], Xr: Ragged, is_train: bool) -> Any:
            if halves[0][0].id not in self._levels:
                self._n_levels += 1
            carry = current_carry()
            for layer, direction in halves:
                self._levels.setdefault(layer.id, (self._n_levels, direction))
                given = None if carry is None else carry.initial.get(layer.id)
                rows = _sequences(layer, Xr, is_reversed=direction == "backward")
                self._calls.setdefault(layer.id, []).append((layer, rows, given))
            return node._func(model, Xr, is_train)

        return forward


def _is_one_sequence(layer: Model[Any, Any], calls: Sequence[Any]) -> bool:
    """Whether these calls read pieces of one sequence: each but the first goes on from a state."""
    goes_on = all(given is not None for _, _, given in calls[1:])
    return goes_on and all(len(rows) == 1 for _, rows, _ in calls)


def _by_sequence(state: Optional[StateT], n_seqs: int) -> List[Optional[StateT]]:
    if state is None:
        return [None] * n_seqs
    return [{key: value[i : i + 1] for key, value in state.items()} for i in range(n_seqs)]


def _sequences(layer: Model[Any, Any], Xr: Ragged, *, is_reversed: bool) -> List[Floats2d]:
    """RETURNS (List[Floats2d]): Copies, as a model may use its memory again."""
    xp, nI = layer.ops.xp, layer.get_dim("nI")
    X = xp.array(Xr.dataXd, dtype=layer.get_param("Wx").dtype).reshape(-1, nI)
    parts = xp.split(X, numpy.cumsum(Xr.lengths.tolist())[:-1].tolist()) if len(Xr.lengths) else []
    return [xp.ascontiguousarray(part[::-1]) if is_reversed else part for part in parts]
