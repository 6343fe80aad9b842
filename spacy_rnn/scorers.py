"""Scores of language models."""

from typing import Any, Callable, Dict, Iterable, Optional

from spacy.training import Example

from .errors import Errors
from .pipeline.surprisal import N_UNITS, perplexity, surprisals_of


def lm_score(
    examples: Iterable[Example],
    *,
    spelling: Optional[Callable[[Any], float]] = None,
    **cfg: Any,
) -> Dict[str, float]:
    """Score the surprisals that a language model has written.

    examples (Iterable[Example]): Their predicted docs are scored; there is nothing to compare with.
    spelling (Optional[Callable[[Doc], float]]): What the unknown units of a doc cost to spell, in
        bits. It counts for `lm_bits_per_char` alone.
    RETURNS (Dict[str, float]): `lm_perplexity` (by unit, ends included), `lm_bits_per_token` (all
        bits by the tokens of spaCy), `lm_bits_per_char` (all bits, spelling included, by the
        characters of the text) and `lm_score`, 1 / perplexity. Empty if there are no examples.
    RAISES (ValueError): If a doc has no surprisals.
    """
    bits, spelled = 0.0, 0.0
    n_units, n_tokens, n_chars = 0, 0, 0
    for example in examples:
        doc = example.predicted
        found = surprisals_of(doc)
        if found is None:
            raise ValueError(Errors.E063)
        bits += float(found.sum(dtype="float64"))
        spelled += spelling(doc) if spelling is not None else 0.0
        n_units += doc.user_data[N_UNITS]
        n_tokens += len(doc)
        n_chars += len(doc.text)
    if not n_units:
        return {}
    value = perplexity(bits, n_units)
    return {
        "lm_perplexity": value,
        "lm_bits_per_char": (bits + spelled) / max(n_chars, 1),
        "lm_bits_per_token": bits / max(n_tokens, 1),
        "lm_score": 1.0 / value,
    }


def make_lm_scorer() -> Callable[..., Dict[str, float]]:
    """RETURNS (Callable): `lm_score`, for configs."""
    return lm_score
