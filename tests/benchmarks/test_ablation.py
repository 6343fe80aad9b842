"""The ablation of the default classifier: what its variants are, and what the table says."""

from typing import Any, Dict, List

import pytest
from typer.testing import CliRunner

from benchmarks.ablation import ablation_table, app
from benchmarks.accuracy_bars import summarize
from benchmarks.accuracy_runs import Places, Run, do_run, find_result
from benchmarks.accuracy_systems import DEFAULT, SYSTEMS, make_config
from benchmarks.accuracy_variants import BASE, VARIANTS

from .test_accuracy import fake, options, places  # noqa: F401

MACHINE: Dict[str, Any] = {"cpu": "one", "cores": 2, "numpy_blas": [], "torch": "2"}


def flat(config: Dict[str, Any], prefix: str = "") -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for key, value in config.items():
        is_block = isinstance(value, dict)
        found.update(flat(value, f"{prefix}{key}.") if is_block else {f"{prefix}{key}": value})
    return found


def test_each_variant_changes_what_it_says_and_nothing_else(places: Places) -> None:  # noqa: F811
    data = Run("mr", 0, BASE, 0).data(places)
    base = flat(make_config(VARIANTS[BASE], data))
    # How many steps there are depends on the batches, so these follow.
    follow = {"training.max_steps", "training.eval_frequency", "training.patience"}
    seen: List[Any] = []
    for name, system in VARIANTS.items():
        if name == BASE:
            continue
        found = flat(make_config(system, data))
        changed = {key for key in {*base, *found} if base.get(key) != found.get(key)} - follow
        assert changed, name
        assert all(any(key.startswith(o) for o in system.overrides) for key in changed), name
        assert found not in seen, name
        seen.append(found)


def test_the_default_is_the_one_of_the_comparison() -> None:
    assert VARIANTS[BASE]._replace(group="") == SYSTEMS[DEFAULT]._replace(group="")
    assert not set(VARIANTS) & set(SYSTEMS)


def run(name: str, accuracy: float, data_set: str = "mr", seed: int = 0) -> Dict[str, Any]:
    return {
        "set": data_set,
        "n_labels": 0,
        "system": name,
        "seed": seed,
        "setup": name,
        "finished": "1",
        "accuracy": accuracy,
        "macro_f": accuracy,
    }


def test_variants_are_held_to_the_default_on_their_own_seeds() -> None:
    gru, lstm = "cell: gru", BASE
    runs = [run(lstm, 0.70), run(lstm, 0.80, seed=1), run(gru, 0.82, seed=1)]
    runs += [run(lstm, 0.9, "r8"), run(gru, 0.91, "r8"), run("pooling: max", 0.89, "r8")]
    table = ablation_table(summarize(runs), MACHINE)
    assert table.header == ["variant", "mr", "r8", "mean", "runs"]
    assert table.rows == [
        [BASE, "75.0", "90.0", "-", "3"],
        [gru, "+2.0", "+1.0", "+1.50", "2"],
        ["pooling: max", "-", "-1.0", "-", "1"],
    ]


def test_runs_are_done_once_and_fill_the_page(
    places: Places,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = fake(monkeypatch)
    page = places.corpus.parent / "page.md"
    page.write_text("before <!-- ablation -->\n<!-- end of ablation --> after", "utf8")
    chosen = ["--sets", "mr", "--groups", "cell", "--page", str(page)]
    arguments = [option for option in options(places, *chosen) if option != "--no-page"]
    for _ in range(2):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        assert len(done) == 5
    text = page.read_text("utf8")
    assert text.startswith("before <!-- ablation -->\n**Variants")
    assert text.endswith("<!-- end of ablation --> after")
    assert "| cell: elman | +0.0 |" in text
    assert find_result(Run("mr", 0, "cell: elman", 0), places) is not None


def test_a_dry_run_shows_what_there_is_to_do(places: Places) -> None:  # noqa: F811
    chosen = ["--sets", "mr", "--groups", "linear model", "--dry-run"]
    result = CliRunner().invoke(app, options(places, *chosen))
    assert result.exit_code == 0, result.output
    assert "11 runs: 0 done before, 11 to do" in result.output
    assert "mr, linear model: summed up, seed 0" in result.output


@pytest.mark.slow
def test_a_variant_is_trained(places: Places) -> None:  # noqa: F811
    found = do_run(Run("mr", 0, "linear model: none", 0, max_steps=2), places)
    assert found["steps"] == 2
    assert 0.0 <= found["accuracy"] <= 1.0
