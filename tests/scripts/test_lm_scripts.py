"""The scripts behind the project's commands for language models."""

import json
from pathlib import Path
from typing import Any, List

import pytest
import spacy
import srsly
from datalib.sotu import plain_text, read_addresses, split_addresses
from datalib.splitting import part_by_place
from spacy.training import Example
from thinc.api import fix_random_seed

import spacy_rnn
from tests.programs import Ended, run_script

ROOT = Path(spacy_rnn.__file__).parent.parent
TEXTS = [f"the {noun} saw the {other} ." for noun in ("cat", "dog") for other in ("mat", "hat")] * 5


def script(name: str, *arguments: Any) -> Ended:
    return run_script(f"scripts/{name}.py", *arguments)


def texts_of(path: Path) -> List[str]:
    return [record["text"] for record in srsly.read_jsonl(path)]


def test_texts_are_split_as_the_addresses_are(tmp_path: Path) -> None:
    done = script("texts", ROOT / "assets" / "sotu.jsonl.bz2", tmp_path)
    assert done.returncode == 0, done.stderr
    parts = split_addresses(read_addresses())
    for part, addresses in parts.items():
        found = [" ".join(text.split()) for text in texts_of(tmp_path / f"{part}.jsonl")]
        assert found == [plain_text(address) for address in addresses]


def test_each_text_is_in_one_part_and_some_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("".join(f"text {i}\n" for i in range(40)), encoding="utf8")
    assert script("texts", tmp_path / "raw.txt", tmp_path / "all").returncode == 0
    parts = [texts_of(tmp_path / "all" / f"{part}.jsonl") for part in ("train", "dev", "test")]
    assert [len(part) for part in parts] == [32, 4, 4]
    assert parts[2] == ["text 9", "text 19", "text 29", "text 39"]
    assert sorted(text for part in parts for text in part) == sorted(f"text {i}" for i in range(40))
    assert script("texts", tmp_path / "raw.txt", tmp_path / "few", "--every", 4).returncode == 0
    assert texts_of(tmp_path / "few" / "train.jsonl") == parts[0][::4]
    assert not list(tmp_path.glob("**/*.tmp"))


@pytest.mark.parametrize("content", [None, "one\ntwo\n", b"\xff\xfe"])
def test_texts_that_cannot_be_split_are_told(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "raw.txt"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = script("texts", path, tmp_path / "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout


def test_the_places_of_the_parts() -> None:
    parts = [part_by_place(place) for place in range(100)]
    assert [parts.count(part) for part in ("train", "dev", "test")] == [81, 9, 10]
    assert parts[9] == parts[19] == "test"
    assert parts[5] == "dev"


@pytest.fixture(scope="module")
def lm(tmp_path_factory: Any) -> Path:
    """A small language model, and a corpus."""
    path = tmp_path_factory.mktemp("lm")
    fix_random_seed(0)
    nlp = spacy.blank("en")
    settings = {"model": {"width": 32, "condition": "cats"}}
    nlp.add_pipe("rnn_lm", config=settings)
    examples = []
    for text in TEXTS:
        doc = nlp.make_doc(text)
        doc.cats = {"CAT": float("cat" in text), "DOG": float("dog" in text)}
        examples.append(Example(nlp.make_doc(text), doc))
    sgd = nlp.initialize(lambda: examples)
    sgd.learn_rate = 0.02
    for _ in range(40):
        nlp.update(examples, sgd=sgd)
    nlp.to_disk(path / "model")
    for part in ("train", "test"):
        srsly.write_jsonl(path / f"{part}.jsonl", [{"text": text} for text in TEXTS])
    return path


def test_the_report_has_scores_texts_and_a_page(lm: Path, tmp_path: Path) -> None:
    done = script("lm_report", lm / "model", lm, "--output", tmp_path, "--prompt", "the", "--n", 2)
    assert done.returncode == 0, done.stderr
    scores = srsly.read_json(tmp_path / "scores.json")
    assert 1.0 < scores["rnn_lm"]["perplexity"] < 2.5
    assert 1.0 < scores["n-grams"]["perplexity"] < 2.5
    assert f"{scores['rnn_lm']['perplexity']:.2f}" in done.stdout
    texts = (tmp_path / "texts.txt").read_text(encoding="utf8").splitlines()
    assert len(texts) == 2
    assert all(text.startswith("the") and text in done.stdout for text in texts)
    page = (tmp_path / "surprisal.html").read_text(encoding="utf8")
    assert page.count('class="token"') == len(TEXTS[0].split())


def test_the_report_of_labels_counts_what_the_classifier_says(lm: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    textcat: Any = nlp.add_pipe("rnn_textcat")
    cats = [{"CAT": float("cat" in text), "DOG": float("dog" in text)} for text in TEXTS]
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": one}) for text, one in zip(TEXTS, cats)
    ]
    sgd = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=sgd)
    assert textcat.labels == ("CAT", "DOG")
    nlp.to_disk(tmp_path / "textcat")
    arguments = (lm / "model", tmp_path / "textcat", "--output", tmp_path / "out", "--n", 20)
    done = script("lm_labels", *arguments)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf8"))
    assert min(scores.values()) > 0.8
    records = list(srsly.read_jsonl(tmp_path / "out" / "texts.jsonl"))
    assert len(records) == 40
    for label in ("CAT", "DOG"):
        right = [one["found"] == label for one in records if one["label"] == label]
        assert scores[label] == pytest.approx(sum(right) / 20)


@pytest.mark.parametrize("name", ["lm_report", "lm_labels"])
def test_a_pipeline_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    done = script(name, tmp_path / "none", tmp_path, "--output", tmp_path / "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
