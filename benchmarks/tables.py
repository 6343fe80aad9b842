"""The figures as tables: the same ones for the terminal and for the documentation."""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Sequence

from .timing import MODES

MISSING = "-"


@dataclass
class Table:
    """A table of text.

    title (str): What it shows.
    header (Sequence[str]): Names of the columns; the first one is aligned to the left.
    rows (Sequence[Sequence[str]]): The cells.
    notes (List[str]): What must be known to read it.
    is_detail (bool): Whether it is for the terminal only.
    is_text (bool): Whether the other columns are aligned to the left as well, as they hold words.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: List[str] = field(default_factory=list)
    is_detail: bool = False
    is_text: bool = False


def bar_table(bars: List[Dict[str, Any]]) -> Table:
    """RETURNS (Table): Each bar, the figure, and whether it is met."""
    words = {True: "met", False: "not met", None: "not measured"}
    rows = [
        (
            bar["what"],
            f"{bar['sign']} {with_unit(bar['bar'], bar['unit'])}",
            MISSING if bar["value"] is None else with_unit(bar["value"], bar["unit"]),
            words[bar["met"]],
        )
        for bar in bars
    ]
    return Table("Bars", ("what", "bar", "figure", ""), rows)


def machine_table(machine: Dict[str, Any]) -> Table:
    """RETURNS (Table): Processor, versions and kernels."""
    rows = [
        (key.replace("_", " "), _plain(value))
        for key, value in machine.items()
        if value or value == 0
    ]
    return Table("Machine", ("", ""), rows, is_text=True)


def pipe_tables(found: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): Words per second of whole pipelines."""
    texts = found["texts"]
    rows = []
    for name, mean in found["summary"].items():
        cells = [
            f"{text['words_per_second'][name]:,.0f} ({text['ratio'][name]:.2f})"
            for text in texts.values()
        ]
        rows.append((name, *cells, f"{mean['ratio']:.2f}", f"{mean['minimum']:.2f}"))
    titles = [
        f"{docs}, {text['n_words'] / text['n_texts']:.0f} words" for docs, text in texts.items()
    ]
    notes = [f"Words/s, and their ratio to {found['baseline']}; medians over the rounds."]
    notes.append(f"nlp.pipe with batches of {found['batch_size']} docs; untrained models.")
    notes += [f"{name}: {about}" for name, about in found["pipelines"].items()]
    header = ("pipeline", *titles, "geomean", "min")
    return [Table("Whole pipelines, from texts to classified docs", header, rows, notes)]


def latency_tables(found: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): Milliseconds for one text."""
    tables = []
    for key, title in (("encoder", "encoder: array in, array out"), ("pipe", "nlp(text)")):
        names = next(iter(found[key].values()))
        rows = [
            (name, *(f"{by_name[name]['median']:.2f} / {by_name[name]['p95']:.2f}"
                     for by_name in found[key].values()))
            for name in names
        ]  # fmt: skip
        header = ("model", *(f"{n} tokens" for n in found[key]))
        notes = [f"Milliseconds, median / 95th percentile of {found['n_times']}."]
        tables.append(Table(f"One text at a time, {title}", header, rows, notes))
    return tables


def growth_tables(found: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): Seconds and memory by the length of a text."""
    tables = []
    for mode in MODES:
        by_name = found["seconds"][mode]
        sizes = list(dict.fromkeys(n for seconds in by_name.values() for n in seconds))
        rows = [
            (name, *(_number(seconds.get(n), "{:.3g}") for n in sizes),
             f"{found['exponents'][mode][name]:.2f}")
            for name, seconds in by_name.items()
        ]  # fmt: skip
        header = ("model", *(f"{int(n):,}" for n in sizes), "exponent")
        note = (
            f"Seconds for one text of so many tokens. Exponent: fitted from {found['fit_from']:,}."
        )
        tables.append(Table(f"Growth with the length, {mode}", header, rows, [note]))
    rows = [
        (
            f"{name}, {mode}",
            *(_number(by_size.get(n), "{:,.0f}") for n in _sizes(found["extra_mb"])),
        )
        for mode, by_name in found["extra_mb"].items()
        for name, by_size in by_name.items()
    ]
    header = ("model", *(f"{int(n):,}" for n in _sizes(found["extra_mb"])))
    note = "MB beyond inputs and outputs at the peak, each in a process of its own."
    return [*tables, Table("Memory by the length", header, rows, [note])]


def thread_tables(found: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): Speed with more threads, divided by that with one."""
    few, many = found["threads"]
    titles = [f"{setting['docs']} x{setting['batch_size']}" for setting in found["settings"]]
    tables = []
    for mode in MODES:
        rows = [
            (name, *(f"{setting['ratio'][mode][name]:.2f}" for setting in found["settings"]),
             f"{mean['geomean']:.2f}", f"{mean['minimum']:.2f}")
            for name, mean in found["summary"][mode].items()
        ]  # fmt: skip
        header = ("model", *titles, "geomean", "min")
        notes = [] if found["engines_have_threads"] else ["The engines use one thread in any case."]
        title = f"Words/s with {many} threads, divided by those with {few}, {mode}"
        tables.append(Table(title, header, rows, notes))
    return tables


def long_doc_tables(found: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): The batch of one long text and many short ones."""
    from .long_doc import N_OTHERS, N_SHORT

    rows = [
        (name, mode, f"{entry['seconds']:.2f}", f"{entry['mb']:,.0f}")
        for name, modes in found["models"].items()
        for mode, entry in modes.items()
    ]
    note = f"1 text of {found['tokens']:,} tokens, {N_OTHERS} texts of {N_SHORT}, 1 thread."
    header = ("model", "mode", "seconds", "peak growth, MB")
    return [Table("One long text among short ones", header, rows, [note])]


def compile_tables(found: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): What the first calls of the numba engine take."""
    cells = list(found["first"]["seconds_by_cell"])
    rows = [
        (f"{process} process", f"{entry['seconds']:.1f}", str(entry["compilations"]),
         str(entry["compiled"]), str(entry["loaded"]),
         *(f"{entry['seconds_by_cell'][cell]:.1f}" for cell in cells))
        for process, entry in found.items()
    ]  # fmt: skip
    fixed = ("", "seconds", "compilations", "kernels compiled", "kernels loaded")
    note = "One batch of training and one of prediction with each cell, in this order."
    return [Table("First calls of the numba engine", (*fixed, *cells), rows, [note])]


def import_tables(found: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): What importing spaCy takes."""
    rows = [
        (
            f"{name} spacy-rnn",
            f"{1e3 * found[name]['import']:.0f}",
            f"{1e3 * found[name]['blank']:.0f}",
        )
        for name in ("without", "with")
    ]
    rows.append(("more", f"{found['extra_import_ms']:.1f}", f"{found['extra_blank_ms']:.1f}"))
    note = (
        f"Milliseconds, medians of {found['n_times']} processes in turn; more: of the differences."
    )
    header = ("", "import spacy", 'spacy.blank("en")')
    return [Table("Importing spaCy", header, rows, [note])]


def gpu_tables(found: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): The torch engine against bare cuDNN, and the ways to scan."""
    rows = [
        (f"{docs}, {mode}", f"{1e3 * seconds['engine']:.2f}", f"{1e3 * seconds['cudnn']:.2f}",
         f"{text['overhead'][mode]:.1%}")
        for docs, text in found["texts"].items()
        for mode, seconds in text["seconds"].items()
    ]  # fmt: skip
    note = f"Milliseconds for a batch of {found['batch_size']} texts, on {found['name']}."
    if found["device"] != "cuda":
        note += " Not a GPU: this only shows that it works."
    header = ("texts", "torch engine", "torch.nn.LSTM", "overhead")
    scans = [
        (f"{name}, {docs}, {mode}", f"{1e3 * seconds['kernel']:.2f}",
         f"{1e3 * seconds['torch']:.2f}", f"{text['speedup'][mode]:.1f}x")
        for name, by_docs in found["scans"].items()
        for docs, text in by_docs.items()
        for mode, seconds in text["seconds"].items()
    ]  # fmt: skip
    return [
        Table("The torch engine against bare cuDNN", header, rows, [note]),
        Table("Scans", ("cell, texts", "CUDA kernel", "torch's loop", "times as fast"), scans, []),
    ]


def with_unit(value: float, unit: str) -> str:
    """RETURNS (str): A figure as it is shown, shares as per cent."""
    if unit == "%":
        return f"{100 * value:.0f} %"
    if unit == "x":
        return f"{value:.2f}x"
    return f"{value:.3g} {unit}".strip() if abs(value) < 100 else f"{value:,.0f} {unit}".strip()


def _sizes(extra: Dict[str, Any]) -> List[str]:
    found = [n for by_name in extra.values() for by_size in by_name.values() for n in by_size]
    return sorted(dict.fromkeys(found), key=int)


def _number(value: Any, form: str) -> str:
    return MISSING if value is None else form.format(value)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return "; ".join(value) if isinstance(value, list) else str(value)


TABLES: Dict[str, Callable[[Dict[str, Any]], List[Table]]] = {
    "pipe": pipe_tables,
    "latency": latency_tables,
    "growth": growth_tables,
    "threads": thread_tables,
    "long_doc": long_doc_tables,
    "compile": compile_tables,
    "import": import_tables,
    "gpu": gpu_tables,
}
