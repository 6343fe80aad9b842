"""torch's LSTM over a PackedSequence, from and to lists of arrays, without any padding."""

from typing import Any, Callable, Tuple

import numpy
import torch
from numpy.typing import NDArray
from thinc.api import ArgsKwargs, Model, PyTorchWrapper_v3
from torch.nn.utils.rnn import PackedSequence

from .batches import VectorsT

InT = VectorsT
OutT = VectorsT
IntsT = NDArray[numpy.int64]


class PackedLSTM(torch.nn.Module):
    """One bidirectional layer.

    nO (int): Width of the output, half of it for each direction.
    nI (int): Width of the input.
    """

    def __init__(self, nO: int, nI: int) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(nI, nO // 2, bidirectional=True)

    def forward(self, rows: torch.Tensor, batch_sizes: torch.Tensor) -> torch.Tensor:
        """(n_tokens, nI) -> (n_tokens, nO), both in the order of the packed sequence."""
        packed, _ = self.lstm(PackedSequence(rows, batch_sizes))
        return packed.data


def PyTorchLSTMPacked(nO: int, nI: int) -> Model[InT, OutT]:
    """Thinc's PyTorchLSTM, on packed data instead of padded.

    nO (int): Width of the output, half of it for each direction.
    nI (int): Width of the input.
    RETURNS (Model[VectorsT, VectorsT]): (length, nI) -> (length, nO) for each text.
    """
    return PyTorchWrapper_v3(
        PackedLSTM(nO, nI), convert_inputs=pack_inputs, convert_outputs=unpack_outputs
    )


def pack_inputs(model: Model[Any, Any], Xs: InT, is_train: bool) -> Tuple[ArgsKwargs, Callable]:
    order, batch_sizes = packing(Xs)

    def backprop(dX: ArgsKwargs) -> InT:
        return unpack(dX.args[0].numpy(), order, Xs)

    rows = torch.as_tensor(numpy.concatenate(Xs)[order]).requires_grad_(is_train)
    return ArgsKwargs(args=(rows, torch.as_tensor(batch_sizes)), kwargs={}), backprop


def unpack_outputs(
    model: Model[Any, Any], XsY: Tuple[InT, torch.Tensor], is_train: bool
) -> Tuple[OutT, Callable]:
    Xs, Y = XsY
    order, _ = packing(Xs)

    def backprop(dYs: OutT) -> ArgsKwargs:
        dY = torch.as_tensor(numpy.concatenate(dYs)[order])
        return ArgsKwargs(args=((Y,),), kwargs={"grad_tensors": (dY,)})

    return unpack(Y.detach().numpy(), order, Xs), backprop


def packing(Xs: InT) -> Tuple[IntsT, IntsT]:
    """Lay out the rows of all texts step by step, the longest text first in each step.

    RETURNS (Tuple[Ints1d, Ints1d]): (n_tokens,) for each packed row, that of the texts one after
        another; (n_steps,) how many texts each step has.
    """
    lengths = numpy.asarray([len(X) for X in Xs])
    rank = numpy.argsort(numpy.argsort(-lengths, kind="stable"))
    starts = numpy.repeat(numpy.cumsum(lengths) - lengths, lengths)
    steps = numpy.arange(len(starts)) - starts
    order = numpy.lexsort((numpy.repeat(rank, lengths), steps))
    return order, numpy.bincount(steps)


def unpack(rows: NDArray[numpy.float32], order: IntsT, Xs: InT) -> VectorsT:
    """RETURNS (List[Floats2d]): (length, width) for each text."""
    flat = numpy.empty_like(rows)
    flat[order] = rows
    return numpy.split(flat, numpy.cumsum([len(X) for X in Xs])[:-1])
