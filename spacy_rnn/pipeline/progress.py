"""What is shown while a component reads many docs."""

from typing import Iterable

from spacy.tokens import Doc
from tqdm import tqdm


def progress(docs: Iterable[Doc], about: str) -> Iterable[Doc]:
    """Show how many docs have been read, if it takes long and somebody is there to see it."""
    return tqdm(docs, about, unit=" docs", delay=2, disable=None, leave=False)
