"""A corpus of sources and targets, for sequence to sequence models."""

from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Union

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..checks import is_whole
from ..errors import Errors, number_error
from .corpora import no_text_error, read_records, shown_keys, text_at, tokenize
from .files import find_files, kind_of, open_file

# Key of `doc.user_data` for a vector other than `doc.vector`; and the attribute `doc._` that has
# the target.
VECTOR_KEY = "spacy_rnn.vector"
TARGET = "seq2seq"


def PairCorpus(
    path: Optional[Union[str, Path, List[Union[str, Path]]]],
    *,
    limit: int = 0,
    text_key: str = "text",
    target_key: str = "target",
    vector_key: Optional[str] = None,
) -> Callable[[Language], Iterator[Example]]:
    """Read pairs of a source and a target from lines of JSON objects.

    path (Optional[Union[str, Path, List[Union[str, Path]]]]): A .jsonl file, which may be
        compressed (.gz or .bz2), a folder of them, or a list.
    limit (int): Number of examples at which to stop; 0 for all.
    text_key (str): Key of the source.
    target_key (str): Key of the target, a text; null for none.
    vector_key (Optional[str]): Key of a vector, a list of numbers, for models that write by one.
        The text may be missing then.
    RETURNS (Callable[[Language], Iterator[Example]]): The corpus. References have the target in
        `doc._.seq2seq`; vectors are in both docs.
    RAISES (ValueError): For a limit that is no whole number, or negative; while it is read, E030 to
        E037 for files that are missing, broken or hold no pair.
    """
    if path is None:
        raise ValueError(Errors.E030.format(path="null", found="no path"))
    if not is_whole(limit, 0):
        raise number_error("limit", "a whole number of at least 0", limit)
    register_target()

    def corpus(nlp: Language) -> Iterator[Example]:
        n_examples = 0
        for file in find_files(path):
            if kind_of(file) != ".jsonl":
                found = f"a file '{file.name}', where pairs are needed"
                raise ValueError(Errors.E031.format(path=file, found=found, kinds=".jsonl"))
            with open_file(file) as data:
                for record, where in read_records(data, file):
                    text = _text_of(record, text_key, where, vector_key is not None)
                    docs = [tokenize(nlp, text) for _ in range(2)]
                    if vector_key is not None:
                        for doc in docs:
                            doc.user_data[VECTOR_KEY] = _vector_of(record, vector_key, where)
                    docs[1]._.set(TARGET, _target_of(record, target_key, where))
                    yield Example(*docs)
                    n_examples += 1
                    if n_examples == limit:
                        return
        if not n_examples:
            raise no_text_error(path)

    return corpus


def register_target() -> None:
    """Let docs have a target, `doc._.seq2seq`: what a model has written, or should write."""
    if not Doc.has_extension(TARGET):
        Doc.set_extension(TARGET, default=None)


def _text_of(record: Any, key: str, where: str, may_miss: bool) -> str:
    is_missing = isinstance(record, dict) and key not in record
    return "" if may_miss and is_missing else text_at(record, key, where)


def _target_of(record: Any, key: str, where: str) -> Optional[str]:
    is_none = isinstance(record, dict) and key in record and record[key] is None
    return None if is_none else text_at(record, key, where, "target_key")


def _vector_of(record: Any, key: str, where: str) -> numpy.ndarray:
    try:
        vector = numpy.asarray(record[key], dtype="float32")
    except (KeyError, ValueError, TypeError):
        vector = numpy.zeros((0, 0))
    if vector.ndim != 1 or not len(vector) or not numpy.isfinite(vector).all():
        raise ValueError(Errors.E151.format(where=where, key=key, found=shown_keys(record)))
    return vector
