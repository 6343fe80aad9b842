"""`spacy rnn info`: what kind of language model a pipeline has."""

from typing import Any, Dict

import typer

from .common import (
    ComponentOpt,
    JsonOpt,
    Loaded,
    ModelArg,
    load,
    rnn_cli,
    table,
    to_json,
    told_errors,
)


@rnn_cli.command("info")
def info_cli(model: ModelArg, component: ComponentOpt = None, json: JsonOpt = False) -> None:
    """Print the settings and the size of a language model, and its scores in training."""
    with told_errors("Cannot tell about the language model"):
        facts = collect(load(model, component))
        if json:
            typer.echo(to_json(facts))
        else:
            table([(key.replace("_", " "), _shown(value)) for key, value in facts.items()])


def collect(loaded: Loaded) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Plain data about a pipeline and its language model."""
    meta = loaded.nlp.meta
    scores = {
        key: value for key, value in meta.get("performance", {}).items() if key.startswith("lm_")
    }
    return {
        "pipeline": f"{meta['lang']}_{meta['name']}",
        "version": meta["version"],
        "component": loaded.name,
        **loaded.lm.info(),
        **scores,
    }


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)
