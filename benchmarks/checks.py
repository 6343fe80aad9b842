"""Whether the models that are compared do the same work."""

from typing import Dict, List, Tuple

import numpy

from .batches import Batch, VectorsT
from .peers import BASELINE, N_HIDDEN, N_OUT, OURS, Peer, clear_gradients
from .threads import use_threads

TOLERANCES: Dict[str, float] = {"outputs": 1e-5, "gradients": 1e-4}


@use_threads(1)
def check_same_work(peers: List[Peer], batch: Batch) -> Dict[str, float]:
    """Compare what the models compute. All LSTMs have equal weights.

    peers (List[Peer]): The models.
    batch (Batch): A ragged batch.
    RETURNS (Dict[str, float]): The largest difference from the NumPy engine's LSTM, for each other
        LSTM; of its outputs, and of the gradients of its inputs.
    RAISES (ValueError): If an output has the wrong shape, or an LSTM differs.
    """
    outputs = {peer.name: _run(peer, batch) for peer in peers}
    expected = [(length, N_OUT) for length in batch.lengths]
    for name, (Ys, _) in outputs.items():
        if [Y.shape for Y in Ys] != expected:
            raise ValueError(f"The outputs of {name} have the wrong shapes.")
    Ys, dXs = outputs[OURS]
    differences = {}
    for name in ("torch-lstm", "PyTorchLSTM-packed"):
        differences[f"{name} outputs"] = _largest(outputs[name][0], Ys)
        differences[f"{name} gradients"] = _largest(outputs[name][1], dXs)
    # Padding reaches the half that reads from the end, so only the other half can be equal.
    halves = [[Y[:, :N_HIDDEN] for Y in found] for found in (outputs[BASELINE][0], Ys)]
    differences[f"{BASELINE}'s forward half, outputs"] = _largest(*halves)
    for what, difference in differences.items():
        if not difference < TOLERANCES[what.split()[-1]]:
            raise ValueError(f"{what} differ from those of {OURS} by {difference:.2g}.")
    return differences


def _run(peer: Peer, batch: Batch) -> Tuple[VectorsT, VectorsT]:
    """Outputs and gradients of the inputs; predictions must equal the outputs in training."""
    Xs = batch.inputs[peer.in_width]
    with peer.active():
        predicted = peer.model.predict(Xs)
        Ys, backprop = peer.model.begin_update(Xs)
        dXs = backprop(batch.gradients)
    clear_gradients(peer.model)
    if not _largest(predicted, Ys) < TOLERANCES["outputs"]:
        raise ValueError(f"{peer.name} predicts something else than it trains on.")
    return Ys, dXs


def _largest(one: VectorsT, other: VectorsT) -> float:
    return float(numpy.abs(numpy.concatenate(one) - numpy.concatenate(other)).max())
