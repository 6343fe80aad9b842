"""`python -m spacy rnn gradients`, on small pipelines."""

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

from spacy_rnn.cli.gradients import ALL_CELLS
from spacy_rnn.models.encoder import CELLS
from tests.small_lm import train_lm

TEXT = "one two three four five six seven eight nine ten eleven twelve"


def textcats(*factories: str) -> Language:
    """RETURNS (Language): A pipeline with a text classifier of each factory, named as it is."""
    fix_random_seed(0)
    embed = {"width": 8, "rows": [50], "attrs": ["NORM"]}
    encode = {"width": 8, "cell": "gru", "bidirectional": True}
    nlp = spacy.blank("en")
    for factory in factories:
        nlp.add_pipe(factory, config={"model": {"tok2vec": {"embed": embed, "encode": encode}}})
    cats = {"A": 1.0, "B": 0.0}
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc(TEXT), {"cats": cats})])
    return nlp


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved pipelines: lm, one, two (text classifiers), none."""
    path = tmp_path_factory.mktemp("pipelines")
    registry.cli.get_all()  # as spaCy does when its command line starts
    train_lm("word", n_steps=5).to_disk(path / "lm")
    textcats("rnn_textcat").to_disk(path / "one")
    textcats("rnn_textcat", "rnn_textcat_multilabel").to_disk(path / "two")
    none = spacy.blank("en")
    none.add_pipe("sentencizer")
    none.to_disk(path / "none")
    return path


def invoke(*arguments: Any, stdin: Optional[str] = TEXT) -> Result:
    return CliRunner().invoke(app, ["rnn", "gradients", *map(str, arguments)], input=stdin)


def run(*arguments: Any, stdin: Optional[str] = TEXT) -> str:
    """RETURNS (str): What the command has printed."""
    result = invoke(*arguments, stdin=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def report(*arguments: Any, stdin: Optional[str] = TEXT) -> Dict[str, Any]:
    return json.loads(run(*arguments, "--json", stdin=stdin))


def names(found: Dict[str, Any]) -> List[str]:
    return [f"{curve['name']} {curve['state']}" for curve in found["curves"]]


def test_a_row_for_each_curve_is_printed(folder):
    printed = run(folder / "lm", "--length", 12)
    title, rows = printed.split("\n\n")[0], printed.split("\n\n")[1].splitlines()
    assert "surprisal of the unit that follows" in " ".join(title.split())
    assert rows[0].split() == ["layer", "state", "1", "10", "11", "by", "step", "half-life"]
    assert [row.split("  ")[0].strip() for row in rows[2:]] == [
        *("lstm", "lstm", "elman, untrained", "lstm, untrained", "lstm, untrained"),
        *("gru, untrained", "qrnn, untrained", "mingru, untrained"),
    ]
    assert all(row.split()[-1] in ("vanishes", "holds", "explodes") for row in rows[2:])


def test_all_cells_are_compared_with_by_default():
    assert ALL_CELLS.split(",") == list(CELLS)


def test_json_has_the_numbers(folder):
    found = report(folder / "lm", "--length", 5, "--cells", "gru")
    assert (found["component"], found["length"], found["n_docs"]) == ("rnn_lm", 5, 1)
    assert names(found) == ["lstm h", "lstm c", "gru, untrained h"]
    h, c, gru = found["curves"]
    assert h["distances"] == gru["distances"] == [0, 1, 2, 3, 4]
    assert c["distances"] == [1, 2, 3, 4]
    assert h["norms"][0] == gru["norms"][0] == 1.0
    assert h["n_docs"] == [1] * 5
    assert (h["trained"], gru["trained"]) == (True, False)
    assert {"low", "high", "factor", "half_life", "verdict", "cell"} < set(h)


def test_both_directions_of_a_classifier_are_told(folder):
    found = report(folder / "one", "--no-cells")
    assert names(found) == ["gru forward h", "gru backward h"]
    assert found["curves"][0]["distances"][-1] == 11


def test_the_same_seed_gives_the_same_numbers(folder):
    arguments = (folder / "one", "--cells", "elman", "--seed")
    first, again, other = (report(*arguments, seed)["curves"] for seed in (1, 1, 2))
    assert first == again
    assert all(one["norms"] != another["norms"] for one, another in zip(first, other))


def test_a_picture_is_written_in_the_place_of_an_old_one(folder, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "gradients.png"
    path.write_text("old", encoding="utf8")
    result = invoke(folder / "one", "--picture", path)
    assert result.exit_code == 0, result.output
    assert "Wrote" in result.stderr
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [each.name for each in tmp_path.iterdir()] == ["gradients.png"]


def test_the_picture_and_json_go_together(folder, tmp_path):
    pytest.importorskip("matplotlib")
    found = report(folder / "one", "--picture", tmp_path / "a.svg")
    assert len(found["curves"]) > 2
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf8")


def test_the_first_long_enough_texts_are_read(folder):
    texts = ["one two", TEXT, "a b", TEXT, TEXT]
    found = report(folder / "one", "--no-cells", "-n", 2, "--length", 12, stdin="\n".join(texts))
    assert found["n_docs"] == 2
    assert found["curves"][0]["n_docs"] == [2] * 12


def test_if_texts_are_short_the_longest_are_read_and_it_is_said(folder):
    texts = ["a", "a b", "a b c d", "a b c", "a b c d"]
    arguments = (folder / "one", "--no-cells", "-n", 3)
    found = report(*arguments, stdin="\n".join(texts))
    assert found["curves"][0]["n_docs"] == [3, 3, 3, 2]
    told = " ".join(invoke(*arguments, stdin="\n".join(texts)).stderr.split())
    assert "Distances above 3 are left out" in told


def test_files_with_empty_documents_are_read(folder, tmp_path):
    nlp = spacy.blank("en")
    path = tmp_path / "docs.spacy"
    DocBin(docs=[nlp(""), nlp(TEXT), nlp("one")]).to_disk(path)
    found = report(folder / "one", path, "--no-cells")
    assert found["curves"][0]["n_docs"][:2] == [2, 1]


def test_of_several_components_one_is_named(folder):
    found = report(folder / "two", "-c", "rnn_textcat_multilabel", "--no-cells")
    assert found["component"] == "rnn_textcat_multilabel"


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        (["none"], TEXT, "E120"),
        (["two"], TEXT, "E056"),
        (["one", "-c", "parser"], TEXT, "E121"),
        (["one", "--cells", "elman,rnn"], TEXT, "E002"),
        (["one", "--cells", "gru", "--no-cells"], TEXT, "E058"),
        (["one"], "\n", "E037"),
        (["one"], "one\ntwo", "E122"),
        (["one", "no_such.txt"], TEXT, "E030"),
        (["one", "--per", "page"], TEXT, "E009"),
        (["one", "--picture", "no/such/page.png"], TEXT, "E059"),
        (["one", "--picture", "page.doc"], TEXT, "E059"),
        (["one", "--picture", "{}/one/a.png"], TEXT, "E059"),
        (["no_such"], TEXT, "E054"),
    ],
)
def test_errors_are_told_without_a_traceback(folder, arguments, stdin, code):
    model, *rest = arguments
    rest = [word.format(folder) for word in rest]
    result = invoke(folder / model, *rest, stdin=stdin)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert f"spacy-rnn {code}" in " ".join(result.stderr.split())


def test_a_folder_that_may_not_be_written_to_is_told(folder, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    path = tmp_path / "a.png"
    path.write_text("old", encoding="utf8")

    def fail(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.replace", fail)
    result = invoke(folder / "one", "--picture", path)
    assert result.exit_code == 1
    assert "E059" in result.stderr
    assert path.read_text(encoding="utf8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_numbers_out_of_range_are_told(folder):
    assert invoke(folder / "one", "--length", 1).exit_code == 2
    assert invoke(folder / "one", "--n-docs", 0).exit_code == 2


def test_help_names_the_options(folder):
    told = run("--help")
    for option in ("--length", "--n-docs", "--cells", "--no-cells", "--seed", "--picture"):
        assert option in told
