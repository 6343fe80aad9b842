"""How fast language models train, next to plain PyTorch's, and what spaCy's loop costs them.

python -m benchmarks.lm_speed

Whole steps on the State of the Union addresses: forward, backward, clipping, Adam. In each setting
all models read the same windows, in turn, in one process. It takes some five minutes on two cores.
The tables and the picture of docs/speed.md are made from the file by `benchmarks.lm_report`.
"""

import os
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any, Dict, List, Sequence

import typer
from tqdm import tqdm
from wasabi import msg

from .lm_bars import judge_speed
from .lm_data import Corpus, cut_batches, read_corpus
from .lm_loop import measure_loops
from .lm_models import ABOUT, TORCH, Peer, Setting, build_models
from .lm_tables import speed_tables
from .machine import describe_machine
from .options import MIN_ROUNDS, QUICK_ROUNDS, ROUNDS
from .report import print_bars, print_machine, print_table
from .speed import PIN, parse_counts, run_without_pin, write_json
from .threads import use_threads
from .timing import rotated

SETTINGS: Dict[str, List[Setting]] = {
    "words": [
        Setting("word", width, width, True, n_streams, bptt)
        for width in (256, 512)
        for n_streams, bptt in ((64, 35), (32, 70))
    ],
    "chars": [Setting("char", width, 64, False, 64, 100) for width in (256, 512)],
}
QUICK_SETTINGS: Dict[str, List[Setting]] = {
    "words": [Setting("word", 8, 8, True, 3, 5)],
    "chars": [Setting("char", 8, 4, False, 3, 7)],
}
# Those that spaCy's loop is compared in.
LOOP_SETTINGS = [SETTINGS["words"][0], SETTINGS["chars"][1]]
SECTIONS = ("words", "chars", "loop")
WARM_UP = 2
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    only: Annotated[
        str, typer.Option(help=f"Sections, separated by commas: {', '.join(SECTIONS)}")
    ] = ",".join(SECTIONS),
    threads: Annotated[
        str, typer.Option(help="Numbers of threads; spaCy's loop has the first of them")
    ] = "2,1",
    rounds: Annotated[int, typer.Option(min=MIN_ROUNDS, help="Rounds, of a step each")] = ROUNDS,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that it works; the figures mean little")
    ] = False,
    own_kernels: Annotated[
        bool, typer.Option(help=f"If {PIN} is set, measure without it as well")
    ] = True,
    output: Annotated[Path, typer.Option(help="Where to write all figures, as JSON")] = Path(
        "metrics/lm_speed.json"
    ),
) -> None:
    """Compare the speed of training, and print and write the results."""
    names = parse_sections(only, SECTIONS)
    counts = parse_counts(threads, "--threads")
    measure_all(names, counts, QUICK_ROUNDS if quick else rounds, output, quick=quick)
    if own_kernels and not quick and PIN in os.environ:
        beside = output.with_name(f"{output.stem}-own-kernels{output.suffix}")
        options = ["--only", ",".join(names), "--threads", threads, "--rounds", str(rounds)]
        run_without_pin("benchmarks.lm_speed", [*options, "--output", str(beside)])


def parse_sections(text: str, known: Sequence[str]) -> List[str]:
    """RETURNS (List[str]): The names of the option --only, in the order of those that are known."""
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise typer.BadParameter(f"--only takes some of {', '.join(known)}, not '{unknown[0]}'.")
    return [name for name in known if name in names]


def measure_all(
    names: List[str], threads: List[int], n_rounds: int, output: Path, *, quick: bool
) -> Dict[str, Any]:
    """Measure, print and write; what was measured is written after each setting.

    RETURNS (Dict[str, Any]): What is in the file: "quick", "rounds", "machine", "corpus", "models",
        "settings" of the comparisons, "loops", and the "bars".
    """
    corpus = read_corpus(quick=quick)
    results: Dict[str, Any] = {
        "quick": quick,
        "rounds": n_rounds,
        "machine": describe_machine(),
        "corpus": {unit: describe(corpus, unit) for unit in corpus.vocabularies},
        "models": ABOUT,
        "settings": [],
        "loops": [],
        "bars": [],
    }
    print_machine(results["machine"])
    settings = QUICK_SETTINGS if quick else SETTINGS
    for setting in (one for name in names if name in settings for one in settings[name]):
        for n_threads in threads:
            results["settings"].append(measure(setting, corpus, n_threads, n_rounds))
            results["bars"] = judge_speed(results)
            write_json(results, output)
    if "loop" in names:
        chosen = [one for group in QUICK_SETTINGS.values() for one in group]
        chosen = chosen if quick else LOOP_SETTINGS
        results["loops"] = measure_loops(chosen, corpus, threads[0], n_rounds)
        write_json(results, output)
    for table in speed_tables(results):
        print_table(table)
    print_bars(results["bars"])
    typer.echo(f"Wrote {output}")
    return results


def describe(corpus: Corpus, unit: str) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): How many "units" there are, and different "symbols"."""
    return {"units": len(corpus.ids(unit)), "symbols": len(corpus.vocabularies[unit])}


def measure(setting: Setting, corpus: Corpus, n_threads: int, n_rounds: int) -> Dict[str, Any]:
    """Time whole steps of all models of a setting.

    RETURNS (Dict[str, Any]): The setting and "threads"; "units_per_second", medians over the
        rounds, and "by_round"; the "ratio" to PyTorch's; the "loss" of the last round; how far ours
        and PyTorch's were apart before anything was timed, "apart".
    """
    vocabulary = corpus.vocabularies[setting.unit]
    ids = corpus.ids(setting.unit)
    batches = cut_batches(ids, setting.n_streams, setting.bptt, n_rounds + WARM_UP)
    with use_threads(n_threads):
        models, apart = build_models(setting, vocabulary)
        by_round: Dict[str, List[float]] = {name: [] for name in models}
        losses: Dict[str, float] = {}
        title = f"{setting.unit}s, {setting.title}, threads: {n_threads}"
        for turn, batch in enumerate(tqdm(batches, desc=title, unit="round", leave=False)):
            for name in rotated(list(models), turn):
                seconds, losses[name] = time_step(models[name], batch)
                if turn >= WARM_UP:
                    by_round[name].append(setting.n_units / seconds)
    rates = {name: median(values) for name, values in by_round.items()}
    msg.text(f"{title}; " + ", ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items()))
    return {
        **setting.as_dict(),
        "threads": n_threads,
        "units_per_second": rates,
        "by_round": by_round,
        "ratio": {name: rate / rates[TORCH] for name, rate in rates.items()},
        "loss": losses,
        "apart": apart,
    }


def time_step(model: Peer, batch: Any) -> Any:
    """RETURNS (Tuple[float, float]): The seconds of a step, and its loss."""
    prepared = model.prepare(batch)
    start = perf_counter()
    loss = model.step(prepared)
    return perf_counter() - start, loss


if __name__ == "__main__":
    app()
