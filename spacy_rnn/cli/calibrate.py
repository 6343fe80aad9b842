"""`spacy rnn calibrate`: make probabilities of the scores of a text classifier."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated, Any, Dict, Iterator, List, NamedTuple, Optional

import typer
from spacy.language import Language
from spacy.tokens import Doc
from wasabi import msg

from ..calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    N_BINS,
    N_FOLDS,
    Calibration,
    Predictions,
    cross_fit,
    fit_temperature,
    is_at_limit,
    measure,
    temper_threshold,
)
from ..errors import Errors, Warnings
from ..figures import write_figure
from ..pipeline.predictions import Collected, collect
from ..progress import bar, elapsed
from ..training.corpora import read_docs
from ..training.files import find_files, kind_of
from ..visualize_calibration import reliability
from .common import (
    TEXT_CLASSIFIER,
    ComponentOpt,
    GpuOpt,
    JsonOpt,
    Kind,
    find_component,
    hint,
    load_pipeline,
    rnn_cli,
    tell,
    to_json,
    told_errors,
)
from .outputs import check_output, write_pipeline
from .pictures import PICTURES, check_picture

N_DIGITS = 6  # of a temperature that is saved
# A threshold may be as near to 0 or 1 as scores are, and needs all that srsly writes.
N_THRESHOLD_DIGITS = 10
LEAST_THRESHOLD = 10.0**-N_THRESHOLD_DIGITS
OWN = TEXT_CLASSIFIER.factories
# What can only be measured, and what it would have to be made by to be calibrated.
OF_SPACY = {"textcat": OWN[0], "textcat_multilabel": OWN[1]}
CLASSIFIER = Kind(TEXT_CLASSIFIER.what, (*OWN, *OF_SPACY), TEXT_CLASSIFIER.config)
ROWS = {
    "accuracy": "Accuracy",
    "confidence": "Mean confidence",
    "ece": "ECE",
    "mce": "MCE",
    "brier": "Brier score",
    "nll": "NLL",
}
REASONS = {
    MIN_TEMPERATURE: "hardly any prediction is wrong",
    MAX_TEMPERATURE: "the predictions are hardly better than chance",
}


class Outcome(NamedTuple):
    """What a calibration came to.

    temperatures (Dict[str, Any]): The one "before", the best one as "after", and those of "folds".
    found (Dict[str, Calibration]): The figures "before"; "after", on the texts that the temperature
        was fitted on; and "held out", where each fold is at the temperature of the others.
    """

    temperatures: Dict[str, Any]
    found: Dict[str, Calibration]


@rnn_cli.command("calibrate")
def calibrate_cli(
    model: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="Folder or name of a pipeline with a textcat")
    ],
    data: Annotated[
        str, typer.Argument(help="Texts with labels: a .spacy file, or a folder of them")
    ],
    output: Annotated[
        Optional[Path],
        typer.Option("--output", "-o", help="Write the calibrated pipeline to this folder"),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace a pipeline that is at --output")
    ] = False,
    n_bins: Annotated[int, typer.Option("--n-bins", min=1, help="Bins of equal width")] = N_BINS,
    n_folds: Annotated[
        int, typer.Option("--n-folds", min=2, help="Parts, of which each is held out once")
    ] = N_FOLDS,
    picture: Annotated[
        Optional[Path],
        typer.Option("--picture", "-p", help=f"Draw to this file: {', '.join(PICTURES)}"),
    ] = None,
    component: ComponentOpt = None,
    gpu_id: GpuOpt = -1,
    json: JsonOpt = False,
) -> None:
    """Measure how far the scores of a text classifier are probabilities, and find the temperature
    that makes them so."""
    with told_errors("Cannot calibrate"):
        # What is wrong with the outputs is told before anything is read.
        if picture is not None:
            check_picture(picture, model)
        if output is not None:
            check_output(output, force)
        nlp = load_pipeline(model, gpu_id)
        name, _ = find_component(nlp, model, CLASSIFIER, component)
        factory = nlp.get_pipe_meta(name).factory
        if output is not None and factory in OF_SPACY:
            raise ValueError(Errors.E115.format(name=name, factory=factory, ours=OF_SPACY[factory]))
        collected = collect(nlp, name, bar(read_labelled(data, nlp), "docs"), str(data))
        pipe: Any = nlp.get_pipe(name)
        with elapsed("Looking for the temperature"):
            outcome = calibrate(
                collected.predictions, pipe.cfg.get("temperature", 1.0), n_bins, n_folds
            )
        best = outcome.temperatures["after"]
        if is_at_limit(best) and output is not None:
            raise ValueError(Errors.E117.format(limit=best, reason=REASONS[best]))
        warn(collected, best)
        if picture is not None:
            n_docs, exclusive = len(collected.predictions.logits), collected.predictions.exclusive
            draw(outcome, picture, f"'{name}', {n_docs:,} texts of {data}", exclusive)
        facts = {"pipeline": model, "component": name, "data": str(data)}
        show(facts, collected, outcome, as_json=json)
        if output is not None:
            set_temperature(nlp, name, best)
            write_pipeline(nlp, output, force)
            tell(f"Wrote {output}, where the temperature of '{name}' is {best:.4g}")


def read_labelled(path: str, nlp: Language) -> Iterator[Doc]:
    """RETURNS (Iterator[Doc]): The docs of a .spacy file or of those in a folder, but for blank
    ones. What is wrong with the path is told at once."""
    files = [file for file in find_files(path) if kind_of(file) == ".spacy"]
    if not files:
        place = Path(path)
        found = "a folder without any" if place.is_dir() else f"a file '{place.name}'"
        raise ValueError(Errors.E111.format(path=path, found=found))
    return (doc for file in files for doc in read_docs(file, nlp.vocab))


def calibrate(predictions: Predictions, temperature: float, n_bins: int, n_folds: int) -> Outcome:
    """Fit a temperature, and measure what it does.

    predictions (Predictions): What the classifier said, at temperature 1.
    temperature (float): The one that it has.
    n_bins (int): Bins of equal width.
    n_folds (int): Parts of the texts.
    RETURNS (Outcome): The temperatures and the figures.
    """
    best = fit_temperature(predictions)
    held_out, by_fold = cross_fit(predictions, n_folds, n_bins)
    return Outcome(
        {"before": temperature, "after": best, "folds": by_fold},
        {
            "before": measure(predictions, temperature, n_bins),
            "after": measure(predictions, best, n_bins),
            "held out": held_out,
        },
    )


def set_temperature(nlp: Language, name: str, temperature: float) -> None:
    """Give a classifier of this package a temperature. The threshold of one whose labels don't
    exclude each other moves along, so that it finds the same labels."""
    pipe: Any = nlp.get_pipe(name)
    temperature = round(temperature, N_DIGITS)
    change = temperature / pipe.cfg["temperature"]
    pipe.cfg["temperature"] = temperature
    threshold = pipe.cfg["threshold"]
    moved = threshold if pipe.exclusive else move_threshold(threshold, change)
    if moved != threshold:
        # What is saved with the component counts; the config says the same.
        pipe.cfg["threshold"] = nlp.get_pipe_config(name)["threshold"] = moved
        hint(f"Moved the threshold from {threshold:.4g} to {moved:.4g}, as the scores have moved")


def move_threshold(threshold: float, change: float) -> float:
    """Move a threshold, as `temper_threshold` does, to a number that is the same once saved.

    threshold (float): From 0 to 1.
    change (float): The new temperature by the old one.
    RETURNS (float): The threshold. One of 0 or 1, where every label would be given or none, comes
        of no other.
    """
    moved = round(temper_threshold(threshold, change), N_THRESHOLD_DIGITS)
    if 0.0 < threshold < 1.0:
        moved = min(max(moved, LEAST_THRESHOLD), 1.0 - LEAST_THRESHOLD)
    return moved


def warn(collected: Collected, temperature: float) -> None:
    """Tell on standard error what speaks against relying on the figures."""
    with contextlib.redirect_stdout(sys.stderr):
        if is_at_limit(temperature):
            msg.warn(Warnings.W110.format(limit=temperature, reason=REASONS[temperature]))
        if collected.absent:
            msg.warn(Warnings.W111.format(labels=", ".join(collected.absent)))
        if collected.n_unlabelled:
            plural = "" if collected.n_unlabelled == 1 else "s"
            found = f"{collected.n_unlabelled:,} text{plural}"
            msg.info(f"Left out {found} without labels of the component")


def show(facts: Dict[str, str], collected: Collected, outcome: Outcome, *, as_json: bool) -> None:
    """Print the figures."""
    n_docs, n_labels = collected.predictions.logits.shape
    exclusive = collected.predictions.exclusive
    if as_json:
        record: Dict[str, Any] = {
            **facts,
            "n_docs": n_docs,
            "n_labels": n_labels,
            "exclusive": exclusive,
            "temperature": outcome.temperatures,
        }
        for name, calibration in outcome.found.items():
            bins = _bins(calibration)
            record[name.replace(" ", "_")] = {**calibration.figures(), "bins": bins}
        typer.echo(to_json(record))
        return
    kind = "that exclude each other" if exclusive else "that may go together"
    typer.echo(
        f"# '{facts['component']}' of {facts['pipeline']}: {n_docs:,} texts of {facts['data']}, "
        f"{n_labels} labels {kind}"
    )
    folds = outcome.temperatures["folds"]
    before, after = (outcome.temperatures[key] for key in ("before", "after"))
    rows = [["Temperature", f"{before:.3f}", f"{after:.3f}", f"{min(folds):.3f}-{max(folds):.3f}"]]
    for key, title in ROWS.items():
        rows.append([title, *(f"{getattr(c, key):.4f}" for c in outcome.found.values())])
    header = ["", *(name.capitalize() for name in outcome.found)]
    msg.table(rows, header=header, aligns=("l", "r", "r", "r"), divider=True)


def _bins(calibration: Calibration) -> List[Dict[str, Any]]:
    bins = calibration.bins
    edges = bins.edges.tolist()
    values = zip(edges, edges[1:], *(array.tolist() for array in bins))
    return [dict(zip(("low", "high", "count", "confidence", "accuracy"), row)) for row in values]


def draw(outcome: Outcome, path: Path, title: str, exclusive: bool) -> None:
    """Draw the curves before, and after on held-out texts, as the others flatter."""
    before, after = (outcome.temperatures[key] for key in ("before", "after"))
    found = {
        f"Before, at temperature {before:.3g}": outcome.found["before"],
        f"Held-out texts, at about {after:.3g}": outcome.found["held out"],
    }
    figure = reliability(found, title=title, exclusive=exclusive)
    write_figure(figure, path)
    tell(f"Drew {path}")
