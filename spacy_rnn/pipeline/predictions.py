"""What a text classifier of a pipeline says of texts whose labels are known."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy
from spacy.language import Language
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import to_numpy

from ..calibration import Predictions, to_logits
from ..errors import Errors
from .loading import check_doc, check_scores, check_weights

TruthT = Tuple[List[float], List[bool]]


class Collected(NamedTuple):
    """Predictions, and what was left out.

    predictions (Predictions): Of the texts that have labels of the component, at temperature 1.
    n_unlabelled (int): How many have none, and were left out.
    absent (List[str]): Labels of the component that no text has.
    """

    predictions: Predictions
    n_unlabelled: int
    absent: List[str]


def collect(nlp: Language, name: str, docs: Iterable[Doc], source: str) -> Collected:
    """Have a text classifier score texts, and put its scores beside their labels.

    nlp (Language): The pipeline. The components before the classifier read the texts as well.
    name (str): Name of the classifier: one of this package or of spaCy.
    docs (Iterable[Doc]): The texts, with their labels in `doc.cats`; not changed. They are read as
        `spacy evaluate` does it: tokenized anew, unless it is not known where spaces were.
    source (str): Where they are from, for messages.
    RETURNS (Collected): The predictions.
    RAISES (ValueError): E112 if no text has labels of the component, E114 for cats that do not fit,
        E011 for what is no doc, E024 if the classifier has no weights, E177 if its scores are no
        numbers.
    """
    pipe = cast(Any, nlp.get_pipe(name))
    check_weights(name, pipe.model)
    exclusive = not isinstance(pipe, MultiLabel_TextCategorizer)
    later = nlp.pipe_names[nlp.pipe_names.index(name) :]
    others: Dict[str, None] = {}
    n_unlabelled = 0

    def labelled() -> Iterable[Tuple[Doc, TruthT]]:
        nonlocal n_unlabelled
        for i, doc in enumerate(docs, start=1):
            check_doc(doc)
            truth = _find_truth(doc.cats, name, pipe.labels, exclusive, i)
            if truth is None:
                n_unlabelled += 1
                others.update(dict.fromkeys(doc.cats))
            else:
                yield _read_anew(nlp, doc), truth

    scores: List[Any] = []
    truths: List[TruthT] = []
    with nlp.select_pipes(disable=later):
        read = nlp.pipe(labelled(), as_tuples=True)
        for batch in minibatch(read, nlp.batch_size):
            read_docs = [doc for doc, _ in batch]
            scores.append(_score(pipe, read_docs))
            check_scores(name, read_docs, scores[-1])
            truths += [truth for _, truth in batch]
    if not truths:
        labels, found = (", ".join(names) or "(none)" for names in (pipe.labels, others))
        raise ValueError(Errors.E112.format(path=source, name=name, labels=labels, found=found))
    table = numpy.asarray([values for values, _ in truths], dtype="float64")
    known = numpy.asarray([flags for _, flags in truths], dtype=bool)
    absent = [label for label, n in zip(pipe.labels, table.sum(axis=0)) if not n]
    logits = to_logits(numpy.concatenate(scores), exclusive)
    return Collected(Predictions(logits, table, known, exclusive), n_unlabelled, absent)


def _score(pipe: Any, docs: Sequence[Doc]) -> numpy.ndarray:
    """RETURNS (Floats2d): (n_docs, n_labels) At temperature 1. spaCy's components have no other."""
    temperature = pipe.cfg.get("temperature")
    if temperature is None:
        return numpy.asarray(to_numpy(pipe.predict(docs)))
    pipe.cfg["temperature"] = 1.0
    try:
        return numpy.asarray(to_numpy(pipe.predict(docs)))
    finally:
        pipe.cfg["temperature"] = temperature


def _find_truth(
    cats: Dict[str, float], name: str, labels: Sequence[str], exclusive: bool, index: int
) -> Optional[TruthT]:
    """RETURNS (Optional[TruthT]): For each label 1 or 0, and whether it is known; None if the cats
    have none of the labels."""
    own = {label: cats[label] for label in labels if label in cats}
    expected = "0 or 1 for each label"
    fits = all(value in (0.0, 1.0) for value in own.values())
    if exclusive and cats and fits:
        expected = f"a 1 for exactly one of its labels ({', '.join(labels)})"
        fits = not own or sum(own.values()) == 1.0
    if not fits:
        raise ValueError(Errors.E114.format(index=index, name=name, cats=cats, expected=expected))
    if not own:
        return None
    known = [exclusive or label in own for label in labels]
    return [float(own.get(label, 0.0)) for label in labels], known


def _read_anew(nlp: Language, doc: Doc) -> Doc:
    """RETURNS (Doc): The same text, without annotation."""
    if doc.has_unknown_spaces:
        return Doc(nlp.vocab, words=[token.text for token in doc])
    # nlp.make_doc refuses texts longer than nlp.max_length, for the sake of parsers.
    is_short = len(doc.text) <= nlp.max_length
    return nlp.make_doc(doc.text) if is_short else nlp.tokenizer(doc.text)
