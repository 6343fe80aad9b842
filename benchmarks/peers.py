"""The models that are compared: lists of arrays in and out, 256 wide, float32."""

import contextlib
from dataclasses import dataclass
from typing import Any, ContextManager, Dict, Iterator, List

import numpy
import torch
from spacy.util import registry
from thinc.api import Model, PyTorchLSTM, fix_random_seed, with_padded

from spacy_rnn.interop import to_torch
from spacy_rnn.layers import use_engine
from spacy_rnn.layers.ops import without_blis
from spacy_rnn.models import RNNEncoder

from .packed import PyTorchLSTMPacked
from .threads import use_threads

EncoderT = Model[Any, Any]
N_IN = 128
N_HIDDEN = 128  # of each direction
N_OUT = 2 * N_HIDDEN
BASELINE = "TorchBiLSTMEncoder"
OURS = "numpy-lstm"  # what the bars are about
N_GATES: Dict[str, int] = {"lstm": 4, "gru": 3, "elman": 1}
ABOUT: Dict[str, str] = {
    "numpy-lstm": f"RNNEncoder, LSTM {N_IN} -> 2x{N_HIDDEN}, NumPy engine",
    "torch-lstm": "the same model, torch engine on the CPU",
    "numpy-gru": "RNNEncoder, GRU, NumPy engine",
    "numpy-elman": "RNNEncoder, Elman, NumPy engine",
    BASELINE: "spaCy's: PyTorchLSTM over padded batches",
    "PyTorchLSTM-packed": "torch.nn.LSTM over a PackedSequence, packed without padding",
    "MaxoutWindow": f"spacy.MaxoutWindowEncoder.v2, {N_OUT} -> {N_OUT}, depth 1, window 1, "
    "3 pieces; 2.25 times the LSTM's operations for a word, by BLIS",
    "MaxoutWindow-BLAS": "the same by NumPy's BLAS",
}


@dataclass
class Peer:
    """One model in the comparison.

    name (str): A key of ABOUT.
    model (Model): List[Floats2d] -> List[Floats2d].
    in_width (int): Width of its input.
    engine (str): Engine of this package, or "" for a foreign model.
    cell (str): Cell of this package, or "".
    is_packed (bool): Whether it trains torch's LSTM on packed data. On the CPU the time that takes
        grows with the square of the length.
    """

    name: str
    model: EncoderT
    in_width: int = N_IN
    engine: str = ""
    cell: str = ""
    is_packed: bool = False

    def active(self) -> ContextManager[None]:
        """RETURNS (ContextManager): The block in which the model is to be called."""
        return use_engine(self.engine) if self.engine else contextlib.nullcontext()

    @property
    def flops(self) -> int:
        """RETURNS (int): Floating-point operations for a word in the products of a forward pass,
        or 0 for a foreign model; training takes three times as many."""
        n_gates = N_GATES.get(self.cell, 0)
        return 2 * 2 * n_gates * N_HIDDEN * (N_IN + N_HIDDEN)


@use_threads(1)
def build_peers() -> List[Peer]:
    """RETURNS (List[Peer]): All models, in the order of ABOUT. All LSTMs have equal weights."""
    fix_random_seed(0)
    lstm = _initialized(RNNEncoder("lstm", N_OUT, 1), N_IN)
    # What spacy.TorchBiLSTMEncoder.v1 builds; that takes one width for input and output both.
    padded: EncoderT = with_padded(PyTorchLSTM(N_OUT, N_IN, bi=True, depth=1, dropout=0.0))
    packed = PyTorchLSTMPacked(N_OUT, N_IN)
    for model in (padded, packed):
        torch_lstm(model).load_state_dict(to_torch(lstm).state_dict())
    maxout = registry.get("architectures", "spacy.MaxoutWindowEncoder.v2")
    maxouts = [maxout(width=N_OUT, window_size=1, maxout_pieces=3, depth=1) for _ in range(2)]
    for model in maxouts:
        _initialized(model, N_OUT)
    return [
        Peer("numpy-lstm", lstm, engine="numpy", cell="lstm"),
        Peer("torch-lstm", lstm, engine="torch", cell="lstm", is_packed=True),
        Peer("numpy-gru", _cell("gru"), engine="numpy", cell="gru"),
        Peer("numpy-elman", _cell("elman"), engine="numpy", cell="elman"),
        Peer(BASELINE, padded),
        Peer("PyTorchLSTM-packed", packed, is_packed=True),
        Peer("MaxoutWindow", maxouts[0], in_width=N_OUT),
        Peer("MaxoutWindow-BLAS", without_blis(maxouts[1]), in_width=N_OUT),
    ]


def torch_lstm(model: Model[Any, Any]) -> torch.nn.LSTM:
    """RETURNS (torch.nn.LSTM): The one that a foreign model wraps."""
    for module in _torch_modules(model):
        if isinstance(module, torch.nn.LSTM):
            return module
    raise ValueError(f"No torch.nn.LSTM in '{model.name}'.")


def clear_gradients(model: Model[Any, Any]) -> None:
    """Forget the gradients, as an optimizer does after a step."""
    for node in model.walk():
        for param in node.param_names:
            if node.has_grad(param):
                node.set_grad(param, node.get_grad(param) * 0)
    for module in _torch_modules(model):
        module.zero_grad(set_to_none=True)


def _torch_modules(model: Model[Any, Any]) -> Iterator[torch.nn.Module]:
    for node in model.walk():
        for shim in node.shims:
            yield from shim._model.modules()


def _cell(cell: str) -> EncoderT:
    return _initialized(RNNEncoder(cell, N_OUT, 1), N_IN)


def _initialized(model: EncoderT, in_width: int) -> EncoderT:
    return model.initialize(X=[numpy.zeros((2, in_width), dtype="float32")])
