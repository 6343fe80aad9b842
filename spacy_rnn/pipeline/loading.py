"""Tell a damaged or mismatched model file from a good one, before it is used."""

import contextlib
import hashlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Tuple, Union

import numpy
from spacy import attrs
from spacy.tokens import Doc
from thinc.api import Model

from ..errors import Errors
from ..layers.attention import KINDS
from ..layers.recurrent import CELLS
from ..models import latent, ngrams

# Dims of the parameters of Thinc's and our layers, by the layer's name.
_SHAPES: Dict[str, Dict[str, Tuple[str, ...]]] = {
    "linear": {"W": ("nO", "nI"), "b": ("nO",)},
    "softmax": {"W": ("nO", "nI"), "b": ("nO",)},
    "sparse_linear": {"b": ("nO",)},
    "maxout": {"W": ("nO", "nP", "nI"), "b": ("nO", "nP")},
    "layernorm": {"G": ("nI",), "b": ("nI",)},
    "hashembed": {"E": ("nV", "nO")},
    "static_vectors": {"W": ("nO", "nI")},
    "pool": {"Q": ("nI",)},
    "embedding": {"E": ("nV", "nO")},
    "sampled_softmax": {"W": ("nO", "nI"), "b": ("nO",)},
    "adaptive_softmax": {"b": ("nO",)},
}
# Attributes of layers that a config chooses, and that loading must not change.
_CHOICES = (
    "recurrence",
    "window",
    "bidirectional",
    "pooling",
    "multi_label",
    "unit",
    "condition",
    "backward",
    "tied",
    "cutoffs",
    "factor",
    "network_share",
    "scale",
    "ngram_size",
    "min_texts",
    "max_share",
    "copy",
)
# Likewise, where the config calls them otherwise.
_RENAMED = {"always_frozen": "frozen"}


@contextlib.contextmanager
def explain_damage(name: str, path: Union[str, Path]) -> Iterator[None]:
    """Turn what goes wrong while a model is read into errors that say what to do.

    name (str): Name of the component.
    path (Union[str, Path]): Where its model is read from.
    RAISES (ValueError): E018 for data that cannot be read, E019 for data of another model.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError, ImportError):
        raise
    except Exception as e:
        # msgpack and Thinc raise a dozen kinds of errors here; the first cause is kept.
        reason = f"{type(e).__name__}: {e}".splitlines()[0]
        is_mismatch = "Attempt to change dimension" in str(e) or "mismatched structure" in str(e)
        if is_mismatch:
            raise ValueError(Errors.E019.format(name=name, reason=reason)) from e
        if isinstance(e, ValueError) and str(e).startswith("[spacy-rnn "):
            raise
        raise ValueError(Errors.E018.format(name=name, path=path, reason=reason)) from e


def check_parameters(name: str, model: Model[Any, Any]) -> None:
    """Raise an error unless each parameter has the shape that its layer's dims say.

    name (str): Name of the component.
    model (Model): As it was loaded.
    """
    for node in model.walk():
        for param, expected in _expected_shapes(node).items():
            if not node.has_param(param):
                continue
            value = node.get_param(param)
            found = getattr(value, "shape", None)
            if found != expected:
                raise ValueError(
                    Errors.E013.format(
                        param=param, name=f"{name}/{node.name}", found=found, expected=expected
                    )
                )
            if value.dtype != numpy.float32:
                raise ValueError(
                    Errors.E018.format(
                        name=name, path="its model file", reason=f"'{param}' is {value.dtype}"
                    )
                )


def check_doc(doc: Any) -> None:
    """Raise an error unless what is given as a doc is one."""
    if not isinstance(doc, Doc):
        found = f"an object of type {type(doc).__name__}"
        raise ValueError(
            Errors.E011.format(what="doc", expected="a Doc, such as nlp(text)", found=found)
        )


def check_scores(name: str, docs: Sequence[Doc], scores: Any) -> None:
    """Raise an error if the scores of docs are not all finite: weights may be none.

    name (str): Name of the component.
    docs (Sequence[Doc]): What was scored.
    scores (Floats2d): (n_docs, n_labels)
    RAISES (ValueError): E177.
    """
    broken = numpy.nonzero(~numpy.isfinite(scores).all(axis=1))[0]
    if len(broken):
        text = docs[int(broken[0])].text[:30]
        raise ValueError(Errors.E177.format(name=name, text=text))


def check_weights(name: str, model: Model[Any, Any]) -> None:
    """Raise an error if a model has neither been initialized nor loaded.

    name (str): Name of the component.
    model (Model): Its model.
    """
    params = [node.has_param(param) for node in model.walk() for param in node.param_names]
    if params and not any(params):
        raise ValueError(Errors.E024.format(name=name))


def structure(model: Model[Any, Any]) -> List[Tuple[str, Any]]:
    """RETURNS (List[Tuple[str, Any]]): The choices of the config that the shapes of the parameters
    do not show: the cell of each layer, how vectors are pooled, whether labels exclude each other.
    """
    found: List[Tuple[str, Any]] = []
    for node in model.walk():
        found += [(key, node.attrs[key]) for key in _CHOICES if key in node.attrs]
        found += [(name, node.attrs[key]) for key, name in _RENAMED.items() if key in node.attrs]
        if "attr" in node.attrs:
            # Pipelines of before have spaCy's number of it.
            attr = node.attrs["attr"]
            found.append(("attr", attrs.NAMES[attr] if isinstance(attr, int) else attr))
        # Its parameters are those of its kind, and loading leaves those of the other one.
        found += [("attention", kind) for kind in KINDS if node.name == f"{kind}_attention"]
    return found


def check_structure(name: str, before: List[Tuple[str, Any]], after: List[Tuple[str, Any]]) -> None:
    """Raise an error if loading a model has changed a choice of its config.

    before, after (List[Tuple[str, Any]]): Its `structure`.
    """
    for (key, expected), (_, found) in zip(before, after):
        if expected != found:
            reason = f"'{key}' is {found!r} in the saved model and {expected!r} in the config"
            raise ValueError(Errors.E019.format(name=name, reason=reason))


def file_digest(path: Union[str, Path]) -> str:
    """RETURNS (str): SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def check_digest(name: str, path: Path, expected: str) -> None:
    """Raise an error unless the file is the one that was saved."""
    if file_digest(path) != expected:
        reason = "its SHA-256 is not the one that was saved beside it"
        raise ValueError(Errors.E018.format(name=name, path=path, reason=reason))


def _expected_shapes(node: Model[Any, Any]) -> Dict[str, Tuple[int, ...]]:
    if "recurrence" in node.attrs:
        return _recurrent_shapes(node)
    if node.name == ngrams.NAME:
        return ngrams.expected_shapes(node)
    if node.name == latent.NAME:
        return latent.expected_shapes(node)
    shapes = {}
    for param, dims in _SHAPES.get(node.name, {}).items():
        if param in node.param_names and all(node.has_dim(dim) for dim in dims):
            shapes[param] = tuple(node.get_dim(dim) for dim in dims)
    return shapes


def _recurrent_shapes(node: Model[Any, Any]) -> Dict[str, Tuple[int, ...]]:
    if not (node.has_dim("nO") and node.has_dim("nI")):
        return {}
    nO, width = node.get_dim("nO"), node.get_dim("nI") * node.attrs["window"]
    rows = CELLS[node.attrs["recurrence"]].n_gates * nO
    shapes: Dict[str, Tuple[int, ...]] = dict.fromkeys(node.param_names, (nO,))
    shapes.update({"Wx": (rows, width), "Wh": (rows, nO), "b": (rows,)})
    return shapes
