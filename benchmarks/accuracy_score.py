"""How good, how fast and how large a trained text classifier is."""

from pathlib import Path
from time import perf_counter
from typing import Any, Dict, Sequence

import spacy
from spacy.tokens import DocBin

from .accuracy_sets import label_of

N_WARM_UP = 16


def score_pipeline(model: Path, test: Path) -> Dict[str, Any]:
    """
    model (Path): Folder of a pipeline.
    test (Path): A .spacy file.
    RETURNS (Dict[str, Any]): "accuracy", "macro_f"; "words_per_second" of one run of `nlp.pipe`
        over the docs of the file, whose tokens are there already; the pipeline's size in "mb".
    """
    nlp = spacy.load(model)
    docs = list(DocBin().from_disk(test).get_docs(nlp.vocab))
    truths = [label_of(doc) for doc in docs]
    # Kernels are loaded in the first call.
    list(nlp.pipe([doc.copy() for doc in docs[:N_WARM_UP]]))
    for doc in docs:
        doc.cats = {}
    start = perf_counter()
    predicted = [label_of(doc) for doc in nlp.pipe(docs)]
    seconds = perf_counter() - start
    return {
        **score_labels(truths, predicted),
        "words_per_second": sum(map(len, docs)) / seconds,
        "mb": sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) / 1e6,
    }


def score_labels(truths: Sequence[str], predicted: Sequence[str]) -> Dict[str, float]:
    """
    truths (Sequence[str]): The labels that are right.
    predicted (Sequence[str]): Those that were found.
    RETURNS (Dict[str, float]): "accuracy", the share of those that agree, and "macro_f", the
        mean of the F-scores of the labels that occur among the right ones.
    """
    pairs = list(zip(truths, predicted))
    f_scores = []
    for label in sorted(set(truths)):
        right = sum(truth == found == label for truth, found in pairs)
        named = sum((truth == label) + (found == label) for truth, found in pairs)
        f_scores.append(2 * right / named)
    hits = sum(truth == found for truth, found in pairs)
    return {"accuracy": hits / len(pairs), "macro_f": sum(f_scores) / len(f_scores)}
