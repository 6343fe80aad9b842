"""Real texts: the embedded sentences, and long texts that are several of them in a row."""

import json
from pathlib import Path
from typing import Dict, List

import numpy

SENTENCES = Path(__file__).parents[1] / "assets" / "sentiment_sentences.jsonl"
N_TEXTS: Dict[str, int] = {"short": 1024, "long": 128}
# Sentences of a long text are drawn evenly from this range: 190 words on average.
N_SENTENCES = (4, 23)
SEED = 0


def load_texts(docs: str, n_texts: int = 0) -> List[str]:
    """
    docs (str): "short" for sentences of 12 words on average, "long" for texts of several sentences.
    n_texts (int): How many; 0 for N_TEXTS.
    RETURNS (List[str]): The same ones at every call.
    """
    lines = SENTENCES.read_text(encoding="utf8").splitlines()
    sentences = [json.loads(line)["text"] for line in lines]
    n_texts = n_texts or N_TEXTS[docs]
    if docs == "short":
        return sentences[:n_texts]
    rng = numpy.random.default_rng(SEED)
    return [
        " ".join(sentences[i] for i in rng.integers(len(sentences), size=size))
        for size in rng.integers(*N_SENTENCES, size=n_texts, endpoint=True)
    ]
