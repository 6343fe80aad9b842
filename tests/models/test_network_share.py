"""A network and a linear model that vote by the mean of their logits, and learn each by itself."""

from typing import Any

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.training import Example
from thinc.api import fix_random_seed

from .test_textcat import build, initialized, make_docs


def logits_of(model: Any, share: Any) -> Any:
    """The logarithms of the scores, without what is common to the labels of a doc."""
    model.attrs["network_share"] = share
    logs = numpy.log(model.predict(make_docs()))
    return logs - logs.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_the_scores_are_those_of_the_mean_of_the_logits(share: float) -> None:
    model = initialized(linear=True, network_share=0.5)
    network, linear = logits_of(model, 1.0), logits_of(model, 0.0)
    expected = share * network + (1.0 - share) * linear
    assert_allclose(logits_of(model, share), expected, atol=1e-5)
    assert numpy.abs(network - linear).max() > 0.1


def test_without_a_share_the_logits_are_added_up() -> None:
    model = initialized(linear=True)
    total = logits_of(model, 1.0) + logits_of(model, 0.0)
    assert_allclose(logits_of(model, None), total, atol=1e-5)


def test_a_share_means_nothing_where_there_is_no_linear_model() -> None:
    model = initialized(network_share=0.2)
    expected = model.predict(make_docs())
    model.attrs["network_share"] = None
    assert_allclose(model.predict(make_docs()), expected)


def test_each_part_learns_from_its_own_error() -> None:
    """The gradients of a mean whose parts learn apart are those of each part on its own."""
    truths = numpy.eye(3, dtype="f")[[0, 1, 2, 0, 1]]
    found = gradients_apart(0.3, truths)
    alone = {1.0: gradients_apart(1.0, truths), 0.0: gradients_apart(0.0, truths)}
    assert len(found) > 5
    for key, gradient in found.items():
        for other in alone.values():
            assert_allclose(gradient, other[key], atol=1e-6)
    fix_random_seed(0)
    joint = initialized(linear=True)
    scores, backprop = joint.begin_update(make_docs())
    backprop(scores - truths)
    sparse = next(node for node in joint.walk() if node.name == "sparse_linear")
    assert numpy.abs(sparse.get_grad("b") - found["sparse_linear", "b"]).max() > 1e-3


def gradients_apart(share: float, truths: Any) -> Any:
    fix_random_seed(0)
    model = initialized(linear=True, network_share=share)
    _, backprop = model.begin_update(make_docs())
    backprop.apart(lambda scores: scores - truths)
    return {
        (node.name, param): node.get_grad(param).copy()
        for node in model.walk()
        for param in node.param_names
        if node.has_grad(param)
    }


def test_the_component_learns_each_part_apart() -> None:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    textcat = nlp.add_pipe("rnn_textcat")
    cats = ({"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0})
    words = ("good", "bad")
    examples = [
        Example.from_dict(nlp.make_doc(f"a {words[i % 2]} text"), {"cats": cats[i % 2]})
        for i in range(6)
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update(examples, sgd=optimizer)
    for share in (0.0, 1.0):
        textcat.model.attrs["network_share"] = share  # type: ignore[attr-defined]
        assert nlp("a good text").cats["A"] > 0.8
        assert nlp("a bad text").cats["B"] > 0.8


def test_a_new_label_takes_nothing_from_the_others() -> None:
    model = initialized(linear=True, network_share=0.3)
    before = model.predict(make_docs())
    model.attrs["resize_output"](model, 4)
    after = model.predict(make_docs())
    # Docs without tokens have no vote of the linear model, which holds most of the bias.
    is_present = [len(doc) > 0 for doc in make_docs()]
    assert_allclose(after[is_present, :3], before[is_present], atol=1e-4)
    assert after[is_present, 3].max() < 1e-4
    assert after[:, 3].max() < 0.01


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_what_is_no_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=r"E011.*network_share"):
        build(linear=True, network_share=share)
