"""The other sections: pipelines, latency, threads, growth, memory, compilation, imports, GPU."""

from typing import Any, Dict

import numpy
import pytest
from thinc.api import NumpyOps

from benchmarks import compile_time, gpu, import_cost, latency, pipe
from benchmarks.growth import fit_exponent
from benchmarks.long_doc import model_names
from benchmarks.memory import memory, run_apart
from benchmarks.options import Options
from benchmarks.peers import BASELINE, CELLS, ENGINE
from benchmarks.pipelines import (
    PIPE_BASELINE,
    WITH_BLAS,
    WITH_BOW,
    build_pipelines,
    describe_pipelines,
)
from benchmarks.texts import N_TEXTS, load_texts
from benchmarks.thread_scaling import measure_section, summarize
from benchmarks.timing import MODES, rotated


def test_all_pipelines_read_both_kinds_of_texts(quick: Dict[str, Any]) -> None:
    found = quick["sections"]["pipe"]
    assert set(found["texts"]) == set(N_TEXTS)
    for text in found["texts"].values():
        assert set(text["words_per_second"]) == set(found["pipelines"])
        assert text["ratio"][PIPE_BASELINE] == 1.0


def test_means_of_pipelines() -> None:
    texts = {
        docs: {"words_per_second": {"a": rate}, "ratio": {"a": rate / 10.0}}
        for docs, rate in (("short", 10.0), ("long", 40.0))
    }
    assert pipe.summarize(texts)["a"] == pytest.approx(
        {"words_per_second": 20.0, "ratio": 2.0, "minimum": 1.0}
    )


def test_pipelines_differ_in_what_their_names_say() -> None:
    pipelines = {pipeline.name: pipeline for pipeline in build_pipelines()}
    assert list(describe_pipelines(list(pipelines))) == list(pipelines)
    for name, pipeline in pipelines.items():
        (component,) = (component for _, component in pipeline.nlp.pipeline)
        nodes = list(component.model.walk())
        names = [node.name for node in nodes]
        assert pipeline.is_ours == ("hash_embed" in names)
        has_blis = any(type(node.ops) is NumpyOps and node.ops.use_blis for node in nodes)
        assert has_blis != name.endswith(WITH_BLAS)
        if name.startswith((PIPE_BASELINE, "rnn_textcat")):
            has_linear_model = any("sparse_linear" in each for each in names)
            assert has_linear_model == (WITH_BOW in name)
        assert len(pipeline.nlp("some text").cats) == 2


def test_texts_are_the_same_at_every_call() -> None:
    for docs, n_texts in N_TEXTS.items():
        texts = load_texts(docs)
        assert texts == load_texts(docs)
        assert len(texts) == n_texts
    n_words = [len(text.split()) for text in load_texts("long")]
    assert 100 < numpy.mean(n_words) < 300


def test_latency_is_in_milliseconds_with_its_percentile() -> None:
    times = iter([9.0, 9.0, *(0.001 * i for i in range(1, 101))])
    found = latency.measure({"a": lambda: next(times)}, 100)
    assert found["a"] == pytest.approx({"median": 50.5, "p95": 95.05})


def test_texts_of_a_latency_have_their_length() -> None:
    pipelines = build_pipelines(with_variants=False)
    lengths = {len(pipelines[0].nlp.make_doc(t)) for t in latency.texts_of(pipelines[0], 20)}
    assert lengths <= {19, 20, 21}  # where it is cut, the tokenizer may see other words


def test_threads_are_compared_for_all_cells(quick: Dict[str, Any]) -> None:
    found = quick["sections"]["threads"]
    assert found["threads"] == [1, 2]
    for setting in found["settings"]:
        for mode in MODES:
            names = {f"{ENGINE}-{cell}" for cell in CELLS} | {BASELINE}
            assert set(setting["ratio"][mode]) == names
            for name, rates in setting["words_per_second"][mode].items():
                assert setting["ratio"][mode][name] == pytest.approx(rates["2"] / rates["1"])


def test_means_of_threads() -> None:
    settings = [{"ratio": {mode: {"a": ratio} for mode in MODES}} for ratio in (1.0, 4.0)]
    expected = {"a": {"geomean": pytest.approx(2.0), "minimum": 1.0}}
    assert summarize(settings) == dict.fromkeys(MODES, expected)


def test_one_number_of_threads_is_not_compared() -> None:
    assert measure_section(Options(threads=[1])) == {}


def test_exponent_is_the_power_of_the_length() -> None:
    # What a call takes in any case does not count: the fit begins at 1000 tokens.
    seconds = {str(n): 1e-6 * n**1.5 for n in (1000, 10_000, 100_000)}
    assert fit_exponent({"10": 5.0, **seconds}) == pytest.approx(1.5)
    assert fit_exponent({"10": 0.1, "100": 1.0}) == pytest.approx(1.0)


def test_growth_has_all_sizes(quick: Dict[str, Any]) -> None:
    found = quick["sections"]["growth"]
    for mode in MODES:
        assert set(found["exponents"][mode]) == set(found["seconds"][mode])
        for seconds in found["seconds"][mode].values():
            assert list(seconds) == ["100", "300"]
    assert found["extra_mb"]


def test_memory_sees_what_is_allocated() -> None:
    before, _ = memory()
    block = numpy.ones(50 * 2**17)  # 50 MB
    _, peak = memory()
    assert peak - before > 0.9 * block.nbytes / 2**20


@pytest.mark.slow
def test_a_process_that_fails_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"benchmarks\.growth no-such-model"):
        run_apart("benchmarks.growth", ["no-such-model", "inference", "5"])


def test_the_padded_model_must_be_asked_for() -> None:
    names = model_names(Options())
    assert set(names) >= {f"{ENGINE}-{cell}" for cell in CELLS}
    assert BASELINE not in names
    assert BASELINE in model_names(Options(with_padded=True))


def test_second_process_is_compared_with_the_first(quick: Dict[str, Any]) -> None:
    if ENGINE != "numba":
        assert compile_time.measure_section(Options(quick=True)) == {}
        return
    found = quick["sections"]["compile"]
    assert found["first"]["compilations"] >= found["first"]["compiled"] > 0
    assert found["first"]["loaded"] == 0
    assert found["second"]["compilations"] == found["second"]["compiled"] == 0
    assert found["second"]["loaded"] == found["first"]["compiled"]


def test_import_cost_is_the_median_of_the_differences() -> None:
    runs = {
        "with": [{"import": s, "blank": 0.5} for s in (1.0, 5.25, 9.0)],
        "without": [{"import": s, "blank": 0.25} for s in (1.0, 5.0, 1.25)],
    }
    found = import_cost.summarize(runs)
    assert (found["extra_import_ms"], found["extra_blank_ms"]) == (250.0, 250.0)
    assert found["extra_ms"] == 500.0
    assert found["with"]["import"] == 5.25


@pytest.mark.slow
def test_processes_are_with_and_without_the_package() -> None:
    # Raises if the package was loaded where it should not be found, and the other way round.
    assert import_cost.measure("with")["loaded"]
    assert not import_cost.measure("without")["loaded"]


def test_without_a_gpu_the_same_code_runs_on_the_cpu(quick: Dict[str, Any]) -> None:
    found = quick["sections"]["gpu"]
    for text in found["texts"].values():
        for mode, seconds in text["seconds"].items():
            expected = seconds["engine"] / seconds["cudnn"] - 1
            assert text["overhead"][mode] == pytest.approx(expected)
    assert set(found["scans"]) == {"QRNN", "MinGRU"}
    for by_docs in found["scans"].values():
        for text in by_docs.values():
            for mode, seconds in text["seconds"].items():
                expected = seconds["torch"] / seconds["kernel"]
                assert text["speedup"][mode] == pytest.approx(expected)


def test_a_gpu_that_is_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "gpu_is_there", lambda: False)
    assert gpu.measure_section(Options()) == {}
    with pytest.raises(RuntimeError, match="--gpu"):
        gpu.measure_section(Options(gpu=True))


def test_another_one_is_first_at_each_turn() -> None:
    assert [rotated(["a", "b", "c"], turn)[0] for turn in range(4)] == ["a", "b", "c", "a"]
    assert sorted(rotated(["a", "b", "c"], 1)) == ["a", "b", "c"]
    assert rotated([], 3) == []
