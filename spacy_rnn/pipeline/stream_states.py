"""The hidden states of parallel streams of text, from one update to the next."""

from typing import Any, Dict, List, NamedTuple, Optional

from thinc.api import Ops

from ..layers.engines.base import StateT
from ..layers.state import StatesT


class Position(NamedTuple):
    """Where a stream stands.

    serial (int): Number of the window that was read last.
    unit (int): The last unit that was read.
    state (List[Dict[str, Floats1d]]): (nO,) each, the state after it.
    """

    serial: int
    unit: int
    state: List[Dict[str, Any]]


class StreamStates:
    """Which state each stream has, by the run of the batcher and the number of the stream. States
    are never saved with a model."""

    def __init__(self) -> None:
        self._run = -1
        self._positions: Dict[int, Position] = {}

    def __reduce__(self) -> Any:
        return StreamStates, ()

    def __len__(self) -> int:
        """RETURNS (int): How many streams are known."""
        return len(self._positions)

    def clear(self) -> None:
        """Forget all states, so that all streams begin anew."""
        self._positions.clear()

    def get(self, run: int, stream: int, serial: int) -> Optional[Position]:
        """RETURNS (Optional[Position]): Where the stream stands before this window; None if the
        window before it has not been read."""
        position = self._positions.get(stream) if run == self._run else None
        return position if position is not None and position.serial == serial - 1 else None

    def put(self, run: int, stream: int, position: Position) -> None:
        """Tell where a stream stands now. With the first window of a run, those before it are
        over."""
        if run != self._run:
            self._run, self._positions = run, {}
        self._positions[stream] = position


def gather(ops: Ops, initial: StatesT, given: List[Optional[Position]]) -> StatesT:
    """The states that sequences begin from.

    initial (StatesT): (n_seqs, nO) each: what new sequences begin from. It is not changed.
    given (List[Optional[Position]]): (n_seqs,) Of the others, where their streams stand.
    RETURNS (StatesT): (n_seqs, nO) each.
    """
    rows = [i for i, position in enumerate(given) if position is not None]
    states: StatesT = []
    for layer, start in enumerate(initial):
        state: StateT = {}
        for key, first in start.items():
            whole = first.copy()
            for i in rows:
                position = given[i]
                assert position is not None
                whole[i] = position.state[layer][key]
            state[key] = whole
        states.append(state)
    return states


def row(state: StatesT, i: int) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Floats1d]]): The state of one sequence."""
    return [{key: values[i].copy() for key, values in entry.items()} for entry in state]
