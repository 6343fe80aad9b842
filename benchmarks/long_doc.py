"""One very long text among very short ones: the time and the memory that it takes.

Each model runs in a process of its own, because a peak of memory is a property of the process.
"""

import json
from typing import Any, Dict, List

import typer
from tqdm import tqdm

from .batches import make_batch
from .memory import memory, run_apart
from .options import Options
from .peers import BASELINE, CELLS, ENGINE, N_OUT, REFERENCE, build_peers
from .threads import use_threads
from .timing import TIMERS

N_LONG = 20_000  # tokens of the long text
N_SHORT = 2  # tokens of each of the others
N_OTHERS = 99
QUICK_LONG = 500
app = typer.Typer(help=__doc__, add_completion=False)


def measure_section(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): "tokens" of the long text; of the "models", by mode, the "seconds"
    and the growth of the peak, in "mb"."""
    n_long = QUICK_LONG if options.quick else N_LONG
    names = model_names(options)
    return {
        "tokens": n_long,
        "models": {name: measure_apart(name, n_long) for name in tqdm(names, desc="One long doc")},
    }


def model_names(options: Options) -> List[str]:
    """RETURNS (List[str]): All cells of ours, the NumPy engine's LSTM, and if told so the padded
    LSTM."""
    names = [f"{ENGINE}-{cell}" for cell in CELLS]
    if options.quick:
        names = names[:1]
    names += [name for name in [REFERENCE] if name not in names and not options.quick]
    return names + ([BASELINE] if options.with_padded else [])


def measure_apart(name: str, n_long: int = N_LONG) -> Dict[str, Any]:
    """Measure one model in a new process.

    name (str): Name of the model.
    n_long (int): Tokens of the long text.
    RETURNS (Dict[str, Any]): For each mode the "seconds" and the growth of the peak, in "mb".
    """
    result: Dict[str, Any] = run_apart("benchmarks.long_doc", [name, "--n-long", str(n_long)])
    return result


@app.command()
def measure(name: str, n_long: int = N_LONG) -> None:
    """Measure one model with one thread, in this process; print the result as JSON."""
    with use_threads(1):
        peer = next(peer for peer in build_peers() if peer.name == name)
        small = make_batch([3, 2], [peer.in_width], N_OUT)
        batch = make_batch([n_long] + [N_SHORT] * N_OTHERS, [peer.in_width], N_OUT)
        result = {}
        for mode, run in TIMERS.items():
            run(peer, small)
            before, _ = memory()
            seconds = run(peer, batch)
            _, peak = memory()
            result[mode] = {"seconds": seconds, "mb": peak - before}
    typer.echo(json.dumps(result))


if __name__ == "__main__":
    app()
