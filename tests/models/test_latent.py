"""Latent vectors of n-grams: how they are found in raw texts, gradients, votes, new labels."""

import warnings
from itertools import pairwise

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import CupyOps
from thinc.compat import has_cupy_gpu

from spacy_rnn.models import LatentNgrams, NgramLinear, TextCatRNN, latent
from spacy_rnn.models.latent import latent_votes, learn_components, text_vectors
from spacy_rnn.models.ngrams import ngram_votes, resize
from spacy_rnn.training.corpora import TextCorpus

from ..layers.numeric import assert_gradient
from .test_textcat import tok2vec

PRAISE = ["lovely", "superb", "moving", "tender", "witty"]
BLAME = ["dull", "awful", "clumsy", "tedious", "stale"]
ALL = {"min_texts": 1, "max_share": 1.0}


def make_docs(texts):
    nlp = spacy.blank("en")
    return [nlp.make_doc(text) for text in texts]


def raw_texts(n=60, seed=0):
    """Texts with three words of praise each, or three of blame."""
    rng = numpy.random.RandomState(seed)
    kinds = [PRAISE if i % 2 else BLAME for i in range(n)]
    return [f"the {' '.join(rng.choice(kind, 3, replace=False))} film" for kind in kinds]


def learned(texts=None, nO=2, **options):
    model = LatentNgrams(**{**ALL, "width": 3, "nO": nO, **options})
    model.initialize()
    learn_components(model, make_docs(raw_texts() if texts is None else texts))
    return model


def with_weights(model, seed=0):
    V = numpy.random.RandomState(seed).standard_normal(model.get_param("V").shape)
    model.set_param("V", V.astype("f"))
    return model


def tfidf(model, docs):
    """The matrix that is decomposed, by the definition; n-grams as tuples of words."""
    grams = []
    for doc in docs:
        words = [token.norm_ for token in doc]
        grams.append([(w,) for w in words] + list(pairwise(words)))
    known = sorted({gram for of_doc in grams for gram in of_doc})
    X = numpy.zeros((len(docs), len(known)))
    for i, of_doc in enumerate(grams):
        for j, gram in enumerate(known):
            X[i, j] = 1 + numpy.log(of_doc.count(gram)) if gram in of_doc else 0.0
    n_in = (X > 0).sum(axis=0)
    X *= numpy.log((1 + len(docs)) / (1 + n_in)) + 1
    return X / numpy.linalg.norm(X, axis=1, keepdims=True)


def test_vectors_are_those_of_the_singular_value_decomposition():
    texts = [*raw_texts(10), "lovely lovely lovely", "a witty and tender one"]
    model, docs = learned(texts, width=4, scale=2.0), make_docs(texts)
    X = tfidf(model, docs)
    _, _, directions = numpy.linalg.svd(X, full_matrices=False)
    expected = X @ directions[:4].T
    expected *= 2.0 / numpy.linalg.norm(expected, axis=1, keepdims=True)
    found = text_vectors(model, docs)
    # The sign of a direction is anybody's.
    signs = numpy.sign((found * expected).sum(axis=0))
    assert_allclose(found, expected * signs, atol=1e-4)


def test_of_many_directions_those_with_the_most_are_kept():
    texts = raw_texts(300)
    model, docs = learned(texts, width=4), make_docs(texts)
    X = tfidf(model, docs)
    values = numpy.linalg.svd(X, compute_uv=False)
    # A text's vector has, before it is stretched, the length of its part in the subspace.
    rows = [latent._count(model, latent.words_of(doc, model.attrs["attr"])) for doc in docs]
    found = latent._make_matrix(rows, model.get_param("idf")) @ model.get_param("components")
    assert len(model.attrs["keys"]) == X.shape[1] > 4 * (4 + latent.OVERSAMPLING) / 2
    assert_allclose((found**2).sum(), (values[:4] ** 2).sum(), rtol=1e-3)


@pytest.mark.parametrize(
    "texts", [[f"u{i} v{i}" for i in range(100)], [f"k{i % 7}" for i in range(50)], ["", *"aaa"]]
)
def test_directions_that_are_all_alike_are_found(texts):
    components = learned(texts, width=9).get_param("components")
    lengths = numpy.linalg.norm(components, axis=0)
    n = min(9, len({text for text in texts if text}))
    assert_allclose(lengths, [1.0] * n + [0.0] * (9 - n), atol=1e-4)


def test_components_are_orthogonal_and_the_same_each_time():
    first, second = learned(), learned()
    components = first.get_param("components")
    assert_allclose(components.T @ components, numpy.eye(3), atol=1e-5)
    largest = numpy.abs(components).argmax(axis=0)
    assert (components[largest, numpy.arange(3)] > 0).all()
    assert_array_equal(components, second.get_param("components"))


def test_words_that_stand_in_the_same_texts_have_like_vectors():
    vectors = text_vectors(learned(width=2, scale=1.0), make_docs([*PRAISE, *BLAME]))
    cosines = vectors @ vectors.T
    assert cosines[:5, :5].min() > cosines[:5, 5:].max() + 0.2


def test_ngrams_in_too_few_or_too_many_texts_are_left_out():
    texts = ["a b", "a b c", "a c", "a d"]
    # a is in all, d in one of them; pairs in two texts at most.
    model = learned(texts, min_texts=2, max_share=0.5, ngram_size=1, width=2)
    assert len(model.attrs["keys"]) == 2
    vectors = text_vectors(model, make_docs(["a", "b", "c", "d"]))
    assert_array_equal((vectors != 0).any(axis=1), [False, True, True, False])
    assert len(learned(texts, length=3, ngram_size=1).attrs["keys"]) == 3


@pytest.mark.parametrize("texts", [["one text"], ["same", "same"], ["a b", "c d"]])
def test_few_texts_have_fewer_components(texts):
    model = learned(texts, width=5, scale=1.0)
    components = model.get_param("components")
    assert components.shape[1] == 5
    assert numpy.isfinite(components).all()
    assert_allclose(numpy.linalg.norm(text_vectors(model, make_docs(texts[:1])), axis=1), 1.0)


def test_without_texts_nothing_changes_and_without_ngrams_there_is_a_warning():
    model = learned([])
    assert model.attrs["keys"] is None
    with pytest.warns(UserWarning, match="W171.*2 texts.*99"):
        model = learned(["a b", "c"], min_texts=99)
    assert_array_equal(model.predict(make_docs(["a b"])), [[0.0, 0.0]])
    assert list(latent_votes(model, make_docs(["a b"])[0])) == []


def test_of_too_many_texts_some_are_decomposed(monkeypatch):
    whole = learned()
    n_texts = []
    make_matrix = latent._make_matrix
    monkeypatch.setattr(latent, "MAX_NUMBERS", 300)
    monkeypatch.setattr(
        latent,
        "_make_matrix",
        lambda rows, idf: n_texts.append(len(rows)) or make_matrix(rows, idf),
    )
    part = learned()
    # Of sixty, with ten words and pairs each, and thirteen directions.
    assert n_texts == [int(60 * 300 / (60 * 13))]
    # Texts of praise and blame take turns; the sample has both.
    rows = part.get_param("components")[latent.find_rows(part.attrs["keys"], keys_of(PRAISE))]
    assert (abs(rows).max(axis=1) > 0).all()
    assert_array_equal(part.attrs["keys"], whole.attrs["keys"])
    assert_array_equal(part.get_param("idf"), whole.get_param("idf"))
    assert not numpy.allclose(part.get_param("components"), whole.get_param("components"))


def keys_of(words):
    [doc] = make_docs([" ".join(words)])
    return latent.words_of(doc, "NORM")


def test_what_stands_apart_from_all_directions_says_nothing():
    # The third kind shares no word with the others, and there are two directions.
    texts = ["a b c"] * 9 + ["d e f"] * 8 + ["x y z"] * 2
    model = learned(texts, width=2, ngram_size=1)
    first = text_vectors(model, make_docs(["a b", "e", "x y"]))
    assert_allclose(numpy.linalg.norm(first, axis=1), [model.attrs["scale"]] * 2 + [0.0], rtol=1e-5)


def test_a_share_of_the_texts_is_exact():
    texts = ["x"] * 29 + ["y"] * 71
    assert len(learned(texts, max_share=0.29).attrs["keys"]) == 1


def test_a_batch_gives_what_each_text_gives_alone():
    model = with_weights(learned())
    docs = make_docs(["a lovely dull film", "", "nothing known here", "witty", "lovely lovely"])
    together = model.predict(docs)
    for doc, row in zip(docs, together):
        assert_allclose(model.predict([doc])[0], row, atol=1e-5)
    assert_array_equal(together[1:3], 0.0)
    assert model.predict([]).shape == (0, 2)


@pytest.mark.parametrize("is_whole", [False, True])
def test_gradients_are_right(is_whole):
    model = with_weights(learned())
    if is_whole:
        model = NgramLinear(True, length=31, nO=2, latent=model)
        keys = dict(model.layers[0].attrs)
        params = {p: model.layers[0].get_param(p) for p in model.layers[0].param_names}
        model.initialize()
        model.layers[0].attrs.update(keys)
        for param, value in params.items():
            model.layers[0].set_param(param, value)
    for node in model.walk():
        for param in node.param_names:
            node.set_param(param, node.get_param(param).astype("float64"))
    docs = make_docs(["a lovely dull film", "", "witty"])
    d_logits = numpy.random.RandomState(1).standard_normal((3, 2))
    _, backprop = model.begin_update(docs)
    backprop(d_logits)

    def loss():
        return float((model.predict(docs) * d_logits).sum())

    for node in model.walk():
        for param in {"V", "W", "b"} & set(node.param_names):
            assert_gradient(node.get_grad(param), loss, node.get_param(param), param)
        assert not any(node.has_grad(p) for p in ("idf", "components", "ratios"))


@pytest.mark.parametrize("text", ["lovely lovely dull films", "witty", "not one is known", "film"])
def test_votes_add_up_to_the_logits(text):
    model, [doc] = with_weights(learned()), make_docs([text])
    votes = list(latent_votes(model, doc))
    assert [len(each) for _, each in votes] == [len(doc) - n + 1 for n, _ in votes]
    total = sum(each.sum(axis=0) for _, each in votes)
    assert_allclose(total, model.predict([doc])[0], atol=1e-4)


def test_new_labels_leave_the_votes_for_the_others():
    model, docs = with_weights(learned()), make_docs(["lovely film", "awful film"])
    before = model.predict(docs)
    larger = latent.resize(model, 4)
    assert_array_equal(larger.predict(docs)[:, :2], before)
    assert_array_equal(larger.predict(docs)[:, 2:], 0.0)


def test_bytes_give_the_same_model():
    model, docs = with_weights(learned()), make_docs(raw_texts(6, seed=1))
    other = LatentNgrams(width=3).from_bytes(model.to_bytes())
    assert_array_equal(other.predict(docs), model.predict(docs))
    assert_array_equal(model.copy().predict(docs), model.predict(docs))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "E011.*width"),
        ({"width": 2.5}, "E011.*width"),
        ({"ngram_size": 0}, "E011.*ngram_size"),
        ({"length": 0}, "E011.*length"),
        ({"min_texts": 0}, "E011.*min_texts"),
        ({"max_share": 0.0}, "E011.*max_share"),
        ({"max_share": 1.5}, "E011.*max_share"),
        ({"scale": float("nan")}, "E011.*scale"),
        ({"attr": "NO_SUCH"}, "E009.*NO_SUCH.*NORM"),
    ],
)
def test_wrong_arguments_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        LatentNgrams(**options)


def test_only_latent_vectors_may_stand_in_the_linear_model():
    with pytest.raises(ValueError, match=r"E011.*latent.*spacy-rnn\.LatentNgrams\.v1"):
        NgramLinear(True, latent=NgramLinear(True))


# In a classifier


def classifier(factory="rnn_textcat", has_latent=True, latent=None):
    nlp = spacy.blank("en")
    exclusive = "multilabel" not in factory
    linear = {"@architectures": "spacy-rnn.NgramLinear.v1", "exclusive_classes": exclusive}
    if has_latent:
        settings = {"width": 2, **ALL, **(latent or {})}
        linear["latent"] = {"@architectures": "spacy-rnn.LatentNgrams.v1", **settings}
    encode = {"@architectures": "spacy-rnn.RNNEncoder.v1", "cell": "gru", "width": 4, "depth": 1}
    embed = {"@architectures": "spacy-rnn.HashEmbed.v1", "width": 8, "attrs": ["NORM"]}
    embed["rows"] = [50]
    model = {
        "@architectures": "spacy-rnn.TextCatRNN.v1",
        "exclusive_classes": exclusive,
        "linear_model": linear,
        "network_share": 0.1,
        "tok2vec": {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode},
    }
    nlp.add_pipe(factory, "textcat", config={"model": model})
    return nlp


def examples_of(nlp):
    """Two words of each kind; of the others nothing is known but what raw texts say."""
    texts = {"lovely superb": "GOOD", "dull awful": "BAD"}
    return [
        Example.from_dict(nlp.make_doc(t), {"cats": {c: float(c == cat) for c in ("GOOD", "BAD")}})
        for t, cat in texts.items()
    ]


def write_raw(path, texts=None):
    path.write_text("\n".join(raw_texts() if texts is None else texts), encoding="utf8")
    return TextCorpus(path)


def train(nlp, n):
    examples = examples_of(nlp)
    optimizer = nlp.create_optimizer()
    for _ in range(n):
        nlp.update(examples, sgd=optimizer)


def trained(tmp_path, factory="rnn_textcat", n=20):
    nlp, reader = classifier(factory), write_raw(tmp_path / "raw.txt")
    component = nlp.get_pipe("textcat")
    component.initialize(lambda: examples_of(nlp), nlp=nlp, raw_texts=reader)
    train(nlp, n)
    return nlp, component


@pytest.mark.parametrize("factory", ["rnn_textcat", "rnn_textcat_multilabel"])
def test_a_classifier_knows_words_that_no_labelled_text_has(factory, tmp_path):
    nlp, _ = trained(tmp_path, factory, n=60)
    for words, sign in ((PRAISE[2:], 1), (BLAME[2:], -1)):
        for word in words:
            cats = nlp(word).cats
            assert sign * (cats["GOOD"] - cats["BAD"]) > 0.2, word
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert loaded("a witty film").cats == pytest.approx(nlp("a witty film").cats, abs=1e-6)


def test_raw_texts_stand_in_a_config(tmp_path):
    write_raw(tmp_path / "raw.txt")
    nlp = classifier()
    reader = {"@readers": "spacy-rnn.TextCorpus.v1", "path": str(tmp_path / "raw.txt")}
    nlp.config["initialize"]["components"] = {"textcat": {"raw_texts": reader}}
    nlp.initialize(lambda: examples_of(nlp))
    [node] = [n for n in nlp.get_pipe("textcat").model.walk() if n.name == latent.NAME]
    n_with_raw = len(node.attrs["keys"])
    nlp.config["initialize"]["components"] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.initialize(lambda: examples_of(nlp))
    assert 0 < len(node.attrs["keys"]) < n_with_raw


def test_raw_texts_that_nothing_learns_from_are_an_error(tmp_path):
    nlp, reader = classifier(has_latent=False), write_raw(tmp_path / "raw.txt")
    component = nlp.get_pipe("textcat")
    with pytest.raises(ValueError, match=r"E173.*textcat.*LatentNgrams"):
        component.initialize(lambda: examples_of(nlp), nlp=nlp, raw_texts=reader)
    component = classifier().get_pipe("textcat")
    with pytest.raises(ValueError, match=r"E011.*nlp"):
        component.initialize(lambda: examples_of(nlp), raw_texts=reader)


def test_explanations_are_complete_with_it(tmp_path):
    nlp, component = trained(tmp_path)
    explanation = component.explain(nlp("a witty and tender film"), label="GOOD")
    total = explanation.score - explanation.baseline
    assert sum(explanation.attributions) == pytest.approx(total, abs=1e-3)


def test_labels_are_added_to_a_trained_component(tmp_path):
    nlp, component = trained(tmp_path)
    before = nlp("a witty film").cats
    component.add_label("NEW")
    after = nlp("a witty film").cats
    assert after["GOOD"] == pytest.approx(before["GOOD"], abs=1e-3)
    nlp.to_disk(tmp_path / "model")
    assert spacy.load(tmp_path / "model")("a witty film").cats == pytest.approx(after, abs=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        None,
        {"width": 3},
        {"scale": 7.0},
        {"ngram_size": 1},
        {"attr": "LOWER"},
        {"min_texts": 2},
        {"max_share": 0.5},
    ],
)
def test_another_model_than_the_configs_is_not_loaded(options):
    nlp = classifier()
    nlp.initialize(lambda: examples_of(nlp))
    data = nlp.get_pipe("textcat").to_bytes()
    other = classifier(**({"has_latent": False} if options is None else {"latent": options}))
    with pytest.raises(ValueError, match="E019"):
        other.get_pipe("textcat").from_bytes(data)


@pytest.mark.parametrize("param", ["V", "idf", "components"])
def test_a_damaged_parameter_is_an_error(param):
    nlp = classifier()
    nlp.initialize(lambda: examples_of(nlp))
    component = nlp.get_pipe("textcat")
    [node] = [n for n in component.model.walk() if n.name == latent.NAME]
    node.set_param(param, node.get_param(param)[:-1])
    with pytest.raises(ValueError, match=f"E013.*{param}"):
        component.from_bytes(component.to_bytes())


def test_tokens_are_those_of_the_pipeline_not_of_the_annotation():
    nlp = classifier()
    examples = []
    for text, cat in (("lovely film.", "GOOD"), ("dull film.", "BAD")):
        reference = Doc(nlp.vocab, words=text.split())
        reference.cats = {c: float(c == cat) for c in ("GOOD", "BAD")}
        examples.append(Example(nlp.make_doc(text), reference))
    reader = lambda nlp: [Example(eg.predicted.copy(), eg.reference) for eg in examples]  # noqa: E731
    component = nlp.get_pipe("textcat")
    component.initialize(lambda: examples, nlp=nlp, raw_texts=reader)
    [node] = [n for n in component.model.walk() if n.name == latent.NAME]
    known = latent.find_rows(node.attrs["keys"], keys_of(["film"])) >= 0
    assert known.all()
    doc = Doc(nlp.vocab, words=["film."])
    unknown = latent.find_rows(node.attrs["keys"], latent.words_of(doc, "NORM"))
    assert_array_equal(unknown, [-1])


@pytest.mark.parametrize("raw_texts", [["a text"], "raw.txt", lambda nlp: ["a text"]])
def test_what_reads_no_examples_is_an_error(raw_texts):
    nlp = classifier()
    with pytest.raises(ValueError, match=r"E011.*raw_texts.*TextCorpus"):
        nlp.get_pipe("textcat").initialize(lambda: examples_of(nlp), nlp=nlp, raw_texts=raw_texts)


def test_it_does_not_stand_alone():
    with pytest.raises(ValueError, match=r"E011.*linear_model.*NgramLinear.*latent"):
        TextCatRNN(tok2vec(), True, linear_model=LatentNgrams())


@pytest.mark.gpu
@pytest.mark.skipif(not has_cupy_gpu, reason="needs a GPU")
def test_gpu_gives_the_same():
    model, docs = with_weights(learned()), make_docs(raw_texts(6, seed=1))
    expected = model.predict(docs)
    model.to_gpu(0)
    assert isinstance(model.ops, CupyOps)
    assert_allclose(model.predict(docs).get(), expected, atol=1e-4)
    total = sum(each.sum(axis=0) for _, each in latent_votes(model, docs[0]))
    assert_allclose(total, expected[0], atol=1e-4)


def test_votes_of_the_linear_model_include_it():
    model = NgramLinear(True, length=997, nO=2, latent=LatentNgrams(width=3, nO=2, **ALL))
    docs = make_docs(raw_texts())
    model.initialize()
    learn_components(model.layers[0], docs)
    with_weights(model.layers[0])
    model.set_param("W", numpy.random.RandomState(0).standard_normal((997, 2)).astype("f"))
    total = sum(each.sum(axis=0) for _, each in ngram_votes(model, docs[0]))
    assert_allclose(total + model.get_param("b"), model.predict(docs[:1])[0], atol=1e-4)
    larger = resize(model, 3, bias=-4.0)
    assert_allclose(larger.predict(docs)[:, :2], model.predict(docs), atol=1e-5)
