"""Texts without labels, as a component is given them at its initialization."""

from typing import Any, Callable, Iterable, Iterator, Optional

from spacy.language import Language
from spacy.training import Example
from thinc.api import Model

from ..errors import Errors
from ..models import latent

# As readers of corpora give them.
RawTextsT = Callable[[Language], Iterable[Example]]
READER = "a reader that gives Examples, such as a spacy-rnn.TextCorpus.v1"


def raw_reader(
    name: str, model: Model[Any, Any], nlp: Optional[Language], raw_texts: Optional[RawTextsT]
) -> Callable[[], Iterator[Example]]:
    """
    name (str): Name of the component.
    model (Model): Its model.
    nlp (Optional[Language]): The pipeline.
    raw_texts (Optional[Callable[[Language], Iterable[Example]]]): The reader, or None for no texts.
    RETURNS (Callable[[], Iterator[Example]]): Reads the texts.
    RAISES (ValueError): E173 if nothing in the model learns from them, E011 for what is no reader
        or for no pipeline; E011, while they are read, for what is no Example.
    """
    if raw_texts is None:
        return lambda: iter(())
    if not any(node.name == latent.NAME for node in model.walk()):
        raise ValueError(Errors.E173.format(name=name))
    if nlp is None:
        expected = "the pipeline, which raw_texts are read with"
        raise ValueError(Errors.E011.format(what="nlp", expected=expected, found=None))
    if not callable(raw_texts):
        raise _not_a_reader(raw_texts)
    pipeline, reader = nlp, raw_texts

    def read() -> Iterator[Example]:
        for example in reader(pipeline) or ():
            if not isinstance(example, Example):
                raise _not_a_reader(example)
            yield example

    return read


def _not_a_reader(found: Any) -> ValueError:
    kind = f"an object of type {type(found).__name__}"
    return ValueError(Errors.E011.format(what="raw_texts", expected=READER, found=kind))
