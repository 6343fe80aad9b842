"""From docs to the units that a sequence to sequence model reads and learns to write."""

from typing import (
    Any,
    Callable,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    cast,
)

import numpy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model

from ..errors import Errors
from ..models.seq2seq import copies, reads_vectors, vector_width
from ..models.vocabulary import END, Vocabulary
from ..models.vocabulary_data import is_text, shown_no_text
from ..training.pairs import TARGET
from .condition import VECTOR, vector_of
from .source import copied_units, source_doc, target_units


class PairReader(NamedTuple):
    """Reads docs and pairs for a model.

    name (str): Name of the component, for errors.
    model (Model): A sequence to sequence model.
    make_doc (Callable[[str], Doc]): Cuts a text into tokens.
    """

    name: str
    model: Model[Any, Any]
    make_doc: Callable[[str], Doc]

    def source(self, doc: Doc) -> Doc:
        """RETURNS (Doc): What is read of a doc: itself, or the text of one of its attributes."""
        return source_doc(self.name, self.model, doc, self.make_doc)

    def annotated(self, example: Example) -> Doc:
        """RETURNS (Doc): The doc of an example that has the attribute, or the vector, that is read:
        the predicted one, or else the reference, where a corpus keeps what no component sets."""
        source: str = self.model.attrs["source"]
        predicted, reference = example.predicted, example.reference
        if reads_vectors(self.model):
            has_none = VECTOR not in predicted.user_data and VECTOR in reference.user_data
        else:
            attribute = source.removeprefix("_.")
            has_none = (
                attribute != source
                and Doc.has_extension(attribute)
                and predicted._.get(attribute) is None
            )
        return reference if has_none else predicted

    def target(self, example: Example) -> Optional[str]:
        """RETURNS (Optional[str]): What is to be written.

        RAISES (ValueError): If it is no text.
        """
        text = example.reference._.get(TARGET)
        if text is None or is_text(text):
            return cast(Optional[str], text)
        raise ValueError(
            Errors.E172.format(
                name=self.name,
                expected="a text as the target, or None",
                where=f"reference._.{TARGET}",
                found=shown_no_text(text),
                advice="Correct the training data.",
            )
        )

    def pairs(self, examples: Iterable[Example]) -> Iterator[Tuple[Doc, Doc]]:
        """YIELDS (Tuple[Doc, Doc]): The source and the target of each example that has both."""
        for example in examples:
            target, source = self.target(example), self.source(self.annotated(example))
            if target and (len(source) or reads_vectors(self.model)):
                yield source, self.make_doc(target)

    def encode_sources(self, docs: Sequence[Doc]) -> Tuple[List[Any], List[bool]]:
        """RETURNS (Tuple[List, List[bool]]): What is read of the docs that have something to read,
        and which those are: (n_units,) units, (n_units, 2) if the model copies, or vectors."""
        sources: List[Any]
        if reads_vectors(self.model):
            sources = [self._vector(doc) for doc in docs]
        else:
            vocabulary: Vocabulary = self.model.attrs["source_vocabulary"]
            read = [self.source(doc) for doc in docs]
            sources = [vocabulary.encode(doc).ids for doc in read]
            if copies(self.model):
                sources = [
                    numpy.stack([ids, copied_units(self.model, doc)], axis=1)
                    for ids, doc in zip(sources, read)
                ]
        present = [bool(len(source)) for source in sources]
        return [source for source in sources if len(source)], present

    def _vector(self, doc: Doc) -> Any:
        """RETURNS (Floats1d): The vector of a doc.

        RAISES (ValueError): If it is none, or not as wide as those that were learned from.
        """
        width = vector_width(self.model)
        try:
            vector = vector_of(doc)
        except ValueError:
            found = repr(doc.user_data.get(VECTOR))[:60]
        else:
            if len(vector) in (0, width):
                return vector
            found = f"one of {len(vector)}"
        raise ValueError(
            Errors.E172.format(
                name=self.name,
                expected=f"a vector of {width} numbers",
                where=f"the doc that begins with {doc.text[:30]!r}",
                found=found,
                advice="It is doc.user_data['spacy_rnn.vector'], or else doc.vector.",
            )
        )

    def encode_pairs(self, examples: Sequence[Example]) -> Tuple[List[Any], List[Any]]:
        """RETURNS (Tuple[List, List[Ints1d]]): Sources and targets, of the examples with both; at
        the end of each target is the unit for that."""
        vocabulary: Vocabulary = self.model.attrs["vocabulary"]
        docs = [self.annotated(example) for example in examples]
        read, present = self.encode_sources(docs)
        rest = iter(read)
        sources, targets = [], []
        for example, doc, is_there in zip(examples, docs, present):
            source = next(rest) if is_there else None
            text = self.target(example)
            if source is None or text is None:
                continue
            target = self.make_doc(text)
            if copies(self.model):
                ids = target_units(self.model, target, self.source(doc))
            else:
                ids = vocabulary.encode(target).ids
            sources.append(source)
            targets.append(numpy.append(ids, END).astype("int32"))
        return sources, targets
