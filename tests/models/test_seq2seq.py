"""The sequence to sequence model: gradients through the encoder, round trips, odd sources."""

from typing import Any, List

import numpy
import pytest
from numpy.testing import assert_allclose
from thinc.api import Model, fix_random_seed, set_dropout_rate

from spacy_rnn.layers import dropout
from spacy_rnn.layers import memory as memory_module
from spacy_rnn.layers.decoder import parts as decoder_parts
from spacy_rnn.layers.softmax import log_probs
from spacy_rnn.layers.teaching import Targets, read_through
from spacy_rnn.models.encoder import CELLS
from spacy_rnn.models.seq2seq import (
    Seq2Seq,
    encode,
    learn,
    parts,
    set_vector_width,
    set_vocabularies,
    target_losses,
)
from spacy_rnn.models.vocabulary import Vocabulary

from ..layers.numeric import assert_gradient

SOURCES = [numpy.asarray(ids, "int32") for ids in ([2, 3, 4], [], [5, 2, 2, 3], [4])]
# The same, with the target's units that they are; 5 and 6 are none of its own.
COPIED = [
    numpy.asarray(rows, "int32").reshape(-1, 2)
    for rows in ([[2, 3], [3, 5], [4, 2]], [], [[5, 6], [2, 3], [2, 3], [3, 5]], [[4, 2]])
]
VECTORS = numpy.random.RandomState(5).standard_normal((4, 3))
TARGETS = [numpy.asarray(ids, "int32") for ids in ([4, 0], [3, 3, 2, 0], [0], [2, 4, 0])]
# Among them some that can only be copied.
COPIES = [numpy.asarray(ids, "int32") for ids in ([5, 0], [3, 0], [6, 3, 5, 0], [2, 4, 0])]
WEIGHTS = numpy.asarray([1.0, 0.5, 2.0, 1.5], "f")


def sources_for(settings: Any) -> Any:
    if settings.get("source") == "vector":
        return VECTORS
    return COPIED if settings.get("copy") else SOURCES


def make(double: bool = True, **settings: Any) -> Model[Any, Any]:
    fix_random_seed(0)
    model = Seq2Seq(**{"width": 2, "embed_width": 2, **settings})
    set_vocabularies(model, Vocabulary("char", "abcd"), Vocabulary("char", "cax"))
    if settings.get("source") == "vector":
        set_vector_width(model, 3)
    model.initialize()
    rng = numpy.random.RandomState(0)
    for node in model.walk():
        for name in node.param_names:
            value = node.get_param(name)
            value = value + 0.4 * rng.standard_normal(value.shape)
            node.set_param(name, value.astype("float64" if double else "float32"))
    return model


CASES = [
    *({"cell": cell} for cell in CELLS),
    {"attention": "additive", "copy": True, "depth": 2},
    {"input_feeding": False, "copy": True},
    {"source": "vector", "cell": "gru"},
    {"source": "vector", "attention": "additive"},
]


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_gradients_are_those_of_finite_differences(settings: Any) -> None:
    model = make(**settings)
    sources = sources_for(settings)
    targets = COPIES if settings.get("copy") else TARGETS

    def total() -> float:
        return float(target_losses(model, sources, targets) @ WEIGHTS)

    losses = learn(model, sources, targets, WEIGHTS)
    assert losses @ WEIGHTS == pytest.approx(total(), rel=1e-6)
    for node in model.walk():
        for name in node.param_names:
            # Sums in single precision, by the weights of the losses.
            close = {"tolerance": 1e-4, "least": 1e-3}
            assert_gradient(node.get_grad(name), total, node.get_param(name), name, **close)


@pytest.mark.parametrize(
    "settings", [{}, {"depth": 2, "cell": "gru"}, {"copy": True}, {"source": "vector"}], ids=str
)
def test_smoothed_gradients_are_those_of_finite_differences(settings: Any) -> None:
    share = 0.3
    model = make(**settings)
    sources = sources_for(settings)
    targets = COPIES if settings.get("copy") else TARGETS

    def total() -> float:
        losses: Any = target_losses(model, sources, targets)
        apart = [
            _mean_of_all_units(model, source, target) for source, target in zip(sources, targets)
        ]
        return float(((1.0 - share) * losses + share * numpy.asarray(apart)) @ WEIGHTS)

    losses = learn(model, sources, targets, WEIGHTS, label_smoothing=share)
    assert_allclose(losses, target_losses(model, sources, targets), rtol=1e-6)
    for node in model.walk():
        for name in node.param_names:
            close = {"tolerance": 1e-4, "least": 1e-3}
            assert_gradient(node.get_grad(name), total, node.get_param(name), name, **close)


def _mean_of_all_units(model: Model[Any, Any], source: Any, target: Any) -> float:
    """RETURNS (float): The losses that all units of the softmax would have at each step of a
    target, as a mean over the units, summed."""
    encoded = encode(model, [source])
    decoder = parts(model).decoder
    steps, _ = read_through(decoder, encoded.memory, encoded.states, Targets([target]))
    read = numpy.concatenate([found.read for found in steps])
    return -float(log_probs(decoder_parts(decoder).output, read).mean(axis=1).sum())


def test_it_is_a_model_of_losses() -> None:
    model = make()
    losses, backprop = model.begin_update((SOURCES, TARGETS))
    assert_allclose(losses, target_losses(model, SOURCES, TARGETS))
    backprop(WEIGHTS)
    other = make()
    learn(other, SOURCES, TARGETS, WEIGHTS)
    for node, theirs in zip(model.walk(), other.walk()):
        for name in node.param_names:
            assert_allclose(node.get_grad(name), theirs.get_grad(name))


@pytest.mark.parametrize("cell", CELLS)
def test_a_pair_costs_the_same_alone_and_in_a_batch(cell: str) -> None:
    model = make(False, cell=cell)
    together = target_losses(model, SOURCES, TARGETS)
    for source, target, expected in zip(SOURCES, TARGETS, together):
        assert target_losses(model, [source], [target])[0] == pytest.approx(expected, abs=1e-5)


def test_no_pairs_and_empty_sources_are_legal() -> None:
    model = make()
    assert len(target_losses(model, [], [])) == 0
    assert len(learn(model, [], [], WEIGHTS[:0])) == 0
    empty = [SOURCES[1]] * 2
    assert numpy.isfinite(learn(model, empty, TARGETS[:2], WEIGHTS[:2])).all()


def test_dropout_is_there_in_training_alone() -> None:
    model = make(dropout=0.4, embed_dropout=0.3)
    plain = target_losses(model, SOURCES, TARGETS)
    assert_allclose(target_losses(model, SOURCES, TARGETS), plain)
    assert abs(learn(model, SOURCES, TARGETS, WEIGHTS) - plain).max() > 1e-3
    set_dropout_rate(model, 0.0)
    assert_allclose(learn(model, SOURCES, TARGETS, WEIGHTS), plain)


@pytest.mark.parametrize("settings", [{}, {"copy": True}, {"source": "vector"}], ids=str)
def test_round_trips_give_the_same(settings: Any, tmp_path: Any) -> None:
    model = make(False, **settings)
    sources = sources_for(settings)
    expected = target_losses(model, sources, TARGETS)
    other = make(False, **settings)
    for node in other.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name) * 0)
    model.to_disk(tmp_path / "model")
    for one in (
        other.from_bytes(model.to_bytes()),
        model.copy(),
        other.from_disk(tmp_path / "model"),
    ):
        assert_allclose(target_losses(one, sources, TARGETS), expected)
        assert one.attrs["vocabulary"].units == ["c", "a", "x"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "nothing"}, "E009.*nothing.*vector"),
        ({"source_unit": "line"}, "E009.*line.*subword"),
        ({"unit": "line"}, "E009.*line"),
        ({"attention": "none"}, "E009.*none"),
        ({"cell": "rnn"}, "E002.*rnn"),
        ({"width": 5}, "E001.*5"),
        ({"width": 0}, "E011.*width"),
        ({"depth": 0}, "E011.*depth"),
        ({"embed_width": 0}, "E011.*embed_width"),
        ({"sampling": 1.5}, "E011.*sampling"),
        ({"dropout": 1.0}, "E011.*dropout"),
        ({"source": "vector", "copy": True}, "E150"),
        ({"source_attr": "LOWER"}, "E140.*LOWER"),
    ],
)
def test_wrong_settings_are_errors(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Seq2Seq(**settings)


def test_a_vector_of_another_width_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"E003.*3.*4"):
        target_losses(make(source="vector"), numpy.zeros((2, 4)), TARGETS[:2])


def test_one_long_pair_among_short_ones_is_laid_out_by_itself(monkeypatch: Any) -> None:
    rng = numpy.random.RandomState(3)
    lengths = [40, *rng.randint(0, 5, 35)]
    sources = [rng.randint(2, 6, n).astype("int32") for n in lengths]
    targets = [numpy.append(rng.randint(2, 5, n), 0).astype("int32") for n in lengths]
    weights = rng.random_sample(len(lengths)).astype("f")
    found = []
    for most in (2**24, 1):
        monkeypatch.setattr(memory_module, "MAX_NUMBERS", most)
        model = make()
        learn(model, sources, targets, weights)
        found.append([n.get_grad(name) for n in model.walk() for name in n.param_names])
    for one, other in zip(*found):
        assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_same_of_the_hidden_state_is_dropped_at_every_step(
    depth: int, monkeypatch: Any
) -> None:
    drawn: List[Any] = []
    draw = dropout.dropout_mask

    def counted(ops: Any, shape: Any, rate: float, dtype: Any) -> Any:
        drawn.append(shape)
        return draw(ops, shape, rate, dtype)

    monkeypatch.setattr(dropout, "dropout_mask", counted)
    model = make(recurrent_dropout=0.5, width=8, depth=depth)
    learn(model, SOURCES, TARGETS, WEIGHTS)
    # The encoder's two directions, and the decoder.
    assert sorted(drawn) == sorted([(4, 4), (4, 4), (4, 8)] * depth)
    gradients = []
    for _ in range(2):
        fix_random_seed(1)
        again = make(recurrent_dropout=0.5, width=8, depth=depth)
        fix_random_seed(1)
        learn(again, SOURCES, TARGETS, WEIGHTS)
        gradients.append(again.layers[-1].get_grad("C"))
    assert_allclose(*gradients)


def test_the_share_of_sampled_units_is_the_configs() -> None:
    saved = make(sampling=0.25)
    own = make(sampling=0.5).from_bytes(saved.to_bytes())
    assert own.attrs["sampling"] == 0.5
