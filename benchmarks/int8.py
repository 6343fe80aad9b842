"""An LSTM by int8: as torch quantizes it, and reckoned in NumPy for its errors."""

import contextlib
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy
import torch
from numpy.typing import NDArray
from thinc.api import Model
from torch.nn.utils.rnn import PackedSequence

from spacy_rnn.interop import to_torch

from .batches import Batch, VectorsT
from .packed import packing, unpack
from .peers import EncoderT, Peer

Floats2d = NDArray[numpy.float32]
Int8s2d = NDArray[numpy.int8]
# What an encoder computes: (length, nI) -> (length, nO) for each text
EncodeT = Callable[[VectorsT], VectorsT]
LARGEST = 127  # of an int8, and of its negative
# float32 adds up products of two such numbers exactly while the sum is below 2 ** 24.
MAX_WIDTH = 2**24 // LARGEST**2
SUPPORTED = torch.backends.quantized.supported_engines
# QNNPACK is for ARM; on x86 it runs as well, at a fourth of the speed.
KNOWN = ("x86", "fbgemm", "onednn") if "x86" in SUPPORTED else ("qnnpack", "onednn")
BACKENDS: List[str] = [name for name in KNOWN if name in SUPPORTED]


def quantize(X: Floats2d, axis: Optional[int] = None) -> Tuple[Int8s2d, Floats2d]:
    """Round to 255 evenly spaced numbers, symmetric around zero.

    X (Floats2d): (n, width)
    axis (Optional[int]): 1 for a scale of its own for each row; None for one scale.
    RETURNS (Tuple[Int8s2d, Floats2d]): The numbers, and the scale by which they are to be
        multiplied, (n, 1) or (1, 1). What that gives differs from X by half the scale at most.
    """
    largest = numpy.abs(X).max(axis=axis, keepdims=True, initial=0.0)
    scale = numpy.where(largest > 0.0, largest / LARGEST, 1.0).astype("float32")
    return numpy.rint(X / scale).astype("int8"), scale


def int8_product(W: Floats2d) -> Callable[[Floats2d], Floats2d]:
    """
    W (Floats2d): (columns, width) Quantized by row, once.
    RETURNS (Callable): X (n, width) -> X W^T (n, columns), with X quantized at each call by one
        scale. The sums are those of int32, exactly, though they are reckoned in float32.
    RAISES (ValueError): If W is so wide that they would not be exact.
    """
    if W.shape[1] > MAX_WIDTH:
        raise ValueError(f"The product is exact up to a width of {MAX_WIDTH}, not {W.shape[1]}.")
    numbers, scale = quantize(W, axis=1)
    WT = numpy.ascontiguousarray(numbers.T, dtype="float32")

    def product(X: Floats2d) -> Floats2d:
        Xq, x_scale = quantize(X)
        Y: Floats2d = (Xq.astype("float32") @ WT) * (x_scale * scale.T)
        return Y

    return product


def float_product(W: Floats2d) -> Callable[[Floats2d], Floats2d]:
    """RETURNS (Callable): X -> X W^T in float32."""
    return lambda X: X @ W.T


def numpy_lstm(encoder: EncoderT, make_product: Callable = int8_product) -> EncodeT:
    """
    encoder (Model): An RNNEncoder of one bidirectional LSTM.
    make_product (Callable): How its inputs and its states are multiplied by its weights.
    RETURNS (Callable): What it computes, by those products.
    """
    layers = [node for node in encoder.walk() if node.attrs.get("recurrence") == "lstm"]
    forth, back = (_one_way(layer, make_product) for layer in layers)

    def encode(Xs: VectorsT) -> VectorsT:
        Ys_back = [Y[::-1] for Y in back([X[::-1] for X in Xs])]
        return [numpy.concatenate(pair, axis=1) for pair in zip(forth(Xs), Ys_back)]

    return encode


def _one_way(layer: Model[Any, Any], make_product: Callable) -> EncodeT:
    Wx, Wh, b = (numpy.asarray(layer.get_param(name)) for name in ("Wx", "Wh", "b"))
    nO = Wh.shape[1]
    read, recur = make_product(Wx), make_product(Wh)

    def encode(Xs: VectorsT) -> VectorsT:
        order, sizes = packing(Xs)
        gates = read(numpy.concatenate(Xs)[order]) + b
        Y = numpy.zeros((len(order), nO), dtype="float32")
        h = c = numpy.zeros((len(Xs), nO), dtype="float32")
        row = 0
        for n in sizes:
            i, f, g, o = numpy.split(gates[row : row + n] + recur(h[:n]), 4, axis=1)
            c = _sigmoid(f) * c[:n] + _sigmoid(i) * numpy.tanh(g)
            h = _sigmoid(o) * numpy.tanh(c)
            Y[row : row + n] = h
            row += n
        return unpack(Y, order, Xs)

    return encode


def _sigmoid(X: Floats2d) -> Floats2d:
    Y: Floats2d = 0.5 + 0.5 * numpy.tanh(0.5 * X)
    return Y


def has_torch_int8() -> bool:
    """RETURNS (bool): Whether torch can quantize an LSTM; it is to be removed some day."""
    try:
        from torch.ao.quantization import quantize_dynamic
    except ImportError:
        return False
    return bool(BACKENDS) and callable(quantize_dynamic)


def quantize_module(module: torch.nn.Module, backend: str) -> Any:
    """
    module (Module): An LSTM or a Linear.
    backend (str): Whose products it shall call, of BACKENDS.
    RETURNS (Module): torch's dynamic quantization of it: weights of int8, inputs and states
        quantized at each product.
    """
    from torch.ao.quantization import quantize_dynamic

    with use_backend(backend), warnings.catch_warnings():
        for message in ("torch.ao.quantization is deprecated", "torch.quantize_per_tensor"):
            warnings.filterwarnings("ignore", message)
        return quantize_dynamic(torch.nn.Sequential(module), {type(module)}, dtype=torch.qint8)[0]


@contextlib.contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Have what is quantized within the block call this library."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = before


@dataclass
class TorchPeer(Peer):
    """torch's LSTM, float32 or int8, on data that is packed before the time is taken.

    module (Optional[Module]): An LSTM.
    """

    module: Optional[torch.nn.Module] = None

    def prepare(self, batch: Batch) -> PackedSequence:
        return pack(batch.inputs[self.in_width])

    def predict(self, Xs: Any) -> VectorsT:
        assert self.module is not None
        with torch.inference_mode():
            return [self.module(Xs)[0].data.numpy()]


def build_torch_peers(encoder: EncoderT) -> List[TorchPeer]:
    """RETURNS (List[TorchPeer]): With the weights of an encoder: float32, and int8 by each of the
    libraries that are there."""
    lstm = to_torch(encoder)
    assert isinstance(lstm, torch.nn.LSTM)
    peers = [TorchPeer("torch float32", module=lstm)]
    if has_torch_int8():
        peers += [
            TorchPeer(f"torch int8 {name}", module=quantize_module(lstm, name)) for name in BACKENDS
        ]
    return peers


def int8_encoders(encoder: EncoderT) -> Dict[str, EncodeT]:
    """RETURNS (Dict[str, Callable]): The encoder by int8: "rows", with a scale for each row of the
    weights, and if it is there "torch"."""
    found = {"rows": numpy_lstm(encoder)}
    for peer in build_torch_peers(encoder)[1:2]:
        found["torch"] = _lists(peer)
    return found


def pack(Xs: VectorsT) -> PackedSequence:
    """RETURNS (PackedSequence): Step by step, the longest text first."""
    order, sizes = packing(Xs)
    return PackedSequence(torch.as_tensor(numpy.concatenate(Xs)[order]), torch.as_tensor(sizes))


def _lists(peer: TorchPeer) -> EncodeT:
    def encode(Xs: VectorsT) -> VectorsT:
        return unpack(peer.predict(pack(Xs))[0], packing(Xs)[0], Xs)

    return encode


def product_tasks(n: int, width: int, columns: int) -> Dict[str, Callable[[], Any]]:
    """
    n, width, columns (int): The product is (n, width) @ (width, columns).
    RETURNS (Dict[str, Callable]): By int8: "torch <library>" quantizes its float32 inputs and
        scales its outputs; "int8 alone" takes int8 and returns int32, and does nothing else.
    """
    rng = numpy.random.default_rng(0)
    X = torch.from_numpy(rng.standard_normal((n, width), dtype="float32"))
    tasks: Dict[str, Callable[[], Any]] = {}
    for name in BACKENDS if has_torch_int8() else ():
        linear = quantize_module(torch.nn.Linear(width, columns), name)
        tasks[f"torch {name}"] = partial(linear, X)
    if hasattr(torch, "_int_mm"):
        Xq, Wq = (
            torch.from_numpy(rng.integers(-LARGEST, LARGEST, size, dtype="int8"))
            for size in ((n, width), (columns, width))
        )
        tasks["int8 alone"] = lambda: torch._int_mm(Xq, Wq.T)
    return tasks
