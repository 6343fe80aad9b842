"""`spacy rnn ensemble`: let several trained sequence to sequence models write together."""

from pathlib import Path
from typing import Annotated, List

import typer

from ..errors import number_error
from ..progress import elapsed
from .common import (
    ComponentOpt,
    Kind,
    find_component,
    load_pipeline,
    rnn_cli,
    tell,
    told_errors,
)
from .outputs import check_output, write_pipeline

SEQ2SEQ = Kind("sequence to sequence component", ("rnn_seq2seq",), "configs/seq2seq_g2p.cfg")


@rnn_cli.command("ensemble")
def ensemble_cli(
    models: Annotated[
        List[str],
        typer.Argument(metavar="MODELS", help="Folders or names of pipelines with an rnn_seq2seq"),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Write the pipeline to this folder")
    ],
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace a pipeline that is at --output")
    ] = False,
    component: ComponentOpt = None,
) -> None:
    """Make one pipeline of several, whose sequence to sequence models write together: by the mean
    of their probabilities. All else is that of the first."""
    from ..pipeline.ensemble import Trained, join

    with told_errors("Cannot join the models"):
        check_output(output, force)
        if len(models) < 2:
            raise number_error("the number of MODELS", "at least 2", len(models))
        trained: List[Trained] = []
        with elapsed("Loading"):
            for model in models:
                nlp = load_pipeline(model)
                name, _ = find_component(nlp, model, SEQ2SEQ, component)
                trained.append(Trained(model, nlp, name))
            n_models = sum(len(one.configs) for one in trained)
            nlp, name = join(trained), trained[0].name
        write_pipeline(nlp, output, force)
        tell(f"Wrote {output}, where '{name}' is an ensemble of {n_models}")
