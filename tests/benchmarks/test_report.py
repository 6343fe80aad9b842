"""Bars, tables and pictures, from figures that were made up."""

from pathlib import Path
from typing import Any, Dict, Optional

import pytest

from benchmarks.bars import Bar, judge
from benchmarks.picture import RESULTS, draw_all
from benchmarks.plots import PLOTS
from benchmarks.report import fill_places, find_tables, markdown, print_bars, print_section
from benchmarks.tables import Table, bar_table, with_unit


def values(sections: Dict[str, Any]) -> Dict[str, Any]:
    """By what is measured and its unit, the figure and whether the bar is met."""
    bars = judge(sections)
    found = {(bar["what"], bar["unit"]): (bar["value"], bar["met"]) for bar in bars}
    assert len(found) == len(bars)
    return found


@pytest.mark.parametrize(
    ("sign", "value", "met"),
    [
        (">=", 2.0, True),
        (">=", 1.99, False),
        ("<", 2.0, False),
        ("<", 1.99, True),
        ("<=", 2.0, True),
        ("<=", 2.01, False),
        (">=", None, None),
    ],
)
def test_a_bar_is_met_or_not_or_not_measured(
    sign: str, value: Optional[float], met: Optional[bool]
) -> None:
    assert Bar("encoder", "something", sign, 2.0, "x", value).met is met


def test_bars_take_the_figures_that_they_name(made_up: Dict[str, Any]) -> None:
    found = values(made_up)
    expected = {
        ("LSTM, inference, against TorchBiLSTMEncoder", "x"): (2.0, False),
        ("LSTM, training, of the products' limit", "%"): (0.2, False),
        ("GRU, training, against our LSTM", "x"): (1.5, True),
        ("GRU, training, against our LSTM, lowest", "x"): (1.5, True),
        ("QRNN, inference, against TorchBiLSTMEncoder", "x"): (8.0, True),
        ("MinGRU, training, against TorchBiLSTMEncoder", "x"): (10.0, False),
        ("MinGRU, inference, of the products' limit", "%"): (1.0, True),
        ("2 threads against 1, LSTM, training", "x"): (1.7, True),
        ("2 threads against 1, training, lowest of all", "x"): (0.9, False),
        ("one text of 20 tokens, QRNN encoder", "ms"): (0.1, True),
        ("pipe, LSTM, against TorchBiLSTM", "x"): (2.5, True),
        ("pipe, LSTM, against TorchBiLSTM-BLAS", "x"): (1.25, False),
        ("pipe, QRNN, against textcat", "x"): (80 / 60, True),
        ("pipe, QRNN, against textcat-BLAS", "x"): (80 / 90, False),
        ("one long text among short ones, LSTM, training", "s"): (1.0, True),
        ("one long text among short ones, QRNN, training", "s"): (1.0, False),
        ("one long text among short ones, QRNN, training", "MB"): (100.0, True),
        ("importing spaCy, more with this package", "ms"): (20.0, True),
        ("first calls of all cells, no cache", "s"): (5.5, True),
        ("compiled in the next process", ""): (0, True),
        ("GPU, inference, more than bare cuDNN", "%"): (0.05, True),
        ("GPU, training, more than bare cuDNN", "%"): (0.2, False),
    }
    for key, (value, met) in expected.items():
        assert found[key] == (pytest.approx(value), met), key


def test_what_was_not_measured_is_neither_met_nor_not(made_up: Dict[str, Any]) -> None:
    everything = values(made_up)
    assert all(met is not None for _, met in everything.values())
    nothing = values({})
    assert set(nothing) == set(everything)
    assert set(nothing.values()) == {(None, None)}
    del made_up["encoder"]["summary"]["training"]["numba-qrnn"]
    found = values(made_up)
    assert found["QRNN, training, against TorchBiLSTMEncoder", "x"] == (None, None)
    assert found["QRNN, inference, against TorchBiLSTMEncoder", "x"][1] is True


def test_a_cpu_says_nothing_about_a_gpu(made_up: Dict[str, Any]) -> None:
    made_up["gpu"]["device"] = "cpu"
    assert values(made_up)["GPU, inference, more than bare cuDNN", "%"] == (None, None)


def test_the_table_of_bars_says_what_is_met(made_up: Dict[str, Any]) -> None:
    del made_up["import"]
    rows = {row[0]: row[1:] for row in bar_table(judge(made_up)).rows}
    assert rows["LSTM, inference, against TorchBiLSTMEncoder"] == (">= 2.50x", "2.00x", "not met")
    assert rows["LSTM, inference, of the products' limit"] == (">= 70 %", "20 %", "not met")
    assert rows["pipe, QRNN, against TorchBiLSTM"] == (">= 3.00x", "4.00x", "met")
    missing = ("< 30 ms", "-", "not measured")
    assert rows["importing spaCy, more with this package"] == missing


def test_units() -> None:
    assert with_unit(0.705, "%") == "70 %"
    assert with_unit(1234.0, "MB") == "1,234 MB"
    assert with_unit(0.1234, "ms") == "0.123 ms"
    assert with_unit(0.0, "") == "0"


def test_all_sections_print(
    made_up: Dict[str, Any], machine: Dict[str, Any], capsys: pytest.CaptureFixture
) -> None:
    results = {"sections": made_up, "machine": machine, "bars": judge(made_up)}
    for name in made_up:
        print_section(results, name)
        printed = capsys.readouterr().out
        for table in find_tables(results, name):
            assert table.title in printed
            assert len({len(row) for row in [table.header, *table.rows]}) == 1, table.title
    print_section({**results, "sections": {"gpu": {}}}, "gpu")
    print_bars(results["bars"])


def test_models_that_were_left_out_are_marked(made_up: Dict[str, Any]) -> None:
    encoder = made_up["encoder"]
    del encoder["summary"]["training"]["numba-gru"]
    encoder["summary"]["training"]["numba-lstm"]["n_settings"] = 1
    table = find_tables({"sections": made_up}, "encoder")[0]
    rows = {row[0]: row for row in table.rows}
    assert rows["numba-gru"][5:] == ("-", "-", "-", "-")
    assert rows["numba-lstm"][5] == "20,000*"
    assert any(note.startswith("*:") for note in table.notes)


def test_a_table_is_written_as_markdown() -> None:
    table = Table("Rates", ("model", "words/s"), [("a|b", "1")], ["Of something."])
    assert markdown(table) == (
        "**Rates**\n\n| model | words/s |\n| --- | ---: |\n| a\\|b | 1 |\n\n- Of something.\n"
    )


def test_places_of_a_page_are_filled_and_nothing_else(
    made_up: Dict[str, Any], machine: Dict[str, Any]
) -> None:
    results = {"sections": made_up, "machine": machine, "bars": judge(made_up)}
    place = "<!-- figures: {} -->\nold\n<!-- end of figures -->"
    filled = fill_places(f"before\n{place.format('import')}\nafter\n", results)
    assert filled.startswith("before\n<!-- figures: import -->\n**Importing spaCy**")
    assert filled.endswith("\n<!-- end of figures -->\nafter\n")
    assert "old" not in filled
    assert fill_places(filled, results) == filled
    del made_up["import"]
    assert "Not measured." in fill_places(filled, results)
    with pytest.raises(ValueError, match="weather"):
        fill_places(place.format("weather"), results)


def test_details_are_not_on_the_page(made_up: Dict[str, Any], machine: Dict[str, Any]) -> None:
    results = {"sections": made_up, "machine": machine, "bars": []}
    text = "<!-- figures: encoder -->\n<!-- end of figures -->"
    filled = fill_places(text, results)
    for table in find_tables(results, "encoder"):
        assert (f"**{table.title}**" in filled) != table.is_detail


def test_pictures_are_drawn_of_what_was_measured(
    made_up: Dict[str, Any], machine: Dict[str, Any], tmp_path: Path
) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    drawn = draw_all({"sections": made_up, "machine": machine}, tmp_path)
    assert {path.name for path in drawn} == {RESULTS, *PLOTS}
    assert all(path.stat().st_size > 5000 for path in drawn)
    some = {name: made_up[name] for name in ("pipe", "long_doc")}
    drawn = draw_all({"sections": some, "machine": machine}, tmp_path)
    assert [path.name for path in drawn] == ["speed-pipe.png"]


def test_a_model_without_figures_is_drawn_as_left_out(
    made_up: Dict[str, Any], machine: Dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    del made_up["encoder"]["summary"]["training"]["numba-gru"]
    results = {"sections": {"encoder": made_up["encoder"]}, "machine": machine}
    assert len(draw_all(results, tmp_path)) == 2
