"""Load trained pipelines that somebody named."""

from pathlib import Path
from typing import Callable, Union

from spacy.language import Language
from spacy.util import load_model

# What a damaged or foreign folder or package may raise: an empty array of NumPy's an EOFError.
LOADING_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    ImportError,
    AttributeError,
    EOFError,
)


def load_trained(name: Union[str, Path], to_error: Callable[[str], ValueError]) -> Language:
    """Load a pipeline, and tell what is wrong with it if there is none.

    name (Union[str, Path]): Its folder, or the name of an installed one.
    to_error (Callable[[str], ValueError]): Makes the error out of the reason: one line, without a
        full stop at its end.
    RETURNS (Language): The pipeline.
    RAISES (ValueError): If it cannot be loaded.
    """
    try:
        return load_model(name)
    except LOADING_ERRORS as error:
        # Messages of this package say all themselves; those of spaCy span several lines.
        if str(error).startswith("[spacy-rnn "):
            raise
        reason = " ".join(f"{error}".split()).rstrip(".") or type(error).__name__
        raise to_error(reason) from error
