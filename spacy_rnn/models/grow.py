"""Give a trained language model another vocabulary, and keep what it has learned."""

from typing import Any, Iterable

from thinc.api import Model

from ..errors import Errors
from ..layers.adaptive_softmax import check_vocabulary_size, cluster_bounds
from ..layers.gradients import renew_gradients
from .lm_parts import embedding_of, parts, set_vocabulary, vocabulary_of
from .vocabulary import UNKNOWN, Vocabulary, match_units


def grow_model(name: str, model: Model[Any, Any], units: Iterable[str]) -> None:
    """Put units behind those that a model knows. A new one begins as the unknown one, and as less
    probable than any other.

    name (str): Name of the component.
    model (Model): A language model that is initialized.
    units (Iterable[str]): Those that it knows are left out.
    RAISES (ValueError): For a model of subwords, or beyond a cutoff of the adaptive softmax.
    """
    old = vocabulary_of(model)
    if old.kind == "subword":
        raise ValueError(Errors.E070.format(name=name))
    new = old.grown(units)
    if len(new) == len(old):
        return
    output = parts(model).output
    if output.name == "adaptive_softmax":
        check_vocabulary_size(output, len(old), len(new))
        _grow_last_cluster(output, len(new) - len(old))
    remap_rows(model, old, new)
    set_vocabulary(model, new)


def remap_rows(model: Model[Any, Any], old: Vocabulary, new: Vocabulary) -> None:
    """Bring the rows of all tables that have one for each unit into the order of another
    vocabulary: by the units' strings, never by their numbers.

    model (Model): A language model.
    old, new (Vocabulary): Of the tables as they are, and as they are to be.
    """
    output, embed = parts(model).output, embedding_of(model)
    _remap(embed, "E", old, new)
    if output.has_param("W") and len(output.get_param("W")) == len(old):
        _remap(output, "W", old, new)
    # With the least bias of all, new units take hardly anything from the others at first.
    least = float(output.get_param("b").min()) - 1.0
    _remap(output, "b", old, new, least)
    renew_gradients(embed)
    renew_gradients(output)


def _remap(
    node: Model[Any, Any], param: str, old: Vocabulary, new: Vocabulary, fill: Any = None
) -> None:
    """Rows of new units are filled with a number, or as that of the unknown one."""
    xp, table = node.ops.xp, node.get_param(param)
    new_rows, old_rows = (xp.asarray(rows) for rows in match_units(old, new))
    first: Any = table[UNKNOWN] if fill is None else xp.asarray(fill, dtype=table.dtype)
    remapped = xp.repeat(first[None], len(new), axis=0)
    remapped[new_rows] = table[old_rows]
    node.set_param(param, remapped)


def _grow_last_cluster(output: Model[Any, Any], n_rows: int) -> None:
    """Put rows behind the weights of the last cluster, if it has some of its own."""
    param = f"W{len(cluster_bounds(output)) - 2}"
    if output.has_param(param):
        table: Any = output.get_param(param)
        xp = output.ops.xp
        rows = xp.repeat(table.mean(axis=0, keepdims=True), n_rows, axis=0)
        output.set_param(param, xp.concatenate([table, rows]))
