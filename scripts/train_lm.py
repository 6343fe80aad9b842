"""Train a language model as `spacy train` does, and go on with a training that was interrupted.

python scripts/train_lm.py configs/lm_transfer.cfg training/lm_forward \\
    --paths.train corpus/transfer/train.jsonl --paths.dev corpus/transfer/dev.jsonl

The same command again goes on from the best pipeline that was saved, at its step and learn rate.
The optimizer's moments begin anew, and so do the texts.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Dict, NamedTuple, Optional

import typer
from datalib.errors import DataError
from datalib.interrupted import (
    LOG,
    begin,
    end,
    find_start,
    is_finished,
    log_of,
    merge_logs,
    prepare,
    rest_of_rate,
)
from spacy.cli._util import parse_config_overrides, setup_gpu, show_validation_error
from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config
from thinc.api import Config
from wasabi import msg

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
LOGGER = "spacy-rnn.ConsoleLogger.v1"


class Settings(NamedTuple):
    """What is needed of a config.

    config (Config): The config with its overrides, not interpolated.
    name (str): The language model's name in the pipeline.
    max_steps (int): Steps of the whole training.
    """

    config: Config
    name: str
    max_steps: int


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    ctx: typer.Context,
    config_path: Annotated[Path, typer.Argument(metavar="CONFIG", help="A config", exists=True)],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder of the training")],
    gpu_id: Annotated[int, typer.Option(help="GPU, or -1 for the CPU")] = -1,
) -> None:
    """Overrides of the config follow as for `spacy train`. Beside model-best and model-last the
    folder gets log.jsonl, the figures of the training as a whole."""
    with show_validation_error(config_path):
        config = load_config(config_path, parse_config_overrides(ctx.args), interpolate=False)
    try:
        settings = check(config)
        old = prepare(output, settings.config)
        if old is not None:
            msg.warn(f"{output} holds a training with other settings or texts. It is now {old}.")
        if is_finished(output):
            msg.good(f"{output}: finished, at {settings.max_steps} steps. Nothing to do.")
            return
        setup_gpu(gpu_id)
        run(settings, output, gpu_id)
    except DataError as err:
        msg.fail(err.title, err.text, exits=1)
    except ValueError as err:
        if not str(err).startswith("[spacy-rnn "):
            raise
        msg.fail("The training has stopped", str(err), exits=1)
    except KeyboardInterrupt:
        rows = merge_logs(output)
        step = rows[-1]["step"] if rows else 0
        msg.warn(f"Interrupted. Saved so far: the best of {step} steps. The same command goes on.")
        sys.exit(130)


def run(settings: Settings, output: Path, gpu_id: int) -> None:
    """Train to the end, from wherever an earlier training has stopped."""
    training = settings.config["training"]
    merge_logs(output)
    start = find_start(output, training["eval_frequency"])
    step = start.step if start is not None else 0
    if start is not None and step >= settings.max_steps:
        # Killed after the last evaluation: all but the note was done.
        end(output, start)
        msg.good(f"{output}: finished, at {settings.max_steps} steps. Nothing to do.")
        return
    continue_at(settings, step, log_of(output, step))
    nlp = initialize(settings, None if start is None else start.path, gpu_id)
    begin(output, start)
    if start is None:
        msg.info(f"{output}: from the beginning, {settings.max_steps} steps")
    else:
        msg.info(f"{output}: goes on from step {step} of {settings.max_steps}")
    train(nlp, output, use_gpu=gpu_id)
    end(output)
    msg.good(f"{output}: finished. The figures are in {output / LOG}")


def continue_at(settings: Settings, step: int, log: Path) -> None:
    """Let the config have the rest of a training, after so many steps of it."""
    training = settings.config["training"]
    training["logger"]["output_file"] = str(log)
    if not step:
        return
    training["max_steps"] = settings.max_steps - step
    optimizer = training["optimizer"]
    optimizer["learn_rate"] = rest_of_rate(
        settings.config.interpolate()["training"]["optimizer"]["learn_rate"], step
    )
    seed: Optional[int] = settings.config.interpolate()["training"]["seed"]
    # Corpora that are held in memory are then shuffled in another way.
    training["seed"] = None if seed is None else seed + step


def initialize(settings: Settings, start: Optional[Path], gpu_id: int) -> Language:
    """RETURNS (Language): The pipeline, with the weights and the vocabulary of an earlier one if
    there is one."""
    with show_validation_error(hint_fill=False):
        nlp = init_nlp(settings.config, use_gpu=gpu_id)
    if start is not None:
        lm: Any = nlp.get_pipe(settings.name)
        lm.from_disk(start / settings.name)
    return nlp


def check(config: Config) -> Settings:
    """RETURNS (Settings): What is needed of a config, if it is one that can be gone on with."""
    training: Dict[str, Any] = config.interpolate()["training"]
    components = config["components"]
    names = [name for name in components if components[name].get("factory") == "rnn_lm"]
    if len(names) != 1 or config["nlp"]["pipeline"] != names:
        raise DataError(
            f"Found the pipeline {config['nlp']['pipeline']}.", "Expected one rnn_lm, and no more."
        )
    if training["logger"]["@loggers"] != LOGGER:
        raise DataError(f"Found the logger {training['logger']['@loggers']}.", f"Expected {LOGGER}")
    if not training["max_steps"]:
        raise DataError("[training] max_steps is 0.", "Expected the number of steps to train for.")
    rest_of_rate(training["optimizer"]["learn_rate"], 0)
    return Settings(config, names[0], training["max_steps"])


if __name__ == "__main__":
    app()
