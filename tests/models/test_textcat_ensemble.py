"""Text classifiers that vote."""

from typing import Any

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from thinc.api import Adam, Linear, set_dropout_rate

from spacy_rnn.models import Seq2Seq
from spacy_rnn.models.ensembles import members
from spacy_rnn.models.textcat_ensemble import TextCatEnsemble
from spacy_rnn.pipeline.explain import explain

from ..layers.cells import gradients, parameters, randomize
from ..layers.numeric import assert_gradient
from .test_textcat import build, make_docs


def make(exclusive: bool = True, **options: Any) -> Any:
    model = TextCatEnsemble(
        build(exclusive=exclusive, **options), build(exclusive=exclusive, both=False, **options)
    )
    model.initialize(X=make_docs(), Y=numpy.zeros((5, 3), "f"))
    for i, member in enumerate(members(model)):
        randomize(member, numpy.random.RandomState(i))
    return model


@pytest.mark.parametrize("exclusive", [True, False])
def test_scores_are_the_mean_of_those_of_the_members(exclusive: bool) -> None:
    model = make(exclusive, linear=True)
    docs = make_docs()
    alone = [member.predict(docs) for member in members(model)]
    assert abs(alone[0] - alone[1]).max() > 1e-3
    scores = model.predict(docs)
    assert_allclose(scores, (alone[0] + alone[1]) / 2, atol=1e-6)
    for doc, expected in zip(docs, scores):
        assert_allclose(model.predict([doc])[0], expected, atol=1e-5)
    assert model.predict([]).shape == (0, 3)


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_callback_takes_the_gradient_of_the_logits(exclusive: bool) -> None:
    model = make(exclusive)
    for node in model.walk():
        for param in node.param_names:
            node.set_param(param, node.get_param(param).astype("float64"))
    docs = make_docs()
    truths = numpy.eye(3)[[0, 1, 2, 0, 1]]

    def loss() -> float:
        scores = model.predict(docs)
        losses = truths * numpy.log(scores)
        if not exclusive:
            losses += (1 - truths) * numpy.log(1 - scores)
        return float(-losses.sum())

    set_dropout_rate(model, 0.0)
    scores, backprop = model.begin_update(docs)
    assert backprop(scores - truths) == []
    found = gradients(model)
    for param, value in parameters(model).items():
        if value.size < 200:
            assert_gradient(found[param], loss, value, param)


@pytest.mark.parametrize("exclusive", [True, False])
def test_labels_can_be_added_and_learned(exclusive: bool) -> None:
    model = make(exclusive, linear=True)
    docs = make_docs()
    before = model.predict(docs)
    model = model.attrs["resize_output"](model, 4)
    after = model.predict(docs)
    assert model.get_dim("nO") == 4
    assert_allclose(after[:, :3], before, atol=1e-6)
    truths = numpy.eye(4, dtype="f")[[0, 1, 3, 2, 1]]
    optimizer = Adam(0.02)
    for _ in range(150):
        scores, backprop = model.begin_update(docs)
        backprop((scores - truths) / len(docs))
        model.finish_update(optimizer)
    assert model.predict(docs).argmax(axis=1).tolist() == [0, 1, 3, 2, 1]


def test_members_have_weights_of_their_own_and_are_saved() -> None:
    member = build()
    model = TextCatEnsemble(member, member)
    model.initialize(X=make_docs(), Y=numpy.zeros((5, 3), "f"))
    first, second = members(model)
    weights = [
        [node.get_param(name) for node in each.walk() for name in node.param_names]
        for each in (first, second)
    ]
    assert any((one != other).any() for one, other in zip(*weights))
    model = make(linear=True)
    again = TextCatEnsemble(build(linear=True), build(linear=True, both=False))
    again.initialize(X=make_docs(), Y=numpy.zeros((5, 3), "f"))
    again.from_bytes(model.to_bytes())
    assert_allclose(again.predict(make_docs()), model.predict(make_docs()), atol=0)
    assert_allclose(model.copy().predict(make_docs()), model.predict(make_docs()), atol=0)


@pytest.mark.parametrize(
    ("make_members", "message"),
    [
        (lambda: [], "there is none"),
        (lambda: [build(), Linear()], "'linear'"),
        (lambda: [build(), Seq2Seq()], "'seq2seq'"),
        (lambda: [build(), TextCatEnsemble(build())], "'textcat_ensemble'"),
        (lambda: [build(), 3], "'int'"),
        (lambda: [build(True), build(False)], "'exclusive_classes' is True for one"),
    ],
)
def test_members_that_do_not_go_together_are_errors(make_members: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"E178.*TextCatRNN.*{message}"):
        TextCatEnsemble(*make_members())


@pytest.mark.parametrize("factory", ["rnn_textcat", "rnn_textcat_multilabel"])
@pytest.mark.parametrize("settings", [{}, {"adversarial_norm": 2.0}], ids=str)
def test_a_component_learns_by_an_ensemble(factory: str, settings: Any) -> None:
    nlp = spacy.blank("en")
    embed = {"@architectures": "spacy-rnn.HashEmbed.v1", "width": 8, "attrs": ["NORM"],
             "rows": [50]}  # fmt: skip
    encode = {"@architectures": "spacy-rnn.RNNEncoder.v1", "cell": "lstm", "width": 8, "depth": 1}
    member = {
        "@architectures": "spacy-rnn.TextCatRNN.v1",
        "exclusive_classes": factory == "rnn_textcat",
        "tok2vec": {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode},
    }
    gru = {**member, "tok2vec": {**member["tok2vec"], "encode": {**encode, "cell": "gru"}}}
    model = {"@architectures": "spacy-rnn.TextCatEnsemble.v1", "*": {"a": member, "b": gru}}
    pipe: Any = nlp.add_pipe(factory, config={"model": model, **settings})
    texts = {"a good film": "A", "a bad film": "B", "good": "A", "bad": "B"}
    examples = [
        spacy.training.Example.from_dict(
            nlp.make_doc(text), {"cats": {name: float(name == label) for name in "AB"}}
        )
        for text, label in texts.items()
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    losses = [nlp.update(examples, sgd=optimizer)[factory] for _ in range(60)]
    assert losses[-1] < 0.6 * losses[0]
    for text, label in texts.items():
        cats = nlp(text).cats
        assert max(cats, key=cats.get) == label  # type: ignore[arg-type]
    doc = nlp("a good film")
    whole = pipe.explain(doc, label="A")
    parts = [explain("x", each, doc, "A", pipe.labels.index("A")) for each in pipe.model.layers]
    for key in ("attributions", "score", "baseline"):
        means = numpy.mean([getattr(part, key) for part in parts], axis=0)
        assert_allclose(getattr(whole, key), means, rtol=1e-6)
    assert parts[0].score != pytest.approx(parts[1].score, rel=1e-3)
    assert sum(whole.attributions) == pytest.approx(whole.score - whole.baseline + whole.error)
    assert abs(whole.error) < 0.02 * abs(whole.score - whole.baseline)
    pipe.add_label("C")
    assert set(nlp("good").cats) == {"A", "B", "C"}
    again = spacy.blank("en")
    again.add_pipe(factory, config={"model": model, **settings})
    again.from_bytes(nlp.to_bytes())
    assert again("good").cats == nlp("good").cats
