"""How time and memory grow with the length of one text."""

import json
import math
from typing import Any, Dict, List

import numpy
import typer
from tqdm import tqdm

from .batches import make_batch
from .memory import memory, run_apart
from .options import Options
from .peers import BASELINE, CELLS, ENGINE, N_OUT, Peer, build_peers
from .threads import use_threads
from .timing import MODES, TIMERS

# Tokens; training keeps what the way back needs, so its longest text is shorter.
SIZES: Dict[str, List[int]] = {
    "inference": [100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000],
    "training": [100, 300, 1000, 3000, 10_000, 30_000, 100_000],
}
MEMORY_SIZES: Dict[str, List[int]] = {
    "inference": [1000, 10_000, 100_000, 1_000_000],
    "training": [1000, 10_000, 100_000],
}
QUICK_SIZES: Dict[str, List[int]] = {mode: [100, 300] for mode in MODES}
BASELINE_LONGEST = 100_000  # tokens
FIT_FROM = 1000  # tokens; in shorter texts the time that each call takes counts
REPEAT_WORDS = 20_000  # read again and again up to about so many tokens; the fastest time counts
LEAST_REPEATS, MOST_REPEATS = 2, 9
GROWING_CELLS = [cell for cell in ("lstm", "qrnn") if cell in CELLS]
app = typer.Typer(help=__doc__, add_completion=False)


def measure_section(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): By mode and model, the "seconds" by number of tokens and the fitted
    "exponents"; the "extra_mb" of memory beyond inputs and outputs, by number of tokens."""
    names = [f"{ENGINE}-{cell}" for cell in GROWING_CELLS]
    with use_threads(options.threads[0]):
        peers = [peer for peer in build_peers() if peer.name in (*names, BASELINE)]
        seconds = {mode: time_sizes(peers, mode, options.quick) for mode in MODES}
    sizes = QUICK_SIZES if options.quick else MEMORY_SIZES
    runs = [(mode, name, n) for mode in MODES for name in names for n in sizes[mode]]
    extra: Dict[str, Dict[str, Dict[str, float]]] = {}
    for mode, name, n in tqdm(runs[:1] if options.quick else runs, desc="Memory by length"):
        by_size = extra.setdefault(mode, {}).setdefault(name, {})
        by_size[str(n)] = run_apart("benchmarks.growth", [name, mode, str(n)])
    return {
        "seconds": seconds,
        "exponents": {
            mode: {name: fit_exponent(values) for name, values in found.items()}
            for mode, found in seconds.items()
        },
        "extra_mb": extra,
        "fit_from": FIT_FROM,
    }


def time_sizes(peers: List[Peer], mode: str, quick: bool) -> Dict[str, Dict[str, float]]:
    """RETURNS (Dict[str, Dict[str, float]]): By model and number of tokens the seconds that one
    text takes, the fewest of several readings."""
    found: Dict[str, Dict[str, float]] = {peer.name: {} for peer in peers}
    for n in tqdm((QUICK_SIZES if quick else SIZES)[mode], desc=f"Growth, {mode}"):
        batch = make_batch([n], [peer.in_width for peer in peers], N_OUT)
        n_times = max(LEAST_REPEATS, min(MOST_REPEATS, REPEAT_WORDS // n))
        chosen = [peer for peer in peers if peer.name != BASELINE or n <= BASELINE_LONGEST]
        rounds = [{peer.name: TIMERS[mode](peer, batch) for peer in chosen} for _ in range(n_times)]
        for peer in chosen:
            found[peer.name][str(n)] = min(one[peer.name] for one in rounds)
    return found


def fit_exponent(seconds: Dict[str, float]) -> float:
    """Fit seconds = a * tokens ** exponent, by least squares of the logarithms.

    seconds (Dict[str, float]): By number of tokens; those from FIT_FROM on count, or all if there
        are fewer than two of these.
    RETURNS (float): The exponent: 1 if the time grows as the length does.
    """
    points = [(int(n), value) for n, value in seconds.items() if int(n) >= FIT_FROM]
    if len(points) < 2:
        points = [(int(n), value) for n, value in seconds.items()]
    x, y = zip(*((math.log(n), math.log(value)) for n, value in points))
    return float(numpy.polyfit(x, y, 1)[0])


@app.command()
def measure(name: str, mode: str, n_tokens: int) -> None:
    """Read one text once, in this process, and print the MB (2**20 bytes) that it took beyond its
    vectors and what comes out: outputs, and in training the gradients of the inputs."""
    with use_threads(1):
        peer = next(peer for peer in build_peers() if peer.name == name)
        TIMERS[mode](peer, make_batch([5], [peer.in_width], N_OUT))
        batch = make_batch([n_tokens], [peer.in_width], N_OUT)
        before, _ = memory()
        TIMERS[mode](peer, batch)
        _, peak = memory()
    width = N_OUT + (peer.in_width if mode == "training" else 0)
    typer.echo(json.dumps(peak - before - 4 * n_tokens * width / 2**20))


if __name__ == "__main__":
    app()
