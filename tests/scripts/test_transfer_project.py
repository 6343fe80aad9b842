"""The workflow `transfer`, from raw texts to a classifier, in a small setting."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from data_helpers import run as run_data
from weasel.util import load_project_config

import spacy_rnn

ROOT = Path(spacy_rnn.__file__).parent.parent
# What makes the trainings short, by config.
SHORT = {
    "lm_transfer": {"width = 320": "width = 16", "eval_frequency = 400": "eval_frequency = 5"},
    "textcat_transfer": {"width = 320": "width = 16"},
    "textcat_spacy": {
        "max_steps = 20000": "max_steps = 20",
        "eval_frequency = 200": "eval_frequency = 10",
    },
}
SETTINGS = {"lm_steps": 10, "transfer_steps": 100, "n_labels": 16, "transfer_name": "mine"}


def sentences(n: int) -> Any:
    things = ("film", "book", "meal")
    return [
        {
            "text": f"Number {i}: a {'good' if i % 2 else 'bad'} {things[i % 3]} .",
            "label": "GOOD" if i % 2 else "BAD",
        }
        for i in range(n)
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project without the step that fetches texts, and with texts of its own."""
    for folder in ("scripts", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    text = (ROOT / "project.yml").read_text(encoding="utf8")
    assert text.count("    - transfer-data\n") == 1
    (tmp_path / "project.yml").write_text(
        text.replace("    - transfer-data\n", ""), encoding="utf8"
    )
    for name, changes in SHORT.items():
        path = tmp_path / "configs" / f"{name}.cfg"
        config = path.read_text(encoding="utf8")
        for old, new in changes.items():
            assert old in config
            config = config.replace(old, new)
        path.write_text(config, encoding="utf8")
    srsly.write_jsonl(tmp_path / "raw.jsonl", sentences(600))
    srsly.write_jsonl(tmp_path / "labelled.jsonl", sentences(120))
    done = run_data("convert", tmp_path / "labelled.jsonl", tmp_path / "corpus" / "mine")
    assert done.exit_code == 0, done.output
    return tmp_path


def run_workflow(project: Path) -> str:
    overrides = [word for key, value in SETTINGS.items() for word in (f"--vars.{key}", str(value))]
    command = [sys.executable, "-m", "spacy", "project", "run", "transfer", str(project)]
    command += [*overrides, "--vars.transfer_raw", "raw.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_raw_texts_and_a_few_labels_become_a_classifier(project: Path) -> None:
    pytest.importorskip("matplotlib")
    printed = run_workflow(project)
    models = srsly.read_json(project / "metrics" / "transfer.json")["models"]
    assert list(models) == ["transfer", "scratch", "textcat"]
    for name in ("transfer", "scratch", "textcat"):
        assert re.search(rf"^{name} .*\d", printed, re.MULTILINE)
    assert (project / "metrics" / "transfer.png").stat().st_size > 10_000
    nlp = spacy.load(project / "training" / "transfer" / "rnn_textcat" / "model-best")
    assert set(nlp("A good film.").cats) == {"GOOD", "BAD"}
    for direction in ("forward", "backward"):
        lm: Any = spacy.load(project / "training" / f"lm_{direction}" / "model-best")
        assert lm.get_pipe("rnn_lm").info()["direction"] == direction
        log = srsly.read_jsonl(project / "training" / f"lm_{direction}" / "log.jsonl")
        assert [row["step"] for row in log] == [0, 5, 10]
    # A second time there is nothing to do.
    steps = load_project_config(project)["workflows"]["transfer"]
    assert run_workflow(project).count("nothing changed") == len(steps)


def test_the_steps_and_what_they_need_come_one_after_another() -> None:
    config = load_project_config(ROOT)
    commands = {command["name"]: command for command in config["commands"]}
    made = set()
    for step in config["workflows"]["transfer"]:
        for needed in commands[step]["deps"]:
            assert needed in made or needed.startswith(("configs/", "scripts/")), needed
        made |= set(commands[step]["outputs"])
