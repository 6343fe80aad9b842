"""What the figures are held to, and which of it they reach."""

from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional

from .peers import BASELINE
from .pipelines import PIPE_BASELINE, TEXTCAT, WITH_BLAS
from .summary import compare
from .timing import MODES

NAMES: Dict[str, str] = {"lstm": "LSTM", "gru": "GRU", "qrnn": "QRNN", "mingru": "MinGRU"}
EXACT_RATIO: Dict[str, float] = {"inference": 2.5, "training": 3.0}
EXACT_SHARE: Dict[str, float] = {"inference": 0.70, "training": 0.65}
GRU_RATIO = 1.2  # geometric mean; and in no setting slower
SCAN_RATIO: Dict[str, float] = {"inference": 7.0, "training": 12.0}
SCAN_SHARE = 0.60
THREADS_RATIO = 1.6  # geometric mean; and in no setting slower
NOT_SLOWER = 1.0
LATENCY_TOKENS, LATENCY_MS = "20", 0.2
PIPE_RATIO: Dict[str, float] = {"lstm": 2.0, "qrnn": 3.0}
LONG_SECONDS: Dict[str, float] = {"lstm": 1.5, "qrnn": 0.3}
LONG_MB = 400.0
IMPORT_MS = 30.0
COMPILE_SECONDS = 10.0
GPU_OVERHEAD = 0.10


class Bar(NamedTuple):
    """One line of the table.

    section (str): Which part of the benchmark it belongs to.
    what (str): What is measured.
    sign (str): ">=" if the figure must reach the bar, "<" or "<=" if it must stay under it.
    bar (float): The bar.
    unit (str): "x", "%" (then bar and value are shares), "ms", "s", "MB" or "".
    value (Optional[float]): The figure; None if it was not measured.
    """

    section: str
    what: str
    sign: str
    bar: float
    unit: str
    value: Optional[float]

    @property
    def met(self) -> Optional[bool]:
        """RETURNS (Optional[bool]): Whether the figure is good enough; None if there is none."""
        if self.value is None:
            return None
        return {
            ">=": self.value >= self.bar,
            "<": self.value < self.bar,
            "<=": self.value <= self.bar,
        }[self.sign]


def judge(sections: Dict[str, Any]) -> List[Dict[str, Any]]:
    """
    sections (Dict[str, Any]): What the parts of the benchmark have found, by their names; those
        that did not run are missing or empty.
    RETURNS (List[Dict[str, Any]]): Each bar with its "section", "what", "sign", "bar", "unit",
        "value" and whether it is "met"; both of the last are None if it was not measured.
    """
    bars = [
        bar for section, find in _BARS.items() for bar in find(section, sections.get(section) or {})
    ]
    return [{**bar._asdict(), "met": bar.met} for bar in bars]


def _encoder_bars(section: str, found: Dict[str, Any]) -> Iterator[Bar]:
    engine = found.get("engine", "")

    def figure(mode: str, cell: str, key: str) -> Optional[float]:
        return _get(found, "summary", mode, f"{engine}-{cell}", key)

    for mode in MODES:
        what = f"LSTM, {mode}"
        value = figure(mode, "lstm", "geomean")
        yield Bar(section, f"{what}, against {BASELINE}", ">=", EXACT_RATIO[mode], "x", value)
        value = figure(mode, "lstm", "share_of_limit")
        yield Bar(section, f"{what}, of the products' limit", ">=", EXACT_SHARE[mode], "%", value)
    for mode in MODES:
        ratio = compare(found.get("settings", []), mode, f"{engine}-gru", f"{engine}-lstm")
        what = f"GRU, {mode}, against our LSTM"
        yield Bar(section, what, ">=", GRU_RATIO, "x", ratio.get("geomean"))
        yield Bar(section, f"{what}, lowest", ">=", NOT_SLOWER, "x", ratio.get("minimum"))
    for cell in ("qrnn", "mingru"):
        for mode in MODES:
            what = f"{NAMES[cell]}, {mode}"
            value = figure(mode, cell, "geomean")
            yield Bar(section, f"{what}, against {BASELINE}", ">=", SCAN_RATIO[mode], "x", value)
            value = figure(mode, cell, "share_of_limit")
            yield Bar(section, f"{what}, of the products' limit", ">=", SCAN_SHARE, "%", value)


def _pipe_bars(section: str, found: Dict[str, Any]) -> Iterator[Bar]:
    def ratio(cell: str, other: str) -> Optional[float]:
        ours = _get(found, "summary", f"rnn_textcat-{cell}", "words_per_second")
        theirs = _get(found, "summary", other, "words_per_second")
        return ours / theirs if ours and theirs else None

    others = [(cell, PIPE_BASELINE, bar) for cell, bar in PIPE_RATIO.items()]
    for cell, other, bar in [*others, ("qrnn", TEXTCAT, NOT_SLOWER)]:
        # Where BLIS has kernels for the processor both are much the same.
        for variant in ("", WITH_BLAS):
            what = f"pipe, {NAMES[cell]}, against {other}{variant}"
            yield Bar(section, what, ">=", bar, "x", ratio(cell, other + variant))


def _thread_bars(section: str, found: Dict[str, Any]) -> Iterator[Bar]:
    for mode in MODES:
        summary: Dict[str, Any] = _get(found, "summary", mode) or {}
        ours = {name: ratios for name, ratios in summary.items() if name != BASELINE}
        for cell in ("lstm", "gru", "qrnn", "mingru"):
            value = _get(_of_cell(ours, cell), "geomean")
            what = f"2 threads against 1, {NAMES[cell]}, {mode}"
            yield Bar(section, what, ">=", THREADS_RATIO, "x", value)
        lowest = min((ratios["minimum"] for ratios in ours.values()), default=None)
        what = f"2 threads against 1, {mode}, lowest of all"
        yield Bar(section, what, ">=", NOT_SLOWER, "x", lowest)


def _latency_bars(section: str, found: Dict[str, Any]) -> Iterator[Bar]:
    by_name: Dict[str, Any] = _get(found, "encoder", LATENCY_TOKENS) or {}
    value = _get(_of_cell(by_name, "qrnn"), "median")
    what = f"one text of {LATENCY_TOKENS} tokens, QRNN encoder"
    yield Bar(section, what, "<", LATENCY_MS, "ms", value)


def _long_doc_bars(section: str, found: Dict[str, Any]) -> Iterator[Bar]:
    for cell, bar in LONG_SECONDS.items():
        modes = _of_cell(found.get("models", {}), cell)
        for mode in MODES:
            what = f"one long text among short ones, {NAMES[cell]}, {mode}"
            yield Bar(section, what, "<", bar, "s", _get(modes, mode, "seconds"))
            yield Bar(section, what, "<", LONG_MB, "MB", _get(modes, mode, "mb"))


def _import_bars(section: str, found: Dict[str, Any]) -> Iterator[Bar]:
    what = "importing spaCy, more with this package"
    yield Bar(section, what, "<", IMPORT_MS, "ms", found.get("extra_ms"))


def _compile_bars(section: str, found: Dict[str, Any]) -> Iterator[Bar]:
    seconds = _get(found, "first", "seconds")
    yield Bar(section, "first calls of all cells, no cache", "<", COMPILE_SECONDS, "s", seconds)
    compiled = _get(found, "second", "compilations")
    yield Bar(section, "compiled in the next process", "<=", 0.0, "", compiled)


def _gpu_bars(section: str, found: Dict[str, Any]) -> Iterator[Bar]:
    is_gpu = found.get("device") == "cuda"
    for mode in MODES:
        texts = found.get("texts", {}).values() if is_gpu else []
        value = max((text["overhead"][mode] for text in texts), default=None)
        yield Bar(section, f"GPU, {mode}, more than bare cuDNN", "<", GPU_OVERHEAD, "%", value)


def _of_cell(by_name: Dict[str, Any], cell: str) -> Any:
    """RETURNS (Any): What belongs to the first model of the cell, whatever its engine; or None."""
    return next((found for name, found in by_name.items() if name.endswith(f"-{cell}")), None)


def _get(found: Any, *keys: str) -> Any:
    """RETURNS (Any): What lies under the keys, or None if one of them is missing."""
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return found


_BARS: Dict[str, Callable[[str, Dict[str, Any]], Iterator[Bar]]] = {
    "encoder": _encoder_bars,
    "threads": _thread_bars,
    "latency": _latency_bars,
    "pipe": _pipe_bars,
    "long_doc": _long_doc_bars,
    "import": _import_bars,
    "compile": _compile_bars,
    "gpu": _gpu_bars,
}
