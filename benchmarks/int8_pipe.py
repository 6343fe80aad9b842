"""Pipelines to be quantized: trained for a short time, with an encoder that can be replaced."""

import contextlib
import copy
import json
from typing import Any, Dict, Iterator, List, Tuple

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import Adam, Model, fix_random_seed
from tqdm import tqdm

from spacy_rnn.layers import use_engine
from spacy_rnn.pipeline.textcat import DEFAULT_MODEL

from .batches import VectorsT
from .int8 import EncodeT, int8_encoders
from .peers import ENGINE, N_IN, N_OUT, EncoderT
from .pipe import BATCH_SIZE
from .texts import SENTENCES

# Of the embedding and of the encoder: the default, the benchmark's, and the widest that is
# recommended.
WIDTHS = ((96, 128), (N_IN, N_OUT), (N_IN, 512))
TEST_SHARE = 0.2
DROPOUT = 0.5
LEARN_RATE = 0.002


def load_examples(n: int = 0) -> Tuple[List[Tuple[str, str]], List[Tuple[str, str]]]:
    """
    n (int): How many sentences; 0 for all.
    RETURNS (Tuple[List[Tuple[str, str]], List[Tuple[str, str]]]): Texts and labels to train with,
        and others to test with: the same ones at every call, and no text twice.
    """
    lines = SENTENCES.read_text(encoding="utf8").splitlines()
    records = {record["text"]: record["label"] for record in map(json.loads, lines)}
    pairs = list(records.items())
    order = numpy.random.default_rng(0).permutation(len(pairs))[: n or None]
    n_test = round(TEST_SHARE * len(order))
    test, train = ([pairs[i] for i in part] for part in numpy.split(order, [n_test]))
    return train, test


def build(
    pairs: List[Tuple[str, str]], widths: Tuple[int, int], is_whole: bool = False
) -> Language:
    """
    pairs (List[Tuple[str, str]]): Texts and labels to initialize with.
    widths (Tuple[int, int]): Of the embedding and of the encoder.
    is_whole (bool): With the linear model that the default has beside the network.
    RETURNS (Language): A pipeline of a tokenizer and `rnn_textcat`, not trained.
    """
    model = copy.deepcopy(DEFAULT_MODEL)
    model["tok2vec"]["embed"]["width"], model["tok2vec"]["encode"]["width"] = widths
    if not is_whole:
        model["linear_model"] = None
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_textcat", config={"model": model})
    nlp.initialize(lambda: _examples(nlp, pairs))
    return nlp


def model_of(nlp: Language) -> Model[Any, Any]:
    """RETURNS (Model): That of the pipeline's only component."""
    ((_, component),) = nlp.pipeline
    model: Model[Any, Any] = component.model  # type: ignore[attr-defined]
    return model


def find_encoder(nlp: Language) -> EncoderT:
    """RETURNS (Model): List[Floats2d] -> List[Floats2d]."""
    return next(n for n in model_of(nlp).walk() if n.name.startswith("with_ragged("))


def find_embedding(nlp: Language) -> Model[Any, Any]:
    """RETURNS (Model): List[Doc] -> List[Floats2d]. What the encoder reads."""
    return next(n for n in model_of(nlp).walk() if n.name == "hash_embed")


def train(nlp: Language, pairs: List[Tuple[str, str]], n_epochs: int) -> None:
    """Train a pipeline that `build` has made; with the same seed set before, in the same way."""
    examples = _examples(nlp, pairs)
    optimizer = Adam(LEARN_RATE, L2=0.01, L2_is_weight_decay=True, grad_clip=1.0)
    rng = numpy.random.default_rng(0)
    for _ in tqdm(range(n_epochs), desc="Training", unit="epoch", leave=False):
        shuffled = [examples[i] for i in rng.permutation(len(examples))]
        for batch in minibatch(shuffled, 32):
            nlp.update(batch, sgd=optimizer, drop=DROPOUT)


def trained(seed: int, n_epochs: int, n: int = 0) -> Tuple[Language, List[Doc], Any]:
    """RETURNS (Tuple[Language, List[Doc], Ints1d]): A pipeline of the benchmark's widths without a
    linear model, trained on `n` sentences; docs that it has not seen; and the places of their
    labels."""
    train_pairs, test_pairs = load_examples(n)
    fix_random_seed(seed)
    nlp = build(train_pairs, (N_IN, N_OUT))
    train(nlp, train_pairs, n_epochs)
    labels = list(nlp.pipe_labels["rnn_textcat"])
    truths = numpy.asarray([labels.index(label) for _, label in test_pairs])
    return nlp, [nlp.make_doc(text) for text, _ in test_pairs], truths


def predict(nlp: Language, docs: List[Doc]) -> Any:
    """RETURNS (Floats2d): (n_docs, n_labels) Scores."""
    with use_engine(ENGINE):
        return numpy.concatenate(
            [model_of(nlp).predict(batch) for batch in minibatch(docs, BATCH_SIZE)]
        )


@contextlib.contextmanager
def replaced(encoder: EncoderT, encode: EncodeT) -> Iterator[None]:
    """Have something else compute what the encoder predicts within the block."""
    original = encoder._func
    encoder._func = lambda model, Xs, is_train: (encode(Xs), lambda dYs: dYs)
    try:
        yield
    finally:
        encoder._func = original


def compare_scores(nlp: Language, docs: List[Doc], truths: Any) -> Dict[str, Any]:
    """
    nlp (Language): A trained pipeline.
    docs, truths (List[Doc], Ints1d): Docs that it has not seen, and the places of their labels.
    RETURNS (Dict[str, Any]): "n_docs", the "accuracy" in float32, and by encoder in "int8" the
        "accuracy", how many predictions "changed", and the "error" of its outputs.
    """
    encoder, embedding = find_encoder(nlp), find_embedding(nlp)
    exact = predict(nlp, docs)
    with use_engine(ENGINE):
        Xs = embedding.predict(docs)
        Ys = encoder.predict(Xs)
    found: Dict[str, Any] = {"n_docs": len(docs), "accuracy": accuracy(exact, truths), "int8": {}}
    for name, encode in int8_encoders(encoder).items():
        with replaced(encoder, encode):
            scores = predict(nlp, docs)
        found["int8"][name] = {
            "accuracy": accuracy(scores, truths),
            "changed": int((scores.argmax(axis=1) != exact.argmax(axis=1)).sum()),
            "error": error_of(encode(Xs), Ys),
        }
    return found


def accuracy(scores: Any, truths: Any) -> float:
    """RETURNS (float): The share of rows whose largest score is that of the right label."""
    return float((scores.argmax(axis=1) == truths).mean())


def error_of(found: VectorsT, expected: VectorsT) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): The largest and the root mean square difference, "max" and "rms",
    in units of the root mean square of what was expected."""
    Y = numpy.concatenate(expected)
    difference = numpy.concatenate(found) - Y
    unit = numpy.sqrt(numpy.mean(Y**2))
    return {
        "max": float(numpy.abs(difference).max() / unit),
        "rms": float(numpy.sqrt(numpy.mean(difference**2)) / unit),
    }


def _examples(nlp: Language, pairs: List[Tuple[str, str]]) -> List[Example]:
    labels = sorted({label for _, label in pairs})
    return [
        Example.from_dict(
            nlp.make_doc(text), {"cats": {label: float(label == truth) for label in labels}}
        )
        for text, truth in pairs
    ]
