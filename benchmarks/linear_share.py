"""What a linear model beside the network is worth: learned jointly with it, or each by itself.

python -m benchmarks.linear_share corpus/mr
python -m benchmarks.linear_share corpus/sentences --seeds 3

Trains configs/textcat_lstm.cfg with network_share = null, and with a share; as each part then
learns from its own error, one training gives all shares, from the linear model alone (0) to the
network alone (1). What is kept is the step at which the mean with that share was best on dev.
"""

from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Dict, List, Optional

import spacy
import typer
from spacy.cli.train import train
from spacy.language import Language
from spacy.training import Corpus
from tqdm import tqdm

from .class_weights import COMPONENT, CONFIG, find_part
from .machine import describe_machine
from .report import print_table
from .speed import write_json
from .tables import Table

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
MODEL = f"components.{COMPONENT}.model"
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    corpus: Annotated[Path, typer.Argument(help="Folder of train.spacy, dev.spacy, test.spacy")],
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each")] = 1,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="The share to train with")] = 0.3,
    max_steps: Annotated[
        Optional[int], typer.Option(min=1, help="Steps of a training; by default the config's")
    ] = None,
    output: Annotated[Optional[Path], typer.Option(help="JSON file of all figures")] = None,
) -> None:
    """Train with and without a share, and print the accuracy by share on dev and test."""
    for part in ("train", "dev", "test"):
        if not find_part(corpus, part).exists():
            raise typer.BadParameter(f"there is no {part}.spacy in {corpus}.")
    runs: List[Dict[str, Any]] = []
    for seed in tqdm(range(seeds), desc="Seeds", disable=None):
        overrides = {
            "paths.train": str(find_part(corpus, "train")),
            "paths.dev": str(find_part(corpus, "dev")),
            "system.seed": seed,
            **({} if max_steps is None else {"training.max_steps": max_steps}),
        }
        joint = trained({**overrides, f"{MODEL}.network_share": None})
        runs.append({"seed": seed, "what": "the sum, learned jointly", **scores(joint, corpus)})
        apart = trained({**overrides, f"{MODEL}.network_share": share})
        for one in SHARES:
            apart.get_pipe(COMPONENT).model.attrs["network_share"] = one  # type: ignore[attr-defined]
            runs.append({"seed": seed, "what": describe(one), **scores(apart, corpus)})
    print_table(table(runs, corpus.name))
    if output is not None:
        write_json({"machine": describe_machine(), "corpus": str(corpus), "runs": runs}, output)


def describe(share: float) -> str:
    """RETURNS (str): What votes at this share."""
    names = {0.0: "the linear model alone", 1.0: "the network alone"}
    return names.get(share, f"the mean, {share} of the network")


def trained(overrides: Dict[str, Any]) -> Language:
    """RETURNS (Language): The best pipeline of a training."""
    with TemporaryDirectory() as folder:
        train(CONFIG, folder, overrides=overrides)
        return spacy.load(Path(folder) / "model-best")


def scores(nlp: Language, corpus: Path) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): The accuracy on dev and test."""
    # Of exclusive labels, the micro-average of the F-score is the accuracy.
    return {
        part: nlp.evaluate(list(Corpus(find_part(corpus, part))(nlp)))["cats_micro_f"]
        for part in ("dev", "test")
    }


def table(runs: List[Dict[str, Any]], name: str) -> Table:
    """RETURNS (Table): The mean accuracy over the seeds, of each way to vote."""
    rows = []
    for what in dict.fromkeys(run["what"] for run in runs):
        own = [run for run in runs if run["what"] == what]
        cells = [f"{100 * mean(run[part] for run in own):.1f}" for part in ("dev", "test")]
        rows.append([what, *cells])
    n_seeds = len({run["seed"] for run in runs})
    note = f"configs/textcat_lstm.cfg; means over {n_seeds} seeds."
    return Table(f"Accuracy on {name}, %", ["What votes", "dev", "test"], rows, [note])


if __name__ == "__main__":
    app()
