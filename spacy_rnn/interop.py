"""Exchange weights with `torch.nn.RNN`, `torch.nn.LSTM` and `torch.nn.GRU`.

The parameters of this package have PyTorch's gate order, so converting is copying. PyTorch keeps
two biases where one is enough; they are added up on the way in, and on the way out the second is
zero (but for the candidate of the GRU, which needs both).
"""

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Tuple

from thinc.api import Model, chain
from thinc.types import Ragged

from .errors import Errors
from .layers.bidirectional import bidirectional
from .layers.elman import Elman
from .layers.gru import GRU
from .layers.lstm import LSTM
from .layers.recurrent import CELLS

if TYPE_CHECKING:
    import torch

_CONSTRUCTORS: Dict[str, Callable[..., Model[Ragged, Ragged]]] = {
    "RNN": Elman,
    "LSTM": LSTM,
    "GRU": GRU,
}
_MODULES = {"elman_tanh": "RNN", "elman_relu": "RNN", "lstm": "LSTM", "gru": "GRU"}


def from_torch(module: "torch.nn.Module") -> Model[Ragged, Ragged]:
    """Build the layer or stack that computes what a PyTorch module does.

    module (torch.nn.Module): An `nn.RNN`, `nn.LSTM` or `nn.GRU` of any depth, in one direction or
        two. Its dropout between layers becomes the layers' dropout rate.
    RETURNS (Model[Ragged, Ragged]): (n_tokens, input_size) -> (n_tokens, directions *
        hidden_size), initialized, with a copy of the weights.
    RAISES (ValueError): For other modules, and for LSTMs with a projection.
    """
    torch = _import_torch("from_torch")
    kinds = (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU)
    is_projected = bool(getattr(module, "proj_size", 0))
    if not isinstance(module, kinds) or is_projected:
        raise ValueError(
            Errors.E012.format(
                found=f"a {type(module).__name__}" + (" with proj_size" if is_projected else ""),
                expected="an nn.RNN, nn.LSTM (proj_size=0) or nn.GRU",
                advice="Take the recurrent module out of the network that it is part of.",
            )
        )
    suffixes = ["", "_reverse"] if module.bidirectional else [""]
    stack: List[Model[Ragged, Ragged]] = []
    for i in range(module.num_layers):
        is_last = i == module.num_layers - 1
        directions = [
            _read(module, f"_l{i}{s}", 0.0 if is_last else module.dropout) for s in suffixes
        ]
        stack.append(bidirectional(*directions) if module.bidirectional else directions[0])
        if module.bidirectional:
            stack[-1].set_dim("nI", directions[0].get_dim("nI"))
    return stack[0] if len(stack) == 1 else chain(*stack)


def to_torch(model: Model[Any, Any]) -> "torch.nn.Module":
    """Build the PyTorch module that computes what a layer or stack does.

    model (Model): A recurrent layer, a bidirectional one, a chain of them, or an `RNNEncoder`
        without residual connections and layer normalization; initialized.
    RETURNS (torch.nn.Module): An `nn.RNN`, `nn.LSTM` or `nn.GRU` (batch_first=False) with a copy of
        the weights. Initial states that were trained are not part of such a module.
    RAISES (ValueError): For models that no such module can represent.
    """
    torch = _import_torch("to_torch")
    layers = _layers(model)
    kinds = {d.attrs["recurrence"] for layer in layers for d in layer}
    widths = {d.get_dim("nO") for layer in layers for d in layer}
    n_directions = {len(layer) for layer in layers}
    if len(kinds) != 1 or len(widths) != 1 or len(n_directions) != 1:
        raise _not_convertible(
            model, "layers of one cell, one width and one number of directions throughout"
        )
    kind, width = kinds.pop(), widths.pop()
    if kind not in _MODULES:
        raise _not_convertible(model, "a cell that PyTorch has: Elman, LSTM or GRU")
    options: Dict[str, Any] = {"bidirectional": n_directions.pop() == 2}
    if kind.startswith("elman"):
        options["nonlinearity"] = kind.split("_")[1]
    if len(layers) > 1:
        options["dropout"] = float(layers[0][0].attrs["dropout_rate"] or 0.0)
    module = getattr(torch.nn, _MODULES[kind])(
        layers[0][0].get_dim("nI"), width, num_layers=len(layers), **options
    )
    for i, layer in enumerate(layers):
        for direction, suffix in zip(layer, ["", "_reverse"]):
            _write(direction, module, f"_l{i}{suffix}")
    return module


def _read(module: Any, suffix: str, dropout: float) -> Model[Ragged, Ragged]:
    """One direction of one layer of a module."""
    name = type(module).__name__
    options: Dict[str, Any] = {"dropout": dropout}
    if name == "RNN":
        options["activation"] = module.nonlinearity
    W = {key: _to_numpy(getattr(module, f"weight_{key}{suffix}")) for key in ("ih", "hh")}
    nO = module.hidden_size
    layer = _CONSTRUCTORS[name](nO, W["ih"].shape[1], **options)
    layer.initialize()
    asarray: Any = layer.ops.asarray
    layer.set_param("Wx", asarray(W["ih"]))
    layer.set_param("Wh", asarray(W["hh"]))
    if not module.bias:
        layer.set_param("b", layer.ops.alloc1f(len(W["ih"])))
        return layer
    b, bh = (_to_numpy(getattr(module, f"bias_{key}{suffix}")) for key in ("ih", "hh"))
    if name == "GRU":
        layer.set_param("bh", asarray(bh[2 * nO :].copy()))
        bh[2 * nO :] = 0.0
    layer.set_param("b", asarray(b + bh))
    return layer


def _write(layer: Model[Any, Any], module: Any, suffix: str) -> None:
    import torch

    b = layer.ops.to_numpy(layer.get_param("b"))
    bh = b * 0
    if layer.has_param("bh"):
        bh[-layer.get_dim("nO") :] = layer.ops.to_numpy(layer.get_param("bh"))
    values = {
        "weight_ih": layer.ops.to_numpy(layer.get_param("Wx")),
        "weight_hh": layer.ops.to_numpy(layer.get_param("Wh")),
        "bias_ih": b,
        "bias_hh": bh,
    }
    with torch.no_grad():
        for key, value in values.items():
            getattr(module, f"{key}{suffix}").copy_(torch.from_numpy(value.copy()))


def _layers(model: Model[Any, Any]) -> List[Tuple[Model[Any, Any], ...]]:
    """The directions of each layer, from the bottom up."""
    if "recurrence" in model.attrs:
        if any(not model.has_param(param) for param in CELLS[model.attrs["recurrence"]].params):
            raise _not_convertible(model, "an initialized model")
        return [(model,)]
    if len(model.layers) > 1 and model.name == ">>".join(layer.name for layer in model.layers):
        return [directions for layer in model.layers for directions in _layers(layer)]
    if model.name.startswith("bidirectional("):
        return [tuple(_layers(layer)[0][0] for layer in model.layers)]
    if model.name.startswith("with_ragged("):
        return _layers(model.layers[0])
    raise _not_convertible(model, "recurrent layers, alone, bidirectional or chained")


def _not_convertible(model: Model[Any, Any], expected: str) -> ValueError:
    return ValueError(
        Errors.E012.format(
            found=f"the model '{model.name}'",
            expected=expected,
            advice="Convert its recurrent layers one by one instead.",
        )
    )


def _to_numpy(parameter: Any) -> Any:
    return parameter.detach().cpu().numpy().astype("float32")


def _import_torch(what: str) -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError(
            Errors.E008.format(what=f"spacy_rnn.interop.{what}", module="torch", extra="torch")
        ) from None
    return torch
