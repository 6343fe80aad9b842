"""What a second thread is worth: the same batches with one thread and with more, in turn."""

from statistics import geometric_mean, median
from typing import Any, Dict, List

from tqdm import tqdm

from .batches import MEAN_LENGTHS, draw_lengths, make_batch
from .options import Options
from .peers import BASELINE, CELLS, ENGINE, N_OUT, Peer, build_peers
from .threads import engines_have_threads, use_threads
from .timing import MODES, TIMERS, rotated

MIN_BATCH_SIZE = 64  # texts; the bar is for these and larger ones
WORDS_PER_ROUND = 5000  # about; at least one batch
MAX_ROUNDS = 9
BASELINE_EVERY = 3  # rounds


def measure_section(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The numbers of "threads" that were compared; "settings", with
    "words_per_second" by mode, model and threads; and their "summary". Empty without a second
    number of threads."""
    if len(options.threads) < 2:
        return {}
    few, many = options.threads[0], max(options.threads[1:])
    names = [f"{ENGINE}-{cell}" for cell in CELLS] + [BASELINE]
    with use_threads(1):
        peers = [peer for peer in build_peers() if peer.name in names]
    sizes = [size for size in options.batch_sizes if size >= MIN_BATCH_SIZE]
    choices = [(docs, size) for docs in MEAN_LENGTHS for size in sizes]
    if options.quick:
        choices = [("short", options.batch_sizes[0])]
    settings = [
        measure(docs, size, peers, (few, many), min(options.n_rounds, MAX_ROUNDS))
        for docs, size in tqdm(choices, desc=f"{few} against {many} threads")
    ]
    return {
        "threads": [few, many],
        "engines_have_threads": engines_have_threads(),
        "settings": settings,
        "summary": summarize(settings),
    }


def measure(
    docs: str, batch_size: int, peers: List[Peer], threads: Any, n_rounds: int
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): By mode and model, "words_per_second" with each number of threads,
    medians over the rounds, and their "ratio"."""
    n_batches = max(1, round(WORDS_PER_ROUND / (batch_size * MEAN_LENGTHS[docs])))
    widths = [peer.in_width for peer in peers]
    lengths = draw_lengths(docs, batch_size, n_batches)
    batches = [make_batch(each, widths, N_OUT) for each in lengths]
    small = make_batch(lengths[0][:8], widths, N_OUT)
    n_words = sum(batch.n_words for batch in batches)
    tasks = {f"{mode} {peer.name}": (mode, peer) for mode in MODES for peer in peers}
    seconds: Dict[str, Dict[int, List[float]]] = {name: {n: [] for n in threads} for name in tasks}
    for turn in range(n_rounds):
        names = [n for n in tasks if turn % BASELINE_EVERY == 0 or not n.endswith(BASELINE)]
        # In the first round the one comes first, in the next the other.
        for n in threads if turn % 2 == 0 else tuple(reversed(threads)):
            with use_threads(n):
                for name in rotated(names, turn):
                    mode, peer = tasks[name]
                    # Libraries wake and dismiss their threads at the first call.
                    TIMERS[mode](peer, small)
                    taken = sum(TIMERS[mode](peer, batch) for batch in batches)
                    seconds[name][n].append(taken)
    rates: Dict[str, Dict[str, Dict[str, float]]] = {mode: {} for mode in MODES}
    for name, (mode, peer) in tasks.items():
        rates[mode][peer.name] = {str(n): n_words / median(seconds[name][n]) for n in threads}
    few, many = (str(n) for n in threads)
    return {
        "docs": docs,
        "batch_size": batch_size,
        "words_per_second": rates,
        "ratio": {
            mode: {name: rate[many] / rate[few] for name, rate in found.items()}
            for mode, found in rates.items()
        },
    }


def summarize(settings: List[Dict[str, Any]]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): By mode and model "geomean" and "minimum" of the ratios."""
    summary: Dict[str, Any] = {}
    for mode in MODES:
        names = settings[0]["ratio"][mode] if settings else {}
        summary[mode] = {}
        for name in names:
            ratios = [setting["ratio"][mode][name] for setting in settings]
            summary[mode][name] = {"geomean": geometric_mean(ratios), "minimum": min(ratios)}
    return summary
