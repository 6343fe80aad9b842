"""`spacy rnn generate`: write texts by a language model."""

import math
import sys
from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional

import srsly
import typer

from ..errors import Errors
from ..progress import elapsed
from ..training.files import decode
from .common import ComponentOpt, GpuOpt, JsonOpt, ModelArg, load, rnn_cli, to_json, told_errors


@rnn_cli.command("generate")
def generate_cli(
    model: ModelArg,
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="What each text begins with")] = "",
    n: Annotated[int, typer.Option("--n", "-n", help="How many texts")] = 1,
    max_length: Annotated[
        int, typer.Option("--max-length", "-m", help="The most units (words, ...) that are written")
    ] = 100,
    temperature: Annotated[
        float, typer.Option("--temperature", "-t", help="Below 1 more probable, above more varied")
    ] = 1.0,
    top_k: Annotated[
        int, typer.Option("--top-k", "-k", help="Only the so many most probable units; 0 for all")
    ] = 0,
    top_p: Annotated[
        float, typer.Option("--top-p", help="Only the most probable units of this share together")
    ] = 1.0,
    min_p: Annotated[
        float, typer.Option("--min-p", help="Only units of this share of the most probable one")
    ] = 0.0,
    beam_width: Annotated[
        int, typer.Option("--beam-width", "-b", help="Above 1, search for the most probable texts")
    ] = 1,
    seed: Annotated[
        Optional[int], typer.Option("--seed", "-s", help="The same seed writes the same texts")
    ] = None,
    stop: Annotated[
        Optional[List[str]],
        typer.Option(
            "--stop", help=r"Text that ends a text; '\n' is a line break. Several may be given"
        ),
    ] = None,
    label: Annotated[
        Optional[List[str]],
        typer.Option("--label", "-l", help="Label of the text, of a model that depends on labels"),
    ] = None,
    vector: Annotated[
        Optional[Path],
        typer.Option("--vector", help="JSON list of numbers, for a model that depends on a vector"),
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print the text as it is written")
    ] = False,
    component: ComponentOpt = None,
    gpu_id: GpuOpt = -1,
    json: JsonOpt = False,
) -> None:
    """Write texts."""
    with told_errors("Cannot write texts"):
        for option, is_given, reason in (
            ("--n", n != 1, "one text is printed as it is written"),
            ("--beam-width", beam_width != 1, "a beam knows its text only at the end"),
            ("--json", json, "JSON is printed as a whole"),
        ):
            if stream and is_given:
                raise ValueError(Errors.E058.format(option="--stream", other=option, reason=reason))
        settings = {
            "max_length": max_length,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "min_p": min_p,
            "seed": seed,
            "stop": [text.replace("\\n", "\n") for text in stop or []] or None,
            "cats": dict.fromkeys(label, 1.0) if label else None,
            "vector": None if vector is None else read_vector(vector),
        }
        # Arguments that are not UTF-8 come with surrogates in the place of bytes.
        prompt = decode(prompt.encode("utf8", errors="surrogateescape"), "--prompt", 1)
        lm = load(model, component, gpu_id).lm
        if stream:
            _print_stream(lm, prompt, settings)
            return
        settings["beam_width"] = beam_width
        with elapsed("Writing"):
            texts = [doc.text for doc in lm.generate(prompt, n=n, **settings)]
        if json:
            typer.echo(to_json({"prompt": prompt, "settings": settings, "texts": texts}))
        else:
            typer.echo("\n".join(texts))


def _print_stream(lm: Any, prompt: str, settings: Dict[str, Any]) -> None:
    pieces = lm.stream(prompt, **settings)
    typer.echo(prompt, nl=False)
    for piece in pieces:
        typer.echo(piece, nl=False)
        sys.stdout.flush()
    typer.echo()


def read_vector(path: Path) -> List[float]:
    """RETURNS (List[float]): The numbers of a file of a JSON list.

    RAISES (ValueError): If it cannot be read, or is none.
    """
    advice = "Expected a JSON list of numbers, such as [0.5, -1.25]."
    try:
        found: Any = srsly.json_loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(
            Errors.E059.format(path=path, verb="read", reason=reason, advice=advice)
        ) from error
    if not isinstance(found, list) or not all(
        type(value) in (int, float) and math.isfinite(value) for value in found
    ):
        reason = "it holds something else"
        raise ValueError(Errors.E059.format(path=path, verb="read", reason=reason, advice=advice))
    return [float(value) for value in found]
