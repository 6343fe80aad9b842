"""Show what a language model is worth: its perplexity beside that of n-grams, texts that it writes,
and a page of surprisal.

python scripts/lm_report.py training/lm/word/model-best corpus/sotu --output metrics/lm
"""

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Dict, Iterator, List, Tuple

import spacy
import srsly
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from tqdm import tqdm
from wasabi import msg

from spacy_rnn.training.corpora import TextCorpus
from spacy_rnn.visualize import surprisal

# The n-grams are not a part of the package: they stand beside this folder.
sys.path.append(str(Path(__file__).parents[1]))

from benchmarks.ngrams import KneserNey

ORDERS = {"word": 3, "char": 6, "subword": 4}
app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def main(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A trained pipeline")],
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="Folder with train.jsonl and test.jsonl")
    ],
    output: Annotated[Path, typer.Option(help="Folder to write to")],
    n: Annotated[int, typer.Option(min=1, help="How many texts to write")] = 3,
    prompt: Annotated[str, typer.Option(help="What they begin with")] = "The people of",
    length: Annotated[int, typer.Option(min=1, help="Units that are written")] = 60,
    n_tokens: Annotated[int, typer.Option(min=1, help="Tokens on the page of surprisal")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the texts")] = 0,
) -> None:
    """Write scores.json, texts.txt and surprisal.html, and print the first two."""
    nlp = load(model)
    lm: Any = nlp.get_pipe("rnn_lm")
    try:
        parts = {part: read(nlp, corpus / f"{part}.jsonl") for part in ("train", "test")}
    except ValueError as err:
        msg.fail("Cannot read the texts", str(err), exits=1)
    output.mkdir(parents=True, exist_ok=True)
    scores = {"n-grams": score_ngrams(lm, parts), "rnn_lm": score_model(nlp, parts["test"])}
    print_scores(lm, scores)
    srsly.write_json(output / "scores.json", scores)
    texts = lm.generate(prompt, n=n, max_length=length, seed=seed, temperature=0.8)
    for doc in texts:
        msg.text(doc.text, spaced=True)
    (output / "texts.txt").write_text("".join(f"{doc.text}\n" for doc in texts), encoding="utf8")
    draw(nlp, parts["test"][0], n_tokens, output / "surprisal.html")
    msg.good(f"Wrote scores.json, texts.txt and surprisal.html to {output}")


def load(path: Path) -> Language:
    """RETURNS (Language): A pipeline with a language model."""
    try:
        nlp = spacy.load(path)
    except (OSError, ValueError) as err:
        msg.fail(f"Cannot load {path}", str(err), exits=1)
    if "rnn_lm" not in nlp.pipe_names:
        msg.fail(f"{path} has no rnn_lm, only: {', '.join(nlp.pipe_names)}.", exits=1)
    return nlp


def read(nlp: Language, path: Path) -> List[Doc]:
    """RETURNS (List[Doc]): The texts as the configs have them: with single spaces."""
    corpus = TextCorpus(path, normalize_whitespace=True)
    examples = tqdm(corpus(nlp), f"Reading {path.name}", leave=False, delay=2, disable=None)
    return [example.reference for example in examples]


def score_ngrams(lm: Any, parts: Dict[str, List[Doc]]) -> Dict[str, float]:
    """Train n-grams on the same texts, with the same vocabulary and symbols.

    RETURNS (Dict[str, float]): Their "perplexity" and "bits_per_char" on test, and the "seconds".
    """
    start = time.perf_counter()
    encoded = {part: list(with_ends(lm, docs)) for part, docs in parts.items()}
    ngrams = KneserNey(len(lm.vocabulary), ORDERS[lm.vocabulary.kind])
    ngrams.fit(encoded["train"])
    log_probs = ngrams.log2_probs(encoded["test"])
    bits = -float(log_probs.sum())
    spelled = sum(
        lm.vocabulary.spelling.bits(text)
        for doc in parts["test"]
        for text in lm.vocabulary.unknown_texts(doc)
    )
    n_chars = sum(len(doc.text) for doc in parts["test"])
    return {
        "perplexity": 2.0 ** (bits / len(log_probs)),
        "bits_per_char": (bits + spelled) / n_chars,
        "seconds": time.perf_counter() - start,
    }


def with_ends(lm: Any, docs: List[Doc]) -> Iterator[List[int]]:
    """YIELDS (List[int]): The numbers of the units of each text, and that of the end, 0."""
    for doc in docs:
        yield [*lm.vocabulary.encode(doc).ids.tolist(), 0]


def score_model(nlp: Language, docs: List[Doc]) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): "perplexity" and "bits_per_char" on test, and the "seconds"."""
    lm: Any = nlp.get_pipe("rnn_lm")
    start = time.perf_counter()
    copies = tqdm([doc.copy() for doc in docs], "Reading test", leave=False, delay=2, disable=None)
    read_docs = list(lm.pipe(copies, batch_size=8))
    scores = lm.score([Example(doc, doc) for doc in read_docs])
    return {
        "perplexity": scores["lm_perplexity"],
        "bits_per_char": scores["lm_bits_per_char"],
        "seconds": time.perf_counter() - start,
    }


def print_scores(lm: Any, scores: Dict[str, Dict[str, float]]) -> None:
    """Print both in one table."""
    kind = lm.vocabulary.kind
    names = {"n-grams": f"Kneser-Ney {ORDERS[kind]}-grams", "rnn_lm": "rnn_lm"}
    rows: List[Tuple[str, ...]] = [
        (names[name], f"{one['perplexity']:.2f}", f"{one['bits_per_char']:.3f}")
        for name, one in scores.items()
    ]
    header = ("model", f"perplexity ({kind}s)", "bits/char")
    msg.table(rows, header=header, aligns=("l", "r", "r"), divider=True)


def draw(nlp: Language, doc: Doc, n_tokens: int, path: Path) -> None:
    """Write the page of surprisal of the first tokens of a text."""
    lm: Any = nlp.get_pipe("rnn_lm")
    start = next(lm.pipe([doc[:n_tokens].as_doc()]))
    path.write_text(str(surprisal(start, lm=lm, page=True)), encoding="utf8")


if __name__ == "__main__":
    app()
