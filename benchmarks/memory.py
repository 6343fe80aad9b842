"""The memory of a process, and measurements in processes of their own.

A peak of memory is a property of a process: what has run before in it is part of the peak.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

ROOT = Path(__file__).parents[1]


def run_apart(
    module: str, arguments: List[str], environment: Optional[Dict[str, str]] = None
) -> Any:
    """Run a module of the benchmarks in a new process.

    module (str): For instance "benchmarks.long_doc".
    arguments (List[str]): Of its command line.
    environment (Optional[Dict[str, str]]): Variables that it gets besides this process's own.
    RETURNS (Any): What it printed last, read as JSON.
    RAISES (RuntimeError): If it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


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
