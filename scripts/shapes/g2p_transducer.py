"""Many to many, unaligned: letters to phonemes by Phonetisaurus, a transducer of n-grams (Novak et
al. 2016), on the words that the network learns from.

pip install phonetisaurus==0.3.0
python scripts/shapes/g2p_transducer.py corpus/g2p
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, Any, Dict, List

import typer
from pairs_report import OutputT, publish, read_pairs
from wasabi import msg

CorpusT = Annotated[Path, typer.Argument(help="With train.jsonl and test.jsonl", exists=True)]


def main(corpus: CorpusT, output: OutputT = Path("metrics/g2p_transducer.json")) -> None:
    """Train a transducer with its own settings, and score what it says of the test words."""
    if find_spec("phonetisaurus") is None:
        text = "It is for Linux: pip install phonetisaurus==0.3.0"
        msg.fail("The package phonetisaurus is not installed", text, exits=1)
    pairs = read_pairs(corpus / "test.jsonl")
    with TemporaryDirectory() as folder:
        lexicon, model = Path(folder) / "lexicon.txt", Path(folder) / "model.fst"
        lexicon.write_text("".join(map(entry, read_pairs(corpus / "train.jsonl"))), "utf8")
        msg.info("Training the transducer, which takes some minutes")
        run("train", "--model", str(model), str(lexicon))
        start = perf_counter()
        words = "".join(f"{pair['text']}\n" for pair in pairs)
        lines = run("predict", "--model", str(model), words=words).splitlines()
        speed = len(pairs) / (perf_counter() - start)
    said = dict(line.split(" ", 1) for line in lines if " " in line)
    publish(output, {"phonetisaurus": (pairs, [said.get(p["text"], "") for p in pairs])}, speed)


def entry(pair: Dict[str, Any]) -> str:
    """RETURNS (str): The line of a word in a lexicon."""
    return f"{pair['text']} {pair['target']}\n"


def run(*arguments: str, words: str = "") -> str:
    """RETURNS (str): What a command of phonetisaurus prints; it ends here if the command fails."""
    command: List[str] = [sys.executable, "-m", "phonetisaurus", *arguments]
    done = subprocess.run(command, input=words, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        msg.fail(f"phonetisaurus {arguments[0]} failed", last[0], exits=1)
    return done.stdout


if __name__ == "__main__":
    typer.run(main)
