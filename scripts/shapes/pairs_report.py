"""Many to many, unaligned: how well a trained `rnn_seq2seq` writes the targets of a test set.

python scripts/shapes/pairs_report.py training/g2p/model-best corpus/g2p/test.jsonl
"""

import random
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Dict, List, Tuple

import spacy
import srsly
import typer
from common import report
from spacy.tokens import Doc
from spacy.training import Example
from tqdm import tqdm
from wasabi import msg

from spacy_rnn.scorers import seq2seq_score
from spacy_rnn.training.pairs import register_target

SCORES = ("exact", "accepted", "cer", "wer", "bleu")


ModelT = Annotated[Path, typer.Argument(help="A trained pipeline", exists=True)]
TestT = Annotated[Path, typer.Argument(help="Pairs, a .jsonl file", exists=True)]
OutputT = Annotated[Path, typer.Option(help="Where to write the figures")]
# What was written for which pairs.
FoundT = Tuple[List[Dict[str, Any]], List[str]]
N_SAMPLES = 10


def main(
    model: ModelT,
    test: TestT,
    output: OutputT = Path("metrics/pairs.json"),
    seed: Annotated[int, typer.Option(help="Seed of which pairs are shown")] = 0,
) -> None:
    """Print the scores, words per second, and pairs that were drawn by a seed."""
    pairs = read_pairs(test)
    written, speed = write(model, pairs)
    publish(output, {"rnn_seq2seq": (pairs, written)}, speed, seed)


def read_pairs(test: Path) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): Those of a file; without any, it ends here."""
    pairs: List[Dict[str, Any]] = list(srsly.read_jsonl(test))
    if not pairs:
        msg.fail(f"No pairs in {test}", "Give the test.jsonl of scripts/pairs.py.", exits=1)
    return pairs


def write(model: Path, pairs: List[Dict[str, Any]]) -> Tuple[List[str], float]:
    """RETURNS (Tuple[List[str], float]): What a pipeline writes, and pairs per second."""
    nlp = spacy.load(model)
    start = perf_counter()
    texts = (pair["text"] for pair in pairs)
    docs = tqdm(nlp.pipe(texts), total=len(pairs), unit="pair", delay=2, disable=None, leave=False)
    written = [doc._.seq2seq for doc in docs]
    return written, len(pairs) / (perf_counter() - start)


def publish(output: Path, found: Dict[str, FoundT], speed: float, seed: int = 0) -> None:
    """Score what was found, show samples of the first entry, and write all figures.

    found (Dict[str, Tuple[List, List[str]]]): By name, pairs and what was written for them.
    """
    pairs, written = next(iter(found.values()))
    metrics: Dict[str, Any] = {name: score(*each) for name, each in found.items()}
    rows = [[name, *cells(scores)] for name, scores in metrics.items()]
    metrics["pairs"] = {name: len(each) for name, (each, _) in found.items()}
    metrics["pairs_per_second"] = speed
    metrics["samples"] = [
        {**pairs[i], "written": written[i]}
        for i in random.Random(seed).sample(range(len(pairs)), min(N_SAMPLES, len(pairs)))
    ]
    for sample in metrics["samples"]:
        sign = "=" if sample["written"] == sample["target"] else f"(wanted {sample['target']})"
        print(f"{sample['text']} -> {sample['written']} {sign}")
    msg.info(f"{len(pairs):,} pairs, {speed:,.0f} a second")
    report(output, metrics, rows, ["Test", *SCORES])


def score(pairs: List[Dict[str, Any]], written: List[str]) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): The scores of the component, and "accepted", the share that is
    one of the accepted targets; all pairs have the one, some have more."""
    register_target()
    vocab = spacy.blank("xx").vocab
    examples = []
    for pair, text in zip(pairs, written):
        example = Example(Doc(vocab), Doc(vocab))
        example.predicted._.seq2seq, example.reference._.seq2seq = text, pair["target"]
        examples.append(example)
    found = {name[len("seq2seq_") :]: value for name, value in seq2seq_score(examples).items()}
    hits = [text in pair.get("accepted", [pair["target"]]) for pair, text in zip(pairs, written)]
    return {**{k: float(v or 0.0) for k, v in found.items()}, "accepted": sum(hits) / len(hits)}


def cells(scores: Dict[str, float]) -> List[str]:
    return [f"{scores[name]:.4f}" if name != "bleu" else f"{scores[name]:.1f}" for name in SCORES]


if __name__ == "__main__":
    typer.run(main)
