"""spaCy's own commands over our components, from a bare config to a packaged pipeline.

Two of them run as a user runs them, in a process of their own. The others run in this one, which
saves the two seconds that each process takes to start.
"""

import inspect
import json
import random
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy
import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin
from spacy.util import load_config, load_model
from thinc.api import Config, Model
from typer.testing import CliRunner

from spacy_rnn.models import HashEmbed, RNNEncoder, TextCatRNN
from spacy_rnn.pipeline.textcat import DEFAULT_MODEL
from spacy_rnn.pipeline.textcat_multilabel import DEFAULT_MULTILABEL_MODEL

BASE_CONFIG = """
[paths]
train = null
dev = null
raw_text = null
vectors = null
init_tok2vec = null

[nlp]
lang = "en"
pipeline = ["textcat"]

[components]

[components.textcat]
factory = "FACTORY"

[components.textcat.model]
@architectures = "spacy-rnn.TextCatRNN.v1"
exclusive_classes = EXCLUSIVE

[components.textcat.model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[components.textcat.model.tok2vec.embed]
@architectures = "spacy-rnn.HashEmbed.v1"
width = 16
attrs = ["NORM", "SHAPE"]
rows = [500, 50]

[components.textcat.model.tok2vec.encode]
@architectures = "spacy-rnn.RNNEncoder.v1"
cell = "lstm"
width = 16
depth = 1

[training]
max_steps = 40
eval_frequency = 20

[training.logger]
@loggers = "spacy.ConsoleLogger.v3"

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.02
"""
NOUNS = {"FOOD": ["soup", "bread", "cheese", "cake"], "FILM": ["plot", "actor", "scene", "ending"]}
ADJECTIVES = {"GOOD": ["great", "lovely", "superb"], "BAD": ["awful", "dull", "poor"]}
TEXTS = ["The soup was great .", "I found the ending awful .", "", "Poor cheese !"]


@dataclass(frozen=True)
class Work:
    """A folder with data, a filled config, and what a command has made of them."""

    path: Path
    factory: str

    @property
    def config(self) -> Path:
        return self.path / "config.cfg"

    @property
    def dev(self) -> Path:
        return self.path / "dev.spacy"

    @property
    def model(self) -> Path:
        return self.path / "training" / "model-last"

    @property
    def data(self) -> List[str]:
        """Overrides for the command line."""
        return ["--paths.train", str(self.path / "train.spacy"), "--paths.dev", str(self.dev)]


def run(*arguments: Any) -> str:
    """RETURNS (str): What the command printed, from within this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def run_process(*arguments: Any) -> str:
    """RETURNS (str): What the command printed, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "spacy", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def make_docs(n_docs: int, seed: int, exclusive: bool) -> List[Doc]:
    """Docs whose words tell their labels: GOOD or BAD, or any of GOOD and FOOD."""
    rng = random.Random(seed)
    nlp = spacy.blank("en")
    docs = []
    for _ in range(n_docs):
        topic, tone = rng.choice(list(NOUNS)), rng.choice(list(ADJECTIVES))
        noun, adjective = rng.choice(NOUNS[topic]), rng.choice(ADJECTIVES[tone])
        template = rng.choice(["The {} was {} .", "I found the {} {} .", "What a {} : {} !"])
        doc = nlp.make_doc(template.format(noun, adjective))
        is_good = float(tone == "GOOD")
        other = {"BAD": 1.0 - is_good} if exclusive else {"FOOD": float(topic == "FOOD")}
        doc.cats = {"GOOD": is_good, **other}
        docs.append(doc)
    return docs


def prepare(path: Path, factory: str) -> Work:
    """Write the data and the base config, and fill the config."""
    exclusive = factory == "rnn_textcat"
    for name, n_docs, seed in (("train", 120, 0), ("dev", 20, 1)):
        docs = make_docs(n_docs, seed, exclusive)
        DocBin(docs=docs, store_user_data=True).to_disk(path / f"{name}.spacy")
    text = BASE_CONFIG.replace("FACTORY", factory).replace("EXCLUSIVE", json.dumps(exclusive))
    (path / "base.cfg").write_text(text, encoding="utf8")
    work = Work(path, factory)
    run("init", "fill-config", path / "base.cfg", work.config)
    return work


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> Work:
    """Trained with the labels that `spacy init labels` wrote, by a process of its own."""
    work = prepare(tmp_path_factory.mktemp("single"), "rnn_textcat")
    run("init", "labels", work.config, work.path / "labels", *work.data)
    config = load_config(work.config, interpolate=False)
    reader = {"@readers": "spacy.read_labels.v1", "path": str(work.path / "labels/textcat.json")}
    config["initialize"]["components"] = {"textcat": {"labels": reader}}
    config.to_disk(work.path / "with_labels.cfg")
    train = ["train", work.path / "with_labels.cfg", "--output", work.path / "training"]
    (work.path / "train.log").write_text(run_process(*train, *work.data), encoding="utf8")
    return work


@pytest.fixture(scope="module")
def multi(tmp_path_factory) -> Work:
    work = prepare(tmp_path_factory.mktemp("multi"), "rnn_textcat_multilabel")
    run("train", work.config, "--output", work.path / "training", *work.data)
    return work


@pytest.fixture(params=["rnn_textcat", "rnn_textcat_multilabel"])
def work(request) -> Work:
    fixture = "single" if request.param == "rnn_textcat" else "multi"
    return request.getfixturevalue(fixture)


def arguments_of(function: Callable) -> List[str]:
    return list(inspect.signature(function).parameters)


def test_fill_config_adds_all_arguments_of_component_and_layers(work):
    component = load_config(work.config)["components"]["textcat"]
    settings = ["adversarial_norm", "class_weights", "factory", "label_smoothing"]
    assert sorted(component) == [*settings, "model", "scorer", "threshold"]
    model = component["model"]
    for block, function in (
        (model, TextCatRNN),
        (model["tok2vec"]["embed"], HashEmbed),
        (model["tok2vec"]["encode"], RNNEncoder),
    ):
        assert sorted(block) == sorted(["@architectures", *arguments_of(function)])
    assert model["tok2vec"]["encode"]["width"] == 16
    assert model["tok2vec"]["encode"]["bidirectional"] is True


@pytest.mark.parametrize(
    ("factory", "expected"),
    [("rnn_textcat", DEFAULT_MODEL), ("rnn_textcat_multilabel", DEFAULT_MULTILABEL_MODEL)],
)
def test_fill_config_of_a_bare_factory_writes_the_default_model(factory, expected, tmp_path):
    config = {"nlp": {"lang": "en", "pipeline": ["x"]}, "components": {"x": {"factory": factory}}}
    Config(config).to_disk(tmp_path / "base.cfg")
    run("init", "fill-config", tmp_path / "base.cfg", tmp_path / "config.cfg")
    model = load_config(tmp_path / "config.cfg")["components"]["x"]["model"]
    assert model["tok2vec"] == expected["tok2vec"]
    # The defaults leave out nothing that a config must say, but spaCy's own layers have some.
    assert {**model["linear_model"], **expected["linear_model"]} == model["linear_model"]
    assert {**model, **expected} == {**model, "linear_model": expected["linear_model"]}


def test_fill_config_leaves_a_filled_config_as_it_is(single, tmp_path):
    output = run("init", "fill-config", single.config, tmp_path / "again.cfg")
    assert "Nothing to auto-fill" in output
    assert (tmp_path / "again.cfg").read_text() == single.config.read_text()


def test_init_labels_writes_the_labels_that_training_uses(single):
    assert sorted(srsly.read_json(single.path / "labels/textcat.json")) == ["BAD", "GOOD"]
    assert sorted(load_model(single.model).get_pipe("textcat").labels) == ["BAD", "GOOD"]


def test_train_reports_a_falling_loss_and_a_rising_score(single):
    rows = re.findall(r"^ +\d+ +(\d+) +([\d.]+) +([\d.]+) +([\d.]+)", train_log(single), re.M)
    assert [int(step) for step, *_ in rows] == [0, 20, 40]
    # The loss is summed over the updates since the last row: one, then twenty, then twenty.
    losses = [float(loss) / n for (_, loss, *_), n in zip(rows, (1, 20, 20))]
    assert losses[0] > losses[1] > losses[2]
    assert float(rows[-1][-1]) == 1.0


def train_log(work: Work) -> str:
    return (work.path / "train.log").read_text(encoding="utf8")


def test_debug_config_shows_where_our_functions_come_from(single):
    output = run("debug", "config", single.config, "--show-functions", *single.data)
    for function, module in (
        ("spacy-rnn.TextCatRNN.v1", "spacy_rnn.models.textcat"),
        ("spacy-rnn.HashEmbed.v1", "spacy_rnn.models.embed"),
        ("spacy-rnn.RNNEncoder.v1", "spacy_rnn.models.encoder"),
    ):
        assert re.search(rf"Name +{function}\s+Module +{module}\s", output)


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("width", "15", "[spacy-rnn E001] width=15 is odd"),
        ("cell", "rnn", "[spacy-rnn E002] Unknown cell 'rnn'"),
        ("depth", "deep", "encode -> depth"),
    ],
)
def test_debug_config_names_the_setting_that_is_wrong(single, setting, value, complaint):
    option = f"--components.textcat.model.tok2vec.encode.{setting}"
    result = CliRunner().invoke(app, ["debug", "config", str(single.config), option, value])
    assert result.exit_code == 1
    assert complaint in result.output + str(result.exception)


def test_debug_data_reads_the_corpora(work):
    output = run("debug", "data", work.config, *work.data)
    assert "120 training docs" in output
    assert "20 evaluation docs" in output


def test_debug_model_shows_every_parameter_with_its_shape(single):
    output = run(
        "debug", "model", single.config, "textcat", "-P1", "-PAR", "-DIM", "-P3", *single.data
    )
    assert "model looks good" in output
    model = load_model(single.model).get_pipe("textcat").model
    names = [node.name for node in model.walk()]
    shown = re.findall(r"Layer \d+: model ID \d+:\s+'([^']+)'", output)
    assert [" ".join(name.split()) for name in shown] == names
    for expected in ("param Wx", "param Wh", "param E", "dim nO: 16"):
        assert expected in output


def test_evaluate_and_benchmark_accuracy_write_the_same_scores(single, tmp_path):
    for command in (["evaluate"], ["benchmark", "accuracy"]):
        run(*command, single.model, single.dev, "--output", tmp_path / f"{command[-1]}.json")
    scores, again = (
        srsly.read_json(tmp_path / f"{name}.json") for name in ("evaluate", "accuracy")
    )
    assert scores["cats_score"] == scores["cats_macro_f"] == 1.0
    assert sorted(scores["cats_f_per_type"]) == ["BAD", "GOOD"]
    del scores["speed"], again["speed"]
    assert scores == again


def test_find_threshold_prints_the_best_threshold(multi):
    output = run(
        "find-threshold", multi.model, multi.dev, "textcat", "threshold", "cats_macro_f", "-n", 5
    )
    rows = dict(re.findall(r"^([\d.]+) +([\d.]+)\s*$", output, re.M))
    assert list(rows) == ["0.0", "0.25", "0.5", "0.75", "1.0"]
    best, score = re.findall(
        r"Best threshold: ([\d.]+) with cats_macro_f value of (\d\.\d+)", output
    )[0]
    assert float(score) == 1.0
    assert 0.0 < float(best) < 1.0
    assert float(rows["0.0"]) < 1.0


def test_find_threshold_says_that_exclusive_classes_have_none(single):
    output = run(
        "find-threshold", single.model, single.dev, "textcat", "threshold", "cats_macro_f", "-n", 3
    )
    assert "All scores are identical" in output


def test_apply_writes_docs_with_the_scores_of_the_pipeline(work, tmp_path):
    srsly.write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in TEXTS])
    arguments = ["apply", work.model, tmp_path / "texts.jsonl", tmp_path / "docs.spacy"]
    if work.factory == "rnn_textcat":
        run_process(*arguments, "--batch-size", 3)
    else:
        run(*arguments)
    nlp = load_model(work.model)
    docs = list(DocBin().from_disk(tmp_path / "docs.spacy").get_docs(nlp.vocab))
    assert [doc.text for doc in docs] == TEXTS
    for doc in docs:
        assert doc.cats == pytest.approx(nlp(doc.text).cats, abs=1e-5)
    assert docs[0].cats["GOOD"] > 0.9
    assert docs[1].cats["GOOD"] < 0.1
    if work.factory == "rnn_textcat":
        assert all(sum(doc.cats.values()) == pytest.approx(1.0) for doc in docs)


def test_benchmark_speed_measures_words_per_second(single):
    output = run("benchmark", "speed", single.model, single.dev, "--batches", 30, "-w", 0, "-b", 4)
    mean, low, high = map(
        float, re.findall(r"Mean: ([\d.]+) words/s \(95% CI: ([-\d.]+) ([+\d.]+)\)", output)[0]
    )
    assert mean > 100.0
    assert low < 0.0 < high


def test_assemble_joins_sourced_components(single, multi, tmp_path):
    config = Config(
        {
            "nlp": {"lang": "en", "pipeline": ["tone", "topics"]},
            "components": {
                "tone": {"source": str(single.model), "component": "textcat"},
                "topics": {"source": str(multi.model), "component": "textcat"},
            },
        }
    )
    config.to_disk(tmp_path / "base.cfg")
    run("init", "fill-config", tmp_path / "base.cfg", tmp_path / "config.cfg")
    run("assemble", tmp_path / "config.cfg", tmp_path / "assembled")
    joined = load_model(tmp_path / "assembled")
    assert joined.pipe_names == ["tone", "topics"]
    for text in TEXTS:
        expected = {**load_model(single.model)(text).cats, **load_model(multi.model)(text).cats}
        assert joined(text).cats == pytest.approx(expected, abs=1e-5)


# spaCy leaves the files that it writes to the garbage collector.
@pytest.mark.filterwarnings(
    "ignore:.*unclosed file", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_package_requires_spacy_rnn(single, tmp_path):
    run("package", single.model, tmp_path, "--name", "tone", "--build", "none")
    (meta,) = tmp_path.glob("en_tone-*/meta.json")
    requirements = srsly.read_json(meta)["requirements"]
    assert any(re.match(r"spacy-rnn\b", requirement) for requirement in requirements)


def pretrain(work: Work, path: Path, objective: Dict[str, Any], vectors: Optional[Path]) -> Path:
    """RETURNS (Path): The weights after twenty epochs."""
    run("init", "fill-config", work.config, path / "pretrain.cfg", "--pretraining")
    config = load_config(path / "pretrain.cfg", interpolate=False)
    config["pretraining"].update(component="textcat", layer="tok2vec", max_epochs=20)
    config["pretraining"]["optimizer"]["learn_rate"] = 0.005
    config["pretraining"]["objective"] = objective
    config["paths"]["vectors"] = str(vectors) if vectors else None
    config.to_disk(path / "pretrain.cfg")
    texts = [" ".join(doc.text for doc in make_docs(4, seed, True)) for seed in range(20)]
    srsly.write_jsonl(path / "raw.jsonl", [{"text": text} for text in texts])
    raw = ["--paths.raw_text", path / "raw.jsonl"]
    run("pretrain", path / "pretrain.cfg", path / "weights", *raw, *work.data)
    # One row for each epoch, and one for the end. A single epoch depends on what it masks.
    *epochs, _ = [row["epoch_loss"] for row in srsly.read_jsonl(path / "weights" / "log.jsonl")]
    assert len(epochs) == 20
    assert sum(epochs[-3:]) < 0.95 * sum(epochs[:3])
    return path / "weights" / "model-last.bin"


def parameters(model: Model) -> List[numpy.ndarray]:
    return [node.get_param(name) for node in model.walk() for name in node.param_names]


CHARACTERS = {
    "@architectures": "spacy.PretrainCharacters.v1",
    "maxout_pieces": 2,
    "hidden_size": 16,
    "n_characters": 2,
}
VECTORS = {
    "@architectures": "spacy.PretrainVectors.v1",
    "maxout_pieces": 2,
    "hidden_size": 16,
    "loss": "cosine",
}


@pytest.mark.parametrize("objective", [CHARACTERS, VECTORS], ids=["characters", "vectors"])
def test_pretrained_weights_are_what_init_tok2vec_starts_from(single, tmp_path, objective):
    vectors = None
    if objective is VECTORS:
        vectors = tmp_path / "vectors"
        nlp = spacy.blank("en")
        for doc in make_docs(120, 0, True):
            for token in doc:
                nlp.vocab.set_vector(token.text, numpy.random.normal(size=8).astype("f"))
        nlp.to_disk(vectors)
    weights = pretrain(single, tmp_path, objective, vectors)
    run(
        *("init", "nlp", tmp_path / "pretrain.cfg", tmp_path / "initialized", *single.data),
        *("--paths.init_tok2vec", weights),
    )
    tok2vec = load_model(tmp_path / "initialized").get_pipe("textcat").model.get_ref("tok2vec")
    found = [param.copy() for param in parameters(tok2vec)]
    expected = parameters(tok2vec.from_bytes(weights.read_bytes()))
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        numpy.testing.assert_array_equal(a, b)
