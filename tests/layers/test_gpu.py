"""On a GPU: cuDNN against the NumPy engine, and a pipeline that moves between devices."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.training import Example
from thinc.api import CupyOps, NumpyOps, Ragged, use_ops
from thinc.compat import has_cupy_gpu, has_torch_cuda_gpu

from .cells import gradients, layers, ragged, randomize

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not (has_cupy_gpu and has_torch_cuda_gpu), reason="needs a CUDA device, CuPy and torch"
    ),
]


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
