"""What the language models are trained on: the State of the Union addresses as numbers."""

from dataclasses import dataclass
from typing import Dict, List

import numpy
import spacy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc

from spacy_rnn.models.vocabulary import END, Vocabulary

from .sotu import MIN_COUNT, plain_text, read_addresses, split_addresses

IntsT = NDArray[numpy.int32]
QUICK_ADDRESSES = 2


@dataclass(frozen=True)
class Batch:
    """A window of each of some parallel streams.

    inputs (IntsT): (n_streams, bptt) The units that are read.
    targets (IntsT): (n_streams, bptt) Those that follow them.
    """

    inputs: IntsT
    targets: IntsT


@dataclass
class Corpus:
    """The addresses.

    nlp (Language): The pipeline whose tokenizer has read them.
    docs (List[Doc]): The training part.
    dev (List[Doc]): The development part, if it was wanted.
    vocabularies (Dict[str, Vocabulary]): By unit, "word" or "char", those that occur MIN_COUNT
        times or more, by falling frequency, the end and the unknown.
    """

    nlp: Language
    docs: List[Doc]
    dev: List[Doc]
    vocabularies: Dict[str, Vocabulary]

    def ids(self, unit: str) -> IntsT:
        """RETURNS (IntsT): (n,) The numbers of all units, with the end of each address."""
        vocabulary = self.vocabularies[unit]
        end = numpy.asarray([END], dtype="int32")
        return numpy.concatenate(
            [part for doc in self.docs for part in (vocabulary.encode(doc).ids, end)]
        )


def read_texts(*, quick: bool = False) -> Dict[str, List[str]]:
    """RETURNS (Dict[str, List[str]]): For "train", "dev" and "test" the texts of the addresses, of
    `benchmarks/sotu.py`; if it is to be quick, the beginnings of a few."""
    parts = split_addresses(read_addresses())
    texts = {name: [plain_text(address) for address in part] for name, part in parts.items()}
    if quick:
        return {
            name: [text[:3000] for text in part[:QUICK_ADDRESSES]] for name, part in texts.items()
        }
    return texts


def read_corpus(*, with_dev: bool = False, quick: bool = False) -> Corpus:
    """RETURNS (Corpus): The addresses; if it is to be quick, a small piece of them."""
    nlp = spacy.blank("en")
    texts = read_texts(quick=quick)
    docs = list(map(nlp.make_doc, texts["train"]))
    dev = list(map(nlp.make_doc, texts["dev"])) if with_dev else []
    vocabularies = {
        unit: Vocabulary.learn(unit, docs, min_freq=1 if quick else MIN_COUNT, max_size=0)
        for unit in ("word", "char")
    }
    return Corpus(nlp, docs, dev, vocabularies)


def cut_batches(ids: IntsT, n_streams: int, bptt: int, n_batches: int) -> List[Batch]:
    """Lay a text into parallel streams, and cut windows of them that follow each other.

    ids (IntsT): (n,) The text.
    n_streams (int): How many streams.
    bptt (int): Length of a window.
    n_batches (int): How many batches.
    RETURNS (List[Batch]): In order. If the text is too short it is read again from its beginning.
    """
    length = n_batches * bptt + 1
    # Streams begin evenly spread over the text.
    starts = numpy.arange(n_streams) * len(ids) // n_streams
    rows = ids[(starts[:, None] + numpy.arange(length)) % len(ids)]
    return [
        Batch(
            numpy.ascontiguousarray(rows[:, first : first + bptt]),
            numpy.ascontiguousarray(rows[:, first + 1 : first + bptt + 1]),
        )
        for first in range(0, n_batches * bptt, bptt)
    ]
