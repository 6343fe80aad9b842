import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy import registry
from spacy.ml.models import MaxoutWindowEncoder, build_Tok2Vec_model
from spacy.training import Example
from thinc.api import Adam, Dropout, Ragged, chain, fix_random_seed, set_dropout_rate, with_array

from spacy_rnn.layers.ragged import to_ragged
from spacy_rnn.models import CharEmbed, HashEmbed, LanguageModel, RNNEncoder, TextCatRNN
from spacy_rnn.models.lm_tok2vec import LanguageModelTok2Vec

from ..layers.cells import gradients, parameters
from ..layers.numeric import assert_gradient

TEXTS = ["a good film", "", "bad", "a film that is neither good nor bad", ""]
VARIANTS = {
    "plain": {},
    "hidden": {"hidden_width": 5},
    "attention": {"pooling": ["attention"]},
    "last": {"pooling": ["last"]},
    "linear": {"linear": True},
    "all": {"pooling": ["last", "mean", "max", "attention"], "hidden_width": 4, "linear": True},
}


def make_docs():
    nlp = spacy.blank("en")
    return [nlp(text) for text in TEXTS]


def tok2vec(both=True):
    build = registry.get("architectures", "spacy.Tok2Vec.v2")
    return build(HashEmbed(6, ["NORM"], [30]), RNNEncoder("gru", 4, 1, bidirectional=both))


def build(exclusive=True, linear=False, nO=None, both=True, **options):
    linear_model = None
    if linear:
        bow = registry.get("architectures", "spacy.TextCatBOW.v3")
        linear_model = bow(exclusive, ngram_size=1, no_output_layer=True, length=64, nO=None)
    return TextCatRNN(tok2vec(both), exclusive, linear_model=linear_model, nO=nO, **options)


def initialized(n_labels=3, **options):
    model = build(**options)
    model.initialize(X=make_docs(), Y=numpy.zeros((len(TEXTS), n_labels), "f"))
    rng = numpy.random.RandomState(0)
    for node in model.walk():
        for param in node.param_names:
            value = node.get_param(param)
            node.set_param(param, (value + 0.3 * rng.standard_normal(value.shape)).astype("f"))
    return model


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_scores_are_probabilities(name, exclusive):
    model = initialized(exclusive=exclusive, **VARIANTS[name])
    scores = model.predict(make_docs())
    assert scores.shape == (5, 3)
    assert ((scores > 0) & (scores < 1)).all()
    if exclusive:
        assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    else:
        assert numpy.abs(scores.sum(axis=1) - 1).max() > 1e-3
    assert model.attrs["multi_label"] is not exclusive
    assert model.get_ref("output_layer").get_dim("nO") == 3
    assert model.get_ref("tok2vec") is model.layers[0]


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_docs_without_tokens_score_the_same_alone_and_in_a_batch(name, exclusive):
    model = initialized(exclusive=exclusive, **VARIANTS[name])
    docs = make_docs()
    together = model.predict(docs)
    for doc, scores in zip(docs, together):
        assert_allclose(model.predict([doc])[0], scores, atol=1e-5)
    assert_allclose(model.predict([docs[1], docs[4]]), together[[1, 4]], atol=1e-5)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_the_callback_takes_the_gradient_of_the_logits(name, exclusive):
    """scores - truths is the gradient of the cross-entropy: checked by finite differences."""
    model = initialized(exclusive=exclusive, **{**VARIANTS[name], "linear": False})
    for node in model.walk():
        for param in node.param_names:
            node.set_param(param, node.get_param(param).astype("float64"))
    docs = make_docs()
    truths = numpy.eye(3)[[0, 1, 2, 0, 1]]

    def loss():
        scores = model.predict(docs)
        losses = truths * numpy.log(scores)
        if not exclusive:
            losses += (1 - truths) * numpy.log(1 - scores)
        return float(-losses.sum())

    set_dropout_rate(model, 0.0)
    scores, backprop = model.begin_update(docs)
    backprop(scores - truths)
    found = gradients(model)
    for param, value in parameters(model).items():
        if value.size < 200:
            assert_gradient(found[param], loss, value, param)


def test_the_linear_model_learns_too():
    model = initialized(linear=True)
    docs = make_docs()
    scores, backprop = model.begin_update(docs)
    backprop(scores - numpy.eye(3, dtype="f")[[0, 1, 2, 0, 1]])
    linear = next(node for node in model.walk() if node.name == "sparse_linear")
    assert numpy.abs(linear.get_grad("W")).max() > 0
    before = model.predict(docs)
    linear.set_param("b", linear.get_param("b") + numpy.asarray([1, 0, 0], "f"))
    # Docs without tokens have no words to vote, but count like all others otherwise.
    assert (model.predict(docs)[:, 0] > before[:, 0]).any()


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_labels_added_to_a_trained_model_leave_the_old_scores(name, exclusive):
    model = initialized(exclusive=exclusive, **VARIANTS[name])
    docs = make_docs()
    before = model.predict(docs)
    resized = model.attrs["resize_output"](model, 5)
    after = resized.predict(docs)
    assert after.shape == (5, 5)
    assert_allclose(after[:, :3], before, atol=1e-6)
    assert (after[:, 3:] < 0.05).all()
    assert resized.get_dim("nO") == 5
    assert resized.get_ref("output_layer").get_dim("nO") == 5


@pytest.mark.parametrize("exclusive", [True, False])
def test_an_added_label_can_be_learned(exclusive):
    model = initialized(exclusive=exclusive, linear=True)
    model = model.attrs["resize_output"](model, 4)
    docs = make_docs()
    truths = numpy.eye(4, dtype="f")[[0, 1, 3, 2, 1]]
    optimizer = Adam(0.02)
    for _ in range(120):
        scores, backprop = model.begin_update(docs)
        backprop((scores - truths) / len(docs))
        model.finish_update(optimizer)
    assert model.predict(docs).argmax(axis=1).tolist() == [0, 1, 3, 2, 1]


@pytest.mark.parametrize("name", VARIANTS)
def test_labels_can_be_added_before_initialization(name):
    model = build(**VARIANTS[name])
    for n_labels in (1, 2, 3):
        model = model.attrs["resize_output"](model, n_labels)
    model.initialize(X=make_docs())
    assert model.predict(make_docs()).shape == (5, 3)


def test_resizing_a_copy_leaves_the_original():
    model = initialized(linear=True)
    copied = model.copy()
    copied.attrs["resize_output"](copied, 7)
    assert model.get_dim("nO") == 3
    assert model.predict(make_docs()).shape == (5, 3)
    assert copied.predict(make_docs()).shape == (5, 7)


@pytest.mark.parametrize("name", VARIANTS)
def test_round_trips_keep_the_scores(name):
    model = initialized(**VARIANTS[name])
    expected = model.predict(make_docs())
    loaded = build(nO=3, **VARIANTS[name]).from_bytes(model.to_bytes())
    assert_array_equal(loaded.predict(make_docs()), expected)
    assert_array_equal(model.copy().predict(make_docs()), expected)


def test_a_sample_of_docs_without_tokens_is_enough_to_initialize():
    nlp = spacy.blank("en")
    model = build(linear=True)
    model.initialize(X=[nlp(""), nlp("")], Y=numpy.zeros((2, 3), "f"))
    assert model.predict(make_docs()).shape == (5, 3)


def test_last_is_the_state_that_has_read_everything_in_both_directions():
    model = initialized(pooling=["last"])
    docs = make_docs()[3:4]
    rows = model.layers[0].predict(docs)[0]
    pooled = model.layers[1].predict(Ragged(rows, numpy.asarray([len(rows)], "i")))
    assert_array_equal(pooled[0, :2], rows[-1, :2])
    assert_array_equal(pooled[0, 2:], rows[0, 2:])
    forward = build(pooling=["last"], both=False)
    assert forward.layers[1].attrs["reverse_from"] is None


@pytest.mark.parametrize("cell", ["qrnn", "mingru"])
def test_an_encoder_without_recurrent_weights_trains_a_classifier(cell):
    """Which of two words comes first: no bag of words can tell."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    encode = {
        "@architectures": "spacy-rnn.RNNEncoder.v1",
        "cell": cell,
        "width": 32,
        "depth": 1,
    }
    model = {"linear_model": None, "tok2vec": {"encode": encode}}
    pipe = nlp.add_pipe("rnn_textcat", config={"model": model})
    rows = [("good not bad", "GOOD"), ("bad not good", "BAD")]
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": {c: float(c == label) for _, c in rows}})
        for text, label in rows
    ]
    optimizer = nlp.initialize(lambda: examples)
    kinds = {n.attrs["recurrence"] for n in pipe.model.walk() if "recurrence" in n.attrs}
    assert kinds == {"qrnn_fo" if cell == "qrnn" else "mingru"}
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update(examples, sgd=optimizer, drop=0.1)
    for text, label in rows:
        assert nlp(text).cats[label] > 0.9


def test_an_unknown_pooling_is_an_error():
    with pytest.raises(ValueError, match=r"E009.*'sum'.*last, mean, max, attention"):
        build(pooling=["sum"])
    with pytest.raises(ValueError, match=r"E011.*pooling.*at least one of"):
        build(pooling=[])


def test_a_linear_model_with_an_output_layer_is_an_error():
    bow = registry.get("architectures", "spacy.TextCatBOW.v3")
    for exclusive in (True, False):
        linear = bow(exclusive, ngram_size=1, no_output_layer=False, length=64, nO=None)
        with pytest.raises(ValueError, match=r"E017.*no_output_layer = true"):
            TextCatRNN(tok2vec(), exclusive, linear_model=linear)


def test_a_linear_model_of_the_other_kind_is_an_error():
    bow = registry.get("architectures", "spacy.TextCatBOW.v3")
    linear = bow(False, ngram_size=1, no_output_layer=True, length=64, nO=None)
    with pytest.raises(ValueError, match="E016"):
        TextCatRNN(tok2vec(), True, linear_model=linear)


def test_a_hidden_width_below_one_is_an_error():
    with pytest.raises(ValueError, match=r"E011.*hidden_width"):
        build(hidden_width=0)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_last_state_is_that_of_the_encoder_over_language_models(bidirectional):
    """Whose own columns that are read from the end begin elsewhere."""
    doc = spacy.blank("en")("the cat sat on the mat")
    embed = LanguageModelTok2Vec(
        LanguageModel("char", width=8), LanguageModel("char", width=8, backward=True)
    )
    encode = RNNEncoder("lstm", 32, 1, bidirectional=bidirectional)
    tok2vec = build_Tok2Vec_model(embed, encode)
    model = TextCatRNN(tok2vec, True, pooling=["last"], nO=2)
    model.initialize(X=[doc])
    rows = tok2vec.predict([doc])[0]
    found = model.layers[1].predict(to_ragged(model.ops, [rows]))[0]
    backward = rows[0] if bidirectional else rows[-1]
    assert_array_equal(found, numpy.concatenate([rows[-1][:16], backward[16:]]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: CharEmbed(8, "lstm"),
        lambda: chain(CharEmbed(8, "lstm"), MaxoutWindowEncoder(8, 1, 3, 1)),
        lambda: HashEmbed(8, ["NORM"], [20]),
    ],
)
def test_without_an_encoder_of_two_directions_nothing_is_read_from_the_end(make):
    model = TextCatRNN(make(), True, pooling=["last"], nO=2)
    assert model.layers[1].attrs["reverse_from"] is None


def test_the_encoder_may_have_a_dropout_behind_it():
    tok2vec = chain(
        HashEmbed(8, ["NORM"], [20]), RNNEncoder("lstm", 8, 1), with_array(Dropout(0.1))
    )
    assert TextCatRNN(tok2vec, True).layers[1].attrs["reverse_from"] == 4
