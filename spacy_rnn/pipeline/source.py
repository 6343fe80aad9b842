"""What a sequence to sequence model reads of a doc."""

from typing import Any, Callable, Dict, List

import numpy
from spacy.tokens import Doc
from thinc.api import Model

from ..errors import Errors
from ..models.vocabulary import UNKNOWN, Vocabulary
from ..models.vocabulary_data import is_text, shown_no_text


def source_doc(name: str, model: Model[Any, Any], doc: Doc, make_doc: Callable[[str], Doc]) -> Doc:
    """
    name (str): Name of the component.
    model (Model): A sequence to sequence model.
    doc (Doc): A doc of the pipeline.
    make_doc (Callable[[str], Doc]): Cuts a text into tokens.
    RETURNS (Doc): What is read: the doc itself, or the text of one of its attributes. Empty if the
        attribute is None.
    RAISES (ValueError): If there is no such attribute, or if it is not a text.
    """
    source: str = model.attrs["source"]
    if not source.startswith("_."):
        return doc
    attribute = source.removeprefix("_.")
    has_attribute = Doc.has_extension(attribute)
    text = doc._.get(attribute) if has_attribute else None
    if not has_attribute or not (text is None or is_text(text)):
        found = shown_no_text(text) if has_attribute else "no such attribute"
        raise ValueError(Errors.E154.format(name=name, attribute=attribute, found=found))
    return make_doc(text or "")


def unit_texts(vocabulary: Vocabulary, doc: Doc) -> List[str]:
    """RETURNS (List[str]): The units of a doc, also those that are unknown."""
    if vocabulary.kind == "word":
        return [token.text for token in doc]
    if vocabulary.kind == "char":
        return list(doc.text)
    return [vocabulary.shown(int(unit)) for unit in vocabulary.encode(doc).ids]


def copied_units(model: Model[Any, Any], doc: Doc) -> numpy.ndarray:
    """What the units of a source are as units of the target: by their text. Those that the target's
    vocabulary does not have get numbers behind it, by the place where each is first.

    RETURNS (Ints1d): (n_units,)
    """
    vocabulary: Vocabulary = model.attrs["vocabulary"]
    texts = unit_texts(model.attrs["source_vocabulary"], doc)
    first = _first_places(texts)
    found = [vocabulary.number(text) for text in texts]
    unknown = len(vocabulary)
    return numpy.asarray(
        [n if n != UNKNOWN else unknown + first[text] for n, text in zip(found, texts)],
        dtype="int32",
    )


def target_units(model: Model[Any, Any], target: Doc, source: Doc) -> numpy.ndarray:
    """RETURNS (Ints1d): The units of a target, where the unknown ones are those of the source that
    have the same text, if there are any."""
    vocabulary: Vocabulary = model.attrs["vocabulary"]
    ids = vocabulary.encode(target).ids.copy()
    if (ids == UNKNOWN).any():
        first = _first_places(unit_texts(model.attrs["source_vocabulary"], source))
        texts = unit_texts(vocabulary, target)
        for i in numpy.nonzero(ids == UNKNOWN)[0]:
            if texts[i] in first:
                ids[i] = len(vocabulary) + first[texts[i]]
    return ids


def _first_places(texts: List[str]) -> Dict[str, int]:
    first: Dict[str, int] = {}
    for i, text in enumerate(texts):
        first.setdefault(text, i)
    return first
