import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.ml.models.textcat import build_bow_text_classifier_v3, build_reduce_text_classifier
from thinc.api import NumpyOps

from spacy_rnn.pipeline.cross_entropy import (
    LabelCounts,
    cross_entropy,
    resolve_class_weights,
)
from spacy_rnn.training.gradients import output_gradient

OPS = NumpyOps()
LABELS = ["A", "B", "C"]


def scores_of(logits, exclusive):
    if exclusive:
        e = numpy.exp(logits - logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    return 1 / (1 + numpy.exp(-logits))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("exclusive", [True, False])
def test_the_gradient_is_that_of_the_loss(exclusive, smoothing, rng):
    logits = rng.standard_normal((5, 3))
    truths = numpy.eye(3)[[0, 1, 2, 0, 1]]
    known = numpy.ones((5, 3))
    known[3] = 0.0
    if not exclusive:
        known[0, 1] = 0.0
    weights = numpy.asarray([[0.5, 2.0, 1.0]])

    def compute(logits):
        return cross_entropy(
            OPS,
            scores_of(logits, exclusive),
            truths,
            known,
            weights,
            exclusive=exclusive,
            label_smoothing=smoothing,
        )

    _, gradient = compute(logits)
    for i in numpy.ndindex(logits.shape):
        step = numpy.zeros_like(logits)
        step[i] = 1e-6
        numeric = (compute(logits + step)[0] - compute(logits - step)[0]) / 2e-6
        assert abs(numeric - gradient[i]) < 1e-7
    assert (gradient[3] == 0).all()


def test_the_loss_is_the_mean_of_the_negative_log_likelihoods():
    scores = numpy.asarray([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]], "f")
    truths = numpy.asarray([[1, 0, 0], [0, 0, 1]], "f")
    loss, _ = cross_entropy(
        OPS, scores, truths, numpy.ones_like(truths), numpy.ones((1, 3), "f"), exclusive=True
    )
    assert loss == pytest.approx(-(numpy.log(0.7) + numpy.log(0.1)) / 2, rel=1e-5)


@pytest.mark.parametrize("exclusive", [True, False])
def test_neither_loss_nor_gradient_depends_on_the_size_of_the_batch(exclusive, rng):
    scores = scores_of(rng.standard_normal((4, 3)), exclusive).astype("f")
    truths = numpy.eye(3, dtype="f")[[0, 1, 2, 0]]
    weights = numpy.ones((1, 3), "f")

    def compute(times):
        arrays = [numpy.tile(a, (times, 1)) for a in (scores, truths, numpy.ones_like(truths))]
        return cross_entropy(OPS, *arrays, weights, exclusive=exclusive)

    (loss, gradient), (many_loss, many_gradient) = compute(1), compute(16)
    assert many_loss == pytest.approx(loss, rel=1e-5)
    assert_allclose(many_gradient.sum(axis=0), gradient.sum(axis=0), atol=1e-6)


@pytest.mark.parametrize("exclusive", [True, False])
def test_scores_of_zero_and_one_give_finite_losses(exclusive):
    scores = numpy.asarray([[1.0, 0.0], [0.0, 1.0]], "f")
    truths = numpy.asarray([[0, 1], [0, 1]], "f")
    loss, gradient = cross_entropy(
        OPS, scores, truths, numpy.ones((2, 2), "f"), numpy.ones((1, 2), "f"), exclusive=exclusive
    )
    assert numpy.isfinite(loss)
    assert_allclose(gradient, (scores - truths) / 2)


def test_balanced_weights_make_exclusive_labels_count_the_same():
    counts = LabelCounts({"A": 90, "B": 9, "C": 1}, {})
    weights = resolve_class_weights("x", "balanced", LABELS, counts, exclusive=True)
    assert weights == pytest.approx({"A": 100 / 270, "B": 100 / 27, "C": 100 / 3})


def test_balanced_weights_make_yes_and_no_count_the_same():
    counts = LabelCounts({"A": 10, "B": 50}, {"A": 90, "B": 50, "C": 100})
    weights = resolve_class_weights("x", "balanced", LABELS, counts, exclusive=False)
    assert weights == {"A": 9.0, "B": 1.0, "C": 1.0}


def test_labels_that_a_table_leaves_out_weigh_one():
    weights = resolve_class_weights("x", {"B": 3}, LABELS, None, exclusive=True)
    assert weights == {"A": 1.0, "B": 3.0, "C": 1.0}


def test_a_table_with_unknown_labels_is_an_error():
    with pytest.raises(ValueError, match=r"E020.*\['D'\].*A, B, C"):
        resolve_class_weights("x", {"D": 3}, LABELS, None, exclusive=True)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("kind", ["bow", "reduce"])
def test_the_gradient_of_the_logits_reaches_spacys_models(kind, exclusive, rng):
    """However their output layer treats what it is given: checked on its bias."""
    import spacy
    from spacy import registry

    nlp = spacy.blank("en")
    docs = [nlp("one two"), nlp("three"), nlp("two three four")]
    if kind == "bow":
        model = build_bow_text_classifier_v3(exclusive, 1, False, 64)
    else:
        cnn = registry.get("architectures", "spacy.HashEmbedCNN.v2")
        tok2vec = cnn(
            width=4,
            depth=1,
            embed_size=20,
            window_size=1,
            maxout_pieces=2,
            subword_features=False,
            pretrained_vectors=None,
        )
        model = build_reduce_text_classifier(tok2vec, exclusive, False, False, False, True)
    model.initialize(X=docs, Y=numpy.zeros((3, 3), "f"))
    truths = numpy.eye(3, dtype="f")[[0, 2, 1]]
    scores, backprop = model.begin_update(docs)
    d_logits = (scores - truths) / 3
    backprop(output_gradient(model, d_logits, scores))
    layer = model.get_ref("output_layer")
    assert_allclose(layer.get_grad("b"), d_logits.sum(axis=0), atol=1e-5)


@pytest.mark.parametrize("exclusive", [True, False])
def test_sqrt_weights_are_the_roots_of_the_balanced_ones(exclusive):
    counts = LabelCounts({"A": 90, "B": 9, "C": 1}, {"A": 10, "B": 91, "C": 99})
    balanced, roots = (
        resolve_class_weights("x", setting, LABELS, counts, exclusive=exclusive)
        for setting in ("balanced", "sqrt")
    )
    assert roots == pytest.approx({label: weight**0.5 for label, weight in balanced.items()})
