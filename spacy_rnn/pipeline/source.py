"""What a sequence to sequence model reads of a doc."""

from typing import Any, Callable

from spacy.tokens import Doc
from thinc.api import Model

from ..errors import Errors


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
    if not Doc.has_extension(attribute):
        raise ValueError(Errors.E154.format(name=name, attribute=attribute, found="no attribute"))
    text = doc._.get(attribute)
    if text is not None and not isinstance(text, str):
        found = f"one of type {type(text).__name__}"
        raise ValueError(Errors.E154.format(name=name, attribute=attribute, found=found))
    return make_doc(text or "")
