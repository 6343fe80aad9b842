"""What is installed: entry points, imports, configs, and the built distributions."""

import importlib
import inspect
import io
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from configparser import ConfigParser
from pathlib import Path

import numpy
import pytest
import spacy
from spacy import registry
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.training.pretrain import make_update
from thinc.api import Config, Ragged
from thinc.api import registry as thinc_registry

import spacy_rnn
from spacy_rnn.errors import Errors, Warnings

ROOT = Path(spacy_rnn.__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.cfg"))


TRAINING_GROUPS = (
    "spacy_readers",
    "spacy_batchers",
    "spacy_loggers",
    "spacy_callbacks",
    "thinc_optimizers",
    "thinc_schedules",
)


def entry_points():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf8")
    return [
        (group, *(part.strip() for part in line.split("=")))
        for group, lines in setup["options.entry_points"].items()
        for line in lines.strip().splitlines()
    ]


def load(target):
    module, name = target.split(":")
    return getattr(importlib.import_module(module), name)


def examples(nlp):
    rows = [("a good thing", "A"), ("a bad thing", "B"), ("", "A")] * 4
    found = [
        Example.from_dict(nlp.make_doc(text), {"cats": {c: float(c == label) for c in "AB"}})
        for text, label in rows
    ]
    for example in found:
        if "tagger" in nlp.pipe_names:
            tag_words(example.reference)
        if Doc.has_extension("seq2seq"):
            example.reference._.seq2seq = example.text.upper()
    return found


def tag_words(doc):
    """Give each word a part of speech and a number, and make a name of the last."""
    for token in doc:
        token.tag_ = token.pos_ = {"a": "DET", "thing": "NOUN"}.get(token.text, "ADJ")
        token.set_morph("Number=Sing" if token.pos_ == "NOUN" else "")
    if len(doc):
        doc.ents = [Span(doc, len(doc) - 1, len(doc), label="NAME")]


def run_layer(function):
    """Any layer or wrapper: built, initialized, run forward and backward."""
    if function.__name__ == "bidirectional":
        lstm = load("spacy_rnn.layers.lstm:LSTM")
        model = function(lstm(3, 4), lstm(3, 4))
    else:
        model = function(6, 4)
    model.initialize()
    X = Ragged(numpy.ones((5, 4), "f"), numpy.asarray([3, 2], "i"))
    Y, backprop = model.begin_update(X)
    assert Y.dataXd.shape == (5, 6)
    assert backprop(Y).dataXd.shape == (5, 4)


def run_architecture(function):
    docs = [spacy.blank("en")("some words"), spacy.blank("en")("more of them")]
    if function.__module__ == "spacy_rnn.models.softmax":
        run_softmax(function)
        return
    if function.__name__ == "PretrainLM":
        run_objective(function)
        return
    embed = load("spacy_rnn.models.embed:HashEmbed")
    language_model = load("spacy_rnn.models.language_model:LanguageModel")
    arguments = {
        "LanguageModel": ("char",),
        "RNNEncoder": ("lstm", 6, 1),
        "ConvRNNEncoder": ("lstm", 6, 1, 1, 1),
        "HashEmbed": (6, ["NORM"], [50], False),
        "CharEmbed": (6, "lstm"),
        "TextCatRNN": (embed(6, ["NORM"], [50], False), True),
        "TextCatEnsemble": [
            load("spacy_rnn.models.textcat:TextCatRNN")(embed(6, ["NORM"], [50], False), True)
            for _ in range(2)
        ],
        "NgramLinear": (True,),
        "LatentNgrams": (),
        "Seq2Seq": (),
        "Seq2SeqEnsemble": [load("spacy_rnn.models.seq2seq:Seq2Seq")() for _ in range(2)],
        "LanguageModelTok2Vec": (language_model("char", width=3),),
    }
    model = function(*arguments[function.__name__])
    if function.__name__.startswith("Seq2Seq"):
        run_seq2seq(model)
        return
    is_encoder = function.__name__ in ("RNNEncoder", "ConvRNNEncoder")
    X = [numpy.ones((2, 4), "f")] if is_encoder else docs
    has_labels = function.__name__.startswith(("TextCat", "Ngram", "Latent"))
    model.initialize(X=X, Y=numpy.zeros((2, 2), "f") if has_labels else None)
    for node in model.walk():
        if "has_language_model" in node.attrs:
            node.attrs["has_language_model"] = True  # or training it would warn
    Y, backprop = model.begin_update(X)
    assert len(Y) == len(X)
    backprop(Y)


def run_seq2seq(model):
    load("spacy_rnn.models.seq2seq:set_n_units")(model, 5, 4)
    model.initialize()
    X = [numpy.asarray([2, 3], "i")], [numpy.asarray([3, 0], "i")]
    losses, backprop = model.begin_update(X)
    assert losses.shape == (1,)
    backprop(losses)


def run_softmax(function):
    model = function([2]) if function.__name__ == "AdaptiveSoftmax" else function()
    model.set_dim("nO", 5)
    model.set_dim("nI", 3)
    model.initialize()
    losses, backprop = model.begin_update((numpy.ones((2, 3), "f"), numpy.asarray([0, 4], "i")))
    assert losses.shape == (2,)
    assert backprop(losses)[0].shape == (2, 3)


def run_objective(function):
    """Of `spacy pretrain`: a step of its loop."""
    nlp = spacy.blank("en")
    docs = [nlp("some words"), nlp("more of them")]
    model = function()(nlp.vocab, load("spacy_rnn.models.embed:HashEmbed")(6, ["NORM"], [50]))
    model.initialize(X=docs)
    assert make_update(model, docs, thinc_registry.optimizers.get("Adam.v1")(), model.attrs["loss"])


def run_factory(name):
    nlp = spacy.blank("en")
    nlp.add_pipe(name)
    optimizer = nlp.initialize(lambda: examples(nlp))
    losses = nlp.update(examples(nlp), sgd=optimizer)
    assert losses[name] > 0
    check_annotation(nlp, nlp("a good thing"))


def check_annotation(nlp, doc):
    """A language model has written surprisals, a classifier scores of the labels, a sequence to
    sequence model a text, a tagger tags."""
    if any(name.endswith("rnn_lm") for name in nlp.pipe_names):
        assert doc._.surprisal > 0
    elif "rnn_seq2seq" in nlp.pipe_names:
        assert isinstance(doc._.seq2seq, str)
    elif "tagger" in nlp.pipe_names:
        assert all(token.tag_ and token.pos_ for token in doc)
        assert doc.has_annotation("MORPH")
        assert doc.has_annotation("ENT_IOB")
    else:
        assert set(doc.cats) == {"A", "B"}


def run_callback(function):
    """What [initialize] or [training] calls with a pipeline."""
    nlp = spacy.blank("en")
    textcat = nlp.add_pipe("rnn_textcat", name="textcat")
    nlp.initialize(lambda: examples(nlp))
    if function.__name__ == "gradual_unfreezing":
        callback = function(unit="step")
        for step, is_frozen in ((0, True), (9, False)):
            callback(nlp, {"step": step, "epoch": 0})
            frozen = [node for node in textcat.model.walk() if "frozen" in node.attrs]
            assert bool(frozen) == is_frozen
    elif function.__name__ == "init_from_lm":
        with pytest.raises(ValueError, match="E096"):
            function(forward="training/lm/model-best")(nlp)
    else:
        pytest.fail(f"no test runs the callback {function.__name__}")


def run_training_part(group, function, tmp_path):
    """What a block of [training] or [corpora] names, on a small sample."""
    nlp = spacy.blank("en")
    if function.__name__ == "PairCorpus":
        line = '{"text": "a", "target": "b"}'
        (tmp_path / "pairs.jsonl").write_text(line, encoding="utf8")
        assert [eg.reference._.seq2seq for eg in function(tmp_path)(nlp)] == ["b"]
    elif group == "spacy_readers":
        (tmp_path / "texts.txt").write_text("a text\nanother one\n", encoding="utf8")
        assert [eg.reference.text for eg in function(tmp_path)(nlp)] == ["a text", "another one"]
    elif group == "spacy_batchers":
        windows = [window for batch in function(2, 2)(examples(nlp)) for window in batch]
        assert sum(map(len, windows)) == sum(map(len, examples(nlp)))
    elif group == "spacy_loggers":
        nlp.add_pipe("rnn_lm")
        log, finish = function()(nlp, io.StringIO(), io.StringIO())
        log(None)
        finish()
    elif group == "spacy_callbacks":
        run_callback(function)
    elif group == "thinc_schedules":
        rates = function(0.1, 10)
        assert 0.0 < next(rates) < next(rates) == 0.1
    else:
        layer = spacy_rnn.layers.LSTM(2, 2)
        layer.initialize()
        before = layer.get_param("Wx").copy()
        layer.inc_grad("Wx", numpy.ones_like(before))
        layer.finish_update(function(0.1))
        assert (layer.get_param("Wx") < before).all()


@pytest.mark.parametrize(("group", "name", "target"), entry_points())
def test_every_entry_point_is_registered_and_runs(group, name, target, tmp_path):
    function = load(target)
    if group == "spacy_factories":
        assert Language.get_factory_meta(name).factory == name
        run_factory(name)
    elif group == "spacy_architectures":
        assert registry.get("architectures", name) is function
        run_architecture(function)
    elif group == "thinc_layers":
        assert thinc_registry.layers.get(name) is function
        run_layer(function)
    elif group == "thinc_initializers":
        assert thinc_registry.initializers.get(name) is function
        assert function()(spacy_rnn.layers.LSTM().ops, (3, 3)).shape == (3, 3)
    elif group == "spacy_scorers":
        assert registry.scorers.get(name) is function
        assert not any(function()([]).values())
    elif group == "spacy_cli":
        names = {command.name for command in function.registered_commands}
        assert names >= {"calibrate", "ensemble", "generate", "info"}
    elif group in TRAINING_GROUPS:
        assert getattr(registry, group.split("_")[1]).get(name) is function
        run_training_part(group, function, tmp_path)
    else:
        pytest.fail(f"no test runs entry points of the group {group}")


def test_names_of_registered_functions_begin_with_the_packages_name():
    for group, name, _ in entry_points():
        expected = {"spacy_factories": "rnn_", "spacy_cli": "spacy-rnn"}
        assert name.startswith(expected.get(group, "spacy-rnn."))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_is_complete_and_trains(path):
    config = Config().from_disk(path, interpolate=False)
    nlp = spacy.util.load_model_from_config(config, auto_fill=False, validate=True)
    filled = spacy.util.load_model_from_config(config, auto_fill=True, validate=True)
    if path.name == "textcat_transfer.cfg":
        # There is no language model here to begin from.
        nlp.config["initialize"]["after_init"] = None
        nlp.get_pipe("textcat").model.get_ref("tok2vec").attrs["has_warned"] = True
    for section in ("components", "training", "nlp", "corpora", "initialize"):
        assert filled.config[section] == config[section], "spacy init fill-config adds to it"
    if path.name == "textcat_latent.cfg":
        nlp.config["paths"]["raw_text"] = str(ROOT / "assets" / "sentiment_sentences.jsonl")
    optimizer = nlp.initialize(lambda: examples(nlp))
    losses = nlp.update(examples(nlp), sgd=optimizer, drop=0.1)
    # A shared tok2vec has no loss of its own, and no gradient yet: output layers begin with zeros.
    assert all(loss > 0 for name, loss in losses.items() if name != "tok2vec")
    assert set(losses) == set(nlp.pipe_names)
    check_annotation(nlp, nlp("a good thing"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_has_comments(path):
    if path.name != "textcat_spacy.cfg":
        lines = path.read_text(encoding="utf8").splitlines()
        assert sum(line.startswith("#") for line in lines) >= 10
    assert path.read_text(encoding="utf8").startswith("#")


@pytest.mark.parametrize(("messages", "letter"), [(Errors, "E"), (Warnings, "W")])
def test_codes_are_in_the_messages_in_order_and_used(messages, letter):
    codes = [name for name in vars(messages) if name.startswith(letter)]
    # Rising, with room in the tens for what belongs together.
    assert codes == sorted(set(codes))
    source = "".join(path.read_text(encoding="utf8") for path in ROOT.glob("spacy_rnn/**/*.py"))
    for code in codes:
        assert getattr(messages, code).startswith(f"[spacy-rnn {code}] ")
        assert f"{messages.__name__}.{code}" in source, code


def test_public_functions_have_docstrings():
    for path in ROOT.glob("spacy_rnn/**/*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = importlib.import_module(".".join(p for p in parts if p != "__init__"))
        assert module.__doc__ or path.name == "about.py", path
        for name, member in inspect.getmembers(module, inspect.isfunction):
            own = member.__module__ == module.__name__
            plumbing = name.startswith("_") or name in ("forward", "init")
            assert not own or plumbing or member.__doc__, f"{module.__name__}.{name}"


def python(code, **env):
    """Run code in a new interpreter and return what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_entry_points_import_neither_torch_nor_numba():
    targets = [target.split(":")[0] for _, _, target in entry_points()]
    code = (
        "import sys, importlib, spacy; before = set(sys.modules)\n"
        f"for name in {targets!r}: importlib.import_module(name)\n"
        "new = set(sys.modules) - before\n"
        "heavy = {'torch', 'numba', 'matplotlib', 'sklearn'}\n"
        "print(sorted({name.split('.')[0] for name in new} & heavy))"
    )
    # Thinc itself imports torch if it is installed; so look at what comes after spaCy.
    assert python(code) == "[]"


def test_numba_is_imported_when_a_network_runs_and_not_before():
    code = (
        "import sys, spacy\n"
        "def is_there(): return [name in sys.modules for name in ('numba', 'llvmlite')]\n"
        "nlp = spacy.blank('en')\n"
        "print(is_there())\n"
        "nlp.add_pipe('rnn_textcat')\n"
        "import spacy_rnn.layers, spacy_rnn.models\n"
        "print(is_there())\n"
        "from spacy.training import Example\n"
        "docs = [nlp.make_doc('a good thing'), nlp.make_doc('bad')]\n"
        "egs = [Example.from_dict(doc, {'cats': {'A': a, 'B': 1 - a}})"
        " for doc, a in zip(docs, (1.0, 0.0))]\n"
        "nlp.initialize(lambda: egs)\n"
        "nlp('some words')\n"
        "print(is_there())\n"
    )
    assert python(code).splitlines() == ["[False, False]", "[False, False]", "[True, True]"]


@pytest.mark.parametrize("missing", [["torch"], ["numba"], ["torch", "numba", "llvmlite"]])
def test_it_works_where_an_extra_is_not_installed(missing, tmp_path):
    blocker = (
        "import sys\n"
        "class Without:\n"
        "    def __init__(self, finder): self.finder = finder\n"
        "    def __getattr__(self, name): return getattr(self.finder, name)\n"
        "    def find_spec(self, name, *args):\n"
        f"        is_missing = name.split('.')[0] in {missing!r}\n"
        "        return None if is_missing else self.finder.find_spec(name, *args)\n"
        "sys.meta_path[:] = map(Without, sys.meta_path)\n"
    )
    code = (
        "import spacy\n"
        "from spacy.training import Example\n"
        "nlp = spacy.blank('en'); nlp.add_pipe('rnn_textcat')\n"
        "egs = [Example.from_dict(nlp.make_doc(t), {'cats': {'A': a, 'B': 1 - a}})"
        " for t, a in (('good', 1.0), ('bad', 0.0))]\n"
        "sgd = nlp.initialize(lambda: egs); nlp.update(egs, sgd=sgd)\n"
        f"nlp.to_disk({str(tmp_path)!r}); print(sorted(spacy.load({str(tmp_path)!r})('x').cats))\n"
        f"import sys; print(sorted({{*{missing!r}}} & set(sys.modules)))"
    )
    assert python(blocker + code).splitlines() == ["['A', 'B']", "[]"]


@pytest.mark.slow
def test_importing_spacy_costs_little_more(tmp_path):
    """A ratio of medians, as times themselves are noise. The commands are loaded by
    `python -m spacy` alone, beside spaCy's."""
    modules = [target.split(":")[0] for group, _, target in entry_points() if group != "spacy_cli"]
    code = (
        "import sys, time, importlib, spacy\n"
        "start = time.perf_counter()\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "print(time.perf_counter() - start)"
    )
    ours = sorted(float(python(code)) for _ in range(9))[4]
    whole = sorted(
        float(
            python(
                "import time; s = time.perf_counter(); import spacy; print(time.perf_counter() - s)"
            )
        )
        for _ in range(5)
    )[2]
    assert ours < whole / 4, f"spaCy {whole:.3f} s, the entry points {ours:.3f} s more"


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """The wheel and the sdist, built from a copy of the files that git knows."""
    output = tmp_path_factory.mktemp("dist")
    result = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(output), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return next(output.glob("*.whl")), next(output.glob("*.tar.gz"))


def test_the_distributions_hold_the_package_and_nothing_else(distributions):
    wheel, sdist = distributions
    modules = {str(path.relative_to(ROOT)) for path in ROOT.glob("spacy_rnn/**/*.py")}
    modules.add("spacy_rnn/py.typed")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = {name.split("/")[-1] for name in archive.namelist() if ".dist-info/" in name}
    assert names == modules
    assert {"METADATA", "entry_points.txt", "LICENSE"} <= metadata
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    files = {n for n in names if not n.startswith("spacy_rnn.egg-info") and "." in n.split("/")[-1]}
    assert files == modules | {"README.md", "setup.cfg", "pyproject.toml", "MANIFEST.in"}
    assert "LICENSE" in names


@pytest.mark.slow
def test_the_wheel_trains_in_a_clean_environment(distributions, tmp_path):
    wheel, _ = distributions
    venv.create(tmp_path / "venv", with_pip=True)
    interpreter = str(tmp_path / "venv" / "bin" / "python")
    install = [interpreter, "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        "import importlib.util, spacy, spacy_rnn\n"
        "from spacy.training import Example\n"
        "assert not any(map(importlib.util.find_spec, ('torch', 'numba')))\n"
        f"assert spacy_rnn.__file__.startswith({str(tmp_path)!r})\n"
        "nlp = spacy.blank('en'); nlp.add_pipe('rnn_textcat')\n"
        "egs = [Example.from_dict(nlp.make_doc(t), {'cats': {'A': a, 'B': 1 - a}})"
        " for t, a in (('good', 1.0), ('bad', 0.0))]\n"
        "sgd = nlp.initialize(lambda: egs)\n"
        "print(nlp.update(egs, sgd=sgd)['rnn_textcat'])"
    )
    result = subprocess.run(
        [interpreter, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) == pytest.approx(numpy.log(2), rel=1e-3)
