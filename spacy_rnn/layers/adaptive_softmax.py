"""The adaptive softmax: frequent units first, rare ones in clusters behind them."""

from itertools import pairwise
from typing import Any, List, Optional, Sequence, Tuple, cast

from thinc.api import Model, glorot_uniform_init
from thinc.types import Floats1d, Floats2d, Ints1d

from ..errors import Errors, number_error
from .embedding import uniform
from .gradients import gradient_of
from .softmax import (
    InT,
    OutT,
    block_gradient,
    block_loss,
    check_dims,
    is_tied,
    log_softmax,
    output_layer,
    weights_of,
)


def AdaptiveSoftmax(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    cutoffs: Sequence[int] = (2000, 6000),
    factor: float = 1.0,
) -> Model[InT, OutT]:
    """A softmax in two steps, for vocabularies in order of falling frequency: over the frequent
    units and one symbol for each cluster of the others, and then within the cluster.

        p(u | h) = p(u | h) in the head            for u < cutoffs[0]
                 = p(cluster | h) p(u | cluster, h) for the others

    Grave et al. (2017), "Efficient softmax approximation for GPUs". It is no approximation: the
    probabilities of all units sum to 1. Parameters: W (nO, nI), unless it is tied to an embedding's
    E, b (nO,), and for the clusters C (n_clusters, nI) and c (n_clusters,). With a factor above 1
    each cluster k has a projection P_k (nI / factor^k, nI) and weights W_k of that width instead of
    its rows of W.

    nO (Optional[int]): Size of the vocabulary.
    nI (Optional[int]): Width of the hidden state.
    cutoffs (Sequence[int]): Where clusters begin, rising. Those that are not below nO are left out.
        Recommended: an eighth and a third of the vocabulary.
    factor (float): By how much each cluster is narrower than the one before. At 1 all have the full
        width, and are as exact as the full softmax; 4 is the paper's.
    RETURNS (Model[Tuple[Floats2d, Ints1d], Floats1d]): Hidden states (n, nI) and the units that
        follow them (n,) -> their losses in nats (n,).
    RAISES (ValueError): If the cutoffs do not rise, or the factor is below 1.
    """
    cutoffs = list(cutoffs)
    if not cutoffs or cutoffs[0] < 1 or cutoffs != sorted(set(cutoffs)):
        raise number_error("cutoffs", "a list of rising positive numbers", cutoffs)
    if factor < 1.0:
        raise number_error("factor", "at least 1", factor)
    params: dict = {"W": None, "b": None, "C": None, "c": None}
    if factor > 1.0:
        for k in range(1, len(cutoffs) + 1):
            params[f"P{k}"] = params[f"W{k}"] = None
    return output_layer(
        "adaptive_softmax", nO, nI, params, init, cutoffs=cutoffs, factor=float(factor)
    )


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    check_dims(model)
    ops, nO, nI = model.ops, model.get_dim("nO"), model.get_dim("nI")
    bounds = cluster_bounds(model)
    n_clusters = len(bounds) - 2
    model.set_param("b", ops.alloc1f(nO))
    model.set_param("c", ops.alloc1f(n_clusters))
    model.set_param("C", uniform(ops, (n_clusters, nI)))
    n_own = nO if model.attrs["factor"] == 1.0 else bounds[1]
    if not is_tied(model):
        model.set_param("W", uniform(ops, (n_own, nI)))
    if model.attrs["factor"] > 1.0:
        for k in range(1, len(model.attrs["cutoffs"]) + 1):
            # Those of a larger vocabulary that was there before; most are made again.
            model.set_param(f"P{k}", None)
            model.set_param(f"W{k}", None)
        for k, (first, end) in enumerate(pairwise(bounds[1:]), start=1):
            width = max(1, int(nI / model.attrs["factor"] ** k))
            model.set_param(f"P{k}", glorot_uniform_init(ops, (width, nI)))
            model.set_param(f"W{k}", uniform(ops, (end - first, width)))


def cluster_bounds(model: Model[InT, OutT]) -> List[int]:
    """RETURNS (List[int]): 0, where each cluster begins, and the size of the vocabulary."""
    nO = model.get_dim("nO")
    return [0, *(cut for cut in model.attrs["cutoffs"] if cut < nO), nO]


class AdaptiveKind:
    """How the losses of an adaptive softmax are found."""

    @staticmethod
    def loss(model: Model[InT, OutT], H: Floats2d, targets: Ints1d) -> Floats1d:
        head = _Head(model)
        losses = block_loss(model.ops, H, head.W, head.b, head.targets(targets))
        for cluster in _clusters(model, targets):
            Z = cluster.project(H[cluster.rows])
            losses[cluster.rows] += block_loss(model.ops, Z, cluster.W, cluster.b, cluster.targets)
        return losses

    @staticmethod
    def loss_and_gradient(
        model: Model[InT, OutT], H: Floats2d, targets: Ints1d, weights: Floats1d
    ) -> Tuple[Floats1d, Floats2d]:
        ops, head = model.ops, _Head(model)
        dW, db = ops.xp.zeros_like(head.W), ops.xp.zeros_like(head.b)
        losses, dH = block_gradient(ops, H, head.W, head.b, head.targets(targets), weights, dW, db)
        head.add_gradient(dW, db)
        for cluster in _clusters(model, targets):
            Hk = H[cluster.rows]
            Zk = cluster.project(Hk)
            found, dZ = block_gradient(
                ops,
                Zk,
                cluster.W,
                cluster.b,
                cluster.targets,
                weights[cluster.rows],
                cluster.dW,
                cluster.db,
            )
            losses[cluster.rows] += found
            dH[cluster.rows] += cluster.backprop_project(Hk, dZ)
        return losses, dH

    @staticmethod
    def log_probs(model: Model[InT, OutT], H: Floats2d) -> Floats2d:
        xp, bounds = model.ops.xp, cluster_bounds(model)
        node, name = weights_of(model)
        W, b = node.get_param(name)[: bounds[1]], model.get_param("b")[: bounds[1]]
        # Not by `_Head`, which copies W: for few rows that takes as long as the product.
        frequent = H @ W.T + b
        clusters = H @ model.get_param("C").T + model.get_param("c")
        first = log_softmax(xp, xp.concatenate([frequent, clusters], axis=1))
        parts = [first[:, : bounds[1]]]
        for k in range(1, len(bounds) - 1):
            cluster = _Cluster(model, k, bounds[k], bounds[k + 1])
            within = log_softmax(xp, cluster.project(H) @ cluster.W.T + cluster.b)
            parts.append(within + first[:, bounds[1] + k - 1 : bounds[1] + k])
        return cast(Floats2d, xp.concatenate(parts, axis=1))


class _Head:
    """The frequent units, and one symbol for each cluster.

    W (Floats2d): (cutoffs[0] + n_clusters, nI)
    b (Floats1d): (cutoffs[0] + n_clusters,)
    """

    def __init__(self, model: Model[InT, OutT]) -> None:
        xp = model.ops.xp
        self.model, self.bounds = model, cluster_bounds(model)
        self.node, self.name = weights_of(model)
        n = self.bounds[1]
        self.W: Any = xp.concatenate([self.node.get_param(self.name)[:n], model.get_param("C")])
        self.b: Any = xp.concatenate([model.get_param("b")[:n], model.get_param("c")])

    def targets(self, targets: Ints1d) -> Ints1d:
        """RETURNS (Ints1d): (n,) For units of a cluster, its symbol."""
        xp, n = self.model.ops.xp, self.bounds[1]
        cuts = xp.asarray(self.bounds[1:-1])
        cluster = xp.searchsorted(cuts, targets, side="right")
        return cast(Ints1d, xp.where(cluster == 0, targets, n - 1 + cluster))

    def add_gradient(self, dW: Floats2d, db: Floats1d) -> None:
        n = self.bounds[1]
        gradient_of(self.node, self.name)[:n] += dW[:n]
        gradient_of(self.model, "b")[:n] += db[:n]
        gradient_of(self.model, "C")[...] += dW[n:]
        gradient_of(self.model, "c")[...] += db[n:]


class _Cluster:
    """The units of a cluster, and the rows of a batch that are followed by one of them."""

    def __init__(self, model: Model[InT, OutT], k: int, first: int, end: int) -> None:
        self.model, self.k, self.first, self.end = model, k, first, end
        self.is_narrow = model.attrs["factor"] > 1.0
        self.b: Any = model.get_param("b")[first:end]
        node, name = weights_of(model)
        self.W: Any = (
            model.get_param(f"W{k}") if self.is_narrow else node.get_param(name)[first:end]
        )
        self.rows: Any = None
        self.targets: Any = None

    @property
    def dW(self) -> Any:
        """(n_units, width) Where the gradient of W is added up."""
        if self.is_narrow:
            return gradient_of(self.model, f"W{self.k}")
        node, name = weights_of(self.model)
        return gradient_of(node, name)[self.first : self.end]

    @property
    def db(self) -> Any:
        """(n_units,) Where the gradient of b is added up."""
        return gradient_of(self.model, "b")[self.first : self.end]

    def project(self, H: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): (n, width)"""
        return H @ self.model.get_param(f"P{self.k}").T if self.is_narrow else H

    def backprop_project(self, H: Floats2d, dZ: Floats2d) -> Floats2d:
        """RETURNS (Floats2d): (n, nI)"""
        if not self.is_narrow:
            return dZ
        self.model.inc_grad(f"P{self.k}", dZ.T @ H)
        return cast(Floats2d, dZ @ self.model.get_param(f"P{self.k}"))


def _clusters(model: Model[InT, OutT], targets: Ints1d) -> List[_Cluster]:
    """RETURNS (List[_Cluster]): Those that the targets are in."""
    xp, bounds = model.ops.xp, cluster_bounds(model)
    found = []
    for k in range(1, len(bounds) - 1):
        rows = xp.nonzero((targets >= bounds[k]) & (targets < bounds[k + 1]))[0]
        if len(rows):
            cluster = _Cluster(model, k, bounds[k], bounds[k + 1])
            cluster.rows, cluster.targets = rows, targets[rows] - bounds[k]
            found.append(cluster)
    return found


def check_vocabulary_size(model: Model[InT, OutT], n_old: int, n_new: int) -> None:
    """Raise an error if units cannot be added behind the others: with narrow clusters the last one
    must be there already."""
    cuts = model.attrs["cutoffs"]
    if [cut for cut in cuts if cut < n_old] != [cut for cut in cuts if cut < n_new]:
        raise ValueError(Errors.E064.format(n_old=n_old, n_new=n_new, cutoffs=cuts))
