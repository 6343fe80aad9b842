"""Add up the gradients of weights over many calls, where an engine can do so while it is at it.

A decoder calls its layers once for each unit that it writes. To lay out the gradient of the weights
as these are, and to add it to what is there, takes as long as a step itself does.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from .base import Direction, GradsT

KeyT = Tuple[int, ...]


class Sums:
    """Sums of gradients, in whatever form an engine keeps them."""

    def __init__(self) -> None:
        # The weights too, as they are known by their place in memory, which must not be reused.
        self._kept: Dict[KeyT, Tuple[Direction, List[Any], Callable[[Any], GradsT]]] = {}
        self._owners: Dict[KeyT, Callable[[GradsT], None]] = {}

    def take(
        self,
        direction: Direction,
        share: int,
        make: Callable[[], Any],
        restore: Callable[[Any], GradsT],
    ) -> Any:
        """For an engine: the sum that the gradients of a direction's weights are to be added to.

        direction (Direction): With the weights.
        share (int): The number of the thread's share, which has a sum of its own.
        make (Callable): Makes a sum that is 0.
        restore (Callable): From a sum to gradients in the form of the weights.
        RETURNS (Any): What `make` returned the first time.
        """
        _, sums, _ = self._kept.setdefault(_key(direction), (direction, [], restore))
        while len(sums) <= share:
            sums.append(make())
        return sums[share]

    def give(self, direction: Direction, add: Callable[[GradsT], None]) -> None:
        """For a layer: where the sum is to be added in the end."""
        self._owners[_key(direction)] = add

    def finish(self) -> None:
        """Hand over all sums."""
        for key, (_, sums, restore) in self._kept.items():
            for each in sums:
                self._owners[key](restore(each))


def _key(direction: Direction) -> KeyT:
    return tuple(id(weights) for weights in direction.weights.values())


_sums: ContextVar[Optional[Sums]] = ContextVar("spacy_rnn_sums", default=None)


def current_sums() -> Optional[Sums]:
    """RETURNS (Optional[Sums]): Those of the block we are in, if any."""
    return _sums.get()


@contextmanager
def summed_gradients() -> Iterator[None]:
    """Within the block, callbacks of recurrent layers may keep the gradients of the weights; at its
    end these are added to the layers'. The weights must stay the same."""
    sums = Sums()
    token = _sums.set(sums)
    try:
        yield
    finally:
        _sums.reset(token)
    sums.finish()
