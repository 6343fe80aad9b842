import numpy
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Linear, chain

from spacy_rnn.interop import from_torch, to_torch
from spacy_rnn.layers import GRU, LSTM, QRNN, MinGRU, bidirectional
from spacy_rnn.models import RNNEncoder

from .layers.cells import parameters, ragged, randomize, sequences

MODULES = {
    "rnn-tanh": (torch.nn.RNN, {}),
    "rnn-relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (torch.nn.LSTM, {}),
    "lstm-without-bias": (torch.nn.LSTM, {"bias": False}),
    "gru": (torch.nn.GRU, {}),
    "gru-without-bias": (torch.nn.GRU, {"bias": False}),
}
LENGTHS = [3, 1, 6]


def run_torch(module, Xs):
    packed = torch.nn.utils.rnn.pack_sequence(
        [torch.from_numpy(X) for X in Xs], enforce_sorted=False
    )
    with torch.no_grad():
        output, _ = module(packed)
    return numpy.concatenate([Y.numpy() for Y in torch.nn.utils.rnn.unpack_sequence(output)])


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("name", MODULES)
def test_weights_mean_the_same_in_torch_and_here(name, both, depth, rng):
    torch.manual_seed(0)
    kind, options = MODULES[name]
    module = kind(4, 5, num_layers=depth, bidirectional=both, **options)
    X = ragged(rng, LENGTHS, 4)
    Xs = numpy.split(X.data, numpy.cumsum(LENGTHS)[:-1])
    expected = run_torch(module, Xs)
    model = from_torch(module)
    assert_allclose(model.predict(X).dataXd, expected, atol=1e-5)
    back = to_torch(model)
    assert type(back) is kind
    assert_allclose(run_torch(back, Xs), expected, atol=1e-5)
    again = parameters(from_torch(back))
    for param, value in parameters(model).items():
        assert_array_equal(again[param], value)


def test_an_encoder_can_be_taken_to_torch(rng):
    encoder = RNNEncoder("gru", 6, 2)
    Xs = sequences(rng, LENGTHS, 4)
    encoder.initialize(X=Xs)
    randomize(encoder, rng)
    assert_allclose(
        run_torch(to_torch(encoder), Xs), numpy.concatenate(encoder.predict(Xs)), atol=1e-5
    )


def test_conversion_copies(rng):
    module = torch.nn.LSTM(4, 5)
    model = from_torch(module)
    model.get_param("Wx")[:] = 0
    assert module.weight_ih_l0.abs().max() > 0
    back = to_torch(model)
    model.get_param("Wx")[:] = 1
    assert back.weight_ih_l0.abs().max() == 0


def test_dropout_between_layers_is_kept():
    model = from_torch(torch.nn.LSTM(4, 5, num_layers=2, dropout=0.3))
    assert [layer.attrs["dropout_rate"] for layer in model.layers] == [0.3, 0.0]
    assert to_torch(model).dropout == 0.3


@pytest.mark.parametrize(
    "module", [torch.nn.Linear(3, 4), torch.nn.LSTM(4, 6, proj_size=3), torch.nn.LSTMCell(3, 4)]
)
def test_other_modules_are_refused(module):
    with pytest.raises(ValueError, match="E012"):
        from_torch(module)


@pytest.mark.parametrize(
    "model",
    [
        LSTM(3, 4),  # not initialized
        bidirectional(LSTM(3, 4), GRU(3, 4)).initialize(),
        bidirectional(LSTM(3, 4), LSTM(2, 4)).initialize(),
        chain(LSTM(3, 4), LSTM(2, 3)).initialize(),
        bidirectional(QRNN(3, 4), QRNN(3, 4)).initialize(),
        MinGRU(3, 4).initialize(),
        chain(LSTM(3, 4), Linear(3, 3)).initialize(),
        RNNEncoder("lstm", 4, 2, layer_norm=True).initialize(X=[numpy.zeros((1, 3), "f")]),
    ],
)
def test_models_that_no_module_represents_are_refused(model):
    with pytest.raises(ValueError, match="E012"):
        to_torch(model)


def test_a_cell_that_torch_does_not_have_is_an_error_that_names_those_it_has():
    with pytest.raises(ValueError, match=r"E012.*'qrnn'.*Elman, LSTM or GRU"):
        to_torch(QRNN(3, 4).initialize())


def test_without_torch_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ImportError, match=r"E008.*pip install 'spacy-rnn\[torch\]'"):
        to_torch(LSTM(3, 4))
