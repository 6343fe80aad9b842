"""What each choice in the default text classifier is worth: one thing changed at a time.

python -m benchmarks.ablation --dry-run
python -m benchmarks.ablation --sets sentences,mr --seeds 0,1
python -m benchmarks.ablation --table

Trains the default of rnn_textcat and its variants as `python -m benchmarks.accuracy` trains, with
the same budgets, and likewise goes on where it was interrupted.
"""

from pathlib import Path
from statistics import mean
from typing import Annotated, Any, Dict, List, Optional

import typer

from .accuracy import (
    CorpusT,
    DryRunT,
    FreshT,
    MaxMinutesT,
    MaxStepsT,
    NoPageT,
    OutputT,
    PageT,
    SeedsT,
    TableT,
    WorkT,
    do_all,
    find_todo,
    parse_names,
    parse_seeds,
    show_plan,
)
from .accuracy_bars import SummaryT, summarize
from .accuracy_runs import Places, Run, read_results
from .accuracy_sets import BUDGETS, TIME
from .accuracy_tables import fill_place
from .accuracy_variants import BASE, CHANGES, VARIANTS
from .lm_tables import about_machine
from .machine import describe_machine
from .report import print_table
from .speed import write_json
from .tables import MISSING, Table

SETS = [name for name in BUDGETS if name != TIME]
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    sets: Annotated[
        str, typer.Option(help=f"Data sets, separated by commas: {', '.join(SETS)}")
    ] = "sentences,mr,r8",
    groups: Annotated[
        str, typer.Option(help=f"What is changed, separated by commas: {', '.join(CHANGES)}")
    ] = ",".join(CHANGES),
    seeds: SeedsT = "0",
    max_minutes: MaxMinutesT = 0.0,
    max_steps: MaxStepsT = 0,
    dry_run: DryRunT = False,
    table: TableT = False,
    fresh: FreshT = False,
    corpus: CorpusT = Path("corpus"),
    work: WorkT = Path("training/ablation"),
    output: OutputT = Path("metrics/ablation.json"),
    page: PageT = Path("docs/ablation.md"),
    no_page: NoPageT = False,
) -> None:
    """Train the variants that are not done yet, and print and write how good they are."""
    kept = None if no_page else page.with_suffix(".json")
    places = Places(corpus, output.with_suffix(""), work, kept)
    failed = False
    if not table:
        chosen = [BASE, *parse_names(groups, list(CHANGES), "--groups")]
        names = [name for name, system in VARIANTS.items() if system.group in chosen]
        runs = [
            Run(data_set, 0, name, seed, max_steps)
            for data_set in parse_names(sets, SETS, "--sets")
            for seed in parse_seeds(seeds)
            for name in names
        ]
        todo = find_todo(runs, places, fresh)
        if dry_run:
            show_plan(todo, places)
            return
        failed = do_all(todo, places, max_minutes, keep=False)
    runs_done = read_results(places)
    summary = summarize(runs_done)
    machine = describe_machine()
    results = {"machine": machine, "sets": summary, "runs": runs_done}
    write_json(results, output)
    found = ablation_table(summary, machine)
    print_table(found)
    if not no_page and not max_steps:
        write_json(results, page.with_suffix(".json"))
        text = fill_place(page.read_text("utf8"), "ablation", [found])
        page.write_text(text, encoding="utf8")
        typer.echo(f"Wrote the figures into {page}")
    if failed:
        raise typer.Exit(1)


def ablation_table(summary: SummaryT, machine: Dict[str, Any]) -> Table:
    """RETURNS (Table): A row for each variant: its accuracy on each data set; of the variants, how
    much they differ from the default, and that as a mean."""
    measured = [name for name in SETS if BASE in summary.get(name, {}).get("all", {})]
    rows = []
    for name in VARIANTS:
        differences = [_difference(summary, data_set, name) for data_set in measured]
        known = [value for value in differences if value is not None]
        if not known:
            continue
        if name == BASE:
            of_base = [summary[data_set]["all"][BASE] for data_set in measured]
            cells = [f"{100 * found['mean']['accuracy']:.1f}" for found in of_base]
            rows.append([name, *cells, MISSING, _runs(summary, name)])
            continue
        cells = [MISSING if value is None else f"{value:+.1f}" for value in differences]
        # A mean over fewer sets would say something else.
        whole = f"{mean(known):+.2f}" if len(known) == len(measured) else MISSING
        rows.append([name, *cells, whole, _runs(summary, name)])
    notes = [
        "Accuracy on the test part, %; of the variants, points above or below the default's on the "
        "same seeds. Trainings with other seeds differ by half a point to a point.",
        about_machine(machine),
    ]
    return Table("Variants of the default", ["variant", *measured, "mean", "runs"], rows, notes)


def _difference(summary: SummaryT, data_set: str, name: str) -> Optional[float]:
    by_name = summary[data_set]["all"]
    if name not in by_name:
        return None
    accuracies: List[Dict[int, float]] = [by_name[each]["by_seed"] for each in (name, BASE)]
    seeds = sorted(set(accuracies[0]) & set(accuracies[1]))
    if not seeds:
        return None
    ours, base = (mean(by_seed[seed] for seed in seeds) for by_seed in accuracies)
    return 100 * (ours - base)


def _runs(summary: SummaryT, name: str) -> str:
    return str(
        sum(of_set.get("all", {}).get(name, {}).get("runs", 0) for of_set in summary.values())
    )


if __name__ == "__main__":
    app()
