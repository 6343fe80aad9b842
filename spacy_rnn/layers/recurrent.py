"""What all recurrent layers share: parameters, initial states, dropout, the call of the engine."""

from contextlib import nullcontext
from typing import Any, Callable, Dict, List, Optional, Tuple, cast

from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..checks import check_rate, check_width
from ..errors import Errors
from .configured import Choice
from .dropout import configured_dropout, dropout_mask, is_active
from .engines import get_engine
from .engines.base import (
    ELMAN_RELU,
    ELMAN_TANH,
    GRU,
    LSTM,
    MINGRU,
    QRNN_F,
    QRNN_FO,
    QRNN_IFO,
    Cell,
    Direction,
    StateT,
)
from .engines.summing import current_sums
from .freezing import constant, is_constant, is_frozen, no_gradient
from .initializers import InitT
from .packing import Packing, check_lengths
from .ragged import SharedRows
from .state import current_carry, drawn_mask
from .threads import one_blas_thread

InT = Ragged
OutT = Ragged
CELLS: Dict[str, Cell] = {
    cell.name: cell
    for cell in (ELMAN_TANH, ELMAN_RELU, LSTM, GRU, QRNN_F, QRNN_FO, QRNN_IFO, MINGRU)
}


def recurrent_layer(
    name: str,
    cell: Cell,
    nO: Optional[int],
    nI: Optional[int],
    *,
    init: Callable,
    dropout: float,
    recurrent_dropout: float,
    weight_dropout: float,
    train_state: bool,
    window: int = 1,
) -> Model[InT, OutT]:
    """Build the Thinc model of a recurrent layer; the constructors of the cells call it.

    name (str): Name of the layer.
    cell (Cell): Which recurrence.
    nO (Optional[int]): Width of the hidden state.
    nI (Optional[int]): Width of the input.
    init (Callable): Sets the parameters; see `init_parameters`.
    dropout, recurrent_dropout, weight_dropout (float): Rates; see `spacy_rnn.layers.LSTM`.
    train_state (bool): Whether the initial state is learned.
    window (int): How many inputs each step reads: its own and those just before it.
    RETURNS (Model[Ragged, Ragged]): The layer.
    """
    rates = dict(
        dropout=dropout, recurrent_dropout=recurrent_dropout, weight_dropout=weight_dropout
    )
    for what, rate in rates.items():
        check_rate(what, rate)
        if rate and cell.is_scan and what != "dropout":
            raise ValueError(Errors.E025.format(name=name, what=what, rate=rate))
    for what, width in (("nO", nO), ("nI", nI), ("window", window)):
        if width is not None:
            check_width(what, width)
    initial = [f"{key}0" for key in cell.states] if train_state else []
    return Model(
        name,
        forward,
        init=init,
        dims={"nO": nO, "nI": nI},
        params=dict.fromkeys([*cell.params, *initial]),
        attrs={"recurrence": Choice(cell.name), "window": window, "dropout_rate": dropout},
        # By place, not by reference: Model.copy() does not keep references.
        layers=[]
        if cell.is_scan
        else [
            configured_dropout("recurrent_dropout", recurrent_dropout),
            configured_dropout("weight_dropout", weight_dropout),
        ],
    )


def init_parameters(
    model: Model[InT, OutT],
    X: Optional[InT],
    Y: Optional[OutT],
    init_Wx: InitT,
    init_Wh: Optional[InitT] = None,
) -> None:
    """Set the dims that are missing, fill Wx and Wh gate by gate, and zero the others."""
    cell = CELLS[model.attrs["recurrence"]]
    for dim, sample in (("nI", X), ("nO", Y)):
        width = sample.dataXd.shape[-1] if sample is not None else 0
        if model.has_dim(dim) is None and width:
            model.set_dim(dim, width)
        if model.has_dim(dim) is None:
            raise ValueError(Errors.E004.format(name=model.name, dim=dim))
        if dim == "nI" and width and width != model.get_dim(dim):
            raise ValueError(
                Errors.E003.format(name=model.name, expected=model.get_dim(dim), found=width)
            )
    nO = model.get_dim("nO")
    width = model.get_dim("nI") * model.attrs["window"]
    gates = range(cell.n_gates)
    concatenate = model.ops.xp.concatenate
    model.set_param("Wx", concatenate([init_Wx(model.ops, (nO, width)) for _ in gates]))
    if init_Wh is not None:
        model.set_param("Wh", concatenate([init_Wh(model.ops, (nO, nO)) for _ in gates]))
    for param in model.param_names:
        if param not in ("Wx", "Wh"):
            model.set_param(param, model.ops.alloc1f(cell.n_gates * nO if param == "b" else nO))


def forward(model: Model[InT, OutT], Xr: InT, is_train: bool) -> Tuple[OutT, Callable]:
    """Run one layer left to right."""
    return run_layers([model], Xr, [False], is_train)


def can_share_loop(layers: List[Model[Any, Any]]) -> bool:
    """RETURNS (bool): Whether `run_layers` may run these layers in one loop."""
    first = layers[0]
    if any("recurrence" not in layer.attrs for layer in layers):
        return False
    return all(
        layer.attrs["recurrence"] == first.attrs["recurrence"]
        and layer.attrs["window"] == first.attrs["window"]
        and layer.maybe_get_dim("nO") == first.maybe_get_dim("nO")
        and layer.maybe_get_dim("nI") == first.maybe_get_dim("nI")
        and (_recurrent_rate(layer) > 0.0) == (_recurrent_rate(first) > 0.0)
        for layer in layers
    )


def run_layers(
    layers: List[Model[InT, OutT]], Xr: InT, reverse: List[bool], is_train: bool
) -> Tuple[OutT, Callable]:
    """Run layers of the same cell and width over the same input, in one loop.

    layers (List[Model]): One layer for each direction.
    Xr (Ragged): (n_tokens, nI)
    reverse (List[bool]): Which of them read each sequence from its end.
    RETURNS (Tuple[Ragged, Callable]): (n_tokens, n_layers * nO), and the callback.
    """
    ops = layers[0].ops
    X = check_rows(layers[0], Xr)
    lengths = ops.to_numpy(Xr.lengths)
    check_lengths(len(X), lengths)
    packing = Packing(lengths)
    jobs = [_Job(layer, packing.n_seqs, turn, is_train) for layer, turn in zip(layers, reverse)]
    directions = [job.direction for job in jobs]
    cell = CELLS[layers[0].attrs["recurrence"]]
    engine = get_engine(X, cell, needs_mask=directions[0].mask is not None)
    # Frozen layers below all that learn run as for a prediction, but with dropout.
    costs_nothing = is_constant(Xr) and all(job.is_constant for job in jobs)
    is_kept = is_train and not costs_nothing
    shared = {}
    if engine.TAKES_SOURCE and not is_kept and isinstance(Xr, SharedRows) and Xr.pays:
        X, shared = ops.xp.asarray(Xr.distinct, dtype=X.dtype), {"source": Xr.source}
    limit = one_blas_thread if engine.USES_BLAS else nullcontext()
    with limit:
        Y, finals, backward = engine.forward(cell, X, packing, directions, is_kept, **shared)
    for job, final in zip(jobs, finals):
        job.leave_state(final)
    masks = _output_mask(layers, Y, is_train)
    if masks is not None:
        Y *= masks
    if is_train and costs_nothing:
        nI = layers[0].get_dim("nI")
        return constant(Ragged(Y, Xr.lengths)), lambda dYr: no_gradient(ops, Xr, nI)

    def backprop(dYr: OutT) -> InT:
        if not is_train:
            raise ValueError(Errors.E010.format(name=layers[0].name))
        dY = _rows(dYr, Y.shape[1], Y.dtype, ops)
        if dY.shape != Y.shape:
            raise _gradient_error(layers[0], "the output", dY.shape, Y.shape)
        if masks is not None:
            dY = dY * masks
        with limit:
            given = [job.final_gradient() for job in jobs]
            dX, grads, d_states = backward(dY, given, not is_constant(Xr))
        sums = current_sums()
        for job, grad, d_state in zip(jobs, grads, d_states):
            job.add_gradients(grad)
            job.add_state_gradients(d_state)
            if sums is not None:
                sums.give(job.direction, job.add_gradients)
        if is_constant(Xr):
            return no_gradient(ops, Xr, layers[0].get_dim("nI"))
        return Ragged(cast(Floats2d, dX), Xr.lengths)

    return Ragged(Y, Xr.lengths), backprop


def _gradient_error(layer: Model[Any, Any], what: str, found: Any, expected: Any) -> ValueError:
    return ValueError(
        Errors.E028.format(name=layer.name, what=what, found=found, expected=expected)
    )


def _check_weights(layer: Model[Any, Any], cell: Cell, weights: Dict[str, Any]) -> None:
    """Compiled loops rely on the shapes, and anybody may set a parameter."""
    nO, nI, n_rows = layer.get_dim("nO"), layer.get_dim("nI"), cell.n_gates * layer.get_dim("nO")
    expected = {"Wx": (n_rows, layer.attrs["window"] * nI), "Wh": (n_rows, nO), "b": (n_rows,)}
    for param, value in weights.items():
        shape = expected.get(param, (nO,))
        if value.shape != shape:
            raise ValueError(
                Errors.E027.format(param=param, name=layer.name, found=value.shape, expected=shape)
            )


def check_rows(model: Model[Any, Any], Xr: Ragged) -> Floats2d:
    """RETURNS (Floats2d): (n_tokens, nI) The rows, in the type of the weights."""
    if not model.has_param("Wx"):
        raise ValueError(Errors.E024.format(name=model.name))
    nI = model.get_dim("nI")
    X = Xr.dataXd
    if X.shape[0] and (X.ndim != 2 or X.shape[1] != nI):
        raise ValueError(Errors.E003.format(name=model.name, expected=nI, found=X.shape[-1]))
    return _rows(Xr, nI, model.get_param("Wx").dtype, model.ops)


def _rows(Xr: Ragged, width: int, dtype: Any, ops: Any) -> Floats2d:
    """The rows of a Ragged; if there are none, with their width all the same."""
    if not Xr.dataXd.shape[0]:
        return cast(Floats2d, ops.xp.zeros((0, width), dtype=dtype))
    return cast(Floats2d, ops.xp.asarray(Xr.dataXd, dtype=dtype))


def _recurrent_rate(layer: Model[Any, Any]) -> float:
    if not layer.layers:
        return 0.0
    node = layer.layers[0]
    return float(node.attrs["rate"] if node.attrs["dropout_rate"] else 0.0)


def _output_mask(layers: List[Model[InT, OutT]], Y: Floats2d, is_train: bool) -> Optional[Floats2d]:
    """(n_tokens, n_layers * nO) Dropout on the outputs, or None if there is none."""
    rates = [layer.attrs["dropout_rate"] or 0.0 for layer in layers]
    if not is_train or not any(rates):
        return None
    ops = layers[0].ops
    width = Y.shape[1] // len(layers)
    masks = [dropout_mask(ops, (Y.shape[0], width), rate, Y.dtype) for rate in rates]
    return cast(Floats2d, ops.xp.concatenate(masks, axis=1))


class _Job:
    """One layer's part of a call: which weights and state go in, where gradients are added."""

    def __init__(self, layer: Model[Any, Any], n_seqs: int, reverse: bool, is_train: bool) -> None:
        self.layer = layer
        self.cell = CELLS[layer.attrs["recurrence"]]
        self.carry = current_carry()
        self.is_given = self.carry is not None and layer.id in self.carry.initial
        weights = {param: layer.get_param(param) for param in self.cell.params}
        _check_weights(layer, self.cell, weights)
        shape = (n_seqs, layer.get_dim("nO"))
        dtype = weights["Wx"].dtype
        mask = None
        if not self.cell.is_scan:
            drop_state, drop_weights = layer.layers
            weights["Wh"], self.undrop_weights = drop_weights(weights["Wh"], is_train)
            if is_active(drop_state, is_train):
                ones = layer.ops.xp.ones(shape, dtype=dtype)
                mask = drawn_mask(layer, n_seqs, lambda: drop_state(ones, is_train)[0])
        state = {key: self._initial_state(key, shape, dtype) for key in self.cell.states}
        n_before = layer.attrs["window"] - 1
        if n_before:
            shape = (n_seqs, n_before * layer.get_dim("nI"))
            state["x"] = self._initial_state("x", shape, dtype)
        self.direction = Direction(weights, state, mask, reverse)
        self.is_frozen = is_frozen(layer)

    @property
    def is_constant(self) -> bool:
        """RETURNS (bool): Whether nothing that learns takes part, beside what has made the rows. It
        may have made a state that was given."""
        return self.is_frozen and not self.is_given

    def leave_state(self, final: StateT) -> None:
        """Hand the final state to the `run` that we are in."""
        if self.carry is not None:
            self.carry.final[self.layer.id] = final

    def final_gradient(self) -> Optional[StateT]:
        """RETURNS (Optional[StateT]): The gradient of the final state, if it was given."""
        given = self.carry.d_final.get(self.layer.id) if self.carry is not None else None
        for key, gradient in (given or {}).items():
            expected = self.direction.state[key].shape if key in self.direction.state else "none"
            if gradient.shape != expected:
                raise _gradient_error(self.layer, f"the state '{key}'", gradient.shape, expected)
        return given

    def add_gradients(self, grads: Dict[str, Any]) -> None:
        """Add up what the engine found, but for weights that are frozen."""
        for param, grad in ({} if self.is_frozen else grads).items():
            self.layer.inc_grad(param, self.undrop_weights(grad) if param == "Wh" else grad)

    def add_state_gradients(self, d_state: StateT) -> None:
        """Hand on the gradient of the initial state, or add it up if it is learned."""
        if self.is_given:
            assert self.carry is not None
            self.carry.d_initial[self.layer.id] = d_state
            return
        for key in self.cell.states:
            if self.layer.has_param(f"{key}0") and not self.is_frozen:
                self.layer.inc_grad(f"{key}0", d_state[key].sum(axis=0))

    def _initial_state(self, key: str, shape: Tuple[int, int], dtype: Any) -> Floats2d:
        xp = self.layer.ops.xp
        if self.is_given:
            assert self.carry is not None
            given = self.carry.initial[self.layer.id].get(key)
            found = "nothing" if given is None else given.shape
            if found != shape:
                raise ValueError(
                    Errors.E006.format(name=self.layer.name, key=key, expected=shape, found=found)
                )
            return cast(Floats2d, xp.asarray(given, dtype=dtype))
        state = xp.zeros(shape, dtype=dtype)
        if self.layer.has_param(f"{key}0"):
            state += self.layer.get_param(f"{key}0")
        return cast(Floats2d, state)
