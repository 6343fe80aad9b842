import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from spacy.ml.models import MultiHashEmbed
from spacy.vectors import Vectors
from thinc.api import Adam, set_dropout_rate

from spacy_rnn.models import CharEmbed, HashEmbed
from spacy_rnn.models.type_embedding import distinct_rows

ATTRS = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
ROWS = [60, 40, 50, 20]
TEXTS = ["This is a test, and this is another test.", "", "A test!", "The cat's mat: 3.14"]


def make_docs(with_vectors=False):
    nlp = spacy.blank("en")
    if with_vectors:
        rng = numpy.random.RandomState(0)
        for word in ("test", "cat", "mat", "this"):
            nlp.vocab.set_vector(word, rng.standard_normal(7).astype("f"))
    return [nlp(text) for text in TEXTS]


def pair(width, with_vectors=False):
    """spaCy's embedding and ours, with the same weights."""
    docs = make_docs(with_vectors)
    models = [
        make(width, ATTRS, ROWS, include_static_vectors=with_vectors)
        for make in (MultiHashEmbed, HashEmbed)
    ]
    for model in models:
        model.initialize(X=docs)
    theirs, ours = [
        sorted(
            (
                (node.name, param, i, node)
                for i, node in enumerate(m.walk())
                for param in node.param_names
            ),
            key=lambda entry: entry[:3],
        )
        for m in models
    ]
    assert [e[:2] for e in theirs] == [e[:2] for e in ours]
    for (_, param, _, source), (_, _, _, target) in zip(theirs, ours):
        target.set_param(param, source.get_param(param).copy())
    grads = lambda entries: [e[3].get_grad(e[1]) for e in entries]  # noqa: E731
    return models[0], models[1], docs, lambda: grads(theirs), lambda: grads(ours)


@pytest.mark.parametrize("with_vectors", [False, True])
@pytest.mark.parametrize("width", [8, 33])
def test_it_equals_spacys_embedding_forward_and_backward(width, with_vectors, rng):
    theirs, ours, docs, their_grads, our_grads = pair(width, with_vectors)
    Y, backprop = theirs.begin_update(docs)
    Z, our_backprop = ours.begin_update(docs)
    assert [z.shape for z in Z] == [(len(doc), width) for doc in docs]
    for y, z in zip(Y, Z):
        assert_allclose(z, y, atol=1e-5)
    dY = [rng.standard_normal(y.shape).astype("f") for y in Y]
    backprop([d.copy() for d in dY])
    our_backprop([d.copy() for d in dY])
    for expected, found in zip(their_grads(), our_grads()):
        assert_allclose(found, expected, atol=1e-4)


def test_each_distinct_type_is_embedded_once(monkeypatch):
    _, ours, docs, _, _ = pair(8)
    mix, rows = ours.layers[2], []
    original = mix.layers[0]._func

    def counting(model, X, is_train):
        rows.append(len(X))
        return original(model, X, is_train)

    monkeypatch.setattr(mix.layers[0], "_func", counting)
    ours.predict(docs)
    types = {tuple(row) for doc in docs for row in doc.to_array(ATTRS).tolist()}
    assert rows == [len(types)]
    assert len(types) < sum(len(doc) for doc in docs)


def test_a_docs_vectors_do_not_depend_on_the_batch():
    _, ours, docs, _, _ = pair(8)
    together = ours.predict(docs)
    for doc, Y in zip(docs, together):
        assert_allclose(ours.predict([doc])[0], Y, atol=1e-5)


def test_batches_without_tokens_are_legal():
    _, ours, docs, _, _ = pair(8)
    Y, backprop = ours.begin_update([docs[1], docs[1]])
    assert [y.shape for y in Y] == [(0, 8), (0, 8)]
    assert backprop(Y) == []
    assert ours.predict([]) == []


def test_dropout_falls_on_tokens_not_on_types():
    nlp = spacy.blank("en")
    model = HashEmbed(64, ["NORM"], [50])
    doc = nlp("word word word word")
    model.initialize(X=[doc])
    set_dropout_rate(model, 0.5)
    Y = model.begin_update([doc])[0][0]
    assert ((Y[0] == 0) != (Y[1] == 0)).any()
    assert_allclose(numpy.ptp(model.predict([doc])[0], axis=0), 0, atol=1e-6)


def test_a_token_with_a_norm_of_its_own_is_a_type_of_its_own():
    nlp = spacy.blank("en")
    doc = nlp("same same")
    doc[1].norm_ = "other"
    model = HashEmbed(16, ["ORTH", "NORM"], [50, 50])
    model.initialize(X=[doc])
    Y = model.predict([doc])[0]
    assert numpy.abs(Y[0] - Y[1]).max() > 1e-3


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2**64 - 1])), min_size=1),
    st.booleans(),
)
def test_distinct_rows_are_found(rows, split):
    table = numpy.asarray(rows, dtype="uint64")
    if split:
        first, inverse = distinct_rows(table[:, :1], table[:, 1])
    else:
        first, inverse = distinct_rows(table)
    assert_array_equal(table[first][inverse], table)
    assert len(first) == len(set(rows))


def test_colliding_keys_are_told_apart(monkeypatch):
    table = numpy.asarray([[1, 2], [3, 4], [1, 2]], dtype="uint64")
    original = numpy.unique

    def colliding(values, axis=None, **kwargs):
        return original(values * 0 if axis is None else values, axis=axis, **kwargs)

    monkeypatch.setattr(numpy, "unique", colliding)
    first, inverse = distinct_rows(table)
    assert_array_equal(table[first][inverse], table)


def test_lists_of_different_lengths_are_an_error():
    with pytest.raises(ValueError, match="E014"):
        HashEmbed(8, ["NORM", "SHAPE"], [50])


def test_no_attributes_are_an_error():
    with pytest.raises(ValueError, match="E011"):
        HashEmbed(8, [], [])


@pytest.mark.parametrize(
    ("attrs", "rows"), [(["FOO"], [50]), ([None], [50]), (["NORM"], [0]), (["NORM"], [1.5])]
)
def test_attributes_and_rows_that_are_none_are_errors(attrs, rows):
    with pytest.raises(ValueError, match=r"E011.*(attrs|rows)"):
        HashEmbed(8, attrs, rows)


def test_static_vectors_without_a_table_are_an_error():
    nlp = spacy.blank("en")
    model = HashEmbed(8, ["NORM"], [50], include_static_vectors=True)
    with pytest.raises(ValueError, match=r"E015.*include_static_vectors = false"):
        model.initialize(X=[nlp("word")])


def test_vectors_of_another_width_are_an_error():
    _, ours, _, _, _ = pair(8, with_vectors=True)
    nlp = spacy.blank("en")
    nlp.vocab.set_vector("test", numpy.ones(5, dtype="f"))
    with pytest.raises(ValueError, match=r"E003.*width 7.*width 5"):
        ours.predict([nlp("test")])


@pytest.mark.parametrize(
    "make",
    [
        lambda: HashEmbed(8, ["NORM"], [20], include_static_vectors=True),
        lambda: CharEmbed(8, "gru", include_static_vectors=True),
    ],
)
class TestVectors:
    def test_those_in_double_precision_train(self, make):
        nlp = spacy.blank("en")
        data = numpy.random.RandomState(0).standard_normal((1, 7))
        nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=["cat"])
        docs = [nlp("a cat"), nlp("a dog")]
        model = make()
        model.initialize(X=docs)
        Ys, backprop = model.begin_update(docs)
        assert all(Y.dtype == numpy.float32 for Y in Ys)
        backprop(Ys)
        model.finish_update(Adam(0.1))
        assert model.predict(docs)[0].dtype == numpy.float32

    def test_a_table_without_rows_is_none(self, make):
        nlp = spacy.blank("en")
        nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, shape=(0, 7))
        model = make()
        with pytest.raises(ValueError, match="E015"):
            model.initialize(X=[nlp("a cat")])
        other = spacy.blank("en")
        other.vocab.set_vector("cat", numpy.ones(7, "f"))
        model.initialize(X=[other("a cat")])
        with pytest.raises(ValueError, match="E015"):
            model.predict([nlp("a cat")])

    def test_docs_of_several_vocabs_have_each_their_own(self, make):
        docs = []
        for seed, word in enumerate(("cat", "zebra", "cat")):
            nlp = spacy.blank("en")
            row = numpy.random.RandomState(seed).standard_normal(7).astype("f")
            nlp.vocab.set_vector(word, row)
            docs += [nlp("a cat saw a zebra"), nlp("")]
        model = make()
        model.initialize(X=docs)
        together = model.predict(docs)
        for doc, rows in zip(docs, together):
            assert_allclose(rows, model.predict([doc])[0], atol=1e-6)
        assert abs(together[0] - together[4]).max() > 1e-3
        # What is learned is the sum of what each teaches.
        gradients = []
        for batches in ([docs], [[doc] for doc in docs]):
            for batch in batches:
                Ys, backprop = model.begin_update(batch)
                assert backprop([numpy.ones_like(Y) for Y in Ys]) == []
            gradients.append({})
            for node in model.walk():
                for name in node.param_names:
                    if node.has_grad(name):
                        gradients[-1][node.id, name] = node.get_grad(name).copy()
                        node.get_grad(name).fill(0.0)
        assert len(gradients[0]) > 3
        for key, gradient in gradients[0].items():
            assert_allclose(gradient, gradients[1][key], atol=1e-4)
