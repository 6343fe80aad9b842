"""Writing a corpus: three .spacy files, the labels and a description, all of them or none."""

import os
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import AbstractSet, Any, Dict, Iterator, List, Sequence, Set

import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from tqdm import tqdm

from datalib.errors import DataError
from datalib.records import Record, count_conflicts, count_repeats, find_labels
from datalib.splitting import PARTS, Parts, drop_leaks

LABELS_FILE = "labels.json"
META_FILE = "meta.json"
CORPUS_FILES = frozenset([*(f"{part}.spacy" for part in PARTS), LABELS_FILE, META_FILE])


@dataclass
class Corpus:
    """Three parts ready to be written.

    parts (Parts): The records of train, dev and test, with no text in two of them.
    labels (List[str]): All labels, sorted.
    multilabel (bool): Whether any number of labels may hold for a text.
    meta (Dict): What is known about the corpus; written to meta.json.
    warnings (List[str]): What the user should know about the data.
    """

    parts: Parts
    labels: List[str]
    multilabel: bool
    meta: Dict[str, Any]
    warnings: List[str] = field(default_factory=list)


def build_corpus(parts: Parts, *, multilabel: bool, meta: Dict[str, Any]) -> Corpus:
    """Check the parts together, remove texts that are in two of them, and count.

    parts (Parts): The records of train, dev and test.
    multilabel (bool): Whether any number of labels may hold for a text.
    meta (Dict): Facts about where the data come from, to be kept in meta.json.
    RETURNS (Corpus): The corpus.
    RAISES (DataError): If a part is empty, or if there are too few labels.
    """
    parts, dropped = drop_leaks(parts)
    for name in PARTS:
        if not parts[name]:
            raise DataError(
                f"Nothing is left for {name}.",
                "All of its texts occur in another part too. Give texts that are different.",
            )
    records = [record for name in PARTS for record in parts[name]]
    labels = find_labels(records, multilabel)
    conflicts = count_conflicts(records)
    repeats = {name: count_repeats(parts[name]) for name in PARTS}
    meta = {
        **meta,
        "multilabel": multilabel,
        "labels": labels,
        "parts": {name: _describe(parts[name], labels) for name in PARTS},
        "dropped_because_in_a_later_part": dropped,
        "repeated_texts": repeats,
        "texts_with_different_labels": conflicts,
    }
    corpus = Corpus(parts, labels, multilabel, meta)
    for name, count in dropped.items():
        corpus.warnings.append(
            f"{count} texts of {name} occur in a later part too (dev or test) and were left out."
        )
    if conflicts:
        corpus.warnings.append(f"{conflicts} texts occur with different labels. All were kept.")
    if unseen := sorted(set(labels) - _held(parts["train"])):
        corpus.warnings.append(f"No training text has these labels: {', '.join(unseen)}.")
    return corpus


def _held(records: Sequence[Record]) -> Set[str]:
    return {label for record in records for label in record.labels}


def _describe(records: Sequence[Record], labels: Sequence[str]) -> Dict[str, Any]:
    """Counts of docs, labels and sources."""
    held = Counter(label for record in records for label in record.labels)
    sources = Counter(record.source for record in records if record.source)
    described: Dict[str, Any] = {
        "docs": len(records),
        "labels": {label: held[label] for label in labels},
    }
    if sources:
        described["sources"] = dict(sorted(sources.items()))
    return described


def blank_pipeline(lang: str) -> Language:
    """The tokenizer of a language, or a DataError if spaCy has none."""
    try:
        return spacy.blank(lang)
    except ImportError as err:
        raise DataError(
            f"Cannot load spaCy's tokenizer for the language '{lang}'.",
            "Expected a code that spaCy knows, such as en, de or xx (any language), and the "
            f"packages that its tokenizer needs. spaCy said: {err}",
        ) from err


def write_corpus(corpus: Corpus, out_dir: Path, nlp: Language) -> None:
    """Write train.spacy, dev.spacy, test.spacy, labels.json and meta.json into a folder.

    The folder appears whole or not at all: the files are written to a folder beside it, which
    is renamed at the end. An earlier corpus in its place is kept until then.

    corpus (Corpus): The corpus.
    out_dir (Path): The folder; made if needed.
    nlp (Language): The pipeline whose tokenizer is used.
    RAISES (DataError): If the folder holds other files.
    """
    with replaced_folder(out_dir) as folder:
        for name in PARTS:
            records = tqdm(corpus.parts[name], desc=name, unit="doc", delay=2, disable=None)
            docs = DocBin(store_user_data=True)
            for record in records:
                docs.add(make_doc(nlp, record, corpus.labels))
            docs.to_disk(folder / f"{name}.spacy")
        srsly.write_json(folder / LABELS_FILE, corpus.labels)
        srsly.write_json(folder / META_FILE, {"lang": nlp.lang, **corpus.meta})


def make_doc(nlp: Language, record: Record, labels: Sequence[str]) -> Doc:
    """A doc with a 0 or 1 for every label in doc.cats, and the source in doc.user_data."""
    doc = record.doc if record.doc is not None else nlp.make_doc(record.text)
    doc.cats = {label: float(label in record.labels) for label in labels}
    if record.source:
        doc.user_data["source"] = record.source
    return doc


def check_replaceable(out_dir: Path, ours: AbstractSet[str] = CORPUS_FILES) -> None:
    """Raise a DataError if the path is a file, or a folder with files that are not ours."""
    if not out_dir.exists():
        return
    if not out_dir.is_dir():
        raise DataError(
            f"Found a file at {out_dir}, expected a folder.", "Choose another output folder."
        )
    others = sorted({path.name for path in out_dir.iterdir()} - ours)
    if others:
        raise DataError(
            f"The folder {out_dir} holds other files, such as {others[0]}.",
            "It would be replaced as a whole. Choose an empty folder, a new one, or one that "
            "holds nothing but what was written there earlier.",
        )


@contextmanager
def replaced_folder(out_dir: Path, ours: AbstractSet[str] = CORPUS_FILES) -> Iterator[Path]:
    """Give a folder to write into, and put it in the place of `out_dir` if all goes well.

    On any exception, also an interruption, what was at `out_dir` before is there still.

    out_dir (Path): The folder.
    ours (AbstractSet[str]): What an earlier one may hold. If it holds anything else, it is kept.
    """
    out_dir = out_dir.resolve()
    check_replaceable(out_dir, ours)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    part = out_dir.with_name(f".{out_dir.name}.{os.getpid()}.part")
    old = out_dir.with_name(f".{out_dir.name}.{os.getpid()}.old")
    part.mkdir()
    try:
        yield part
        if out_dir.exists():
            out_dir.rename(old)
        part.rename(out_dir)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if old.exists() and not out_dir.exists():
            old.rename(out_dir)
        shutil.rmtree(old, ignore_errors=True)
