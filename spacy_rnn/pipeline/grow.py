"""Add units to a trained language model."""

from typing import Any, Iterable

import numpy
from thinc.api import Model

from ..errors import Errors
from ..layers.adaptive_softmax import check_vocabulary_size, cluster_bounds
from ..models.lm_parts import embedding_of, parts, set_vocabulary, vocabulary_of
from ..models.vocabulary import UNKNOWN


def grow_model(name: str, model: Model[Any, Any], units: Iterable[str]) -> None:
    """Put units behind those that a model knows. A new one begins as the unknown one, and as less
    probable than any other.

    name (str): Name of the component.
    model (Model): A language model that is initialized.
    units (Iterable[str]): Those that it knows are left out.
    RAISES (ValueError): For a model of subwords.
    """
    old = vocabulary_of(model)
    if old.kind == "subword":
        raise ValueError(Errors.E070.format(name=name))
    new = old.grown(units)
    n_new = len(new) - len(old)
    if not n_new:
        return
    output, embed = parts(model).output, embedding_of(model)
    if output.name == "adaptive_softmax":
        check_vocabulary_size(output, len(old), len(new))
        last = len(cluster_bounds(output)) - 2
        if output.has_param(f"W{last}"):
            _add_rows(output, f"W{last}", n_new, None)
    _add_rows(embed, "E", n_new, UNKNOWN)
    if output.has_param("W") and len(output.get_param("W")) == len(old):
        _add_rows(output, "W", n_new, UNKNOWN)
    b = output.get_param("b")
    least = numpy.full(n_new, float(b.min()) - 1.0, dtype="float32")
    output.set_param("b", output.ops.xp.concatenate([b, output.ops.asarray(least)]))
    _drop_gradients(output)
    set_vocabulary(model, new)


def _add_rows(node: Model[Any, Any], param: str, n_rows: int, like: Any) -> None:
    """Put rows behind a table's: copies of one of them, or of their mean."""
    table: Any = node.get_param(param)
    first = table.mean(axis=0) if like is None else table[like]
    rows = node.ops.xp.repeat(first[None], n_rows, axis=0)
    node.set_param(param, node.ops.xp.concatenate([table, rows]))
    _drop_gradients(node)


def _drop_gradients(node: Model[Any, Any]) -> None:
    for param in node.param_names:
        if node.has_grad(param):
            node.set_grad(param, node.ops.xp.zeros_like(node.get_param(param)))
