"""Between torch and the arrays of Thinc, for the torch engine."""

import contextlib
import warnings
from functools import cache
from typing import Any, Iterator, List

import torch
from thinc.api import torch2xp

TensorsT = List[torch.Tensor]


def to_torch(X: Any) -> torch.Tensor:
    """RETURNS (Tensor): The same memory, on the same device."""
    return torch.from_dlpack(X)


def to_xp(X: torch.Tensor) -> Any:
    """RETURNS (FloatsXd): The same memory, as an array of NumPy or CuPy, unless it has gaps."""
    return torch2xp(X.contiguous())


def to_device(array: Any, device: torch.device) -> torch.Tensor:
    """Send an array of the host on its way, without waiting for what the device has to do before.

    RETURNS (Tensor): A copy; on the CPU the same memory.
    """
    # Its memory is pageable, so it has been read when the call returns.
    return torch.from_numpy(array).to(device, non_blocking=True)


def zeros(like: torch.Tensor) -> torch.Tensor:
    """RETURNS (Tensor): Of the same shape. Not to be written to."""
    return _zeros(like.shape, like.dtype, like.device)


@cache
def _zeros(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    return torch.zeros(shape, dtype=dtype, device=device)


def in_one_block(weights: List[TensorsT]) -> List[TensorsT]:
    """Copy weights into one block, as cuDNN wants them: the matrices of all directions, then their
    biases. It would do that by itself, but array by array.

    weights (List[TensorsT]): Of each direction, two matrices and two biases.
    RETURNS (List[TensorsT]): The same as parts of the block.
    """
    matrices = [w for of_one in weights for w in of_one[:2]]
    biases = [w for of_one in weights for w in of_one[2:]]
    block = torch.cat([w.reshape(-1) for w in (*matrices, *biases)])
    sizes = [w.numel() for w in (*matrices, *biases)]
    parts = [part.view(w.shape) for part, w in zip(block.split(sizes), (*matrices, *biases))]
    n = len(matrices)
    return [[*parts[i : i + 2], *parts[n + i : n + i + 2]] for i in range(0, n, 2)]


@contextlib.contextmanager
def without_layout_warning(is_cuda: bool) -> Iterator[None]:
    """Should cuDNN have another layout than `in_one_block`, it copies the weights at each call, and
    torch warns that nn.LSTM would do that only once."""
    if not is_cuda:
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of")
        yield
