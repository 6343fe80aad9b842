"""Language models compute on CuPy's arrays as well; here on those of a stand-in for CuPy."""

from typing import Any, Dict, List

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from thinc.api import Model, NumpyOps, fix_random_seed

from spacy_rnn.layers import use_engine
from spacy_rnn.layers.engines import numpy_engine
from spacy_rnn.models.language_model import LanguageModel
from spacy_rnn.models.lm_parts import parts, set_vocabulary, vocabulary_of
from spacy_rnn.models.reading import shift, step, surprisals
from spacy_rnn.models.softmax import AdaptiveSoftmax, SampledSoftmax
from spacy_rnn.models.vocabulary import Vocabulary
from tests.layers.device import DeviceArray, DeviceModule, to_device, to_host

TEXTS = ["a b c d e f g", "b a", "", "g g g f e a b c d"]
SETTINGS: Dict[str, Any] = {
    "full": {},
    "adaptive": {"softmax": lambda: AdaptiveSoftmax([3, 5])},
    "narrow": {"softmax": lambda: AdaptiveSoftmax([3, 5], factor=2.0), "tied": False},
    "sampled": {"softmax": lambda: SampledSoftmax(4)},
    "dropout": {"embed_dropout": 0.3, "dropout": 0.3, "ar": 1.0, "tar": 1.0, "depth": 2},
    "qrnn": {"cell": "qrnn"},
}


class DeviceOps(NumpyOps):  # type: ignore[misc]
    """`CupyOps`, as far as language models need it."""

    xp = DeviceModule()  # type: ignore[assignment]

    def asarray(self, data: Any, dtype: Any = None) -> Any:
        return to_device(numpy.asarray(to_host(data), dtype=dtype))

    def asarray1i(self, data: Any, *, dtype: Any = "int32") -> Any:
        return self.asarray(data, dtype=dtype)

    def to_numpy(self, data: Any, *, byte_order: Any = None) -> Any:
        return to_host(data) if isinstance(data, numpy.ndarray) else numpy.asarray(data)

    def alloc2f(self, *shape: int, **_: Any) -> Any:
        return to_device(numpy.zeros(shape, dtype="float32"))

    def scatter_add(self, table: Any, indices: Any, values: Any) -> Any:
        assert isinstance(table, DeviceArray)
        numpy.add.at(to_host(table), to_host(indices), to_host(values))
        return table

    def get_dropout_mask(self, shape: Any, drop: Any) -> Any:
        kept = numpy.random.uniform(size=shape) >= drop
        return to_device((kept / (1.0 - drop)).astype("float32"))


def make(name: str, on_device: bool) -> Model:
    fix_random_seed(0)
    settings = {k: v() if callable(v) else v for k, v in SETTINGS[name].items()}
    model = LanguageModel(width=5, **settings)
    docs = [spacy.blank("en").tokenizer(text) for text in TEXTS]
    set_vocabulary(model, Vocabulary.learn("word", docs, min_freq=1))
    model.initialize()
    if on_device:
        for node in model.walk():
            node.ops = DeviceOps()
            for param in [p for p in node.param_names if node.has_param(p)]:
                node.set_param(param, to_device(node.get_param(param).copy()))
    return model


def compute(name: str, on_device: bool) -> List[Any]:
    """Surprisals, and a step of training with its gradients."""
    model = make(name, on_device)
    docs = [spacy.blank("en").tokenizer(text) for text in TEXTS]
    sequences = [vocabulary_of(model).encode(doc).ids for doc in docs]
    results = list(surprisals(model, sequences))
    if name == "dropout":
        return results
    inputs, targets, lengths = shift(model, sequences)
    weights = model.ops.asarray(numpy.full(len(targets), 0.1, dtype="float32"))
    fix_random_seed(1)
    found = step(model, inputs, targets, lengths, None, weights)
    results += [found.losses, *(found.state[0][key] for key in sorted(found.state[0]))]
    for node in model.walk():
        results += [node.get_grad(p) for p in node.param_names if node.has_grad(p)]
    return results


@pytest.mark.parametrize("name", SETTINGS)
def test_a_language_model_keeps_to_the_module_of_its_arrays(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def module_of(array: Any) -> Any:
        return DeviceOps.xp if isinstance(array, DeviceArray) else numpy

    monkeypatch.setattr(numpy_engine, "get_array_module", module_of)
    with use_engine("numpy"):
        on_host, on_device = compute(name, False), compute(name, True)
        assert len(on_host) == len(on_device)
        for expected, found in zip(on_host, on_device):
            assert isinstance(found, DeviceArray)
            assert_allclose(to_host(found), expected, atol=1e-5)
        if name == "dropout":  # whose masks are drawn otherwise there
            model = make(name, True)
            ids = [numpy.asarray([2, 3, 4], dtype="int32")]
            inputs, targets, lengths = shift(model, ids)
            weights = model.ops.asarray(numpy.ones(4, dtype="float32"))
            step(model, inputs, targets, lengths, None, weights)
            grad = parts(model).encoder.layers[0].get_grad("E")
            assert isinstance(grad, DeviceArray)
            assert numpy.isfinite(to_host(grad)).all()
