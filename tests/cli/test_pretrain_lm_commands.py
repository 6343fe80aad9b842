"""`spacy pretrain` by language modelling, and the training that begins from its weights."""

from pathlib import Path
from typing import Any, Dict, List

import numpy
import pytest
import srsly
from spacy.util import load_config, load_model
from test_spacy_commands import Work, make_docs, prepare, run
from thinc.api import Model

import spacy_rnn

CONFIG = Path(spacy_rnn.__file__).parent.parent / "configs" / "textcat_pretrained.cfg"
OBJECTIVE = {"@architectures": "spacy-rnn.PretrainLM.v1", "max_size": 100}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    path = tmp_path_factory.mktemp("pretrain")
    texts = [" ".join(doc.text for doc in make_docs(4, seed, True)) for seed in range(20)]
    srsly.write_jsonl(path / "raw.jsonl", [{"text": text} for text in texts])
    return prepare(path, "rnn_textcat")


def fill(work: Work, path: Path, encode: Dict[str, Any]) -> Path:
    """RETURNS (Path): The config with what `--pretraining` adds, and the objective."""
    run("init", "fill-config", work.config, path / "pretrain.cfg", "--pretraining")
    config = load_config(path / "pretrain.cfg", interpolate=False)
    config["components"]["textcat"]["model"]["tok2vec"]["encode"].update(encode)
    config["pretraining"].update(component="textcat", layer="tok2vec", max_epochs=10)
    config["pretraining"]["optimizer"]["learn_rate"] = 0.01
    config["pretraining"]["batcher"]["size"] = 100
    config["pretraining"]["objective"] = OBJECTIVE
    config.to_disk(path / "pretrain.cfg")
    # A second time, for the arguments of the objective.
    run("init", "fill-config", path / "pretrain.cfg", path / "filled.cfg", "--pretraining")
    return path / "filled.cfg"


def losses_of(path: Path) -> List[float]:
    """RETURNS (List[float]): Of each epoch; the last row of the log is the last epoch's again."""
    return [row["epoch_loss"] for row in srsly.read_jsonl(path / "log.jsonl")][:-1]


def parameters(model: Model) -> List[numpy.ndarray]:
    return [node.get_param(name) for node in model.walk() for name in node.param_names]


@pytest.mark.parametrize("both", [False, True])
def test_training_begins_from_the_weights_that_language_modelling_has_made(
    both: bool, work: Work, tmp_path: Path
) -> None:
    config = fill(work, tmp_path, {"bidirectional": both})
    weights = tmp_path / "weights" / "model-last.bin"
    raw = ["--paths.raw_text", work.path / "raw.jsonl"]
    run("pretrain", config, tmp_path / "weights", *raw, *work.data)
    losses = losses_of(tmp_path / "weights")
    assert len(losses) == 10
    assert losses[-1] < 0.7 * losses[0]
    begin = ["--paths.init_tok2vec", weights]
    run("init", "nlp", config, tmp_path / "initialized", *raw, *work.data, *begin)
    tok2vec = load_model(tmp_path / "initialized").get_pipe("textcat").model.get_ref("tok2vec")
    found = [param.copy() for param in parameters(tok2vec)]
    run("init", "nlp", config, tmp_path / "new", *raw, *work.data)
    new = parameters(load_model(tmp_path / "new").get_pipe("textcat").model.get_ref("tok2vec"))
    expected = parameters(tok2vec.from_bytes(weights.read_bytes()))
    assert len(found) == len(expected) == len(new)
    for a, b in zip(found, expected):
        numpy.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(found, new))
    run("train", config, "--output", tmp_path / "training", *raw, *work.data, *begin)
    nlp = load_model(tmp_path / "training" / "model-last")
    assert nlp("The soup was superb .").cats["GOOD"] > 0.5


def test_pretraining_twice_gives_the_same_weights(work: Work, tmp_path: Path) -> None:
    config = fill(work, tmp_path, {})
    raw = ["--paths.raw_text", work.path / "raw.jsonl", "--pretraining.max_epochs", "2"]
    for name in ("first", "second"):
        run("pretrain", config, tmp_path / name, *raw, *work.data)
    first, second = (tmp_path / name / "model-last.bin" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_an_encoder_that_sees_its_target_stops_the_command(work: Work, tmp_path: Path) -> None:
    config = fill(work, tmp_path, {"depth": 2})
    raw = ["--paths.raw_text", work.path / "raw.jsonl"]
    with pytest.raises(ValueError, match="E100"):
        run("pretrain", config, tmp_path / "weights", *raw, *work.data)


def test_the_config_of_this_package_pretrains_and_trains(work: Work, tmp_path: Path) -> None:
    run("init", "fill-config", CONFIG, tmp_path / "filled.cfg", "--pretraining")
    filled, config = load_config(tmp_path / "filled.cfg"), load_config(CONFIG)
    assert filled["pretraining"] == config["pretraining"]
    assert filled["corpora"] == config["corpora"]
    data = [*work.data, "--paths.raw_text", work.path / "raw.jsonl"]
    weights = tmp_path / "weights"
    run("pretrain", CONFIG, weights, *data, "--pretraining.max_epochs", "3")
    losses = losses_of(weights)
    assert losses[-1] < losses[0]
    begin = ["--paths.init_tok2vec", weights / "model-last.bin", "--training.max_steps", "4"]
    run("train", CONFIG, "--output", tmp_path / "training", *data, *begin)
    assert set(load_model(tmp_path / "training" / "model-last")("Good").cats) == {"GOOD", "BAD"}
