"""Explanations of text classifiers: complete, exact where it can be known, and without traces."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Dict, List, Optional

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry
from thinc.api import Config, Model, fix_random_seed

from spacy_rnn.layers.ragged import to_ragged
from spacy_rnn.models.encoder import CELLS
from spacy_rnn.models.lm_parts import embedding_of
from spacy_rnn.models.lm_reader import set_reader_vocabulary
from spacy_rnn.models.lm_tok2vec import readers_of
from spacy_rnn.models.ngrams import ngram_votes
from spacy_rnn.models.textcat import TextCatRNN, logit_shares
from spacy_rnn.models.vocabulary import Vocabulary
from spacy_rnn.pipeline.explain import label_weights
from spacy_rnn.pipeline.path_integral import MIN_STEPS, integrate
from spacy_rnn.pipeline.predictions import collect
from tests.small_textcat import SMALL

TRAIN = [
    ("I like this film very much", "POSITIVE"),
    ("what a lovely day", "POSITIVE"),
    ("I hate this film", "NEGATIVE"),
    ("bad food and rude people", "NEGATIVE"),
    ("it is a table", "NEUTRAL"),
    ("this is on film", "NEUTRAL"),
]
LABELS = ("POSITIVE", "NEGATIVE", "NEUTRAL")
FACTORIES = ("rnn_textcat", "rnn_textcat_multilabel")
TEXTS = ("I hate this film, but what a lovely  day with good people!", "lovely", "")
WITH_DROPOUT = Config(SMALL).merge(
    {"model": {"dropout": 0.5, "tok2vec": {"encode": {"dropout": 0.3}}}}
)


def make(
    factory: str = "rnn_textcat",
    *,
    encode: Optional[Dict[str, Any]] = None,
    is_linear: bool = True,
    n_updates: int = 20,
    **settings: Any,
) -> Language:
    """RETURNS (Language): A pipeline with a trained component, "textcat"."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {**settings, "tok2vec": {"encode": encode or {}}}
    config = Config(WITH_DROPOUT).merge({"model": model})
    if not is_linear:
        config["model"]["linear_model"] = None
    nlp.add_pipe(factory, name="textcat", config=config)
    train(nlp, n_updates)
    return nlp


def train(nlp: Language, n_updates: int) -> None:
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 0.01
    for _ in range(n_updates):
        nlp.update(examples(nlp), sgd=optimizer, drop=0.2)


def examples(nlp: Language) -> List[Example]:
    return [
        Example.from_dict(nlp.make_doc(text), {"cats": {name: float(name == y) for name in LABELS}})
        for text, y in TRAIN
    ]


def check_complete(nlp: Language, text: str) -> None:
    textcat, doc = nlp.get_pipe("textcat"), nlp(text)
    for label in LABELS:
        found = textcat.explain(doc, label=label)
        assert len(found.attributions) == len(found.tokens) == len(doc)
        difference = found.score - found.baseline
        assert sum(found.attributions) == pytest.approx(difference + found.error)
        assert abs(found.error) <= 0.01 * abs(difference) + 0.002
        close = textcat.explain(doc, label=label, n_steps=5000)
        assert abs(close.error) <= 1e-3 * abs(difference) + 1e-5
        assert found.score == pytest.approx(score_of(doc.cats, label, nlp), abs=1e-3)


def score_of(cats: Dict[str, float], label: str, nlp: Language) -> float:
    """RETURNS (float): The score of a label in logits, from what was predicted."""
    odds = {key: numpy.log(value) for key, value in cats.items()}
    if nlp.get_pipe_meta("textcat").factory == "rnn_textcat":
        return odds[label] - numpy.mean([odds[key] for key in cats if key != label])
    return odds[label] - numpy.log1p(-cats[label])


def make_over_language_models(unit: str, directions: Dict[str, int], frozen: bool) -> Language:
    """RETURNS (Language): A classifier over language models of so many units each."""
    fix_random_seed(0)
    tok2vec = {
        direction: {
            "@architectures": "spacy-rnn.LanguageModel.v1",
            "unit": unit,
            "width": width,
            "depth": 2,
            "dropout": 0.2,
            "embed_dropout": 0.1,
            "weight_dropout": 0.2,
            "backward": direction == "backward",
        }
        for direction, width in directions.items()
    }
    tok2vec.update({"@architectures": "spacy-rnn.LanguageModelTok2Vec.v1", "frozen": frozen})
    nlp = spacy.blank("en")
    model = {"tok2vec": tok2vec, "linear_model": {"length": 1024}}
    nlp.add_pipe("rnn_textcat", name="textcat", config={"model": model})
    for reader in readers_of(nlp.get_pipe("textcat").model):
        reader.attrs["has_language_model"] = True  # or training it would warn
    vocabulary = Vocabulary.learn(unit, [nlp.make_doc(text) for text, _ in TRAIN], min_freq=1)
    for reader in readers_of(nlp.get_pipe("textcat").model):
        set_reader_vocabulary(reader, vocabulary)
        reader.layers[0].initialize()
    train(nlp, 20)
    return nlp


# Completeness


def test_layers_are_told_by_more_than_their_functions() -> None:
    """spaCy's callback for NVIDIA's profiler puts its own in their place."""
    nlp = make()
    registry.callbacks.get("spacy.models_with_nvtx_range.v1")()(nlp)
    check_complete(nlp, "a lovely day")


@pytest.mark.parametrize(
    ("unit", "directions", "frozen"),
    [
        ("word", {"forward": 8}, False),
        ("char", {"backward": 8}, False),
        ("word", {"forward": 8, "backward": 6}, True),
        ("char", {"forward": 6, "backward": 8}, False),
    ],
)
def test_classifiers_over_language_models_are_explained(
    unit: str, directions: Dict[str, int], frozen: bool
) -> None:
    nlp = make_over_language_models(unit, directions, frozen)
    for text in TEXTS:
        check_complete(nlp, text)


def test_language_models_share_out_to_the_tokens_that_units_are_of() -> None:
    """Where the network reads one unit only, its token has all."""
    nlp = make_over_language_models("char", {"forward": 8, "backward": 6}, frozen=False)
    textcat = nlp.get_pipe("textcat")
    textcat.model.layers[4].get_param("W")[:] = 0.0
    for reader in readers_of(textcat.model):
        table = embedding_of(reader).get_param("E")
        number = reader.attrs["vocabulary"].encode(nlp.make_doc("h")).ids[0]
        kept = table[number].copy()
        table[2:] = 0.0  # beside the special symbols
        table[number] = 1.0 + abs(kept)
    found = textcat.explain(nlp("a lovely day I hate it"), label="POSITIVE")
    values = dict(zip(found.tokens, found.attributions))
    assert abs(values.pop("hate")) > 1e-4
    assert_allclose(list(values.values()), 0.0, atol=1e-12)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("is_linear", [True, False])
@pytest.mark.parametrize("factory", FACTORIES)
def test_attributions_sum_to_the_difference_of_the_scores(factory, is_linear, text):
    check_complete(make(factory, is_linear=is_linear), text)


@pytest.mark.parametrize("pooling", [["last"], ["mean"], ["max"], ["attention"]])
@pytest.mark.parametrize("cell", CELLS)
def test_attributions_are_complete_for_each_cell_and_pooling(cell, pooling):
    nlp = make(encode={"cell": cell}, pooling=pooling, is_linear=False)
    for text in TEXTS:
        check_complete(nlp, text)


@pytest.mark.parametrize("factory", FACTORIES)
def test_attributions_are_complete_through_layer_norms_and_residuals(factory):
    # Near rows of zeros a layer norm turns within a ten-thousandth of the path.
    encode = {"depth": 2, "layer_norm": True, "residual": True, "bidirectional": False}
    check_complete(make(factory, encode=encode, hidden_width=8), TEXTS[0])


def test_a_long_text_is_computed_in_parts(monkeypatch):
    nlp = make()
    whole = nlp.get_pipe("textcat").explain(nlp(TEXTS[0]))
    monkeypatch.setattr("spacy_rnn.pipeline.explain.MAX_TOKENS", 20)
    parts = nlp.get_pipe("textcat").explain(nlp(TEXTS[0]))
    assert_allclose(parts.attributions, whole.attributions, atol=1e-4)


# The numbers


def test_attributions_are_those_of_integrated_gradients_by_the_definition():
    nlp = make(is_linear=False, pooling=["last", "mean"])
    model, doc = nlp.get_pipe("textcat").model, nlp(TEXTS[0])
    tok2vec, pool, head, output = model.layers
    rows = tok2vec.layers[0].predict([doc])[0]
    weights = label_weights(1, len(LABELS), multi_label=False)

    def scores(factors: numpy.ndarray) -> numpy.ndarray:
        """(n, n_tokens) -> (n,), of rows that are multiplied by a factor each"""
        encoded = tok2vec.layers[1].predict([rows * f[:, None].astype("float32") for f in factors])
        vectors = pool.predict(to_ragged(model.ops, encoded))
        return output.predict(head.predict(vectors)) @ weights

    n_points, step = 100, 0.01
    expected = numpy.zeros(len(doc))
    for place in (numpy.arange(n_points) + 0.5) / n_points:
        factors = numpy.full((len(doc), len(doc)), place)
        up, down = (
            scores(factors + step * numpy.eye(len(doc))),
            scores(factors - step * numpy.eye(len(doc))),
        )
        expected += (up - down) / (2 * step * n_points)
    found = nlp.get_pipe("textcat").explain(doc, label="NEGATIVE")
    assert_allclose(found.attributions, expected, atol=0.003)
    assert max(abs(expected)) > 0.1


def test_ngrams_are_shared_out_to_their_tokens_exactly():
    nlp = make()
    textcat = nlp.get_pipe("textcat")
    textcat.model.layers[3].layers[0].get_param("W")[:] = 0.0  # the network is silent
    weights = label_weights(0, len(LABELS), multi_label=False) * logit_shares(textcat.model)[1]
    doc = nlp("what a lovely day")
    singles, pairs = (votes @ weights for _, votes in ngram_votes(textcat.model.layers[4], doc))
    befores, afters = [0.0, *pairs], [*pairs, 0.0]
    expected = [
        single + (before + after) / 2 for single, before, after in zip(singles, befores, afters)
    ]
    found = textcat.explain(doc, label="POSITIVE")
    assert_allclose(found.attributions, expected, atol=1e-6)
    assert abs(pairs[-1]) > 1e-3
    assert abs(found.error) < 1e-6


def test_ngrams_of_spacys_linear_model_are_shared_out_exactly():
    bow = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": True, "ngram_size": 2}
    bow.update(no_output_layer=True, length=1024)
    nlp = make(linear_model=bow)
    textcat = nlp.get_pipe("textcat")
    textcat.model.layers[3].layers[0].get_param("W")[:] = 0.0
    linear = textcat.model.layers[4]
    bias = linear.get_ref("output_layer").get_param("b")
    weights = label_weights(0, len(LABELS), multi_label=False) * logit_shares(textcat.model)[1]

    def vote(text: str) -> float:
        return float((linear.predict([nlp.make_doc(text)])[0] - bias) @ weights)

    words = ["what", "a", "lovely", "day"]
    singles = [vote(word) for word in words]
    pairs = [vote(f"{left} {right}") - vote(left) - vote(right) for left, right in pairwise(words)]
    expected = [
        single + (before + after) / 2
        for single, before, after in zip(singles, [0.0, *pairs], [*pairs, 0.0])
    ]
    found = textcat.explain(nlp(" ".join(words)), label="POSITIVE")
    assert_allclose(found.attributions, expected, atol=1e-6)
    assert abs(pairs[-1]) > 1e-3
    assert abs(found.error) < 1e-6


def test_tokens_that_decided_are_found():
    nlp = make(n_updates=40)
    found = nlp.get_pipe("textcat").explain(nlp("I hate this film"), label="NEGATIVE")
    assert found.tokens[int(numpy.argmax(found.attributions))] == "hate"
    against = nlp.get_pipe("textcat").explain(nlp("I hate this film"), label="POSITIVE")
    assert against.attributions[1] < 0


def test_the_label_of_the_highest_score_is_explained():
    nlp = make(n_updates=40)
    textcat = nlp.get_pipe("textcat")
    assert [textcat.explain(nlp(text)).label for text, _ in TRAIN] == [y for _, y in TRAIN]


def test_the_score_takes_off_the_other_labels_only_where_they_exclude_each_other():
    assert label_weights(1, 3, multi_label=False).tolist() == [-0.5, 1.0, -0.5]
    assert label_weights(1, 3, multi_label=True).tolist() == [0.0, 1.0, 0.0]
    assert label_weights(0, 1, multi_label=True).tolist() == [1.0]


def test_a_text_without_tokens_says_nothing():
    nlp = make()
    found = nlp.get_pipe("textcat").explain(nlp(""), label="NEUTRAL")
    assert found.attributions == []
    assert (found.score, found.error) == (found.baseline, 0.0)


def test_it_is_plain_data():
    nlp = make()
    doc = nlp(TEXTS[0])
    doc.user_data["title"] = "A film"
    found = nlp.get_pipe("textcat").explain(doc)
    data = json.loads(json.dumps(found.to_dict()))
    assert data == found.to_dict()
    assert (data["title"], data["lang"], data["label"]) == ("A film", "en", found.label)
    words = zip(data["tokens"], data["spaces"])
    assert "".join(word + " " * space for word, space in words) == doc.text


# Attention


def test_weights_of_the_attention_are_those_of_the_pooling():
    nlp = make(pooling=["attention"], is_linear=False)
    textcat, doc = nlp.get_pipe("textcat"), nlp(TEXTS[0])
    tok2vec, pool = textcat.model.layers[:2]
    found = textcat.explain(doc, label="POSITIVE", method="attention")
    rows = tok2vec.predict([doc])
    pooled = numpy.asarray(found.attributions, dtype="float32") @ rows[0]
    assert_allclose(pooled, pool.predict(to_ragged(textcat.model.ops, rows))[0], atol=1e-5)
    assert sum(found.attributions) == pytest.approx(1.0)
    assert numpy.ptp(found.attributions) > 1e-3
    assert found.baseline is None
    assert found.error is None
    assert found.score == pytest.approx(textcat.explain(doc, label="POSITIVE").score, abs=1e-4)
    assert textcat.explain(nlp(""), method="attention").attributions == []


# Traces


@pytest.mark.parametrize("method", ["integrated_gradients", "attention"])
def test_nothing_of_the_pipeline_is_changed(method):
    nlp = make(pooling=["max", "attention"])
    textcat = nlp.get_pipe("textcat")
    textcat.update(examples(nlp), drop=0.2)  # gradients are waiting for a step
    nodes = list(textcat.model.walk())
    grads = {(n.id, key): n.get_grad(key).copy() for n in nodes for key in n.grad_names}
    rates = [node.attrs.get("dropout_rate") for node in nodes]
    doc = nlp(TEXTS[0])
    before, cats, scores = nlp.to_bytes(), dict(doc.cats), textcat.predict([doc])
    textcat.explain(doc, method=method)
    assert grads
    for node in nodes:
        for key in node.grad_names:
            assert_array_equal(node.get_grad(key), grads[(node.id, key)])
    assert [node.attrs.get("dropout_rate") for node in textcat.model.walk()] == rates
    assert nlp.to_bytes() == before
    assert doc.cats == cats
    assert_array_equal(textcat.predict([doc]), scores)


def test_the_same_is_said_again_whatever_the_dropout():
    nlp = make()
    textcat = nlp.get_pipe("textcat")
    first, second = (textcat.explain(nlp(TEXTS[0])) for _ in range(2))
    assert first == second


def test_threads_may_explain_at_once():
    nlp = make()
    textcat, docs = nlp.get_pipe("textcat"), [nlp(text) for text, _ in TRAIN] * 3
    expected = [textcat.explain(doc) for doc in docs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(textcat.explain, docs)) == expected


def test_a_pipeline_from_disk_explains_the_same(tmp_path):
    nlp = make()
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    found = loaded.get_pipe("textcat").explain(loaded(TEXTS[0]))
    assert found == nlp.get_pipe("textcat").explain(nlp(TEXTS[0]))


# Other models


def test_a_convolution_is_explained_too():
    config = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 16, "depth": 2}
    config.update(embed_size=100, window_size=1, maxout_pieces=2, subword_features=True)
    config.update(pretrained_vectors=None)
    nlp = spacy.blank("en")
    fix_random_seed(0)
    model = {"@architectures": "spacy-rnn.TextCatRNN.v1", "exclusive_classes": True}
    nlp.add_pipe("rnn_textcat", "textcat", config={"model": {**model, "tok2vec": config}})
    train(nlp, 10)
    check_complete(nlp, TEXTS[0])


def with_listener() -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    encode = {"@architectures": "spacy-rnn.RNNEncoder.v1", "cell": "gru", "width": 16, "depth": 1}
    embed = {"@architectures": "spacy-rnn.HashEmbed.v1", "width": 16, "attrs": ["NORM"]}
    embed["rows"] = [100]
    model = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    nlp.add_pipe("tok2vec", config={"model": model})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "*"}
    textcat = {"@architectures": "spacy-rnn.TextCatRNN.v1", "exclusive_classes": True}
    textcat.update(tok2vec=listener, pooling=["attention"])
    nlp.add_pipe("rnn_textcat", "textcat", config={"model": textcat})
    train(nlp, 10)
    return nlp


def test_a_listener_is_an_error_until_it_is_replaced():
    nlp = with_listener()
    doc = nlp(TEXTS[0])
    with pytest.raises(ValueError, match=r"spacy-rnn E080.*listener.*nlp.replace_listeners"):
        nlp.get_pipe("textcat").explain(doc)
    found = nlp.get_pipe("textcat").explain(doc, label="POSITIVE", method="attention")
    nlp.replace_listeners("tok2vec", "textcat", ["model.tok2vec"])
    assert nlp(TEXTS[0]).cats == pytest.approx(doc.cats, abs=1e-6)
    check_complete(nlp, TEXTS[0])
    again = nlp.get_pipe("textcat").explain(doc, label="POSITIVE", method="attention")
    assert_allclose(again.attributions, found.attributions, atol=1e-6)


def test_another_architecture_is_an_error():
    bow = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": True, "ngram_size": 1}
    bow.update(no_output_layer=False, length=1024)
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_textcat", "textcat", config={"model": bow})
    train(nlp, 1)
    with pytest.raises(ValueError, match=r"spacy-rnn E081.*found a model .*extract_ngrams"):
        nlp.get_pipe("textcat").explain(nlp("some text"))


def test_another_linear_model_is_an_error():
    def forward(model: Model, docs: Any, is_train: bool) -> Any:
        return model.ops.alloc2f(len(docs), model.get_dim("nO")), lambda d_votes: []

    nlp = make()
    textcat = nlp.get_pipe("textcat")
    other = Model("guesses", forward, dims={"nO": None}, attrs={"multi_label": False})
    tok2vec = textcat.model.layers[0]
    textcat.model = TextCatRNN(tok2vec, exclusive_classes=True, linear_model=other)
    train(nlp, 1)
    with pytest.raises(ValueError, match=r"spacy-rnn E081.*linear model 'guesses'"):
        textcat.explain(nlp("some text"))


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"label": "NO_SUCH"}, "E082.*Its labels: POSITIVE, NEGATIVE, NEUTRAL"),
        ({"method": "guess"}, "E009.*'guess'.*integrated_gradients, attention"),
        ({"method": "attention"}, "E083.*pools by last, mean, max"),
        *(({"n_steps": n}, "E011.*at least 11") for n in (10, 0, -1, 20.5, True, "100")),
    ],
)
def test_wrong_arguments_are_errors(settings, code):
    nlp = make(n_updates=0)
    for text in TEXTS:
        with pytest.raises(ValueError, match=f"spacy-rnn {code}"):
            nlp.get_pipe("textcat").explain(nlp(text), **settings)


def test_a_component_without_labels_cannot_be_explained():
    nlp = spacy.blank("en")
    textcat = nlp.add_pipe("rnn_textcat")
    with pytest.raises(ValueError, match=r"spacy-rnn E082.*\(none\)"):
        textcat.explain(nlp.make_doc("some text"))


@pytest.mark.parametrize("factory", FACTORIES)
def test_what_is_no_doc_or_has_no_weights_is_refused(factory: str) -> None:
    nlp = make(factory, n_updates=0)
    textcat: Any = nlp.get_pipe("textcat")
    for wrong in ("a text", None, nlp.make_doc("a b c")[0:2], ["a"]):
        for label in (None, "POSITIVE"):
            with pytest.raises(ValueError, match=r"spacy-rnn E011.*doc must be a Doc"):
                textcat.explain(wrong, label=label)
        with pytest.raises(ValueError, match=r"spacy-rnn E011.*doc must be a Doc"):
            collect(nlp, "textcat", [wrong], "a list")
    bare = spacy.blank("en")
    textcat = bare.add_pipe(factory, name="textcat")
    for name in LABELS:
        textcat.add_label(name)
    for label in (None, "POSITIVE"):
        with pytest.raises(ValueError, match=r"spacy-rnn E024.*'textcat'"):
            textcat.explain(bare.make_doc("text"), label=label)
    with pytest.raises(ValueError, match=r"spacy-rnn E024.*'textcat'"):
        collect(bare, "textcat", [bare.make_doc("text")], "a list")


# The integral


class Curve:
    """A path on which two tokens change the score, by u^7 and by a jump of the rate."""

    def __init__(self) -> None:
        self.places: List[float] = []

    def walk(self, places: numpy.ndarray) -> Any:
        self.places += list(places)
        bend = numpy.maximum(places - 0.3, 0.0)
        rates = numpy.stack([8 * places**7, 1.0 * (places > 0.3)], axis=1)
        return places**8 + bend, rates


def test_the_integral_is_looked_for_where_it_is_not_complete():
    path = Curve()
    values, start, end = integrate(path, 200)
    assert_allclose(values, [1.0, 0.7], atol=1e-3)
    assert (start, end) == pytest.approx((0.0, 1.7))
    assert len(path.places) < 100
    assert numpy.mean(numpy.abs(numpy.array(path.places) - 0.3) < 0.1) > 0.5


@pytest.mark.parametrize("n_steps", [MIN_STEPS, 16, 17, 40])
def test_no_more_steps_are_made_than_allowed(n_steps):
    path = Curve()
    integrate(path, n_steps)
    assert n_steps - 6 < len(path.places) <= n_steps
    assert len(set(path.places)) == len(path.places)
