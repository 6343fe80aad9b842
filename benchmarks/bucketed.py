"""torch's LSTM over buckets of texts of nearly equal length.

That is what oneDNN takes: rectangular batches. A PackedSequence goes through torch's own loop. The
texts are sorted by length and cut into buckets with little padding. The padding must not reach the
vectors: so the two directions are two LSTMs, each over texts that begin at step 0, the second one
over the texts turned round. What follows a text's end then cannot be seen from any of its tokens.
"""

from typing import Any, Callable, List, Tuple

import numpy
import torch
from numpy.typing import NDArray
from thinc.api import ArgsKwargs, Model, PyTorchWrapper_v3

from .batches import VectorsT

InT = VectorsT
OutT = VectorsT
IntsT = NDArray[numpy.int64]
# The shortest text of a bucket has at least this share of the longest one's tokens.
LEAST_SHARE = 0.7


class BucketedLSTM(torch.nn.Module):
    """One bidirectional layer.

    nO (int): Width of the output, half of it for each direction.
    nI (int): Width of the input.
    """

    def __init__(self, nO: int, nI: int) -> None:
        super().__init__()
        self.directions = torch.nn.ModuleList(torch.nn.LSTM(nI, nO // 2) for _ in range(2))

    def forward(self, rows: torch.Tensor, buckets: List["Bucket"]) -> torch.Tensor:
        """(n_tokens, nI) -> (n_tokens, nO), both in the order of the texts."""
        halves = []
        for lstm, turn in zip(self.directions, (False, True)):
            found = []
            for bucket in buckets:
                Y, _ = lstm(rows[bucket.rows_backward if turn else bucket.rows])
                found.append(Y.flatten(0, 1)[bucket.kept])
            tokens = torch.cat([b.tokens_backward if turn else b.tokens for b in buckets])
            halves.append(torch.cat(found)[torch.argsort(tokens)])
        return torch.cat(halves, dim=1)

    def load_bidirectional(self, lstm: torch.nn.LSTM) -> None:
        """Take over the weights of a bidirectional nn.LSTM."""
        for direction, suffix in zip(self.directions, ("", "_reverse")):
            names = [name for name, _ in direction.named_parameters()]
            direction.load_state_dict(
                {name: getattr(lstm, name + suffix).detach().clone() for name in names}
            )


class Bucket:
    """Texts that run together.

    rows, rows_backward (LongTensor): (n_steps, n_texts) Row of each step, forwards and from the
        end; behind a text's end any row of it, which is not used.
    kept (LongTensor): (n_tokens of the bucket,) Which of the n_steps * n_texts rows are no padding.
    tokens, tokens_backward (LongTensor): (n_tokens of the bucket,) The rows that those came from.
    """

    def __init__(self, starts: IntsT, lengths: IntsT) -> None:
        steps = numpy.arange(lengths.max())[:, None]
        inside = steps < lengths
        ahead = starts + numpy.minimum(steps, lengths - 1)
        back = starts + numpy.maximum(lengths - 1 - steps, 0)
        self.rows = torch.as_tensor(ahead)
        self.rows_backward = torch.as_tensor(back)
        self.kept = torch.as_tensor(numpy.flatnonzero(inside))
        self.tokens = torch.as_tensor(ahead[inside])
        self.tokens_backward = torch.as_tensor(back[inside])


def PyTorchLSTMBucketed(nO: int, nI: int) -> Model[InT, OutT]:
    """torch.nn.LSTM over buckets; no text may be empty.

    nO (int): Width of the output, half of it for each direction.
    nI (int): Width of the input.
    RETURNS (Model[VectorsT, VectorsT]): (length, nI) -> (length, nO) for each text.
    """
    return PyTorchWrapper_v3(
        BucketedLSTM(nO, nI), convert_inputs=convert_inputs, convert_outputs=convert_outputs
    )


def convert_inputs(model: Model[Any, Any], Xs: InT, is_train: bool) -> Tuple[ArgsKwargs, Callable]:
    def backprop(dX: ArgsKwargs) -> InT:
        return _split(dX.args[0].numpy(), Xs)

    rows = torch.as_tensor(numpy.concatenate(Xs)).requires_grad_(is_train)
    return ArgsKwargs(args=(rows, cut_buckets([len(X) for X in Xs])), kwargs={}), backprop


def convert_outputs(
    model: Model[Any, Any], XsY: Tuple[InT, torch.Tensor], is_train: bool
) -> Tuple[OutT, Callable]:
    Xs, Y = XsY

    def backprop(dYs: OutT) -> ArgsKwargs:
        dY = torch.as_tensor(numpy.concatenate(dYs))
        return ArgsKwargs(args=((Y,),), kwargs={"grad_tensors": (dY,)})

    return _split(Y.detach().numpy(), Xs), backprop


def cut_buckets(lengths: List[int]) -> List[Bucket]:
    """Sort texts by length and cut wherever too much padding would come in.

    lengths (List[int]): Tokens of each text.
    RETURNS (List[Bucket]): The longest texts first.
    """
    order = numpy.argsort(numpy.negative(lengths), kind="stable")
    sizes = numpy.asarray(lengths)
    starts = numpy.cumsum(sizes) - sizes
    buckets = []
    while len(order):
        n_texts = int((sizes[order] >= LEAST_SHARE * sizes[order[0]]).sum())
        taken, order = order[:n_texts], order[n_texts:]
        buckets.append(Bucket(starts[taken], sizes[taken]))
    return buckets


def _split(rows: NDArray[numpy.float32], Xs: InT) -> VectorsT:
    return numpy.split(rows, numpy.cumsum([len(X) for X in Xs])[:-1])
