"""The comparison of taggers: what is trained, that it is done once, and what the tables say."""

from pathlib import Path
from typing import Any, Dict, List

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.util import registry
from typer.testing import CliRunner

from benchmarks import tagging
from benchmarks.tagging import PLACES, app, do_run, key_of, read_runs, setup_digest, tagging_table
from benchmarks.tagging_systems import PARTS, SYSTEMS, make_config

MACHINE: Dict[str, Any] = {
    "cpu": "one",
    "cores": 2,
    "numpy_blas": [],
    "torch": "2",
    "blis_kernels": "generic",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three parts of a few invented sentences."""
    folder = tmp_path_factory.mktemp("porttinari")
    nlp = spacy.blank("pt")
    docs = []
    for name in ("Ana", "Rui", "Eva", "Ema"):
        doc = nlp.make_doc(f"{name} fala .")
        for token, tag in zip(doc, ("PROPN", "VERB", "PUNCT")):
            token.tag_ = token.pos_ = tag
            token.set_morph("Number=Sing" if tag == "VERB" else "")
        doc.ents = [doc.char_span(0, len(name), label="NAME")]
        docs.append(doc)
    for part in PARTS:
        DocBin(docs=docs).to_disk(folder / f"{part}.spacy")
    return folder


def result(system: str, seed: int = 0, upos: float = 0.9, setup: str = "") -> Dict[str, Any]:
    figures = {"pos_acc": upos, "morph_acc": 0.8, "ents_f": 0.7, "minutes": 2.0, "cpu_minutes": 1.5}
    about = {"system": system, "seed": seed, "setup": setup, "finished": "1"}
    return {**about, **figures}


@pytest.mark.parametrize("name", list(SYSTEMS))
def test_each_system_is_a_tagger_of_one_width_and_budget(name: str) -> None:
    config, ours = make_config(name), make_config("lstm")
    width = ours["components"]["tok2vec"]["model"]["encode"]["width"]
    tok2vec = registry.resolve({"model": config.interpolate()["components"]["tok2vec"]["model"]})
    assert tok2vec["model"].get_dim("nO") == width
    assert config["nlp"]["pipeline"] == ours["nlp"]["pipeline"]
    assert config["training"]["max_epochs"] == ours["training"]["max_epochs"] > 0
    spacy.util.load_model_from_config(config.interpolate())
    changed = {key for key in config if config[key] != ours[key]}
    if SYSTEMS[name].encode == {}:
        assert changed == ({"paths"} if SYSTEMS[name].pretrained else set())
    elif name != "spacy":
        assert changed == {"components"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spacy", "qrnn"])
def test_a_system_is_trained_and_scored(name: str, corpus: Path, tmp_path: Path) -> None:
    run = do_run(name, 3, corpus, tmp_path / "work", max_steps=2)
    assert key_of(run) == (name, 3)
    assert run["steps"] == 2
    for scores in (run, run["dev"]):
        for key in ("pos_acc", "morph_acc", "ents_f"):
            assert 0.0 <= scores[key] <= 1.0
        assert scores["words_per_second"] > 0
    assert run["mb"] > 0
    assert run["cpu_minutes"] > 0
    assert not (tmp_path / "work" / name / "3").exists()


def test_runs_are_done_once_and_fill_the_page(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: List[str] = []

    def fake(name: str, seed: int, *args: Any) -> Dict[str, Any]:
        done.append(f"{name} {seed}")
        return result(name, seed, setup=setup_digest(name, corpus, 0))

    monkeypatch.setattr(tagging, "do_run", fake)
    page = tmp_path / "page.md"
    page.write_text(
        "".join(f"<!-- {place} -->\n<!-- end of {place} -->\n" for place in PLACES), "utf8"
    )
    paths = {"corpus": corpus, "output": tmp_path / "m.json", "page": page}
    options = [word for key, path in paths.items() for word in (f"--{key}", str(path))]
    options += ["--kept", str(tmp_path / "kept.json"), "--systems", "lstm,spacy", "--seeds", "0,1"]
    dry = CliRunner().invoke(app, [*options, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert dry.output.count("to do") == 4
    assert not done
    for _ in range(2):
        run = CliRunner().invoke(app, options)
        assert run.exit_code == 0, run.output
        assert done == ["spacy 0", "lstm 0", "spacy 1", "lstm 1"]
    assert page.read_text("utf8").count("| 90.00") == 4
    kept = read_runs([tmp_path / "kept.json"], tmp_path / "nowhere")
    assert [key_of(run) for run in kept] == [("spacy", 0), ("spacy", 1), ("lstm", 0), ("lstm", 1)]
    CliRunner().invoke(app, [*options, "--fresh"])
    assert len(done) == 8


def test_the_tables_have_all_seeds_or_the_first() -> None:
    runs = [result("spacy"), result("lstm", upos=0.9), result("lstm", 1, upos=0.92)]
    both = tagging_table("tagging", runs, MACHINE)
    assert [row[-1] for row in both.rows] == ["2", "1"]
    assert both.rows[0][1] == "91.00 ± 1.41"
    each = tagging_table("encoders", runs, MACHINE)
    assert [row[1] for row in each.rows] == ["90.00", "90.00"]


def test_weights_that_are_not_there_are_told(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tagging, "PRETRAINED", tmp_path / "model-last.bin")
    options = ["--systems", "pretrained", "--corpus", str(corpus), "--dry-run"]
    run = CliRunner().invoke(app, options)
    assert run.exit_code == 1
    assert "spacy pretrain configs/tagger_rnn.cfg" in " ".join(run.output.split())


def test_a_missing_treebank_is_told(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["--corpus", str(tmp_path), "--dry-run"])
    assert run.exit_code == 1
    assert "scripts/treebank.py" in run.output
