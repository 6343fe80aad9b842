"""The texts that a command is given: files of several kinds, or standard input."""

import sys
from pathlib import Path
from typing import Annotated, Dict, Iterator, List, NamedTuple, Optional, Sequence

import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..errors import Errors
from ..training.corpora import PER, Text, no_text_error, read_docs, read_json_texts, read_texts
from ..training.files import find_files, kind_of, read_lines, read_whole
from .common import hint

STDIN = "-"
STDIN_NAME = "standard input"
STDIN_FORMATS = ("txt", "jsonl")

FilesArg = Annotated[
    Optional[List[str]],
    typer.Argument(
        metavar="FILES",
        help=".txt, .jsonl, .spacy, also as .gz or .bz2, or folders; - or none for stdin",
    ),
]
PerOpt = Annotated[str, typer.Option(help="A document in a .txt file: 'line' or 'file'")]
StdinFormatOpt = Annotated[
    str, typer.Option("--stdin-format", help="What is read from standard input: 'txt' or 'jsonl'")
]
TextKeyOpt = Annotated[str, typer.Option(help="Key of the text in .jsonl files")]
LabelKeyOpt = Annotated[
    Optional[str], typer.Option(help="Key of the label, for a model that depends on labels")
]


class Source(NamedTuple):
    """A text, before the pipeline reads it.

    where (str): The place that it is from.
    text (str): The text.
    cats (Dict[str, float]): Its categories.
    doc (Optional[Doc]): The doc, if it has been tokenized already.
    """

    where: str
    text: str
    cats: Dict[str, float]
    doc: Optional[Doc] = None

    def make_doc(self, nlp: Language) -> Doc:
        """RETURNS (Doc): The doc, made by the pipeline's tokenizer if it was not there."""
        if self.doc is not None:
            return self.doc
        # nlp.make_doc refuses texts longer than nlp.max_length, for the sake of parsers.
        is_short = len(self.text) <= nlp.max_length
        doc = nlp.make_doc(self.text) if is_short else nlp.tokenizer(self.text)
        doc.cats = dict(self.cats)
        return doc


def read_sources(
    vocab: Vocab,
    files: Sequence[str],
    *,
    per: str = "line",
    stdin_format: str = "txt",
    text_key: str = "text",
    label_key: Optional[str] = None,
) -> Iterator[Source]:
    """Read texts one by one. What is wrong with the arguments is told before the first.

    vocab (Vocab): The vocabulary for docs that are read.
    files (Sequence[str]): Files, folders, or "-" for standard input; none for that alone.
    per (str): What is a document in a .txt file, a "line" or the whole "file".
    stdin_format (str): What standard input is, "txt" or "jsonl".
    text_key (str): Key of the text in .jsonl files.
    label_key (Optional[str]): Key of the label or the cats in them.
    RETURNS (Iterator[Source]): The texts, without blank ones.
    RAISES (ValueError): E009 for unknown choices, E030 to E036 for files, E037 if there is no text.
    """
    for what, found, expected in (
        ("per", per, PER),
        ("stdin_format", stdin_format, STDIN_FORMATS),
    ):
        if found not in expected:
            raise ValueError(
                Errors.E009.format(what=what, found=found, expected=", ".join(expected))
            )
    names = list(files) or [STDIN]
    paths: List[Optional[Path]] = []
    for name in names:
        paths += [None] if name == STDIN else find_files(name)

    def read() -> Iterator[Source]:
        is_empty = True
        for path in paths:
            if path is not None and kind_of(path) == ".spacy":
                found = _read_docs(path, vocab)
            elif path is not None:
                texts = read_texts(path, per=per, text_key=text_key, label_key=label_key)
                found = map(_from_text, texts)
            else:
                found = _read_stdin(per, stdin_format, text_key, label_key)
            for source in found:
                is_empty = False
                yield source
        if is_empty:
            shown = ", ".join(STDIN_NAME if name == STDIN else name for name in names)
            raise no_text_error(shown)

    return read()


def _from_text(text: Text) -> Source:
    return Source(text.where, text.text, text.cats)


def _read_docs(path: Path, vocab: Vocab) -> Iterator[Source]:
    for i, doc in enumerate(read_docs(path, vocab), start=1):
        yield Source(f"doc {i} of {path}", doc.text, dict(doc.cats), doc)


def _read_stdin(
    per: str, stdin_format: str, text_key: str, label_key: Optional[str]
) -> Iterator[Source]:
    if sys.stdin is None:
        raise ValueError(Errors.E030.format(path=STDIN_NAME, found="that it is closed"))
    if sys.stdin.isatty():
        hint("Reading what you type. End it with Ctrl-D (on Windows: Ctrl-Z, Enter).")
    data = sys.stdin.buffer
    if stdin_format == "jsonl":
        texts = read_json_texts(data, STDIN_NAME, text_key=text_key, label_key=label_key)
        yield from map(_from_text, texts)
    elif per == "file":
        text = read_whole(data, STDIN_NAME)
        if text and not text.isspace():
            yield Source(STDIN_NAME, text, {})
    else:
        for number, line in read_lines(data, STDIN_NAME):
            yield Source(f"line {number} of {STDIN_NAME}", line, {})
