"""How fast this package's layers are, next to spaCy's and Thinc's.

python -m benchmarks.speed
python -m benchmarks.speed --threads 1 --batch-sizes 64

All models run on the same ragged batches, in turn, in one process, so that whatever else the
machine does falls on all of them. It takes about five minutes; twice that where
OPENBLAS_CORETYPE holds NumPy's products to other kernels than the processor's own, as the ratios
are then measured with those as well.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Dict, List

import typer
from tqdm import tqdm
from wasabi import msg

from .batches import MEAN_LENGTHS, draw_lengths, make_batch
from .checks import check_same_work
from .long_doc import N_LONG, measure_apart
from .machine import describe_machine
from .peers import ABOUT, BASELINE, N_OUT, OURS, Peer, build_peers
from .report import print_bars, print_long_doc, print_machine, print_models, print_settings
from .summary import add_ratios, judge, summarize
from .timing import N_BATCHES, Plan, Setting, measure

PIN = "OPENBLAS_CORETYPE"
MIN_ROUNDS = 9
QUICK_ROUNDS = 3
QUICK_LONG = 500
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    threads: Annotated[
        str, typer.Option(help="Numbers of threads; the first has all batch sizes")
    ] = "1,2",
    batch_sizes: Annotated[
        str, typer.Option(help="Docs in a batch; further threads have the middle one")
    ] = "32,64,128",
    rounds: Annotated[int, typer.Option(min=MIN_ROUNDS, help="Rounds, of one batch or more")] = 10,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that it works; the figures mean little")
    ] = False,
    with_padded: Annotated[
        bool, typer.Option("--with-padded", help="The long doc padded as well: 2 GB of memory")
    ] = False,
    with_packed: Annotated[
        bool, typer.Option("--with-packed", help="What takes minutes as well: packed training")
    ] = False,
    own_kernels: Annotated[
        bool, typer.Option(help="If OPENBLAS_CORETYPE is set, measure without it as well")
    ] = True,
    output: Annotated[Path, typer.Option(help="Where to write all figures, as JSON")] = Path(
        "metrics/speed.json"
    ),
) -> None:
    """Compare the speed of recurrent layers, and print and write the results."""
    counts = parse_counts(threads, "--threads")
    sizes = parse_counts(batch_sizes, "--batch-sizes")
    if quick:
        plans = [Plan(Setting("short", sizes[0], counts[0]), QUICK_ROUNDS, QUICK_ROUNDS)]
    else:
        settings = choose_settings(counts, sizes)
        plans = [Plan(setting, rounds, N_BATCHES, with_packed) for setting in settings]
    results: Dict[str, Any] = {"quick": quick, "machine": describe_machine()}
    print_machine(results["machine"])
    peers = build_peers()
    results.update(models=ABOUT, baseline=BASELINE, checks=check(peers))
    print_models(results["checks"])
    results["settings"] = measure_all(plans, peers)
    results["summary"] = summarize(results["settings"])
    print_settings(results["settings"], results["summary"])
    n_long = QUICK_LONG if quick else N_LONG
    results["long_doc"] = measure_long_doc(n_long, with_padded)
    print_long_doc(n_long, results["long_doc"])
    results["long_doc_tokens"] = n_long
    results["bars"] = judge(results["summary"], results["long_doc"])
    print_bars(results["bars"])
    write_json(results, output)
    if own_kernels and not quick and PIN in os.environ:
        beside = output.with_name(f"{output.stem}-own-kernels{output.suffix}")
        run_with_own_kernels(batch_sizes, rounds, beside)
    typer.echo(f"Wrote {output}")


def run_with_own_kernels(batch_sizes: str, rounds: int, output: Path) -> None:
    """Run all of this again in a process where OpenBLAS chooses its kernels itself."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    msg.divider(f"Again, without {PIN}", char="#")
    options = ["--threads", "1", "--batch-sizes", batch_sizes, "--rounds", str(rounds)]
    command = [sys.executable, "-m", "benchmarks.speed", *options, "--output", str(output)]
    subprocess.run(command, env=environment, check=True)


def parse_counts(text: str, option: str) -> List[int]:
    """RETURNS (List[int]): The positive numbers of an option, which are separated by commas."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise typer.BadParameter(f"{option} takes positive numbers such as 1,2, not '{text}'.")
    return list(dict.fromkeys(counts))


def choose_settings(threads: List[int], batch_sizes: List[int]) -> List[Setting]:
    """RETURNS (List[Setting]): All batch sizes with the first number of threads; with each other
    one the middle size, which is enough to see what threads do."""
    sizes = {n: [batch_sizes[len(batch_sizes) // 2]] for n in threads}
    sizes[threads[0]] = batch_sizes
    return [Setting(docs, size, n) for n in threads for docs in MEAN_LENGTHS for size in sizes[n]]


def check(peers: List[Peer]) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): How much the LSTMs differ, on one of the batches."""
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


def measure_long_doc(n_long: int, with_padded: bool) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Time and memory of the long doc, by model and mode."""
    names = [OURS, BASELINE] if with_padded else [OURS]
    return {name: measure_apart(name, n_long) for name in tqdm(names, desc="One long doc")}


def write_json(results: Dict[str, Any], path: Path) -> None:
    """Write beside the file first, so that it is never half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp")
    beside.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    os.replace(beside, path)


if __name__ == "__main__":
    app()
