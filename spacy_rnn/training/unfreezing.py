"""Thaw the layers of a model one after the other, from the output to the input."""

import warnings
import weakref
from fnmatch import fnmatchcase
from typing import Any, Callable, Dict, List, Optional, cast

from spacy.language import Language
from spacy.pipeline.tok2vec import Tok2Vec, Tok2VecListener
from thinc.api import Model

from ..errors import Errors, Warnings, number_error
from ..layers.freezing import freeze, has_parameters, thaw
from ..models.lm_parts import parts

GroupT = List[Model[Any, Any]]
UNITS = ("epoch", "step")


def gradual_unfreezing(
    component: str = "textcat",
    groups: Optional[List[List[str]]] = None,
    every: int = 1,
    unit: str = "epoch",
) -> Callable[[Language, Dict[str, Any]], None]:
    """Create a callback for [training.before_update] that lets only the upper layers of a
    component learn at first, and then one group of layers after another.

    Howard & Ruder (2018), "Universal language model fine-tuning for text classification". What is
    not thawed yet keeps its weights bit by bit, is left out of clipping, weight decay, moments and
    averages, and costs no backward pass. Pipelines that are saved meanwhile have no frozen layers.

    component (str): The component. If token vectors come from a shared tok2vec, its name.
    groups (Optional[List[List[str]]]): Lists of shell patterns of names of layers, as in
        [["*"], ["*.lstm.2"], ["*.lstm.1"], ["*.embedding"]]. What the first list names learns from
        the start, the others thaw in their order. A layer belongs to the last list that names it;
        one that none names stays frozen. None takes all that is not the tok2vec first, then the
        tok2vec's recurrent layers from the top to the bottom, with both directions of a layer
        together, and its embeddings last.
    every (int): The next group thaws after so many epochs or steps.
    unit (str): "epoch" or "step".
    RETURNS (Callable[[Language, Dict[str, Any]], None]): The callback.
    RAISES (ValueError): E009, E011 or E133 for a wrong argument. When the training begins: E130
        to E132 and E134 if the component does not have what is to thaw.
    """
    if unit not in UNITS:
        raise ValueError(Errors.E009.format(what="unit", found=unit, expected=", ".join(UNITS)))
    if not isinstance(every, int) or isinstance(every, bool) or every < 1:
        raise number_error("every", f"a number of {unit}s, at least 1", every)
    if groups is not None:
        _check_groups(groups)
    training: Optional[_Training] = None

    def before_update(nlp: Language, info: Dict[str, Any]) -> None:
        nonlocal training
        if training is None or not training.is_of(nlp) or info["step"] == 0:
            training = _Training(nlp, component, groups)
        training.thaw(1 + info[unit] // every)

    return before_update


class _Training:
    """What is to thaw in a training, and how far that is.

    nlp (Language): The pipeline.
    component (str): Name of the component.
    patterns (Optional[List[List[str]]]): The groups, or None to find them.
    """

    def __init__(self, nlp: Language, component: str, patterns: Optional[List[List[str]]]) -> None:
        # Weakly: the callback is a part of the pipeline's training, not the other way round.
        self._nlp = weakref.ref(nlp)
        model = _model_of(nlp, component)
        if patterns is None:
            self._groups = _find_groups(nlp, component, model)
        else:
            self._groups = _match_groups(component, model, patterns)
        self._n_thawed = 0
        freeze(model)

    def is_of(self, nlp: Language) -> bool:
        """RETURNS (bool): Whether it is the training of this pipeline."""
        return self._nlp() is nlp

    def thaw(self, n_groups: int) -> None:
        """Let the first groups learn, as many as are given, if they do not already."""
        for group in self._groups[self._n_thawed : n_groups]:
            for node in group:
                thaw(node, deep=False)
        self._n_thawed = max(self._n_thawed, n_groups)


def _check_groups(groups: Any) -> None:
    is_list = isinstance(groups, list) and bool(groups)
    for i, group in enumerate(groups if is_list else [None]):
        is_group = isinstance(group, list) and all(isinstance(p, str) for p in group)
        if not is_group or (i > 0 and not group):
            raise ValueError(Errors.E133.format(found=repr(groups)))


def _model_of(nlp: Language, component: str) -> Model[Any, Any]:
    pipes = dict(nlp.components)
    model = getattr(pipes.get(component), "model", None)
    if not isinstance(model, Model):
        found = [name for name, pipe in pipes.items() if hasattr(pipe, "model")]
        names = ", ".join(found) or "(none)"
        raise ValueError(Errors.E130.format(component=component, components=names))
    return model


def _match_groups(
    component: str, model: Model[Any, Any], patterns: List[List[str]]
) -> List[GroupT]:
    """RETURNS (List[List[Model]]): For each list of patterns, the layers whose last one it is."""
    nodes = [node for node in model.walk() if has_parameters(node)]
    names = ", ".join(dict.fromkeys(node.name for node in nodes)) or "(none)"
    unmatched = {pattern for group in patterns for pattern in group}
    groups: List[GroupT] = [[] for _ in patterns]
    never: List[str] = []
    for node in nodes:
        place = None
        for i, group in enumerate(patterns):
            matching = [pattern for pattern in group if fnmatchcase(node.name, pattern)]
            unmatched.difference_update(matching)
            place = i if matching else place
        if place is None:
            never.append(node.name)
        else:
            groups[place].append(node)
    if unmatched:
        raise ValueError(
            Errors.E131.format(component=component, patterns=sorted(unmatched), names=names)
        )
    if never:
        layers = ", ".join(dict.fromkeys(never))
        warnings.warn(Warnings.W130.format(component=component, layers=layers), stacklevel=4)
    return groups


def _find_groups(nlp: Language, component: str, model: Model[Any, Any]) -> List[GroupT]:
    """RETURNS (List[List[Model]]): The layers, as they thaw if nothing else is said. The first
    group is empty in a shared tok2vec."""
    is_shared = isinstance(nlp.get_pipe(component), Tok2Vec)
    base = model if is_shared else _base(model)
    if any(isinstance(node, Tok2VecListener) for node in base.walk()):
        shared = [name for name, pipe in nlp.components if isinstance(pipe, Tok2Vec)]
        names = ", ".join(shared) or "(none)"
        raise ValueError(Errors.E132.format(component=component, tok2vecs=names))
    levels = _levels(base)
    if len(levels) == 1 and base.has_ref("encode") and base.has_ref("embed"):
        # An encoder without recurrent layers.
        levels = [list(filter(has_parameters, base.get_ref(n).walk())) for n in ("embed", "encode")]
    within = {node.id for node in base.walk()}
    head = [node for node in model.walk() if has_parameters(node) and node.id not in within]
    groups = [level for level in reversed(levels) if level]
    if head or is_shared:  # where other components are the head
        groups.insert(0, head)
    if len(levels) == 1 or len(groups) < 2:
        names = ", ".join(dict.fromkeys(n.name for n in model.walk() if has_parameters(n)))
        raise ValueError(Errors.E134.format(component=component, names=names or "(none)"))
    return groups


def _base(model: Model[Any, Any]) -> Model[Any, Any]:
    """RETURNS (Model): What makes the vectors of the tokens, or the model, if it is not known."""
    if model.name == "language_model":
        return parts(model).encoder
    base = cast(Model[Any, Any], model.maybe_get_ref("tok2vec") or model)
    # spaCy's parser calls that the tok2vec together with a projection of its own.
    is_projected = len(base.layers) > 1 and base.layers[1].name == "list2array"
    return base.layers[0] if is_projected else base


def _levels(model: Model[Any, Any]) -> List[GroupT]:
    """Find the layers with parameters, from the input to the output.

    RETURNS (List[List[Model]]): What stands below all recurrent layers; then each of these, with
        what stands between it and the next.
    """
    if "recurrence" in model.attrs:
        return [[], [model]]
    if "parts" in model.attrs:
        # An embedding of each word by itself: its layers over characters belong to it.
        return [[node for node in model.walk() if has_parameters(node)]]
    found: List[GroupT] = [[model] if has_parameters(model) else []]
    beside = _are_beside_each_other(model)
    for layer in model.layers:
        of_layer = _levels(layer)
        if beside:
            found += [[] for _ in of_layer[len(found) :]]
            for level, further in zip(found, of_layer):
                level += further
        else:
            found[-1] += of_layer[0]
            found += of_layer[1:]
    return found


def _are_beside_each_other(model: Model[Any, Any]) -> bool:
    """RETURNS (bool): Whether the layers of a model read the same input: the two directions of a
    layer, or of a pair of language models."""
    is_pair = bool(model.attrs.get("bidirectional")) or "reverse_from" in model.attrs
    return is_pair and len(model.layers) > 1
