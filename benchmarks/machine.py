"""What the measurements ran on."""

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Dict

import numpy
import spacy
import thinc
import torch
from threadpoolctl import threadpool_info

# The product makes BLIS choose its kernel, and tell which.
_ASK_BLIS = """
import numpy
from blis.py import gemm
gemm(numpy.ones((4, 4), dtype="float32"), numpy.ones((4, 4), dtype="float32"))
"""


def describe_machine() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Processor, versions, and which kernels the BLAS libraries run."""
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return {
        "cpu": cpu_model(),
        "cores": _n_cores(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "torch": torch.__version__,
        "torch_kernels": torch.backends.cpu.get_cpu_capability(),
        "spacy": spacy.__version__,
        "thinc": thinc.__version__,
        "numba": _version("numba"),
        "flair": _version("flair"),
        "numpy_blas": [
            f"{library['internal_api']} {library['version']}, "
            f"{library.get('architecture', 'unknown')} kernels"
            for library in blas
        ],
        "blis_kernels": blis_kernels(),
        "openblas_settings": {
            key: value for key, value in os.environ.items() if key.startswith("OPENBLAS_")
        },
    }


def cpu_model() -> str:
    """RETURNS (str): The name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        if found:
            return found.group(1)
    return platform.processor() or platform.machine()


def blis_kernels() -> str:
    """RETURNS (str): Name of the kernels that BLIS chooses, which Thinc's own layers run on."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK_BLIS],
        env={**os.environ, "BLIS_ARCH_DEBUG": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"selecting sub-configuration '(\w+)'", done.stdout + done.stderr)
    return found.group(1) if found else "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
