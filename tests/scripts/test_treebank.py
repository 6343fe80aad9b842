"""A treebank: what is read of it, how it is parted, and the docs that it becomes."""

import json
import zipfile
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import spacy
import treebank
import typer
from datalib.downloads import Archive
from datalib.errors import DataError
from datalib.readers import sha256_of
from datalib.treebank import (
    MEMBER,
    RAW_MEMBERS,
    Sentence,
    mark_names,
    parse_conllu,
    split_documents,
)
from spacy.tokens import Doc, DocBin
from treebank_helpers import conllu
from typer.testing import CliRunner

SHARES = {"train": 80.0, "dev": 10.0, "test": 10.0}
# A contraction, a name of two words, an empty field and a broken feature.
SENTENCE = """\
# sent_id = FOLHA_DOC000001_SENT003
# text = Ana Lima gosta do mar .
1\tAna\tAna\tPROPN\t_\tGender=Fem\t_\t_\t_\t_
2\tLima\tLima\tPROPN\t_\tVerbForm=PartNumber=Inv\t_\t_\t_\tSpacesAfter=\\s
3\tgosta\tgostar\tVERB\t_\tMood=Ind|Number=Sing\t_\t_\t_\t_
4-5\tdo\t_\t_\t_\t_\t_\t_\t_\t_
4\tde\tde\tADP\t_\t_\t_\t_\t_\t_
5\to\to\tDET\t_\tGender=Masc|Number=Sing\t_\t_\t_\t_
6\tmar\tmar\tNOUN\t_\tGender=Masc|Number=Sing\t_\t_\t_\t_
7\t.\t.\tPUNCT\t_\t_\t_\t_\t_\t
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of downloads that has the package already, with 60 documents in it."""
    folder = tmp_path / "cache"
    folder.mkdir()
    path = folder / "dante.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(MEMBER, SENTENCE + "\n" + conllu(range(60)))
        for number, member in enumerate(RAW_MEMBERS):
            wheel.writestr(member, f"# text = A rocha {number}.\n1\tA\n\n# text = Sim = não.\n")
    monkeypatch.setattr(treebank, "DANTE", Archive("none", "1.0", path.name, sha256_of(path)))
    return folder


def run(*args: Any) -> Tuple[int, str]:
    app = typer.Typer()
    app.command()(treebank.main)
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    return result.exit_code, " ".join(result.output.split())


def docs_of(folder: Path) -> Dict[str, List[Doc]]:
    vocab = spacy.blank("pt").vocab
    return {
        part: list(DocBin().from_disk(folder / f"{part}.spacy").get_docs(vocab))
        for part in ("train", "dev", "test")
    }


def test_sentences_become_docs_with_all_that_is_known_of_them(cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, output = run(out, "--cache-dir", cache)
    assert status == 0, output
    assert {path.name for path in out.iterdir()} == treebank.FILES
    parts = docs_of(out)
    docs = [doc for part in parts.values() for doc in part]
    doc = next(doc for doc in docs if doc.text.startswith("Ana Lima"))
    assert [(t.text, t.tag_, t.pos_, str(t.morph)) for t in doc] == [
        ("Ana", "PROPN", "PROPN", "Gender=Fem"),
        ("Lima", "PROPN", "PROPN", ""),
        ("gosta", "VERB", "VERB", "Mood=Ind|Number=Sing"),
        ("do", "ADP_DET", "ADP", "Gender=Masc|Number=Sing"),
        ("mar", "NOUN", "NOUN", "Gender=Masc|Number=Sing"),
        (".", "PUNCT", "PUNCT", ""),
    ]
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ana Lima", "NAME")]
    # The tokenizer finds the same tokens in the text.
    assert [t.text for t in spacy.blank("pt")(doc.text)] == [t.text for t in doc]
    meta = json.loads((out / "meta.json").read_text("utf8"))
    assert meta["parts"]["test"]["sentences"] == len(parts["test"])
    assert meta["parts"]["train"]["names"] == sum(len(doc.ents) for doc in parts["train"])
    raw = [json.loads(line)["text"] for line in (out / "raw.jsonl").read_text("utf8").splitlines()]
    assert sorted(raw) == sorted(
        [doc.text.strip() for doc in parts["train"]]
        + ["A rocha 0.", "A rocha 1.", "A rocha 2."]
        + 3 * ["Sim = não."]
    )
    # Once more, into the same place.
    assert run(out, "--cache-dir", cache)[0] == 0


def test_names_are_the_longest_runs_of_proper_nouns() -> None:
    rows = [[str(i + 1), word, *["_"] * 8] for i, word in enumerate("abcdef")]
    for i in (0, 1, 3, 4):
        rows[i][3] = "PROPN"
    rows.insert(4, ["4-5", "x", *["_"] * 8])
    marked = mark_names(Sentence("d", "", rows))
    assert [row[9] for row in marked.rows] == [
        "NE=B-NAME",
        "NE=I-NAME",
        "_",
        "NE=B-NAME",
        "_",
        "NE=I-NAME",
        "_",
    ]
    assert all(row[9] == "_" for row in rows)


def test_the_split_is_fixed_by_its_seed_and_keeps_documents_together() -> None:
    sentences = parse_conllu(conllu(range(300)))
    parts = split_documents(sentences, SHARES, 0)
    assert parts == split_documents(sentences, SHARES, 0)
    assert parts != split_documents(sentences, SHARES, 1)
    documents = [{sentence.document for sentence in part} for part in parts.values()]
    assert not documents[0] & documents[1] | documents[0] & documents[2]
    assert not documents[1] & documents[2]
    assert 0.7 < len(parts["train"]) / sum(map(len, parts.values())) < 0.9
    assert len(parts["test"]) > 0.05 * len(sentences)


def test_no_text_is_in_two_parts() -> None:
    sentences = [Sentence(f"DOC{i}", f"Sim {i % 30} .", []) for i in range(300)]
    parts = split_documents(sentences, SHARES, 0)
    texts = [{sentence.text for sentence in part} for part in parts.values()]
    assert not texts[0] & texts[1] | texts[0] & texts[2] | texts[1] & texts[2]
    assert len(texts[2]) > 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SENTENCE.replace("\tAna\tAna", "\tAna"), "Line 3 has 9 fields"),
        (SENTENCE.replace("sent_id", "id"), "no sent_id or no text"),
        (SENTENCE.replace("# text", "# words"), "no sent_id or no text"),
    ],
)
def test_what_is_no_treebank_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_conllu(text)


def test_errors_are_told(cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, output = run(out, "--cache-dir", cache, "--split", "80,20")
    assert status == 1
    assert "three numbers" in output
    status, output = run(out, "--cache-dir", cache, "--split", "100000,1,1")
    assert status == 1
    assert "nothing is left for dev" in output
    out.mkdir()
    (out / "notes.txt").touch()
    status, output = run(out, "--cache-dir", cache)
    assert status == 1
    assert "holds other files" in output
