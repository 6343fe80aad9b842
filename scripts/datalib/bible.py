"""Verses of two Bibles, in two languages, by their references: a parallel text."""

import html
import re
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

from datalib.debian import read_package
from datalib.downloads import Archive
from datalib.errors import DataError

ENGLISH = Archive(
    project="sword-text-web",
    version="426.0-1",
    filename="sword-text-web_426.0-1_all.deb",
    sha256="930b23670b352f0829a306501de4bebb5e654a2df02cde2cbe86b802177868e1",
)
SPANISH = Archive(
    project="sword-text-sparv",
    version="2.60-1",
    filename="sword-text-sparv_2.60-1_all.deb",
    sha256="5c87f9b2bc97457e8a872f5bae7ea7ce59cb3de1dcee73e4d4740451863694cf",
)
MODULES = "usr/share/sword/"
# Book, chapter and verse.
ReferenceT = Tuple[str, int, int]
# A text more than so many times as long as the other, in characters, is no translation of it: the
# two editions do not count their verses alike everywhere.
MAX_RATIO = 2.5

# What is no text: notes, who speaks, and headings that the editors have added.
ASIDE = re.compile(r"<(note|speaker)\b[^>]*>.*?</\1>|<title\b(?![^>]*canonical)[^>]*>.*?</title>")
# Tags that stand within a line; others part what they stand between.
INLINE = re.compile(r"</?(?:w|q|seg|name|transChange|hi|divineName|foreign)\b[^>]*>")
TAG = re.compile(r"<[^>]*>")
SPACE_BEFORE = re.compile(r"\s+(?=[,.;:!?)\]\u2019\u201d])")
WORD = re.compile(r"\b[^\W\d_]{2,}\b")


def read_parallel(english: Path, spanish: Path) -> Dict[str, List[Dict[str, str]]]:
    """Align two Bibles.

    english, spanish (Path): The packages.
    RETURNS (Dict[str, List[Dict[str, str]]]): For each chapter the verses that both have, in
        order: English texts and Spanish targets.
    """
    sources = {place: plain_text(text) for place, text in read_verses(english)}
    targets = {place: plain_text(text) for place, text in read_verses(spanish)}
    small = {word for text in targets.values() for word in WORD.findall(text) if word.islower()}
    chapters: Dict[str, List[Dict[str, str]]] = {}
    for place, target in targets.items():
        book, chapter, verse = place
        text = sources.get(place, "")
        if verse == 1:
            target = without_initial(target, small)
        if is_pair(text, target):
            chapters.setdefault(f"{book} {chapter}", []).append({"text": text, "target": target})
    return chapters


def read_verses(package: Path) -> Iterator[Tuple[ReferenceT, str]]:
    """The verses of a Bible.

    package (Path): A .deb file with one SWORD module.
    YIELDS (Tuple[Tuple[str, int, int], str]): References and texts with their markup, in order.
    RAISES (DataError): If pysword is not installed, or there is no module.
    """
    try:
        from pysword.modules import SwordModules
    except ImportError as err:
        raise DataError(
            "The package 'pysword' is not installed.",
            "It is needed to read Bibles. Install it with: pip install 'pysword>=0.2.8,<0.3'",
        ) from err
    with tempfile.TemporaryDirectory() as tmp:
        for name, content in read_package(package):
            if name.startswith(MODULES) and ".." not in Path(name).parts:
                target = Path(tmp) / name.removeprefix(MODULES)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        modules = SwordModules(tmp)
        try:
            [key] = modules.parse_modules()
        except (OSError, ValueError) as err:
            raise DataError(
                f"There is no Bible in {package.name}: {err}.", "Expected one SWORD module."
            ) from err
        yield from _read_module(modules.get_bible_from_module(key))


def _read_module(bible: Any) -> Iterator[Tuple[ReferenceT, str]]:
    for books in bible.get_structure().get_books().values():
        for book in books:
            references = (
                (book.name, chapter, verse)
                for chapter, n_verses in enumerate(book.chapter_lengths, start=1)
                for verse in range(1, n_verses + 1)
            )
            yield from zip(references, bible.get_iter(books=[book.name], clean=False))


def plain_text(marked: str) -> str:
    """RETURNS (str): What is read of a verse: without its markup and notes."""
    text = ASIDE.sub(" ", marked)
    text = html.unescape(TAG.sub(" ", INLINE.sub("", text)))
    return SPACE_BEFORE.sub("", " ".join(text.split()))


def without_initial(text: str, small: Set[str]) -> str:
    """The first verse of a chapter without the capitals that its first word, after the title of a
    psalm, is printed in: "EN el principio" becomes "En el principio".

    text (str): The verse.
    small (Set[str]): Words that are written without capitals elsewhere: no names.
    RETURNS (str): The verse.
    """
    for word in WORD.finditer(text):
        if word[0].isupper():
            before = text[: word.start()].rstrip()
            is_inside = bool(before) and before[-1] not in ".!?¡¿("
            is_small = is_inside and word[0].lower() in small
            found = word[0].lower() if is_small else word[0].capitalize()
            return text[: word.start()] + found + text[word.end() :]
    return text


def is_pair(text: str, target: str) -> bool:
    """RETURNS (bool): Whether both have words, and of like length."""
    if not (WORD.search(text) and WORD.search(target)):
        return False
    return max(len(text), len(target)) <= MAX_RATIO * min(len(text), len(target))


def without_seen(parts: Dict[str, List[Any]]) -> Dict[str, List[Any]]:
    """RETURNS (Dict[str, List[Dict[str, str]]]): The parts, dev and test without the pairs of which
    a text is in the training part as well, whatever its case and punctuation."""
    seen = {_words(pair[key]) for pair in parts["train"] for key in ("text", "target")}
    return {
        part: [
            pair
            for pair in pairs
            if part == "train" or not {_words(pair["text"]), _words(pair["target"])} & seen
        ]
        for part, pairs in parts.items()
    }


def _words(text: str) -> str:
    return " ".join(WORD.findall(text.casefold()))
