"""Encoders by themselves: lists of arrays in and out."""

from typing import Any, Dict, List

from tqdm import tqdm

from .batches import MEAN_LENGTHS, draw_lengths, make_batch
from .checks import check_same_work
from .options import QUICK_ROUNDS, Options
from .peers import BASELINE, ENGINE, N_OUT, OURS, Peer, build_peers, describe
from .summary import add_ratios, summarize
from .threads import use_threads
from .timing import N_BATCHES, Plan, Setting, measure


def measure_section(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The "models", "engine", "baseline", "checks", the figures of all
    "settings" and their "summary"."""
    with use_threads(1):
        peers = build_peers()
    checks = check(peers)
    settings = measure_all(make_plans(options), peers)
    return {
        "models": describe([peer.name for peer in peers]),
        "engine": ENGINE,
        "ours": OURS,
        "baseline": BASELINE,
        "checks": checks,
        "settings": settings,
        "summary": summarize(settings),
    }


def make_plans(options: Options) -> List[Plan]:
    """RETURNS (List[Plan]): One for each length of texts and batch size."""
    n = options.threads[0]
    if options.quick:
        setting = Setting("short", options.batch_sizes[0], n)
        return [Plan(setting, QUICK_ROUNDS, QUICK_ROUNDS)]
    settings = [Setting(docs, size, n) for docs in MEAN_LENGTHS for size in options.batch_sizes]
    return [Plan(s, options.rounds, N_BATCHES, options.with_packed) for s in settings]


def check(peers: List[Peer]) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): How much the models differ, on one of the batches."""
    lengths = draw_lengths("short", 32, 1)[0]
    batch = make_batch(lengths, [peer.in_width for peer in peers], N_OUT)
    return check_same_work(peers, batch)


def measure_all(plans: List[Plan], peers: List[Peer]) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): The results of all settings."""
    results = []
    with tqdm(total=sum(plan.n_words for plan in plans), unit="word", unit_scale=True) as progress:
        for plan in plans:
            progress.set_description(f"{plan.setting.title}, threads: {plan.setting.threads}")
            result = measure(plan, peers, progress.update)
            add_ratios(result, peers)
            results.append(result)
    return results
