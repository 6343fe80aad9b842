"""The accuracies as tables, for the terminal and for a page of the docs.

A page has a place for them, between two comments:

    <!-- accuracy -->
    <!-- end of accuracy -->
"""

import re
from typing import Any, Dict, List, Optional, Sequence

from .accuracy_sets import BUDGETS, FEW_BUDGET, FEW_DEV, TIME, Budget
from .accuracy_systems import SYSTEMS
from .lm_tables import about_machine
from .report import markdown
from .tables import MISSING, Table, bar_table

TITLES = {
    "sentences": "Sentiment Labelled Sentences",
    "mr": "MR, sentences of film reviews",
    "imdb": "IMDb, film reviews",
    "r8": "R8, newswire",
    "20news": "20 Newsgroups",
    TIME: "10,000 sentences, for the time of training",
}
HEADER = (
    "system",
    "accuracy, %",
    "macro-F1, %",
    "minutes",
    "words/s, training",
    "words/s, inference",
    "MB",
    "runs",
)


def fill_page(text: str, results: Dict[str, Any]) -> str:
    """
    text (str): A page.
    results (Dict[str, Any]): What `benchmarks.accuracy` wrote.
    RETURNS (str): The page with the tables in their place.
    RAISES (ValueError): If the page has no place for them.
    """
    found = [bar_table(results["bars"]), *tables_of(results), system_table(), budget_table()]
    return fill_place(text, "accuracy", found)


def fill_place(text: str, name: str, tables: Sequence[Table]) -> str:
    """
    text (str): A page.
    name (str): Name of the place.
    tables (Sequence[Table]): What is to stand there.
    RETURNS (str): The page with the tables in their place.
    RAISES (ValueError): If the page has no such place.
    """
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    place = re.compile(f"({first}\n).*?({last})", re.DOTALL)
    if not place.search(text):
        raise ValueError(f"The page has no place for the tables: {first} {last}")
    whole = "\n".join(markdown(table) for table in tables)
    return place.sub(lambda match: match[1] + whole + match[2], text)


def tables_of(results: Dict[str, Any]) -> List[Table]:
    """RETURNS (List[Table]): One for each data set and number of labels, as BUDGETS has them."""
    tables = [
        set_table(name, labels, by_name)
        for name in BUDGETS
        for labels, by_name in sorted(results["sets"].get(name, {}).items(), reverse=True)
    ]
    if tables:
        note = "± is the standard deviation over the seeds. Minutes are those of training."
        tables[-1].notes += [note, about_machine(results["machine"])]
    return tables


def set_table(name: str, labels: str, by_name: Dict[str, Dict[str, Any]]) -> Table:
    """
    name (str): A key of BUDGETS.
    labels (str): "all", or the number of labelled texts.
    by_name (Dict[str, Dict[str, Any]]): The figures of the systems.
    RETURNS (Table): A row for each, in the order of SYSTEMS.
    """
    order = list(SYSTEMS)
    names = sorted(by_name, key=lambda n: order.index(n) if n in order else len(order))
    title = TITLES[name] + ("" if labels == "all" else f", {labels} labelled texts")
    notes = []
    n_outdated = sum(found["outdated"] for found in by_name.values())
    if n_outdated:
        notes.append(f"{n_outdated} runs of earlier setups are left out.")
    return Table(title, HEADER, [_row(n, by_name[n]) for n in names], notes)


def system_table() -> Table:
    """RETURNS (Table): What each system is."""
    rows = [(name, system.group, system.about) for name, system in SYSTEMS.items()]
    return Table("Systems", ("system", "kind", "what it is"), rows, is_text=True)


def budget_table() -> Table:
    """RETURNS (Table): What each neural system may spend."""
    budgets: Dict[str, Budget] = {**BUDGETS, "few labels": FEW_BUDGET}
    rows = [
        (name, str(budget.epochs), str(budget.evals), str(budget.patience or MISSING))
        for name, budget in budgets.items()
    ]
    notes = [
        "Epochs at most; evaluations on the dev part, spread over these epochs; patience in "
        "evaluations.",
        f"With few labels, {FEW_DEV} texts of the dev part are used.",
    ]
    return Table("Budgets", ("data set", "epochs", "evaluations", "patience"), rows, notes)


def _row(name: str, found: Dict[str, Any]) -> List[str]:
    means, deviations = found["mean"], found["deviation"]
    return [
        name,
        *(
            f"{100 * means[key]:.1f} ± {100 * deviations[key]:.1f}"
            if found["runs"] > 1
            else f"{100 * means[key]:.1f}"
            for key in ("accuracy", "macro_f")
        ),
        _number(means["minutes"], ".1f"),
        _number(means["train_words_per_second"], ",.0f"),
        _number(means["words_per_second"], ",.0f"),
        _number(means["mb"], ".1f"),
        str(found["runs"]),
    ]


def _number(value: Optional[float], form: str) -> str:
    return MISSING if value is None else format(value, form)
