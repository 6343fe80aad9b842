"""How fast `rnn_seq2seq` trains, next to plain PyTorch's: what decided that its gradients are
derived by hand.

python scripts/pairs.py g2p corpus/g2p
python -m benchmarks.seq2seq_speed corpus/g2p/train.jsonl

Whole steps on words and their phonemes: forward, backward, clipping, Adam. Both read the same
batches, in turn, in one process, from the same weights on.
"""

from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any, Dict, List, Tuple

import numpy
import spacy
import srsly
import torch
import typer
from spacy.training import Example
from thinc.api import fix_random_seed
from tqdm import tqdm

from spacy_rnn.models.seq2seq import learn
from spacy_rnn.training.optimizers import Adam
from spacy_rnn.training.steps import StepStats, finish_update

from .machine import describe_machine
from .peers import clear_gradients
from .report import print_machine, print_table
from .seq2seq_peer import Torchs, our_gradients
from .speed import parse_counts, write_json
from .tables import Table
from .threads import use_threads
from .timing import rotated

LEARN_RATE, CLIP_NORM = 0.001, 1.0
OURS, TORCH = "rnn_seq2seq", "PyTorch"
WARM_UP = 2
# Above this, the two do not compute the same.
MAX_APART = 1e-3


def main(
    path: Annotated[Path, typer.Argument(help="Pairs, a .jsonl file", exists=True)],
    widths: Annotated[str, typer.Option(help="Widths, separated by commas")] = "128,256,512",
    batch_sizes: Annotated[str, typer.Option(help="Pairs in a batch")] = "32,256",
    threads: Annotated[str, typer.Option(help="Numbers of threads")] = "1,2",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, of a step each")] = 9,
    output: Annotated[Path, typer.Option(help="Where to write the figures")] = Path(
        "metrics/seq2seq_speed.json"
    ),
) -> None:
    """Compare the speed of training."""
    pairs: List[Dict[str, str]] = list(srsly.read_jsonl(path))
    sizes = parse_counts(batch_sizes, "--batch-sizes")
    results: Dict[str, Any] = {"machine": describe_machine(), "settings": []}
    print_machine(results["machine"])
    for width in parse_counts(widths, "--widths"):
        for size in sizes:
            for n_threads in parse_counts(threads, "--threads"):
                results["settings"].append(measure(pairs, width, size, n_threads, rounds))
                write_json(results, output)
    print_table(speed_table(results))
    typer.echo(f"Wrote {output}")


def measure(
    pairs: List[Dict[str, str]], width: int, size: int, n_threads: int, rounds: int
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The setting; "pairs_per_second", medians over the rounds; the
    "ratio" to PyTorch's; and how far the gradients were "apart" before anything was timed."""
    drawn = numpy.random.RandomState(0).permutation(len(pairs))[: size * (rounds + WARM_UP)]
    model, batches = build([pairs[i] for i in drawn], width, size)
    peer = Torchs(model)
    torch_optimizer = torch.optim.Adam(peer.parameters(), LEARN_RATE, fused=True)
    optimizer, stats = Adam(LEARN_RATE, clip_norm=CLIP_NORM), StepStats()

    def ours(batch: Any) -> None:
        sources, targets, weights = batch
        learn(model, sources, targets, weights)
        finish_update(model, optimizer, stats)

    def theirs(batch: Any) -> None:
        torch_optimizer.zero_grad()
        peer(*batch).backward()
        torch.nn.utils.clip_grad_norm_(peer.parameters(), CLIP_NORM)
        torch_optimizer.step()

    steps = {OURS: ours, TORCH: theirs}
    by_round: Dict[str, List[float]] = {name: [] for name in steps}
    with use_threads(n_threads):
        apart = compare(model, peer, batches[0])
        title = f"width {width}, batches of {size}, threads: {n_threads}"
        for turn, batch in enumerate(tqdm(batches, desc=title, unit="round", leave=False)):
            prepared = {OURS: batch, TORCH: peer.prepare(*batch[:2])}
            for name in rotated(list(steps), turn):
                start = perf_counter()
                steps[name](prepared[name])
                if turn >= WARM_UP:
                    by_round[name].append(len(batch[0]) / (perf_counter() - start))
    ratios = [one / other for one, other in zip(by_round[OURS], by_round[TORCH])]
    return {
        "width": width,
        "batch_size": size,
        "threads": n_threads,
        "pairs_per_second": {name: median(found) for name, found in by_round.items()},
        "ratio": median(ratios),
        "apart": apart,
    }


def build(pairs: List[Dict[str, str]], width: int, size: int) -> Tuple[Any, List[Any]]:
    """RETURNS (Tuple[Model, List[Tuple]]): A model that knows the units of these pairs, and their
    batches: sources, targets, and the weight of each pair."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    settings = {
        "@architectures": "spacy-rnn.Seq2Seq.v1",
        "unit": "word",
        "width": width,
        "embed_width": 64,
    }
    pipe = nlp.add_pipe("rnn_seq2seq", config={"model": settings})
    examples = [Example(nlp.make_doc(pair["text"]), nlp.make_doc("")) for pair in pairs]
    for example, pair in zip(examples, pairs):
        example.reference._.seq2seq = pair["target"]
    nlp.initialize(lambda: examples)
    sources, targets = pipe.reader.encode_pairs(examples)  # type: ignore[attr-defined]
    batches = []
    for i in range(0, len(sources), size):
        chosen = slice(i, i + size)
        n_units = sum(map(len, targets[chosen]))
        weights = numpy.full(len(sources[chosen]), 1.0 / n_units, dtype="float32")
        batches.append((sources[chosen], targets[chosen], weights))
    return pipe.model, batches  # type: ignore[attr-defined]


def compare(model: Any, peer: Torchs, batch: Any) -> float:
    """RETURNS (float): The greatest difference of the gradients, by the greatest gradient of the
    weight.
    RAISES (RuntimeError): If it is too great for the two to be the same model."""
    sources, targets, weights = batch
    learn(model, sources, targets, weights)
    peer(*peer.prepare(sources, targets)).backward()
    wanted = peer.gradients()
    apart = max(
        float(abs(found - wanted[name]).max() / abs(wanted[name]).max())
        for name, found in our_gradients(model).items()
        if abs(wanted[name]).max() > 0.0
    )
    clear_gradients(model)
    if apart > MAX_APART:
        raise RuntimeError(f"The gradients are {apart:.1e} apart: these are not the same models.")
    return apart


def speed_table(results: Dict[str, Any]) -> Table:
    """RETURNS (Table): Pairs per second in each setting."""
    rows = [
        [
            f"width {one['width']}, batches of {one['batch_size']}",
            str(one["threads"]),
            *(f"{one['pairs_per_second'][name]:,.0f}" for name in (OURS, TORCH)),
            f"{one['ratio']:.2f}x",
        ]
        for one in results["settings"]
    ]
    header = ["", "threads", OURS, TORCH, "ratio"]
    return Table("Sequence to sequence, pairs/s in training", header, rows)


if __name__ == "__main__":
    typer.run(main)
