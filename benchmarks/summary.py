"""Ratios, means and bars, from the measured rates."""

from statistics import geometric_mean
from typing import Any, Dict, List

from .peers import BASELINE, OURS, Peer
from .timing import MODES

BARS: Dict[str, float] = {"inference": 1.5, "training": 2.0}  # geometric means of the ratios
MINIMUM_BAR = 1.1
SECONDS_BAR = 3.0
MB_BAR = 600.0


def add_ratios(setting: Dict[str, Any], peers: List[Peer]) -> None:
    """Compare the rates of a setting with the baseline's, and with what its products allow.

    setting (Dict[str, Any]): A result of `timing.measure`. Gets, by mode and model, "ratio", which
        is empty if the baseline was left out; for our models also "limit", the words per second
        at the rate of the measured product if a model did nothing but its products, and
        "share_of_limit".
    peers (List[Peer]): The models.
    """
    setting.update(ratio={}, limit={}, share_of_limit={})
    for mode in MODES:
        rates = setting["words_per_second"][mode]
        baseline = rates.get(BASELINE)
        setting["ratio"][mode] = {
            name: rate / baseline for name, rate in rates.items() if baseline is not None
        }
        passes = 1 if mode == "inference" else 3  # training has two more for each product
        limits = {
            peer.name: setting["gemm_gflops"] * 1e9 / (passes * peer.flops)
            for peer in peers
            if peer.flops
        }
        setting["limit"][mode] = limits
        setting["share_of_limit"][mode] = {
            name: rates[name] / limit for name, limit in limits.items() if name in rates
        }


def summarize(settings: List[Dict[str, Any]]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): By the number of threads, mode and model: geometric mean and
    minimum of the ratios to the baseline, over the settings that have the model."""
    summary: Dict[str, Any] = {}
    for threads in dict.fromkeys(setting["threads"] for setting in settings):
        chosen = [setting for setting in settings if setting["threads"] == threads]
        summary[str(threads)] = {}
        for mode in MODES:
            ratios: Dict[str, List[float]] = {}
            for setting in chosen:
                for name, ratio in setting["ratio"][mode].items():
                    ratios.setdefault(name, []).append(ratio)
            summary[str(threads)][mode] = {
                name: {
                    "geomean": geometric_mean(values),
                    "minimum": min(values),
                    "n_settings": len(values),
                }
                for name, values in ratios.items()
            }
    return summary


def judge(summary: Dict[str, Any], long_doc: Dict[str, Any]) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): For each bar "what" is measured, the "bar", the "value" and
    whether it is "met". Bars for ratios hold with one thread; unless it was measured, there are
    none."""
    bars = []

    def add(what: str, bar: float, value: float, met: bool) -> None:
        bars.append({"what": what, "bar": bar, "value": value, "met": met})

    found = {mode: summary.get("1", {}).get(mode, {}).get(OURS) for mode in MODES}
    if all(found.values()):
        for mode, bar in BARS.items():
            value = found[mode]["geomean"]
            add(f"{mode}, geometric mean of the ratios: at least", bar, value, value >= bar)
        value = min(entry["minimum"] for entry in found.values())
        add("smallest of all ratios: at least", MINIMUM_BAR, value, value >= MINIMUM_BAR)
    for mode in MODES:
        entry = long_doc[OURS][mode]
        add(
            f"long doc, {mode}, s: under",
            SECONDS_BAR,
            entry["seconds"],
            entry["seconds"] < SECONDS_BAR,
        )
        add(f"long doc, {mode}, MB: under", MB_BAR, entry["mb"], entry["mb"] < MB_BAR)
    return bars
