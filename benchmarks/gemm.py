"""How fast the matrix products of a layer run by themselves: what limits a recurrent layer.

Each weight matrix W (columns, width) of a layer takes one product in a forward pass, and two more
in a backward pass:

    forward   Y  = X W^T     (n, width) @ (width, columns)
    inputs    dX = dY W      (n, columns) @ (columns, width)
    weights   dW = dY^T X    (columns, n) @ (n, width)

They are measured over up to MAX_ROWS words at once, of which a core's cache holds the most part.
The loop of a layer has far fewer in each of its products, so its limit is never reached.
"""

from time import perf_counter
from typing import Any, Callable, Dict, List

import numpy
import torch

from .own_gemm import make_own_product
from .peers import Peer, ShapeT

KINDS = ("forward", "inputs", "weights")
KINDS_OF_MODE: Dict[str, List[str]] = {"inference": ["forward"], "training": list(KINDS)}
LIBRARIES: Dict[str, str] = {
    "numpy": "numpy.matmul",
    "torch": "torch.mm",
    "onednn": "torch's oneDNN",
    "own": "the numba engine's",
}
# The fastest of these is the limit of the bars: NumPy's and both of torch's ways. Without oneDNN
# it would be no limit where the others' kernels are not made for the processor.
LIMIT_LIBRARIES = ("numpy", "torch", "onednn")
MAX_ROWS = 4096
SEED = 0
# GFLOP/s by library, shape ("128x512") and kind
RatesT = Dict[str, Dict[str, Dict[str, float]]]


def gemm_tasks(shapes: List[ShapeT], n_words: int) -> Dict[str, Callable[[], float]]:
    """
    shapes (List[Tuple[int, int]]): Width and columns of the weights.
    n_words (int): Words in a batch.
    RETURNS (Dict[str, Callable]): By "library shape kind", a call that returns seconds.
    """
    tasks = {}
    for width, columns in dict.fromkeys(shapes):
        products = _products(min(n_words, MAX_ROWS), width, columns)
        for (library, kind), call in products.items():
            tasks[f"{library} {width}x{columns} {kind}"] = _timed(call)
    return tasks


def gflops(task: str, n_words: int, seconds: float) -> float:
    """RETURNS (float): 1e9 operations per second of a task of `gemm_tasks`."""
    width, columns = map(int, task.split()[1].split("x"))
    return 2.0 * min(n_words, MAX_ROWS) * width * columns / seconds / 1e9


def limits(peer: Peer, rates: RatesT, mode: str) -> Dict[str, float]:
    """
    peer (Peer): A model of ours.
    rates (RatesT): What was measured.
    mode (str): "inference" or "training".
    RETURNS (Dict[str, float]): By library, the words per second if the model did nothing but its
        products, at the measured rates. Libraries without all of the products are not in it.
    """
    found = {}
    for library, by_shape in rates.items():
        seconds = 0.0
        for width, columns in peer.products:
            by_kind = by_shape.get(f"{width}x{columns}", {})
            for kind in KINDS_OF_MODE[mode]:
                rate = by_kind.get(kind)
                seconds += 2.0 * width * columns / (rate * 1e9) if rate else float("inf")
        if 0.0 < seconds < float("inf"):
            found[library] = 1.0 / seconds
    return found


def _products(n_rows: int, width: int, columns: int) -> Dict[Any, Callable[[], Any]]:
    rng = numpy.random.default_rng(SEED)
    X = rng.standard_normal((n_rows, width), dtype="float32")
    W = rng.standard_normal((columns, width), dtype="float32")
    dY = rng.standard_normal((n_rows, columns), dtype="float32")
    Y, dX, dW = (numpy.zeros_like(array) for array in (dY, X, W))
    tX, tW, tdY, tY, tdX, tdW = (torch.from_numpy(array) for array in (X, W, dY, Y, dX, dW))
    WT = numpy.ascontiguousarray(W.T)
    tWT = torch.from_numpy(WT)
    calls: Dict[Any, Callable[[], Any]] = {
        ("numpy", "forward"): lambda: numpy.matmul(X, WT, out=Y),
        ("numpy", "inputs"): lambda: numpy.matmul(dY, W, out=dX),
        ("numpy", "weights"): lambda: numpy.matmul(dY.T, X, out=dW),
        ("torch", "forward"): lambda: torch.mm(tX, tWT, out=tY),
        ("torch", "inputs"): lambda: torch.mm(tdY, tW, out=tdX),
        ("torch", "weights"): lambda: torch.mm(tdY.T, tX, out=tdW),
    }
    if torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        product = torch.ops.mkldnn._linear_pointwise  # X, W -> X @ W.T
        calls["onednn", "forward"] = lambda: product(tX, tW, None, "none", [], "")
        calls["onednn", "inputs"] = lambda: product(tdY, tWT, None, "none", [], "")
        tXT, tdYT = tX.T.contiguous(), tdY.T.contiguous()
        calls["onednn", "weights"] = lambda: product(tdYT, tXT, None, "none", [], "")
    own = make_own_product(X, W)
    if own is not None:
        calls["own", "forward"] = own
    return calls


def _timed(call: Callable[[], Any]) -> Callable[[], float]:
    def task() -> float:
        with torch.no_grad():
            start = perf_counter()
            call()
            return perf_counter() - start

    return task
