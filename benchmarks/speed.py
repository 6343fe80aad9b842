"""How fast this package's layers are, next to spaCy's, Thinc's, torch's and Flair's.

python -m benchmarks.speed
python -m benchmarks.speed --only encoder,pipe --batch-sizes 64

Where figures are compared, all models run on the same batches or texts, in turn, in one process, so
that whatever else the machine does falls on all of them. It takes about a quarter of an hour;
where OPENBLAS_CORETYPE holds NumPy's products to other kernels than the processor's own, encoders
and pipelines are measured again with those.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Dict, List

import typer
from wasabi import msg

from . import flair_peer
from .bars import judge
from .machine import describe_machine
from .options import MIN_ROUNDS, ROUNDS, Options
from .report import print_bars, print_machine, print_section

# Names of the sections, and the modules that measure them.
SECTIONS: Dict[str, str] = {
    "encoder": "encoder",
    "pipe": "pipe",
    "latency": "latency",
    "threads": "thread_scaling",
    "growth": "growth",
    "long_doc": "long_doc",
    "compile": "compile_time",
    "import": "import_cost",
    "gpu": "gpu",
}
ABOUT_BLAS = ("encoder", "pipe", "latency")  # sections that run again with the other kernels
PIN = "OPENBLAS_CORETYPE"
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def main(
    only: Annotated[
        str, typer.Option(help=f"Sections, separated by commas: {', '.join(SECTIONS)}")
    ] = ",".join(SECTIONS),
    threads: Annotated[
        str, typer.Option(help="Numbers of threads; one section compares them, the first is all's")
    ] = "1,2",
    batch_sizes: Annotated[str, typer.Option(help="Docs in a batch")] = "32,64,128",
    rounds: Annotated[
        int, typer.Option(min=MIN_ROUNDS, help="Rounds, of one batch or more")
    ] = ROUNDS,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only see that it works; the figures mean little")
    ] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Fail if there is no GPU to measure")] = False,
    with_padded: Annotated[
        bool, typer.Option("--with-padded", help="The long doc padded as well: 2 GB of memory")
    ] = False,
    with_packed: Annotated[
        bool, typer.Option("--with-packed", help="What takes minutes as well: packed training")
    ] = False,
    own_kernels: Annotated[
        bool, typer.Option(help="If OPENBLAS_CORETYPE is set, measure without it as well")
    ] = True,
    output: Annotated[Path, typer.Option(help="Where to write all figures, as JSON")] = Path(
        "metrics/speed.json"
    ),
) -> None:
    """Compare the speed of recurrent layers, and print and write the results."""
    options = Options(
        quick=quick,
        rounds=rounds,
        threads=parse_counts(threads, "--threads"),
        batch_sizes=parse_counts(batch_sizes, "--batch-sizes"),
        with_padded=with_padded,
        with_packed=with_packed,
        gpu=gpu,
    )
    names = parse_sections(only)
    measure_all(names, options, output)
    again = [name for name in names if name in ABOUT_BLAS]
    if own_kernels and again and not quick and PIN in os.environ:
        beside = output.with_name(f"{output.stem}-own-kernels{output.suffix}")
        run_with_own_kernels(again, batch_sizes, rounds, beside)


def measure_all(names: List[str], options: Options, output: Path) -> Dict[str, Any]:
    """Measure, print and write sections; what was measured is written after each of them.

    names (List[str]): Keys of SECTIONS.
    options (Options): How much is measured.
    output (Path): The JSON file.
    RETURNS (Dict[str, Any]): What is in the file: "quick", "options", the "machine", "sections" by
        their names, and the "bars".
    """
    results: Dict[str, Any] = {"quick": options.quick, "options": asdict(options)}
    results.update(machine=describe_machine(), sections={}, bars=[])
    print_machine(results["machine"])
    if "encoder" in names and not flair_peer.is_installed():
        msg.text(flair_peer.ADVICE)
    for name in names:
        msg.divider(name.replace("_", " "))
        section = import_module(f".{SECTIONS[name]}", __package__)
        results["sections"][name] = section.measure_section(options)
        print_section(results, name)
        results["bars"] = judge(results["sections"])
        write_json(results, output)
    print_bars(results["bars"])
    typer.echo(f"Wrote {output}")
    return results


def run_with_own_kernels(names: List[str], batch_sizes: str, rounds: int, output: Path) -> None:
    """Run sections again in a process where OpenBLAS chooses its kernels itself."""
    options = ["--only", ",".join(names), "--batch-sizes", batch_sizes, "--rounds", str(rounds)]
    run_without_pin("benchmarks.speed", [*options, "--output", str(output)])


def run_without_pin(module: str, options: List[str]) -> None:
    """Run a benchmark in a process that has none of OpenBLAS's variables."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    msg.divider(f"Again, without {PIN}", char="#")
    subprocess.run([sys.executable, "-m", module, *options], env=environment, check=True)


def parse_sections(text: str) -> List[str]:
    """RETURNS (List[str]): The names of the option --only, in the order of SECTIONS."""
    names = text.replace("-", "_").split(",")
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise typer.BadParameter(f"--only takes some of {', '.join(SECTIONS)}, not '{unknown[0]}'.")
    return [name for name in SECTIONS if name in names]


def parse_counts(text: str, option: str) -> List[int]:
    """RETURNS (List[int]): The positive numbers of an option, which are separated by commas."""
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise typer.BadParameter(f"{option} takes positive numbers such as 1,2, not '{text}'.")
    return list(dict.fromkeys(counts))


def write_json(results: Dict[str, Any], path: Path) -> None:
    """Write beside the file first, so that it is never half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp")
    beside.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    os.replace(beside, path)


if __name__ == "__main__":
    app()
