"""Many to many, unaligned: how well words are inflected, next to regular English inflection.

python scripts/shapes/inflection.py training/inflection/model-best corpus/inflection/test.jsonl
"""

from pathlib import Path
from typing import Any, Dict

import typer
from inflection_rules import inflect
from pairs_report import FoundT, ModelT, OutputT, TestT, publish, read_pairs, write


def main(model: ModelT, test: TestT, output: OutputT = Path("metrics/inflection.json")) -> None:
    """Score a pipeline and the rules: on all forms, and without nouns that have no plural. The
    dictionary has some, and what has one is no matter of spelling."""
    pairs = read_pairs(test)
    written, speed = write(model, pairs)
    rules = [inflect(*pair["text"].split(" ", 1)) for pair in pairs]
    inflected = [i for i, pair in enumerate(pairs) if not is_uninflected(pair)]
    found: Dict[str, FoundT] = {}
    for name, forms in (("rnn_seq2seq", written), ("rules", rules)):
        found[name] = pairs, forms
        found[f"{name}, inflected"] = [pairs[i] for i in inflected], [forms[i] for i in inflected]
    publish(output, found, speed)


def is_uninflected(pair: Dict[str, Any]) -> bool:
    """RETURNS (bool): Whether it is a noun whose only form is the noun itself."""
    tag, lemma = pair["text"].split(" ", 1)
    return tag == "NNS" and pair["accepted"] == [lemma]


if __name__ == "__main__":
    typer.run(main)
