"""`spacy rnn ensemble`: let several trained models answer together."""

from pathlib import Path
from typing import Annotated, List

import typer

from ..errors import number_error
from ..progress import elapsed
from .common import (
    TEXT_CLASSIFIER,
    ComponentOpt,
    Kind,
    find_component,
    hint,
    load_pipeline,
    rnn_cli,
    tell,
    told_errors,
)
from .outputs import check_output, write_pipeline

JOINABLE = Kind(
    "text classifier or sequence to sequence component",
    (*TEXT_CLASSIFIER.factories, "rnn_seq2seq"),
    TEXT_CLASSIFIER.config,
)


@rnn_cli.command("ensemble")
def ensemble_cli(
    models: Annotated[
        List[str],
        typer.Argument(metavar="MODELS", help="Folders or names of pipelines with one"),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Write the pipeline to this folder")
    ],
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace a pipeline that is at --output")
    ] = False,
    component: ComponentOpt = None,
) -> None:
    """Make one pipeline of several, whose text classifiers, or sequence to sequence models, answer
    together: by the mean of their probabilities. All else is that of the first."""
    from ..pipeline.ensemble import Trained, join

    with told_errors("Cannot join the models"):
        check_output(output, force)
        if len(models) < 2:
            raise number_error("the number of MODELS", "at least 2", len(models))
        trained: List[Trained] = []
        with elapsed("Loading"):
            for model in models:
                nlp = load_pipeline(model)
                name, _ = find_component(nlp, model, JOINABLE, component)
                trained.append(Trained(model, nlp, name))
            n_models = sum(len(one.configs) for one in trained)
            is_calibrated = any(one.pipe.cfg.get("temperature", 1.0) != 1.0 for one in trained)
            nlp, name = join(trained), trained[0].name
        write_pipeline(nlp, output, force)
        if is_calibrated:
            hint("Their temperatures are left out. Calibrate the new pipeline: spacy rnn calibrate")
        tell(f"Wrote {output}, where '{name}' is an ensemble of {n_models}")
