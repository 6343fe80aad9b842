"""The figures about int8 as tables, for the terminal and for a page of the documentation.

A page has a place for them, between two comments:

    <!-- int8 -->
    <!-- end of int8 -->
"""

import re
from statistics import mean
from typing import Any, Dict, List

from .int8_shares import PRODUCTS, STAGES, encoder_speedup, speedup
from .peers import N_HIDDEN, N_IN, OURS
from .report import markdown
from .tables import MISSING, Table

PLACE = re.compile(r"(<!-- int8 -->\n).*?(<!-- end of int8 -->)", re.DOTALL)
FLOAT, INT8 = "torch float32", "torch int8"
NAMES = {"rows": "a scale for each row", "torch": "torch's, a scale for each matrix"}


def fill_page(text: str, results: Dict[str, Any]) -> str:
    """
    text (str): A page.
    results (Dict[str, Any]): What `benchmarks.quantized` wrote.
    RETURNS (str): The page with the tables in their place.
    RAISES (ValueError): If the page has no place for them.
    """
    if not PLACE.search(text):
        raise ValueError("The page has no place for the tables: <!-- int8 --> <!-- end of int8 -->")
    tables = "\n".join(markdown(table) for table in int8_tables(results))
    return PLACE.sub(lambda match: match[1] + tables + match[2], text)


def int8_tables(results: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): All tables."""
    return [
        rate_table(results["rates"], _about_machine(results)),
        product_table(results["products"]),
        error_table(results["accuracy"]),
        pipe_table(results["pipes"], results["sizes"]),
    ]


def rate_table(rates: List[Dict[str, Any]], machine: str) -> Table:
    """RETURNS (Table): Words per second of the encoders, and what they are to each other."""
    rows = []
    for setting in rates:
        words = setting["words_per_second"]
        ours, exact, int8 = words[OURS], words[FLOAT], best_int8(words)
        ratios = (int8 / exact, ours / int8) if int8 else ()
        cells = [f"{rate:,.0f}" if rate else MISSING for rate in (ours, exact, int8)]
        cells += [f"{ratio:.2f}" for ratio in ratios] or [MISSING, MISSING]
        rows.append((f"{setting['docs']} x{setting['batch_size']}", *cells))
    header = ("texts", "ours", FLOAT, INT8, "int8 / float32 of torch", "ours / torch int8")
    notes = [
        f"{machine}. One thread, seconds of the processor, medians over the rounds.",
        "Of torch's int8 that of the library that is fastest in each line. torch reads data that "
        "was packed before the time is taken; ours takes and returns lists.",
    ]
    title = f"Bidirectional LSTM, {N_IN} to 2 x {N_HIDDEN}, inference, words/s"
    return Table(title, header, rows, notes)


def best_int8(by_name: Dict[str, float]) -> float:
    """RETURNS (float): The fastest of torch's int8, or 0."""
    return max((v for name, v in by_name.items() if name.startswith(INT8)), default=0.0)


def product_table(products: Dict[str, Dict[str, float]]) -> Table:
    """RETURNS (Table): Rates of products by themselves."""
    rows = []
    for n, rates in products.items():
        torch = max((v for name, v in rates.items() if name.startswith("torch")), default=0.0)
        figures = (rates["ours, float32"], torch, rates.get("int8 alone", 0.0))
        rows.append((f"{int(n):,}", *(f"{rate:,.0f}" if rate else MISSING for rate in figures)))
    title = f"Products of n rows by the recurrent weights, {N_HIDDEN} x {4 * N_HIDDEN}, Gop/s"
    notes = [
        f"`{INT8}` quantizes the rows and scales the result, as an LSTM must; `int8 alone` does "
        "neither. A step has as many rows as there are texts that reach it."
    ]
    return Table(title, ("n", "ours, float32", INT8, "int8 alone"), rows, notes)


def error_table(found: Dict[str, Any]) -> Table:
    """RETURNS (Table): Errors of the outputs, and what becomes of the predictions."""
    seeds = found["seeds"]
    exact = mean(seed["accuracy"] for seed in seeds)
    rows = []
    for name, random in found["random"].items():
        by_seed = [seed["int8"][name] for seed in seeds]
        rows.append(
            (
                NAMES[name],
                _error(random["rms"], random["max"]),
                _error(
                    mean(s["error"]["rms"] for s in by_seed),
                    max(s["error"]["max"] for s in by_seed),
                ),
                f"{100 * exact:.1f} %",
                f"{100 * mean(s['accuracy'] for s in by_seed):.1f} %",
                f"{sum(s['changed'] for s in by_seed)} of {sum(s['n_docs'] for s in seeds):,}",
            )
        )
    header = (
        "int8 weights",
        "error, random weights",
        "error, trained",
        "accuracy, float32",
        "accuracy, int8",
        "predictions changed",
    )
    notes = [
        "Errors of the encoder's outputs: root mean square and largest, in units of the outputs' "
        "root mean square.",
        f"Classifiers without a linear model, trained on the embedded sentences for "
        f"{found['n_epochs']} epochs, seeds: {len(seeds)}; tested on sentences that they have not "
        "seen.",
    ]
    return Table("Error by int8", header, rows, notes)


def pipe_table(pipes: List[Dict[str, Any]], sizes: Dict[str, int]) -> Table:
    """RETURNS (Table): Shares of a pipeline's time, and how much faster it can get."""
    rows = []
    for pipe in pipes:
        shares = pipe["shares"]
        rows.append(
            (
                f"{pipe['embedding']} to {pipe['encoder']}, {pipe['docs']}",
                *(f"{100 * shares[stage]:.0f} %" for stage in STAGES),
                *(f"{speedup(shares, factor):.2f}" for factor in (0.5, 0.0)),
                f"{encoder_speedup(shares, 0.5):.2f}",
            )
        )
    header = (
        "widths, texts",
        *STAGES,
        "products in half the time",
        "in no time",
        "the encoder alone, in half the time",
    )
    total = sum(sizes.values())
    notes = [
        "`nlp.pipe` over a tokenizer and an `rnn_textcat` without a linear model, LSTM in both "
        "directions; shares of its time, and how many times as fast it would be. The "
        f"{' and '.join(PRODUCTS)} are timed by themselves, over as many rows as they have in it.",
        f"Of the {total / 1e6:.1f} MB of the default model "
        + ", ".join(f"{100 * size / total:.0f} % are {_SIZES[k]}" for k, size in sizes.items())
        + f". With the recurrent layers' weights in int8 it has "
        f"{(total - 0.75 * sizes['recurrent']) / 1e6:.1f} MB.",
    ]
    return Table("What the products are of a pipeline", header, rows, notes)


_SIZES = {
    "embedding": "embedding tables",
    "recurrent": "the recurrent layers' weights",
    "linear model": "the linear model's",
    "rest": "others",
}


def _error(rms: float, largest: float) -> str:
    return f"{100 * rms:.1f} %, {100 * largest:.0f} %"


def _about_machine(results: Dict[str, Any]) -> str:
    machine, flags = results["machine"], results["int8_instructions"]
    known = ", ".join(flags) if flags else "no int8 instructions that are known"
    return f"{machine['cpu']}, {known}, torch {machine['torch']}, numba {machine['numba']}"
