"""One very long text among very short ones: the time and the memory that it takes.

Each model runs in a process of its own, because a peak of memory is a property of the process.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Tuple

import typer

from .batches import make_batch
from .peers import N_OUT, build_peers
from .threads import use_threads
from .timing import MODES, time_inference, time_training

ROOT = Path(__file__).parents[1]
N_LONG = 20_000  # tokens of the long text
N_SHORT = 2  # tokens of each of the others
N_OTHERS = 99
app = typer.Typer(help=__doc__, add_completion=False)


def measure_apart(name: str, n_long: int = N_LONG) -> Dict[str, Any]:
    """Measure one model in a new process.

    name (str): Name of the model.
    n_long (int): Tokens of the long text.
    RETURNS (Dict[str, Any]): For each mode the "seconds" and the growth of the peak, in "mb".
    """
    command = [sys.executable, "-m", "benchmarks.long_doc", name, "--n-long", str(n_long)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Measuring {name} failed:\n{done.stderr}")
    result: Dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@app.command()
def measure(name: str, n_long: int = N_LONG) -> None:
    """Measure one model with one thread, in this process; print the result as JSON."""
    peer = next(peer for peer in build_peers() if peer.name == name)
    small = make_batch([3, 2], [peer.in_width], N_OUT)
    batch = make_batch([n_long] + [N_SHORT] * N_OTHERS, [peer.in_width], N_OUT)
    result = {}
    with use_threads(1):
        for mode, run in zip(MODES, (time_inference, time_training)):
            run(peer, small)
            before, _ = memory()
            seconds = run(peer, batch)
            _, peak = memory()
            result[mode] = {"seconds": seconds, "mb": peak - before}
    typer.echo(json.dumps(result))


def memory() -> Tuple[float, float]:
    """The memory of this process. Where there is a /proc, it is read from there: to getrusage, a
    process that another one has started inherits its parent's peak.

    RETURNS (Tuple[float, float]): What it has now and what it has had at most, in MB (2**20 bytes).
        Without a /proc, the second twice.
    """
    status = Path("/proc/self/status")
    if status.exists():
        sizes = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status.read_text(), re.MULTILINE))
        return int(sizes["VmRSS"]) / 2**10, int(sizes["VmHWM"]) / 2**10
    import resource  # not on all systems

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in kB, but on macOS in bytes
    peak_mb = peak / (2**20 if sys.platform == "darwin" else 2**10)
    return peak_mb, peak_mb


if __name__ == "__main__":
    app()
