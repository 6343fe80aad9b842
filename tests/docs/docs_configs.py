"""Try what a config snippet of the documentation describes.

There are two kinds, told apart by the snippet's first section:

- Sections of a pipeline ([nlp], [components.x], [training], [pretraining], [initialize], ...) are
  put over spaCy's defaults. A component without a `factory` or `source` is a part of
  `rnn_textcat`, or of the component that the pages' convention names by its own name. The
  pipeline is built, initialized, updated and applied.
- Any other block, such as [encode], is resolved by itself. A model is run forward and backward
  over a sample of what it takes; an initializer makes a matrix.
"""

import re
import warnings
from typing import Any, Callable, Dict, List

import numpy
import spacy
from spacy.language import Language
from spacy.schemas import ConfigSchemaPretrain, ConfigSchemaTraining
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.pretrain import create_pretraining_model
from spacy.util import load_model_from_config, registry
from thinc.api import Config, Model, get_current_ops
from thinc.types import Ragged

from spacy_rnn.pipeline.condition import VECTOR

PIPELINE_SECTIONS = (
    "paths",
    "system",
    "nlp",
    "components",
    "corpora",
    "training",
    "pretraining",
    "initialize",
)
DEFAULT_FACTORY = "rnn_textcat"
TEXTS = ["I loved every minute of it.", "A dull and clumsy film.", "", "Good!"]


def check_config(text: str) -> None:
    """Run a snippet, as its kind asks for."""
    config = Config().from_str(with_parents(text), interpolate=False)
    if next(iter(config)) in PIPELINE_SECTIONS:
        check_pipeline(config)
        return
    resolved = registry.resolve(config.interpolate())
    for name, block in config.items():
        check_block(name, block, resolved[name])


def with_parents(text: str) -> str:
    """RETURNS (str): The snippet with the empty sections that its own are parts of."""
    sections = re.findall(r"^\[(\w[\w.]*)\]", text, flags=re.M)
    parents = [name.rsplit(".", i)[0] for name in sections for i in range(name.count("."), 0, -1)]
    missing = [name for name in dict.fromkeys(parents) if name not in sections]
    return "".join(f"[{name}]\n\n" for name in missing) + text


def check_block(name: str, block: Dict[str, Any], value: Any) -> None:
    """Run what one block was resolved to."""
    kind = next((key for key in block if key.startswith("@")), "")
    ops = get_current_ops()
    if kind == "@initializers":
        assert value(ops, (6, 4)).shape == (6, 4)
    elif kind == "@layers":
        n_tokens = numpy.asarray([3, 0, 1], dtype="i")
        rows = numpy.random.normal(size=(4, value.maybe_get_dim("nI") or 12))
        Yr = run_model(value, Ragged(rows.astype("f"), n_tokens))
        assert Yr.dataXd.shape == (4, value.get_dim("nO"))
    elif kind == "@architectures" and name == "encode":
        sample = [numpy.random.normal(size=(n, 12)).astype("f") for n in (3, 0, 1)]
        Ys = run_model(value, sample)
        assert [Y.shape for Y in Ys] == [(len(X), value.get_dim("nO")) for X in sample]
    elif kind == "@architectures" and name in ("embed", "tok2vec"):
        docs = sample_docs()
        Ys = run_model(value, docs)
        assert [Y.shape for Y in Ys] == [(len(doc), value.get_dim("nO")) for doc in docs]
    elif kind == "@architectures" and name == "linear_model":
        docs = sample_docs()
        value.set_dim("nO", 2)
        assert run_model(value, docs).shape == (len(docs), 2)
    elif kind == "@architectures" and name == "model":
        docs = sample_docs()
        truths = numpy.eye(2, dtype="f")[[0, 1, 1, 0]]
        Y = run_model(value, docs, truths)
        assert Y.shape == (len(docs), value.get_dim("nO"))
    else:
        raise ValueError(f"No sample is known for [{name}] of kind '{kind}'")


def run_model(model: Model[Any, Any], X: Any, Y: Any = None) -> Any:
    """RETURNS: The output, after a pass forward and one backward."""
    model.initialize(X=X, Y=Y)
    output, backprop = model.begin_update(X)
    backprop(output)
    return model.predict(X)


def check_pipeline(config: Config) -> None:
    """Build, initialize, update and apply a pipeline; resolve its training blocks."""
    pretraining = config.pop("pretraining", None)
    nlp = load_model_from_config(_complete(config), auto_fill=True, validate=True)
    get_examples = _examples(nlp)
    if "init_from_lm" in str(nlp.config["initialize"]["after_init"]):
        # The language models of the snippet are the reader's.
        registry.resolve({"after_init": nlp.config["initialize"]["after_init"]})
        nlp.config["initialize"]["after_init"] = None
        warnings.filterwarnings("ignore", message=r".*W090")
    optimizer = nlp.initialize(get_examples)
    registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    training = nlp.config["training"]
    nlp.update(
        get_examples(),
        sgd=optimizer,
        exclude=training["frozen_components"],
        annotates=training["annotating_components"],
    )
    assert len(list(nlp.pipe(TEXTS))) == len(TEXTS)
    if pretraining is not None:
        _check_pretraining(nlp, pretraining)


def _complete(config: Config) -> Config:
    """The snippet over spaCy's defaults, with the parts that it leaves out."""
    components = config.get("components", {}) or {DEFAULT_FACTORY: {}}
    base = Config({"nlp": {"lang": "en", "pipeline": list(components)}, "components": {}})
    for name, block in components.items():
        if "factory" not in block and "source" not in block:
            factory = name if Language.has_factory(name) else DEFAULT_FACTORY
            defaults = Language.get_factory_meta(factory).default_config
            base["components"][name] = {"factory": factory, **defaults}
    merged = Config(Language.default_config).merge(base).merge(config)
    merged["corpora"] = config.get("corpora", merged["corpora"])
    return merged


def _check_pretraining(nlp: Language, block: Dict[str, Any]) -> None:
    defaults = Config().from_disk(spacy.language.DEFAULT_CONFIG_PRETRAIN_PATH, interpolate=False)
    config = Config(nlp.config).merge(defaults).merge({"pretraining": block}).interpolate()
    resolved = registry.resolve(config["pretraining"], schema=ConfigSchemaPretrain)
    model = create_pretraining_model(nlp, resolved)
    docs = [doc for doc in sample_docs() if len(doc)]
    prediction, backprop = model.begin_update(docs)
    backprop(model.attrs["loss"](model.ops, docs, prediction)[1])


def sample_docs() -> List[Doc]:
    """Docs of several lengths, of which one has no token, with a few word vectors."""
    nlp = spacy.blank("en")
    nlp.vocab.reset_vectors(shape=(2, 8))
    for word in ("good", "film"):
        nlp.vocab.set_vector(word, numpy.random.normal(size=8).astype("f"))
    return [nlp.make_doc(text) for text in TEXTS]


def _examples(nlp: Language) -> Callable[[], List[Example]]:
    """Examples annotated for any of the components that the pages use."""

    def get_examples() -> List[Example]:
        examples = []
        for i, text in enumerate(TEXTS):
            doc = nlp.make_doc(text)
            annotation = {
                "tags": ["X" if token.is_alpha else "Y" for token in doc],
                "cats": {"POSITIVE": float(i % 2 == 0), "NEGATIVE": float(i % 2 == 1)},
                "entities": ["O"] * (len(doc) - 1) + ["U-SIGN"] if len(doc) else [],
            }
            examples.append(Example.from_dict(doc, annotation))
            if Doc.has_extension("seq2seq"):
                examples[-1].reference._.seq2seq = text.upper()
                # For those that write by a vector.
                examples[-1].predicted.user_data[VECTOR] = numpy.ones(3, dtype="f")
        return examples

    return get_examples
