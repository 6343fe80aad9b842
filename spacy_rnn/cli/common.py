"""What the commands share: loading a pipeline, telling errors, output."""

import contextlib
import errno
import math
import sys
from typing import Annotated, Any, Iterator, List, NamedTuple, NoReturn, Optional, Tuple

import srsly
import typer
from spacy.language import Language
from thinc.api import require_gpu
from wasabi import msg

from ..errors import Errors
from ..training.trained import load_trained

HELP = (
    "Commands for language models: write texts, and tell how surprising texts are; for text "
    "classifiers: explain what they say, and calibrate their scores; and join several trained "
    "models."
)

rnn_cli = typer.Typer(name="rnn", help=HELP, no_args_is_help=True, rich_markup_mode=None)

ModelArg = Annotated[
    str, typer.Argument(metavar="MODEL", help="Folder or name of a pipeline with an rnn_lm")
]
ComponentOpt = Annotated[
    Optional[str],
    typer.Option("--component", "-c", help="Which component, if the pipeline has several"),
]
GpuOpt = Annotated[int, typer.Option("--gpu-id", "-g", min=-1, help="GPU ID, or -1 for CPU")]
JsonOpt = Annotated[bool, typer.Option("--json", "-j", help="Print JSON, for other programs")]


class Kind(NamedTuple):
    """What a command is about.

    what (str): Its name in messages.
    factories (Tuple[str, ...]): What makes such components.
    config (str): A config to train one with.
    """

    what: str
    factories: Tuple[str, ...]
    config: str


LANGUAGE_MODEL = Kind("language model", ("rnn_lm",), "configs/lm_word.cfg")
TEXT_CLASSIFIER = Kind(
    "text classifier", ("rnn_textcat", "rnn_textcat_multilabel"), "configs/textcat_lstm.cfg"
)


class Loaded(NamedTuple):
    """A pipeline and its language model.

    nlp (Language): The pipeline.
    name (str): Name of the language model.
    lm (RNNLanguageModel): The language model.
    """

    nlp: Language
    name: str
    lm: Any


def load(model: str, component: Optional[str] = None, gpu_id: int = -1) -> Loaded:
    """Load a pipeline, and find its language model. Others that it may have are disabled.

    model (str): Folder or name.
    component (Optional[str]): Name of the language model, which is needed if there are several.
    gpu_id (int): The GPU to use, -1 for none.
    RETURNS (Loaded): The pipeline.
    RAISES (ValueError): If it cannot be loaded, or has no such component.
    """
    nlp = load_pipeline(model, gpu_id)
    name, others = find_component(nlp, model, LANGUAGE_MODEL, component)
    for other in others:
        nlp.disable_pipe(other)
    return Loaded(nlp, name, nlp.get_pipe(name))


def load_pipeline(model: str, gpu_id: int = -1) -> Language:
    """Load a pipeline.

    model (str): Folder or name.
    gpu_id (int): The GPU to use, -1 for none.
    RETURNS (Language): The pipeline.
    RAISES (ValueError): E054 if it cannot be loaded, E180 if there is no such GPU.
    """
    if gpu_id >= 0:
        try:
            require_gpu(gpu_id)
        except (ValueError, RuntimeError) as error:  # of spaCy and Thinc, or of CUDA
            reason = f"{error}".splitlines()[0].rstrip(".")
            raise ValueError(Errors.E180.format(found=gpu_id, reason=reason)) from error
    return load_trained(
        model, lambda reason: ValueError(Errors.E054.format(name=model, reason=reason))
    )


def find_component(
    nlp: Language, model: str, kind: Kind, component: Optional[str] = None
) -> Tuple[str, List[str]]:
    """Find the component that a command is about.

    nlp (Language): The pipeline.
    model (str): Its folder or name, for messages.
    kind (Kind): What the component is.
    component (Optional[str]): Its name, which is needed if there are several.
    RETURNS (Tuple[str, List[str]]): Its name, and those of the others of the kind.
    RAISES (ValueError): If there is no such component, or it is not clear which one is meant.
    """
    names = [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory in kind.factories]
    if not names:
        found, factories = ", ".join(nlp.pipe_names) or "(none)", " or ".join(kind.factories)
        raise ValueError(
            Errors.E055.format(
                name=model,
                what=kind.what,
                components=found,
                factories=factories,
                config=kind.config,
            )
        )
    listed = ", ".join(names)
    if component is None and len(names) > 1:
        raise ValueError(
            Errors.E056.format(name=model, found=len(names), what=kind.what, components=listed)
        )
    if component is not None and component not in names:
        raise ValueError(
            Errors.E057.format(name=model, what=kind.what, found=component, components=listed)
        )
    name = component or names[0]
    return name, [other for other in names if other != name]


@contextlib.contextmanager
def told_errors(title: str) -> Iterator[None]:
    """Tell what a user can correct in a message instead of a traceback, and exit with code 1.

    title (str): What could not be done.
    """
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal of another encoding shows what it can of a text.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
    except (ValueError, ImportError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise  # a reader such as `head` has had enough; Typer ends the program in silence
        fail(title, str(error))


def fail(title: str, text: str) -> NoReturn:
    """Tell an error on standard error, as standard output may be read by a program, and exit."""
    with contextlib.redirect_stdout(sys.stderr):
        msg.fail(title, text)
    raise typer.Exit(1)


def tell(title: str) -> None:
    """Tell on standard error what has been done."""
    with contextlib.redirect_stdout(sys.stderr):
        msg.good(title)


def hint(title: str) -> None:
    """Tell on standard error what a user may want to know."""
    with contextlib.redirect_stdout(sys.stderr):
        msg.info(title)


def to_json(value: Any) -> str:
    """RETURNS (str): The value in one line. Numbers that JSON has no word for become null."""
    return str(srsly.json_dumps(_plain(value)))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):  # names of files may have bytes that are no UTF-8
        return value.encode("utf8", errors="backslashreplace").decode("utf8")
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def table(rows: List[Any]) -> None:
    """Print rows of two columns."""
    msg.table(rows, aligns=("l", "l"))
