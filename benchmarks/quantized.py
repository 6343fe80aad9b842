"""Whether prediction by int8 would pay: how fast, how exact and how small it would be.

python -m benchmarks.quantized --page docs/speed.md

It takes a few minutes. What is compared runs in turn, in one process and on one thread. Times are
those of the processor, so that little depends on what else the machine does.
"""

from pathlib import Path
from statistics import median
from time import process_time
from typing import Annotated, Any, Callable, Dict, List, Optional

import typer
from tqdm import tqdm
from wasabi import msg

from spacy_rnn.layers import use_engine

from .batches import MEAN_LENGTHS, Batch, draw_lengths, make_batch
from .int8 import build_torch_peers, int8_encoders, product_tasks
from .int8_pipe import WIDTHS, build, compare_scores, error_of, load_examples, trained
from .int8_shares import float_product_task, measure_shares, measure_sizes
from .int8_tables import fill_page, int8_tables
from .machine import describe_machine
from .options import MIN_ROUNDS, QUICK_ROUNDS, ROUNDS, Options
from .peers import ENGINE, N_HIDDEN, N_IN, N_OUT, OURS, Peer, build_ours
from .report import print_table
from .speed import parse_counts, write_json
from .texts import N_TEXTS, load_texts
from .threads import use_threads
from .timing import N_BATCHES, Plan, Setting, rotated

N_ROWS = (1, 16, 64, 1024)  # of the products: steps of a few texts, of many, all tokens of a batch
N_SEEDS = 3
N_EPOCHS = 6
QUICK_TEXTS = 60
# Flags of /proc/cpuinfo: of x86, then of ARM.
INT8_FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    batch_sizes: Annotated[str, typer.Option(help="Texts in a batch")] = "32,64,128",
    rounds: Annotated[int, typer.Option(min=MIN_ROUNDS, help="Rounds of measurements")] = ROUNDS,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that it works; the figures mean little")
    ] = False,
    output: Annotated[Path, typer.Option(help="Where to write all figures, as JSON")] = Path(
        "metrics/quantized.json"
    ),
    page: Annotated[
        Optional[Path], typer.Option(exists=True, help="A page whose tables are written anew")
    ] = None,
) -> None:
    """Compare an LSTM in float32 with int8, and print and write the results."""
    sizes = parse_counts(batch_sizes, "--batch-sizes")
    options = Options(quick=quick, rounds=rounds, threads=[1], batch_sizes=sizes)
    with use_threads(1):
        results = measure_all(options)
    write_json(results, output)
    for table in int8_tables(results):
        print_table(table)
    if page is not None:
        text = page.read_text(encoding="utf8")
        page.write_text(fill_page(text, results), encoding="utf8")
        msg.good(f"Wrote the figures into {page}")
    typer.echo(f"Wrote {output}")


def measure_all(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The "machine", its "int8_instructions", and the figures: "rates" of
    encoders, "products", "accuracy", "pipes" and "sizes"."""
    machine = describe_machine()
    return {
        "quick": options.quick,
        "machine": machine,
        "int8_instructions": int8_instructions(),
        "rates": measure_rates(options),
        "products": measure_products(options),
        "accuracy": measure_accuracy(options),
        "pipes": measure_pipes(options),
        "sizes": measure_sizes(build(load_examples(QUICK_TEXTS)[0], WIDTHS[0], is_whole=True)),
    }


def measure_rates(options: Options) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): For each setting "docs", "batch_size" and, by model,
    "words_per_second", medians over the rounds. Ours takes and returns lists; what torch reads is
    packed before, and not unpacked."""
    (ours,) = (peer for peer in build_ours() if peer.name == OURS)
    assert ours.model is not None
    peers: List[Peer] = [ours, *build_torch_peers(ours.model)]
    found = []
    for docs in ["short"] if options.quick else MEAN_LENGTHS:
        for batch_size in options.batch_sizes:
            setting = Setting(docs, batch_size, 1)
            n_batches = QUICK_ROUNDS if options.quick else N_BATCHES
            rates = _rates(Plan(setting, options.n_rounds, n_batches), peers)
            found.append({"docs": docs, "batch_size": batch_size, "words_per_second": rates})
    return found


def _rates(plan: Plan, peers: List[Peer]) -> Dict[str, float]:
    batches = [make_batch(lengths, [N_IN], N_OUT) for lengths in plan.lengths]
    by_name = {peer.name: peer for peer in peers}
    rates: Dict[str, List[float]] = {name: [] for name in by_name}
    for peer in peers:
        _time(peer, batches[0])
    turn = 0
    for indices in tqdm(plan.rounds, desc=plan.setting.title, unit="round", leave=False):
        seconds = dict.fromkeys(by_name, 0.0)
        for i in indices:
            for name in rotated(list(by_name), turn):
                seconds[name] += _time(by_name[name], batches[i])
            turn += 1
        n_words = sum(batches[i].n_words for i in indices)
        for name in by_name:
            rates[name].append(n_words / seconds[name])
    return {name: median(values) for name, values in rates.items()}


def _time(peer: Peer, batch: Batch) -> float:
    Xs = peer.prepare(batch)
    with peer.active():
        start = process_time()
        peer.predict(Xs)
        return process_time() - start


def measure_products(options: Options) -> Dict[str, Dict[str, float]]:
    """RETURNS (Dict[str, Dict[str, float]]): By number of rows and what does it, 1e9 operations per
    second of the product of one direction's states by its recurrent weights."""
    columns = 4 * N_HIDDEN
    found = {}
    for n in N_ROWS:
        tasks: Dict[str, Callable[[], Any]] = {
            "ours, float32": float_product_task(n, N_HIDDEN, columns),
            **product_tasks(n, N_HIDDEN, columns),
        }
        seconds: Dict[str, List[float]] = {name: [] for name in tasks}
        for turn in range(20 * options.n_rounds):
            for name in rotated(list(tasks), turn):
                tasks[name]()  # brings the weights back into the cache
                start = process_time()
                tasks[name]()
                seconds[name].append(process_time() - start)
        n_operations = 2 * n * N_HIDDEN * columns
        found[str(n)] = {
            name: n_operations / median(times) / 1e9 for name, times in seconds.items()
        }
    return found


def measure_accuracy(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The errors of int8 encoders with "random" weights; and in "seeds",
    for classifiers that were trained for "n_epochs", what becomes of their predictions: see
    `int8_pipe.compare_scores`."""
    (ours,) = (peer for peer in build_ours() if peer.name == OURS)
    assert ours.model is not None
    Xs = make_batch(draw_lengths("short", 64, 1)[0], [N_IN], N_OUT).inputs[N_IN]
    encoders = int8_encoders(ours.model)
    with use_engine(ENGINE):
        Ys = ours.model.predict(Xs)
    errors = {name: error_of(encode(Xs), Ys) for name, encode in encoders.items()}
    seeds = []
    for seed in range(1 if options.quick else N_SEEDS):
        n_epochs, n = (1, QUICK_TEXTS) if options.quick else (N_EPOCHS, 0)
        nlp, docs, truths = trained(seed, n_epochs, n)
        seeds.append(compare_scores(nlp, docs, truths))
    return {"n_epochs": n_epochs, "random": errors, "seeds": seeds}


def measure_pipes(options: Options) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): For each kind of "docs" and the widths of "embedding" and
    "encoder", the "shares" of the time; see `int8_shares.measure_shares`."""
    pairs, _ = load_examples(QUICK_TEXTS)
    found = []
    for widths in WIDTHS[:1] if options.quick else WIDTHS:
        nlp = build(pairs, widths)
        for docs in N_TEXTS:
            texts = load_texts(docs, options.quick * QUICK_TEXTS)
            shares = measure_shares(nlp, texts, options.n_rounds)
            found.append(
                {"docs": docs, "embedding": widths[0], "encoder": widths[1], "shares": shares}
            )
    return found


def int8_instructions() -> List[str]:
    """RETURNS (List[str]): Which of INT8_FLAGS the processor has; empty if it can't be told."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text().split()) if info.exists() else set()
    return [flag for flag in INT8_FLAGS if flag in flags]


if __name__ == "__main__":
    app()
