"""Whole pipelines of a tokenizer and a text classifier, initialized but not trained."""

import contextlib
import copy
from dataclasses import dataclass
from typing import Any, ContextManager, Dict, List

import spacy
from spacy import registry
from spacy.language import Language
from spacy.training import Example
from thinc.api import Config, Model, PyTorchLSTM, fix_random_seed, with_padded

from spacy_rnn.layers import use_engine
from spacy_rnn.layers.ops import without_blis

from .peers import CELLS, ENGINE, N_IN, N_OUT

PIPE_BASELINE = "TorchBiLSTM"
TEXTCAT = "textcat"
CNN = "textcat-CNN"
WITH_BOW = "+BOW"  # a linear model of words and word pairs beside the network
WITH_BLAS = "-BLAS"  # spaCy's and Thinc's layers by NumPy's BLAS instead of Thinc's BLIS
PADDED = "spacy-rnn-benchmarks.PaddedBiLSTM.v1"
ATTRS = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
ROWS = [5000, 1000, 2500, 1000]
LABELS = ("POSITIVE", "NEGATIVE")

_BOW = """
[linear_model]
@architectures = "spacy.TextCatBOW.v3"
exclusive_classes = true
length = 262144
ngram_size = 2
no_output_layer = true
"""
_CNN = """
[model]
@architectures = "spacy.TextCatReduce.v1"
exclusive_classes = true
use_reduce_first = false
use_reduce_last = false
use_reduce_max = false
use_reduce_mean = true

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""


@dataclass
class Pipeline:
    """One pipeline in the comparison.

    name (str): A key of `describe_pipelines`.
    nlp (Language): The pipeline.
    is_ours (bool): Whether it runs on the engine of this package.
    """

    name: str
    nlp: Language
    is_ours: bool

    def active(self) -> ContextManager[None]:
        """RETURNS (ContextManager): The block in which the pipeline is to be called."""
        return use_engine(ENGINE) if self.is_ours else contextlib.nullcontext()


def build_pipelines(with_variants: bool = True) -> List[Pipeline]:
    """
    with_variants (bool): With the linear model and with the other BLAS as well.
    RETURNS (List[Pipeline]): All pipelines, ours first.
    """
    pipes = [_ours(cell) for cell in CELLS if cell != "elman"]
    if with_variants:
        pipes += [_ours(cell, WITH_BOW) for cell in ("lstm", "qrnn") if cell in CELLS]
    pipes.append(Pipeline(PIPE_BASELINE, _build(PIPE_BASELINE, _padded_model()), False))
    if with_variants:
        name = PIPE_BASELINE + WITH_BOW
        pipes.append(Pipeline(name, _build(name, _with_bow(_padded_model())), False))
        name = PIPE_BASELINE + WITH_BLAS
        pipes.append(Pipeline(name, _build(name, _padded_model()), False))
    pipes += [Pipeline(TEXTCAT, _build(TEXTCAT), False), Pipeline(CNN, _build(CNN, _cnn()), False)]
    if with_variants:
        pipes.append(Pipeline(TEXTCAT + WITH_BLAS, _build(TEXTCAT + WITH_BLAS), False))
        pipes.append(Pipeline(CNN + WITH_BLAS, _build(CNN + WITH_BLAS, _cnn()), False))
    return pipes


def describe_pipelines(names: List[str]) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): What each of the pipelines is, in this order."""
    about = {}
    for name in names:
        base = name.removesuffix(WITH_BLAS).removesuffix(WITH_BOW)
        text = {
            PIPE_BASELINE: f"TextCatRNN over spacy.MultiHashEmbed.v2, {N_IN} wide, and the network "
            f"of spacy.TorchBiLSTMEncoder.v1, {N_IN} -> {N_OUT}",
            TEXTCAT: "spaCy's default: CNN of width 64 and depth 2, attention, bag of words",
            CNN: "spacy.TextCatReduce.v1 over spacy.HashEmbedCNN.v2, width 96, depth 4",
        }.get(base, f"TextCatRNN over HashEmbed, {N_IN} wide, and RNNEncoder, {N_IN} -> {N_OUT}")
        if WITH_BOW in name:
            text += "; with a linear model of words and word pairs"
        if WITH_BLAS in name:
            text += "; Thinc's products by NumPy's BLAS"
        about[name] = text
    return about


def n_tokens(nlp: Language, texts: List[str]) -> int:
    """RETURNS (int): Tokens of the texts."""
    return sum(len(nlp.make_doc(text)) for text in texts)


def _ours(cell: str, variant: str = "") -> Pipeline:
    model = _rnn_model(
        {"@architectures": "spacy-rnn.HashEmbed.v1"},
        {
            "@architectures": "spacy-rnn.RNNEncoder.v1",
            "cell": cell,
            "width": N_OUT,
            "depth": 1,
            "bidirectional": True,
        },
    )
    name = f"rnn_textcat-{cell}{variant}"
    return Pipeline(name, _build(name, _with_bow(model) if variant else model), True)


def _padded_model() -> Dict[str, Any]:
    registry.architectures.register(PADDED, func=_padded_encoder)
    return _rnn_model({"@architectures": "spacy.MultiHashEmbed.v2"}, {"@architectures": PADDED})


def _padded_encoder() -> Model[Any, Any]:
    """What spacy.TorchBiLSTMEncoder.v1 builds, which takes one width for input and output both."""
    encoder: Model[Any, Any] = with_padded(PyTorchLSTM(N_OUT, N_IN, bi=True, depth=1, dropout=0.0))
    return encoder


def _rnn_model(embed: Dict[str, Any], encode: Dict[str, Any]) -> Dict[str, Any]:
    tables = {"width": N_IN, "attrs": ATTRS, "rows": ROWS, "include_static_vectors": False}
    return {
        "@architectures": "spacy-rnn.TextCatRNN.v1",
        "exclusive_classes": True,
        "pooling": ["last", "mean", "max"],
        "hidden_width": None,
        "linear_model": None,
        "tok2vec": {
            "@architectures": "spacy.Tok2Vec.v2",
            "embed": {**embed, **tables},
            "encode": encode,
        },
    }


def _with_bow(model: Dict[str, Any]) -> Dict[str, Any]:
    return {**model, **Config().from_str(_BOW)}


def _cnn() -> Dict[str, Any]:
    model: Dict[str, Any] = Config().from_str(_CNN)["model"]
    return model


def _build(name: str, model: Any = None) -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    factory = "textcat" if name.startswith(TEXTCAT) else "rnn_textcat"
    config = {} if model is None else {"model": copy.deepcopy(model)}
    pipe = nlp.add_pipe(factory, config=config)
    examples = [
        Example.from_dict(
            nlp.make_doc("some words to begin with"),
            {"cats": {label: float(label == truth) for label in LABELS}},
        )
        for truth in LABELS
    ]
    nlp.initialize(lambda: examples)
    if name.endswith(WITH_BLAS):
        without_blis(pipe.model)  # type: ignore[attr-defined]
    return nlp
