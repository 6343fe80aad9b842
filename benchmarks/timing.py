"""Interleaved timing: every model runs on every batch before any runs on the next one."""

import math
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Callable, Dict, List

import numpy

from .batches import MEAN_LENGTHS, Batch, draw_lengths, make_batch, padding_factor
from .peers import N_HIDDEN, N_IN, N_OUT, Peer, clear_gradients
from .threads import use_threads

MODES = ("inference", "training")
N_BATCHES = 10
WORDS_PER_ROUND = 1500  # about; at least one batch
PACKED_LIMIT = 32  # texts; packed training of more that are long takes a minute for each batch
MAX_SECONDS = 60.0  # for one model in one mode of one setting
GEMM = "gemm"
GEMM_COLUMNS = 4 * N_HIDDEN  # (n_tokens, 128) @ (128, 512): the input product of one direction


@dataclass(frozen=True)
class Setting:
    """What is varied. docs: a key of MEAN_LENGTHS; batch_size: texts; threads: of BLAS, torch."""

    docs: str
    batch_size: int
    threads: int

    @property
    def title(self) -> str:
        return f"{self.docs} x{self.batch_size}"


class Plan:
    """Which batches the rounds of a setting run over.

    Each round takes the next few batches, enough for it to last, and starts over after the last.

    n_rounds (int): Rounds.
    n_batches (int): Different batches; all are used.
    with_packed (bool): Measure all models whatever it takes.
    """

    def __init__(
        self, setting: Setting, n_rounds: int, n_batches: int, with_packed: bool = False
    ) -> None:
        self.setting = setting
        self.max_seconds = math.inf if with_packed else MAX_SECONDS
        self.train_packed = (
            with_packed or setting.docs == "short" or setting.batch_size <= PACKED_LIMIT
        )
        self.lengths = draw_lengths(setting.docs, setting.batch_size, n_batches)
        mean_words = setting.batch_size * MEAN_LENGTHS[setting.docs]
        size = max(round(WORDS_PER_ROUND / mean_words), math.ceil(n_batches / n_rounds))
        starts = range(0, n_rounds * size, size)
        self.rounds = [[i % n_batches for i in range(s, s + size)] for s in starts]

    @property
    def n_runs(self) -> int:
        """RETURNS (int): How often each model reads a batch, in each mode."""
        return sum(len(batches) for batches in self.rounds)

    @property
    def n_words(self) -> int:
        """RETURNS (int): Words that each model reads, in each mode."""
        return sum(sum(self.lengths[i]) for batches in self.rounds for i in batches)


def measure(plan: Plan, peers: List[Peer], on_words: Callable[[int], object]) -> Dict[str, Any]:
    """Time all models in one setting.

    plan (Plan): The setting and its rounds.
    peers (List[Peer]): The models.
    on_words (Callable[[int], object]): Told how many words have been read, for the progress.
    RETURNS (Dict[str, Any]): Words per second by mode and model: in each round, and the median
        of the rounds. A round's are its words divided by the sum of its times. Models that are
        left out are not in it.
    """
    widths = [peer.in_width for peer in peers]
    batches = [make_batch(lengths, widths, N_OUT) for lengths in plan.lengths]
    tasks = _tasks(plan, peers)
    turn = 0
    with use_threads(plan.setting.threads):
        # Warm up caches, allocators, kernels that are chosen at first use; leave out what would
        # take too long: torch's threads wait for each other if other processes use the cores.
        warm = {name: task(batches[0]) * plan.n_runs for name, task in tasks.items()}
        tasks = {name: task for name, task in tasks.items() if warm[name] <= plan.max_seconds}
        rates: Dict[str, List[float]] = {name: [] for name in tasks}
        for indices in plan.rounds:
            seconds = dict.fromkeys(tasks, 0.0)
            for i in indices:
                for name in _rotated(list(tasks), turn):
                    seconds[name] += tasks[name](batches[i])
                turn += 1
                on_words(batches[i].n_words)
            n_words = sum(batches[i].n_words for i in indices)
            for name in tasks:
                rates[name].append(n_words / seconds[name])
    return _result(plan, peers, rates)


def time_inference(peer: Peer, batch: Batch) -> float:
    """RETURNS (float): Seconds for a prediction."""
    Xs = batch.inputs[peer.in_width]
    with peer.active():
        start = perf_counter()
        peer.model.predict(Xs)
        return perf_counter() - start


def time_training(peer: Peer, batch: Batch) -> float:
    """RETURNS (float): Seconds for a forward and a backward pass, without an optimizer."""
    Xs = batch.inputs[peer.in_width]
    with peer.active():
        start = perf_counter()
        _, backprop = peer.model.begin_update(Xs)
        backprop(batch.gradients)
        seconds = perf_counter() - start
    clear_gradients(peer.model)
    return seconds


def time_gemm(batch: Batch) -> float:
    """RETURNS (float): Seconds for one product of BLAS over all words of the batch."""
    X = numpy.concatenate(batch.inputs[N_IN])
    W = numpy.ones((N_IN, GEMM_COLUMNS), dtype="float32")
    Y = numpy.zeros((len(X), GEMM_COLUMNS), dtype="float32")
    start = perf_counter()
    numpy.matmul(X, W, out=Y)
    return perf_counter() - start


def _tasks(plan: Plan, peers: List[Peer]) -> Dict[str, Callable[[Batch], float]]:
    def bind(function: Callable[[Peer, Batch], float], peer: Peer) -> Callable[[Batch], float]:
        return lambda batch: function(peer, batch)

    tasks: Dict[str, Callable[[Batch], float]] = {GEMM: time_gemm}
    for mode, function in zip(MODES, (time_inference, time_training)):
        for peer in peers:
            if mode == "inference" or plan.train_packed or not peer.is_packed:
                tasks[f"{mode} {peer.name}"] = bind(function, peer)
    return tasks


def _rotated(names: List[str], turn: int) -> List[str]:
    start = turn % len(names)
    return names[start:] + names[:start]


def _result(plan: Plan, peers: List[Peer], rates: Dict[str, List[float]]) -> Dict[str, Any]:
    gflops_per_word = 2 * N_IN * GEMM_COLUMNS / 1e9
    by_round: Dict[str, Dict[str, List[float]]] = {mode: {} for mode in MODES}
    for task, values in rates.items():
        if task != GEMM:
            mode, name = task.split()
            by_round[mode][name] = values
    return {
        **asdict(plan.setting),
        "n_rounds": len(plan.rounds),
        "n_batches": len({i for indices in plan.rounds for i in indices}),
        "batches_per_round": len(plan.rounds[0]),
        "mean_words_per_batch": float(numpy.mean([sum(lengths) for lengths in plan.lengths])),
        "padding_factor": float(numpy.mean([padding_factor(x) for x in plan.lengths])),
        "gemm_gflops": float(numpy.median(rates[GEMM])) * gflops_per_word,
        "words_per_second": {
            mode: {name: float(numpy.median(values)) for name, values in by_round[mode].items()}
            for mode in MODES
        },
        "words_per_second_by_round": by_round,
        "left_out": {
            mode: [peer.name for peer in peers if peer.name not in by_round[mode]] for mode in MODES
        },
    }
