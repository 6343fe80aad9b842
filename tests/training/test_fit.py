"""`fit` and `predict`: the loop, its weights, its history."""

import subprocess
import sys
from contextlib import nullcontext

import numpy
import pytest
import srsly
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Adam as ThincAdam
from thinc.api import Linear, PyTorchWrapper, Ragged, Softmax, chain, with_array

import spacy_rnn.training
from spacy_rnn.layers import GRU, LSTM, list2ragged, pool, with_ragged
from spacy_rnn.layers.freezing import freeze
from spacy_rnn.models import RNNEncoder, classifier, forecaster, tagger
from spacy_rnn.training import Settings, fit, predict, quantile_loss
from spacy_rnn.training.losses import cross_entropy
from spacy_rnn.training.optimizers import NTASGD, Adam
from spacy_rnn.training.sequences import batches

QUICK = Settings(epochs=3, batch_size=8, progress=False)


@pytest.fixture
def data(rng):
    """Sequences, whether their first column adds up to more than 0, and whether it has so far."""
    X = [rng.standard_normal((n, 3)).astype("f") for n in rng.randint(0, 9, size=80)]
    Y = numpy.asarray([int(x[:, 0].sum() > 0) for x in X])
    return X, Y, [(x[:, 0].cumsum() > 0).astype("int64") for x in X]


def as_ragged(X):
    return Ragged(numpy.concatenate(X), numpy.asarray([len(x) for x in X], "i"))


def weights(model):
    return [node.get_param(name).copy() for node in model.walk() for name in node.param_names]


def same(first, second):
    return all(numpy.array_equal(a, b) for a, b in zip(first, second))


def test_a_classifier_learns_and_ends_with_the_weights_that_were_best(data):
    X, Y, _ = data
    model = classifier(RNNEncoder("gru", 16, 1))
    history = fit(
        model,
        X[:60],
        Y[:60],
        X_dev=X[60:],
        Y_dev=Y[60:],
        optimizer=Adam(0.02),
        settings=Settings(epochs=60, batch_size=16, patience=8),
    )
    assert model.get_dim("nO") == 2
    assert history.losses[-1] < 0.2 < history.losses[0]
    best = numpy.argmin(history.dev_losses) + 1
    assert history.best_epoch == best
    assert history.n_epochs == min(60, best + 8)
    assert history.n_steps == 4 * history.n_epochs
    assert history.n_skipped == 0
    guesses = predict(model, X[60:])
    loss = -numpy.log(guesses[range(20), Y[60:]]).mean()
    assert loss == pytest.approx(history.best_dev_loss, rel=1e-4)
    accuracy = (guesses.argmax(axis=1) == Y[60:]).mean()
    assert accuracy == pytest.approx(history.best_dev_accuracy)
    assert accuracy > 0.7


def test_a_tagger_learns_each_step(data):
    X, _, Y = data
    model = tagger(LSTM(16))
    history = fit(model, X, Y, optimizer=Adam(0.02), settings=Settings(epochs=40))
    hits = [(p.argmax(axis=1) == y) for p, y in zip(predict(model, X), Y)]
    assert numpy.concatenate(hits).mean() > 0.95
    assert history.best_epoch == history.n_epochs == 40
    assert history.dev_losses == []
    assert history.best_dev_loss is None


def test_a_forecaster_learns_quantiles_and_leaves_out_what_is_not_known(rng):
    noise = rng.standard_normal((40, 20, 1)).astype("f")
    Y = noise.copy()
    Y[:, :3] = numpy.nan
    model = forecaster(GRU(4), 1, quantiles=[0.25, 0.75])
    history = fit(
        model,
        numpy.ones_like(noise),
        Y,
        loss=quantile_loss([0.25, 0.75]),
        optimizer=Adam(0.02),
        settings=Settings(epochs=40),
    )
    assert numpy.isfinite(history.losses).all()
    low, high = predict(model, numpy.ones((1, 20, 1)))[0][10]
    known = Y[~numpy.isnan(Y)]
    assert_allclose([low, high], numpy.quantile(known, [0.25, 0.75]), atol=0.15)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_what_is_not_known_is_not_learned_from_and_not_counted(batch_size, rng):
    X = list(rng.standard_normal((8, 4, 3)))
    Y = rng.standard_normal((8, 2))
    Y[::2] = numpy.nan
    Y[1, 0] = numpy.nan
    settings = Settings(epochs=2, batch_size=batch_size, progress=False)
    model = chain(list2ragged(), GRU(4), pool(["last"]), Linear(2))
    model.initialize(X=X)
    before = predict(model, X)
    # At a rate of 0 the loss is that of the first weights.
    history = fit(model, X, Y, loss="mse", optimizer=Adam(0.0), settings=settings)
    expected = numpy.nanmean((before - Y) ** 2)
    assert_allclose(history.losses, [expected] * 2, rtol=1e-5)
    assert history.n_steps == 2 * (4 if batch_size == 1 else 1)


def test_values_of_sequences_are_learned(data):
    X, _, _ = data
    Y = numpy.asarray([x[:, 1].sum() for x in X])
    model = chain(list2ragged(), GRU(16), pool(["last"]), Linear())
    history = fit(model, X, Y, loss="mse", optimizer=Adam(0.02), settings=Settings(epochs=60))
    assert history.losses[-1] < 0.2 * history.losses[0]
    assert predict(model, X).shape == (80, 1)


@pytest.mark.parametrize("per_step", [False, True])
def test_a_ragged_gives_the_same_as_a_list(per_step, data):
    X, Y, Y_steps = data
    found = []
    for form in (list, as_ragged):
        model = (tagger if per_step else classifier)(GRU(8))
        answers = form(Y_steps) if per_step else Y
        if per_step and form is as_ragged:
            answers = Ragged(numpy.concatenate(Y_steps), as_ragged(X).lengths)
        fit(model, form(X), answers, settings=QUICK)
        output = predict(model, form(X))
        assert isinstance(output, Ragged) == (per_step and form is as_ragged)
        found.append(numpy.concatenate(output) if isinstance(output, list) else output)
    second = found[1].dataXd if per_step else found[1]
    assert_array_equal(found[0], second)


@pytest.mark.parametrize(
    ("answers", "empty", "loss"),
    [
        ([[0, 1, 1], [1, 0, 1, 0, 1]], [], "cross_entropy"),
        ([numpy.asarray([0, 1, 1]), numpy.zeros(5, "i")], numpy.asarray([]), "cross_entropy"),
        ([numpy.eye(2)[[0, 1, 1]], numpy.eye(2)[[0] * 5]], numpy.zeros((0, 2)), "cross_entropy"),
        ([numpy.ones((3, 2)), numpy.ones((5, 2))], [], "mse"),
        ([numpy.ones((3, 2)), numpy.ones((5, 2))], numpy.zeros((0, 2)), "mse"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_no_steps_have_no_answers(answers, empty, loss, place, rng):
    X = [rng.standard_normal((n, 3)) for n in (3, 5)]
    models = [chain(GRU(4), with_array(head)) for head in (Softmax(2), Linear(2))]
    model = with_ragged(models[loss == "mse"])
    model.initialize(X=X)
    alone = fit(model, X, answers, loss=loss, optimizer=Adam(0.0), settings=QUICK)
    X.insert(place, numpy.zeros((0, 3)))
    answers = [*answers[:place], empty, *answers[place:]]
    history = fit(model, X, answers, loss=loss, optimizer=Adam(0.0), settings=QUICK)
    assert_allclose(history.losses, alone.losses, rtol=1e-6)


def test_a_layer_over_ragged_is_trained_as_it_is(data):
    X, _, Y = data
    model = chain(GRU(8), with_array(Softmax()))
    history = fit(model, as_ragged(X), Y, settings=QUICK)
    assert history.losses[-1] < history.losses[0]


def test_an_array_of_sequences_of_one_length_is_a_list_of_them(rng):
    X = rng.standard_normal((12, 5, 3))
    Y = rng.randint(0, 3, size=(12,))
    models = [classifier(GRU(4)) for _ in range(2)]
    for model, form in zip(models, (X, list(X))):
        fit(model, form, Y, settings=QUICK)
    assert same(weights(models[0]), weights(models[1]))


def test_the_same_seed_gives_the_same_weights_and_another_one_others(data):
    X, Y, _ = data
    found = []
    for seed in (1, 1, 2):
        numpy.random.seed(len(found))
        model = classifier(RNNEncoder("lstm", 8, 1, dropout=0.2, recurrent_dropout=0.2))
        settings = Settings(epochs=3, dropout=0.3, seed=seed)
        fit(model, X[:60], Y[:60], X_dev=X[60:], Y_dev=Y[60:], settings=settings)
        found.append(weights(model))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_a_trained_model_is_trained_further(data):
    X, Y, _ = data
    model = classifier(GRU(8))
    first = fit(model, X, Y, optimizer=Adam(0.02), settings=Settings(epochs=10))
    second = fit(model, X, Y, optimizer=Adam(0.02), settings=Settings(epochs=1))
    assert second.losses[0] < first.losses[0] - 0.1


@pytest.mark.parametrize("is_frozen", [False, True])
def test_what_has_been_learned_stays_under_a_new_head(is_frozen, data, rng):
    X, Y, _ = data
    encoder = RNNEncoder("gru", 8, 1, bidirectional=False)
    series = [x[:, :1] for x in X]
    fit(forecaster(encoder, 1), X, series, loss="quantile", settings=QUICK)
    learned = weights(encoder)
    if is_frozen:
        freeze(encoder)
    model = classifier(encoder, 2)
    fit(model, X, Y, optimizer=Adam(0.0), settings=QUICK)
    assert same(weights(encoder), learned)
    fit(classifier(encoder, 2), X, Y, settings=QUICK)
    assert same(weights(encoder), learned) == is_frozen


def test_an_optimizer_is_told_the_losses_of_each_training(data):
    X, Y, _ = data
    parts = dict(X_dev=X[60:], Y_dev=rng_labels(len(X) - 60))
    optimizer = Adam(0.02, anneal=0.5)
    rates = [optimizer.learn_rate]
    for _ in range(2):
        settings = Settings(epochs=8, patience=None)
        fit(classifier(GRU(4)), X[:60], Y[:60], optimizer=optimizer, settings=settings, **parts)
        rates.append(optimizer.learn_rate)
    assert rates[0] > rates[1] > rates[2]
    # Those of another training are not compared with.
    for loss in (1.0, 2.0):
        optimizer.forget_evaluations()
        optimizer.observe(loss)
    assert optimizer.learn_rate == rates[2]


def rng_labels(n):
    """RETURNS (Ints1d): Labels that have nothing to do with anything."""
    return numpy.random.RandomState(3).randint(0, 2, n)


def test_weights_are_averaged_if_the_optimizer_does_so(data):
    X, Y, _ = data
    parts = dict(X_dev=X[60:], Y_dev=Y[60:])
    for dev in (parts, {}):
        model, optimizer = classifier(GRU(8)), Adam(0.05, use_averages=True)
        fit(model, X[:60], Y[:60], optimizer=optimizer, settings=Settings(epochs=1), **dev)
        for node in model.walk():
            for name in node.param_names:
                assert_array_equal(node.get_param(name), optimizer.averages[node.id, name])


def test_the_loss_on_dev_is_told_to_the_optimizer(data):
    X, Y, _ = data
    optimizer = NTASGD(1.0, nonmono=1)
    history = fit(
        classifier(GRU(8)),
        X[:60],
        Y[:60],
        X_dev=X[60:],
        Y_dev=Y[60:],
        optimizer=optimizer,
        settings=Settings(epochs=40, patience=None),
    )
    assert history.n_epochs == 40
    assert optimizer.is_averaging


def test_other_optimizers_of_thinc_train(data):
    X, Y, _ = data
    history = fit(classifier(GRU(8)), X, Y, optimizer=ThincAdam(0.02), settings=QUICK)
    assert history.losses[-1] < history.losses[0]


def test_the_dropout_rate_is_set_only_if_it_is_given(data):
    X, Y, _ = data
    for dropout, expected in ((None, 0.4), (0.1, 0.1)):
        model = classifier(GRU(8, dropout=0.4))
        fit(model, X, Y, settings=Settings(epochs=1, dropout=dropout))
        assert model.layers[1].attrs["dropout_rate"] == expected


def test_what_is_not_finite_is_left_out_and_counted(data):
    X, Y, _ = data
    calls = []

    def sometimes_broken(guesses, truths):
        calls.append(len(guesses))
        value = numpy.nan if len(calls) == 2 else 1.0
        return (guesses - truths) * numpy.float32(value), 1.0

    Y = numpy.eye(2, dtype="f")[Y]
    history = fit(classifier(GRU(4)), X, Y, loss=sometimes_broken, settings=QUICK)
    assert history.n_skipped == 1
    assert history.n_steps == len(calls) - 1


def test_a_training_that_breaks_down_says_so(data):
    X, Y, _ = data

    def broken(guesses, truths):
        return guesses * numpy.float32(numpy.nan), numpy.nan

    with pytest.raises(ValueError, match=r"E167.*epoch 1.*0\.001"):
        fit(classifier(GRU(4), 2), X, Y, loss=broken, settings=QUICK)


def test_nothing_to_learn_says_so(data):
    X, Y, _ = data
    model = classifier(GRU(4), 2)
    model.initialize(X=X[:2])
    freeze(model)
    with pytest.raises(ValueError, match=r"E176.*frozen"):
        fit(model, X, Y, settings=QUICK)


def test_the_best_weights_are_kept_if_it_is_interrupted(data):
    X, Y, _ = data
    parts = {"X": X[:60], "Y": Y[:60], "X_dev": X[60:], "Y_dev": Y[60:]}
    # So large that what follows the best epoch is far from it.
    rate, found = 1.0, []
    for epochs, last in ((3, None), (30, 8)):  # a step and a look at dev for each epoch
        model, n_calls = classifier(GRU(8), 2), 0

        def loss(guesses, truths, last=last):
            nonlocal n_calls
            n_calls += 1
            if n_calls == last:
                raise KeyboardInterrupt
            return cross_entropy(guesses, truths)

        with nullcontext() if last is None else pytest.raises(KeyboardInterrupt):
            settings = Settings(epochs=epochs, batch_size=60)
            fit(model, **parts, loss=loss, optimizer=Adam(rate), settings=settings)
        found.append(predict(model, X[60:]))
    assert_allclose(found[1], found[0], rtol=1e-5)


def test_the_weights_of_modules_of_torch_are_put_back_too(data):
    torch = pytest.importorskip("torch")
    X, Y, _ = data
    wrapped = PyTorchWrapper(torch.nn.Linear(8, 8))
    model = chain(list2ragged(), GRU(8), pool(["last"]), wrapped, Softmax(2))
    history = fit(
        model,
        X[:60],
        Y[:60],
        X_dev=X[60:],
        Y_dev=Y[60:],
        optimizer=Adam(0.05),
        settings=Settings(epochs=30, patience=6),
    )
    assert history.best_epoch < history.n_epochs
    guesses = predict(model, X[60:])
    loss = -numpy.log(guesses[range(20), Y[60:]]).mean()
    assert loss == pytest.approx(history.best_dev_loss, rel=1e-4)


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_predictions_come_in_the_order_of_the_sequences(batch_size, data):
    X, _, _ = data
    for make in (classifier, tagger):
        model = make(GRU(8), 2)
        model.initialize(X=X)
        expected = [model.predict([x])[0] for x in X]
        for found, one in zip(predict(model, X, batch_size), expected):
            assert_allclose(found, one, atol=1e-6)


@pytest.mark.parametrize("make", [classifier, tagger])
def test_an_array_of_no_sequences_is_a_list_of_none(make, data):
    model = make(GRU(4), 2)
    model.initialize(X=data[0])
    found, expected = predict(model, numpy.zeros((0, 4, 3))), predict(model, [])
    assert type(found) is type(expected)
    assert_array_equal(found, expected)


def test_predictions_are_made_of_few_rows_at_a_time(monkeypatch, rng):
    monkeypatch.setattr("spacy_rnn.training.fitting.MAX_ROWS", 50)
    model = with_ragged(GRU(4))
    X = [rng.standard_normal((n, 3)).astype("f") for n in (120, 30, 10, 30, 0, 5)]
    model.initialize(X=X)
    seen = []
    inner = model._func

    def watched(model, Xs, is_train):
        seen.append([len(x) for x in Xs])
        return inner(model, Xs, is_train)

    model._func = watched
    predict(model, X)
    assert seen == [[0, 5, 10, 30], [30], [120]]


def test_nothing_gives_nothing():
    model = tagger(GRU(4), 2)
    model.initialize(X=[numpy.ones((2, 3), "f")])
    assert predict(model, []) == []


def test_batches_hold_each_sequence_once_and_like_lengths_together(rng):
    lengths = rng.randint(1, 100, size=500)
    found = list(batches(lengths, 10, rng))
    assert sorted(numpy.concatenate(found).tolist()) == list(range(500))
    assert max(map(len, found)) == 10
    spread = numpy.mean([numpy.ptp(lengths[numbers]) for numbers in found])
    assert spread < 20
    again = list(batches(lengths, 10, rng))
    assert not all(numpy.array_equal(a, b) for a, b in zip(found, again))


def test_the_history_can_be_drawn_and_written(data, tmp_path):
    pytest.importorskip("matplotlib")
    X, Y, _ = data
    history = fit(classifier(GRU(4)), X, Y, X_dev=X, Y_dev=Y, settings=QUICK)
    figure = history.draw(tmp_path / "history.png")
    assert (tmp_path / "history.png").stat().st_size > 1000
    assert [line.get_label() for line in figure.axes[0].lines][:2] == ["train", "dev"]
    assert history.to_dict()["losses"] == history.losses
    assert history.seconds > 0.0


@pytest.mark.parametrize(
    ("name", "written"), [("h.png", "h.png"), ("h.svg", "h.svg"), ("h", "h.png")]
)
def test_a_picture_is_written_whole_or_not_at_all(name, written, monkeypatch, tmp_path):
    figures = pytest.importorskip("matplotlib.figure")
    history = spacy_rnn.training.History(losses=[1.0, 0.5])
    history.draw(str(tmp_path / name))
    before = (tmp_path / written).read_bytes()
    assert before.startswith(b"<?xml" if name == "h.svg" else b"\x89PNG")

    def break_off(figure, path):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(figures.Figure, "savefig", break_off)
    with pytest.raises(ValueError, match=r"E059.*No space left"):
        history.draw(tmp_path / name)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(written, before)]


@pytest.mark.parametrize("name", ["no/such/h.png", "h.docx"])
def test_a_picture_that_cannot_be_written_is_told(name, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="E059"):
        spacy_rnn.training.History(losses=[1.0]).draw(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_history_with_a_loss_that_is_not_finite_is_written_as_json():
    history = spacy_rnn.training.History(losses=[1.0, numpy.nan], dev_losses=[numpy.inf, 0.5])
    found = srsly.json_loads(srsly.json_dumps(history.to_dict()))
    assert (found["losses"], found["dev_losses"]) == ([1.0, None], [None, 0.5])


def test_without_matplotlib_the_command_to_install_it_is_named(monkeypatch):
    from spacy_rnn.training import History

    monkeypatch.setattr("spacy_rnn.training.history.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"E008.*spacy-rnn\[viz\]"):
        History(losses=[1.0]).draw()


def test_it_is_imported_when_it_is_asked_for_and_not_before():
    code = (
        "import sys, spacy_rnn.training.optimizers\n"
        "print('spacy_rnn.training.fitting' in sys.modules)\n"
        "from spacy_rnn.training import fit\n"
        "print('spacy_rnn.training.fitting' in sys.modules, fit.__name__)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split("\n")[:2] == ["False", "True fit"], result.stderr
    with pytest.raises(AttributeError, match="fti"):
        spacy_rnn.training.fti  # noqa: B018
