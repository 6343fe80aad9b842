"""Scores of language models and of what sequence to sequence models write."""

import math
from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from spacy.training import Example

from .errors import Errors
from .pipeline.surprisal import N_UNITS, perplexity, surprisals_of
from .training.pairs import TARGET


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
        characters of the text) and `lm_score`, 1 / perplexity; of surprisals that are no numbers
        the perplexity is infinite. Empty if there are no examples.
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
    # No other score is above one that is no number, so that `spacy train` would keep that model.
    value = math.inf if math.isnan(value) else value
    return {
        "lm_perplexity": value,
        "lm_bits_per_char": (bits + spelled) / max(n_chars, 1),
        "lm_bits_per_token": bits / max(n_tokens, 1),
        "lm_score": 1.0 / value,
    }


def make_lm_scorer() -> Callable[..., Dict[str, float]]:
    """RETURNS (Callable): `lm_score`, for configs."""
    return lm_score


def seq2seq_score(examples: Iterable[Example], **cfg: Any) -> Dict[str, Optional[float]]:
    """Compare the texts that a sequence to sequence model has written with those it should have.

    examples (Iterable[Example]): Predicted docs with what was written in `doc._.seq2seq`, and
        references with what was wanted. Those that want nothing (None) are left out.
    RETURNS (Dict[str, Optional[float]]): `seq2seq_exact` (the share that are the same),
        `seq2seq_cer` and `seq2seq_wer` (character and word error rate: the edits that would be
        needed by the length of what was wanted; words are what stands between spaces) and
        `seq2seq_bleu` (of the corpus, 0 to 100, by sacrebleu and its tokenization "13a"). None if
        nothing was wanted.
    RAISES (ImportError): If the extra "seq2seq" is not installed.
    """
    pairs = [
        (example.predicted._.get(TARGET) or "", example.reference._.get(TARGET))
        for example in examples
    ]
    pairs = [(found, wanted) for found, wanted in pairs if wanted is not None]
    names = ("exact", "cer", "wer", "bleu")
    if not pairs:
        return {f"seq2seq_{name}": None for name in names}
    distance, bleu = _text_metrics()
    exact = sum(found == wanted for found, wanted in pairs) / len(pairs)
    cer = sum(distance(found, wanted) for found, wanted in pairs)
    words = [(found.split(), wanted.split()) for found, wanted in pairs]
    wer = sum(distance(found, wanted) for found, wanted in words)
    scores = (
        exact,
        cer / max(1, sum(len(wanted) for _, wanted in pairs)),
        wer / max(1, sum(len(wanted) for _, wanted in words)),
        bleu([found for found, _ in pairs], [[wanted for _, wanted in pairs]]).score,
    )
    return {f"seq2seq_{name}": float(score) for name, score in zip(names, scores)}


def _text_metrics() -> Tuple[Callable[..., int], Callable[..., Any]]:
    """RETURNS (Tuple[Callable, Callable]): The edit distance of two sequences, and BLEU."""
    try:
        from rapidfuzz.distance import Levenshtein
        from sacrebleu import corpus_bleu
    except ImportError as e:
        raise ImportError(
            Errors.E008.format(
                what="scoring what rnn_seq2seq has written",
                module=e.name or "sacrebleu",
                extra="seq2seq",
            )
        ) from e
    return Levenshtein.distance, corpus_bleu


def make_seq2seq_scorer() -> Callable[..., Dict[str, Optional[float]]]:
    """RETURNS (Callable): `seq2seq_score`, for configs."""
    return seq2seq_score
