"""On a GPU: cuDNN and our own kernel against the NumPy engine, and a pipeline that moves between
devices."""

import contextlib

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.training import Example
from thinc.api import CupyOps, NumpyOps, Ragged, use_ops
from thinc.compat import has_cupy_gpu, has_torch_cuda_gpu

from spacy_rnn.layers import use_engine
from spacy_rnn.layers.engines import cupy_engine, get_engine, numpy_engine
from spacy_rnn.layers.recurrent import CELLS

from .cells import gradients, layers, ragged, randomize
from .engine_case import Case, to_numpy

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not has_cupy_gpu, reason="needs a CUDA device and CuPy"),
]
needs_torch = pytest.mark.skipif(not has_torch_cuda_gpu, reason="needs a torch with CUDA")
SCANS = [cell for cell in CELLS.values() if cell.is_scan]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("cell", SCANS, ids=lambda cell: cell.name)
@pytest.mark.parametrize("lengths", [[3, 0, 7, 1], [0, 0], [], [2] * 300 + [500]], ids=len)
def test_the_kernel_gives_the_numbers_of_the_cpu(lengths, cell, window, dtype, rng):
    case = Case(cell, rng, lengths, [False, True], window, dtype, nO=130)
    ops = CupyOps()
    expected = case.compute(numpy_engine, to_numpy, keys=case.widths)
    found = case.compute(cupy_engine, ops.xp.asarray, keys=case.widths)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        atol = (1e-4 if dtype == "float32" else 1e-10) * max(1.0, abs(value).max(initial=0.0))
        assert_allclose(ops.to_numpy(found[name]), value, atol=atol, rtol=0, err_msg=name)


@pytest.mark.parametrize("max_rows", [1, 4, 100])
@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("cell", SCANS, ids=lambda cell: cell.name)
def test_the_kernel_reads_in_parts_what_it_reads_as_a_whole(
    cell, window, max_rows, rng, monkeypatch
):
    case = Case(cell, rng, [3, 0, 11, 1, 0, 5], [False, True], window)
    ops = CupyOps()
    expected = case.compute(numpy_engine, to_numpy, is_train=False)
    monkeypatch.setattr(cupy_engine, "MAX_ROWS", max_rows)
    found = case.compute(cupy_engine, ops.xp.asarray, is_train=False)
    for name, value in expected.items():
        assert_allclose(ops.to_numpy(found[name]), value, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("cell", SCANS, ids=lambda cell: cell.name)
def test_the_kernel_is_what_runs(cell):
    X = CupyOps().alloc2f(2, 3)
    assert get_engine(X, cell) is cupy_engine
    with use_engine("numpy"):
        assert get_engine(X, cell) is numpy_engine


@needs_torch
def test_weights_in_one_block_are_what_cudnn_wants(rng, recwarn, monkeypatch):
    """If not, it would copy them array by array, and torch warn."""
    for cell in CELLS.values():
        if not cell.is_scan:
            with use_engine("torch"):
                engine = get_engine(CupyOps().alloc2f(2, 3), cell)
            monkeypatch.setattr(engine, "without_layout_warning", contextlib.nullcontext)
            Case(cell, rng, [3, 0, 7], [False, True]).compute(engine, CupyOps().xp.asarray)
    assert not [w for w in recwarn if "RNN module weights" in str(w.message)]


@needs_torch
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("name", layers(5, 4))
def test_a_gpu_gives_the_numbers_of_the_cpu(name, dropout, rng):
    cpu = layers(5, 4, train_state=True)[name]()
    cpu.initialize()
    randomize(cpu, rng)
    with use_ops("cupy"):
        gpu = layers(5, 4, train_state=True, recurrent_dropout=dropout)[name]()
        gpu.from_bytes(cpu.to_bytes())
    ops = CupyOps()
    X = ragged(rng, [3, 0, 7, 1], 4)
    dY = rng.standard_normal((11, cpu.get_dim("nO"))).astype("f")
    X_gpu = Ragged(ops.asarray(X.data), ops.asarray1i(X.lengths))
    assert_allclose(ops.to_numpy(gpu.predict(X_gpu).dataXd), cpu.predict(X).dataXd, atol=1e-5)
    if dropout:
        # cuDNN knows no mask on the state: the NumPy engine runs on CuPy's arrays instead.
        Y, backprop = gpu(X_gpu, is_train=True)
        assert backprop(Y).dataXd.shape == (11, 4)
        return
    Y, backprop = cpu(X, is_train=True)
    dX = backprop(Ragged(dY.copy(), X.lengths)).dataXd
    Y_gpu, backprop_gpu = gpu(X_gpu, is_train=True)
    dX_gpu = backprop_gpu(Ragged(ops.asarray(dY), X_gpu.lengths)).dataXd
    assert_allclose(ops.to_numpy(Y_gpu.dataXd), Y.dataXd, atol=1e-5)
    assert_allclose(ops.to_numpy(dX_gpu), dX, atol=1e-4)
    found = gradients(gpu)
    for param, gradient in gradients(cpu).items():
        assert_allclose(ops.to_numpy(found[param]), gradient, atol=1e-4, err_msg=param)


@needs_torch
def test_a_pipeline_trained_on_gpu_predicts_the_same_on_cpu(tmp_path):
    texts = [("a good and lovely thing", "GOOD"), ("a bad and awful thing", "BAD")]
    spacy.require_gpu()
    try:
        nlp = spacy.blank("en")
        nlp.add_pipe("rnn_textcat")
        examples = [
            Example.from_dict(
                nlp.make_doc(text), {"cats": {c: float(c == label) for c in ("GOOD", "BAD")}}
            )
            for text, label in texts
        ]
        optimizer = nlp.initialize(lambda: examples)
        for _ in range(20):
            nlp.update(examples, sgd=optimizer, drop=0.2)
        expected = [dict(doc.cats) for doc in nlp.pipe(text for text, _ in texts)]
        nlp.to_disk(tmp_path)
    finally:
        spacy.require_cpu()
    with use_ops("numpy"):
        loaded = spacy.load(tmp_path)
    assert isinstance(loaded.get_pipe("rnn_textcat").model.ops, NumpyOps)
    for (text, label), cats in zip(texts, expected):
        found = loaded(text).cats
        assert max(found, key=found.get) == label
        assert_allclose(list(found.values()), list(cats.values()), atol=1e-4)
    assert numpy.isfinite(list(loaded("").cats.values())).all()
