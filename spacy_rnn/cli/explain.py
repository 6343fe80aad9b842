"""`spacy rnn explain`: what each token of texts says for or against a label."""

import sys
from pathlib import Path
from typing import Annotated, Any, Dict, Iterator, NamedTuple, Optional

import typer
from spacy.language import Language

from ..pipeline.explanation import METHODS, Explanation
from ..progress import bar
from ..visualize import attribution, visible
from .common import (
    TEXT_CLASSIFIER,
    ComponentOpt,
    GpuOpt,
    JsonOpt,
    find_component,
    load_pipeline,
    rnn_cli,
    tell,
    to_json,
    told_errors,
)
from .inputs import FilesArg, PerOpt, Source, StdinFormatOpt, TextKeyOpt, read_sources
from .surprisal import batches
from .writable import check_page, write_page

ModelArg = Annotated[
    str, typer.Argument(metavar="MODEL", help="Folder or name of a pipeline with an rnn_textcat")
]


class Explainer(NamedTuple):
    """A pipeline and how its text classifier is to explain.

    nlp (Language): The pipeline.
    textcat (CrossEntropyTextcat): The text classifier.
    settings (Dict[str, Any]): Arguments of its method `explain`.
    """

    nlp: Language
    textcat: Any
    settings: Dict[str, Any]

    def explain(self, sources: Iterator[Source], batch_size: int) -> Iterator[Explanation]:
        """RETURNS (Iterator[Explanation]): An explanation of each text, whose title is the place
        that it is from, if it has no other."""
        made = ((source.make_doc(self.nlp), source.where) for source in sources)
        for doc, where in self.nlp.pipe(made, as_tuples=True, batch_size=batch_size):
            doc.user_data.setdefault("title", where)
            yield self.textcat.explain(doc, **self.settings)


@rnn_cli.command("explain")
def explain_cli(
    model: ModelArg,
    files: FilesArg = None,
    label: Annotated[
        Optional[str],
        typer.Option("--label", "-l", help="The label; by default that of the highest score"),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", "-m", help=f"One of: {', '.join(METHODS)}")
    ] = METHODS[0],
    n_steps: Annotated[
        int, typer.Option("--n-steps", help="The most gradients that are computed for a text")
    ] = 256,
    per: PerOpt = "line",
    stdin_format: StdinFormatOpt = "txt",
    text_key: TextKeyOpt = "text",
    html: Annotated[
        Optional[Path], typer.Option("--html", "-o", help="Write a picture to this file instead")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Documents that are read at a time")] = 64,
    component: ComponentOpt = None,
    gpu_id: GpuOpt = -1,
    json: JsonOpt = False,
) -> None:
    """Tell what each token of texts says for or against a label, in logits."""
    with told_errors("Cannot explain"):
        if html is not None:
            check_page(html, json, files or [], model)
        nlp = load_pipeline(model, gpu_id)
        # Other text classifiers stay, as a later component may need what they find.
        name, _ = find_component(nlp, model, TEXT_CLASSIFIER, component)
        settings = {"label": label, "method": method, "n_steps": n_steps}
        explainer = Explainer(nlp, nlp.get_pipe(name), settings)
        # What is wrong with them is told before anything is read.
        explainer.textcat.explain(nlp.make_doc(""), **settings)
        sources = read_sources(
            nlp.vocab, files or [], per=per, stdin_format=stdin_format, text_key=text_key
        )
        if html is not None:
            write_html(explainer, sources, html, batch_size)
        else:
            print_all(explainer, sources, batch_size, as_json=json)


def write_html(
    explainer: Explainer, sources: Iterator[Source], path: Path, batch_size: int
) -> None:
    """Draw all texts on one page. Their explanations are held in memory, as all shades depend on
    all of them."""
    found = list(bar(explainer.explain(sources, batch_size), "docs"))
    write_page(path, str(attribution(found, page=True, jupyter=False)))
    tell(f"Wrote {path}: {len(found):,} document{'' if len(found) == 1 else 's'}")


def print_all(
    explainer: Explainer, sources: Iterator[Source], batch_size: int, *, as_json: bool
) -> None:
    """Print explanations as the texts are read, in memory for a batch of them."""
    is_first = True
    # Where the texts themselves appear on the terminal, a bar would be in their way.
    for batch in batches(bar(sources, "docs", is_needed=not sys.stdout.isatty()), batch_size):
        # What spaCy stores of new words is given free again, else it would grow with the input.
        with explainer.nlp.memory_zone():
            for found in explainer.explain(iter(batch), batch_size):
                if as_json:
                    typer.echo(to_json(_record(found)))
                else:
                    typer.echo(("" if is_first else "\n") + _listing(found))
                is_first = False


def _record(found: Explanation) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What is printed as JSON."""
    record = found.to_dict()
    del record["spaces"], record["lang"]
    text = "".join(t + " " * s for t, s in zip(found.tokens, found.spaces))
    record = {"source": record.pop("title"), "text": text, **record}
    record["attributions"] = [round(value, 4) for value in found.attributions]
    return record


def _listing(found: Explanation) -> str:
    score = f"score {found.score:+.2f}"
    if found.baseline is not None:
        score += f", without a text {found.baseline:+.2f}"
    lines = [f"# {found.title}: {found.label}, {score}"]
    form = "8.3f" if found.method == "attention" else "+8.2f"
    for text, value in zip(found.tokens, found.attributions):
        lines.append(f"{value:{form}}  {visible(text)}")
    return "\n".join(lines)
