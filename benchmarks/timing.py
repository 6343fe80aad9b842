"""Interleaved timing: every model runs on every batch before any runs on the next one."""

import math
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Callable, Dict, List

import numpy

from .batches import MEAN_LENGTHS, Batch, draw_lengths, make_batch, padding_factor
from .gemm import RatesT, gemm_tasks, gflops
from .peers import N_OUT, Peer
from .threads import use_threads

MODES = ("inference", "training")
N_BATCHES = 10
WORDS_PER_ROUND = 1500  # about; at least one batch
MAX_SECONDS = 30.0  # for one model in one mode of one setting
GEMM = "gemm"


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
    with_packed (bool): Measure all models whatever it takes, training on packed long texts as well.
    """

    def __init__(
        self, setting: Setting, n_rounds: int, n_batches: int, with_packed: bool = False
    ) -> None:
        self.setting = setting
        self.max_seconds = math.inf if with_packed else MAX_SECONDS
        # Of many long texts that takes up to a minute for each batch.
        self.train_packed = with_packed or setting.docs == "short"
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
        left out are not in it. Also the rates of the products by themselves.
    """
    widths = [peer.in_width for peer in peers]
    batches = [make_batch(lengths, widths, N_OUT) for lengths in plan.lengths]
    tasks = _tasks(plan, peers)
    turn = 0
    with use_threads(plan.setting.threads):
        # Let kernels be compiled or chosen; then warm up caches and allocators, and leave out what
        # would take too long: torch's threads wait for each other if others use the cores.
        tiny = make_batch([3, 2], widths, N_OUT)
        for task in tasks.values():
            task(tiny)
        warm = {name: task(batches[0]) * plan.n_runs for name, task in tasks.items()}
        tasks = {name: task for name, task in tasks.items() if warm[name] <= plan.max_seconds}
        rates: Dict[str, List[float]] = {name: [] for name in tasks}
        every = _rounds_between(peers)
        for n_before, indices in enumerate(plan.rounds):
            names = [name for name in tasks if n_before % every.get(name, 1) == 0]
            seconds = dict.fromkeys(names, 0.0)
            for i in indices:
                for name in rotated(names, turn):
                    seconds[name] += tasks[name](batches[i])
                turn += 1
                on_words(batches[i].n_words)
            n_words = sum(batches[i].n_words for i in indices)
            for name in names:
                # Of the products, the time of a batch: they have as many words each time.
                done = n_words if not name.startswith(GEMM) else len(indices)
                rates[name].append(done / seconds[name])
    return _result(plan, peers, rates)


def time_inference(peer: Peer, batch: Batch) -> float:
    """RETURNS (float): Seconds for a prediction."""
    Xs = peer.prepare(batch)
    with peer.active():
        start = perf_counter()
        peer.predict(Xs)
        return perf_counter() - start


def time_training(peer: Peer, batch: Batch) -> float:
    """RETURNS (float): Seconds for a forward and a backward pass, without an optimizer."""
    Xs = peer.prepare(batch)
    with peer.active():
        start = perf_counter()
        peer.train(Xs, batch.gradients)
        seconds = perf_counter() - start
    peer.clear_gradients()
    return seconds


TIMERS: Dict[str, Callable[[Peer, Batch], float]] = {
    "inference": time_inference,
    "training": time_training,
}


def rotated(names: List[str], turn: int) -> List[str]:
    """RETURNS (List[str]): The same in the same order, but another one first at each turn."""
    start = turn % len(names) if names else 0
    return names[start:] + names[:start]


def _tasks(plan: Plan, peers: List[Peer]) -> Dict[str, Callable[[Batch], float]]:
    def bind(mode: str, peer: Peer) -> Callable[[Batch], float]:
        return lambda batch: TIMERS[mode](peer, batch)

    def without_batch(call: Callable[[], float]) -> Callable[[Batch], float]:
        return lambda batch: call()

    shapes = [shape for peer in peers for shape in peer.products]
    tasks: Dict[str, Callable[[Batch], float]] = {
        f"{GEMM} {name}": without_batch(call)
        for name, call in gemm_tasks(shapes, _mean_words(plan)).items()
    }
    for mode in MODES:
        for peer in peers:
            if mode == "inference" or plan.train_packed or not peer.is_packed:
                tasks[f"{mode} {peer.name}"] = bind(mode, peer)
    return tasks


def _rounds_between(peers: List[Peer]) -> Dict[str, int]:
    return {f"{mode} {peer.name}": peer.every for mode in MODES for peer in peers}


def _mean_words(plan: Plan) -> int:
    return round(float(numpy.mean([sum(lengths) for lengths in plan.lengths])))


def _result(plan: Plan, peers: List[Peer], rates: Dict[str, List[float]]) -> Dict[str, Any]:
    by_round: Dict[str, Dict[str, List[float]]] = {mode: {} for mode in MODES}
    products: RatesT = {}
    for task, values in rates.items():
        what, name = task.split(" ", 1)
        if what == GEMM:
            library, shape, kind = name.split()
            seconds = 1.0 / float(numpy.median(values))
            by_kind = products.setdefault(library, {}).setdefault(shape, {})
            by_kind[kind] = gflops(name, _mean_words(plan), seconds)
        else:
            by_round[what][name] = values
    return {
        **asdict(plan.setting),
        "n_rounds": len(plan.rounds),
        "n_batches": len({i for indices in plan.rounds for i in indices}),
        "batches_per_round": len(plan.rounds[0]),
        "mean_words_per_batch": float(numpy.mean([sum(lengths) for lengths in plan.lengths])),
        "padding_factor": float(numpy.mean([padding_factor(x) for x in plan.lengths])),
        "gemm_gflops": products,
        "words_per_second": {
            mode: {name: float(numpy.median(values)) for name, values in by_round[mode].items()}
            for mode in MODES
        },
        "words_per_second_by_round": by_round,
        "left_out": {
            mode: [peer.name for peer in peers if peer.name not in by_round[mode]] for mode in MODES
        },
    }
