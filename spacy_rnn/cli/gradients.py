"""`spacy rnn gradients`: how far gradients reach back through the layers of a pipeline."""

import heapq
from itertools import count
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Tuple,
)

import typer
from spacy.language import Language
from spacy.tokens import Doc
from wasabi import msg

from ..errors import Errors
from ..figures import write_figure
from ..gradient_curves import Curve
from ..progress import bar
from ..visualize_gradients import gradient_picture
from .common import (
    ComponentOpt,
    GpuOpt,
    JsonOpt,
    hint,
    load_pipeline,
    rnn_cli,
    tell,
    to_json,
    told_errors,
)
from .inputs import FilesArg, LabelKeyOpt, PerOpt, Source, StdinFormatOpt, TextKeyOpt, read_sources
from .pictures import PICTURES, check_picture

if TYPE_CHECKING:  # it would be imported, with all layers, at each of spaCy's commands
    from ..pipeline.gradients import Probe

ALL_CELLS = "elman,lstm,gru,qrnn,mingru"
# Distances in the table, before the last one.
SHOWN = (1, 10, 50, 100)

ModelArg = Annotated[
    str, typer.Argument(metavar="MODEL", help="Folder or name of a pipeline with recurrent layers")
]


@rnn_cli.command("gradients")
def gradients_cli(
    model: ModelArg,
    files: FilesArg = None,
    length: Annotated[
        int, typer.Option("--length", "-l", min=2, help="Steps that are read of each document")
    ] = 100,
    n_docs: Annotated[int, typer.Option("--n-docs", "-n", min=1, help="Documents at most")] = 32,
    cells: Annotated[
        str, typer.Option("--cells", help="Untrained cells to compare with, with commas between")
    ] = ALL_CELLS,
    no_cells: Annotated[
        bool, typer.Option("--no-cells", help="Compare with no untrained cells")
    ] = False,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            "-s",
            min=0,
            max=2**32 - 1,
            help="Of untrained weights and random directions",
        ),
    ] = 0,
    picture: Annotated[
        Optional[Path],
        typer.Option("--picture", "-p", help=f"Draw to this file: {', '.join(PICTURES)}"),
    ] = None,
    per: PerOpt = "line",
    stdin_format: StdinFormatOpt = "txt",
    text_key: TextKeyOpt = "text",
    label_key: LabelKeyOpt = None,
    component: ComponentOpt = None,
    gpu_id: GpuOpt = -1,
    json: JsonOpt = False,
) -> None:
    """Tell how much of the gradient reaches back over how many steps. Nothing is trained."""
    from ..pipeline.gradients import find_recurrent, probe

    with told_errors("Cannot tell the gradients"):
        if no_cells and cells != ALL_CELLS:
            reason = "there would be no cells to compare with"
            raise ValueError(
                Errors.E058.format(option="--no-cells", other="--cells", reason=reason)
            )
        others = [] if no_cells else parse_cells(cells)
        if picture is not None:
            check_picture(picture, model)
        nlp = load_pipeline(model, gpu_id)
        name = find_recurrent(nlp, model, component)
        sources = read_sources(
            nlp.vocab,
            files or [],
            per=per,
            stdin_format=stdin_format,
            text_key=text_key,
            label_key=label_key,
        )
        docs = choose(nlp, name, bar(sources, "docs"), n_docs, length)
        found = probe(nlp, name, bar(docs, "docs"), length)
        report = Report(model, name, length, len(docs), seed, found.what, [])
        report.curves.extend(curves_of(found, others, seed))
        if picture is not None:
            write_figure(gradient_picture(report.curves, title=report.title), picture)
            tell(f"Wrote {picture}")
        if json:
            typer.echo(to_json(report.to_dict()))
        else:
            print_table(report)
        if report.reach < length - 1:
            hint(
                f"Distances above {report.reach} are left out: most of the documents do not reach "
                "them."
            )


class Report(NamedTuple):
    """What has been found.

    pipeline (str): Its folder or name.
    component (str): The component.
    length (int): The most steps that were read of a document.
    n_docs (int): How many documents were read.
    seed (int): The seed.
    loss (str): What was differentiated, for the last layer.
    curves (List[Curve]): The curves: of trained layers, then of untrained cells.
    """

    pipeline: str
    component: str
    length: int
    n_docs: int
    seed: int
    loss: str
    curves: List[Curve]

    @property
    def title(self) -> str:
        """RETURNS (str): A title for a picture."""
        docs = f"{self.n_docs} document{'' if self.n_docs == 1 else 's'}"
        return f"Gradient of {self.loss}\n'{self.component}' of {self.pipeline}, {docs}"

    @property
    def reach(self) -> int:
        """RETURNS (int): The largest distance of any curve."""
        return max((curve.distances[-1] for curve in self.curves if curve.distances), default=0)

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Plain data."""
        return {**self._asdict(), "curves": [curve.to_dict() for curve in self.curves]}


def parse_cells(text: str) -> List[str]:
    """RETURNS (List[str]): Names of cells, each once.

    RAISES (ValueError): E002 for an unknown one.
    """
    from ..models.encoder import CELLS

    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in CELLS:
            raise ValueError(Errors.E002.format(cell=name, cells=", ".join(CELLS)))
    return names


def choose(
    nlp: Language, name: str, sources: Iterable[Source], n_docs: int, length: int
) -> List[Doc]:
    """Take the first documents that are as long as is asked for; if there are too few of them, the
    longest ones.

    nlp (Language): The pipeline.
    name (str): Name of the component, whose steps are counted.
    sources (Iterable[Source]): The texts. They are read until there are enough.
    n_docs (int): How many documents.
    length (int): How many steps.
    RETURNS (List[Doc]): The documents, in the order of the texts.
    """
    from ..pipeline.gradients import size

    pipe = nlp.get_pipe(name)
    kept: List[Tuple[int, int, Doc]] = []
    numbers = count()
    for source in sources:
        doc = source.make_doc(nlp)
        # Of two that are as long, the first one stays.
        number = next(numbers)
        entry = (min(size(pipe, doc), length), -number, doc)
        heapq.heappush(kept, entry) if len(kept) < n_docs else heapq.heappushpop(kept, entry)
        if len(kept) == n_docs and kept[0][0] == length:
            break
    return [doc for _, _, doc in sorted(kept, key=lambda entry: -entry[1])]


def curves_of(found: "Probe", cells: List[str], seed: int) -> Iterator[Curve]:
    """YIELDS (Curve): Those of each layer, and of each untrained cell."""
    jobs: List[Tuple[Optional[str], int]] = [(None, i) for i in range(len(found.readings))]
    jobs += [(cell, -1) for cell in cells]
    for cell, i in bar(jobs, "layers"):
        norms = found.norms(i, seed) if cell is None else found.fresh_norms(cell, seed)
        yield from norms.curves(trained=cell is None)


def print_table(report: Report) -> None:
    """Print a row for each curve."""
    distances = [distance for distance in SHOWN if distance < report.reach] + [report.reach]
    head = ("layer", "state", *map(str, distances), "by step", "half-life", "")
    rows = [
        (
            curve.name,
            curve.state,
            *(_number(curve.at(distance)) for distance in distances),
            "-" if curve.factor is None else f"{curve.factor:.3f}",
            "-" if curve.half_life is None else str(curve.half_life),
            curve.verdict,
        )
        for curve in report.curves
    ]
    msg.text(
        f"Gradient of {report.loss}: its norm by distance, relative to that at the last output"
    )
    aligns = ("l", "l", *("r" for _ in distances), "r", "r", "l")
    msg.table(rows, header=head, divider=True, aligns=aligns)


def _number(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.3g}"
