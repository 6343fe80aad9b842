"""The encoders that are compared: lists of arrays in and out, 256 wide, float32."""

import contextlib
from dataclasses import dataclass
from typing import Any, ContextManager, Dict, Iterator, List, Optional, Tuple

import numpy
import torch
from thinc.api import Model, fix_random_seed

from spacy_rnn.layers import available_engines, use_engine
from spacy_rnn.models import RNNEncoder
from spacy_rnn.models.encoder import CELLS as ENCODER_CELLS

from .batches import Batch, VectorsT

EncoderT = Model[Any, Any]
# Input width and number of columns of a product: (n_tokens, first) @ (first, second)
ShapeT = Tuple[int, int]
N_IN = 128
N_HIDDEN = 128  # of each direction
N_OUT = 2 * N_HIDDEN
CELLS = [cell for cell in ("lstm", "gru", "elman", "qrnn", "mingru") if cell in ENCODER_CELLS]
ENGINE = "numba" if "numba" in available_engines() else "numpy"  # what runs on a CPU
OURS = f"{ENGINE}-lstm"
REFERENCE = "numpy-lstm"  # what the others' outputs must equal
BASELINE = "TorchBiLSTMEncoder"
BUCKETED = "PyTorchLSTM-bucketed"
PACKED = "PyTorchLSTM-packed"
THINC = "Thinc-LSTM"
MAXOUT = "MaxoutWindow"
MAXOUT_BLAS = "MaxoutWindow-BLAS"
FLAIR = "Flair"
EVERY_THIRD = 3
FOREIGN: Dict[str, str] = {
    BASELINE: "spaCy's: PyTorchLSTM over padded batches",
    BUCKETED: "torch.nn.LSTM over buckets of nearly equal length, by oneDNN where torch has it",
    PACKED: "torch.nn.LSTM over a PackedSequence, packed without padding",
    THINC: "Thinc's LSTM.v1 (bi=True), by BLIS; its gradients are wrong, only its speed counts",
    MAXOUT: f"spacy.MaxoutWindowEncoder.v2, {N_OUT} -> {N_OUT}, depth 1, window 1, "
    "3 pieces; 2.25 times the LSTM's operations for a word, by BLIS",
    MAXOUT_BLAS: "the same by NumPy's BLAS",
    FLAIR: "DocumentRNNEmbeddings, LSTM, over fixed token vectors; first and last outputs only, "
    "no gradients of the input",
}


@dataclass
class Peer:
    """One model in the comparison.

    name (str): A key of `describe`.
    model (Optional[Model]): List[Floats2d] -> List[Floats2d].
    in_width (int): Width of its input.
    engine (str): Engine of this package, or "" for a foreign model.
    cell (str): Cell of this package, or "".
    is_packed (bool): Whether it trains torch's LSTM on packed data. On the CPU the time that takes
        grows with the square of the length.
    has_tokens (bool): Whether there is an output for each token.
    every (int): It runs in every so many-th round only, as it is slow and no bar is about it.
    """

    name: str
    model: Optional[EncoderT] = None
    in_width: int = N_IN
    engine: str = ""
    cell: str = ""
    is_packed: bool = False
    has_tokens: bool = True
    every: int = 1

    def active(self) -> ContextManager[None]:
        """RETURNS (ContextManager): The block in which the model is to be called."""
        return use_engine(self.engine) if self.engine else contextlib.nullcontext()

    def prepare(self, batch: Batch) -> Any:
        """RETURNS (Any): What `predict` and `train` take; not timed."""
        return batch.inputs[self.in_width]

    def predict(self, Xs: Any) -> VectorsT:
        """RETURNS (List[Floats2d]): (length, N_OUT) for each text."""
        assert self.model is not None
        Ys: VectorsT = self.model.predict(Xs)
        return Ys

    def train(self, Xs: Any, dYs: VectorsT) -> Tuple[VectorsT, VectorsT]:
        """RETURNS (Tuple[List[Floats2d], List[Floats2d]]): Outputs, and gradients of the inputs."""
        assert self.model is not None
        Ys, backprop = self.model.begin_update(Xs)
        return Ys, backprop(dYs)

    def clear_gradients(self) -> None:
        """Forget the gradients, as an optimizer does after a step."""
        if self.model is not None:
            clear_gradients(self.model)

    @property
    def products(self) -> List[ShapeT]:
        """RETURNS (List[Tuple[int, int]]): Shapes of the matrices that each word is multiplied by
        in a forward pass, of both directions; empty for a foreign model."""
        if self.model is None or not self.cell:
            return []
        weights = [node.get_param(p) for node in self.model.walk() for p in node.param_names]
        return [(W.shape[1], W.shape[0]) for W in weights if W.ndim == 2]

    @property
    def flops(self) -> int:
        """RETURNS (int): Floating-point operations for a word in the products of a forward pass,
        or 0 for a foreign model; training takes three times as many."""
        return sum(2 * n_in * n_columns for n_in, n_columns in self.products)


def build_peers() -> List[Peer]:
    """RETURNS (List[Peer]): All models, ours first. All LSTMs but Thinc's have equal weights."""
    from .foreign import build_foreign

    ours = build_ours()
    lstm = next(peer for peer in ours if peer.name == REFERENCE).model
    assert lstm is not None
    return ours + build_foreign(lstm)


def build_ours() -> List[Peer]:
    """RETURNS (List[Peer]): All cells with the engine that runs on a CPU, and the LSTM with the
    others; the LSTMs share one model."""
    fix_random_seed(0)
    models = {
        cell: initialized(RNNEncoder(cell, N_OUT, 1, bidirectional=True), N_IN) for cell in CELLS
    }
    pairs = [(ENGINE, cell) for cell in CELLS]
    pairs += [(engine, "lstm") for engine in ("numpy", "torch") if engine != ENGINE]
    return [
        Peer(
            f"{engine}-{cell}",
            models[cell],
            N_IN,
            engine,
            cell,
            is_packed=engine == "torch",
            every=1 if engine == ENGINE else EVERY_THIRD,
        )
        for engine, cell in pairs
    ]


def describe(names: List[str]) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): What each of the models is, in this order."""
    about = dict(FOREIGN)
    for name in names:
        engine, _, cell = name.partition("-")
        if name not in about:
            about[name] = f"RNNEncoder, {cell} {N_IN} -> 2x{N_HIDDEN}, {engine} engine"
    return {name: about[name] for name in names}


def clear_gradients(model: Model[Any, Any]) -> None:
    """Forget the gradients of a model, those of the torch modules in it as well."""
    for node in model.walk():
        for param in node.param_names:
            if node.has_grad(param):
                node.set_grad(param, node.get_grad(param) * 0)
    for module in torch_modules(model):
        module.zero_grad(set_to_none=True)


def torch_modules(model: Model[Any, Any]) -> Iterator[torch.nn.Module]:
    """RETURNS (Iterator[Module]): All torch modules within a Thinc model, the outermost first."""
    for node in model.walk():
        for shim in node.shims:
            yield from shim._model.modules()


def initialized(model: EncoderT, in_width: int) -> EncoderT:
    """RETURNS (Model): The model, initialized for inputs of this width."""
    return model.initialize(X=[numpy.zeros((2, in_width), dtype="float32")])
