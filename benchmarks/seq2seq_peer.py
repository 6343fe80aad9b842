"""The encoder-decoder of `spacy-rnn.Seq2Seq.v1` in plain PyTorch, with the weights of ours."""

from typing import Any, Dict, List, Tuple, cast

import numpy
import torch
from thinc.api import Model
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from spacy_rnn.layers.decoder import parts as decoder_parts
from spacy_rnn.models.seq2seq import parts

PADDING = -100


class Torchs(torch.nn.Module):
    """A bidirectional LSTM that reads, and an LSTM with multiplicative attention and input feeding
    that writes. It reads padded batches: cuDNN's layout for the encoder, one `LSTMCell` call a step
    for the decoder over the sequences that are not at their end yet, one softmax for all steps.

    model (Model): Ours, of one layer, whose weights it takes.
    """

    def __init__(self, model: Model[Any, Any]) -> None:
        super().__init__()
        embed, _, encoder, _, start, decoder = parts(model)
        assert encoder is not None
        inner = decoder_parts(decoder)
        forward, backward = encoder.layers[0].layers
        width = decoder.get_dim("nO")
        self.source = _embedding(embed)
        self.target = _embedding(inner.embed)
        nE = inner.embed.get_dim("nO")
        self.encoder = torch.nn.LSTM(nE, width // 2, bidirectional=True)
        self.cell = torch.nn.LSTMCell(nE + width, width)
        for suffix, layer in (("l0", forward), ("l0_reverse", backward)):
            _set_lstm(self.encoder, suffix, layer)
        _set_lstm(self.cell, "", inner.cells)
        self.start = _linear(start, "W", "b")
        self.key = _linear(inner.attention, "K", None)
        self.join = _linear(decoder, "C", "c")
        self.output = _linear(inner.output, "W", "b")

    def prepare(self, sources: List[Any], targets: List[Any]) -> Tuple[Any, ...]:
        """RETURNS (Tuple): Padded units step by step, and lengths; by falling length of the
        targets, so that those that are still written are the first."""
        order = sorted(range(len(targets)), key=lambda i: -len(targets[i]))
        lengths = torch.tensor([len(sources[i]) for i in order])
        read = _padded([sources[i] for i in order], 0)
        wanted = _padded([targets[i] for i in order], PADDING)
        n_active = [int(n) for n in (wanted != PADDING).sum(dim=1)]
        return read, lengths, wanted, n_active

    def forward(self, read: Any, lengths: Any, wanted: Any, n_active: List[int]) -> Any:
        """RETURNS (Tensor): The mean loss of a unit, in nats."""
        packed = pack_padded_sequence(self.source(read), lengths, enforce_sorted=False)
        states, (ends, _) = self.encoder(packed)
        values, _ = pad_packed_sequence(states, batch_first=True)
        # Where both readings have ended.
        h, c = self.start(torch.cat([ends[0], ends[1]], dim=1)).chunk(2, dim=1)
        keys = self.key(values)
        absent = torch.arange(values.shape[1])[None] >= lengths[:, None]
        fed = torch.zeros_like(h)
        before = torch.zeros(wanted.shape[1], dtype=torch.int64)
        found = []
        for t, n in enumerate(n_active):
            X = torch.cat([self.target(before[:n]), fed[:n]], dim=1)
            h, c = self.cell(X, (h[:n], c[:n]))
            scores = torch.bmm(keys[:n], h[:, :, None])[:, :, 0].masked_fill(absent[:n], -1e9)
            context = torch.bmm(scores.softmax(dim=1)[:, None], values[:n])[:, 0]
            fed = torch.tanh(self.join(torch.cat([h, context], dim=1)))
            found.append(fed)
            before = wanted[t]
        units = torch.cat([wanted[t, :n] for t, n in enumerate(n_active)])
        return functional.cross_entropy(self.output(torch.cat(found)), units)

    def gradients(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, numpy.ndarray]): Of one weight of each part, by its name."""
        weights = {
            "source": self.source.weight,
            "target": self.target.weight,
            "encoder": self.encoder.weight_hh_l0_reverse,
            "cell": self.cell.weight_ih,
            "start": self.start.weight,
            "key": self.key.weight,
            "join": self.join.weight,
            "output": self.output.weight,
        }
        return {name: cast(Any, weight.grad).numpy() for name, weight in weights.items()}


def our_gradients(model: Model[Any, Any]) -> Dict[str, Any]:
    """RETURNS (Dict[str, numpy.ndarray]): Of the same weights."""
    embed, _, encoder, _, start, decoder = parts(model)
    assert encoder is not None
    inner = decoder_parts(decoder)
    return {
        "source": embed.get_grad("E"),
        "target": inner.embed.get_grad("E"),
        "encoder": encoder.layers[0].layers[1].get_grad("Wh"),
        "cell": inner.cells.get_grad("Wx"),
        "start": start.get_grad("W"),
        "key": inner.attention.get_grad("K"),
        "join": decoder.get_grad("C"),
        "output": inner.output.get_grad("W"),
    }


def _tensor(layer: Model[Any, Any], name: str) -> torch.Tensor:
    return torch.tensor(numpy.array(layer.get_param(name)))


def _embedding(layer: Model[Any, Any]) -> torch.nn.Embedding:
    return torch.nn.Embedding.from_pretrained(_tensor(layer, "E"), freeze=False)


def _linear(layer: Model[Any, Any], weight: str, bias: Any) -> torch.nn.Linear:
    W = _tensor(layer, weight)
    found = torch.nn.Linear(W.shape[1], W.shape[0], bias=bias is not None)
    found.weight.data = W
    if bias is not None:
        found.bias.data = _tensor(layer, bias)
    return found


def _set_lstm(module: torch.nn.Module, suffix: str, layer: Model[Any, Any]) -> None:
    end = f"_{suffix}" if suffix else ""
    for name, param in (("weight_ih", "Wx"), ("weight_hh", "Wh"), ("bias_ih", "b")):
        getattr(module, f"{name}{end}").data = _tensor(layer, param)
    getattr(module, f"bias_hh{end}").data.zero_()


def _padded(sequences: List[Any], padding: int) -> torch.Tensor:
    tensors = [torch.tensor(numpy.asarray(units, dtype="int64")) for units in sequences]
    return torch.nn.utils.rnn.pad_sequence(tensors, padding_value=padding)
