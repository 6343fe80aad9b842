"""The linear model of n-grams: its features, counts, gradients, and new labels."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.training import Example
from thinc.api import CupyOps, Model
from thinc.compat import has_cupy_gpu

from spacy_rnn.models import TextCatRNN, ngram_keys, ngrams
from spacy_rnn.models.ngrams import (
    LEAST_RATIO,
    NgramLinear,
    count_ngrams,
    find_features,
    ngram_rows,
    ngram_votes,
    resize,
)

from ..layers.numeric import assert_gradient
from .test_textcat import tok2vec

TEXTS = ["a good film", "", "good good films , good actors", "bad", "neither good nor bad"]


def make_docs(texts=TEXTS):
    nlp = spacy.blank("en")
    return [nlp(text) for text in texts]


def initialized(n_labels=3, exclusive=True, seed=0, **options):
    model = NgramLinear(exclusive, **{"length": 997, **options})
    model.initialize(X=make_docs(), Y=numpy.zeros((len(TEXTS), n_labels), "f"))
    rng = numpy.random.RandomState(seed)
    for param in model.param_names:
        value = model.get_param(param)
        model.set_param(param, (value + 0.3 * rng.standard_normal(value.shape)).astype("f"))
    return model


def rows_of(model, doc, n=1):
    return dict(ngram_rows(model, doc))[n]


def test_a_text_is_a_vector_of_tfidf_with_a_given_length():
    model, doc = initialized(scale=4.0, ngram_size=2), make_docs()[2]
    places = numpy.concatenate([rows_of(model, doc, n) for n in (1, 2)])
    vector = numpy.zeros(997)
    for row in places:
        vector[row] = (1 + numpy.log((places == row).sum())) * model.get_param("idf")[row]
    vector *= 4.0 / numpy.linalg.norm(vector)
    weights = model.get_param("ratios") * model.get_param("W")
    assert_allclose(model.predict([doc])[0], vector @ weights + model.get_param("b"), rtol=1e-4)


def test_the_order_of_words_counts_for_pairs():
    model = initialized(length=2**18)
    first, second = make_docs(["dog bites man", "man bites dog"])
    assert set(rows_of(model, first)) == set(rows_of(model, second))
    assert not set(rows_of(model, first, 2)) & set(rows_of(model, second, 2))


def test_rows_are_spread_over_the_table():
    model = initialized(length=1024)
    [doc] = make_docs([" ".join(f"word{i}" for i in range(4000))])
    for n in (1, 2):
        counts = numpy.bincount(rows_of(model, doc, n), minlength=1024)
        # Of a Poisson distribution with a mean of 3.9: variance over mean is 1.
        assert 0.8 < counts.var() / counts.mean() < 1.2


def test_attr_is_what_a_word_is():
    upper, lower = make_docs(["Good", "good"])
    for attr, is_same in (("NORM", True), ("LOWER", True), ("ORTH", False)):
        model = initialized(attr=attr)
        assert (rows_of(model, upper) == rows_of(model, lower)).all() == is_same


def test_a_batch_gives_what_each_text_gives_alone():
    model, docs = initialized(), make_docs()
    together = model.predict(docs)
    for doc, row in zip(docs, together):
        assert_allclose(model.predict([doc])[0], row, atol=1e-6)
    assert_allclose(together[1], model.get_param("b"))
    assert model.predict([]).shape == (0, 3)


def test_gradients_are_right():
    model, docs = initialized(length=31), make_docs()
    for param in model.param_names:
        model.set_param(param, model.get_param(param).astype("float64"))
    d_logits = numpy.random.RandomState(1).standard_normal((len(docs), 3))
    _, backprop = model.begin_update(docs)
    backprop(d_logits)

    def loss():
        return float((model.predict(docs) * d_logits).sum())

    for param in ("W", "b"):
        assert_gradient(model.get_grad(param), loss, model.get_param(param), param)
    assert not any(model.has_grad(param) for param in ("idf", "ratios"))


def counted(texts, truths=None, batch_size=2, **options):
    """A model that has counted texts, the first of two labels being that of every second."""
    model = NgramLinear(True, **{"nO": 2, "length": 997, **options})
    model.initialize()
    docs = make_docs(texts)
    if truths is None:
        truths = numpy.eye(2, dtype="f")[numpy.arange(len(docs)) % 2]
    known = numpy.repeat(truths.sum(axis=1, keepdims=True), truths.shape[1], axis=1)
    starts = range(0, len(docs), batch_size)
    count_ngrams(
        model,
        lambda: ((a[i : i + batch_size] for a in (docs, truths, known)) for i in starts),
    )
    return model


def row_of(model, word):
    return rows_of(model, make_docs([word])[0])[0]


@pytest.mark.parametrize("batch_size", [1, 3, 4])
@pytest.mark.parametrize("chunk", [1, 2**22])
def test_counts_are_those_of_the_texts(monkeypatch, batch_size, chunk):
    monkeypatch.setattr(ngram_keys, "CHUNK", chunk)
    truths = numpy.asarray([[1, 0], [1, 0], [0, 1], [0, 0]], "f")
    texts = ["good film", "good good one", "bad film", "a mystery"]
    model = counted(texts, truths, batch_size, ngram_size=1)
    row = {word: row_of(model, word) for word in ("good", "film", "bad", "mystery")}
    idf, ratios = model.get_param("idf"), model.get_param("ratios")
    assert idf.shape == (6,)
    assert ratios.shape == model.get_param("W").shape == (6, 2)
    for word, n_docs in (("good", 2), ("film", 2), ("bad", 1), ("mystery", 1)):
        assert idf[row[word]] == pytest.approx(numpy.log(5 / (1 + n_docs)) + 1)
    # Of six distinct words, with one added to each count, and that of unknown label left out.
    with_label = numpy.asarray([2, 1, 1, 0, 0, 0]) + 1  # good, film, one, bad, a, mystery
    without = numpy.asarray([0, 1, 0, 1, 0, 0]) + 1
    expected = numpy.log(with_label / with_label.sum()) - numpy.log(without / without.sum())
    assert ratios[row["good"], 0] == pytest.approx(expected[0], rel=1e-5)
    assert ratios[row["bad"], 0] == pytest.approx(expected[3], rel=1e-5)
    assert ratios[row["film"], 0] == pytest.approx(
        numpy.sign(expected[1]) * max(abs(expected[1]), LEAST_RATIO), rel=1e-5
    )
    assert_allclose(ratios[row["good"], 1], -ratios[row["good"], 0], rtol=1e-5)


def test_what_was_not_counted_says_nothing():
    model = counted(["a good film", "a bad film"])
    model.set_param("W", model.get_param("W") + 1.0)
    known, more, unknown = make_docs(["good film", "good film nonesuch", "nonesuch indeed"])
    assert row_of(model, "nonesuch") == -1
    assert_allclose(model.predict([more]), model.predict([known]), atol=1e-6)
    assert_allclose(model.predict([unknown])[0], model.get_param("b"))
    votes = [each for _, each in ngram_votes(model, more)]
    assert_allclose(sum(each.sum(axis=0) for each in votes), model.predict([more])[0], atol=1e-6)
    assert not votes[0][2].any()
    assert not votes[1][1].any()
    assert votes[0][:2].all()
    assert not numpy.concatenate([each for _, each in ngram_votes(model, unknown)]).any()


def test_no_two_ngrams_share_a_row():
    texts = [" ".join(f"word{i}" for i in range(n, n + 50)) for n in range(0, 400, 40)]
    model = counted(texts, length=4096)
    pairs = {row for doc in make_docs(texts) for n in (1, 2) for row in rows_of(model, doc, n)}
    assert pairs == set(range(410 + 409))
    assert len(model.get_param("W")) == 410 + 409


@pytest.mark.parametrize("chunk", [1, 2**22])
def test_the_most_frequent_have_rows_if_there_are_too_few(monkeypatch, chunk):
    monkeypatch.setattr(ngram_keys, "CHUNK", chunk)
    # Often in one text is not in many texts.
    texts = ["rare rare rare", "often", "often seldom", "often seldom", "sometimes often"]
    texts += ["sometimes", "sometimes"]
    model = counted(texts, length=2, ngram_size=1)
    assert model.get_param("W").shape == (2, 2)
    rows = {word: row_of(model, word) for word in ("often", "sometimes", "seldom", "rare")}
    assert {rows["often"], rows["sometimes"]} == {0, 1}
    assert rows["seldom"] == rows["rare"] == -1
    assert sorted(model.get_param("idf")) == pytest.approx(
        [numpy.log(8 / 5) + 1, numpy.log(8 / 4) + 1]
    )


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_no_texts_leave_all_ngrams_alike(texts):
    model = counted(texts)
    assert (model.get_param("ratios") == 1).all()
    assert (model.get_param("idf") == 1).all()
    assert row_of(model, "anything") >= 0


def test_what_was_counted_is_forgotten_at_the_next_initialization():
    model = counted(["good film", "bad film"])
    model.initialize()
    assert model.get_param("W").shape == (997, 2)
    assert row_of(model, "nonesuch") >= 0


@pytest.mark.parametrize("text", TEXTS[2:])
def test_votes_of_ngrams_add_up_to_the_logits(text):
    model, [doc] = initialized(), make_docs([text])
    votes = list(ngram_votes(model, doc))
    assert [len(each) for _, each in votes] == [len(doc) - n + 1 for n, _ in votes]
    total = sum(each.sum(axis=0) for _, each in votes) + model.get_param("b")
    assert_allclose(total, model.predict([doc])[0], atol=1e-5)


def test_new_labels_leave_the_votes_for_the_others():
    model, docs = counted(TEXTS, numpy.eye(5, 3, dtype="f"), nO=3), make_docs()
    model.set_param("W", model.get_param("W") + 0.5)
    before = model.predict(docs)
    model.begin_update(docs)[1](before)
    model = resize(model, 5, bias=-4.0)
    after = model.predict(docs)
    assert_allclose(after[:, :3], before, atol=1e-6)
    assert_allclose(after[:, 3:], -4.0)
    assert (model.get_param("ratios")[:, 3:] == 1).all()
    # The new ones learn.
    model.begin_update(docs)[1](numpy.ones((len(docs), 5), "f"))
    assert (abs(model.get_grad("W")[:, 3:]).sum(axis=0) > 0).all()


def test_new_ngrams_are_learned_with_new_labels():
    model = counted(["a good film", "a bad film"], ngram_size=2)
    model.set_param("W", model.get_param("W") + 0.5)
    known, mixed, unknown = docs = make_docs(["good film", "good film nonesuch", "not in there"])
    before = model.predict(docs)
    model = resize(resize(model, 3, bias=-4.0), 4, bias=-4.0)
    assert model.get_param("W").shape == (8 + ngrams.NEW_ROWS, 4)
    assert_allclose(model.predict(docs)[:, :2], before, atol=1e-6)
    assert all(row >= 8 for row in rows_of(model, unknown))
    # However few are known, no text is longer than the scale says.
    for doc, n_parts in ((known, 1), (mixed, 2), (unknown, 1)):
        found = find_features(model, [doc])
        ratios = model.get_param("ratios")
        model.set_param("ratios", numpy.ones_like(ratios))
        length = numpy.linalg.norm(ngrams._factors(model, found, 1)[:, 0])
        model.set_param("ratios", ratios)
        assert 6.9 < length < 7.1 * n_parts
    _, backprop = model.begin_update([unknown])
    backprop(numpy.asarray([[1, 1, -1, 1]], "f"))
    assert (abs(model.get_grad("W")[8:]).sum(axis=0) > 0).all()


@pytest.mark.parametrize("is_counted", [False, True])
def test_bytes_give_the_same_model(is_counted, tmp_path):
    model, docs = (counted(TEXTS, nO=2) if is_counted else initialized()), make_docs()
    if is_counted:
        model.set_param("W", model.get_param("W") + 0.5)
    other = NgramLinear(True, length=997, nO=model.get_dim("nO"), scale=1.0)
    if not is_counted:
        other.initialize()
    other.from_bytes(model.to_bytes())
    assert_array_equal(other.predict(docs), model.predict(docs))
    model.to_disk(tmp_path / "model")
    other = NgramLinear(True, length=997).from_disk(tmp_path / "model")
    assert_array_equal(other.predict(docs), model.predict(docs))
    assert_array_equal(model.copy().predict(docs), model.predict(docs))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ngram_size": 0}, "E011.*ngram_size"),
        ({"length": 0}, "E011.*length"),
        ({"scale": 0.0}, "E011.*scale"),
        ({"scale": float("nan")}, "E011.*scale"),
        ({"attr": "NO_SUCH"}, "E009.*NO_SUCH.*NORM"),
    ],
)
def test_wrong_arguments_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        NgramLinear(True, **options)


# In a classifier


def classifier(factory="rnn_textcat"):
    nlp = spacy.blank("en")
    linear = {"@architectures": "spacy-rnn.NgramLinear.v1", "length": 4096}
    linear["exclusive_classes"] = "multilabel" not in factory
    encode = {"@architectures": "spacy-rnn.RNNEncoder.v1", "cell": "gru", "width": 4, "depth": 1}
    embed = {"@architectures": "spacy-rnn.HashEmbed.v1", "width": 8, "attrs": ["NORM"]}
    embed["rows"] = [50]
    model = {
        "@architectures": "spacy-rnn.TextCatRNN.v1",
        "exclusive_classes": linear["exclusive_classes"],
        "linear_model": linear,
        "network_share": 0.3,
        "tok2vec": {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode},
    }
    nlp.add_pipe(factory, "textcat", config={"model": model})
    return nlp


def examples_of(nlp, rows):
    return [Example.from_dict(nlp.make_doc(text), {"cats": cats}) for text, cats in rows]


def linear_of(nlp) -> Model:
    return nlp.get_pipe("textcat").model.layers[4]


@pytest.mark.parametrize("factory", ["rnn_textcat", "rnn_textcat_multilabel"])
def test_a_component_counts_all_texts_when_it_is_initialized(factory):
    nlp = classifier(factory)
    rows = [("good", {"A": 1.0, "B": 0.0}), ("bad", {"A": 0.0, "B": 1.0})] * 15
    # Beyond the ten that spaCy takes as a sample.
    rows += [("splendid", {"A": 1.0, "B": 0.0}), ("unknown", {})]
    nlp.initialize(lambda: examples_of(nlp, rows))
    model = linear_of(nlp)
    ratios = model.get_param("ratios")
    signs = {
        word: numpy.sign(ratios[rows_of(model, nlp(word))[0]]).tolist()
        for word in ("good", "bad", "splendid")
    }
    assert signs == {"good": [1, -1], "bad": [-1, 1], "splendid": [1, -1]}


def test_under_spacys_own_textcat_all_ngrams_count_the_same():
    nlp = classifier("textcat")
    rows = [("good", {"A": 1.0, "B": 0.0}), ("bad", {"A": 0.0, "B": 1.0})] * 5
    optimizer = nlp.initialize(lambda: examples_of(nlp, rows))
    assert (linear_of(nlp).get_param("ratios") == 1).all()
    for _ in range(20):
        nlp.update(examples_of(nlp, rows), sgd=optimizer)
    votes = [linear_of(nlp).predict([nlp(word)])[0] for word in ("good", "bad")]
    assert [vote.argmax() for vote in votes] == [0, 1]


def test_labels_are_added_to_a_trained_component(tmp_path):
    nlp = classifier()
    rows = [("good", {"A": 1.0, "B": 0.0}), ("bad", {"A": 0.0, "B": 1.0})] * 5
    optimizer = nlp.initialize(lambda: examples_of(nlp, rows))
    for _ in range(20):
        nlp.update(examples_of(nlp, rows), sgd=optimizer)
    before = nlp("good bad").cats
    nlp.get_pipe("textcat").add_label("C")
    after = nlp("good bad").cats
    assert after == pytest.approx({**before, "C": 0.0}, abs=1e-4)
    rows = [(text, {**cats, "C": 0.0}) for text, cats in rows]
    rows += [("odd", {"A": 0.0, "B": 0.0, "C": 1.0})] * 5
    optimizer.learn_rate = 0.02
    for _ in range(150):
        nlp.update(examples_of(nlp, rows), sgd=optimizer)
    votes = linear_of(nlp).predict([nlp("odd")])[0]
    assert votes.argmax() == 2
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path)("odd").cats == pytest.approx(nlp("odd").cats, abs=1e-6)


def test_it_stands_beside_a_network():
    model = TextCatRNN(
        tok2vec(), True, linear_model=NgramLinear(True, length=64), network_share=0.3
    )
    docs = make_docs()
    model.initialize(X=docs, Y=numpy.zeros((len(docs), 3), "f"))
    _, backprop = model.begin_update(docs)
    backprop(numpy.eye(5, 3, dtype="f"))
    assert model.layers[4].has_grad("W")


@pytest.mark.gpu
@pytest.mark.skipif(not has_cupy_gpu, reason="needs a CUDA device and CuPy")
def test_a_gpu_gives_the_same():
    model, docs = initialized(), make_docs()
    expected, backprop = model.begin_update(docs)
    d_logits = numpy.random.RandomState(1).standard_normal(expected.shape).astype("f")
    backprop(d_logits)
    other = initialized()
    other.ops = CupyOps()
    other.to_gpu(0)
    logits, backprop = other.begin_update(docs)
    assert_allclose(logits.get(), expected, atol=1e-5)
    backprop(other.ops.asarray(d_logits))
    assert_allclose(other.get_grad("W").get(), model.get_grad("W"), atol=1e-5)
    assert_allclose(
        numpy.concatenate([v for _, v in ngram_votes(other, docs[2])]),
        numpy.concatenate([v for _, v in ngram_votes(model, docs[2])]),
        atol=1e-5,
    )
