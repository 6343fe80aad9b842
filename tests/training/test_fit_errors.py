"""What `fit` and `predict` refuse, and what they say about it."""

import numpy
import pytest
import spacy
from thinc.api import Linear, NumpyOps, Ragged, Softmax, chain

from spacy_rnn.layers import GRU, list2ragged, pool
from spacy_rnn.models import classifier, forecaster, tagger
from spacy_rnn.training import Settings, fit, predict

X = [numpy.ones((n, 2), "f") for n in (3, 0, 2)]
Y = numpy.asarray([0, 1, 1])
PADDED = NumpyOps().list2padded([numpy.ones((n, 2), "f") for n in (3, 1, 2)])
STEPS = [numpy.zeros(n, "int64") for n in (3, 0, 2)]


def assert_refused(match, X=X, Y=Y, model=None, **options):
    model = classifier(GRU(3)) if model is None else model
    with pytest.raises(ValueError, match=match):
        fit(model, X, Y, settings=Settings(epochs=1), **options)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (numpy.ones((3, 2)), r"E160.*X is an array of the shape \(3, 2\).*\[X\]"),
        (
            [numpy.ones(3), numpy.ones(2)],
            r"E160.*X\[0\] is an array of the shape \(3,\).*x\[:, None\]",
        ),
        (
            [numpy.ones((3, 2)), numpy.ones((3, 4))],
            r"E160.*X\[1\] is of width 4, where X\[0\] has 2",
        ),
        ([numpy.ones((3, 2)), numpy.ones((1, 3, 2))], r"E160.*X\[1\] is an array of the shape"),
        ([numpy.asarray([["a", "b"]])], r"E160.*X\[0\] is of the type <U1"),
        ("some text", r"E160.*an object of the type str"),
        (None, r"E160.*an object of the type NoneType"),
        (spacy.blank("en")("some text"), r"E160.*X\[0\] is of the type object"),
        ((x for x in X), r"E160.*an object of the type generator"),
        ([], r"E161.*X has no sequence"),
        ([numpy.ones((0, 2)), numpy.ones((0, 2))], r"E161.*X has 2 sequences without a step"),
        (Ragged(numpy.ones((3, 2)), numpy.asarray([1, 1], "i")), "E005"),
        (Ragged(numpy.ones((3, 2)), numpy.asarray([4, -1], "i")), "E011.*lengths.*got -1"),
        ([[[1.0, 2.0], [3.0]]], r"E160.*X\[0\] is a list of lists of unequal lengths"),
        (PADDED, r"E160.*X is a Padded.*padded2list"),
    ],
)
def test_what_are_no_sequences(given, match):
    assert_refused(match, X=given)


def test_a_padded_is_no_answer():
    assert_refused(r"E165.*found a Padded.*padded2list\(Y\)", Y=PADDED)


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf])
def test_numbers_that_are_not_finite(value):
    broken = [x.copy() for x in X]
    broken[2][1, 0] = value
    assert_refused(rf"E162.*X has.*sequence 2 has {value} at step 1, column 0", X=broken)
    assert_refused("E162.*X_dev has", X_dev=broken, Y_dev=Y)
    model = classifier(GRU(3), 2)
    model.initialize(X=X)
    with pytest.raises(ValueError, match="E162"):
        predict(model, broken)


@pytest.mark.filterwarnings("error")
def test_numbers_that_single_precision_has_no_room_for():
    large = [x.astype("float64") for x in X]
    large[2][1, 0] = -1e300
    match = r"E162.*sequence 2 has -1e\+300, too large for single precision, at step 1, column 0"
    assert_refused(match, X=large)
    model = classifier(GRU(3), 2)
    model.initialize(X=X)
    with pytest.raises(ValueError, match=match):
        predict(model, large)
    match = r"E165.*mse.*Y.*1e\+300, which is too large for single precision"
    assert_refused(match, Y=[0.0, 1e300, numpy.nan], loss="mse")


@pytest.mark.parametrize(
    ("answers", "match"),
    [
        ([0, 1], "E163.*X has 3 sequences, Y has 2 answers"),
        (None, "E163.*Y has none"),
        (STEPS[:2], "E163.*Y has 2 answers"),
        ([STEPS[0], STEPS[1], STEPS[0]], r"E164.*Sequence 2 of X has 2 steps.*shape \(3,\)"),
        ([numpy.zeros((3, 2)), numpy.zeros((0, 2)), numpy.zeros((2, 3))], "E164.*Sequence 2"),
        ([STEPS[0], [], []], r"E164.*Sequence 2 of X has 2 steps.*shape \(0,\)"),
        ([[], [], []], r"E164.*Sequence 0 of X has 3 steps.*shape \(0,\)"),
        ([STEPS[0], 1 * [0], STEPS[2]], r"E164.*Sequence 1 of X has 0 steps.*shape \(1,\)"),
        ([[0, 0, 0], [], [[0, 1], [0]]], "E164.*Sequence 2.*lists of unequal lengths"),
        ([0, [0, 1], 1], "E165.*with Y: found a list of lists of unequal lengths"),
        (["a", "b", "a"], "E165.*cross_entropy.*Y.*type <U1.*numpy.unique"),
        ([0.0, 1.0, 1.0], "E165.*float64.*integers"),
        ([0, -1, 1], "E165.*the class -1"),
        (numpy.ones((3, 2)), r"E165.*no probabilities.*list\(Y\)"),
    ],
)
def test_answers_that_do_not_fit(answers, match):
    assert_refused(match, Y=answers)


def test_answers_for_another_loss():
    assert_refused(r"E165.*mse.*<U1.*Expected numbers\.$", Y=["a", "b", "c"], loss="mse")
    assert_refused("E165.*mse.*an infinite number", Y=[0.0, numpy.inf, 1.0], loss="mse")


@pytest.mark.parametrize("loss", ["mse", "quantile"])
def test_answers_of_which_none_is_known(loss):
    known, unknown = numpy.zeros(3), numpy.full(3, numpy.nan)
    assert_refused(r"E165.*with Y:.*no answer is known", Y=unknown, loss=loss)
    match = r"E165.*with Y_dev:.*no answer is known"
    assert_refused(match, Y=known, X_dev=X, Y_dev=unknown, loss=loss)


@pytest.mark.parametrize("parts", [{"X_dev": X}, {"Y_dev": Y}])
def test_half_a_dev_part(parts):
    assert_refused("E16[13]", **parts)


@pytest.mark.parametrize(
    ("model", "options", "match"),
    [
        (lambda: tagger(GRU(3)), {}, "E166.*a row for each step.*Y: one for each sequence"),
        (lambda: classifier(GRU(3)), {"Y": STEPS}, "E166.*row for each sequence.*for each step"),
        (lambda: classifier(GRU(3), 1), {}, "E166.*1 outputs.*2 for Y"),
        (
            lambda: forecaster(GRU(3), 2),
            {"Y": [s[:, None] * 1.0 for s in STEPS], "loss": "quantile"},
            "E166.*6 outputs.*3 for Y",
        ),
        (
            lambda: chain(list2ragged(), GRU(3), pool(["last"]), Linear(2)),
            {},
            "E166.*do not add up to 1.*Softmax",
        ),
        (lambda: chain(list2ragged(), GRU(3)), {}, "E166.*a row for each step"),
        (lambda: chain(GRU(3), pool(["last"]), Softmax()), {}, "E169.*layer 'gru'.*X is a list"),
        (lambda: GRU(3), {}, "E169"),
    ],
)
def test_models_that_do_not_fit(model, options, match):
    assert_refused(match, model=model(), **options)


def test_a_class_that_only_dev_has_is_counted():
    model = classifier(GRU(3))
    fit(model, X, Y, X_dev=X, Y_dev=[0, 1, 4], settings=Settings(epochs=1))
    assert model.get_dim("nO") == 5
    assert_refused("E166.*5 outputs.*6 for Y_dev", model=model, X_dev=X, Y_dev=[0, 1, 5])


def test_a_width_that_only_the_loss_could_know():
    def mine(guesses, truths):
        return guesses, 0.0

    assert_refused("E004.*nO", loss=mine)


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"epochs": None},
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"patience": 0},
        *({"dropout": rate} for rate in (1.0, -0.1, numpy.nan, "x", [0.1])),
        *({"seed": seed} for seed in (-1, "a", None, 1.5, True, 2**32, 2**40)),
    ],
)
def test_settings_out_of_range(values):
    assert Settings(seed=2**32 - 1, dropout=0, epochs=numpy.int64(2)).seed == 2**32 - 1
    with pytest.raises(ValueError, match=f"E011.*{next(iter(values))}"):
        Settings(**values)


@pytest.mark.parametrize("batch_size", [0, 1.5, "a", None])
def test_a_batch_size_out_of_range(batch_size):
    with pytest.raises(ValueError, match=r"E011.*batch_size"):
        predict(classifier(GRU(3)), X, batch_size=batch_size)


@pytest.mark.parametrize("options", [{"optimizer": "adam"}, {"settings": {"epochs": 3}}])
def test_what_is_no_optimizer_and_what_are_no_settings(options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"E011.*{name} must be.*got {value!r}"):
        fit(classifier(GRU(3)), X, Y, **options)


def test_a_dev_part_of_another_width():
    wider = [numpy.ones((n, 3), "f") for n in (3, 2)]
    match = r"E160.*X_dev\[0\] is of width 3, where X\[0\] has 2"
    assert_refused(match, X_dev=wider, Y_dev=Y[:2])
    flat = chain(list2ragged(), pool(["mean"]), Softmax(nO=2))
    assert_refused(match, model=flat, X_dev=wider, Y_dev=Y[:2])


@pytest.mark.parametrize(
    ("found", "match"),
    [
        (lambda guesses, truths: guesses, "E011.*loss"),
        (lambda guesses, truths: (guesses, guesses), "E011.*tuple of ndarray and ndarray"),
        (lambda guesses, truths: None, "E011.*None"),
        (lambda guesses, truths: (guesses, "much"), "E011.*ndarray and str"),
    ],
)
def test_a_loss_that_returns_no_gradient_and_number(found, match):
    values = numpy.ones((3, 1), "f")
    assert_refused(
        match, Y=values, model=chain(list2ragged(), pool(["mean"]), Linear()), loss=found
    )


def test_weights_that_do_not_fit_the_data_are_not_thrown_away():
    layer = Linear(nO=1, nI=3)
    layer.initialize()
    before = layer.get_param("W").copy()
    model = chain(list2ragged(), pool(["mean"]), layer, Softmax(nO=2))
    with pytest.raises(ValueError):
        fit(model, X, Y, settings=Settings(epochs=1))
    numpy.testing.assert_array_equal(layer.get_param("W"), before)
