"""Encoders by themselves: what is compared is the same, and the figures follow from the rates."""

from statistics import geometric_mean, median
from typing import Any, Dict

import numpy
import pytest
from spacy.util import registry

from benchmarks import flair_peer
from benchmarks.batches import draw_lengths, make_batch, padding_factor
from benchmarks.bucketed import LEAST_SHARE, cut_buckets
from benchmarks.checks import check_same_work
from benchmarks.encoder import make_plans
from benchmarks.gemm import KINDS, KINDS_OF_MODE, LIMIT_LIBRARIES, gemm_tasks, gflops, limits
from benchmarks.options import Options
from benchmarks.own_gemm import make_own_product
from benchmarks.peers import (
    BASELINE,
    CELLS,
    ENGINE,
    FLAIR,
    FOREIGN,
    N_OUT,
    OURS,
    REFERENCE,
    Peer,
    build_ours,
    build_peers,
)
from benchmarks.summary import add_ratios, compare, summarize
from benchmarks.timing import MODES, N_BATCHES, TIMERS, Plan, Setting, measure

LSTM_FLOPS = 2 * 2 * (128 * 512 + 128 * 512)


@pytest.fixture(scope="module")
def found(quick_encoder: Dict[str, Any]) -> Dict[str, Any]:
    section: Dict[str, Any] = quick_encoder["sections"]["encoder"]
    return section


def test_all_models_are_measured_in_all_settings(found: Dict[str, Any]) -> None:
    expected = {OURS, REFERENCE, "torch-lstm", *(f"{ENGINE}-{cell}" for cell in CELLS), *FOREIGN}
    if not flair_peer.is_installed():
        expected.remove(FLAIR)
    assert set(found["models"]) == expected
    for setting in found["settings"]:
        for mode in MODES:
            assert set(setting["words_per_second"][mode]) == expected
            assert setting["left_out"][mode] == []


def test_rates_are_medians_of_the_rounds(found: Dict[str, Any]) -> None:
    every = {peer.name: peer.every for peer in build_peers()}
    for setting in found["settings"]:
        for mode in MODES:
            for name, rounds in setting["words_per_second_by_round"][mode].items():
                assert len(rounds) == -(-setting["n_rounds"] // every[name])
                assert setting["words_per_second"][mode][name] == pytest.approx(median(rounds))


def test_ratios_are_quotients_of_the_rates(found: Dict[str, Any]) -> None:
    for setting in found["settings"]:
        for mode in MODES:
            rates = setting["words_per_second"][mode]
            assert setting["ratio"][mode] == pytest.approx(
                {name: rate / rates[BASELINE] for name, rate in rates.items()}
            )


def test_limit_follows_from_the_measured_products(found: Dict[str, Any]) -> None:
    for setting in found["settings"]:
        for mode in MODES:
            by_library = setting["limits"][mode][OURS]
            for library in ("numpy", "torch"):
                rates = setting["gemm_gflops"][library]["128x512"]
                seconds = sum(LSTM_FLOPS / (1e9 * rates[kind]) for kind in KINDS_OF_MODE[mode])
                assert by_library[library] == pytest.approx(1 / seconds)
            best = max(by_library[library] for library in LIMIT_LIBRARIES if library in by_library)
            assert setting["limit"][mode][OURS] == best
            for name, share in setting["share_of_limit"][mode].items():
                rate = setting["words_per_second"][mode][name]
                assert share == pytest.approx(rate / setting["limit"][mode][name])


def test_summary_is_over_all_settings(found: Dict[str, Any]) -> None:
    for mode in MODES:
        for name, entry in found["summary"][mode].items():
            ratios = [setting["ratio"][mode][name] for setting in found["settings"]]
            assert entry["geomean"] == pytest.approx(geometric_mean(ratios))
            assert entry["minimum"] == min(ratios)


def test_models_agree(found: Dict[str, Any]) -> None:
    assert all(difference < 1e-4 for difference in found["checks"].values())
    named = {what.split()[0] for what in found["checks"]}
    assert named >= {"torch-lstm", "PyTorchLSTM-packed", "PyTorchLSTM-bucketed"}
    if ENGINE == "numba":
        assert named >= {f"numba-{cell}" for cell in CELLS}


def test_geometric_means_of_made_up_rates(made_up: Dict[str, Any]) -> None:
    entry = made_up["encoder"]["summary"]["inference"]["numba-lstm"]
    assert entry["words_per_second"] == pytest.approx(20e3)
    assert entry["geomean"] == pytest.approx(2.0)
    assert entry["minimum"] == pytest.approx(1.0)
    assert entry["share_of_limit"] == pytest.approx(0.2)
    assert entry["share_of"] == pytest.approx({"numpy": 0.2, "torch": 0.4, "own": 0.05})


def test_a_model_that_is_missing_in_a_setting_is_not_in_its_mean(made_up: Dict[str, Any]) -> None:
    settings = made_up["encoder"]["settings"]
    for key in ("words_per_second", "ratio"):
        del settings[1][key]["training"]["numba-gru"]
    entry = summarize(settings)["training"]["numba-gru"]
    assert (entry["n_settings"], entry["words_per_second"]) == (1, pytest.approx(15e3))
    ratio = compare(settings, "training", "numba-gru", "numba-lstm")
    assert ratio == pytest.approx({"geomean": 1.5, "minimum": 1.5})
    assert compare(settings, "training", "numba-elman", "numba-lstm") == {}


def test_libraries_without_a_product_have_no_limit() -> None:
    peer = next(peer for peer in build_ours() if peer.cell == "lstm")
    rates = {"numpy": {"128x512": {"forward": 100.0}}, "own": {"128x384": {"forward": 100.0}}}
    assert limits(peer, rates, "inference") == pytest.approx({"numpy": 1e11 / LSTM_FLOPS})
    assert limits(peer, rates, "training") == {}
    assert limits(Peer("another's"), rates, "inference") == {}


def test_operations_are_counted_from_the_weights() -> None:
    assert next(peer for peer in build_ours() if peer.cell == "lstm").flops == LSTM_FLOPS
    assert gflops("numpy 128x512 forward", 1000, 0.5) == pytest.approx(2 * 1000 * 128 * 512 / 5e8)


def test_products_of_all_libraries_run() -> None:
    tasks = gemm_tasks([(128, 512), (128, 384)], 10)
    for library in ("numpy", "torch"):
        for kind in KINDS:
            assert f"{library} 128x384 {kind}" in tasks
    assert all(task() > 0 for task in tasks.values())


def test_own_product_is_right() -> None:
    if ENGINE != "numba":
        pytest.skip("needs the numba engine")
    rng = numpy.random.default_rng(0)
    X = rng.standard_normal((13, 20), dtype="float32")
    W = rng.standard_normal((128, 20), dtype="float32")
    call = make_own_product(X, W)
    assert call is not None
    numpy.testing.assert_allclose(call(), X @ W.T, atol=1e-4)


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TIMERS, "training", lambda peer, batch: 1e9)
        result = measure(plan, peers, lambda n_words: None)
    add_ratios(result, peers)
    assert result["left_out"] == {"inference": [], "training": [OURS, BASELINE]}
    assert set(result["words_per_second"]["inference"]) == {OURS, BASELINE}
    assert result["ratio"]["training"] == result["share_of_limit"]["training"] == {}
    assert summarize([result])["training"] == {}


def test_settings_are_all_lengths_and_batch_sizes_with_the_first_number_of_threads() -> None:
    settings = [plan.setting for plan in make_plans(Options(threads=[2, 1], batch_sizes=[4, 8]))]
    assert [(s.docs, s.batch_size) for s in settings] == [
        ("short", 4),
        ("short", 8),
        ("long", 4),
        ("long", 8),
    ]
    assert {s.threads for s in settings} == {2}


def test_lengths_are_the_same_at_every_call_and_spread_as_stated() -> None:
    lengths = draw_lengths("long", 128, N_BATCHES)
    assert lengths == draw_lengths("long", 128, N_BATCHES)
    assert numpy.mean(lengths) == pytest.approx(230, rel=0.05)
    assert numpy.std(lengths) == pytest.approx(115, rel=0.1)
    assert padding_factor([1, 2, 3]) == 1.5


def test_buckets_have_each_token_once_and_little_padding() -> None:
    lengths = draw_lengths("long", 32, 1)[0]
    buckets = cut_buckets(lengths)
    for tokens in ("tokens", "tokens_backward"):
        found = numpy.concatenate([getattr(bucket, tokens).numpy() for bucket in buckets])
        assert sorted(found) == list(range(sum(lengths)))
    for bucket in buckets:
        assert len(bucket.kept) >= LEAST_SHARE * bucket.rows.numel()


def test_a_model_that_computes_something_else_is_noticed() -> None:
    peers = build_peers()
    batch = make_batch([3, 1, 7], [peer.in_width for peer in peers], N_OUT)
    check_same_work(peers, batch)
    model = peers[0].model
    assert model is not None
    lstm = next(node for node in model.walk() if node.name == "lstm")
    lstm.set_param("b", lstm.get_param("b") + 0.1)
    with pytest.raises(ValueError, match="PyTorchLSTM-bucketed outputs differ"):
        check_same_work(peers, batch)


def test_baseline_is_built_as_spacy_builds_it() -> None:
    encoder = registry.get("architectures", "spacy.TorchBiLSTMEncoder.v1")
    theirs = encoder(width=N_OUT, depth=1, dropout=0.0)
    ours = next(peer.model for peer in build_peers() if peer.name == BASELINE)
    assert ours is not None
    assert [node.name for node in ours.walk()] == [node.name for node in theirs.walk()]
