"""The models of others, with the weights of an LSTM of ours where they are LSTMs."""

from typing import Any, List

import torch
from spacy.util import registry
from thinc.api import LSTM, Model, PyTorchLSTM, with_padded

from spacy_rnn.interop import to_torch
from spacy_rnn.layers.ops import without_blis

from . import flair_peer
from .bucketed import PyTorchLSTMBucketed
from .packed import PyTorchLSTMPacked
from .peers import (
    BASELINE,
    BUCKETED,
    EVERY_THIRD,
    MAXOUT,
    MAXOUT_BLAS,
    N_IN,
    N_OUT,
    PACKED,
    THINC,
    EncoderT,
    Peer,
    initialized,
    torch_modules,
)


def build_foreign(lstm: EncoderT) -> List[Peer]:
    """
    lstm (Model): The encoder of ours whose weights the LSTMs take.
    RETURNS (List[Peer]): spaCy's, Thinc's, torch's and, if it is installed, Flair's.
    """
    weights = to_torch(lstm)
    assert isinstance(weights, torch.nn.LSTM)
    # What spacy.TorchBiLSTMEncoder.v1 builds; that takes one width for input and output both.
    padded: EncoderT = with_padded(PyTorchLSTM(N_OUT, N_IN, bi=True, depth=1, dropout=0.0))
    packed = PyTorchLSTMPacked(N_OUT, N_IN)
    for model in (padded, packed):
        torch_lstm(model).load_state_dict(weights.state_dict())
    bucketed = PyTorchLSTMBucketed(N_OUT, N_IN)
    next(torch_modules(bucketed)).load_bidirectional(weights)  # type: ignore[operator]
    thinc_lstm: EncoderT = with_padded(LSTM(N_OUT, N_IN, bi=True))
    maxouts = [_build_maxout() for _ in range(2)]
    peers = [
        Peer(BASELINE, padded),
        Peer(BUCKETED, bucketed),
        Peer(PACKED, packed, is_packed=True),
        Peer(THINC, initialized(thinc_lstm, N_IN), every=EVERY_THIRD),
        Peer(MAXOUT, maxouts[0], N_OUT, every=EVERY_THIRD),
        Peer(MAXOUT_BLAS, without_blis(maxouts[1]), N_OUT, every=EVERY_THIRD),
    ]
    return peers + ([flair_peer.FlairPeer(weights)] if flair_peer.is_installed() else [])


def torch_lstm(model: Model[Any, Any]) -> torch.nn.LSTM:
    """RETURNS (torch.nn.LSTM): The one that a foreign model wraps."""
    for module in torch_modules(model):
        if isinstance(module, torch.nn.LSTM):
            return module
    raise ValueError(f"No torch.nn.LSTM in '{model.name}'.")


def _build_maxout() -> EncoderT:
    maxout = registry.get("architectures", "spacy.MaxoutWindowEncoder.v2")
    return initialized(maxout(width=N_OUT, window_size=1, maxout_pieces=3, depth=1), N_OUT)
