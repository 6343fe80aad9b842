"""What the figures of the language models are held to, and which of it they reach."""

from statistics import geometric_mean
from typing import Any, Dict, List, NamedTuple, Optional

from .bars import Bar
from .lm_models import LSTM, LSTM_ADAPTIVE, QRNN, TORCH

MAX_PERPLEXITY_RATIO = 1.02


class Goal(NamedTuple):
    """By how much a model is to be faster than PyTorch's LSTM with the full softmax.

    what (str): The model as it is called in the table.
    unit (str): "word" or "char".
    model (str): Its name.
    ratio (float): The bar.
    """

    what: str
    unit: str
    model: str
    ratio: float


GOALS = [
    Goal("words, full softmax", "word", LSTM, 1.1),
    Goal("words, adaptive softmax", "word", LSTM_ADAPTIVE, 3.0),
    Goal("characters, LSTM", "char", LSTM, 1.3),
    Goal("characters, QRNN", "char", QRNN, 3.0),
]


def judge_speed(results: Dict[str, Any]) -> List[Dict[str, Any]]:
    """
    results (Dict[str, Any]): What `benchmarks.lm_speed` has measured so far.
    RETURNS (List[Dict[str, Any]]): Each bar with its figure, as `benchmarks.bars.judge` has them:
        for each number of threads the mean over the settings, and the lowest of them.
    """
    bars = []
    threads = list(dict.fromkeys(one["threads"] for one in results["settings"]))
    for goal in GOALS:
        for n in threads:
            ratios = [
                one["ratio"][goal.model]
                for one in results["settings"]
                if one["unit"] == goal.unit and one["threads"] == n
            ]
            mean: Optional[float] = geometric_mean(ratios) if ratios else None
            what = f"{goal.what}, against {TORCH}, {n} thread{'s' if n > 1 else ''}"
            for name, value in ((what, mean), (f"{what}, lowest", min(ratios, default=None))):
                bar = Bar("lm_speed", name, ">=", goal.ratio, "x", value)
                bars.append({**bar._asdict(), "met": bar.met})
    return bars


def judge_quality(results: Dict[str, Any]) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): Likewise, of what `benchmarks.lm_quality` has measured."""
    runs = (results.get("softmax") or {}).get("runs", {})
    value: Optional[float] = None
    if {"full", "adaptive"} <= set(runs):
        value = runs["adaptive"]["lm_perplexity"] / runs["full"]["lm_perplexity"]
    what = "adaptive softmax, perplexity by that of the full one after equal tokens"
    bar = Bar("lm_quality", what, "<=", MAX_PERPLEXITY_RATIO, "x", value)
    return [{**bar._asdict(), "met": bar.met}]
