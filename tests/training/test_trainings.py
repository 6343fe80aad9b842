"""Trainings by spaCy's own loop, with the optimizers and the logger of this package."""

import io
import json

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

from spacy_rnn.training import optimizers
from spacy_rnn.training.optimizers import NTASGDOptimizer

TEXTCAT = """
[nlp]
lang = "en"
pipeline = ["textcat"]

[components]

[components.textcat]
factory = "rnn_textcat"

[components.textcat.model]
@architectures = "spacy-rnn.TextCatRNN.v1"
exclusive_classes = true

[components.textcat.model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[components.textcat.model.tok2vec.embed]
@architectures = "spacy-rnn.HashEmbed.v1"
width = 16
attrs = ["NORM"]
rows = [100]

[components.textcat.model.tok2vec.encode]
@architectures = "spacy-rnn.RNNEncoder.v1"
cell = "gru"
width = 16
depth = 1
"""
LANGUAGE_MODEL = """
[nlp]
lang = "en"
pipeline = ["lm"]

[components]

[components.lm]
factory = "rnn_lm"

[components.lm.model]
@architectures = "spacy-rnn.LanguageModel.v1"
width = 16
depth = 1

[initialize]

[initialize.components]

[initialize.components.lm]
min_freq = 1
"""
TRAINING = """
[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = ${paths.train}

[training]
max_steps = 20
eval_frequency = 5

[training.optimizer]
@optimizers = "OPTIMIZER"
learn_rate = 0.05

[training.logger]
@loggers = "spacy-rnn.ConsoleLogger.v1"
output_file = ${paths.figures}

[paths]
train = "TRAIN"
figures = "FIGURES"
"""


def run_training(tmp_path, text):
    """RETURNS: The pipeline trained by spaCy's loop, what was printed, and the lines of figures."""
    nlp = spacy.blank("en")
    texts = {"a lovely day": 1.0, "a good film": 1.0, "an awful day": 0.0, "a bad film": 0.0}
    docs = []
    for content, value in texts.items():
        doc = nlp.make_doc(content)
        doc.cats = {"GOOD": value, "BAD": 1.0 - value}
        docs.append(doc)
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    figures = tmp_path / "figures.jsonl"
    text = text.replace("TRAIN", str(tmp_path / "train.spacy")).replace("FIGURES", str(figures))
    text = text.replace("\\", "/")
    config = Config(Language.default_config).merge(Config().from_str(text, interpolate=False))
    trained = init_nlp(spacy.util.load_model_from_config(config, auto_fill=True).config)
    out = io.StringIO()
    (tmp_path / "out").mkdir()
    train(trained, tmp_path / "out", stdout=out, stderr=io.StringIO())
    lines = [json.loads(line) for line in figures.read_text(encoding="utf8").splitlines()]
    return spacy.load(tmp_path / "out" / "model-best"), out.getvalue(), lines


@pytest.mark.parametrize("name", ["spacy-rnn.Adam.v1", "spacy-rnn.SGD.v1", "spacy-rnn.NTASGD.v1"])
def test_spacys_training_takes_optimizers_and_logger(tmp_path, name):
    text = (TEXTCAT + TRAINING).replace("OPTIMIZER", name)
    if "Adam" not in name:
        text = text.replace("learn_rate = 0.05", "learn_rate = 2.0")
    nlp, printed, lines = run_training(tmp_path, text)
    assert nlp("a lovely day").cats["GOOD"] > 0.8
    assert [line["step"] for line in lines] == [0, 5, 10, 15, 20]
    assert all(line["n_skipped"] == 0 and line["gradient_norm"] > 0.0 for line in lines)
    assert lines[-1]["losses"]["textcat"] < lines[1]["losses"]["textcat"]
    assert lines[-1]["train_perplexity"] is None
    assert "SKIPPED" in printed
    assert "PPL" not in printed


def test_a_learn_rate_is_annealed_in_spacys_training(tmp_path):
    settings = "learn_rate = 1000.0\nclip_norm = 1000.0\nanneal = 0.5"
    text = (
        (TEXTCAT + TRAINING)
        .replace("OPTIMIZER", "spacy-rnn.SGD.v1")
        .replace("learn_rate = 0.05", settings)
    )
    _, _, lines = run_training(tmp_path, text)
    rates = [line["learn_rate"] for line in lines]
    assert rates[0] == 1000.0
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0]


def test_averages_are_what_is_evaluated_and_saved(tmp_path, monkeypatch):
    made = []

    class Seen(NTASGDOptimizer):
        def __init__(self, *args, **settings):
            super().__init__(*args, **settings)
            made.append(self)
            self.observe(1.0)
            self.observe(2.0)  # Averaging begins.

    monkeypatch.setattr(optimizers, "NTASGDOptimizer", Seen)
    settings = "learn_rate = 2.0\nnonmono = 0"
    text = (
        (TEXTCAT + TRAINING)
        .replace("OPTIMIZER", "spacy-rnn.NTASGD.v1")
        .replace("learn_rate = 0.05", settings)
    )
    run_training(tmp_path, text)
    saved = spacy.load(tmp_path / "out" / "model-last").get_pipe("textcat").model
    weights = [
        saved_node.get_param(name)
        for saved_node in saved.walk()
        for name in saved_node.param_names
        if saved_node.has_param(name) and saved_node.get_param(name).size
    ]
    averages = list(made[-1].averages.values())
    assert averages
    for average in averages:
        assert any(
            average.shape == array.shape and numpy.allclose(average, array) for array in weights
        )


def test_the_perplexities_of_a_language_model_are_logged(tmp_path):
    text = (LANGUAGE_MODEL + TRAINING).replace("OPTIMIZER", "spacy-rnn.Adam.v1")
    _, printed, lines = run_training(tmp_path, text)
    assert "TRAIN PPL" in printed
    assert "DEV PPL" in printed
    assert lines[-1]["train_perplexity"] < lines[0]["train_perplexity"]
    assert lines[-1]["scores"]["lm_perplexity"] < lines[0]["scores"]["lm_perplexity"]
