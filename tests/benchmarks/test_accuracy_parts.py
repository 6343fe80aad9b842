"""The parts of the comparison by accuracy: samples, configs, scores."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import load_model_from_config
from spacy.vocab import Vocab
from thinc.api import Config

from benchmarks import accuracy_sets
from benchmarks.accuracy import plan
from benchmarks.accuracy_linear import find_ngrams, lower_tokens
from benchmarks.accuracy_score import score_labels
from benchmarks.accuracy_sets import (
    BUDGETS,
    FEW_BUDGET,
    TIME,
    DataSet,
    checksum,
    label_of,
    lengths_of,
    prepare,
    read_docs,
    sample,
)
from benchmarks.accuracy_systems import (
    CONFIGS,
    DEFAULT,
    SPACY,
    SYSTEMS,
    TFIDF,
    WITH_VECTORS,
    base_config,
    count_steps,
    make_config,
    missing_needs,
)

TRAINED = [name for name, system in SYSTEMS.items() if system.config]
PRESENT = [name for name in TRAINED if (CONFIGS / SYSTEMS[name].config).exists()]


def make_docs(labels: str) -> List[Doc]:
    """A doc of one more word for each letter, which is its label."""
    docs = []
    for i, label in enumerate(labels):
        doc = Doc(Vocab(), words=[f"word{i}"] * (i + 1))
        doc.cats = {one: float(one == label) for one in sorted(set(labels))}
        docs.append(doc)
    return docs


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for name, labels in (("mr", "AABBAB" * 4), ("sentences", "ABAB")):
        (tmp_path / name).mkdir()
        for part in ("train", "dev", "test"):
            DocBin(docs=make_docs(labels)).to_disk(tmp_path / name / f"{part}.spacy")
    return tmp_path


# Data sets


def test_a_sample_has_as_many_of_each_label() -> None:
    docs = make_docs("AAAAAAAAAABBBBBCCC")
    drawn = sample(docs, 9, seed=0)
    assert [label_of(doc) for doc in drawn] == list("ABCABCABC")
    assert len({doc.text for doc in drawn}) == 9
    assert [doc.text for doc in sample(docs, 9, seed=0)] == [doc.text for doc in drawn]
    assert [doc.text for doc in sample(docs, 9, seed=1)] != [doc.text for doc in drawn]
    # There are three of C only.
    assert [label_of(doc) for doc in sample(docs, 13, seed=0)].count("C") == 3
    assert len(sample(docs, 99, seed=0)) == len(docs)


def test_few_labels_are_a_sample_that_is_written_once(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy_sets, "FEW_DEV", 6)
    data = prepare(corpus, "mr", 4, 0, tmp_path / "work")
    assert [label_of(doc) for doc in read_docs(data.parts["train"])] == list("ABAB")
    assert len(read_docs(data.parts["dev"])) == 6
    assert data.parts["test"] == corpus / "mr" / "test.spacy"
    changed = data.parts["train"].stat().st_mtime_ns
    again = prepare(corpus, "mr", 4, 0, tmp_path / "work")
    assert again == data
    assert again.parts["train"].stat().st_mtime_ns == changed
    other = prepare(corpus, "mr", 4, 1, tmp_path / "work")
    assert other.parts["train"] != data.parts["train"]
    # Another corpus in the same place is another sample.
    (corpus / "mr" / "train.spacy").write_bytes((corpus / "sentences/train.spacy").read_bytes())
    assert prepare(corpus, "mr", 4, 0, tmp_path / "work").parts != data.parts


def test_all_labels_are_the_files_themselves(corpus: Path, tmp_path: Path) -> None:
    data = prepare(corpus, "mr", 0, 0, tmp_path / "work")
    assert data.parts == {p: corpus / "mr" / f"{p}.spacy" for p in ("train", "dev", "test")}
    assert not (tmp_path / "work").exists()


def test_the_texts_for_the_time_are_of_two_sets_and_repeated(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accuracy_sets, "TIME_TEXTS", 30)
    data = prepare(corpus, TIME, 0, 0, tmp_path / "work")
    found = [len(doc) for doc in read_docs(data.parts["train"])]
    assert found == [*range(1, 25), *range(1, 5), 1, 2]
    assert data.parts["dev"] == corpus / "mr" / "dev.spacy"


def test_lengths_are_those_of_the_docs(corpus: Path) -> None:
    assert lengths_of(corpus / "sentences" / "dev.spacy") == (1, 2, 3, 4)


def test_checksums_differ_by_content_and_by_name(tmp_path: Path) -> None:
    assert checksum(tmp_path / "none") == ""
    digests = []
    for name, content in (("a", b"1"), ("a", b"2"), ("b", b"2")):
        folder = tmp_path / f"{name}{content.decode()}"
        folder.mkdir()
        (folder / name).write_bytes(content)
        digests += [checksum(folder)]
    assert len(set(digests)) == 3
    assert checksum(tmp_path / "a2" / "a") == checksum(tmp_path / "b2" / "b")


# Systems


@pytest.mark.parametrize("name", PRESENT)
def test_each_config_makes_a_pipeline(name: str, corpus: Path, tmp_path: Path) -> None:
    if name == "textcat-torch":
        pytest.importorskip("torch")
    data = prepare(corpus, "mr", 0, 0, tmp_path / "work")
    config = make_config(SYSTEMS[name], data)
    training = config["training"]
    assert training["max_epochs"] == BUDGETS["mr"].epochs
    assert training["eval_frequency"] == max(1, training["max_steps"] // BUDGETS["mr"].evals)
    assert training["patience"] == BUDGETS["mr"].patience * training["eval_frequency"]
    # Paths may lead to what is not there.
    config["initialize"] = {}
    nlp = load_model_from_config(config, auto_fill=True, validate=True)
    assert nlp.pipe_names == ["textcat"]


def test_what_is_called_a_default_is_one() -> None:
    spacys: Dict[str, Any] = dict(base_config(SYSTEMS[SPACY])["components"]["textcat"])
    default = Language.get_factory_meta("textcat").default_config
    assert Config({"model": spacys["model"]}).to_str(interpolate=False) == (
        Config({"model": _ordered(default["model"], spacys["model"])}).to_str(interpolate=False)
    )
    ours = base_config(SYSTEMS[DEFAULT])["components"]["textcat"]
    assert ours == {
        "factory": "rnn_textcat",
        **Language.get_factory_meta("rnn_textcat").default_config,
    }


def test_a_default_is_found_before_any_pipeline_is_made() -> None:
    code = "from benchmarks.accuracy_systems import *; base_config(SYSTEMS[DEFAULT])"
    subprocess.run([sys.executable, "-c", code], cwd=CONFIGS.parent, check=True)


def _ordered(default: Any, like: Dict[str, Any]) -> Dict[str, Any]:
    """A default, with its variables filled in, in the order of another, and without an nO."""
    filled = Config({"model": default}).interpolate()["model"]

    def order(block: Dict[str, Any], other: Dict[str, Any]) -> Dict[str, Any]:
        assert set(block) | {"nO"} == set(other) | {"nO"}
        return {
            key: order(block[key], value) if isinstance(value, dict) else block.get(key)
            for key, value in other.items()
        }

    return order(filled, like)


def test_overrides_are_filled_in(corpus: Path, tmp_path: Path) -> None:
    data = prepare(corpus, "mr", 4, 0, tmp_path / "work")
    system = SYSTEMS["rnn-gru"]._replace(
        overrides={
            "components.textcat.model.tok2vec.encode.cell": "gru",
            "paths.init_tok2vec": "training/{set}-{labels}.bin",
            "training.accumulate_gradient": "{steps}",
        }
    )
    config = make_config(system, data, max_steps=7)
    assert config["components"]["textcat"]["model"]["tok2vec"]["encode"]["cell"] == "gru"
    assert config["paths"]["init_tok2vec"] == "training/mr-4.bin"
    assert config["training"]["accumulate_gradient"] == config["training"]["max_steps"] == 7
    assert config["training"]["max_epochs"] == FEW_BUDGET.epochs


def test_vectors_are_switched_on(corpus: Path, tmp_path: Path) -> None:
    config = make_config(SYSTEMS[WITH_VECTORS], prepare(corpus, "mr", 0, 0, tmp_path))
    assert config["components"]["textcat"]["model"]["tok2vec"]["embed"]["include_static_vectors"]
    assert config.interpolate()["initialize"]["vectors"] == "vectors/glove"


@pytest.mark.parametrize(
    ("batcher", "n_steps"),
    [
        ({"@batchers": "spacy.batch_by_sequence.v1", "size": 4}, 3 * 2),
        # 1 + 2 + 3, 4, 5, 6, 7 words; with a tolerance of a third no two of the longer ones fit.
        (
            {
                "@batchers": "spacy.batch_by_words.v1",
                "size": 6,
                "tolerance": 0.3,
                "discard_oversize": False,
            },
            2 * 5,
        ),
    ],
)
def test_steps_are_the_batches_of_the_epochs(batcher: Dict[str, Any], n_steps: int) -> None:
    lengths: Tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    epochs = 3 if "sequence" in batcher["@batchers"] else 2
    config = Config({"training": {"batcher": batcher}})
    assert count_steps(config, lengths, epochs) == n_steps


def test_what_is_missing_is_found(tmp_path: Path) -> None:
    needs = (str(tmp_path / "{set}"), str(tmp_path / "other-{labels}"))
    system = SYSTEMS[SPACY]._replace(needs=needs)
    (tmp_path / "mr").mkdir()
    assert missing_needs(system, "mr", 100) == [str(tmp_path / "other-100")]
    system = SYSTEMS[SPACY]._replace(config="no_such.cfg")
    assert missing_needs(system, "mr", 0) == [str(CONFIGS / "no_such.cfg")]


# Plans


def test_runs_are_planned_set_by_set_and_seed_by_seed() -> None:
    runs = plan(["mr", TIME], [TFIDF, SPACY, "rnn-gru", DEFAULT], [3, 4], 0, 0)
    assert [(run.data_set, run.name, run.seed) for run in runs] == [
        ("mr", TFIDF, 3),
        *(("mr", name, 3) for name in (SPACY, "rnn-gru", DEFAULT)),
        *(("mr", name, 4) for name in (SPACY, "rnn-gru", DEFAULT)),
        *((TIME, name, seed) for seed in (3, 4) for name in (SPACY, DEFAULT)),
    ]
    # With few labels the sample differs by the seed.
    few = plan(["mr", TIME], [TFIDF], [3, 4], 100, 0)
    assert [(run.data_set, run.seed) for run in few] == [("mr", 3), ("mr", 4)]


def test_systems_can_be_for_some_sets_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SYSTEMS, SPACY, SYSTEMS[SPACY]._replace(sets=("imdb",)))
    assert [run.data_set for run in plan(["mr", "imdb"], [SPACY], [0], 0, 0)] == ["imdb"]


# Scores and features


def test_scores_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truths, predicted = list("AABBCCCA"), list("ABBBCAAA")
    found = score_labels(truths, predicted)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truths, predicted))
    assert found["macro_f"] == pytest.approx(metrics.f1_score(truths, predicted, average="macro"))
    # A label that is named wrongly, and that no text has, is not counted by itself.
    assert score_labels("AB", "AD") == {"accuracy": 0.5, "macro_f": 0.5}


def test_words_are_lower_cased_and_paired() -> None:
    for vocab in (spacy.blank("en").vocab, Vocab()):
        doc = Doc(vocab, words=["Not", "GOOD", "\n", "."], spaces=[True, False, False, False])
        assert lower_tokens(doc) == ["not", "good", "."]
    assert find_ngrams(["not", "good", "."]) == ["not", "good", ".", "not good", "good ."]
    assert find_ngrams([]) == []


def test_each_set_has_a_budget_and_a_title() -> None:
    from benchmarks.accuracy_bars import SETS
    from benchmarks.accuracy_tables import TITLES

    assert list(TITLES) == list(BUDGETS) == [*SETS, TIME]
    assert isinstance(DataSet("mr", 0, 0, {}), tuple)
