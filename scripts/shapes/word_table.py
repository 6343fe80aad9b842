"""A baseline for translation: for each word its most probable one, in the order of the source.

python scripts/shapes/word_table.py corpus/translation
"""

import re
from pathlib import Path
from typing import Annotated, Any, Dict, Iterable, List, NamedTuple, Tuple

import numpy
import srsly
import typer
from common import report
from sacrebleu import corpus_bleu, corpus_chrf

TOKEN = re.compile(r"\w+|[^\w\s]")
# Words that are expected to give fewer words than this are left out; chosen on dev.
RATES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


class Table(NamedTuple):
    """Of each word the most probable one and how many words it gives on average; and the
    log-likelihoods of the training pairs before each round of EM, in nats."""

    best: Dict[str, str]
    rates: Dict[str, float]
    log_likelihoods: List[float]


def learn(pairs: Iterable[Tuple[List[str], List[str]]], n_rounds: int = 10) -> Table:
    """IBM's model 1 (P. Brown et al. 1993, "The mathematics of statistical machine translation"):
    the probability of a target's word is the mean of t(word | source word). In each source there is
    "" too, for what nothing else in it gives.

    pairs (Iterable[Tuple[List[str], List[str]]]): Words of sources and of targets.
    n_rounds (int): Rounds of EM.
    RETURNS (Table): What was found.
    """
    sources: Dict[str, int] = {}
    targets: Dict[str, int] = {}
    # Each source word of a pair with each target word of it; each of those has a "slot".
    every, rows, columns, slots, n_slots = [], [], [], [], 0
    for source, target in pairs:
        every.append([sources.setdefault(word, len(sources)) for word in ["", *source]])
        f = [targets.setdefault(word, len(targets)) for word in target]
        rows.append(numpy.tile(every[-1], len(f)))
        columns.append(numpy.repeat(f, len(every[-1])))
        slots.append(numpy.repeat(numpy.arange(n_slots, n_slots + len(f)), len(every[-1])))
        n_slots += len(f)
    row, column, slot = (numpy.concatenate(parts) for parts in (rows, columns, slots))
    keys, entry = numpy.unique(row * len(targets) + column, return_inverse=True)
    owners, n_words = keys // len(targets), numpy.bincount(slot)
    t: Any = numpy.full(len(keys), 1.0 / len(targets))
    totals: Any = numpy.zeros(len(sources))
    likelihoods = []
    for _ in range(n_rounds):
        sums = numpy.bincount(slot, t[entry])
        likelihoods.append(float(numpy.log(sums / n_words).sum()))
        counts = numpy.bincount(entry, t[entry] / sums[slot])
        totals = numpy.bincount(owners, counts)
        t = counts / totals[owners]
    # By word, then by probability, so that the last of each word is its best.
    ordered = keys[numpy.lexsort((t, owners))] % len(targets)
    names, ends = list(targets), numpy.cumsum(numpy.bincount(owners))
    rates = totals / numpy.bincount(numpy.concatenate(every))
    best = {word: names[ordered[end - 1]] for word, end in zip(sources, ends)}
    return Table(best, dict(zip(sources, rates.tolist())), likelihoods)


def cut(text: str) -> List[str]:
    """RETURNS (List[str]): Words and marks."""
    return TOKEN.findall(text)


def translate(table: Table, text: str, rate: float) -> str:
    """RETURNS (str): Word for word; what is not in the table stays as it is."""
    kept = [word for word in cut(text) if table.rates.get(word.lower(), 1.0) >= rate]
    found = " ".join(table.best.get(word.lower(), word) for word in kept)
    found = re.sub(r"([¡¿(]) ", r"\1", re.sub(r" ([.,:;!?)])", r"\1", found))
    return found[:1].upper() + found[1:]


def main(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="Folder of the pairs")],
    output: Annotated[Path, typer.Option(help="Where to write the figures")] = Path(
        "metrics/word_table.json"
    ),
) -> None:
    """Learn a table of words from train.jsonl, and score what it translates of test.jsonl."""
    parts = {
        part: list(srsly.read_jsonl(corpus / f"{part}.jsonl")) for part in ("train", "dev", "test")
    }
    table = learn((cut(pair["text"].lower()), cut(pair["target"])) for pair in parts["train"])

    def score(part: str, rate: float, metric: Any = corpus_bleu) -> float:
        found = [translate(table, pair["text"], rate) for pair in parts[part]]
        return float(metric(found, [[pair["target"] for pair in parts[part]]]).score)

    dev = {rate: score("dev", rate) for rate in RATES}
    rate = max(dev, key=lambda rate: dev[rate])
    metrics = {
        "rate": rate,
        "dev": dev[rate],
        "bleu": score("test", rate),
        "chrf": score("test", rate, corpus_chrf),
    }
    rows = [
        [
            "word for word",
            f"{metrics['dev']:.1f}",
            f"{metrics['bleu']:.1f}",
            f"{metrics['chrf']:.1f}",
        ]
    ]
    report(output, metrics, rows, ["Translation", "dev BLEU", "test BLEU", "test chrF"])


if __name__ == "__main__":
    typer.run(main)
