"""`python -m spacy rnn explain`, on small trained pipelines."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest
import spacy
from click.testing import Result
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import registry
from thinc.api import fix_random_seed
from typer.testing import CliRunner

DATA = [
    ("a good film", "GOOD"),
    ("good good people", "GOOD"),
    ("a bad film", "BAD"),
    ("bad bad people", "BAD"),
]
EMBED = {"width": 8, "rows": [50], "attrs": ["NORM"]}
MODEL = {
    "pooling": ["mean", "attention"],
    "tok2vec": {"embed": EMBED, "encode": {"width": 8}},
    "linear_model": {"length": 1024},
}


def train(*factories: str) -> Language:
    """RETURNS (Language): A pipeline with a text classifier of each factory, named as it is."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    for factory in factories:
        nlp.add_pipe(factory, config={"model": MODEL})
    examples = [
        Example.from_dict(
            nlp.make_doc(text), {"cats": {name: float(name == label) for name in ("GOOD", "BAD")}}
        )
        for text, label in DATA
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved pipelines: one, two (text classifiers), none."""
    path = tmp_path_factory.mktemp("pipelines")
    registry.cli.get_all()  # as spaCy does when its command line starts
    train("rnn_textcat").to_disk(path / "one")
    train("rnn_textcat", "rnn_textcat_multilabel").to_disk(path / "two")
    none = spacy.blank("en")
    none.add_pipe("sentencizer")
    none.to_disk(path / "none")
    return path


def invoke(*arguments: Any, stdin: Optional[str] = None) -> Result:
    return CliRunner().invoke(app, ["rnn", "explain", *map(str, arguments)], input=stdin)


def run(*arguments: Any, stdin: Optional[str] = None) -> str:
    """RETURNS (str): What the command has printed."""
    result = invoke(*arguments, stdin=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def records(*arguments: Any, stdin: Optional[str] = None) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in run(*arguments, "--json", stdin=stdin).splitlines()]


def test_it_lists_the_tokens_of_each_document(folder):
    printed = run(folder / "one", stdin="a good film\n\nbad people\n")
    first, second = printed.split("\n\n")
    head, *lines = first.splitlines()
    assert head.startswith("# line 1 of standard input: GOOD, score +")
    assert [line.split()[1] for line in lines] == ["a", "good", "film"]
    assert max(lines, key=lambda line: float(line.split()[0])).endswith("good")
    assert second.startswith("# line 3 of standard input: BAD, score +")


def test_json_has_what_the_component_says(folder):
    nlp = spacy.load(folder / "one")
    found = nlp.get_pipe("rnn_textcat").explain(nlp("a good film"), label="BAD", n_steps=50)
    (record,) = records(folder / "one", "--label", "BAD", "--n-steps", 50, stdin="a good film")
    assert list(record) == [
        *("source", "text", "label", "method", "tokens", "attributions", "score", "baseline"),
        "error",
    ]
    assert (record["source"], record["text"]) == ("line 1 of standard input", "a good film")
    assert (record["label"], record["method"]) == ("BAD", "integrated_gradients")
    assert record["tokens"] == found.tokens
    assert record["attributions"] == pytest.approx(found.attributions, abs=1e-3)
    assert record["score"] == pytest.approx(found.score, abs=1e-3)


def test_attention_is_shown(folder):
    (record,) = records(folder / "one", "--method", "attention", stdin="a good film")
    assert sum(record["attributions"]) == pytest.approx(1.0, abs=1e-3)
    assert record["baseline"] is None
    listing = run(folder / "one", "--method", "attention", stdin="a good film")
    assert "without" not in listing
    assert "+" not in listing.splitlines()[1]


def test_it_reads_files_of_several_kinds(folder, tmp_path):
    (tmp_path / "a.txt").write_text("a good film\nbad\n", encoding="utf8")
    (tmp_path / "b.jsonl").write_text('{"body": "good people"}\n', encoding="utf8")
    DocBin(docs=[spacy.blank("en")("so bad")]).to_disk(tmp_path / "c.spacy")
    found = records(folder / "one", tmp_path, "--text-key", "body")
    assert [record["text"] for record in found] == ["a good film", "bad", "good people", "so bad"]
    whole = records(folder / "one", tmp_path / "a.txt", "--per", "file")
    assert [record["text"] for record in whole] == ["a good film\nbad"]


def test_html_is_a_page_with_all_documents(folder, tmp_path):
    path = tmp_path / "page.html"
    result = invoke(folder / "one", "--html", path, stdin="a good film\nbad people\n")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "2 documents" in " ".join(result.stderr.split())
    html = path.read_text(encoding="utf8")
    assert html.count("<figure>") == 2
    assert "<b>line 1 of standard input</b>" in html


def test_of_several_classifiers_one_is_named(folder):
    arguments = (folder / "two", "--component", "rnn_textcat_multilabel", "--label", "GOOD")
    (record,) = records(*arguments, stdin="a good film")
    nlp = spacy.load(folder / "two")
    doc = nlp("a good film")
    found = nlp.get_pipe("rnn_textcat_multilabel").explain(doc, label="GOOD")
    assert record["score"] == pytest.approx(found.score, abs=1e-3)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["none"], "E055"),
        (["two"], "E056"),
        (["two", "-c", "parser"], "E057"),
        (["one", "--label", "NO_SUCH"], "E082"),
        (["one", "--method", "guess"], "E009"),
        (["one", "--n-steps", "3"], "E011"),
        (["one", "--json", "--html", "page.html"], "E058"),
        (["one", "--html", "no/such/page.html"], "E059"),
        (["one", "--html", "{}/one/config.cfg"], "E059"),
        (["one", "no_such.txt"], "E030"),
        (["no_such"], "E054"),
    ],
)
def test_errors_are_told_without_a_traceback(folder, arguments, code):
    model, *rest = arguments
    rest = [word.format(folder) for word in rest]
    result = invoke(folder / model, *rest, stdin="text")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert f"spacy-rnn {code}" in " ".join(result.stderr.split())


def test_input_without_text_is_refused_without_advice_on_a_setting_of_corpora(folder, tmp_path):
    (tmp_path / "empty.txt").write_text("\n", encoding="utf8")
    result = invoke(folder / "one", tmp_path / "empty.txt")
    assert result.exit_code == 1
    assert "spacy-rnn E037" in " ".join(result.stderr.split())
    assert "Check the path." in " ".join(result.stderr.split())
    assert "min_length" not in result.stderr


def test_messages_name_the_kind_of_component(folder):
    told = " ".join(invoke(folder / "none", stdin="text").stderr.split())
    assert "has no text classifier" in told
    assert "rnn_textcat or rnn_textcat_multilabel" in told


def test_help_names_the_options(folder):
    told = run("--help")
    for option in ("--label", "--method", "--json", "--html"):
        assert option in told
