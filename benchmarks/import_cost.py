"""What importing spaCy costs with this package installed, more than without it.

spaCy finds the package by its entry points. So a process without them is one without the package:
the package is taken out of what importlib.metadata finds, and in the other process one that is not
there, so that looking takes the same time.
"""

import json
import subprocess
import sys
import tempfile
from statistics import median
from typing import Any, Dict, List

from tqdm import tqdm

from .options import Options

N_TIMES = 11
QUICK_TIMES = 1
# `import spacy` reads the entry points, a pipeline loads those of factories.
CODE = """
import importlib.metadata, json, sys, time

hidden = sys.argv[1]
find = importlib.metadata.distributions

def distributions(**params):
    return (found for found in find(**params) if found._normalized_name != hidden)

importlib.metadata.distributions = distributions
start = time.perf_counter()
import spacy
imported = time.perf_counter()
spacy.blank("en")
done = time.perf_counter()
loaded = any(name.split(".")[0] == "spacy_rnn" for name in sys.modules)
heavy = sorted({"torch", "numba"} & set(sys.modules))
print(json.dumps({"import": imported - start, "blank": done - imported, "loaded": loaded,
                  "heavy": heavy}))
"""
HIDDEN = {"with": "no_such_package", "without": "spacy_rnn"}


def measure_section(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): "with" and "without" the package: seconds of "import" (`import
    spacy`) and "blank" (`spacy.blank("en")`), medians of processes in turn; and by how much both
    together take longer with it, "extra_ms", the medians of the differences, in milliseconds."""
    runs: Dict[str, List[Dict[str, Any]]] = {name: [] for name in HIDDEN}
    for turn in tqdm(range(QUICK_TIMES if options.quick else N_TIMES), desc="Import"):
        for name in list(HIDDEN) if turn % 2 else reversed(list(HIDDEN)):
            runs[name].append(measure(name))
    return {"n_times": len(runs["with"]), **summarize(runs)}


def measure(name: str) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What CODE prints, in a new process "with" the package or
    "without"."""
    command = [sys.executable, "-W", "ignore", "-c", CODE, HIDDEN[name]]
    # Not in the root of the repository, where the package would be found twice.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Importing spaCy failed:\n{done.stderr}")
    found: Dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found["loaded"] != (name == "with"):
        raise RuntimeError(f"The process {name} the package had loaded={found['loaded']}.")
    return found


def summarize(runs: Dict[str, List[Dict[str, Any]]]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Medians and differences; see `measure_section`."""
    medians: Dict[str, Any] = {
        name: {part: median(run[part] for run in found) for part in ("import", "blank")}
        for name, found in runs.items()
    }
    # Of processes one after the other, as what else the machine does changes more slowly.
    pairs = list(zip(runs["with"], runs["without"]))
    extra = {p: median(one[p] - other[p] for one, other in pairs) for p in ("import", "blank")}
    by_part = {f"extra_{part}_ms": 1e3 * seconds for part, seconds in extra.items()}
    return {**medians, **by_part, "extra_ms": 1e3 * sum(extra.values())}
