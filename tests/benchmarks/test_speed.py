"""The benchmark of speed: what it writes is complete and follows from what it measured.

No test here looks at how long something took.
"""

import json
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any, Dict

import numpy
import pytest
from spacy.util import registry
from typer.testing import CliRunner

from benchmarks.batches import draw_lengths, make_batch, padding_factor
from benchmarks.checks import check_same_work
from benchmarks.long_doc import memory
from benchmarks.peers import ABOUT, BASELINE, N_OUT, OURS, build_peers
from benchmarks.report import print_settings
from benchmarks.speed import app, choose_settings
from benchmarks.summary import (
    BARS,
    MB_BAR,
    MINIMUM_BAR,
    SECONDS_BAR,
    add_ratios,
    judge,
    summarize,
)
from benchmarks.timing import MODES, N_BATCHES, Plan, Setting, measure

OUR_MODELS = ("numpy-lstm", "torch-lstm", "numpy-gru", "numpy-elman")
LSTM_FLOPS = 2 * 2 * (128 * 512 + 128 * 512)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    path = tmp_path_factory.mktemp("speed") / "made" / "on the way" / "speed.json"
    run = CliRunner().invoke(
        app, ["--quick", "--threads", "1", "--batch-sizes", "8", "--output", str(path)]
    )
    assert run.exit_code == 0, run.output
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    for name in ABOUT:
        assert name in run.output
    return json.loads(path.read_text(encoding="utf-8"))


def test_all_models_are_measured_in_all_settings(results: Dict[str, Any]) -> None:
    assert results["quick"]
    assert results["settings"]
    for setting in results["settings"]:
        for mode in MODES:
            assert set(setting["words_per_second"][mode]) == set(ABOUT)
            assert setting["left_out"][mode] == []


def test_rates_are_medians_of_the_rounds(results: Dict[str, Any]) -> None:
    for setting in results["settings"]:
        for mode in MODES:
            for name, rounds in setting["words_per_second_by_round"][mode].items():
                assert len(rounds) == setting["n_rounds"]
                assert setting["words_per_second"][mode][name] == pytest.approx(median(rounds))


def test_ratios_are_quotients_of_the_rates(results: Dict[str, Any]) -> None:
    for setting in results["settings"]:
        for mode in MODES:
            rates = setting["words_per_second"][mode]
            assert setting["ratio"][mode] == pytest.approx(
                {name: rate / rates[BASELINE] for name, rate in rates.items()}
            )


def test_limit_follows_from_the_measured_product(results: Dict[str, Any]) -> None:
    for setting in results["settings"]:
        limit = setting["gemm_gflops"] * 1e9 / LSTM_FLOPS
        assert setting["limit"]["inference"][OURS] == pytest.approx(limit)
        assert setting["limit"]["training"][OURS] == pytest.approx(limit / 3)
        for mode in MODES:
            assert set(setting["share_of_limit"][mode]) == set(OUR_MODELS)
            for name, share in setting["share_of_limit"][mode].items():
                rate = setting["words_per_second"][mode][name]
                assert share == pytest.approx(rate / setting["limit"][mode][name])


def test_summary_is_over_all_settings(results: Dict[str, Any]) -> None:
    assert list(results["summary"]) == ["1"]
    for mode in MODES:
        for name, entry in results["summary"]["1"][mode].items():
            ratios = [setting["ratio"][mode][name] for setting in results["settings"]]
            assert entry["geomean"] == pytest.approx(geometric_mean(ratios))
            assert entry["minimum"] == min(ratios)


def test_every_bar_is_judged_by_what_was_measured(results: Dict[str, Any]) -> None:
    found = {mode: results["summary"]["1"][mode][OURS] for mode in MODES}
    long_doc = results["long_doc"][OURS]
    lowest = min(entry["minimum"] for entry in found.values())
    expected = [(BARS[mode], found[mode]["geomean"]) for mode in MODES]
    expected.append((MINIMUM_BAR, lowest))
    for mode in MODES:
        expected += [(SECONDS_BAR, long_doc[mode]["seconds"]), (MB_BAR, long_doc[mode]["mb"])]
    assert [(bar["bar"], bar["value"]) for bar in results["bars"]] == expected
    for bar in results["bars"]:
        is_ratio = "at least" in bar["what"]
        assert bar["met"] is bool(
            bar["value"] >= bar["bar"] if is_ratio else bar["value"] < bar["bar"]
        )


def test_ratios_have_no_bars_without_one_thread() -> None:
    entry = {"seconds": 4.0, "mb": 1.0}
    bars = judge({"2": {}}, {OURS: dict.fromkeys(MODES, entry)})
    assert [bar["met"] for bar in bars] == [False, True, False, True]


def test_machine_and_agreement_are_written(results: Dict[str, Any]) -> None:
    for key in ("cpu", "cores", "python", "numpy", "torch", "spacy", "thinc", "blis_kernels"):
        assert results["machine"][key]
    assert all(difference < 1e-4 for difference in results["checks"].values())
    assert {what.split()[0] for what in results["checks"]} >= {"torch-lstm", "PyTorchLSTM-packed"}


@pytest.mark.parametrize("docs", ["short", "long"])
@pytest.mark.parametrize("batch_size", [32, 64, 128])
@pytest.mark.parametrize("n_rounds", [9, 10, 25])
def test_plan_has_all_batches_in_its_rounds(docs: str, batch_size: int, n_rounds: int) -> None:
    plan = Plan(Setting(docs, batch_size, 1), n_rounds, N_BATCHES)
    used = [i for indices in plan.rounds for i in indices]
    assert len(plan.rounds) == n_rounds
    assert len({tuple(plan.lengths[i]) for i in used}) == N_BATCHES
    assert all(len(set(indices)) == len(indices) for indices in plan.rounds)
    assert plan.n_words == sum(sum(plan.lengths[i]) for i in used)


def test_packed_training_of_many_long_docs_must_be_asked_for() -> None:
    setting = Setting("long", 64, 1)
    assert not Plan(setting, 10, N_BATCHES).train_packed
    assert Plan(setting, 10, N_BATCHES, with_packed=True).train_packed
    assert Plan(Setting("short", 64, 1), 10, N_BATCHES).train_packed


def test_what_would_take_too_long_is_left_out_and_named() -> None:
    peers = [peer for peer in build_peers() if peer.name in (OURS, BASELINE)]
    plan = Plan(Setting("short", 2, 1), 2, 2)
    plan.max_seconds = -1.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.timing.time_inference", lambda peer, batch: -1.0)
        patch.setattr("benchmarks.timing.time_gemm", lambda batch: -1.0)
        result = measure(plan, peers, lambda n_words: None)
    add_ratios(result, peers)
    assert result["left_out"] == {"inference": [], "training": [OURS, BASELINE]}
    assert set(result["words_per_second"]["inference"]) == {OURS, BASELINE}
    assert result["ratio"]["training"] == result["share_of_limit"]["training"] == {}
    assert list(result["limit"]["training"]) == [OURS]
    summary = summarize([result])
    assert summary["1"]["training"] == {}
    print_settings([result], summary)


def test_lengths_are_the_same_at_every_call_and_spread_as_stated() -> None:
    lengths = draw_lengths("long", 128, N_BATCHES)
    assert lengths == draw_lengths("long", 128, N_BATCHES)
    assert numpy.mean(lengths) == pytest.approx(230, rel=0.05)
    assert numpy.std(lengths) == pytest.approx(115, rel=0.1)
    assert padding_factor([1, 2, 3]) == 1.5


def test_further_threads_have_the_middle_batch_size() -> None:
    settings = choose_settings([1, 2], [32, 64, 128])
    assert [s.batch_size for s in settings if s.threads == 1] == [32, 64, 128] * 2
    assert [(s.docs, s.batch_size) for s in settings if s.threads == 2] == [
        ("short", 64),
        ("long", 64),
    ]


def test_a_model_that_computes_something_else_is_noticed() -> None:
    peers = build_peers()
    batch = make_batch([3, 1, 7], [peer.in_width for peer in peers], N_OUT)
    check_same_work(peers, batch)
    lstm = next(node for node in peers[0].model.walk() if node.name == "lstm")
    lstm.set_param("b", lstm.get_param("b") + 0.1)
    with pytest.raises(ValueError, match="PyTorchLSTM-packed outputs differ"):
        check_same_work(peers, batch)


def test_baseline_is_built_as_spacy_builds_it() -> None:
    encoder = registry.get("architectures", "spacy.TorchBiLSTMEncoder.v1")
    theirs = encoder(width=N_OUT, depth=1, dropout=0.0)
    ours = next(peer.model for peer in build_peers() if peer.name == BASELINE)
    assert [node.name for node in ours.walk()] == [node.name for node in theirs.walk()]


def test_memory_sees_what_is_allocated() -> None:
    before, _ = memory()
    block = numpy.ones(50 * 2**17)  # 50 MB
    _, peak = memory()
    assert peak - before > 0.9 * block.nbytes / 2**20


@pytest.mark.parametrize("option", ["--threads", "--batch-sizes"])
@pytest.mark.parametrize("value", ["0", "two", "1,,2", ""])
def test_impossible_counts_are_refused(option: str, value: str, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, [option, value, "--output", str(tmp_path / "speed.json")])
    assert run.exit_code == 2
    assert option in run.output


def test_too_few_rounds_are_refused() -> None:
    assert CliRunner().invoke(app, ["--rounds", "8"]).exit_code == 2
