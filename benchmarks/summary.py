"""Ratios, limits and means, from the measured rates of encoders."""

from statistics import geometric_mean
from typing import Any, Dict, List

from .gemm import LIMIT_LIBRARIES, limits
from .peers import BASELINE, Peer
from .timing import MODES


def add_ratios(setting: Dict[str, Any], peers: List[Peer]) -> None:
    """Compare the rates of a setting with the baseline's, and with what its products allow.

    setting (Dict[str, Any]): A result of `timing.measure`. Gets, by mode and model, "ratio", which
        is empty if the baseline was left out; for our models also "limits", by library the words
        per second if a model did nothing but its products; "limit", the highest of those of
        LIMIT_LIBRARIES; and "share_of_limit".
    peers (List[Peer]): The models.
    """
    setting.update(ratio={}, limits={}, limit={}, share_of_limit={})
    for mode in MODES:
        rates = setting["words_per_second"][mode]
        baseline = rates.get(BASELINE)
        setting["ratio"][mode] = {
            name: rate / baseline for name, rate in rates.items() if baseline is not None
        }
        by_library = {peer.name: limits(peer, setting["gemm_gflops"], mode) for peer in peers}
        found = {name: values for name, values in by_library.items() if values}
        setting["limits"][mode] = found
        setting["limit"][mode] = {
            name: max(values[library] for library in LIMIT_LIBRARIES if library in values)
            for name, values in found.items()
        }
        setting["share_of_limit"][mode] = {
            name: rates[name] / limit
            for name, limit in setting["limit"][mode].items()
            if name in rates
        }


def summarize(settings: List[Dict[str, Any]]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): By mode and model, over the settings that have the model:
    "geomean" and "minimum" of the ratios to the baseline; "words_per_second", the geometric mean;
    for our models "share_of_limit", and "share_of" each library's limit, geometric means as well.
    """
    summary: Dict[str, Any] = {}
    for mode in MODES:
        names = dict.fromkeys(n for setting in settings for n in setting["words_per_second"][mode])
        summary[mode] = {name: _summarize_model(settings, mode, name) for name in names}
    return summary


def _summarize_model(settings: List[Dict[str, Any]], mode: str, name: str) -> Dict[str, Any]:
    rates = collect(settings, "words_per_second", mode, name)
    entry: Dict[str, Any] = {
        "words_per_second": geometric_mean(rates),
        "n_settings": len(rates),
    }
    ratios = collect(settings, "ratio", mode, name)
    if ratios:
        entry.update(geomean=geometric_mean(ratios), minimum=min(ratios))
    shares = collect(settings, "share_of_limit", mode, name)
    if shares:
        entry["share_of_limit"] = geometric_mean(shares)
        entry["limit"] = geometric_mean(collect(settings, "limit", mode, name))
        by_library = [
            {
                library: setting["words_per_second"][mode][name] / limit
                for library, limit in setting["limits"][mode][name].items()
            }
            for setting in settings
            if name in setting["words_per_second"][mode]
        ]
        entry["share_of"] = {
            library: geometric_mean([found[library] for found in by_library if library in found])
            for library in by_library[0]
        }
    return entry


def compare(settings: List[Dict[str, Any]], mode: str, name: str, other: str) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): "geomean" and "minimum" of one model's rates divided by
    another's, over the settings that have both; empty if there are none."""
    ratios = [
        rates[name] / rates[other]
        for rates in (setting["words_per_second"][mode] for setting in settings)
        if name in rates and other in rates
    ]
    return {"geomean": geometric_mean(ratios), "minimum": min(ratios)} if ratios else {}


def collect(settings: List[Dict[str, Any]], key: str, mode: str, name: str) -> List[float]:
    """RETURNS (List[float]): A figure of a model from all settings that have it."""
    return [setting[key][mode][name] for setting in settings if name in setting[key][mode]]
