"""The torch engine against bare cuDNN: what the way from a Ragged to the kernel and back costs. And
for the cells that cuDNN lacks, our CUDA kernel against a loop of torch's operations.

Both read the same rows of the same texts by the same weights, forward and backward. One takes a
Ragged of CuPy arrays; the other is `torch.nn.LSTM` over a PackedSequence, packed beforehand,
which is the least that cuDNN's kernels can take. Without a GPU the same code runs on the CPU, which
only shows that it works.
"""

from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import Any, Callable, ContextManager, Dict, List

import numpy
import torch
from thinc.api import Model, NumpyOps, Ops, Ragged, fix_random_seed, get_ops, use_ops
from torch.nn.utils.rnn import PackedSequence
from tqdm import tqdm

from spacy_rnn.interop import to_torch
from spacy_rnn.layers import LSTM, QRNN, MinGRU, bidirectional, use_engine

from .batches import MEAN_LENGTHS, Batch, draw_lengths, make_batch
from .options import Options
from .packed import packing
from .peers import N_HIDDEN, N_IN, N_OUT, clear_gradients
from .timing import MODES, rotated

BATCH_SIZE = 128  # texts
N_ROUNDS = 50
QUICK_SIZE = 4
SCANS = {"QRNN": QRNN, "MinGRU": MinGRU}
TasksT = Dict[str, Dict[str, Callable[[], object]]]


def gpu_is_there() -> bool:
    """RETURNS (bool): Whether both CuPy and torch can use a GPU."""
    return torch.cuda.is_available() and find_spec("cupy") is not None


def measure_section(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The "device"; by length of the texts and mode the "seconds" of
    "engine" and "cudnn" for a batch and the "overhead", a share of the latter; and the "scans".
    Empty if there is no GPU, unless it is asked for or only to be seen whether it works."""
    if not gpu_is_there() and not options.quick:
        if options.gpu:
            raise RuntimeError("--gpu needs a GPU, CuPy and a torch with CUDA.")
        return {}
    device = "cuda" if gpu_is_there() else "cpu"
    batch_size = QUICK_SIZE if options.quick else BATCH_SIZE
    n_rounds = options.n_rounds if options.quick else N_ROUNDS
    kinds = ["short"] if options.quick else list(MEAN_LENGTHS)
    texts = {docs: measure(device, docs, batch_size, n_rounds) for docs in kinds}
    scans = {
        name: {docs: measure_scan(name, device, docs, batch_size, n_rounds) for docs in kinds}
        for name in SCANS
    }
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return {
        "device": device,
        "name": name,
        "batch_size": batch_size,
        "texts": texts,
        "scans": scans,
    }


def measure(device: str, docs: str, batch_size: int, n_rounds: int) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): By mode, "seconds" and "overhead"; see `measure_section`."""
    batch = make_batch(draw_lengths(docs, batch_size, 1)[0], [N_IN], N_OUT)
    ops: Ops = get_ops("cupy") if device == "cuda" else NumpyOps()
    fix_random_seed(0)
    with use_ops("cupy" if device == "cuda" else "numpy"), use_engine("torch"):
        model = bidirectional(LSTM(N_HIDDEN, N_IN), LSTM(N_HIDDEN, N_IN))
        model.initialize()
        tasks = {
            "engine": engine_tasks(model, batch, ops),
            "cudnn": cudnn_tasks(to_torch(model).to(device), batch, device),
        }
        seconds: Dict[str, Dict[str, List[float]]] = {m: {n: [] for n in tasks} for m in MODES}
        for mode in MODES:
            for name in tasks:
                tasks[name][mode]()  # cuDNN chooses its kernels
            for turn in tqdm(range(n_rounds), desc=f"{docs}, {mode}", leave=False):
                for name in rotated(list(tasks), turn):
                    seconds[mode][name].append(_time(tasks[name][mode], device))
    found = {m: {n: median(values) for n, values in seconds[m].items()} for m in MODES}
    overhead = {m: values["engine"] / values["cudnn"] - 1.0 for m, values in found.items()}
    return {"seconds": found, "overhead": overhead, "n_words": batch.n_words}


def measure_scan(
    name: str, device: str, docs: str, batch_size: int, n_rounds: int
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): By mode, the "seconds" of the CUDA "kernel" and of the loop in
    "torch" for a batch, and how many times as fast the kernel is. Without a GPU the first is
    whatever engine the CPU has."""
    batch = make_batch(draw_lengths(docs, batch_size, 1)[0], [N_IN], N_OUT)
    ops: Ops = get_ops("cupy") if device == "cuda" else NumpyOps()
    fix_random_seed(0)
    with use_ops("cupy" if device == "cuda" else "numpy"):
        model = bidirectional(SCANS[name](N_HIDDEN, N_IN), SCANS[name](N_HIDDEN, N_IN))
        model.initialize()
        tasks = engine_tasks(model, batch, ops)
        # What CuPy's arrays get by themselves is the kernel.
        engines: Dict[str, Callable[[], ContextManager[None]]] = {
            "kernel": nullcontext,
            "torch": partial(use_engine, "torch"),
        }
        seconds: Dict[str, Dict[str, List[float]]] = {m: {e: [] for e in engines} for m in MODES}
        for mode in MODES:
            for turn in range(-1, n_rounds):  # the first one compiles
                for engine in rotated(list(engines), turn):
                    with engines[engine]():
                        elapsed = _time(tasks[mode], device)
                    if turn >= 0:
                        seconds[mode][engine].append(elapsed)
    found = {m: {e: median(values) for e, values in seconds[m].items()} for m in MODES}
    speedup = {m: values["torch"] / values["kernel"] for m, values in found.items()}
    return {"seconds": found, "speedup": speedup, "n_words": batch.n_words}


def engine_tasks(
    model: Model[Ragged, Ragged], batch: Batch, ops: Ops
) -> Dict[str, Callable[[], object]]:
    """RETURNS (Dict[str, Callable]): By mode, a call of the layer."""
    X = Ragged(ops.asarray2f(_rows(batch.inputs[N_IN])), ops.asarray1i(batch.lengths))
    dY = Ragged(ops.asarray2f(_rows(batch.gradients)), ops.asarray1i(batch.lengths))

    def train() -> None:
        _, backprop = model.begin_update(X)
        backprop(dY)
        clear_gradients(model)

    return {"inference": lambda: model.predict(X), "training": train}


def cudnn_tasks(lstm: Any, batch: Batch, device: str) -> Dict[str, Callable[[], object]]:
    """RETURNS (Dict[str, Callable]): By mode, a call of torch's module."""
    order, batch_sizes = packing(batch.inputs[N_IN])
    rows = torch.as_tensor(_rows(batch.inputs[N_IN])[order], device=device)
    dY = torch.as_tensor(_rows(batch.gradients)[order], device=device)
    sizes = torch.as_tensor(batch_sizes)  # always on the CPU
    lstm.flatten_parameters()

    def predict() -> None:
        with torch.no_grad():
            lstm(PackedSequence(rows, sizes))

    def train() -> None:
        X = rows.detach().requires_grad_()
        Y, _ = lstm(PackedSequence(X, sizes))
        Y.data.backward(dY)
        lstm.zero_grad(set_to_none=True)

    return {"inference": predict, "training": train}


def _rows(arrays: Any) -> Any:
    return numpy.concatenate(arrays)


def _time(task: Callable[[], object], device: str) -> float:
    """RETURNS (float): Seconds, until the device has done it all."""
    _synchronize(device)
    start = perf_counter()
    task()
    _synchronize(device)
    return perf_counter() - start


def _synchronize(device: str) -> None:
    if device == "cuda":
        import cupy

        # Each has a stream of its own.
        cupy.cuda.get_current_stream().synchronize()
        torch.cuda.synchronize()
