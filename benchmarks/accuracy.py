"""How accurate the text classifiers are, next to what one would pick instead.

python -m benchmarks.accuracy --dry-run
python -m benchmarks.accuracy --sets mr,r8 --max-minutes 120
python -m benchmarks.accuracy --sets mr,imdb --n-labels 100
python -m benchmarks.accuracy --table

Systems are trained on public data sets (python scripts/data.py fetch all), each with several seeds,
all with the same budget. Every run is a file, and what is there, or among the figures behind the
page, is not done again.
"""

from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Dict, List, Sequence

import typer
from wasabi import msg

from .accuracy_bars import judge, summarize
from .accuracy_runs import (
    Places,
    Run,
    TrainingError,
    do_run,
    expected_seconds,
    find_result,
    read_results,
)
from .accuracy_sets import BUDGETS, TIME, find_sources
from .accuracy_systems import DEFAULT, SPACY, SYSTEMS, TFIDF, missing_needs
from .accuracy_tables import budget_table, fill_page, tables_of
from .machine import describe_machine
from .report import print_bars, print_table
from .speed import write_json

PICTURE = "accuracy.png"
TIMED = (DEFAULT, SPACY)  # the systems whose trainings are timed
# Options of the comparison and of the ablation.
SeedsT = Annotated[str, typer.Option(help="Seeds, separated by commas")]
MaxMinutesT = Annotated[
    float, typer.Option(min=0.0, help="Begin no run that would end later; 0 for no limit")
]
MaxStepsT = Annotated[
    int, typer.Option(min=0, help="Updates, only to see that it works; 0 for the budgets")
]
DryRunT = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done")]
TableT = Annotated[bool, typer.Option("--table", help="Only show what was measured")]
FreshT = Annotated[bool, typer.Option("--fresh", help="Do again what was done before")]
CorpusT = Annotated[Path, typer.Option(help="Folder of the data sets")]
WorkT = Annotated[Path, typer.Option(help="Folder for what is trained")]
OutputT = Annotated[
    Path, typer.Option(help="Where to write all figures, as JSON; runs go to a folder beside it")
]
PageT = Annotated[
    Path, typer.Option(help="Whose place is filled; its figures and picture stand beside it")
]
NoPageT = Annotated[
    bool, typer.Option("--no-page", help="Leave the page, and what it has, out of it")
]
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    sets: Annotated[
        str, typer.Option(help=f"Data sets, separated by commas: {', '.join(BUDGETS)}")
    ] = ",".join(BUDGETS),
    systems: Annotated[
        str, typer.Option(help=f"Systems, separated by commas: {', '.join(SYSTEMS)}")
    ] = ",".join(SYSTEMS),
    seeds: SeedsT = "0,1,2",
    n_labels: Annotated[
        int, typer.Option(min=0, help="Train on so many labelled texts only; 0 for all")
    ] = 0,
    max_minutes: MaxMinutesT = 0.0,
    max_steps: MaxStepsT = 0,
    dry_run: DryRunT = False,
    table: TableT = False,
    fresh: FreshT = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the trained pipelines")] = False,
    corpus: CorpusT = Path("corpus"),
    work: WorkT = Path("training/accuracy"),
    output: OutputT = Path("metrics/accuracy.json"),
    page: PageT = Path("docs/accuracy.md"),
    no_page: NoPageT = False,
) -> None:
    """Train and score the systems that are not done yet, and print and write all figures."""
    kept = None if no_page else page.with_suffix(".json")
    places = Places(corpus, output.with_suffix(""), work, kept)
    failed = False
    if not table:
        names = parse_names(systems, list(SYSTEMS), "--systems")
        numbers = parse_seeds(seeds)
        runs = plan(parse_names(sets, list(BUDGETS), "--sets"), names, numbers, n_labels, max_steps)
        todo = find_todo(runs, places, fresh)
        if dry_run:
            show_plan(todo, places)
            return
        failed = do_all(todo, places, max_minutes, keep)
    results = collect(places)
    write_json(results, output)
    for one in tables_of(results):
        print_table(one)
    print_bars(results["bars"])
    typer.echo(f"Wrote {output}")
    if not no_page and not max_steps:
        write_page(results, page)
    if failed:
        raise typer.Exit(1)


def parse_names(text: str, known: Sequence[str], option: str) -> List[str]:
    """RETURNS (List[str]): The names of an option, in the order of those that are known."""
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise typer.BadParameter(f"{option} takes some of {', '.join(known)}, not '{unknown[0]}'.")
    return [name for name in known if name in names]


def parse_seeds(text: str) -> List[int]:
    """RETURNS (List[int]): The numbers of the option --seeds, each once."""
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"--seeds takes numbers such as 0,1,2, not '{text}'.")
    return list(dict.fromkeys(int(part) for part in parts))


def plan(
    sets: List[str], systems: List[str], seeds: List[int], n_labels: int, max_steps: int
) -> List[Run]:
    """RETURNS (List[Run]): The runs, set by set and then seed by seed, so that what is there after
    an interruption can be compared."""
    runs = []
    for data_set in sets:
        for seed in seeds:
            for name in systems:
                chosen = SYSTEMS[name].sets
                if (chosen and data_set not in chosen) or (data_set == TIME and name not in TIMED):
                    continue
                if name == TFIDF and not n_labels and seed != seeds[0]:
                    continue  # there is no chance in it
                if data_set != TIME or not n_labels:
                    runs.append(Run(data_set, n_labels, name, seed, max_steps))
    return runs


def find_todo(runs: List[Run], places: Places, fresh: bool) -> List[Run]:
    """RETURNS (List[Run]): The runs that are not done yet. Says which cannot be done."""
    possible, lacking = [], {}
    for run in runs:
        sources = find_sources(places.corpus, run.data_set).values()
        missing = [str(path) for path in sources if not path.exists()]
        missing += missing_needs(run.system, run.data_set, run.n_labels)
        if missing:
            lacking[run.data_set, run.name] = missing[0]
        else:
            possible.append(run)
    for (data_set, name), path in lacking.items():
        msg.warn(f"{data_set}, {name}: left out, there is no {path}")
    todo = [run for run in possible if fresh or find_result(run, places) is None]
    msg.text(f"{len(runs)} runs: {len(possible) - len(todo)} done before, {len(todo)} to do")
    return todo


def show_plan(todo: List[Run], places: Places) -> None:
    """Show what would be done, and about how long it would take."""
    known = read_results(places)
    seconds = [expected_seconds(run, places, known) for run in todo]
    for run, expected in zip(todo, seconds):
        msg.text(f"{run.title}: about {expected / 60:.1f} min")
    print_table(budget_table())
    msg.text(f"{len(todo)} runs, about {sum(seconds) / 3600:.1f} hours")


def do_all(todo: List[Run], places: Places, max_minutes: float, keep: bool) -> bool:
    """Do the runs that there is time for.

    RETURNS (bool): Whether a training has failed.
    """
    start, failed = perf_counter(), False
    for i, run in enumerate(todo):
        expected = expected_seconds(run, places, read_results(places))
        passed = perf_counter() - start
        if max_minutes and passed + expected > 60 * max_minutes:
            msg.warn(
                f"Stopped after {passed / 60:.1f} minutes, with {len(todo) - i} runs left: "
                f"{run.title} would take about {expected / 60:.1f}"
            )
            break
        msg.text(f"[{i + 1}/{len(todo)}] {run.title}, about {expected / 60:.1f} min")
        try:
            found = do_run(run, places, keep)
        except TrainingError as error:
            failed = True
            msg.fail(f"{run.title}: the training failed", error.output)
            continue
        minutes = found["minutes"] + found["minutes_scoring"]
        msg.good(f"{run.title}: {100 * found['accuracy']:.1f} % right, {minutes:.1f} min")
    return failed


def collect(places: Places) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What the file has: "machine", "systems" and what they are,
    "budgets", "sets" as `accuracy_bars.summarize` makes them, "bars" and "runs"."""
    runs = read_results(places)
    summary = summarize(runs)
    return {
        "machine": describe_machine(),
        "systems": {name: system.about for name, system in SYSTEMS.items()},
        "budgets": {name: budget._asdict() for name, budget in BUDGETS.items()},
        "sets": summary,
        "bars": judge(summary),
        "runs": runs,
    }


def write_page(results: Dict[str, Any], page: Path) -> None:
    """Fill the place of the tables, and put figures and picture beside the page."""
    write_json(results, page.with_suffix(".json"))
    page.write_text(fill_page(page.read_text("utf8"), results), encoding="utf8")
    msg.good(f"Wrote the figures into {page}")
    try:
        import matplotlib
    except ImportError:
        msg.fail("Drawing needs matplotlib", "pip install 'spacy-rnn[viz]'", exits=1)
    matplotlib.use("Agg")
    from .accuracy_plots import draw_accuracy

    figure = draw_accuracy(results)
    figure.savefig(page.parent / PICTURE, bbox_inches="tight", pad_inches=0.08)
    matplotlib.pyplot.close(figure)
    msg.good(f"Drew {page.parent / PICTURE}")


if __name__ == "__main__":
    app()
