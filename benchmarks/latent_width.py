r"""What texts without labels are worth to a linear model, by the settings of its latent vectors.

python -m benchmarks.latent_width corpus/imdb
python -m benchmarks.latent_width corpus/mr --raw corpus/mr/train.spacy \
    --raw corpus/imdb/train.spacy

Trains a spacy-rnn.NgramLinear.v1 by itself, without a network beside it, on a few labelled texts:
without latent vectors, and with those of one width and max_share after the other. Of each training
counts the epoch that was best on a part of dev.
"""

from itertools import product
from pathlib import Path
from statistics import mean
from typing import Annotated, Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy
import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from thinc.api import Model
from tqdm import tqdm

from spacy_rnn.models import LatentNgrams, NgramLinear
from spacy_rnn.models.latent import learn_components
from spacy_rnn.models.ngrams import count_ngrams
from spacy_rnn.pipeline.cross_entropy import cross_entropy
from spacy_rnn.training.optimizers import Adam

from .accuracy_sets import FEW_DEV, label_of, sample
from .class_weights import find_part
from .machine import describe_machine
from .report import print_table
from .speed import write_json
from .tables import Table

EPOCHS, BATCH, LEARN_RATE, SMOOTHING = 40, 32, 0.002, 0.05
app = typer.Typer(help=__doc__, add_completion=False)


class Texts(NamedTuple):
    """Labelled texts.

    docs (List[Doc]): The texts.
    truths (Floats2d): (n_docs, n_labels) 1 for the label of each.
    """

    docs: List[Doc]
    truths: Any

    @classmethod
    def of(cls, docs: List[Doc], labels: List[str]) -> "Texts":
        """RETURNS (Texts): With the truths of docs."""
        numbers = [labels.index(label_of(doc)) for doc in docs]
        return cls(docs, numpy.eye(len(labels), dtype="float32")[numbers])


@app.command()
def main(
    corpus: Annotated[Path, typer.Argument(help="Folder of train.spacy, dev.spacy, test.spacy")],
    raw: Annotated[
        Optional[List[Path]], typer.Option(help="Texts without labels; by default train.spacy")
    ] = None,
    n_labels: Annotated[int, typer.Option(min=2, help="Labelled texts to train on")] = 100,
    seeds: Annotated[int, typer.Option(min=1, help="Samples of them")] = 3,
    widths: Annotated[str, typer.Option(help="Widths to try")] = "15,25,50",
    max_shares: Annotated[str, typer.Option(help="Values of max_share to try")] = "0.1,0.03",
    min_texts: Annotated[int, typer.Option(min=1, help="As in the config")] = 10,
    output: Annotated[Optional[Path], typer.Option(help="JSON file of all figures")] = None,
) -> None:
    """Train with each setting, and print the accuracy on dev and test."""
    nlp = spacy.blank("en")
    paths = [find_part(corpus, part) for part in ("train", "dev", "test")]
    for path in [*paths, *(raw or [])]:
        if not path.exists():
            raise typer.BadParameter(f"there is no {path}.")
    train, dev, test = (read(path, nlp) for path in paths)
    texts = [doc for path in raw for doc in read(path, nlp)] if raw else train
    labels = sorted({label_of(doc) for doc in train})
    settings: List[Optional[Tuple[int, float]]] = [None]
    settings += [(int(w), float(s)) for s, w in product(max_shares.split(","), widths.split(","))]
    runs: List[Dict[str, Any]] = []
    for setting in tqdm(settings, desc="Settings", disable=None):
        find = latent_maker(setting, min_texts, texts, len(labels))
        for seed in range(seeds):
            parts = [sample(train, n_labels, seed), sample(dev, FEW_DEV, seed), test]
            found = fit(find(), *(Texts.of(docs, labels) for docs in parts))
            runs.append({"setting": setting, "seed": seed, **found})
    print_table(table(runs, corpus.name, n_labels))
    if output is not None:
        write_json({"machine": describe_machine(), "corpus": str(corpus), "runs": runs}, output)


def read(path: Path, nlp: Language) -> List[Doc]:
    """RETURNS (List[Doc]): The docs of a .spacy file."""
    return list(DocBin().from_disk(path).get_docs(nlp.vocab))


def latent_maker(
    setting: Optional[Tuple[int, float]], min_texts: int, texts: List[Doc], n_labels: int
) -> Callable[[], Optional[Model]]:
    """RETURNS (Callable): Gives a new copy of what was found in the texts, with weights of zero."""
    if setting is None:
        return lambda: None
    width, max_share = setting
    model = LatentNgrams(width=width, max_share=max_share, min_texts=min_texts, nO=n_labels)
    model.initialize()
    learn_components(model, texts)
    return model.copy


def fit(latent: Optional[Model], train: Texts, dev: Texts, test: Texts) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): The accuracy on dev and test after the epoch that was best on
    dev, by the mean of the weights."""
    n_labels = train.truths.shape[1]
    model = NgramLinear(True, nO=n_labels)
    model.initialize()
    if latent is not None:
        # Afterwards, as an initialization forgets what was found.
        model.layers.append(latent)
    count_ngrams(model, lambda: [(train.docs, train.truths, numpy.ones_like(train.truths))])
    optimizer = Adam(LEARN_RATE, L2=0.01, clip_norm=1.0, use_averages=True)
    order = numpy.random.RandomState(0)
    weights = model.ops.alloc2f(1, n_labels) + 1.0
    best = {"dev": 0.0, "test": 0.0}
    for _ in range(EPOCHS):
        shuffled = order.permutation(len(train.docs))
        for first in range(0, len(shuffled), BATCH):
            batch = shuffled[first : first + BATCH]
            logits, backprop = model.begin_update([train.docs[i] for i in batch])
            truths = train.truths[batch]
            _, gradient = cross_entropy(
                model.ops,
                model.ops.softmax(logits),
                truths,
                numpy.ones_like(truths),
                weights,
                exclusive=True,
                label_smoothing=SMOOTHING,
            )
            backprop(gradient)
            model.finish_update(optimizer)
            optimizer.step_schedules()
        with model.use_params(optimizer.averages or {}):
            on_dev = accuracy(model, dev)
            if on_dev > best["dev"]:
                best = {"dev": on_dev, "test": accuracy(model, test)}
    return best


def accuracy(model: Model, texts: Texts) -> float:
    """RETURNS (float): The share of texts whose highest logit is that of their label."""
    found = model.predict(texts.docs).argmax(axis=1)
    return float((found == texts.truths.argmax(axis=1)).mean())


def table(runs: List[Dict[str, Any]], name: str, n_labels: int) -> Table:
    """RETURNS (Table): The mean accuracy over the samples, for each setting."""
    rows = []
    for setting in dict.fromkeys(run["setting"] for run in runs):
        own = [run for run in runs if run["setting"] == setting]
        cells = [f"{100 * mean(run[part] for run in own):.1f}" for part in ("dev", "test")]
        rows.append([*map(str, setting or ("none", "")), *cells])
    n_seeds = len({run["seed"] for run in runs})
    note = f"{n_labels} labelled texts, means over {n_seeds} samples."
    title = f"Accuracy of a linear model on {name}, %"
    return Table(title, ["width", "max_share", "dev", "test"], rows, [note])


if __name__ == "__main__":
    app()
