"""Token vectors from language models: which states they are, their gradients, long texts."""

from typing import Any, Dict, List

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Adam, Model, Ragged, fix_random_seed, set_dropout_rate

from spacy_rnn.layers.freezing import freeze
from spacy_rnn.layers.state import run
from spacy_rnn.models import reading
from spacy_rnn.models.language_model import LanguageModel
from spacy_rnn.models.lm_tok2vec import LanguageModelTok2Vec, readers_of
from spacy_rnn.models.subwords import Subwords, train_subwords
from spacy_rnn.models.vocabulary import END, Vocabulary

from ..layers.cells import ENCODER_CELLS
from ..layers.numeric import assert_gradient

TEXTS = ["a bc d e fa g", "b  a", "", "c", "g g gh f ae bc c d!", "d e\n a"]
UNITS = ("word", "char", "subword")


@pytest.fixture(scope="module")
def docs() -> List[Doc]:
    tokenizer = spacy.blank("en").tokenizer
    return [tokenizer(text) for text in TEXTS]


def learn(unit: str, docs: List[Doc]) -> Vocabulary:
    if unit != "subword":
        return Vocabulary.learn(unit, docs, min_freq=1)
    counts = {text: 1 for doc in docs for text in doc.text.split()}
    trained = train_subwords(counts, "bpe", 1, 40)
    return Vocabulary(unit, Subwords(trained).count(counts), subwords=trained)


def make(
    docs: List[Doc], directions: str = "both", frozen: bool = False, **settings: Any
) -> Model[List[Doc], Any]:
    fix_random_seed(0)
    blocks: Dict[str, Any] = {
        name: LanguageModel(**{"width": 5, **settings, "backward": name == "backward"})
        for name in ("forward", "backward")
        if directions in (name, "both")
    }
    model = LanguageModelTok2Vec(**blocks, frozen=frozen)
    for reader in readers_of(model):
        unit = settings.get("unit", "word")
        reader.attrs["vocabulary"] = learn(unit, docs)
        reader.layers[0].layers[0].set_dim("nV", len(reader.attrs["vocabulary"]))
    model.initialize(X=docs)
    for reader in readers_of(model):
        reader.attrs["has_language_model"] = True
    for node in model.walk():
        for param in [name for name in node.param_names if node.has_param(name)]:
            value = node.get_param(param)
            noise = 0.4 * numpy.random.standard_normal(value.shape)
            node.set_param(param, (value + noise).astype("float32"))
    return model


@pytest.mark.parametrize("unit", UNITS)
def test_a_token_gets_the_state_that_has_read_it_and_all_before_it(
    unit: str, docs: List[Doc]
) -> None:
    model = make(docs, "forward", unit=unit)
    reader = next(readers_of(model))
    for doc, found in zip(docs, model.predict(docs)):
        assert found.shape == (len(doc), 5)
        for token in doc:
            part = doc[: token.i + 1].as_doc()
            if token.i + 1 < len(doc) and unit == "subword":
                continue  # the pieces of a token depend on the space behind it
            ids = reader.attrs["vocabulary"].encode(part).ids
            inputs = numpy.append(numpy.int32(END), ids)
            Xr = Ragged(inputs, numpy.asarray([len(inputs)], dtype="int32"))
            expected = run(reader.layers[0], Xr)[0].dataXd[-1]
            numpy.testing.assert_allclose(found[token.i], expected, atol=1e-5)


@pytest.mark.parametrize("unit", ["word", "char"])
def test_backward_vectors_are_forward_ones_of_the_reversed_units(
    unit: str, docs: List[Doc]
) -> None:
    model = make(docs, "backward", unit=unit)
    reader = next(readers_of(model))
    for doc, found in zip(docs, model.predict(docs)):
        units = reader.attrs["vocabulary"].encode(doc)
        inputs = numpy.append(numpy.int32(END), units.ids[::-1])
        Xr = Ragged(inputs, numpy.asarray([len(inputs)], dtype="int32"))
        states = run(reader.layers[0], Xr)[0].dataXd
        for token in doc:
            n_behind = int((units.tokens >= token.i).sum())
            numpy.testing.assert_allclose(found[token.i], states[n_behind], atol=1e-5)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("cell", ENCODER_CELLS)
def test_vectors_are_the_same_alone_in_any_batch_in_pieces_and_in_training(
    unit: str, cell: str, docs: List[Doc], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(docs, unit=unit, cell=cell, depth=2)
    whole = model.predict(docs)
    trained, _ = model.begin_update(docs)
    monkeypatch.setattr(reading, "MAX_ROWS", 4)
    in_pieces = model.predict(docs)
    for i, doc in enumerate(docs):
        assert whole[i].shape == (len(doc), 10)
        for other in (trained[i], in_pieces[i], model.predict([doc])[0]):
            numpy.testing.assert_allclose(whole[i], other, atol=1e-5)


def test_each_half_is_causal(docs: List[Doc]) -> None:
    model = make(docs)
    vocab = docs[0].vocab
    one, other = Doc(vocab, words=list("abcde")), Doc(vocab, words=list("abgde"))
    before, after = model.predict([one, other])
    numpy.testing.assert_array_equal(before[:2, :5], after[:2, :5])
    numpy.testing.assert_array_equal(before[3:, 5:], after[3:, 5:])
    assert (before[2:, :5] != after[2:, :5]).any(axis=1).all()
    assert (before[:3, 5:] != after[:3, 5:]).any(axis=1).all()


@pytest.mark.parametrize("directions", ["forward", "backward", "both"])
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("cell", ["lstm", "qrnn"])
def test_gradients_are_those_of_finite_differences(
    directions: str, unit: str, cell: str, docs: List[Doc]
) -> None:
    model = make(docs, directions, unit=unit, cell=cell, width=3, depth=2)
    for node in model.walk():
        for param in node.param_names:
            node.set_param(param, node.get_param(param).astype("float64"))
    rng = numpy.random.default_rng(0)
    weights = [rng.standard_normal((len(doc), model.get_dim("nO"))) for doc in docs]

    def loss() -> float:
        Ys, _ = model(docs, True)
        return float(sum((Y * w).sum() for Y, w in zip(Ys, weights)))

    _, backprop = model.begin_update(docs)
    backprop(weights)
    checked = 0
    for node in model.walk():
        for param in node.param_names:
            name = f"{node.name}/{param}"
            assert_gradient(node.get_grad(param), loss, node.get_param(param), name)
            checked += 1
    assert checked >= 5


def test_frozen_vectors_learn_nothing_and_know_no_dropout(docs: List[Doc]) -> None:
    model = make(docs, frozen=True, dropout=0.5, weight_dropout=0.5)
    set_dropout_rate(model, 0.5)
    before = {(n.id, p): n.get_param(p).copy() for n in model.walk() for p in n.param_names}
    Ys, backprop = model.begin_update(docs)
    for Y, expected in zip(Ys, model.predict(docs)):
        numpy.testing.assert_array_equal(Y, expected)
    assert backprop([numpy.ones_like(Y) for Y in Ys]) == []
    model.finish_update(Adam(0.1, L2=0.1))
    for node in model.walk():
        for param in node.param_names:
            assert not node.has_grad(param)
            numpy.testing.assert_array_equal(before[node.id, param], node.get_param(param))


@pytest.mark.parametrize("n_frozen", [1, 2])
def test_layers_above_frozen_ones_get_the_same_gradients(n_frozen: int, docs: List[Doc]) -> None:
    gradients: List[Dict[Any, Any]] = []
    for is_partly_frozen in (False, True):
        model = make(docs, depth=2)
        for reader in readers_of(model) if is_partly_frozen else []:
            learners = [layer for layer in reader.layers[0].layers if layer.param_names]
            for layer in learners[:n_frozen]:
                freeze(layer)
        Ys, backprop = model.begin_update(docs)
        backprop([numpy.cos(Y) for Y in Ys])
        gradients.append(
            {
                (node.name, param): node.get_grad(param)
                for node in model.walk()
                for param in node.param_names
                if node.has_grad(param)
            }
        )
    whole, upper = gradients
    assert len({name for name, _ in whole}) == 6
    assert len({name for name, _ in upper}) == 6 - 2 * n_frozen
    for key, gradient in upper.items():
        numpy.testing.assert_allclose(gradient, whole[key], atol=1e-5)


def test_layers_can_be_told_apart_by_name(docs: List[Doc]) -> None:
    model = make(docs, cell="gru", depth=2)
    names = [node.name for node in model.walk() if node.param_names]
    assert names == [
        *("forward.embedding", "forward.gru.1", "forward.gru.2"),
        *("backward.embedding", "backward.gru.1", "backward.gru.2"),
    ]


def test_the_softmax_of_the_language_model_is_left_out(docs: List[Doc]) -> None:
    model = make(docs)
    assert not any("softmax" in node.name for node in model.walk())


def test_bytes_round_trip_with_the_vocabulary(docs: List[Doc]) -> None:
    model = make(docs)
    empty = LanguageModelTok2Vec(LanguageModel(width=5), LanguageModel(width=5, backward=True))
    empty.from_bytes(model.to_bytes())
    for found, expected in zip(empty.predict(docs), model.predict(docs)):
        numpy.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("unit", ["word", "char"])
def test_without_a_language_model_another_sample_gives_other_units(
    unit: str, docs: List[Doc]
) -> None:
    tokenizer = spacy.blank("en").tokenizer
    others = [tokenizer("x y z xx yy zz k l m n o p q r s t")]
    model = LanguageModelTok2Vec(LanguageModel(width=5, unit=unit))
    reader = next(readers_of(model))
    model.initialize(X=docs)
    with pytest.warns(UserWarning, match="W090"):
        _, backprop = model.begin_update(docs)
    backprop(model.predict(docs))
    data = model.to_bytes()
    model.initialize(X=others)
    assert set(reader.attrs["vocabulary"].units) == set(learn(unit, others).units)
    _, backprop = model.begin_update(others)
    backprop(model.predict(others))
    model.finish_update(Adam(0.01))
    # What was loaded stays, as it does where a language model was.
    model = LanguageModelTok2Vec(LanguageModel(width=5, unit=unit)).from_bytes(data)
    reader = next(readers_of(model))
    model.initialize(X=others)
    assert set(reader.attrs["vocabulary"].units) == set(learn(unit, docs).units)


def test_a_copy_reads_the_same(docs: List[Doc]) -> None:
    model = make(docs)
    for found, expected in zip(model.copy().predict(docs), model.predict(docs)):
        numpy.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "E090"),
        ({"forward": {"backward": True}}, "E092"),
        ({"backward": {}}, "E092"),
        ({"forward": {"condition": "cats"}}, "E093"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(arguments: Any, code: str) -> None:
    blocks = {name: LanguageModel(width=4, **block) for name, block in arguments.items()}
    with pytest.raises(ValueError, match=code):
        LanguageModelTok2Vec(**blocks)


def test_another_kind_of_model_is_refused() -> None:
    from thinc.api import Linear

    with pytest.raises(ValueError, match="E091"):
        LanguageModelTok2Vec(forward=Linear(2, 2))  # type: ignore[arg-type]


def test_a_long_text_needs_no_more_rows_at_once_than_a_piece(
    docs: List[Doc], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(docs, unit="char")
    sizes = []

    def count(encoder: Any, Xr: Any, state: Any) -> Any:
        sizes.append(len(Xr.dataXd))
        return run(encoder, Xr, state)

    monkeypatch.setattr("spacy_rnn.models.lm_reader.run", count)
    long = Doc(docs[0].vocab, words=["abc"] * 5000)
    assert model.predict([long])[0].shape == (5000, 10)
    assert max(sizes) <= reading.MAX_ROWS


def test_its_state_is_not_carried_on(docs: List[Doc]) -> None:
    """As each text begins with the end of another one: pieces would differ from the whole."""
    for is_train in (False, True):
        with pytest.raises(ValueError, match=r"E182.*lm_reader"):
            run(make(docs), docs, is_train=is_train)
