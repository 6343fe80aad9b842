"""The gradients of a model as a whole: their names, their norm, and how to throw them away. And how
the gradient of a cross-entropy gets into a model."""

import math
from typing import Any, Iterable, Iterator, List, NamedTuple, Tuple

import numpy
from thinc.api import Model, get_array_module
from thinc.types import Floats2d, FloatsXd

KeyT = Tuple[int, str]

# Numbers that a processor's cache holds beside their moments; see `updates.py`.
BLOCK = 65536


class Parameter(NamedTuple):
    """One array of weights of a model."""

    key: KeyT
    node: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.node}/{self.name}"


def parameters(model: Model) -> Iterator[Parameter]:
    """RETURNS (Iterator[Parameter]): Those of all layers; layers that are shared come once."""
    for node in model.walk():
        for name in node.param_names:
            yield Parameter((node.id, name), node.name, name)


def count_parameters(model: Model) -> int:
    """RETURNS (int): How many numbers the arrays of a model have that are there already."""
    return sum(
        node.get_param(name).size
        for node in model.walk()
        for name in node.param_names
        if node.has_param(name)
    )


def gradients(model: Model) -> Iterator[Tuple[Parameter, FloatsXd]]:
    """RETURNS (Iterator[Tuple[Parameter, FloatsXd]]): The parameters that have a gradient."""
    for node in model.walk():
        for name in node.param_names:
            if node.has_grad(name):
                yield Parameter((node.id, name), node.name, name), node.get_grad(name)


def scale_gradients(model: Model, factor: float) -> None:
    """Multiply all gradients of a model by a number, in place."""
    for _, gradient in gradients(model):
        gradient *= factor


def global_norm(arrays: Iterable[Any]) -> float:
    """The Euclidean norm of all numbers of some arrays.

    arrays (Iterable[FloatsXd]): Arrays of any shape, all on one device. They are not copied.
    RETURNS (float): The norm; infinite or not a number if one of the numbers is.
    """
    on_cpu = 0.0
    on_gpu: List[Any] = []
    for array in arrays:
        flat = array.reshape(-1)
        xp = get_array_module(flat)
        if xp is numpy:
            on_cpu += _sum_of_squares(flat)
        elif flat.size:
            # In double precision; and sums stay on the device until all are there.
            on_gpu.append(xp.multiply(flat, flat, dtype="float64").sum())
    if on_gpu:
        on_cpu += float(get_array_module(on_gpu[0]).stack(on_gpu).sum())
    return math.sqrt(on_cpu) if on_cpu >= 0.0 else math.nan


def _sum_of_squares(flat: numpy.ndarray) -> float:
    """Of an array in main memory, block by block, so that the sum loses no digits."""
    total = 0.0
    # The square of a number above 1e19 is infinite in single precision, which is no error here.
    with numpy.errstate(over="ignore", invalid="ignore"):
        for start in range(0, flat.size, BLOCK):
            block = flat[start : start + BLOCK]
            squares = float(numpy.dot(block, block))
            if not math.isfinite(squares):
                double = block.astype("float64")
                squares = float(numpy.dot(double, double))
            total += squares
    return total


def discard(model: Model) -> None:
    """Set all gradients of a model to zero, those that are no numbers as well."""
    for node in model.walk():
        for shim in node.shims:
            shim.finish_update(_discard_one)
    for _, gradient in gradients(model):
        gradient.fill(0.0)


def _discard_one(key: Any, weights: FloatsXd, gradient: FloatsXd) -> Tuple[FloatsXd, FloatsXd]:
    """What stands in for an optimizer, where a layer of another framework has the gradients."""
    gradient.fill(0.0)
    return weights, gradient


def output_gradient(model: Model[Any, Any], d_logits: Floats2d, scores: Floats2d) -> Floats2d:
    """What a model's callback needs in order to pass the gradient of the logits on.

    Thinc's `Softmax` takes that gradient itself. Its `softmax_activation` and `Logistic`, which
    end some of spaCy's classifiers, multiply by their derivative, so that is divided out.
    """
    if model.attrs.get("gradient_of") == "logits":
        return d_logits
    xp = model.ops.xp
    node: Model[Any, Any] = model
    while node.layers:
        # What makes a list of the rows again is no activation.
        ends = [layer for layer in node.layers if layer.name != "ragged2list"]
        node = ends[-1] if ends else node.layers[-1]
    if node.name == "softmax_activation":
        return d_logits / xp.maximum(scores, 1e-6)
    if node.name == "logistic":
        return d_logits / xp.maximum(scores * (1.0 - scores), 1e-6)
    return d_logits
