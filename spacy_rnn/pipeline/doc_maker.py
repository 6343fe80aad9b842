"""The tokenizer of a pipeline, for components that read texts by themselves."""

import weakref
from typing import Any, Callable, Optional

from spacy.language import Language
from spacy.tokens import Doc


class DocMaker:
    """Makes docs by whatever tokenizer the pipeline has at the time. A pipeline that holds its
    component must not be held by it; so it is by a weak reference, which a copy in another process
    has to do without: that one has the tokenizer of when it was made.

    nlp (Language): The pipeline.
    """

    def __init__(self, nlp: Language) -> None:
        self._nlp: Callable[[], Optional[Language]] = weakref.ref(nlp)
        self._tokenizer: Callable[[str], Doc] = nlp.tokenizer

    def __call__(self, text: str) -> Doc:
        """RETURNS (Doc): The text, cut into tokens."""
        nlp = self._nlp()
        return (nlp.tokenizer if nlp is not None else self._tokenizer)(text)

    def __getstate__(self) -> Any:
        nlp = self._nlp()
        return nlp.tokenizer if nlp is not None else self._tokenizer

    def __setstate__(self, tokenizer: Any) -> None:
        self._nlp = _gone
        self._tokenizer = tokenizer

    def __deepcopy__(self, memo: Any) -> "DocMaker":
        return self


def _gone() -> None:
    """What a weak reference says of what is gone."""
