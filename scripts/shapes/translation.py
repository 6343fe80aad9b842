"""Many to many: score a translation beside one word for word, and show what it writes.

python scripts/shapes/translation.py training/translation/model-best corpus/translation
"""

import random
import re
from collections import Counter, defaultdict
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Dict, List, Set, Tuple

import spacy
import srsly
import typer
import word_table
from common import check_files, report
from sacrebleu import corpus_bleu, corpus_chrf
from spacy.language import Language
from wasabi import msg

# What is tried on the first verses of the dev part.
BEAM_WIDTH = 5
PENALTIES = list(product((0.0, 0.6, 1.0), (0.0, 0.2, 0.4)))
N_TRIED = 300
# Samples: the first of the test part with at most so many characters, and some that are drawn.
N_SAMPLES, LONGEST = 6, 80


def main(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A pipeline with rnn_seq2seq")],
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="Folder of the pairs")],
    output: Annotated[Path, typer.Option(help="Where to write the figures")] = Path(
        "metrics/translation.json"
    ),
    limit: Annotated[int, typer.Option(help="Only so many pairs of each part; 0 for all")] = 0,
) -> None:
    """Choose the penalties of the search on dev, and score the test part."""
    files = {part: corpus / f"{part}.jsonl" for part in ("train", "dev", "test")}
    check_files(list(files.values()), "python scripts/pairs.py translation corpus/translation")
    parts = {part: list(srsly.read_jsonl(path))[: limit or None] for part, path in files.items()}
    nlp = spacy.load(model)
    tried = parts["dev"][:N_TRIED]
    dev = {
        penalties: bleu(tried, translate(nlp, tried, BEAM_WIDTH, *penalties))
        for penalties in PENALTIES
    }
    chosen = max(dev, key=lambda penalties: dev[penalties])
    test = parts["test"]
    baseline = word_table.learn_best(parts)
    found = {
        "word for word": [baseline(pair["text"]) for pair in test],
        "greedy": translate(nlp, test, 1, 0.0, 0.0),
        f"beam of {BEAM_WIDTH}": translate(nlp, test, BEAM_WIDTH, *chosen),
    }
    is_new = unlike(test, parts["train"])
    scores = {name: score(test, texts, is_new) for name, texts in found.items()}
    metrics: Dict[str, Any] = {
        "length_penalty": chosen[0],
        "coverage_penalty": chosen[1],
        "dev": [{"length_penalty": a, "coverage_penalty": b, "bleu": dev[a, b]} for a, b in dev],
        "n_test": len(test),
        "n_new": sum(is_new),
        "test": scores,
        "samples": samples(test, found),
    }
    header = ["Test", *next(iter(scores.values()))]
    rows = [[name, *(f"{x:.1f}" for x in each.values())] for name, each in scores.items()]
    for sample in metrics["samples"]:
        print()
        for key, text in sample.items():
            print(f"{key:>14}  {text}")
    msg.info(f"length_penalty {chosen[0]}, coverage_penalty {chosen[1]}, dev {dev[chosen]:.1f}")
    report(output, metrics, rows, header)


def translate(
    nlp: Language, pairs: List[Any], beam_width: int, length_penalty: float, coverage: float
) -> List[str]:
    """RETURNS (List[str]): What the pipeline writes for each source."""
    pipe: Any = nlp.get_pipe("rnn_seq2seq")
    pipe.search = pipe.search._replace(
        beam_width=beam_width, length_penalty=length_penalty, coverage_penalty=coverage
    )
    return [doc._.seq2seq for doc in nlp.pipe(pair["text"] for pair in pairs)]


def bleu(pairs: List[Any], found: List[str]) -> float:
    """RETURNS (float): As the scorer of the component has it."""
    return float(corpus_bleu(found, [[pair["target"] for pair in pairs]]).score)


def score(pairs: List[Any], found: List[str], is_new: List[bool]) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): BLEU and chrF, and BLEU of the verses that are new."""
    new = [i for i, each in enumerate(is_new) if each]
    return {
        "BLEU": bleu(pairs, found),
        "chrF": float(corpus_chrf(found, [[pair["target"] for pair in pairs]]).score),
        "BLEU of new": bleu([pairs[i] for i in new], [found[i] for i in new]),
    }


def unlike(pairs: List[Any], train: List[Any]) -> List[bool]:
    """RETURNS (List[bool]): Whether no verse of the training part has half of the runs of four
    words of this one, as where two books tell the same."""
    where: Dict[Any, List[int]] = defaultdict(list)
    for i, pair in enumerate(train):
        for run in runs(pair["text"]):
            where[run].append(i)
    counts = (
        (runs(pair["text"]), Counter(i for r in runs(pair["text"]) for i in where.get(r, ())))
        for pair in pairs
    )
    return [max(count.values(), default=0) <= len(own) / 2 for own, count in counts]


def runs(text: str) -> Set[Tuple[str, ...]]:
    """RETURNS (Set[Tuple[str, ...]]): All four words that follow one another."""
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[i : i + 4]) for i in range(len(words) - 3)}


def samples(test: List[Any], found: Dict[str, List[str]]) -> List[Dict[str, str]]:
    """RETURNS (List[Dict[str, str]]): Of some verses the source, the target and what was found: the
    first that are short, and some by chance."""
    short = [i for i, pair in enumerate(test) if len(pair["text"]) <= LONGEST][:N_SAMPLES]
    drawn = random.Random(0).sample(range(len(test)), min(len(test), N_SAMPLES))
    return [
        {
            "source": test[i]["text"],
            "target": test[i]["target"],
            **{name: texts[i] for name, texts in found.items()},
        }
        for i in [*short, *drawn]
    ]


if __name__ == "__main__":
    typer.run(main)
