"""What the numba engine costs at its first calls, without and with a cache of compiled kernels."""

import json
import tempfile
from importlib import import_module
from time import perf_counter
from typing import Any, Dict

import typer

from .memory import run_apart
from .options import Options
from .peers import CELLS, ENGINE, N_OUT

JIT = "spacy_rnn.layers.engines.numba_jit"
app = typer.Typer(help=__doc__, add_completion=False)


def measure_section(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): For the "first" process, whose cache is empty, and the "second",
    which finds it filled, what `measure` prints; empty without the numba engine."""
    if ENGINE != "numba":
        return {}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for process in ("first", "second"):
            arguments = ["--cells", "lstm"] if options.quick else []
            cache = {"NUMBA_CACHE_DIR": folder}
            found[process] = run_apart("benchmarks.compile_time", arguments, cache)
    return found


@app.command()
def measure(cells: str = ",".join(CELLS)) -> None:
    """Train on and predict one batch with each cell. Print as JSON "seconds" in all and by cell,
    how many kernels were "compiled" and "loaded", and how many compilations of numba's there were
    in all ("compilations"), those of helpers included."""
    from numba.core import event

    from .batches import make_batch
    from .peers import N_IN, build_ours
    from .threads import use_threads
    from .timing import time_inference, time_training

    batch = make_batch([7, 1, 3], [N_IN], N_OUT)
    seconds = {}
    with use_threads(1), event.install_recorder("numba:compile") as recorder:
        start = perf_counter()
        import_module(JIT)
        seconds["import"] = perf_counter() - start
        peers = {peer.cell: peer for peer in build_ours() if peer.engine == ENGINE}
        for cell in cells.split(","):
            start = perf_counter()
            time_training(peers[cell], batch)
            time_inference(peers[cell], batch)
            seconds[cell] = perf_counter() - start
    compilations = sum(found.is_start for _, found in recorder.buffer)
    typer.echo(
        json.dumps(
            {
                "seconds": sum(seconds.values()),
                "seconds_by_cell": seconds,
                "compilations": compilations,
                **_count_kernels(),
            }
        )
    )


def _count_kernels() -> Dict[str, int]:
    """RETURNS (Dict[str, int]): What the engine itself knows of its kernels."""
    jit = import_module(JIT)
    return {"compiled": jit.n_compiled(), "loaded": jit.n_loaded()}


if __name__ == "__main__":
    app()
