"""What a language model's initial state depends on: the labels of a doc, or a vector."""

from itertools import islice
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

import numpy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model
from thinc.util import to_numpy

from ..errors import Errors, number_error
from ..layers.state import StatesT
from ..models.lm_parts import parts, set_condition_width
from ..training.pairs import VECTOR_KEY as VECTOR


def learn_condition(
    name: str,
    model: Model[Any, Any],
    get_examples: Callable[[], Iterable[Example]],
    labels: Optional[List[str]],
) -> None:
    """Find how wide the condition is, from the labels of the examples or from a vector.

    name (str): Name of the component.
    model (Model): Of a language model; without a condition nothing is done.
    get_examples (Callable[[], Iterable[Example]]): The training data, or a sample.
    labels (Optional[List[str]]): The labels, if they are known.
    RAISES (ValueError): If there are no labels, or no vectors.
    """
    kind = model.attrs["condition"]
    if not kind:
        return
    if kind == "cats":
        if not labels:
            found = (label for eg in get_examples() for label in eg.reference.cats)
            labels = sorted(dict.fromkeys(found))
        if not labels:
            raise ValueError(Errors.E021.format(name=name))
        model.attrs["labels"] = list(labels)
        width = len(labels)
    else:
        vectors = [vector_of(eg.reference) for eg in islice(get_examples(), 1)]
        width = len(vectors[0]) if vectors else 0
        if not width:
            raise ValueError(Errors.E069.format(name=name, key=VECTOR))
    set_condition_width(model, width)


def vector_of(doc: Doc) -> numpy.ndarray:
    """RETURNS (Floats1d): (width,) The vector that was given for a doc, else `doc.vector`.

    RAISES (ValueError): If it is no vector of finite numbers.
    """
    given = doc.user_data.get(VECTOR)
    vector: Any = to_numpy(doc.vector) if given is None else given
    try:
        row: numpy.ndarray = numpy.asarray(vector, dtype="float32").reshape(-1)
        is_finite = bool(numpy.isfinite(row).all())
    except (TypeError, ValueError):
        is_finite = False
    if not is_finite:
        what = "doc.vector" if given is None else f"doc.user_data[{VECTOR!r}]"
        found = f"{repr(vector)[:60]}, for the doc that begins with {doc.text[:30]!r}"
        raise ValueError(Errors.E011.format(what=what, expected="finite numbers", found=found))
    return row


def cats_row(model: Model[Any, Any], cats: Optional[Dict[str, float]]) -> numpy.ndarray:
    """RETURNS (Floats1d): (n_labels,) The value of each label, 0 where there is none.

    RAISES (ValueError): For a label that the model does not know, or a value that is not finite.
    """
    labels = model.attrs["labels"]
    unknown = sorted(set(cats or {}) - set(labels))
    if unknown:
        raise ValueError(Errors.E068.format(unknown=unknown, labels=labels))
    row = numpy.asarray([(cats or {}).get(label, 0.0) for label in labels], dtype="float32")
    if not numpy.isfinite(row).all():
        raise number_error("cats", "finite numbers by label", cats)
    return row


def condition_row(model: Model[Any, Any], doc: Doc) -> numpy.ndarray:
    """What the initial state of a doc depends on. For a doc without labels or a vector, zeros.

    RETURNS (Floats1d): (nI,)
    RAISES (ValueError): For a label that the model does not know, or a vector of another width.
    """
    if model.attrs["condition"] == "cats":
        return cats_row(model, doc.cats)
    row, width = vector_of(doc), parts(model).start.get_dim("nI")
    if row.size not in (0, width):
        found = f"one of {row.size} for the doc that begins with {doc.text[:30]!r}"
        raise number_error("the vector of a doc", f"an array of {width} numbers", found)
    return row if row.size else numpy.zeros(width, dtype="float32")


def condition_state(model: Model[Any, Any], docs: Sequence[Doc]) -> Optional[StatesT]:
    """RETURNS (Optional[StatesT]): What docs begin from; None without a condition."""
    if not model.attrs["condition"]:
        return None
    rows: Any = numpy.zeros((len(docs), parts(model).start.get_dim("nI")), dtype="float32")
    labels = set(model.attrs["labels"])
    for i, doc in enumerate(docs):
        if model.attrs["condition"] == "vector":
            rows[i] = condition_row(model, doc)
        else:  # a text may have labels for other components
            known = {label: value for label, value in doc.cats.items() if label in labels}
            rows[i] = cats_row(model, known)
    state: StatesT = parts(model).start.predict(model.ops.asarray(rows))
    return state
