"""Guarantee: the numba engine gives what the NumPy engine does in float64, at widths and lengths
around the sizes that it works in: vectors, panels, tiles of rows, blocks."""

import numpy
import pytest
from numpy.testing import assert_array_equal
from thinc.api import Ragged, fix_random_seed

from spacy_rnn.layers import bidirectional, run, use_engine
from spacy_rnn.layers.engines import numba_engine, numba_jit, numba_loop
from spacy_rnn.layers.threads import use_threads

from .cells import CELLS, WITH_RECURRENT_WEIGHTS, gradients, parameters, ragged

BLOCK = numba_loop.BLOCK
# (nO, nI): one vector is 16 wide, one panel 16 or 64.
WIDTHS = [(1, 1), (15, 17), (16, 16), (17, 15), (33, 70), (64, 33), (70, 1), (128, 128), (1, 64)]
# One more sequence at a time: every remainder of rows that the tiles leave, at each step.
TAILS = [list(range(n, 0, -1)) for n in range(1, 15)]
BLOCKS = {
    "one-step-a-row": [2 * BLOCK + 3],
    "two-sequences": [BLOCK + 1, BLOCK - 1],
    "a-block-exactly": [BLOCK // 8] * 8,
    "steps-larger-than-a-block": [2] * (BLOCK + 45) + [0, 3, 1],
    "a-step-as-large-as-a-block": [1] * BLOCK,
    "ragged": [0, 9, 1, 40, 0, 3, 1, 17, 2, 25, 0] * 4,
}


def make(name, nO, nI, both, **kwargs):
    """A layer whose states neither die out nor explode at any width."""
    cell = CELLS[name]
    model = cell(nO, nI, **kwargs)
    if both:
        model = bidirectional(model, cell(nO, nI, **kwargs))
    model.initialize()
    rng = numpy.random.RandomState(1)
    for layer in model.layers if both else [model]:
        for param in layer.param_names:
            value = layer.get_param(param)
            if value.ndim == 1:
                noise = 0.2 * rng.standard_normal(value.shape)
                layer.set_param(param, (value + noise).astype("f"))
    return model


def compute(model, X, engine, dtype):
    """Everything that a layer gives, both ways, from a random state that the caller gives."""
    model = model.copy()
    for node in model.walk():
        for param in node.param_names:
            node.set_param(param, node.get_param(param).astype(dtype))
            node.set_grad(param, node.get_param(param) * 0)
    Xr = Ragged(X.data.astype(dtype), X.lengths)
    rng = numpy.random.RandomState(2)

    def noise(array):
        return rng.standard_normal(array.shape).astype("f").astype(dtype)

    with use_engine(engine):
        _, shapes, _ = run(model, Xr)
        state = [{key: noise(value) for key, value in sorted(s.items())} for s in shapes]
        predicted, predicted_final, _ = run(model, Xr, state)
        fix_random_seed(3)  # the masks
        Y, final, backprop = run(model, Xr, state, is_train=True)
        d_final = [{key: noise(value) for key, value in sorted(s.items())} for s in final]
        dX, d_state = backprop.through_state(Ragged(noise(Y.dataXd), X.lengths), d_final)
    found = {"predicted": predicted.dataXd, "Y": Y.dataXd, "dX": dX.dataXd, **gradients(model)}
    for i, states in enumerate(zip(predicted_final, final, d_state)):
        for name, state in zip(("predicted", "final", "d"), states):
            found.update({f"{name} {key} {i}": value for key, value in state.items()})
    return found


def check(model, X):
    found, expected = compute(model, X, "numba", "float32"), compute(model, X, "numpy", "float64")
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].shape == value.shape, key
        if value.size:
            error = numpy.abs(found[key] - value).max()
            assert error < 1e-5 * max(1.0, numpy.abs(value).max()), f"{key}: {error}"


@pytest.mark.parametrize("both", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("name", CELLS)
def test_engines_agree_at_widths_around_the_size_of_a_vector_and_a_panel(name, both, rng):
    for i, (nO, nI) in enumerate(WIDTHS):
        check(make(name, nO, nI, both), ragged(rng, [5, 0, 1, 3 + i, 2], nI))


@pytest.mark.parametrize("name", CELLS)
def test_engines_agree_for_any_number_of_sequences(name, rng):
    for i, lengths in enumerate(TAILS):
        check(make(name, 18, 6, both=bool(i % 2)), ragged(rng, lengths, 6))


@pytest.mark.parametrize("lengths", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("name", CELLS)
def test_engines_agree_across_blocks_of_rows(name, lengths, rng):
    check(make(name, 6, 5, both=True), ragged(rng, lengths, 5))


@pytest.mark.parametrize("name", WITH_RECURRENT_WEIGHTS)
def test_engines_agree_under_the_same_masks_of_dropout(name, rng):
    rates = dict(dropout=0.2, recurrent_dropout=0.4, weight_dropout=0.3)
    for nO, lengths in ((7, [3, 0, 1, 9]), (33, [4] * 9), (16, [2] * (BLOCK + 9))):
        check(make(name, nO, 5, both=True, **rates), ragged(rng, lengths, 5))


@pytest.mark.parametrize("n_threads", [1, 2, 3, 4])
@pytest.mark.parametrize("both", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("name", CELLS)
def test_engines_agree_with_any_number_of_threads(name, both, n_threads, rng, monkeypatch):
    """Also when there are fewer sequences than threads."""
    monkeypatch.setattr(numba_engine, "MIN_WORK", 1)
    masks = {"recurrent_dropout": 0.3} if name in WITH_RECURRENT_WEIGHTS else {}
    with use_threads(n_threads):
        for lengths in ([7, 0, 1, 4, 9, 3, 12], [5], [0, 3, 0], [BLOCK + 9, 2, 2, 2, 0]):
            check(make(name, 9, 5, both, **masks), ragged(rng, lengths, 5))


def layouts_of(X):
    """The same rows in other places: strided, by columns, read-only, as other numbers."""
    wide = numpy.zeros((len(X), 2 * X.shape[1]), "f")
    wide[:, ::2] = X
    read_only = X.copy()
    read_only.flags.writeable = False
    return {
        "strided": wide[:, ::2],
        "by columns": numpy.asfortranarray(X),
        "read-only": read_only,
        "float64": X.astype("float64"),
        "turned": X[::-1].copy()[::-1],
    }


@pytest.mark.parametrize("name", ["lstm", "gru", "qrnn-ifo-window-3"])
def test_arrays_of_any_layout_are_read_right_and_left_alone(name, rng):
    model = make(name, 5, 4, both=True)
    X = ragged(rng, [4, 0, 3], 4)

    def compute_all(convert):
        converted = Ragged(convert(X.data), X.lengths)
        for node in model.walk():
            for param in node.param_names:
                node.set_grad(param, node.get_param(param) * 0)
        before = converted.data.copy()
        _, state, _ = run(model, X)
        state = [{key: convert(value) for key, value in s.items()} for s in state]
        Y, final, backprop = run(model, converted, state, is_train=True)
        ones = [{key: convert(value * 0 + 1) for key, value in s.items()} for s in final]
        dX, d_state = backprop.through_state(Ragged(convert(Y.dataXd), X.lengths), ones)
        assert_array_equal(converted.data, before)
        d_states = [value for s in d_state for _, value in sorted(s.items())]
        return [Y.dataXd, dX.dataXd, *gradients(model).values(), *d_states]

    expected = compute_all(lambda array: array)
    for layout in layouts_of(X.data):
        found = compute_all(lambda array, layout=layout: layouts_of(array)[layout])
        for one, other in zip(found, expected):
            assert_array_equal(one, other, err_msg=layout)


@pytest.mark.parametrize("name", ["lstm", "qrnn-fo-window-2"])
def test_weights_that_cannot_be_written_are_read(name, rng):
    model = make(name, 5, 4, both=False)
    X = ragged(rng, [4, 2], 4)
    expected = model.predict(X).dataXd
    for value in parameters(model).values():
        value.flags.writeable = False
    Y, backprop = model.begin_update(X)
    backprop(Y)
    assert_array_equal(model.predict(X).dataXd, expected)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("name", CELLS)
def test_what_is_not_a_number_stays_in_its_sequence(name, engine, rng):
    """Nor does it come back, from memory that is used again, in another batch."""
    model = make(name, 5, 4, both=True)
    X = ragged(rng, [6, 0, 9, 3], 4)

    def compute_all(X):
        for node in model.walk():
            for param in node.param_names:
                node.set_grad(param, node.get_param(param) * 0)
        Y, backprop = model.begin_update(X)
        dX = backprop(Ragged(numpy.ones_like(Y.dataXd), X.lengths)).dataXd
        return [Y.dataXd, dX, model.predict(X).dataXd, *gradients(model).values()]

    with use_engine(engine):
        expected = compute_all(X)
        wrong = Ragged(X.data.copy(), X.lengths)
        wrong.data[8] = [numpy.nan, numpy.inf, -numpy.inf, numpy.nan]
        with numpy.errstate(invalid="ignore"):
            found = compute_all(wrong)
        assert numpy.isnan(found[0][6:15]).any()
        for one, other in list(zip(found, expected))[:3]:
            assert_array_equal(one[:6], other[:6])
            assert_array_equal(one[15:], other[15:])
        for one, other in zip(compute_all(X), expected):
            assert_array_equal(one, other)


def test_each_loop_is_compiled_once(rng):
    """numba compiles anew for arguments of other types: each time takes seconds."""
    for name in CELLS:
        for lengths in ([3, 0, 2], [], [0], [BLOCK + 1]):
            model = make(name, 3, 4, both=True, train_state=True)
            compute(model, ragged(rng, lengths, 4), "numba", "float32")
    assert numba_jit._kernels
    for kernel in numba_jit._kernels:
        assert len(kernel.signatures) <= 1, kernel
