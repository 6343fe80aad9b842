"""Many to many, unaligned: how well a trained `rnn_seq2seq` writes the targets of a test set.

python scripts/shapes/pairs_report.py training/g2p/model-best corpus/g2p/test.jsonl
"""

import random
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Dict, List

import spacy
import srsly
import typer
from common import report
from inflection_rules import inflect
from spacy.tokens import Doc
from spacy.training import Example
from tqdm import tqdm
from wasabi import msg

from spacy_rnn.scorers import seq2seq_score

SCORES = ("exact", "accepted", "cer", "wer", "bleu")


def main(
    model: Annotated[Path, typer.Argument(help="A trained pipeline", exists=True)],
    test: Annotated[Path, typer.Argument(help="Pairs, a .jsonl file", exists=True)],
    output: Annotated[Path, typer.Option(help="Where to write the figures")] = Path(
        "metrics/pairs.json"
    ),
    rules: Annotated[bool, typer.Option(help="Compare with regular English inflection")] = False,
    n_samples: Annotated[int, typer.Option("--samples", help="How many pairs to show")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of which pairs are shown")] = 0,
    limit: Annotated[int, typer.Option(help="Only so many pairs; 0 for all")] = 0,
) -> None:
    """Print the scores, words per second, and pairs that were drawn by a seed."""
    pairs: List[Dict[str, Any]] = list(srsly.read_jsonl(test))[: limit or None]
    if not pairs:
        msg.fail(f"No pairs in {test}", "Give the test.jsonl of scripts/pairs.py.", exits=1)
    nlp = spacy.load(model)
    start = perf_counter()
    texts = (pair["text"] for pair in pairs)
    docs = tqdm(nlp.pipe(texts), total=len(pairs), unit="pair", delay=2, disable=None, leave=False)
    written = [doc._.seq2seq for doc in docs]
    speed = len(pairs) / (perf_counter() - start)
    metrics: Dict[str, Any] = {"pairs": len(pairs), "pairs_per_second": speed}
    found = {"rnn_seq2seq": written}
    if rules:
        found["rules"] = [inflect(*pair["text"].split(" ", 1)) for pair in pairs]
    # The dictionary has nouns without a plural, and what has one is no matter of spelling.
    inflected = [i for i, pair in enumerate(pairs) if not (rules and is_uninflected(pair))]
    for name, forms in found.items():
        metrics[name] = score(pairs, forms)
        if rules:
            chosen = [pairs[i] for i in inflected], [forms[i] for i in inflected]
            metrics[f"{name}, inflected"] = score(*chosen)
    metrics["n_inflected"] = len(inflected)
    rows = [[name, *cells(metrics[name])] for name in metrics if name.startswith(tuple(found))]
    metrics["samples"] = [
        {**pairs[i], "written": written[i]}
        for i in random.Random(seed).sample(range(len(pairs)), min(n_samples, len(pairs)))
    ]
    for sample in metrics["samples"]:
        sign = "=" if sample["written"] == sample["target"] else f"(wanted {sample['target']})"
        print(f"{sample['text']} -> {sample['written']} {sign}")
    msg.info(f"{len(pairs):,} pairs, {speed:,.0f} a second")
    report(output, metrics, rows, ["Test", *SCORES])


def score(pairs: List[Dict[str, Any]], written: List[str]) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): The scores of the component, and "accepted", the share that is
    one of the accepted targets; all pairs have the one, some have more."""
    vocab = spacy.blank("xx").vocab
    examples = []
    for pair, text in zip(pairs, written):
        example = Example(Doc(vocab), Doc(vocab))
        example.predicted._.seq2seq, example.reference._.seq2seq = text, pair["target"]
        examples.append(example)
    found = {name[len("seq2seq_") :]: value for name, value in seq2seq_score(examples).items()}
    hits = [text in pair.get("accepted", [pair["target"]]) for pair, text in zip(pairs, written)]
    return {**{k: float(v or 0.0) for k, v in found.items()}, "accepted": sum(hits) / len(hits)}


def is_uninflected(pair: Dict[str, Any]) -> bool:
    """RETURNS (bool): Whether it is a noun whose only form is the noun itself."""
    tag, lemma = pair["text"].split(" ", 1)
    return tag == "NNS" and pair["accepted"] == [lemma]


def cells(scores: Dict[str, float]) -> List[str]:
    return [f"{scores[name]:.4f}" if name != "bleu" else f"{scores[name]:.1f}" for name in SCORES]


if __name__ == "__main__":
    typer.run(main)
