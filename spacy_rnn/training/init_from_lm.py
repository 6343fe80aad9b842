"""Begin a component from the weights of a trained language model."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple, Union, cast

from spacy.language import Language
from thinc.api import Model

from ..errors import Errors
from ..layers.gradients import renew_gradients
from ..layers.state import recurrent_layers
from ..models.grow import remap_rows
from ..models.lm_parts import is_backward, parts, vocabulary_of
from ..models.lm_reader import set_reader_vocabulary
from ..models.lm_tok2vec import readers_of
from ..models.vocabulary import Vocabulary
from .trained import load_trained

PathT = Union[str, Path]
FACTORY = "rnn_lm"


def init_from_lm(
    component: str = "textcat",
    forward: Optional[PathT] = None,
    backward: Optional[PathT] = None,
    source: Optional[str] = None,
) -> Callable[[Language], Language]:
    """Create a callback for [initialize.after_init] that loads the weights of language models into
    a component.

    Into a `spacy-rnn.LanguageModelTok2Vec.v1` go the embedding, the recurrent layers and the
    vocabulary. Into an `rnn_lm`, which keeps the vocabulary that it has learned from its own texts,
    go the recurrent layers, and the rows of the words that both know: found by their strings, never
    by their numbers. Words that are new to the language model begin as its unknown one, and as less
    probable than any other.

    component (str): The component. If others listen to it, they all read by these weights.
    forward (Optional[Union[str, Path]]): A forward language model: the folder of a pipeline with an
        `rnn_lm`, or the name of an installed one.
    backward (Optional[Union[str, Path]]): One that was trained with backward = true.
    source (Optional[str]): Name of the `rnn_lm` in these pipelines, if they have several.
    RETURNS (Callable[[Language], Language]): The callback.
    RAISES (ValueError): When it is called: E094 if unit, cell, width, depth or another setting
        differs, with all differences; E095 to E099 for wrong names and paths. The component is not
        changed then.
    """
    paths = {"forward": forward, "backward": backward}
    given = {name: path for name, path in paths.items() if path is not None}

    def after_init(nlp: Language) -> Language:
        targets = _targets(nlp, component, given)
        found = {name: load_language_model(path, source) for name, path in given.items()}
        for name, target in targets.items():
            _check_alike(component, given[name], found[name], target)
        for name, target in targets.items():
            if target.name == "language_model":
                _begin_language_model(found[name], target)
            else:
                _begin_reader(found[name], target)
        return nlp

    return after_init


def load_language_model(path: PathT, source: Optional[str] = None) -> Model[Any, Any]:
    """Load a trained language model.

    path (Union[str, Path]): Folder or name of a pipeline.
    source (Optional[str]): Name of the component, if there are several.
    RETURNS (Model): `spacy-rnn.LanguageModel.v1`, with weights.
    RAISES (ValueError): E098 if there is none, or it cannot be loaded.
    """
    advice = "Give the folder that `spacy train` wrote, such as training/lm/model-best."
    nlp = load_trained(
        path,
        lambda reason: ValueError(
            Errors.E098.format(path=path, reason=f"{reason}.", advice=advice)
        ),
    )
    names = [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory == FACTORY]
    if source is not None:
        names = [name for name in names if name == source]
    if len(names) != 1:
        what = f"component '{source}' made by {FACTORY}" if source else f"one {FACTORY}"
        reason = f"expected {what}, but the pipeline has: {', '.join(nlp.pipe_names) or 'none'}."
        advice = "Name the one that is meant as 'source'." if len(names) > 1 else advice
        raise ValueError(Errors.E098.format(path=path, reason=reason, advice=advice))
    return cast(Model[Any, Any], nlp.get_pipe(names[0]).model)  # type: ignore[attr-defined]


def _targets(nlp: Language, component: str, given: Dict[str, PathT]) -> Dict[str, Model[Any, Any]]:
    """RETURNS (Dict[str, Model]): By direction, what is to begin from a language model: a reader,
    or a language model."""
    if component not in nlp.component_names:
        names = ", ".join(nlp.component_names) or "(none)"
        raise ValueError(Errors.E095.format(component=component, components=names))
    model = getattr(nlp.get_pipe(component), "model", None)
    readers = list(readers_of(model)) if isinstance(model, Model) else []
    if isinstance(model, Model) and model.name == "language_model":
        readers = [model]
    if not readers:
        path = " and ".join(str(path) for path in given.values()) or "a language model"
        raise ValueError(Errors.E096.format(component=component, path=path))
    targets = {"backward" if is_backward(r) else "forward": r for r in readers}
    if set(targets) != set(given):
        found = " and ".join(given) or "no language model"
        expected = " and ".join(targets)
        raise ValueError(Errors.E097.format(component=component, expected=expected, found=found))
    for target in targets.values():
        if not all(node.has_param("Wx") for node in recurrent_layers(target)):
            raise ValueError(Errors.E099.format(component=component))
    return targets


def _encoder(model: Model[Any, Any]) -> Model[Any, Any]:
    """Embedding and recurrent layers stand in the same place in both kinds."""
    return model.layers[0]


def describe(model: Model[Any, Any]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What must be the same for weights to mean the same."""
    encoder = _encoder(model)
    cells = recurrent_layers(encoder)
    vocabulary = cast(Vocabulary, model.attrs["vocabulary"])
    return {
        "unit": vocabulary.kind,
        "attr": vocabulary.attr,
        "backward": is_backward(model),
        "condition": model.attrs.get("condition") or None,
        "cell": ", ".join(dict.fromkeys(node.attrs["recurrence"] for node in cells)),
        "window": max(node.attrs["window"] for node in cells),
        "depth": len(cells),
        "embed_width": encoder.layers[0].get_dim("nO"),
        "width": ", ".join(str(node.get_dim("nO")) for node in cells),
    }


def _check_alike(
    component: str, path: PathT, source: Model[Any, Any], target: Model[Any, Any]
) -> None:
    theirs, ours = describe(source), describe(target)
    lines = [
        f"{what}: {theirs[what]} in the language model, {ours[what]} in the config."
        for what in theirs
        if theirs[what] != ours[what]
    ]
    if lines:
        raise ValueError(
            Errors.E094.format(component=component, path=path, differences=" ".join(lines))
        )


def _begin_reader(source: Model[Any, Any], target: Model[Any, Any]) -> None:
    set_reader_vocabulary(target, vocabulary_of(source))
    _copy_params(_pairs(source, target))
    target.attrs["has_language_model"] = True


def _begin_language_model(source: Model[Any, Any], target: Model[Any, Any]) -> None:
    old, new = vocabulary_of(source), vocabulary_of(target)
    # The source was loaded for this alone, so it may be changed.
    remap_rows(source, old, new)
    _copy_params(_pairs(source, target))
    theirs, ours = parts(source).output, parts(target).output
    for param in theirs.param_names:
        shape = _shape(theirs, param)
        # Tables of a cluster's words are of use for just these words, unlike those of all words,
        # which have been brought into the new order, and those of the clusters themselves.
        fits = old.units == new.units or param in ("b", "C", "c") or shape[:1] == (len(new),)
        if fits and shape == _shape(ours, param) != ():
            _set_param(ours, param, theirs.get_param(param))


def _pairs(
    source: Model[Any, Any], target: Model[Any, Any]
) -> List[Tuple[Model[Any, Any], Model[Any, Any]]]:
    """RETURNS: The layers that have weights, the embeddings first."""
    both = zip(_encoder(source).layers, _encoder(target).layers)
    return [(theirs, ours) for theirs, ours in both if theirs.param_names]


def _copy_params(pairs: List[Tuple[Model[Any, Any], Model[Any, Any]]]) -> None:
    for theirs, ours in pairs:
        for param in theirs.param_names:
            _set_param(ours, param, theirs.get_param(param))


def _shape(node: Model[Any, Any], param: str) -> Tuple[int, ...]:
    """RETURNS (Tuple[int, ...]): () if there is no such array, as in a tied layer."""
    is_there = param in node.param_names and node.has_param(param)
    return tuple(node.get_param(param).shape) if is_there else ()


def _set_param(node: Model[Any, Any], param: str, value: Any) -> None:
    array = node.ops.xp.array(node.ops.asarray(value))  # a copy, on the device of the target
    node.set_param(param, array)
    renew_gradients(node)
