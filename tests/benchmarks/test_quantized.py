"""Prediction by int8: numbers are rounded rightly, and the figures follow from what was measured.

No test here looks at how long something took.
"""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks import int8, quantized
from benchmarks.batches import make_batch
from benchmarks.int8_pipe import (
    accuracy,
    build,
    compare_scores,
    error_of,
    find_embedding,
    find_encoder,
    load_examples,
    model_of,
    predict,
    replaced,
)
from benchmarks.int8_shares import (
    STAGES,
    encoder_speedup,
    measure_sizes,
    n_projected,
    product_seconds,
    shares,
    speedup,
    step_sizes,
    watched,
)
from benchmarks.int8_tables import best_int8, fill_page, int8_tables
from benchmarks.peers import N_IN, N_OUT, OURS, build_ours
from benchmarks.report import fill_places

LENGTHS = [5, 1, 12, 12, 3]
SHARES = dict(zip(STAGES, (0.4, 0.05, 0.15, 0.2, 0.2)))
PLACE = "<!-- int8 -->\nold\n<!-- end of int8 -->"
torch_int8 = pytest.mark.skipif(not int8.has_torch_int8(), reason="torch can't quantize an LSTM")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    """What the quick run writes, and what it prints."""
    folder = tmp_path_factory.mktemp("quantized")
    page = folder / "page.md"
    page.write_text(f"before\n{PLACE}\nafter\n", encoding="utf8")
    options = ["--quick", "--batch-sizes", "4", "--output", str(folder / "made" / "q.json")]
    run = CliRunner().invoke(quantized.app, [*options, "--page", str(page)])
    assert run.exit_code == 0, run.output
    results: Dict[str, Any] = json.loads((folder / "made" / "q.json").read_text(encoding="utf-8"))
    return {**results, "output": run.output, "page": page.read_text(encoding="utf8")}


@pytest.fixture(scope="module")
def encoder() -> Any:
    return next(peer for peer in build_ours() if peer.name == OURS).model


@pytest.fixture
def Xs() -> List[Any]:
    return make_batch(LENGTHS, [N_IN], N_OUT).inputs[N_IN]


@given(st.integers(1, 6), st.integers(1, 9), st.floats(-6, 6), st.sampled_from([None, 1]))
def test_rounding_is_off_by_half_a_scale_at_most(
    n: int, width: int, size: float, axis: Any
) -> None:
    rng = numpy.random.default_rng([n, width])
    X = (10.0**size * rng.standard_normal((n, width))).astype("float32")
    numbers, scale = int8.quantize(X, axis)
    assert numbers.dtype == numpy.int8
    assert scale.shape == ((n, 1) if axis else (1, 1))
    assert numpy.abs(numbers).max() == 127  # never -128, which has no positive counterpart
    assert (numpy.abs(numbers * scale - X) <= 0.5001 * scale).all()


def test_what_has_been_rounded_stays_as_it_is(rng: Any) -> None:
    numbers, scale = int8.quantize(rng.normal(size=(4, 8)).astype("float32"), axis=1)
    again, same_scale = int8.quantize(numbers * scale, axis=1)
    assert (again == numbers).all()
    assert same_scale == pytest.approx(scale)


@pytest.mark.parametrize("shape", [(2, 3), (0, 3)])
def test_zeros_and_nothing_stay_so(shape: Any) -> None:
    for axis in (None, 1):
        numbers, scale = int8.quantize(numpy.zeros(shape, dtype="float32"), axis)
        assert numbers.shape == shape
        assert not numbers.any()
        assert (scale == 1.0).all()


def test_a_row_has_the_scale_of_its_own() -> None:
    X = numpy.asarray([[1.0, 0.5], [1000.0, 0.5]], dtype="float32")
    numbers, _ = int8.quantize(X, axis=1)
    assert numbers.tolist() == [[127, 64], [127, 0]]
    assert int8.quantize(X)[0].tolist() == [[0, 0], [127, 0]]


def test_product_adds_up_as_int32_does(rng: Any) -> None:
    X, W = (rng.normal(size=(n, int8.MAX_WIDTH)).astype("float32") for n in (3, 5))
    W[0], X[0] = 1.0, 1.0  # the largest sum that there can be
    (Xq, x_scale), (Wq, w_scale) = int8.quantize(X), int8.quantize(W, axis=1)
    sums = Xq.astype("int64") @ Wq.astype("int64").T
    assert sums.max() > 2**20
    expected = sums.astype("float32") * (x_scale * w_scale.T)
    numpy.testing.assert_array_equal(int8.int8_product(W)(X), expected)


def test_a_product_that_would_not_be_exact_is_refused() -> None:
    with pytest.raises(ValueError, match=str(int8.MAX_WIDTH)):
        int8.int8_product(numpy.ones((1, int8.MAX_WIDTH + 1), dtype="float32"))


def test_with_exact_products_the_lstm_is_the_encoder(encoder: Any, Xs: List[Any]) -> None:
    Ys = int8.numpy_lstm(encoder, int8.float_product)(Xs)
    for Y, expected in zip(Ys, encoder.predict(Xs)):
        numpy.testing.assert_allclose(Y, expected, atol=1e-5)


def test_by_int8_it_is_nearly_the_encoder(encoder: Any, Xs: List[Any]) -> None:
    expected = encoder.predict(Xs)
    for encode in int8.int8_encoders(encoder).values():
        assert [Y.shape for Y in encode(Xs)] == [Y.shape for Y in expected]
        assert 0.001 < error_of(encode(Xs), expected)["rms"] < 0.05


@torch_int8
def test_torch_is_quantized_without_a_warning_and_keeps_its_settings(encoder: Any) -> None:
    before = torch.backends.quantized.engine
    peers = int8.build_torch_peers(encoder)
    assert torch.backends.quantized.engine == before
    assert [peer.name for peer in peers[1:]] == [f"torch int8 {name}" for name in int8.BACKENDS]


def test_without_torchs_int8_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, encoder: Any, found: Dict[str, Any]
) -> None:
    monkeypatch.setattr(int8, "has_torch_int8", lambda: False)
    assert list(int8.int8_encoders(encoder)) == ["rows"]
    assert not any(name.startswith("torch") for name in int8.product_tasks(2, 4, 8))
    rates = [{**found["rates"][0], "words_per_second": {OURS: 2.0, "torch float32": 1.0}}]
    products = {n: {"ours, float32": 1.0} for n in found["products"]}
    for table in int8_tables({**found, "rates": rates, "products": products}):
        assert {len(row) for row in table.rows} == {len(table.header)}


def test_errors_are_in_units_of_the_outputs() -> None:
    expected = [numpy.full((2, 2), 2.0), numpy.full((1, 2), -2.0)]
    other = [Y.copy() for Y in expected]
    other[1][0, 0] = -5.0
    assert error_of(other, expected) == pytest.approx({"max": 1.5, "rms": 1.5 / 6**0.5})
    assert error_of(expected, expected) == {"max": 0.0, "rms": 0.0}


def test_accuracy_is_the_share_of_right_labels() -> None:
    scores = numpy.asarray([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    assert accuracy(scores, numpy.asarray([0, 1, 1, 0])) == 0.75


def test_no_sentence_is_both_trained_and_tested() -> None:
    train, test = load_examples()
    texts = [text for text, _ in train + test]
    assert len(set(texts)) == len(texts) > 2900
    assert load_examples() == (train, test)
    assert [len(part) for part in load_examples(10)] == [8, 2]


@pytest.fixture(scope="module")
def nlp() -> Any:
    return build(load_examples(20)[0], (16, 24))


def test_an_encoder_is_replaced_within_the_block(nlp: Any) -> None:
    docs = [nlp.make_doc(text) for text, _ in load_examples(20)[1]]
    # The output layer begins with zeros, so that all scores would be the same.
    W: Any = model_of(nlp).get_ref("output_layer").get_param("W")
    W[0] = 1.0
    before = predict(nlp, docs)
    with replaced(find_encoder(nlp), lambda Xs: [numpy.ones((len(X), 24), "f") for X in Xs]):
        assert numpy.abs(predict(nlp, docs) - before).max() > 1e-3
    numpy.testing.assert_array_equal(predict(nlp, docs), before)
    compared = compare_scores(nlp, docs, numpy.zeros(len(docs), dtype="int"))
    numpy.testing.assert_array_equal(predict(nlp, docs), before)
    assert compared["n_docs"] == len(docs)
    for result in compared["int8"].values():
        assert 0.0 < result["error"]["rms"] < 0.1


def test_calls_are_watched_within_the_block(nlp: Any) -> None:
    seen: List[int] = []
    with watched(find_embedding(nlp), lambda docs, seconds: seen.append(len(docs))):
        list(nlp.pipe(["one two", "three"], batch_size=1))
    nlp("four")
    assert seen == [1, 1]


def test_input_products_are_over_types_where_that_pays(nlp: Any) -> None:
    encoder, embedding = find_encoder(nlp), find_embedding(nlp)
    repeated = embedding.predict([nlp.make_doc("a b a b a b a b")])
    assert n_projected(encoder, repeated) == 2
    assert n_projected(encoder, [numpy.array(X) for X in repeated]) == 8
    assert n_projected(encoder, embedding.predict([nlp.make_doc("a b c d")])) == 4


def test_a_step_has_the_texts_that_reach_it() -> None:
    assert step_sizes([3, 1, 0, 2]) == [3, 2, 1]
    assert step_sizes([]) == []


def test_products_are_counted_for_each_step_and_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(n: int, width: int, columns: int) -> float:
        return 5.0 + n * width * columns

    monkeypatch.setattr("benchmarks.int8_shares._fastest", seconds)
    found = product_seconds([([3, 1], 2), ([2], 2)], nI=10, nO=7)
    # Two calls of two types, of 6 tokens.
    assert found == (2.0 * 4 * 10 * 28, 2.0 * 6 * 7 * 28)


def test_shares_add_up() -> None:
    found = shares(10.0, encoder=4.0, embedding=3.0, products=(0.5, 1.5))
    assert found == pytest.approx(dict(zip(STAGES, (0.3, 0.05, 0.15, 0.2, 0.3))))


@pytest.mark.parametrize(
    ("function", "factor", "expected"),
    [
        (speedup, 1.0, 1.0),
        (speedup, 0.5, 1 / 0.9),
        (speedup, 0.0, 1.25),
        (encoder_speedup, 1.0, 1.0),
        (encoder_speedup, 0.5, 4 / 3),
        (encoder_speedup, 0.0, 2.0),
    ],
)
def test_what_cheaper_products_save(function: Callable, factor: float, expected: float) -> None:
    assert function(SHARES, factor) == pytest.approx(expected)


def test_sizes_are_those_of_all_parameters() -> None:
    nlp = build(load_examples(20)[0], (16, 24), is_whole=True)
    sizes = measure_sizes(nlp)
    assert sizes["embedding"] == 4 * 16 * (5000 + 1000 + 2500 + 1000)
    assert sizes["recurrent"] == 4 * 2 * 48 * (16 + 12)
    assert sizes["linear model"] > 0
    nodes = list(model_of(nlp).walk())
    total = sum(node.get_param(name).nbytes for node in nodes for name in node.param_names)
    assert sum(sizes.values()) == total


def test_quick_run_has_all_figures(found: Dict[str, Any]) -> None:
    names = {OURS, "torch float32"}
    if int8.has_torch_int8():
        names |= {f"torch int8 {name}" for name in int8.BACKENDS}
    for setting in found["rates"]:
        assert set(setting["words_per_second"]) == names
    assert {pipe["docs"] for pipe in found["pipes"]} == {"short", "long"}
    for pipe in found["pipes"]:
        assert set(pipe["shares"]) == set(STAGES)
    assert set(found["accuracy"]["random"]) == set(found["accuracy"]["seeds"][0]["int8"])
    for table in int8_tables(found):
        assert table.title in found["output"]
        assert f"**{table.title}**" in found["page"]
        assert {len(row) for row in table.rows} == {len(table.header)}


def test_the_fastest_of_torchs_int8_counts() -> None:
    assert best_int8({"torch float32": 9.0, "torch int8 a": 2.0, "torch int8 b": 3.0}) == 3.0
    assert best_int8({"torch float32": 9.0}) == 0.0


def test_only_the_place_of_the_tables_is_written(found: Dict[str, Any], page: str) -> None:
    assert found["page"].startswith("before\n<!-- int8 -->\n**Bidirectional LSTM")
    assert found["page"].endswith("\n<!-- end of int8 -->\nafter\n")
    assert "old" not in found["page"]
    assert fill_page(found["page"], found) == found["page"]
    # The page's other tables are another command's, and each leaves the other's alone.
    filled = fill_page(page, found)
    assert filled.split("<!-- int8 -->")[0] == page.split("<!-- int8 -->")[0]
    other = fill_places(page, {"sections": {}, "machine": {"cpu": "a CPU"}, "bars": []})
    assert other.split("<!-- int8 -->")[1] == page.split("<!-- int8 -->")[1]
    with pytest.raises(ValueError, match="no place"):
        fill_page("a page", found)


def test_instructions_are_those_of_the_processor() -> None:
    assert set(quantized.int8_instructions()) <= set(quantized.INT8_FLAGS)


def test_the_page_names_the_command(page: str) -> None:
    assert "python -m benchmarks.quantized --page docs/speed.md" in page
    assert "python -m benchmarks.quantized --page docs/speed.md" in (quantized.__doc__ or "")
    assert Path(str(quantized.__file__)).name == "quantized.py"
