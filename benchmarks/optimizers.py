"""How long a step of the optimizers takes, beside Thinc's and PyTorch's."""

from functools import partial
from time import perf_counter
from typing import Any, Callable, Dict, List

import numpy
import typer
from thinc.api import Linear, Model, Optimizer

from spacy_rnn.training.optimizers import NTASGD, SGD, Adam, NTASGDOptimizer
from spacy_rnn.training.steps import StepStats, finish_update

from .threads import use_threads

# A table of 15,000 words by 400, and two matrices of a recurrent layer.
SHAPES = [(15_000, 400), (2000, 400), (1600, 2000)]
QUICK_SHAPES = [(100, 40), (20, 10)]
REPEATS = 32
app = typer.Typer(help=__doc__, add_completion=False)


def make_model(quick: bool) -> Model:
    """RETURNS (Model): A model with nothing but weights and their gradients."""
    nodes = []
    for nO, nI in QUICK_SHAPES if quick else SHAPES:
        node = Linear(nO, nI)
        node.set_param("W", node.ops.alloc2f(nO, nI) + 0.01)
        node.set_grad("W", node.ops.alloc2f(nO, nI))
        nodes.append(node)
    return Model("weights", lambda model, X, is_train: (X, lambda dY: dY), layers=nodes)


def time_steps(step: Callable[[], Any], refill: Callable[[], None], quick: bool) -> float:
    """RETURNS (float): The milliseconds of the fastest step."""
    seconds: List[float] = []
    for _ in range(3 if quick else REPEATS):
        refill()
        start = perf_counter()
        step()
        seconds.append(perf_counter() - start)
    return 1000 * min(seconds)


def time_ours(optimizer: Optimizer, quick: bool) -> float:
    model, stats = make_model(quick), StepStats()
    step = partial(finish_update, model, optimizer, stats)
    return time_steps(step, partial(fill_gradients, model), quick)


def time_thincs(optimizer: Optimizer, quick: bool) -> float:
    model = make_model(quick)
    return time_steps(
        partial(model.finish_update, optimizer), partial(fill_gradients, model), quick
    )


def time_torchs(make: Callable[[Any, Any], Any], quick: bool) -> float:
    import torch

    weights = [torch.nn.Parameter(torch.tensor(n.get_param("W"))) for n in make_model(quick).layers]
    optimizer = make(torch.optim, weights)

    def refill() -> None:
        for weight in weights:
            weight.grad = torch.randn_like(weight)

    def step() -> None:
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()

    return time_steps(step, refill, quick)


def fill_gradients(model: Model) -> None:
    for node in model.layers:
        node.get_grad("W").fill(0.01)


def averaging(optimizer: NTASGDOptimizer) -> NTASGDOptimizer:
    """RETURNS (NTASGDOptimizer): The same, after its averaging has begun."""
    for loss in range(20):
        optimizer.observe(float(loss))
    return optimizer


def measure(quick: bool) -> Dict[str, List[float]]:
    """RETURNS (Dict[str, List[float]]): Milliseconds of ours, Thinc's and PyTorch's, by what."""
    nan = float("nan")
    plain = dict(beta1=0.0, beta2=0.0, use_averages=False)
    return {
        "Adam": [
            time_ours(Adam(0.001), quick),
            time_thincs(Optimizer(0.001, use_averages=False), quick),
            time_torchs(lambda optim, weights: optim.AdamW(weights, 0.001), quick),
        ],
        "Adam, averaging": [
            time_ours(Adam(0.001, use_averages=True), quick),
            time_thincs(Optimizer(0.001, use_averages=True), quick),
            nan,
        ],
        "SGD": [
            time_ours(SGD(0.1), quick),
            time_thincs(Optimizer(0.1, **plain), quick),  # type: ignore[arg-type]
            time_torchs(lambda optim, weights: optim.SGD(weights, 0.1), quick),
        ],
        "SGD, momentum": [
            time_ours(SGD(0.1, momentum=0.9), quick),
            nan,
            time_torchs(lambda optim, weights: optim.SGD(weights, 0.1, momentum=0.9), quick),
        ],
        "NT-ASGD, averaging": [time_ours(averaging(NTASGD(0.1)), quick), nan, nan],
    }


@app.command()
def main(
    threads: int = typer.Option(1, help="Threads of all of them"),
    quick: bool = typer.Option(False, help="Tiny arrays, to see whether it runs"),
) -> None:
    """Print a table of milliseconds a step, clipping included, over 10 million weights."""
    with use_threads(threads):
        found = measure(quick)
    print("| ms a step | spacy-rnn | Thinc | PyTorch |")
    print("|---|---|---|---|")
    for name, values in found.items():
        cells = ["" if numpy.isnan(value) else f"{value:.1f}" for value in values]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    app()
