"""What a language model's initial state depends on: the labels of a doc, or a vector."""

from itertools import islice
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

import numpy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model

from ..errors import Errors
from ..layers.state import StatesT
from ..models.lm_parts import parts

# Key of `doc.user_data` for a vector other than `doc.vector`.
VECTOR = "spacy_rnn.vector"


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
    parts(model).start.set_dim("nI", width, force=True)


def vector_of(doc: Doc) -> numpy.ndarray:
    """RETURNS (Floats1d): The vector that was given for a doc, else `doc.vector`."""
    given = doc.user_data.get(VECTOR)
    return numpy.asarray(doc.vector if given is None else given, dtype="float32").reshape(-1)


def cats_row(model: Model[Any, Any], cats: Optional[Dict[str, float]]) -> numpy.ndarray:
    """RETURNS (Floats1d): (n_labels,) The value of each label, 0 where there is none.

    RAISES (ValueError): For a label that the model does not know.
    """
    labels = model.attrs["labels"]
    unknown = sorted(set(cats or {}) - set(labels))
    if unknown:
        raise ValueError(Errors.E068.format(unknown=unknown, labels=labels))
    return numpy.asarray([(cats or {}).get(label, 0.0) for label in labels], dtype="float32")


def condition_rows(model: Model[Any, Any], docs: Sequence[Doc]) -> numpy.ndarray:
    """RETURNS (Floats2d): (n_docs, nI) What the initial state of each doc depends on."""
    if model.attrs["condition"] == "cats":
        labels = set(model.attrs["labels"])
        known = [{k: v for k, v in doc.cats.items() if k in labels} for doc in docs]
        rows = [cats_row(model, cats) for cats in known]
    else:
        rows = [vector_of(doc) for doc in docs]
    width = parts(model).start.get_dim("nI")
    return numpy.asarray(rows, dtype="float32").reshape(len(docs), -1 if docs else width)


def condition_state(model: Model[Any, Any], docs: Sequence[Doc]) -> Optional[StatesT]:
    """RETURNS (Optional[StatesT]): What docs begin from; None without a condition."""
    if not model.attrs["condition"]:
        return None
    rows = model.ops.asarray2f(condition_rows(model, docs))  # type: ignore[arg-type]
    state: StatesT = parts(model).start.predict(rows)
    return state
