"""What the accuracies are held to, and which of it they reach."""

from statistics import mean, stdev
from typing import Any, Dict, List, Optional

from .accuracy_sets import TIME
from .accuracy_systems import (
    DEFAULT,
    PEER,
    SPACY,
    SYSTEMS,
    WITH_ADVERSARY,
    WITH_LATENT,
    WITH_TRANSFER,
    WITH_VECTORS,
)
from .bars import Bar

SETS = ("sentences", "mr", "imdb", "r8", "20news")
MIN_BEST = 4  # sets, of the five
# Data set, system, and the accuracy in per cent.
GOALS = [
    ("mr", DEFAULT, 78.0),
    ("mr", WITH_VECTORS, 79.5),
    # What the documentation recommends for some thousand labelled sentences.
    ("mr", WITH_ADVERSARY, 82.0),
    ("imdb", DEFAULT, 90.5),
    ("imdb", WITH_TRANSFER, 93.0),
    ("r8", DEFAULT, 97.3),
]
# With few labels, latent vectors of raw texts are what the documentation recommends.
FEW_SETS, FEW_LABELS, FEW_SYSTEM, FEW_LEAD = ("mr", "imdb"), "100", WITH_LATENT, 8.0
MAX_SECONDS = 120.0
FIGURES = (
    "accuracy",
    "macro_f",
    "minutes",
    "train_words_per_second",
    "words_per_second",
    "mb",
    "epochs",
)
SummaryT = Dict[str, Dict[str, Dict[str, Dict[str, Any]]]]


def summarize(results: List[Dict[str, Any]]) -> SummaryT:
    """
    results (List[Dict[str, Any]]): What the runs came to.
    RETURNS (Dict): By data set, number of labels ("all" or as a text) and system: the number of
        "runs", the "mean" of each figure, "deviation" (the standard deviation of accuracy and
        macro-F1 over the seeds), "min" and "max" of the accuracy, the accuracy "by_seed", and how
        many older runs, of another setup, were left out ("outdated").
    """
    groups: Dict[Any, List[Dict[str, Any]]] = {}
    for found in sorted(results, key=lambda result: result["finished"]):
        key = (found["set"], str(found["n_labels"] or "all"), found["system"])
        groups.setdefault(key, []).append(found)
    summary: SummaryT = {}
    for (data_set, labels, name), group in groups.items():
        # Of the setup of the latest run.
        runs = [found for found in group if found["setup"] == group[-1]["setup"]]
        by_label = summary.setdefault(data_set, {}).setdefault(labels, {})
        by_label[name] = {**_summarize(runs), "outdated": len(group) - len(runs)}
    return summary


def _summarize(runs: List[Dict[str, Any]]) -> Dict[str, Any]:
    means: Dict[str, Optional[float]] = {}
    for figure in FIGURES:
        values = [found[figure] for found in runs if found.get(figure) is not None]
        means[figure] = mean(values) if values else None
    deviations = {
        figure: stdev([found[figure] for found in runs]) if len(runs) > 1 else 0.0
        for figure in ("accuracy", "macro_f")
    }
    accuracies = [found["accuracy"] for found in runs]
    return {
        "runs": len(runs),
        "mean": means,
        "deviation": deviations,
        "min": min(accuracies),
        "max": max(accuracies),
        "by_seed": {found["seed"]: found["accuracy"] for found in runs},
    }


def judge(summary: SummaryT) -> List[Dict[str, Any]]:
    """
    summary (Dict): As `summarize` makes it.
    RETURNS (List[Dict[str, Any]]): Each bar with its figure, as `benchmarks.bars.judge` has them.
    """
    bars = [_best_bar(summary)]
    for data_set, name, goal in GOALS:
        value = _per_cent(accuracy(summary, data_set, "all", name))
        bars.append(Bar("accuracy", f"{data_set}, {name}", ">=", goal, "% right", value))
    for data_set in FEW_SETS:
        ours = accuracy(summary, data_set, FEW_LABELS, FEW_SYSTEM)
        peer = best_peer(summary, data_set, FEW_LABELS)
        value = None if ours is None or peer is None else 100 * (ours - peer["mean"]["accuracy"])
        what = f"{data_set}, {FEW_LABELS} labels, {FEW_SYSTEM}, more than the best peer"
        bars.append(Bar("accuracy", what, ">=", FEW_LEAD, "points", value))
    ours, theirs = (minutes(summary, name) for name in (DEFAULT, SPACY))
    seconds = None if ours is None else 60 * ours
    what = f"{DEFAULT} trained on 10,000 sentences"
    bars.append(Bar("accuracy", what, "<", MAX_SECONDS, "s", seconds))
    ratio = None if ours is None or theirs is None else ours / theirs
    bars.append(Bar("accuracy", f"{what}, by the time of {SPACY}", "<", 1.0, "x", ratio))
    return [{**bar._asdict(), "met": bar.met} for bar in bars]


def best_peer(summary: SummaryT, data_set: str, labels: str) -> Optional[Dict[str, Any]]:
    """RETURNS (Optional[Dict[str, Any]]): The figures of the peer with the highest mean."""
    by_name = summary.get(data_set, {}).get(labels, {})
    peers = [
        found for name, found in by_name.items() if name in SYSTEMS and SYSTEMS[name].group == PEER
    ]
    return max(peers, key=lambda found: found["mean"]["accuracy"], default=None)


def accuracy(summary: SummaryT, data_set: str, labels: str, name: str) -> Optional[float]:
    """RETURNS (Optional[float]): A mean over the seeds; None if it was not measured."""
    found = summary.get(data_set, {}).get(labels, {}).get(name)
    return None if found is None else float(found["mean"]["accuracy"])


def minutes(summary: SummaryT, name: str) -> Optional[float]:
    """RETURNS (Optional[float]): What training on the sentences for this took, likewise."""
    found = summary.get(TIME, {}).get("all", {}).get(name)
    return None if found is None else float(found["mean"]["minutes"])


def is_best(ours: Dict[str, Any], peer: Dict[str, Any]) -> bool:
    """RETURNS (bool): Whether our mean is above the peer's, or below it by no more than the greater
    of the two standard deviations."""
    spread = max(found["deviation"]["accuracy"] for found in (ours, peer))
    return bool(ours["mean"]["accuracy"] >= peer["mean"]["accuracy"] - spread)


def _best_bar(summary: SummaryT) -> Bar:
    """On how many sets the default is the best. Not measured while it could still be met."""
    found = []
    for data_set in SETS:
        ours = summary.get(data_set, {}).get("all", {}).get(DEFAULT)
        peer = best_peer(summary, data_set, "all")
        if ours is not None and peer is not None:
            found.append(is_best(ours, peer))
    value = float(sum(found)) if len(found) == len(SETS) or sum(found) >= MIN_BEST else None
    what = f"sets on which {DEFAULT} is best, or within the spread of the best peer"
    return Bar("accuracy", what, ">=", float(MIN_BEST), f"of {len(SETS)}", value)


def _per_cent(value: Optional[float]) -> Optional[float]:
    return None if value is None else 100 * value
