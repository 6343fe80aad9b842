"""The language model by itself: what it computes, its gradients, and reading in pieces."""

from typing import Any, Dict, List

import numpy
import pytest
import spacy
from spacy.tokens import Doc
from thinc.api import Model, fix_random_seed, set_dropout_rate

from spacy_rnn.layers.adaptive_softmax import AdaptiveSoftmax
from spacy_rnn.layers.softmax import log_probs
from spacy_rnn.layers.state import run
from spacy_rnn.models import reading
from spacy_rnn.models.language_model import LanguageModel
from spacy_rnn.models.lm_parts import parts, set_vocabulary, vocabulary_of
from spacy_rnn.models.reading import shift, step, surprisals
from spacy_rnn.models.vocabulary import END, Vocabulary

from ..layers.cells import ENCODER_CELLS
from ..layers.numeric import assert_gradient

TEXTS = ["a b c d e f g", "b a", "", "c", "g g g f e a b c d", "d e a"]
MODELS: Dict[str, Dict[str, Any]] = {
    **{cell: {"cell": cell} for cell in ENCODER_CELLS},
    "two-layers": {"depth": 2},
    "untied": {"tied": False, "embed_width": 3},
    "tied-narrow": {"embed_width": 3, "depth": 2},
}


@pytest.fixture(scope="module")
def docs() -> List[Doc]:
    tokenizer = spacy.blank("en").tokenizer
    return [tokenizer(text) for text in TEXTS]


def make(docs: List[Doc], dtype: str = "float32", **settings: Any) -> Model:
    fix_random_seed(0)
    model = LanguageModel(**{"width": 5, **settings})
    set_vocabulary(model, Vocabulary.learn("word", docs, min_freq=1))
    model.initialize()
    for node in model.walk():
        for param in [name for name in node.param_names if node.has_param(name)]:
            value = node.get_param(param)
            noise = 0.4 * numpy.random.standard_normal(value.shape)
            node.set_param(param, (value + noise).astype(dtype))
    return model


def ids_of(model: Model, docs: List[Doc]) -> List[Any]:
    return [vocabulary_of(model).encode(doc).ids for doc in docs]


def losses_by_hand(model: Model, ids: Any) -> Any:
    """Unit by unit, each from the state that the one before has left."""
    encoder, _, output, _ = parts(model)
    state, bits = None, []
    for unit, following in zip([END, *ids], [*ids, END]):
        one = numpy.asarray([1], dtype="int32")
        Xr = reading.Ragged(numpy.asarray([unit], dtype="int32"), one)
        Hr, state, _ = run(encoder, Xr, state)
        bits.append(-log_probs(output, Hr.dataXd)[0, following] / numpy.log(2.0))
    return numpy.asarray(bits)


@pytest.mark.parametrize("name", MODELS)
def test_surprisals_are_those_of_reading_unit_by_unit(name: str, docs: List[Doc]) -> None:
    model = make(docs, **MODELS[name])
    sequences = ids_of(model, docs)
    found = model.predict(docs)
    assert [len(bits) for bits in found] == [len(doc) + 1 for doc in docs]
    for bits, ids in zip(found, sequences):
        numpy.testing.assert_allclose(bits, losses_by_hand(model, ids), atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_text_is_read_in_pieces_as_at_once_and_in_any_batch(
    name: str, docs: List[Doc], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(docs, **MODELS[name])
    sequences = ids_of(model, docs)
    whole = surprisals(model, sequences)
    for max_rows in (1, 4, 9):
        monkeypatch.setattr(reading, "MAX_ROWS", max_rows)
        for bits, expected in zip(surprisals(model, sequences), whole):
            numpy.testing.assert_allclose(bits, expected, atol=1e-5)
    for ids, expected in zip(sequences, whole):
        numpy.testing.assert_allclose(surprisals(model, [ids])[0], expected, atol=1e-5)


def test_no_piece_is_larger_than_is_allowed(
    docs: List[Doc], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_ROWS", 8)
    lengths = numpy.asarray([30, 1, 2, 17, 1, 5])
    rows = []
    for piece in reading.pieces(lengths, None):
        assert len(piece.rows) == piece.lengths.sum() <= 8
        rows += piece.rows.tolist()
        piece.leave([])
    assert sorted(rows) == list(range(56))


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_a_step_agree_with_finite_differences(name: str, docs: List[Doc]) -> None:
    settings = {"ar": 0.7, "tar": 0.9, **MODELS[name]}
    model = make(docs, "float64", **settings)
    inputs, targets, lengths = shift(model, ids_of(model, docs))
    rng = numpy.random.RandomState(1)
    weights = rng.uniform(0.1, 1.0, len(targets))

    def total() -> float:
        Hr, _, _ = run(parts(model).encoder, reading.Ragged(inputs, lengths))
        H = Hr.dataXd
        bits = surprisals_in_float64(model, H, targets)
        ends = numpy.cumsum(lengths)
        pairs = [t for t in range(1, len(H)) if t not in ends]
        ar = 0.7 * (H**2).mean()
        tar = 0.9 * ((H[pairs] - H[[t - 1 for t in pairs]]) ** 2).mean()
        return float(bits @ weights) + ar + tar

    step(model, inputs, targets, lengths, None, weights)
    for i, node in enumerate(model.walk()):
        for param in [name for name in node.param_names if node.has_param(name)]:
            value = node.get_param(param)
            found = node.get_grad(param) if node.has_grad(param) else 0 * value
            assert_gradient(found, total, value, f"{i}.{node.name}.{param}")


def surprisals_in_float64(model: Model, H: Any, targets: Any) -> Any:
    return -log_probs(parts(model).output, H)[range(len(H)), targets]


def test_a_step_from_a_state_goes_on_where_the_last_one_ended(docs: List[Doc]) -> None:
    model = make(docs, depth=2)
    ids = ids_of(model, docs)[0]
    inputs, targets, lengths = shift(model, [ids])
    weights = numpy.ones(len(targets), dtype="f")
    whole = step(model, inputs, targets, lengths, None, weights)
    state, losses = None, []
    for part in (slice(0, 3), slice(3, 8)):
        n = numpy.asarray([len(inputs[part])], dtype="i")
        found = step(model, inputs[part], targets[part], n, state, weights[part])
        state, losses = found.state, [*losses, *found.losses]
    numpy.testing.assert_allclose(losses, whole.losses, atol=1e-5)
    for one, other in zip(state, whole.state):
        for key in one:
            numpy.testing.assert_allclose(one[key], other[key], atol=1e-5)


def test_the_callback_of_the_model_gives_the_gradient_of_its_surprisals(docs: List[Doc]) -> None:
    model = make(docs, "float64", softmax=AdaptiveSoftmax(cutoffs=[4]))
    bits, backprop = model(docs, True)
    backprop([numpy.ones_like(one) for one in bits])
    E = parts(model).encoder.layers[0]

    def total() -> float:
        return float(sum(one.sum() for one in model(docs, True)[0]))

    assert_gradient(E.get_grad("E"), total, E.get_param("E"), "E")


def test_nothing_is_dropped_outside_training_and_all_kinds_within(docs: List[Doc]) -> None:
    model = make(
        docs, dropout=0.5, embed_dropout=0.3, recurrent_dropout=0.3, weight_dropout=0.3, depth=2
    )
    inputs, targets, lengths = shift(model, ids_of(model, docs))
    weights = numpy.ones(len(targets), dtype="f")

    def losses() -> Any:
        return step(model, inputs, targets, lengths, None, weights).losses

    expected = numpy.concatenate(model.predict(docs)) * numpy.log(2.0)
    assert numpy.abs(losses() - losses()).max() > 1e-3
    set_dropout_rate(model, 0.0)
    numpy.testing.assert_allclose(losses(), expected, atol=1e-4)
    numpy.testing.assert_allclose(
        numpy.concatenate(model.predict(docs)) * numpy.log(2.0), expected, atol=1e-6
    )


def test_a_round_trip_keeps_vocabulary_and_predictions(docs: List[Doc]) -> None:
    model = make(docs, softmax=AdaptiveSoftmax(cutoffs=[3, 5], factor=2.0))
    twin = LanguageModel(width=5, softmax=AdaptiveSoftmax(cutoffs=[3, 5], factor=2.0))
    twin.from_bytes(model.to_bytes())
    assert vocabulary_of(twin).units == vocabulary_of(model).units
    for one, other in zip(twin.predict(docs), model.predict(docs)):
        numpy.testing.assert_array_equal(one, other)
    for one, other in zip(model.copy().predict(docs), model.predict(docs)):
        numpy.testing.assert_array_equal(one, other)


def test_the_probabilities_of_all_continuations_sum_to_one(docs: List[Doc]) -> None:
    """All texts of up to two words, and what is longer."""
    model = make(docs)
    words = range(1, len(vocabulary_of(model)))
    ended = [[], *([a] for a in words)]
    found = surprisals(model, [numpy.asarray(ids, dtype="i") for ids in ended])
    mass = sum(2.0 ** -float(bits.sum()) for bits in found)
    longer = surprisals(model, [numpy.asarray([a, b], dtype="i") for a in words for b in words])
    mass += sum(2.0 ** -float(bits[:2].sum()) for bits in longer)
    assert mass == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"cell": "rnn"}, "E002"),
        ({"unit": "syllable"}, "E009"),
        ({"condition": "tags"}, "E009"),
        ({"width": 0}, "E011"),
        ({"depth": 0}, "E011"),
        ({"embed_width": -1}, "E011"),
        ({"ar": -1.0}, "E011"),
        ({"embed_dropout": 1.0}, "E011. embed_dropout must"),
        ({"dropout": 1.0}, "E011"),
        ({"cell": "qrnn", "weight_dropout": 0.5}, "E025"),
    ],
)
def test_wrong_settings_are_refused(settings: Dict[str, Any], code: str) -> None:
    with pytest.raises(ValueError, match=code):
        LanguageModel(**settings)
