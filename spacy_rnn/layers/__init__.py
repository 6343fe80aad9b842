"""Thinc layers over Ragged sequences."""

from .attention import Attention
from .bidirectional import bidirectional
from .elman import Elman
from .engines import available_engines, use_engine
from .gru import GRU
from .lstm import LSTM
from .mingru import MinGRU
from .qrnn import QRNN
from .state import run
from .threads import get_num_threads, use_threads

__all__ = [
    "GRU",
    "LSTM",
    "QRNN",
    "Attention",
    "Elman",
    "MinGRU",
    "available_engines",
    "bidirectional",
    "get_num_threads",
    "run",
    "use_engine",
    "use_threads",
]
