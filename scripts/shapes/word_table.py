"""A baseline for translation: for each word its most probable one, in the order of the source."""

import re
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Tuple

import numpy
from sacrebleu import corpus_bleu

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


def learn_best(parts: Dict[str, List[Dict[str, str]]]) -> Callable[[str], str]:
    """RETURNS (Callable[[str], str]): Translates by the table of the training part, at the rate
    that has the highest BLEU on dev."""
    table = learn((cut(pair["text"].lower()), cut(pair["target"])) for pair in parts["train"])

    def score(rate: float) -> float:
        found = [translate(table, pair["text"], rate) for pair in parts["dev"]]
        return float(corpus_bleu(found, [[pair["target"] for pair in parts["dev"]]]).score)

    best = max(RATES, key=score)
    return lambda text: translate(table, text, best)
