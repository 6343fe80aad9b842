"""Embeddings and encoders compute on CuPy's arrays as well; here on those of a stand-in for CuPy,
and on a GPU where there is one."""

from functools import partial
from typing import Any, Callable, Dict, List

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from thinc.api import CupyOps, Model, fix_random_seed, use_ops
from thinc.compat import has_cupy_gpu, has_torch_cuda_gpu

from spacy_rnn.layers import run, use_engine
from spacy_rnn.layers.engines import numpy_engine
from spacy_rnn.models import CharEmbed, ConvRNNEncoder, HashEmbed
from spacy_rnn.models import characters as characters_module
from spacy_rnn.models import type_embedding as types_module
from tests.layers.cells import gradients, parameters, randomize
from tests.layers.device import DeviceArray, to_device, to_host
from tests.models.test_lm_device import DeviceOps as LanguageModelOps

FEATURES: Dict[str, Any] = {"attrs": ["NORM", "SHAPE"], "rows": [50, 20]}
SMALL = {"char_width": 4, "char_rows": 30, "hidden_width": 6, "max_length": 5}
MODELS: Dict[str, Callable[[], Model[Any, Any]]] = {
    "hash": lambda: HashEmbed(6, **FEATURES, include_static_vectors=True),
    "characters": lambda: CharEmbed(6, "lstm", **SMALL),
    "all": lambda: CharEmbed(6, "qrnn", **SMALL, **FEATURES, include_static_vectors=True),
    "both": lambda: ConvRNNEncoder("gru", 6, 2, 2, 1),
    "forward": lambda: ConvRNNEncoder("lstm", 6, 2, 1, 1, bidirectional=False),
}


class DeviceOps(LanguageModelOps):
    """`CupyOps`, as far as embeddings and convolutions need it."""

    is_inside = False  # one of these, which works on the host

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name not in ("hash", "gather_add", "maxout", "backprop_maxout", "gemm", "as_contig"):
            return value
        return value if self.is_inside else partial(self.on_host, value)

    def on_host(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        assert all(isinstance(arg, (DeviceArray, int)) for arg in args)
        self.is_inside = True
        try:
            result = function(*map(to_host, args), **kwargs)
        finally:
            self.is_inside = False
        return tuple(map(to_device, result)) if isinstance(result, tuple) else to_device(result)

    def get_dropout_mask(self, shape: Any, drop: Any) -> Any:
        return super().get_dropout_mask(shape, drop or 0.0)

    def asarray2i(self, data: Any, *, dtype: Any = "int32") -> Any:
        return self.asarray(data, dtype=dtype)

    def asarray_f(self, data: Any, *, dtype: Any = "float32") -> Any:
        return self.asarray(data, dtype=dtype)

    def alloc(self, shape: Any, *, dtype: Any = "float32", zeros: bool = True) -> Any:
        array = numpy.zeros(shape, dtype=dtype)
        return array if self.is_inside else to_device(array)


def sample(name: str) -> List[Any]:
    if name in ("both", "forward"):
        rng = numpy.random.RandomState(0)
        return [rng.standard_normal((n, 5)).astype("f") for n in (3, 0, 1, 6)]
    nlp = spacy.blank("en")
    nlp.vocab.set_vector("cat", numpy.ones(3, dtype="f"))
    return [nlp(text) for text in ("The cat and the other cats", "", "Unbelievable cat!")]


def initialized(name: str) -> Model[Any, Any]:
    fix_random_seed(0)
    model = MODELS[name]()
    model.initialize(X=sample(name))
    randomize(model, numpy.random.RandomState(0))
    return model


def gradients_for(model: Model[Any, Any], X: List[Any]) -> List[Any]:
    rng = numpy.random.RandomState(1)
    return [rng.standard_normal(Y.shape).astype("f") for Y in model.predict(X)]


def compute(model: Model[Any, Any], X: List[Any], dYs: Any) -> List[Any]:
    """Predictions, whole and in a `run`, and a step of training with its gradients."""
    results = [*model.predict(X), *run(model, X)[0]]
    Ys, backprop = model.begin_update(X)
    dXs = backprop([dY.copy() for dY in dYs])
    return [*results, *Ys, *dXs, *gradients(model).values()]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_keeps_to_the_module_of_its_arrays(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def module_of(array: Any) -> Any:
        return DeviceOps.xp if isinstance(array, DeviceArray) else numpy

    monkeypatch.setattr(numpy_engine, "get_array_module", module_of)
    # So that predictions are made in pieces.
    monkeypatch.setattr(characters_module, "MAX_CHARACTERS", 12)
    monkeypatch.setattr(types_module, "MAX_TYPES", 3)
    X, model = sample(name), initialized(name)
    dYs = gradients_for(model, X)
    with use_engine("numpy"):
        expected = compute(model, X, dYs)
        model = initialized(name)
        for node in model.walk():
            node.ops = DeviceOps()
            for param in node.param_names:
                node.set_param(param, to_device(node.get_param(param).copy()))
        found = compute(model, X if hasattr(X[0], "vocab") else to_device(X), to_device(dYs))
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert isinstance(one, DeviceArray)
        assert_allclose(to_host(one), other, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(
    not (has_cupy_gpu and has_torch_cuda_gpu), reason="needs a CUDA device, CuPy and torch"
)
@pytest.mark.parametrize("name", MODELS)
def test_a_gpu_gives_the_numbers_of_the_cpu(name: str) -> None:
    X, cpu = sample(name), initialized(name)
    dYs = gradients_for(cpu, X)
    expected = compute(cpu, X, dYs)
    with use_ops("cupy"):
        gpu = MODELS[name]().from_bytes(cpu.to_bytes())
    ops = CupyOps()
    on_gpu = X if hasattr(X[0], "vocab") else [ops.asarray(x) for x in X]
    found = compute(gpu, on_gpu, [ops.asarray(dY) for dY in dYs])
    assert len(parameters(gpu)) == len(parameters(cpu))
    for one, other in zip(found, expected):
        assert_allclose(ops.to_numpy(one), other, atol=1e-4)
