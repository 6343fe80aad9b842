"""From docs to the units that a sequence to sequence model reads and learns to write."""

from typing import Any, Callable, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model

from ..models.seq2seq import copies, reads_vectors
from ..models.vocabulary import END, Vocabulary
from ..training.pairs import TARGET
from .condition import vector_of
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

    def pairs(self, examples: Iterable[Example]) -> Iterator[Tuple[Doc, Doc]]:
        """YIELDS (Tuple[Doc, Doc]): The source and the target of each example that has both."""
        for example in examples:
            target = example.reference._.get(TARGET)
            source = self.source(example.predicted)
            if target and (len(source) or reads_vectors(self.model)):
                yield source, self.make_doc(target)

    def encode_sources(self, docs: Sequence[Doc]) -> Tuple[List[Any], List[bool]]:
        """RETURNS (Tuple[List, List[bool]]): What is read of the docs that have something to read,
        and which those are: (n_units,) units, (n_units, 2) if the model copies, or vectors."""
        sources: List[Any]
        if reads_vectors(self.model):
            sources = [vector_of(doc) for doc in docs]
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

    def encode_pairs(self, examples: Sequence[Example]) -> Tuple[List[Any], List[Any]]:
        """RETURNS (Tuple[List, List[Ints1d]]): Sources and targets, of the examples with both; at
        the end of each target is the unit for that."""
        vocabulary: Vocabulary = self.model.attrs["vocabulary"]
        read, present = self.encode_sources([example.predicted for example in examples])
        rest = iter(read)
        sources, targets = [], []
        for example, is_there in zip(examples, present):
            source = next(rest) if is_there else None
            text = example.reference._.get(TARGET)
            if source is None or text is None:
                continue
            target = self.make_doc(text)
            if copies(self.model):
                ids = target_units(self.model, target, self.source(example.predicted))
            else:
                ids = vocabulary.encode(target).ids
            sources.append(source)
            targets.append(numpy.append(ids, END).astype("int32"))
        return sources, targets
