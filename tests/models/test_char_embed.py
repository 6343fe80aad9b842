"""Tokens embedded by their characters, alone and beside other features."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Adam, fix_random_seed, set_dropout_rate

from spacy_rnn.layers import run
from spacy_rnn.layers.freezing import freeze, is_constant
from spacy_rnn.layers.ragged import to_ragged
from spacy_rnn.models import CharEmbed, ConvRNNEncoder, RNNEncoder, TextCatRNN
from spacy_rnn.models import type_embedding as module

from ..layers.cells import ENCODER_CELLS, gradients, parameters, randomize
from ..layers.numeric import assert_gradient
from ..layers.test_guarantees import peak_memory

TEXTS = ["The cat and the other cat sat.", "", "A cat!", "Unbelievably, чай and 日本語 cost 3.14"]
ATTRS = {"attrs": ["NORM", "SHAPE"], "rows": [40, 20]}
KINDS = {
    "characters": {},
    "attributes": ATTRS,
    "vectors": {"include_static_vectors": True},
    "all": {**ATTRS, "include_static_vectors": True, "attr": "LOWER"},
    "forward": {"bidirectional": False},
}
CELL = pytest.mark.parametrize("cell", ENCODER_CELLS)
KIND = pytest.mark.parametrize("kind", KINDS)
# Each cell, and each kind.
CASES = [("characters", cell) for cell in ENCODER_CELLS]
CASES += [(kind, "lstm") for kind in KINDS if kind != "characters"]
CASE = pytest.mark.parametrize(("kind", "cell"), CASES)


def make_docs():
    nlp = spacy.blank("en")
    rng = numpy.random.RandomState(0)
    for word in ("cat", "and", "the"):
        nlp.vocab.set_vector(word, rng.standard_normal(3).astype("f"))
    return [nlp(text) for text in TEXTS]


def make(kind="characters", cell="lstm", width=6, **options):
    settings = {"char_width": 4, "char_rows": 30, "hidden_width": 4, **KINDS[kind], **options}
    return CharEmbed(width, cell, **settings)


def build(docs, rng, *args, dtype="float32", **options):
    model = make(*args, **options)
    model.initialize(X=docs)
    randomize(model, rng, dtype)
    return model


def characters_of(model):
    return next(node for node in model.walk() if node.name == "characters")


@CASE
def test_a_doc_has_the_same_vectors_alone_and_in_any_batch(kind, cell, rng):
    docs = make_docs()
    model = build(docs, rng, kind, cell)
    assert model.get_dim("nO") == 6
    together = model.predict(docs)
    assert [Y.shape for Y in together] == [(len(doc), 6) for doc in docs]
    assert all(Y.dtype == "float32" for Y in together)
    for doc, Y, trained in zip(docs, together, model.begin_update(docs)[0]):
        # Normalizing a row of six almost equal numbers blows its rounding up.
        assert_allclose(model.predict([doc])[0], Y, atol=1e-5, rtol=2e-5)
        assert_allclose(trained, Y, atol=1e-5)


@CASE
def test_its_gradients_are_right(kind, cell, rng):
    docs = make_docs()[:3]
    options = {"attrs": ["NORM", "SHAPE"], "rows": [6, 5]} if "attrs" in KINDS[kind] else {}
    sizes = {"width": 4, "char_width": 3, "char_rows": 9}
    model = build(docs, rng, kind, cell, dtype="float64", **sizes, **options)
    Ys, backprop = model.begin_update(docs)
    weights = [rng.standard_normal(Y.shape) for Y in Ys]
    assert backprop([w.copy() for w in weights]) == []

    def loss():
        return float(sum((Y * w).sum() for Y, w in zip(model.predict(docs), weights)))

    found = gradients(model)
    for name, param in parameters(model).items():
        assert_gradient(found[name], loss, param, name)


@pytest.mark.parametrize("is_train", [False, True])
@pytest.mark.parametrize("attr", ["ORTH", "LOWER", "NORM"])
def test_each_distinct_word_is_read_once(attr, is_train, rng, monkeypatch):
    docs = make_docs()
    model = build(docs, rng, "attributes", attr=attr)
    read = []
    node = characters_of(model)
    original = node._func

    def reading(model, words, is_train):
        read.extend(words)
        return original(model, words, is_train)

    monkeypatch.setattr(node, "_func", reading)
    # In many pieces, which must not make a difference.
    monkeypatch.setattr(module, "MAX_TYPES", 3)
    model(docs * 3, is_train)
    words = [getattr(token, f"{attr.lower()}_") for doc in docs for token in doc]
    assert sorted(read) == sorted(set(words))
    assert len(read) < len(words)


def test_gradients_add_up_over_the_places_of_a_word(rng):
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, words=["cat", "dog", "cat", "cat"])
    once = Doc(nlp.vocab, words=["cat", "dog"])
    model = build([doc], rng, "attributes", dtype="float64")
    dY = rng.standard_normal((4, 6))

    def gradients_of(docs, dYs):
        for node in model.walk():
            for name in node.param_names:
                node.set_grad(name, node.get_param(name) * 0)
        _, backprop = model.begin_update(docs)
        backprop(dYs)
        return {name: value.copy() for name, value in gradients(model).items()}

    expected = gradients_of([once], [numpy.stack([dY[0] + dY[2] + dY[3], dY[1]])])
    assert all(value.any() for value in expected.values())
    for found in (
        gradients_of([doc], [dY]),
        gradients_of([doc[:3].as_doc(), doc[3:].as_doc()], [dY[:3], dY[3:]]),
    ):
        for name, value in expected.items():
            assert_allclose(found[name], value, atol=1e-6, err_msg=name)


def test_the_string_is_the_one_that_was_asked_for(rng):
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, words=["Cat", "cat", "CAT"])
    doc[2].norm_ = "Cat"
    differ = {}
    for attr in ("ORTH", "LOWER", "NORM"):
        Y = build([doc], rng, attr=attr).predict([doc])[0]
        differ[attr] = [numpy.abs(Y[i] - Y[j]).max() > 1e-3 for i, j in ((0, 1), (0, 2), (1, 2))]
    assert differ == {
        "ORTH": [True, True, True],
        "LOWER": [False, False, False],
        "NORM": [False, True, True],
    }


def test_attributes_and_vectors_are_mixed_in(rng):
    docs = make_docs()
    # All words are read alike, as nothing is read of them.
    for kind, options in (("attributes", {"attrs": ["ORTH"], "rows": [50]}), ("vectors", {})):
        model = build(docs, rng, kind, **options)
        words = characters_of(model)
        words.layers[0].set_param("E", words.layers[0].get_param("E") * 0)
        for layer in words.layers[1].layers:
            layer.set_param("Wh", layer.get_param("Wh") * 0)
        the, cat, other = (model.predict(docs)[0][i] for i in (0, 1, 5))
        assert numpy.abs(the - cat).max() > 1e-3
        assert_allclose(cat, other, atol=1e-6)


@KIND
def test_batches_without_tokens_are_legal(kind, rng):
    docs = make_docs()
    model = build(docs, rng, kind)
    Y, backprop = model.begin_update([docs[1], docs[1]])
    assert [y.shape for y in Y] == [(0, 6), (0, 6)]
    assert backprop(Y) == []
    assert model.predict([]) == []
    fresh = make(kind)
    fresh.initialize(X=[docs[1]])
    assert fresh.predict(docs[:2])[0].shape == (len(docs[0]), 6)


@pytest.mark.parametrize("n_types", [1, 4, 1000])
@KIND
def test_a_prediction_in_pieces_is_that_of_the_whole(kind, n_types, rng, monkeypatch):
    docs = make_docs()
    model = build(docs, rng, kind)
    expected = model.predict(docs)
    monkeypatch.setattr(module, "MAX_TYPES", n_types)
    for Y, other in zip(model.predict(docs), expected):
        assert_allclose(Y, other, atol=1e-5, rtol=2e-5)


def test_very_many_distinct_words_are_embedded_in_bounds(rng):
    nlp = spacy.blank("en")
    nlp.vocab.set_vector("cat", numpy.ones(4, dtype="f"))
    words = [f"{i:08}" for i in range(40_000)]
    docs = [Doc(nlp.vocab, words=words[i : i + 1000]) for i in range(0, len(words), 1000)]
    model = build(docs[:1], rng, "all", width=64, hidden_width=64, char_width=64)
    memory = {}
    for n_docs in (20, 40):
        model.predict(docs[:n_docs])
        memory[n_docs], Ys = peak_memory(lambda n_docs=n_docs: model.predict(docs[:n_docs]))
    # Vectors of tokens, types and words, keys and strings. The states of all characters would be
    # eight times the output, and their vectors too; what is mixed and its pieces, seven times.
    assert memory[40] - memory[20] < 5 * sum(Y.nbytes for Y in Ys[20:])


@CASE
def test_round_trips_keep_the_predictions(kind, cell, rng, tmp_path):
    docs = make_docs()
    model = build(docs, rng, kind, cell)
    expected = numpy.concatenate(model.predict(docs))

    def predict(other):
        return numpy.concatenate(other.predict(docs))

    assert_array_equal(predict(make(kind, cell).from_bytes(model.to_bytes())), expected)
    model.to_disk(tmp_path / "model")
    assert_array_equal(predict(make(kind, cell).from_disk(tmp_path / "model")), expected)
    assert_array_equal(predict(pickle.loads(pickle.dumps(model))), expected)
    copied = model.copy()
    assert_array_equal(predict(copied), expected)
    for value in parameters(copied).values():
        value += 1.0
    assert_array_equal(predict(model), expected)


@CELL
def test_training_is_determined_by_the_seed_and_its_averages_are_applied(cell):
    def train():
        fix_random_seed(7)
        docs = make_docs()
        model = make("all", cell)
        model.initialize(X=docs)
        set_dropout_rate(model, 0.3)
        optimizer = Adam(0.05, use_averages=True)
        for _ in range(3):
            Ys, backprop = model.begin_update(docs)
            backprop([numpy.ones_like(Y) + Y for Y in Ys])
            model.finish_update(optimizer)
        return model, optimizer

    first, optimizer = train()
    trained = parameters(first)
    for name, value in parameters(train()[0]).items():
        assert_array_equal(trained[name], value)
    with first.use_params(optimizer.averages):
        for name, averaged in parameters(first).items():
            assert numpy.abs(averaged - trained[name]).max() > 1e-6, name


def test_dropout_falls_on_tokens_and_on_what_was_read(rng):
    nlp = spacy.blank("en")
    doc = nlp("word word word word")
    model = build([doc], rng, width=64)
    expected = model.predict([doc])[0]
    assert_allclose(model.begin_update([doc])[0][0], expected, atol=1e-6)
    set_dropout_rate(model, 0.5)
    Y = model.begin_update([doc])[0][0]
    assert ((Y[0] == 0) != (Y[1] == 0)).any()
    kept = (Y[0] != 0) & (Y[1] != 0)
    assert_allclose(Y[0][kept], Y[1][kept])  # the same word, which was read once
    assert_array_equal(model.predict([doc])[0], expected)
    rates = {node.name for node in model.walk() if node.attrs.get("dropout_rate")}
    assert {"dropout", "character_lstm"} <= rates


def test_threads_do_not_disturb_each_other(rng):
    nlp = spacy.blank("en")
    docs = [nlp(" ".join(f"w{j}" for j in range(i, i + 40))) for i in range(12)]
    model = build(docs, rng, "attributes")
    expected = [model.predict([doc])[0] for doc in docs]
    with ThreadPoolExecutor(4) as threads:
        for i, (Y,) in enumerate(threads.map(lambda i: model.predict([docs[i % 12]]), range(96))):
            assert_allclose(Y, expected[i % 12], atol=1e-5)


def test_docs_of_several_vocabularies_are_read(rng):
    docs = [spacy.blank("en")("only here"), spacy.blank("de")("nur dort")]
    model = build(docs, rng)
    for doc, Y in zip(docs, model.predict(docs)):
        assert_allclose(model.predict([doc])[0], Y, atol=1e-5)


def test_a_frozen_embedding_costs_no_backward_pass(rng, monkeypatch):
    docs = make_docs()
    model = build(docs, rng, "attributes")
    freeze(model)
    Ys, backprop = model.begin_update(docs)
    assert is_constant(to_ragged(model.ops, Ys))
    assert backprop(Ys) == []
    assert not any(node.grad_names for node in model.walk())


def tok2vec(encoder):
    return registry.get("architectures", "spacy.Tok2Vec.v2")(make("attributes"), encoder)


@pytest.mark.parametrize(
    "encoder", [RNNEncoder("gru", 6, 2, False), ConvRNNEncoder("gru", 6, 2, 1, 1, False)]
)
def test_a_text_is_read_in_pieces_over_it(encoder, rng):
    doc = make_docs()[0]
    model = tok2vec(encoder)
    model.initialize(X=[doc])
    randomize(model, rng)
    whole = model.predict([doc])[0]
    state, read = None, []
    for start, end in ((0, 1), (1, 5), (5, len(doc))):
        Ys, state, _ = run(model, [doc[start:end].as_doc()], state)
        read.append(Ys[0])
    assert_allclose(numpy.concatenate(read), whole, atol=1e-5)


@pytest.mark.parametrize(("both", "expected"), [(True, 5), (False, None)])
def test_its_directions_are_not_taken_for_the_encoders(both, expected):
    network = TextCatRNN(tok2vec(RNNEncoder("lstm", 10, 1, both)), True)
    assert network.layers[1].attrs["reverse_from"] == expected


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"cell": "lstn"}, "E002.*'lstn'.*elman, lstm, gru"),
        ({"attr": "SHAPE"}, "E009.*'SHAPE'.*ORTH, NORM, LOWER"),
        ({"attrs": ["NORM"]}, "E014"),
        ({"rows": [10]}, "E014"),
        ({"width": 0}, "E011.*width"),
        ({"char_width": 0}, "E011.*char_width"),
        ({"char_rows": 0}, "E011.*char_rows"),
        ({"hidden_width": 0}, "E011.*hidden_width"),
        ({"hidden_width": 5}, "E011.*hidden_width.*even"),
        ({"max_length": 0}, "E011.*max_length"),
    ],
)
def test_arguments_that_mean_nothing_are_errors(arguments, code):
    with pytest.raises(ValueError, match=code):
        CharEmbed(**{"width": 4, "cell": "lstm", **arguments})


def test_static_vectors_without_a_table_are_an_error():
    with pytest.raises(ValueError, match=r"E015.*include_static_vectors = false"):
        make("vectors").initialize(X=[spacy.blank("en")("word")])
