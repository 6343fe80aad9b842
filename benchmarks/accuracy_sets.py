"""The data sets of the comparison by accuracy: their parts, budgets, samples and checksums."""

import hashlib
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Dict, List, NamedTuple, Tuple

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

PARTS = ("train", "dev", "test")
# What is trained to see how long it takes: so many sentences, of two sets.
TIME = "time"
TIME_TEXTS = 10_000
TIME_SETS = ("mr", "sentences")
# What is read without labels, where that is more than the set's own training texts.
RAW_SETS = {"mr": ("imdb", "mr"), TIME: TIME_SETS}
# With few labels nobody has thousands for the dev set.
FEW_DEV = 400


class Budget(NamedTuple):
    """What each neural system may spend on a data set.

    epochs (int): So often it reads the training texts, at most.
    evals (int): Evaluations on the dev set, spread over these epochs.
    patience (int): It stops after so many evaluations without a better score; 0 for never.
    """

    epochs: int
    evals: int
    patience: int


# A step has as many texts as a system's config says, so the budgets are in epochs.
BUDGETS: Dict[str, Budget] = {
    "sentences": Budget(epochs=20, evals=20, patience=6),
    "mr": Budget(epochs=10, evals=20, patience=6),
    "imdb": Budget(epochs=2, evals=6, patience=3),
    "r8": Budget(epochs=10, evals=20, patience=6),
    "20news": Budget(epochs=5, evals=5, patience=2),
    TIME: Budget(epochs=10, evals=10, patience=0),
}
FEW_BUDGET = Budget(epochs=40, evals=20, patience=6)


class DataSet(NamedTuple):
    """What systems are trained on.

    name (str): A key of BUDGETS.
    n_labels (int): Labelled texts that are trained on; 0 for all.
    seed (int): Seed of the sample, if not all are trained on.
    parts (Dict[str, Path]): The .spacy files of train, dev and test.
    raw (Tuple[Path, ...]): Files of texts that may be read without their labels.
    """

    name: str
    n_labels: int
    seed: int
    parts: Dict[str, Path]
    raw: Tuple[Path, ...] = ()


def budget_of(name: str, n_labels: int) -> Budget:
    """RETURNS (Budget): What each neural system may spend on a data set."""
    return FEW_BUDGET if n_labels else BUDGETS[name]


def find_sources(corpus: Path, name: str) -> Dict[str, Path]:
    """
    corpus (Path): Folder of the data sets.
    name (str): A key of BUDGETS.
    RETURNS (Dict[str, Path]): The files that it is made of, by part; those that make up one more.
    """
    if name != TIME:
        return {part: corpus / name / f"{part}.spacy" for part in PARTS}
    first, second = TIME_SETS
    return {**find_sources(corpus, first), "more": corpus / second / "train.spacy"}


def find_raw(corpus: Path, name: str) -> Tuple[Path, ...]:
    """RETURNS (Tuple[Path, ...]): The files of texts that may be read without their labels."""
    return tuple(corpus / each / "train.spacy" for each in RAW_SETS.get(name, (name,)))


def prepare(corpus: Path, name: str, n_labels: int, seed: int, work_dir: Path) -> DataSet:
    """
    corpus (Path): Folder of the data sets.
    name (str): A key of BUDGETS.
    n_labels (int): Labelled texts to be trained on; 0 for all.
    seed (int): Seed of the sample.
    work_dir (Path): Where parts are written that are made here; those that are there are used.
    RETURNS (DataSet): The data set.
    """
    parts = find_sources(corpus, name)
    more = parts.pop("more", None)
    folder = work_dir / f"{name}-{n_labels or 'all'}-{seed}"
    if name == TIME and more is not None:
        made = work_dir / name / f"{checksum(parts['train'])}-{checksum(more)}.spacy"
        if not made.exists():
            texts = [*read_docs(parts["train"]), *read_docs(more)]
            write_docs([texts[i % len(texts)] for i in range(TIME_TEXTS)], made)
        parts["train"] = made
    if n_labels:
        for part, n in (("train", n_labels), ("dev", FEW_DEV)):
            made = folder / f"{part}-{checksum(parts[part])}.spacy"
            if not made.exists():
                write_docs(sample(read_docs(parts[part]), n, seed), made)
            parts[part] = made
    return DataSet(name, n_labels, seed, parts, find_raw(corpus, name))


def sample(docs: List[Doc], n: int, seed: int) -> List[Doc]:
    """
    docs (List[Doc]): Labelled docs.
    n (int): How many to draw.
    seed (int): Another seed draws others.
    RETURNS (List[Doc]): As many of each label as there can be, labels taking turns.
    """
    shuffled = list(docs)
    Random(seed).shuffle(shuffled)
    by_label: Dict[str, List[Doc]] = {label: [] for label in sorted({label_of(d) for d in docs})}
    for doc in shuffled:
        by_label[label_of(doc)].append(doc)
    turns = [
        (turn, i, doc)
        for i, of_label in enumerate(by_label.values())
        for turn, doc in enumerate(of_label)
    ]
    return [doc for _, _, doc in sorted(turns, key=lambda entry: entry[:2])[:n]]


def label_of(doc: Doc) -> str:
    """RETURNS (str): The label with the highest value, or "" if there is none."""
    return max(doc.cats, key=lambda label: doc.cats[label], default="")


def read_docs(path: Path) -> List[Doc]:
    """RETURNS (List[Doc]): The docs of a .spacy file, with their labels."""
    return list(DocBin().from_disk(path).get_docs(Vocab()))


def write_docs(docs: List[Doc], path: Path) -> None:
    """Write a .spacy file, beside it first, so that it is never half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    DocBin(docs=docs).to_disk(beside)
    beside.replace(path)


@lru_cache(maxsize=None)
def lengths_of(path: Path) -> Tuple[int, ...]:
    """RETURNS (Tuple[int, ...]): Tokens of each doc of a .spacy file."""
    return tuple(len(tokens) for tokens in DocBin().from_disk(path).tokens)


def checksum(path: Path) -> str:
    """RETURNS (str): Of a file, or of all files in a folder; "" if there is nothing."""
    if not path.exists():
        return ""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        name = str(file.relative_to(path)) if path.is_dir() else ""
        digest.update(f"{name} {_checksum(file, file.stat().st_mtime_ns)}\n".encode())
    return digest.hexdigest()[:12]


@lru_cache(maxsize=None)
def _checksum(file: Path, changed: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
