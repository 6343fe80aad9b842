"""`spacy rnn surprisal`: how surprising texts are to a language model."""

import math
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Dict, Iterable, Iterator, List, Optional, Tuple

import typer
from spacy.tokens import Doc

from ..errors import Errors
from ..pipeline.surprisal import BACKWARD, N_UNITS, perplexity, surprisals_of
from ..progress import bar
from ..visualize import ALTERNATIVES, AlternativesT, visible
from ..visualize import surprisal as draw
from .common import (
    ComponentOpt,
    GpuOpt,
    JsonOpt,
    Loaded,
    ModelArg,
    load,
    rnn_cli,
    tell,
    to_json,
    told_errors,
)
from .inputs import (
    FilesArg,
    LabelKeyOpt,
    PerOpt,
    Source,
    StdinFormatOpt,
    TextKeyOpt,
    read_sources,
)
from .writable import check_page, write_page

if TYPE_CHECKING:  # it would be imported at each of spaCy's commands
    from ..models.vocabulary import Vocabulary

# Alternatives in a picture, if nothing is said.
N_DRAWN = 3


@rnn_cli.command("surprisal")
def surprisal_cli(
    model: ModelArg,
    files: FilesArg = None,
    per: PerOpt = "line",
    stdin_format: StdinFormatOpt = "txt",
    text_key: TextKeyOpt = "text",
    label_key: LabelKeyOpt = None,
    html: Annotated[
        Optional[Path], typer.Option("--html", "-o", help="Write a picture to this file instead")
    ] = None,
    alternatives: Annotated[
        Optional[int],
        typer.Option(
            "--alternatives",
            "-a",
            help="Show so many of the most probable units in the place of each token; by default "
            f"{N_DRAWN} in a picture, else none",
        ),
    ] = None,
    max_bits: Annotated[
        Optional[float], typer.Option(help="Bits from which on a picture gets no darker")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Documents that are read at a time")] = 64,
    component: ComponentOpt = None,
    gpu_id: GpuOpt = -1,
    json: JsonOpt = False,
) -> None:
    """Tell the surprisal of each token of texts, in bits."""
    with told_errors("Cannot tell the surprisal"):
        if html is not None:
            check_page(html, json, files or [], model)
        elif max_bits is not None:
            reason = "a picture alone has shades, which --html writes"
            other = "printed numbers"
            raise ValueError(Errors.E058.format(option="--max-bits", other=other, reason=reason))
        # What is wrong with the numbers is told before anything is read.
        n = alternatives if alternatives is not None else N_DRAWN if html is not None else 0
        draw([], n_alternatives=n, max_bits=max_bits, jupyter=False)
        loaded = load(model, component, gpu_id)
        condition = loaded.lm.model.attrs["condition"]
        if label_key is not None and condition != "cats":
            raise ValueError(Errors.E072.format(given="cats", condition=condition or "none"))
        sources = read_sources(
            loaded.nlp.vocab,
            files or [],
            per=per,
            stdin_format=stdin_format,
            text_key=text_key,
            label_key=label_key,
        )
        if label_key is not None:
            sources = with_known_labels(loaded, sources)
        if html is not None:
            write_html(loaded, sources, html, n, max_bits, batch_size)
        else:
            print_all(loaded, sources, n, batch_size, as_json=json)


@dataclass
class Totals:
    """Sums over documents.

    bits (float): Surprisals.
    spelled (float): What the unknown units cost to spell, in bits.
    n_units (int): Predicted units, ends of documents included.
    n_chars (int): Characters of the texts.
    n_docs (int): Documents.
    """

    bits: float = 0.0
    spelled: float = 0.0
    n_units: int = 0
    n_chars: int = 0
    n_docs: int = 0

    def add(self, other: "Totals") -> None:
        """Add the sums over other documents."""
        self.bits += other.bits
        self.spelled += other.spelled
        self.n_units += other.n_units
        self.n_chars += other.n_chars
        self.n_docs += other.n_docs

    def to_dict(self) -> Dict[str, float]:
        """RETURNS (Dict[str, float]): All bits, and those by unit and by character."""
        return {
            "total": self.bits,
            "perplexity": perplexity(self.bits, self.n_units),
            "bits_per_char": (self.bits + self.spelled) / max(self.n_chars, 1),
        }


def measure(doc: Doc, vocabulary: "Vocabulary") -> Totals:
    """RETURNS (Totals): Those of a doc that a language model of this vocabulary has read."""
    spelled = sum(map(vocabulary.spelling.bits, vocabulary.unknown_texts(doc)))
    return Totals(sum(_bits(doc)), spelled, doc.user_data[N_UNITS], len(doc.text), 1)


def with_known_labels(loaded: Loaded, sources: Iterator[Source]) -> Iterator[Source]:
    """Texts whose labels were asked for. Docs may have labels for other components besides.

    YIELDS (Source): The same texts.
    RAISES (ValueError): E068 for a label that the language model does not know.
    """
    from ..pipeline.condition import cats_row

    for source in sources:
        if source.doc is None:
            cats_row(loaded.lm.model, source.cats)
        yield source


def read(loaded: Loaded, sources: Iterable[Source], batch_size: int) -> Iterator[Tuple[Doc, str]]:
    """Let the pipeline read texts.

    YIELDS (Tuple[Doc, str]): The docs, and where they are from.
    RAISES (ValueError): E177 for surprisals that are no numbers.
    """
    made = ((source.make_doc(loaded.nlp), source.where) for source in sources)
    for doc, where in loaded.nlp.pipe(made, as_tuples=True, batch_size=batch_size):
        if math.isnan(sum(_bits(doc))):
            raise ValueError(Errors.E177.format(name=loaded.name, text=doc.text[:30]))
        yield doc, where


def write_html(
    loaded: Loaded,
    sources: Iterator[Source],
    path: Path,
    n_alternatives: int,
    max_bits: Optional[float],
    batch_size: int,
) -> None:
    """Draw all texts on one page. They are held in memory, as all shades depend on all of them."""
    docs = []
    for doc, where in bar(read(loaded, sources, batch_size), "docs"):
        doc.user_data.setdefault("title", where)
        if n_alternatives:
            doc.user_data[ALTERNATIVES] = loaded.lm.alternatives(doc, n_alternatives)
        docs.append(doc)
    html = draw(docs, n_alternatives=n_alternatives, max_bits=max_bits, page=True, jupyter=False)
    write_page(path, str(html))
    tell(f"Wrote {path}: {len(docs):,} document{'' if len(docs) == 1 else 's'}")


def print_all(
    loaded: Loaded,
    sources: Iterator[Source],
    n_alternatives: int,
    batch_size: int,
    *,
    as_json: bool,
) -> None:
    """Print texts as they are read, in memory for a batch of them."""
    whole = Totals()
    # Where the texts themselves appear on the terminal, a bar would be in their way.
    for batch in batches(bar(sources, "docs", is_needed=not sys.stdout.isatty()), batch_size):
        # What spaCy stores of new words is given free again, else it would grow with the input.
        with loaded.nlp.memory_zone():
            for doc, where in read(loaded, batch, batch_size):
                found = loaded.lm.alternatives(doc, n_alternatives) if n_alternatives else None
                totals = measure(doc, loaded.lm.vocabulary)
                figures = totals.to_dict()
                if as_json:
                    typer.echo(to_json(_record(doc, where, figures, found)))
                else:
                    typer.echo(
                        ("\n" if whole.n_docs else "") + _listing(doc, where, figures, found)
                    )
                whole.add(totals)
    if whole.n_docs > 1 and not as_json:
        typer.echo(f"\n# all {whole.n_docs:,} documents: {_summary(whole.to_dict())}")


def batches(values: Iterable[Source], size: int) -> Iterator[List[Source]]:
    """RETURNS (Iterator[List[Source]]): So many at a time."""
    values = iter(values)
    while batch := list(islice(values, size)):
        yield batch


def _bits(doc: Doc) -> List[float]:
    """RETURNS (List[float]): (len(doc) + 1,) Of each token and of the end."""
    bits = surprisals_of(doc)
    if bits is None:
        raise ValueError(Errors.E050.format(i=0, text=repr(doc[:8].text)))
    return [float(value) for value in bits]


def _record(
    doc: Doc, where: str, figures: Dict[str, float], found: Optional[AlternativesT]
) -> Dict[str, Any]:
    bits = [round(value, 4) for value in _bits(doc)]
    record = {
        "source": where,
        "text": doc.text,
        "tokens": [token.text for token in doc],
        "bits": bits[:-1],
        "end_bits": bits[-1],
        **figures,
    }
    if found is not None:
        record["alternatives"] = [[(text, round(b, 4)) for text, b in row] for row in found]
    return record


def _listing(
    doc: Doc, where: str, figures: Dict[str, float], found: Optional[AlternativesT]
) -> str:
    texts = [visible(token.text) for token in doc]
    width = max(map(len, texts), default=0)
    lines = []
    backward = doc.user_data.get(BACKWARD)
    edge = "(beginning of text)" if backward else "(end of text)"
    for i, (text, bits) in enumerate(zip([*texts, edge], _bits(doc))):
        line = f"{bits:8.2f}  {text}"
        if found and i < len(found):
            likely = ", ".join(f"{visible(word)} {value:.2f}" for word, value in found[i])
            line = f"{line:<{width + 12}}{likely}"
        lines.append(line)
    if backward:
        lines = lines[-1:] + lines[:-1]
    return "\n".join([f"# {where}: {_summary(figures)}", *lines])


def _summary(figures: Dict[str, float]) -> str:
    return (
        f"{figures['total']:,.2f} bits, perplexity {figures['perplexity']:,.4g}, "
        f"{figures['bits_per_char']:.3f} bits per character"
    )
