"""The project file, and the scripts behind its commands."""

import json
import shlex
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from thinc.api import fix_random_seed
from weasel.util import load_project_config

import spacy_rnn
from tests.programs import run_script

ROOT = Path(spacy_rnn.__file__).parent.parent
TEXTS = [
    ("a good thing", "GOOD"),
    ("something good", "GOOD"),
    ("a bad thing", "BAD"),
    ("something bad", "BAD"),
]


def script(name, *arguments):
    return run_script(f"scripts/{name}.py", *arguments)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory):
    """A pipeline that has learned the texts, one that says the opposite, and a test set."""
    root = tmp_path_factory.mktemp("pipelines")
    for name, swap in (("right", False), ("wrong", True)):
        fix_random_seed(0)
        nlp = spacy.blank("en")
        nlp.add_pipe("rnn_textcat")
        examples = [
            Example.from_dict(
                nlp.make_doc(text),
                {"cats": {c: float((c == label) != swap) for c in ("GOOD", "BAD")}},
            )
            for text, label in TEXTS
        ]
        optimizer = nlp.initialize(lambda examples=examples: examples)
        for _ in range(25):
            nlp.update(examples, sgd=optimizer)
        (root / name).mkdir()
        nlp.to_disk(root / name / "model-best")
    docs = DocBin(store_user_data=True)
    for text, label in TEXTS:
        doc = nlp.make_doc(text)
        doc.cats = {c: float(c == label) for c in ("GOOD", "BAD")}
        docs.add(doc)
    docs.to_disk(root / "test.spacy")
    (root / "right" / "time.json").write_text('{"seconds": 12.5}', encoding="utf8")
    return root


def test_the_project_file_is_valid_and_names_what_exists():
    config = load_project_config(ROOT)
    commands = {command["name"]: command for command in config["commands"]}
    assert set(config["workflows"]["all"]) <= set(commands)
    outputs = {output for command in commands.values() for output in command.get("outputs", [])}
    for name, command in commands.items():
        assert command["help"], name
        for dependency in command.get("deps", []):
            assert (ROOT / dependency).exists() or dependency in outputs, dependency
        for line in command["script"]:
            words = shlex.split(line)
            for word in words:
                if word.startswith(("scripts/", "configs/", "assets/")):
                    assert (ROOT / word).exists(), word


def test_each_cell_has_a_config():
    config = load_project_config(ROOT, overrides={"vars.cell": "gru"})
    train = next(command for command in config["commands"] if command["name"] == "train")
    assert "configs/textcat_gru.cfg" in train["script"][0]
    for cell in ("lstm", "gru", "elman"):
        assert (ROOT / "configs" / f"textcat_{cell}.cfg").exists()


def test_pipelines_are_compared(pipelines, tmp_path):
    result = script(
        "compare",
        pipelines / "test.spacy",
        f"right={pipelines / 'right' / 'model-best'}",
        f"wrong={pipelines / 'wrong' / 'model-best'}",
        "--output",
        tmp_path / "new" / "comparison.json",
    )
    assert result.returncode == 0, result.stdout + result.stderr
    models = json.loads((tmp_path / "new" / "comparison.json").read_text(encoding="utf8"))["models"]
    assert models["right"]["accuracy"] == models["right"]["macro_f"] == 1.0
    assert models["wrong"]["accuracy"] == models["wrong"]["macro_f"] == 0.0
    assert models["right"]["training_seconds"] == 12.5
    assert models["wrong"]["training_seconds"] is None
    size = sum(f.stat().st_size for f in (pipelines / "right/model-best").rglob("*") if f.is_file())
    assert models["right"]["megabytes"] == pytest.approx(size / 1e6)
    assert models["right"]["words_per_second"] > 0
    for column in ("Accuracy", "Macro-F1", "Words/s", "MB on disk", "Training"):
        assert column in result.stdout


def test_a_pipeline_that_is_not_there_cannot_be_compared(pipelines):
    result = script("compare", pipelines / "test.spacy", "none=nowhere")
    assert result.returncode == 1
    assert "nowhere" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_a_command_is_timed_if_it_succeeds(tmp_path, capfd):
    output = tmp_path / "new" / "time.json"
    result = script("timed", output, "--", "python", "-c", "print('done')")
    assert result.returncode == 0
    assert "done" in capfd.readouterr().out
    assert json.loads(output.read_text(encoding="utf8"))["seconds"] >= 0
    assert [path.name for path in output.parent.iterdir()] == ["time.json"]


def test_a_command_that_fails_leaves_no_time(tmp_path):
    output = tmp_path / "time.json"
    assert script("timed", output, "--", "python", "-c", "exit(3)").returncode == 3
    assert not output.exists()
    assert script("timed", output).returncode == 2


def test_texts_are_classified_on_the_command_line(pipelines):
    result = script("classify", pipelines / "right" / "model-best", "a good thing", "a bad thing")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["GOOD", "BAD"]
    assert lines[0].endswith("a good thing")


def test_a_package_that_is_not_installed_is_named():
    result = script("classify", "no_such_package", "text")
    assert result.returncode == 1
    assert "no_such_package" in result.stderr
    assert "Traceback" not in result.stderr
    assert script("classify", "no_such_package").returncode == 2


def test_installing_needs_a_wheel(tmp_path):
    result = script("install", tmp_path, tmp_path / "venv")
    assert result.returncode == 1
    assert "No wheel" in result.stdout
    assert not (tmp_path / "venv").exists()
