"""The comparison of language models: what is compared is the same, and the figures follow from it.

No test here looks at how long something took.
"""

import copy
import json
import math
from pathlib import Path
from typing import Any, Dict, List

import numpy
import pytest
from typer.testing import CliRunner

from benchmarks import lm_report, lm_speed
from benchmarks.lm_bars import judge_speed
from benchmarks.lm_data import Batch, cut_batches, read_corpus
from benchmarks.lm_loop import Loop
from benchmarks.lm_models import (
    LSTM,
    LSTM_ADAPTIVE,
    NAMES,
    QRNN,
    TORCH,
    Ours,
    Setting,
    Torchs,
    adaptive_cutoffs,
    build_models,
    check,
)
from benchmarks.lm_speed import QUICK_SETTINGS, SETTINGS, app
from benchmarks.lm_tables import fill_page, loop_table, rate_table
from spacy_rnn.models.vocabulary import END, Vocabulary

PLACE = "<!-- language models -->\nold\n<!-- end of language models -->"
VOCABULARY = Vocabulary("word", [f"w{i}" for i in range(30)])
TIED = Setting("word", 6, 6, True, 3, 5)
UNTIED = Setting("word", 6, 4, False, 3, 5)


def made_up_batches(setting: Setting, n: int) -> List[Batch]:
    ids = numpy.random.default_rng(0).integers(0, len(VOCABULARY), 500).astype("int32")
    return cut_batches(ids, setting.n_streams, setting.bptt, n)


# What is read


def test_windows_follow_each_other_in_each_stream() -> None:
    ids = numpy.arange(100, dtype="int32")
    batches = cut_batches(ids, n_streams=4, bptt=3, n_batches=5)
    rows = numpy.concatenate([batch.inputs for batch in batches], axis=1)
    assert rows[:, 0].tolist() == [0, 25, 50, 75]
    numpy.testing.assert_array_equal(rows, rows[:, :1] + numpy.arange(15))
    for batch in batches:
        numpy.testing.assert_array_equal(batch.targets, batch.inputs + 1)


def test_a_short_text_is_read_again() -> None:
    (batch,) = cut_batches(numpy.arange(4, dtype="int32"), n_streams=2, bptt=5, n_batches=1)
    assert batch.inputs.tolist() == [[0, 1, 2, 3, 0], [2, 3, 0, 1, 2]]
    assert batch.targets.tolist() == [[1, 2, 3, 0, 1], [3, 0, 1, 2, 3]]


def test_addresses_are_numbered_by_falling_frequency_with_an_end_each() -> None:
    corpus = read_corpus(quick=True)
    for unit in ("word", "char"):
        ids = corpus.ids(unit)
        assert (ids == END).sum() == len(corpus.docs)
        counts = numpy.bincount(ids, minlength=len(corpus.vocabularies[unit]))[2:]
        assert (numpy.diff(counts) <= 0).all()
    assert corpus.dev == []


@pytest.mark.slow
def test_words_of_the_addresses_are_as_many_as_the_n_grams_have() -> None:
    corpus = read_corpus()
    assert len(corpus.vocabularies["word"]) == 14_968


# What is compared


@pytest.mark.parametrize("setting", [TIED, UNTIED], ids=["tied", "untied"])
def test_ours_and_torchs_are_the_same_model(setting: Setting) -> None:
    _, apart = build_models(setting, VOCABULARY)
    assert 0.0 <= apart["loss"] < 1e-5
    assert 0.0 <= apart["gradients"] < 1e-4


@pytest.mark.parametrize("setting", [TIED, UNTIED], ids=["tied", "untied"])
def test_whole_steps_of_ours_and_torchs_go_the_same_way(setting: Setting) -> None:
    models, _ = build_models(setting, VOCABULARY)
    ours, theirs = models[LSTM], models[TORCH]
    assert isinstance(theirs, Torchs)
    # With both biases trained, torch's would move twice as fast as our one.
    dict(theirs.named_parameters())["lstm.bias_hh_l0"].requires_grad_(False)
    losses = [
        [peer.step(peer.prepare(batch)) for peer in (ours, theirs)]
        for batch in made_up_batches(setting, 8)
    ]
    of_ours, of_theirs = numpy.transpose(losses)
    numpy.testing.assert_allclose(of_ours, of_theirs, rtol=1e-4)


def test_another_model_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = Ours(TIED, VOCABULARY), Torchs(TIED, len(VOCABULARY))
    original = theirs.lstm.forward
    monkeypatch.setattr(theirs.lstm, "forward", lambda X, state: original(0.9 * X, state))
    with pytest.raises(ValueError, match="not the same model"):
        check(ours, theirs, TIED, len(VOCABULARY))


@pytest.mark.parametrize("name", NAMES["word"])
def test_all_models_learn_and_carry_their_state_on(name: str) -> None:
    model = build_models(TIED, VOCABULARY)[0][name]
    (batch,) = made_up_batches(TIED, 1)
    losses = [model.step(model.prepare(batch)) for _ in range(60)]
    assert losses[0] == pytest.approx(math.log(len(VOCABULARY)), rel=0.25)
    assert losses[-1] < losses[0] - 0.05
    assert model.state is not None  # type: ignore[attr-defined]


def test_the_qrnn_is_one_of_the_models_of_characters() -> None:
    vocabulary = Vocabulary("char", list("abcdef"))
    setting = QUICK_SETTINGS["chars"][0]
    model = build_models(setting, vocabulary)[0][QRNN]
    assert isinstance(model, Ours)
    assert model.model.attrs["cell"] == "qrnn"


def test_cutoffs_are_those_of_the_config_for_the_real_vocabulary() -> None:
    assert adaptive_cutoffs(14_968) == [2000, 6000]
    assert adaptive_cutoffs(80) == [10, 26]


def test_settings_are_those_that_the_bars_are_about() -> None:
    words = [(one.width, one.n_streams, one.bptt) for one in SETTINGS["words"]]
    assert sorted(words) == [(256, 32, 70), (256, 64, 35), (512, 32, 70), (512, 64, 35)]
    assert all(one.tied and one.embed_width == one.width for one in SETTINGS["words"])
    chars = [(one.width, one.n_streams, one.bptt) for one in SETTINGS["chars"]]
    assert chars == [(256, 64, 100), (512, 64, 100)]


# spaCy's loop


def test_the_loop_learns_from_each_batch_of_the_batcher() -> None:
    corpus = read_corpus(quick=True)
    setting = QUICK_SETTINGS["words"][0]
    loop = Loop(setting, corpus, LSTM_ADAPTIVE)
    assert loop.lm.info()["softmax"] == "adaptive_softmax"
    sizes = [loop.step() for _ in range(4)]
    # A stream that comes to the end of a document predicts that too.
    assert all(setting.n_units <= size <= 2 * setting.n_units for size in sizes[:2])
    assert loop.lm.steps.n_steps == 4
    assert loop.lm.info()["vocabulary"] == len(corpus.vocabularies["word"])


# The command


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """What the quick run writes, and what it prints."""
    path = tmp_path_factory.mktemp("lm") / "made" / "lm_speed.json"
    run = CliRunner().invoke(app, ["--quick", "--output", str(path)])
    assert run.exit_code == 0, run.output
    return {**json.loads(path.read_text(encoding="utf8")), "output": run.output}


def test_all_settings_are_measured_with_all_threads(quick: Dict[str, Any]) -> None:
    found = [(one["unit"], one["threads"]) for one in quick["settings"]]
    assert found == [("word", 2), ("word", 1), ("char", 2), ("char", 1)]
    for one in quick["settings"]:
        assert list(one["by_round"]) == NAMES[one["unit"]]
        assert {len(rates) for rates in one["by_round"].values()} == {quick["rounds"]}
        assert all(math.isfinite(loss) for loss in one["loss"].values())
        for name, ratio in one["ratio"].items():
            rates = one["units_per_second"]
            assert ratio == pytest.approx(rates[name] / rates[TORCH])


def test_loops_are_compared_with_bare_steps(quick: Dict[str, Any]) -> None:
    found = [(one["unit"], one["model"]) for one in quick["loops"]]
    expected = [("word", LSTM), ("word", LSTM_ADAPTIVE), ("char", LSTM), ("char", QRNN)]
    assert found == expected
    for one in quick["loops"]:
        rates = one["units_per_second"]
        assert one["ratio"] == pytest.approx(rates["loop"] / rates["step"])
        shares = one["share"]
        assert one["ratio"] + shares["batches"] + shares["else"] == pytest.approx(1.0)


def test_bars_are_those_of_the_settings_and_are_printed(quick: Dict[str, Any]) -> None:
    assert quick["bars"] == judge_speed(quick)
    for bar in quick["bars"]:
        assert bar["met"] is not None
        assert bar["what"] in quick["output"]


def test_only_some_sections_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "lm_speed.json"
    options = ["--quick", "--only", "chars", "--threads", "1", "--output", str(path)]
    assert CliRunner().invoke(app, options).exit_code == 0
    results = json.loads(path.read_text(encoding="utf8"))
    assert [one["unit"] for one in results["settings"]] == ["char"]
    assert results["loops"] == []
    met = {bar["what"].split(",")[0]: bar["met"] for bar in results["bars"]}
    assert met["words"] is None
    assert met["characters"] is not None


def test_measuring_again_has_no_pin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setattr(lm_speed, "measure_all", lambda *args, **kwargs: {})
    monkeypatch.setattr(lm_speed, "run_without_pin", lambda *args: calls.append(args))
    output = str(tmp_path / "lm_speed.json")
    for more in ([], ["--no-own-kernels"], ["--quick"]):
        assert (
            CliRunner().invoke(app, ["--only", "chars", "--output", output, *more]).exit_code == 0
        )
    ((module, options),) = calls
    assert module == "benchmarks.lm_speed"
    assert options[options.index("--only") + 1] == "chars"
    assert options[-1].endswith("lm_speed-own-kernels.json")


@pytest.mark.parametrize("option", ["--only=weather", "--threads=0", "--rounds=8"])
def test_bad_options_are_refused(option: str, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, [option, "--output", str(tmp_path / "lm_speed.json")])
    assert run.exit_code == 2


# Bars, tables, the page and its picture


@pytest.fixture
def made_up(machine: Dict[str, Any]) -> Dict[str, Any]:
    """Two settings of words, in which ours is 1.0 and 4.0 times as fast; nothing of characters."""
    ratios = [
        {TORCH: 1.0, LSTM: 1.0, LSTM_ADAPTIVE: 2.0},
        {TORCH: 1.0, LSTM: 4.0, LSTM_ADAPTIVE: 8.0},
    ]
    settings = [
        {
            **TIED.as_dict(),
            "threads": 2,
            "ratio": {**dict.fromkeys(NAMES["word"], 1.0), **ratio},
            "units_per_second": {name: 1e4 * ratio.get(name, 1.0) for name in NAMES["word"]},
        }
        for ratio in ratios
    ]
    loop = {
        **TIED.as_dict(),
        "threads": 2,
        "model": LSTM,
        "units_per_second": {"step": 10e3, "loop": 8e3},
        "ratio": 0.8,
        "share": {"batches": 0.05, "else": 0.15},
    }
    return {
        "rounds": 10,
        "machine": {**machine, "torch": "2.0"},
        "corpus": {unit: {"units": 100, "symbols": 1234} for unit in NAMES},
        "models": {name: f"about {name}" for names in NAMES.values() for name in names},
        "settings": settings,
        "loops": [loop],
    }


def test_bars_are_means_and_lowest_of_the_settings(made_up: Dict[str, Any]) -> None:
    bars = {bar["what"]: (bar["value"], bar["met"]) for bar in judge_speed(made_up)}
    full, adaptive = (
        f"words, {kind} softmax, against {TORCH}, 2 threads" for kind in ("full", "adaptive")
    )
    assert bars[full] == (pytest.approx(2.0), True)
    assert bars[f"{full}, lowest"] == (1.0, False)
    assert bars[adaptive] == (pytest.approx(4.0), True)
    assert bars[f"{adaptive}, lowest"] == (2.0, False)
    chars = [value for what, value in bars.items() if what.startswith("characters")]
    assert chars == [(None, None)] * 4


def test_tables_have_the_figures(made_up: Dict[str, Any]) -> None:
    table = rate_table(made_up, "word")
    assert table.rows[1] == (
        "6 wide, 3 x 5, 2 threads",
        "10,000 (1.00)",
        "10,000 (1.00)",
        "40,000 (4.00)",
        "80,000 (8.00)",
    )
    assert len(table.header) == len(table.rows[0])
    assert any("1,234" in note for note in table.notes)
    table = loop_table(made_up["loops"])
    assert table.rows[0][1:] == ("10,000", "8,000", "0.80", "5.0%", "15.0%")


def test_the_place_of_the_page_is_filled_and_nothing_else(made_up: Dict[str, Any]) -> None:
    filled = fill_page(f"before\n{PLACE}\nafter\n", made_up, None)
    assert filled.startswith("before\n<!-- language models -->\n**Bars**")
    assert filled.endswith("<!-- end of language models -->\nafter\n")
    assert "old" not in filled
    assert "**What spaCy's documents cost**" in filled
    assert fill_page(filled, made_up, None) == filled
    with pytest.raises(ValueError, match="no place"):
        fill_page("nothing", made_up, None)


def test_the_page_on_speed_has_a_place(page: str, made_up: Dict[str, Any]) -> None:
    assert fill_page(page, made_up, None).count("<!-- language models -->") == 1


def test_the_report_writes_the_page_and_draws_the_picture(
    quick: Dict[str, Any], made_up: Dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    speed, page = tmp_path / "speed.json", tmp_path / "page.md"
    for results in (quick, made_up):
        speed.write_text(json.dumps(results), encoding="utf8")
        page.write_text(PLACE, encoding="utf8")
        lm_report.main(page, speed, tmp_path / "not there.json")
        assert "old" not in page.read_text(encoding="utf8")
        picture = tmp_path / lm_report.PICTURE
        assert picture.stat().st_size > 5000
        picture.unlink()


def test_reports_without_settings_are_empty(made_up: Dict[str, Any]) -> None:
    empty = {**copy.deepcopy(made_up), "settings": [], "loops": []}
    assert judge_speed(empty) == []
    assert "**Training" not in fill_page(PLACE, empty, None)
