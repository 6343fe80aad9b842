"""Whether the models that are compared do the same work."""

from typing import Dict, List, Tuple

import numpy

from spacy_rnn.layers import use_engine

from .batches import Batch, VectorsT
from .peers import (
    BASELINE,
    BUCKETED,
    FLAIR,
    N_HIDDEN,
    N_OUT,
    PACKED,
    REFERENCE,
    Peer,
)
from .threads import use_threads

TOLERANCES: Dict[str, float] = {"outputs": 1e-5, "gradients": 1e-4}


@use_threads(1)
def check_same_work(peers: List[Peer], batch: Batch) -> Dict[str, float]:
    """Compare what the models compute. All LSTMs but Thinc's have equal weights.

    peers (List[Peer]): The models.
    batch (Batch): A ragged batch.
    RETURNS (Dict[str, float]): The largest difference from the NumPy engine: of each other model of
        ours, and of the other LSTMs; of the outputs, and of the gradients of the inputs.
    RAISES (ValueError): If an output has the wrong shape, or a model differs.
    """
    found = {peer.name: _run(peer, batch) for peer in peers}
    expected = [(length, N_OUT) for length in batch.lengths]
    for peer in peers:
        if peer.has_tokens and [Y.shape for Y in found[peer.name][0]] != expected:
            raise ValueError(f"The outputs of {peer.name} have the wrong shapes.")
    differences: Dict[str, float] = {}
    for peer in peers:
        if peer.cell and peer.engine != "numpy":
            with use_engine("numpy"):
                Ys, dXs = peer.train(peer.prepare(batch), batch.gradients)
            peer.clear_gradients()
            _compare(differences, peer.name, found[peer.name], (Ys, dXs))
    for name in (BUCKETED, PACKED):
        if name in found:
            _compare(differences, name, found[name], found[REFERENCE])
    reference = found[REFERENCE][0]
    if BASELINE in found:
        # Padding reaches the half that reads from the end, so only the other half can be equal.
        halves = [[Y[:, :N_HIDDEN] for Y in Ys] for Ys in (found[BASELINE][0], reference)]
        differences[f"{BASELINE}'s forward half, outputs"] = _largest(*halves)
    if FLAIR in found:
        ends = [numpy.concatenate([Y[0], Y[-1]])[None] for Y in reference]
        differences[f"{FLAIR} outputs"] = _largest(found[FLAIR][0], ends)
    for what, difference in differences.items():
        if not difference < TOLERANCES[what.split()[-1]]:
            raise ValueError(f"{what} differ from the NumPy engine's by {difference:.2g}.")
    return differences


def _compare(
    differences: Dict[str, float],
    name: str,
    found: Tuple[VectorsT, VectorsT],
    expected: Tuple[VectorsT, VectorsT],
) -> None:
    for what, one, other in zip(("outputs", "gradients"), found, expected):
        differences[f"{name} {what}"] = _largest(one, other)


def _run(peer: Peer, batch: Batch) -> Tuple[VectorsT, VectorsT]:
    """Outputs and gradients of the inputs; predictions must equal the outputs in training."""
    Xs = peer.prepare(batch)
    with peer.active():
        predicted = peer.predict(Xs)
        Ys, dXs = peer.train(Xs, batch.gradients)
    peer.clear_gradients()
    if not _largest(predicted, Ys) < TOLERANCES["outputs"]:
        raise ValueError(f"{peer.name} predicts something else than it trains on.")
    return Ys, dXs


def _largest(one: VectorsT, other: VectorsT) -> float:
    return float(numpy.abs(numpy.concatenate(one) - numpy.concatenate(other)).max())
