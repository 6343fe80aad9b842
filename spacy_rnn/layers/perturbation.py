"""Move embedded rows to where the loss is higher, and learn from there: adversarial training.

T. Miyato, A. Dai and I. Goodfellow (2017), "Adversarial training methods for semi-supervised text
classification" (ICLR): the rows of a text are moved by r = norm * g / |g|, where g is the gradient
of the text's loss with respect to them. There the embeddings are normalized first, to a mean of 0
and a variance of 1, or a network would only have to make them large. Here they stay what they are,
and the move is measured by how large they are.
"""

from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple, cast

import numpy
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d, Ragged

from ..errors import Errors
from .ragged import to_list, to_ragged

# How the rows of a run are to be moved, (n_rows, width); None if no gradient got there.
MoveT = Optional[Floats2d]


class Adversary:
    """Runs layers twice: once to see where the loss rises, once with their outputs moved there.

    layers (Sequence[Model]): Layers that embed: with rows for their output, as a Ragged or as a
        list of arrays. They run in the same order both times.
    norm (float): How far the rows of each text are moved, all of them together, in root mean
        squares of the numbers of the batch's rows.
    """

    def __init__(self, layers: Sequence[Model[Any, Any]], norm: float) -> None:
        self.norm = norm
        self._layers = list({layer.id: layer for layer in layers}.values())
        # Of one run of a layer each.
        self._moves: List[MoveT] = []

    @property
    def has_moves(self) -> bool:
        """RETURNS (bool): Whether a gradient got to any of the layers: not in the first step of a
        network whose output begins as zeros."""
        return any(move is not None for move in self._moves)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within this, layers that are run in training take down the gradient of their output."""
        self._moves = []
        with self._in_place_of_layers(self._watch):
            yield

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Within this, layers that are run in training have their outputs moved, as far as there
        was a gradient.

        RAISES (ValueError): If they run otherwise than while they were watched: once more, or with
            other rows.
        """
        moves = iter(self._moves)
        names = ", ".join(layer.name for layer in self._layers)

        def move(Yr: Ragged, callback: Callable) -> Tuple[Ragged, Callable]:
            try:
                step = next(moves)
            except StopIteration:
                found = f"one run more than the {len(self._moves)} before"
                raise ValueError(Errors.E175.format(names=names, found=found)) from None
            if step is None:
                return Yr, callback
            if step.shape != Yr.dataXd.shape:
                found = f"rows of the shape {Yr.dataXd.shape} instead of {step.shape}"
                raise ValueError(Errors.E175.format(names=names, found=found))
            return Ragged(cast(Any, Yr.dataXd) + step, Yr.lengths), callback

        with self._in_place_of_layers(move):
            yield

    def _watch(self, Yr: Ragged, callback: Callable) -> Tuple[Ragged, Callable]:
        ops, shape, lengths = self._layers[0].ops, Yr.dataXd.shape, Yr.lengths
        # Now, as the rows' memory may be that of others when the gradient comes.
        scale = self.norm * root_mean_square(cast(Floats2d, Yr.dataXd))
        place = len(self._moves)
        self._moves.append(None)

        def backprop(dY: Any) -> Any:
            gradient = cast(Any, to_ragged(ops, dY).dataXd).reshape(shape)
            if gradient.any():
                self._moves[place] = direction(ops, gradient, lengths) * scale
            return callback(dY)

        return Yr, backprop

    @contextmanager
    def _in_place_of_layers(self, change: Callable) -> Iterator[None]:
        forwards = [layer._func for layer in self._layers]
        try:
            for layer, forward in zip(self._layers, forwards):
                layer.replace_callbacks(_changed(forward, change), init=layer.init)
            yield
        finally:
            for layer, forward in zip(self._layers, forwards):
                layer.replace_callbacks(forward, init=layer.init)


def _changed(forward: Callable, change: Callable) -> Callable:
    """RETURNS (Callable): A forward function whose rows, and what takes their gradient, are
    replaced in training."""

    def run(model: Model[Any, Any], X: Any, is_train: bool) -> Tuple[Any, Callable]:
        Y, callback = forward(model, X, is_train)
        if not is_train:
            return Y, callback
        Yr = to_ragged(model.ops, Y)
        new, backprop = change(Yr, callback)
        if new is Yr:
            return Y, backprop
        return (new if isinstance(Y, Ragged) else to_list(new, new.dataXd.shape[1])), backprop

    return run


def direction(ops: Ops, rows: Floats2d, lengths: Ints1d) -> Floats2d:
    """Scale the rows of each sequence to a norm of 1, all of them together.

    rows (Floats2d): (n_rows, width)
    lengths (Ints1d): (n_seqs,)
    RETURNS (Floats2d): (n_rows, width) A new array. Sequences of zeros stay so.
    """
    if not rows.size:
        return cast(Floats2d, ops.xp.zeros_like(rows))
    # In double precision: squares of gradients are easily too small for single precision.
    squares = ops.xp.multiply(rows, rows, dtype="float64").sum(axis=1, keepdims=True)
    norms = ops.xp.sqrt(ops.reduce_sum(squares, lengths))
    factors = 1.0 / ops.xp.where(norms > 0.0, norms, 1.0)
    scaled: Any = rows * ops.backprop_reduce_sum(factors, lengths)
    return cast(Floats2d, scaled.astype(rows.dtype))


def root_mean_square(rows: Floats2d) -> float:
    """RETURNS (float): That of all numbers; 0 if there are none."""
    return float(numpy.sqrt(float((rows**2).mean()))) if rows.size else 0.0
