"""A corpus of plain, JSON or annotated texts for `spacy train`, read as it is needed."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import (
    IO,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab

from ..checks import is_whole
from ..errors import Errors, number_error
from ..models.vocabulary_data import is_text
from .doc_tokens import Tokens
from .files import PathT, find_files, kind_of, open_file, read_lines, read_whole

PER = ("line", "file")


@dataclass(frozen=True)
class Text:
    """A text of a corpus, before it is tokenized.

    text (str): The text. Never blank.
    cats (Dict[str, float]): Its categories.
    where (str): The place that it is from, for messages.
    """

    text: str
    cats: Dict[str, float]
    where: str


def TextCorpus(
    path: Optional[Union[str, Path, List[Union[str, Path]]]],
    *,
    per: str = "line",
    limit: int = 0,
    min_length: int = 0,
    max_length: int = 0,
    normalize_whitespace: bool = False,
    text_key: str = "text",
    label_key: Optional[str] = None,
) -> Callable[[Language], Iterator[Example]]:
    """Read texts for a language model, or labelled ones, from files in constant memory.

    path (Optional[Union[str, Path, List[Union[str, Path]]]]): A file, a folder (all files of known
        kinds in it and the folders in it, in order of their paths), or a list of them. Kinds are
        .txt, .jsonl and .spacy (a DocBin), each also compressed, as .gz or .bz2.
    per (str): What is a document in a .txt file, a "line" or the whole "file".
    limit (int): Number of examples at which to stop; 0 for all.
    min_length (int): Skip documents of fewer tokens.
    max_length (int): Cut documents of more tokens into pieces of at most so many; 0 to leave them
        whole. No text is lost.
    normalize_whitespace (bool): Make each run of whitespace, line breaks too, one space, and strip
        the ends. Docs of .spacy files stay as they are.
    text_key (str): Key of the text in .jsonl files.
    label_key (Optional[str]): Key in .jsonl files of what becomes `doc.cats`: a label, which gets
        1.0, or an object of labels and numbers. None for no cats.
    RETURNS (Callable[[Language], Iterator[Example]]): The corpus. References have the text, the
        cats and, from .spacy files, the annotation; predicted docs have the same tokens.
    RAISES (ValueError): For a setting out of its range; while it is read, E030 to E037 for files
        that are missing, broken or hold no text.
    """
    if path is None:
        raise ValueError(Errors.E030.format(path="null", found="no path"))
    if per not in PER:
        raise ValueError(Errors.E009.format(what="per", found=per, expected=", ".join(PER)))
    for what, value in (("limit", limit), ("min_length", min_length), ("max_length", max_length)):
        if not is_whole(value, 0):
            raise number_error(what, "a whole number of at least 0", value)

    def corpus(nlp: Language) -> Iterator[Example]:
        n_examples = 0
        for file in find_files(path):
            if kind_of(file) == ".spacy":
                docs = read_docs(file, nlp.vocab)
                cut = _cut_annotated
            else:
                texts = read_texts(file, per=per, text_key=text_key, label_key=label_key)
                docs = (_make_doc(nlp, text, normalize_whitespace) for text in texts)
                cut = _cut_plain
            for doc in docs:
                if len(doc) < min_length:
                    continue
                whole = not max_length or len(doc) <= max_length
                for piece in [doc] if whole else cut(doc, max_length):
                    yield Example(_without_annotation(piece), piece)
                    n_examples += 1
                    if n_examples == limit:
                        return
        if not n_examples:
            raise no_text_error(path, min_length)

    return corpus


def read_texts(
    path: Union[PathT, Sequence[PathT]],
    *,
    per: str = "line",
    text_key: str = "text",
    label_key: Optional[str] = None,
) -> Iterator[Text]:
    """Read the texts of .txt and .jsonl files, compressed or not.

    The arguments are those of `TextCorpus`.
    YIELDS (Text): The texts, without blank ones.
    RAISES (ValueError): E030 to E036.
    """
    for file in find_files(path):
        kind = kind_of(file)
        if kind == ".spacy":
            found = "docs, where texts are needed"
            raise ValueError(Errors.E031.format(path=file, found=found, kinds=".txt or .jsonl"))
        with open_file(file) as data:
            if kind == ".jsonl":
                yield from read_json_texts(data, file, text_key=text_key, label_key=label_key)
            elif per == "file":
                text = read_whole(data, file)
                if text and not text.isspace():
                    yield Text(text, {}, str(file))
            else:
                for number, line in read_lines(data, file):
                    yield Text(line, {}, f"line {number} of {file}")


def read_json_texts(
    file: IO[bytes], name: PathT, *, text_key: str = "text", label_key: Optional[str] = None
) -> Iterator[Text]:
    """Read texts from lines of JSON objects.

    file (IO[bytes]): An open file.
    name (Union[str, Path]): What to call it in errors.
    text_key (str): Key of the text.
    label_key (Optional[str]): Key of the label or the cats.
    YIELDS (Text): The texts, without blank ones.
    RAISES (ValueError): E032 to E035.
    """
    for record, where in read_records(file, name):
        text = text_at(record, text_key, where)
        cats = {} if label_key is None else _read_cats(record, label_key, where)
        if text and not text.isspace():
            yield Text(text, cats, where)


def read_records(file: IO[bytes], name: PathT) -> Iterator[Tuple[Any, str]]:
    """
    file (IO[bytes]): An open file of lines of JSON.
    name (Union[str, Path]): What to call it in errors.
    YIELDS (Tuple[Any, str]): What each line holds, and the place of the line, for messages.
    RAISES (ValueError): E032 and E033.
    """
    for number, line in read_lines(file, name):
        where = f"line {number} of {name}"
        try:
            record = srsly.json_loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(Errors.E033.format(where=where, reason=error)) from error
        yield record, where


def no_text_error(path: Any, min_length: int = 0) -> ValueError:
    """RETURNS (ValueError): The error for a corpus or an input without text; its advice is about
    min_length only where there is such a setting, and it leaves something out."""
    long_enough, advice = "", "Check the path."
    if min_length > 0:
        long_enough = f" and has min_length = {min_length} tokens or more"
        advice = "Check the path, or lower min_length."
    return ValueError(Errors.E037.format(path=path, long_enough=long_enough, advice=advice))


def text_at(record: Any, key: str, where: str, setting: str = "text_key") -> str:
    """RETURNS (str): The text at a key of a record, which the user has set by `setting`.

    RAISES (ValueError): E034 if there is none, E033 if it is none that a doc can have.
    """
    text = record.get(key) if isinstance(record, dict) else None
    if not isinstance(text, str):
        found = shown_keys(record)
        raise ValueError(Errors.E034.format(where=where, key=key, found=found, setting=setting))
    try:
        text.encode("utf8")
    except UnicodeEncodeError as error:
        reason = "the text has half of a surrogate pair (\\ud800 to \\udfff)"
        raise ValueError(Errors.E033.format(where=where, reason=reason)) from error
    return text


def shown_keys(record: Any) -> str:
    """RETURNS (str): What a record is, for messages."""
    if not isinstance(record, dict):
        return f"a JSON value of type {type(record).__name__}"
    return "an object with the keys " + (", ".join(map(repr, record)) or "(none)")


def _read_cats(record: Dict[str, Any], key: str, where: str) -> Dict[str, float]:
    if key not in record:
        raise ValueError(Errors.E035.format(where=where, key=key, found=shown_keys(record)))
    value = record[key]
    if value is None:
        return {}
    cats = {value: 1.0} if isinstance(value, str) else value
    if isinstance(cats, dict) and all(
        label and is_text(label) and isinstance(n, (int, float)) and math.isfinite(n)
        for label, n in cats.items()
    ):
        return {label: float(n) for label, n in cats.items()}
    raise ValueError(Errors.E035.format(where=where, key=key, found=repr(value)))


def read_docs(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read the docs of a .spacy file, compressed or not, which is held in memory as a whole.

    path (Path): The file.
    vocab (Vocab): The vocabulary for the docs.
    YIELDS (Doc): The docs, without blank ones.
    RAISES (ValueError): E030 if the file cannot be opened, E036 if it is damaged.
    """
    with open_file(path) as file:
        data = file.read()
    try:
        docs: Iterable[Doc] = DocBin().from_bytes(data).get_docs(vocab)
        for doc in docs:
            if any(not token.is_space for token in doc):
                yield doc
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # What zlib, msgpack and spaCy say of broken data; some of them repeat all of it.
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise ValueError(Errors.E036.format(path=path, reason=reason)) from error


def tokenize(nlp: Language, text: str) -> Doc:
    """RETURNS (Doc): A text of any length, while nlp.make_doc refuses those longer than
    nlp.max_length, for the sake of parsers."""
    return nlp.make_doc(text) if len(text) <= nlp.max_length else nlp.tokenizer(text)


def _make_doc(nlp: Language, text: Text, normalize_whitespace: bool) -> Doc:
    doc = tokenize(nlp, " ".join(text.text.split()) if normalize_whitespace else text.text)
    doc.cats = dict(text.cats)
    return doc


def _cut_plain(doc: Doc, max_length: int) -> Iterator[Doc]:
    """Cut a doc that has no annotation but its cats, which each piece gets."""
    tokens = Tokens.of(doc)
    for start in range(0, len(doc), max_length):
        piece = tokens.cut(start, start + max_length).make_doc(doc.vocab)
        piece.cats = dict(doc.cats)
        yield piece


def _cut_annotated(doc: Doc, max_length: int) -> Iterator[Doc]:
    """Cut a doc, with the annotation of its tokens, its entities and its cats."""
    # Read off once, as each span would read the whole doc again.
    array_head = list(doc._get_array_attrs())
    array = doc.to_array(array_head)
    for start in range(0, len(doc), max_length):
        span = doc[start : start + max_length]
        piece = span.as_doc(array_head=array_head, array=array)  # type: ignore[call-arg]
        piece.cats = dict(doc.cats)
        yield piece


def _without_annotation(doc: Doc) -> Doc:
    return Tokens.of(doc).make_doc(doc.vocab)
