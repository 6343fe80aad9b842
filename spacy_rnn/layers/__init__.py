"""Thinc layers over Ragged sequences."""

from .attention import Attention
from .bidirectional import bidirectional
from .elman import Elman
from .engines import available_engines, use_engine
from .gru import GRU
from .list2ragged import list2ragged
from .lstm import LSTM
from .mingru import MinGRU
from .pooling import pool
from .qrnn import QRNN
from .ragged import with_ragged
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
    "list2ragged",
    "pool",
    "run",
    "use_engine",
    "use_threads",
    "with_ragged",
]
