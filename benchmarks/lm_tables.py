"""The figures of the language models as tables, for the terminal and for a page of the docs.

A page has a place for them, between two comments:

    <!-- language models -->
    <!-- end of language models -->
"""

import re
from typing import Any, Dict, List, Optional

from .lm_bars import judge_quality, judge_speed
from .lm_models import NAMES, TORCH
from .report import markdown
from .tables import MISSING, Table, bar_table

PLACE = re.compile(r"(<!-- language models -->\n).*?(<!-- end of language models -->)", re.DOTALL)
PLURALS = {"word": "words", "char": "characters"}


def fill_page(text: str, speed: Dict[str, Any], quality: Optional[Dict[str, Any]]) -> str:
    """
    text (str): A page.
    speed (Dict[str, Any]): What `benchmarks.lm_speed` wrote.
    quality (Optional[Dict[str, Any]]): What `benchmarks.lm_quality` wrote, if it has run.
    RETURNS (str): The page with the tables in their place.
    RAISES (ValueError): If the page has no place for them.
    """
    if not PLACE.search(text):
        raise ValueError(
            "The page has no place for the tables: <!-- language models --> "
            "<!-- end of language models -->"
        )
    bars = judge_speed(speed) + (judge_quality(quality) if quality else [])
    found = [bar_table(bars), *speed_tables(speed), *(quality_tables(quality) if quality else [])]
    tables = "\n".join(markdown(table) for table in found)
    return PLACE.sub(lambda match: match[1] + tables + match[2], text)


def speed_tables(results: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): Of the comparison with PyTorch, and of spaCy's loop."""
    tables = [rate_table(results, unit) for unit in NAMES if _of_unit(results, unit)]
    if results["loops"]:
        tables.append(loop_table(results["loops"]))
    if tables:
        tables[-1].notes.append(about_machine(results["machine"]))
    return tables


def quality_tables(results: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): Of the softmaxes after equal tokens, and the cells after equal
    minutes."""
    tables = []
    for name, make in (("softmax", softmax_table), ("cells", cell_table)):
        if (results.get(name) or {}).get("runs"):
            tables.append(make(results[name]))
    return tables


def rate_table(results: Dict[str, Any], unit: str) -> Table:
    """RETURNS (Table): Units per second in each setting, and what they are to PyTorch's."""
    rows = [
        (
            f"{one['title']}, {_threads(one['threads'])}",
            *(
                f"{one['units_per_second'][name]:,.0f} ({one['ratio'][name]:.2f})"
                for name in NAMES[unit]
            ),
        )
        for one in _of_unit(results, unit)
    ]
    plural, corpus = PLURALS[unit], results["corpus"][unit]
    notes = [
        f"{plural.capitalize()}/s of whole steps, and their ratio to {TORCH}; medians of "
        f"{results['rounds']} rounds. Vocabulary: {corpus['symbols']:,}.",
        *(f"{name}: {results['models'][name]}" for name in NAMES[unit]),
    ]
    title = f"Training language models of {plural}"
    return Table(title, ("width, streams x window", *NAMES[unit]), rows, notes)


def loop_table(loops: List[Dict[str, Any]]) -> Table:
    """RETURNS (Table): What documents cost."""
    rows = [
        (
            f"{PLURALS[one['unit']]}, {one['model']}, {one['title']}, {_threads(one['threads'])}",
            f"{one['units_per_second']['step']:,.0f}",
            f"{one['units_per_second']['loop']:,.0f}",
            f"{one['ratio']:.2f}",
            f"{one['share']['batches']:.1%}",
            f"{one['share']['else']:.1%}",
        )
        for one in loops
    ]
    notes = [
        "Units/s of the bare step, on arrays, and of spaCy's loop: the next batch of "
        "spacy-rnn.batch_by_stream.v1, nlp.update, finish_update.",
        "batches: the part of the loop's time in which windows are made; else: what is left beyond "
        "a bare step. A little below nothing is noise.",
    ]
    header = ("model", "bare step", "spaCy's loop", "ratio", "batches", "else")
    return Table("What spaCy's documents cost", header, rows, notes)


def softmax_table(found: Dict[str, Any]) -> Table:
    """RETURNS (Table): Perplexities of the two softmaxes."""
    rows = [
        (
            name,
            f"{run['lm_perplexity']:.2f}",
            f"{run['units']:,}",
            f"{run['seconds'] / 60:.1f}",
            f"{run['units'] / run['seconds']:,.0f}",
        )
        for name, run in found["runs"].items()
    ]
    notes = ["configs/lm_word.cfg at another width and length: " + _told(found["settings"])]
    notes.append("The same seed and the same batches. Minutes without the scoring.")
    header = ("softmax", "perplexity, dev", "words read", "minutes", "words/s")
    return Table("The adaptive softmax after equal tokens", header, rows, notes)


def cell_table(found: Dict[str, Any]) -> Table:
    """RETURNS (Table): Bits per character of the cells."""
    rows = [
        (
            name,
            f"{run['lm_bits_per_char']:.3f}",
            f"{run['seconds'] / 60:.1f}",
            f"{run['units']:,}",
            f"{run['units'] / run['seconds']:,.0f}",
        )
        for name, run in found["runs"].items()
    ]
    notes = ["Models of characters: " + _told(found["settings"])]
    notes.append("Minutes of training; scoring comes on top.")
    header = ("cell", "bits/character, dev", "minutes", "characters read", "characters/s")
    return Table("Cells after equal minutes", header, rows, notes)


def about_machine(machine: Dict[str, Any]) -> str:
    """RETURNS (str): What the speed depends on."""
    blas = "; ".join(machine["numpy_blas"]) or MISSING
    return f"{machine['cpu']}, {machine['cores']} cores, NumPy by {blas}, torch {machine['torch']}."


def _of_unit(results: Dict[str, Any], unit: str) -> List[Dict[str, Any]]:
    return [one for one in results["settings"] if one["unit"] == unit]


def _threads(n: int) -> str:
    return f"{n} thread{'s' if n > 1 else ''}"


def _told(settings: Dict[str, Any]) -> str:
    told = (f"{key.replace('_', ' ')} {value}" for key, value in settings.items())
    return ", ".join(told) + "."
