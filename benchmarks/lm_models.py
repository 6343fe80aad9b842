"""The language models that are compared: ours, and plain PyTorch's of the same architecture."""

from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, List, Optional, Protocol, Tuple, cast

import numpy
import torch
from thinc.api import Model, fix_random_seed
from torch.nn import functional

from spacy_rnn.layers.adaptive_softmax import AdaptiveSoftmax
from spacy_rnn.models.language_model import LanguageModel
from spacy_rnn.models.lm_parts import set_vocabulary
from spacy_rnn.models.reading import step
from spacy_rnn.models.vocabulary import Vocabulary
from spacy_rnn.training.optimizers import Adam
from spacy_rnn.training.steps import StepStats, finish_update

from .lm_data import Batch
from .peers import clear_gradients

LEARN_RATE = 0.001
CLIP_NORM = 0.5
TORCH = "PyTorch LSTM"
TORCH_ADAPTIVE = "PyTorch LSTM, adaptive"
LSTM = "spacy-rnn LSTM"
LSTM_ADAPTIVE = "spacy-rnn LSTM, adaptive"
QRNN = "spacy-rnn QRNN"
ABOUT: Dict[str, str] = {
    TORCH: "nn.Embedding, nn.LSTM, nn.Linear, tied if ours is, cross_entropy, clip_grad_norm_, "
    "Adam(fused=True); the state is carried on, detached",
    TORCH_ADAPTIVE: "the same with nn.AdaptiveLogSoftmaxWithLoss, which can't be tied",
    LSTM: "LanguageModel with Softmax and Adam; equal in weights to PyTorch's at the beginning",
    LSTM_ADAPTIVE: "the same with AdaptiveSoftmax, of the full width and tied",
    QRNN: "LanguageModel with a QRNN instead of the LSTM",
}
NAMES: Dict[str, List[str]] = {
    "word": [TORCH, TORCH_ADAPTIVE, LSTM, LSTM_ADAPTIVE],
    "char": [TORCH, LSTM, QRNN],
}


@dataclass(frozen=True)
class Setting:
    """A model and its batches.

    unit (str): "word" or "char".
    width (int): Of the one recurrent layer.
    embed_width (int): Of the embedding.
    tied (bool): Whether the output has the embedding's weights.
    n_streams (int): Windows in a batch.
    bptt (int): Units in a window.
    """

    unit: str
    width: int
    embed_width: int
    tied: bool
    n_streams: int
    bptt: int

    @property
    def title(self) -> str:
        return f"{self.width} wide, {self.n_streams} x {self.bptt}"

    @property
    def n_units(self) -> int:
        """RETURNS (int): Units in a batch."""
        return self.n_streams * self.bptt

    def as_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Plain data."""
        return {**asdict(self), "title": self.title}


class Peer(Protocol):
    """One model in the comparison, with its optimizer and the state of its streams."""

    def prepare(self, batch: Batch) -> Any:
        """RETURNS (Any): What `step` takes; not timed."""

    def step(self, prepared: Any) -> float:
        """Take a whole step of training.

        RETURNS (float): The mean loss before it, in nats.
        """


class Ours:
    """A `LanguageModel`, without spaCy's documents around it.

    cell (str): The recurrent layer.
    softmax (Optional[Model]): The output layer; None for the full softmax.
    """

    def __init__(
        self,
        setting: Setting,
        vocabulary: Vocabulary,
        cell: str = "lstm",
        softmax: Optional[Model[Any, Any]] = None,
    ) -> None:
        fix_random_seed(0)
        self.model = LanguageModel(**model_settings(setting, cell), softmax=softmax)
        set_vocabulary(self.model, vocabulary)
        self.model.initialize()
        self.optimizer = Adam(LEARN_RATE, clip_norm=CLIP_NORM)
        self.stats = StepStats()
        self.state: Any = None

    def prepare(self, batch: Batch) -> Any:
        n_streams, bptt = batch.inputs.shape
        n = n_streams * bptt
        weights = numpy.full(n, 1.0 / n, dtype="float32")
        lengths = numpy.full(n_streams, bptt, dtype="int32")
        return batch.inputs.reshape(-1), batch.targets.reshape(-1), lengths, weights

    def backward(self, prepared: Any) -> float:
        """RETURNS (float): The mean loss; the gradients are left with the model."""
        inputs, targets, lengths, weights = prepared
        found = step(self.model, inputs, targets, lengths, self.state, weights)
        self.state = found.state
        return float(cast(Any, found.losses).mean())

    def step(self, prepared: Any) -> float:
        loss = self.backward(prepared)
        finish_update(self.model, self.optimizer, self.stats)
        return loss


class Torchs(torch.nn.Module):
    """A plain language model in PyTorch.

    cutoffs (Optional[List[int]]): Of an adaptive softmax; None for the full softmax.
    """

    def __init__(
        self, setting: Setting, n_symbols: int, cutoffs: Optional[List[int]] = None
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = torch.nn.Embedding(n_symbols, setting.embed_width)
        self.lstm = torch.nn.LSTM(setting.embed_width, setting.width)
        self.adaptive = self.decoder = None
        if cutoffs is not None:
            self.adaptive = torch.nn.AdaptiveLogSoftmaxWithLoss(
                setting.width, n_symbols, cutoffs, div_value=1.0, head_bias=True
            )
        else:
            self.decoder = torch.nn.Linear(setting.width, n_symbols)
            if setting.tied:
                self.decoder.weight = self.embedding.weight
        self.optimizer = torch.optim.Adam(self.parameters(), LEARN_RATE, fused=True)
        self.state: Any = None

    def prepare(self, batch: Batch) -> Any:
        # Step by step, as nn.LSTM reads it if nothing else is said.
        return tuple(
            torch.from_numpy(numpy.ascontiguousarray(ids.T, dtype="int64"))
            for ids in (batch.inputs, batch.targets)
        )

    def backward(self, prepared: Any) -> float:
        """RETURNS (float): The mean loss; the gradients are left with the parameters."""
        inputs, targets = prepared
        hidden, state = self.lstm(self.embedding(inputs), self.state)
        self.state = tuple(part.detach() for part in state)
        hidden, targets = hidden.flatten(0, 1), targets.flatten()
        if self.decoder is None:
            loss = self.adaptive(hidden, targets).loss  # type: ignore[misc]
        else:
            loss = functional.cross_entropy(self.decoder(hidden), targets)
        self.optimizer.zero_grad()
        loss.backward()
        return float(loss.item())

    def step(self, prepared: Any) -> float:
        loss = self.backward(prepared)
        torch.nn.utils.clip_grad_norm_(self.parameters(), CLIP_NORM)
        self.optimizer.step()
        return loss


def model_settings(setting: Setting, cell: str) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The arguments of `LanguageModel`, all but the softmax."""
    return {
        "unit": setting.unit,
        "cell": cell,
        "width": setting.width,
        "embed_width": setting.embed_width,
        "tied": setting.tied,
    }


def adaptive_cutoffs(n_symbols: int) -> List[int]:
    """RETURNS (List[int]): Those of configs/lm_word.cfg, if there are enough words."""
    return [2000, 6000] if n_symbols > 9000 else [n_symbols // 8, n_symbols // 3]


def build_models(
    setting: Setting, vocabulary: Vocabulary
) -> Tuple[Dict[str, Peer], Dict[str, float]]:
    """Build all models of a setting.

    RETURNS (Tuple[Dict[str, Peer], Dict[str, float]]): The models by their names, and by what was
        compared how far ours and PyTorch's were apart; see `check`.
    """
    n = len(vocabulary)
    cutoffs = adaptive_cutoffs(n)
    builders: Dict[str, Callable[[], Peer]] = {
        TORCH: lambda: Torchs(setting, n),
        TORCH_ADAPTIVE: lambda: Torchs(setting, n, cutoffs),
        LSTM: lambda: Ours(setting, vocabulary),
        LSTM_ADAPTIVE: lambda: Ours(setting, vocabulary, softmax=AdaptiveSoftmax(cutoffs=cutoffs)),
        QRNN: lambda: Ours(setting, vocabulary, cell="qrnn"),
    }
    models = {name: builders[name]() for name in NAMES[setting.unit]}
    ours, theirs = models[LSTM], models[TORCH]
    assert isinstance(ours, Ours)
    assert isinstance(theirs, Torchs)
    return models, check(ours, theirs, setting, n)


def check(ours: Ours, theirs: Torchs, setting: Setting, n_symbols: int) -> Dict[str, float]:
    """Give PyTorch's model the weights of ours, and compare what both make of a batch.

    RETURNS (Dict[str, float]): The relative difference of the "loss", and the largest one of the
        gradients' "gradients" by the norm of each.
    RAISES (ValueError): If they are more apart than single precision explains.
    """
    pairs = shared_parameters(ours, theirs)
    with torch.no_grad():
        for node, name, parameter in pairs:
            parameter.copy_(torch.from_numpy(node.get_param(name)))
        cast(Any, theirs.lstm).bias_hh_l0.zero_()  # one of its two biases is superfluous
    ids = numpy.random.default_rng(0).integers(0, n_symbols, (setting.n_streams, setting.bptt + 1))
    batch = Batch(ids[:, :-1].astype("int32"), ids[:, 1:].astype("int32"))
    losses = [peer.backward(peer.prepare(batch)) for peer in (ours, theirs)]
    apart = {"loss": abs(losses[0] / losses[1] - 1.0), "gradients": 0.0}
    for node, name, parameter in pairs:
        expected = parameter.grad.numpy()
        size = float(numpy.linalg.norm(node.get_grad(name) - expected))
        apart["gradients"] = max(
            apart["gradients"], size / max(float(numpy.linalg.norm(expected)), 1e-12)
        )
    clear_gradients(ours.model)
    ours.state = theirs.state = None
    if apart["loss"] > 1e-4 or apart["gradients"] > 1e-3:
        raise ValueError(f"Ours and PyTorch's are not the same model in {setting.title}: {apart}")
    return apart


def shared_parameters(ours: Ours, theirs: Torchs) -> List[Tuple[Model[Any, Any], str, Any]]:
    """RETURNS (List[Tuple[Model, str, Parameter]]): A node and the name of its parameter, and
    PyTorch's."""
    assert theirs.decoder is not None
    embed, *_, lstm = ours.model.layers[0].layers
    output = ours.model.layers[2]
    pairs = [
        (embed, "E", theirs.embedding.weight),
        (lstm, "Wx", theirs.lstm.weight_ih_l0),
        (lstm, "Wh", theirs.lstm.weight_hh_l0),
        (lstm, "b", theirs.lstm.bias_ih_l0),
        (output, "b", theirs.decoder.bias),
    ]
    if not output.layers:
        pairs.append((output, "W", theirs.decoder.weight))
    return pairs
