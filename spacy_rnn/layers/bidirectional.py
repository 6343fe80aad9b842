"""Read each sequence from both ends."""

from typing import Callable, Optional, Tuple, cast

from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..errors import number_error
from .freezing import constant, is_constant
from .packing import check_lengths, reversal_index
from .recurrent import can_share_loop, run_layers

InT = Ragged
OutT = Ragged


def bidirectional(layer_fw: Model[InT, OutT], layer_bw: Model[InT, OutT]) -> Model[InT, OutT]:
    """Run one layer over each sequence and another over its reverse, and join the outputs.

    Schuster & Paliwal (1997), "Bidirectional recurrent neural networks". Each sequence is turned
    around in its own place, so nothing of its neighbours or of a padding reaches it.

    layer_fw (Model[Ragged, Ragged]): Reads left to right.
    layer_bw (Model[Ragged, Ragged]): Reads right to left; another layer, not the same one.
    RETURNS (Model[Ragged, Ragged]): (n_tokens, nI) -> (n_tokens, nO_fw + nO_bw), the forward
        half first.
    RAISES (ValueError): If one layer is given twice.
    """
    if layer_fw is layer_bw:
        raise number_error("layer_bw", "another layer than layer_fw", f"'{layer_bw.name}' twice")
    nO = None
    if layer_fw.has_dim("nO") and layer_bw.has_dim("nO"):
        nO = layer_fw.get_dim("nO") + layer_bw.get_dim("nO")
    return Model(
        f"bidirectional({layer_fw.name}, {layer_bw.name})",
        forward,
        init=init,
        dims={"nO": nO, "nI": layer_fw.maybe_get_dim("nI")},
        layers=[layer_fw, layer_bw],
        attrs={"bidirectional": True},
    )


def forward(model: Model[InT, OutT], Xr: InT, is_train: bool) -> Tuple[OutT, Callable]:
    layer_fw, layer_bw = model.layers
    if can_share_loop(model.layers):
        return run_layers([layer_fw, layer_bw], Xr, [False, True], is_train)
    xp = model.ops.xp
    # The rows, with their width if there are none.
    X = Xr.dataXd if Xr.dataXd.size else xp.zeros((0, model.get_dim("nI")), dtype=Xr.data.dtype)
    lengths = model.ops.to_numpy(Xr.lengths)
    check_lengths(len(X), lengths)
    turn = xp.asarray(reversal_index(lengths))
    both = [constant(Ragged(rows, Xr.lengths), is_constant(Xr)) for rows in (X, X[turn])]
    Y_fw, backprop_fw = layer_fw(both[0], is_train)
    Y_bw, backprop_bw = layer_bw(both[1], is_train)
    nO = layer_fw.get_dim("nO")
    Y = xp.concatenate([Y_fw.dataXd, Y_bw.dataXd[turn]], axis=1)
    Yr = constant(Ragged(Y, Xr.lengths), is_constant(Y_fw) and is_constant(Y_bw))

    def backprop(dYr: OutT) -> InT:
        dY = cast(Floats2d, dYr.dataXd.reshape((-1, model.get_dim("nO"))))
        dX_fw = backprop_fw(Ragged(xp.ascontiguousarray(dY[:, :nO]), Xr.lengths))
        dX_bw = backprop_bw(Ragged(dY[turn, nO:], Xr.lengths))
        return Ragged(dX_fw.dataXd + dX_bw.dataXd[turn], Xr.lengths)

    return Yr, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    # Y is as wide as both halves together, so it says nothing about one of them.
    for layer in model.layers:
        layer.initialize(X=X)
    model.set_dim("nO", sum(layer.get_dim("nO") for layer in model.layers))
    model.set_dim("nI", model.layers[0].get_dim("nI"))
