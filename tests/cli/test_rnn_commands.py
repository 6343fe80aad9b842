"""`python -m spacy rnn`: run as a user runs it, on small trained pipelines.

Most run in this process, which saves the seconds that each process takes to start.
"""

import bz2
import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import numpy
import pytest
import spacy
from click.testing import Result
from spacy.cli._util import app
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import registry
from typer.testing import CliRunner

from spacy_rnn import progress
from spacy_rnn.cli import common, surprisal
from spacy_rnn.cli.inputs import Source
from tests.small_lm import TEXTS, train_lm

GOOD, BAD = {"GOOD": 1.0, "BAD": 0.0}, {"GOOD": 0.0, "BAD": 1.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved pipelines: words, chars, cats, vectors, two (language models), none, damaged, broken
    (weights that are no numbers), empty."""
    path = tmp_path_factory.mktemp("pipelines")
    registry.cli.get_all()  # as spaCy does when its command line starts
    words, chars = train_lm("word"), train_lm("char")
    words.meta["performance"] = {"lm_perplexity": 12.5, "rnn_lm_loss": 1.0}
    words.to_disk(path / "words")
    chars.to_disk(path / "chars")
    texts, cats = ["good good good ."] * 2 + ["bad bad bad ."] * 2, [GOOD, GOOD, BAD, BAD]
    train_lm("word", texts=texts, cats=cats, condition="cats").to_disk(path / "cats")
    vectors = [[3.0, -3.0]] * 2 + [[-3.0, 3.0]] * 2
    train_lm("word", texts=texts, vectors=vectors, condition="vector").to_disk(path / "vectors")
    two = spacy.blank("en")
    two.add_pipe("sentencizer")
    two.to_disk(path / "none")
    two.add_pipe("rnn_lm", name="words", source=words)
    two.add_pipe("rnn_lm", name="chars", source=chars)
    two.to_disk(path / "two")
    words.to_disk(path / "damaged")
    (path / "damaged" / "rnn_lm" / "model").write_bytes(b"cut short")
    broken = spacy.load(path / "words")
    broken.get_pipe("rnn_lm").model.layers[2].get_param("b")[:] = numpy.nan
    broken.to_disk(path / "broken")
    (path / "empty").mkdir()
    return path


@pytest.fixture(scope="module")
def words(folder: Path) -> Language:
    return spacy.load(folder / "words")


def invoke(*arguments: Any, stdin: Optional[Any] = None) -> Result:
    """RETURNS (Result): How `spacy rnn ...` has ended."""
    return CliRunner().invoke(app, ["rnn", *map(str, arguments)], input=stdin)


def run(*arguments: Any, stdin: Optional[Any] = None) -> str:
    """RETURNS (str): What the command has printed."""
    result = invoke(*arguments, stdin=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def records(*arguments: Any, stdin: Optional[Any] = None) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): What `surprisal --json` has printed."""
    printed = run("surprisal", *arguments, "--json", stdin=stdin)
    return [json.loads(line) for line in printed.splitlines()]


# The program


def start(*arguments: Any, **settings: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "spacy", "rnn", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf8",
        **settings,
    )


def test_spacy_has_the_commands(folder):
    with start("surprisal", folder / "words") as program:
        out, err = program.communicate("The cat sat.\n", timeout=300)
    assert program.returncode == 0, err
    assert out.startswith("# line 1 of standard input: ")
    assert [line.split()[1] for line in out.splitlines()[1:-1]] == ["The", "cat", "sat", "."]
    assert err == ""


def test_a_reader_that_has_read_enough_ends_the_program_in_silence(folder):
    with start("surprisal", folder / "words", "--json", "--batch-size", "1") as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write("The cat sat on the mat.\n" * 1000)
        program.stdin.close()
        assert json.loads(program.stdout.readline())["tokens"][0] == "The"
        program.stdout.close()
        assert program.stderr is not None
        assert program.stderr.read() == ""
        assert program.wait(timeout=300) == 1


def test_help_names_each_command_and_option(folder):
    for command in ("generate", "surprisal", "info"):
        assert command in run("--help")
        assert "--json" in run(command, "--help")


# generate


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ([], {}),
        (["--prompt", "The cat", "--n", "3"], {"prompt": "The cat", "n": 3}),
        (["-t", "0.5", "-k", "3", "--top-p", "0.9"], dict(temperature=0.5, top_k=3, top_p=0.9)),
        (["--min-p", "0.1", "-m", "4"], {"min_p": 0.1, "max_length": 4}),
        (["--stop", "on", "--stop", "saw"], {"stop": ["on", "saw"]}),
        (["--stop", "\\n", "-n", "4"], {"stop": ["\n"], "n": 4}),
        (["--beam-width", "3", "-n", "2"], {"beam_width": 3, "n": 2}),
    ],
)
def test_generate_has_the_options_of_the_component(folder, words, options, settings):
    expected = [doc.text for doc in words.get_pipe("rnn_lm").generate(seed=3, **settings)]
    assert run("generate", folder / "words", "--seed", 3, *options) == "\n".join(expected) + "\n"


def test_generate_prints_json_with_texts_and_settings(folder, words):
    expected = [doc.text for doc in words.get_pipe("rnn_lm").generate("The", n=2, seed=1)]
    found = json.loads(
        run("generate", folder / "words", "-p", "The", "-n", 2, "--seed", 1, "--json")
    )
    assert (found["prompt"], found["texts"]) == ("The", expected)
    assert found["settings"]["seed"] == 1
    assert found["settings"]["temperature"] == 1.0


def test_generate_prints_a_text_as_it_is_written(folder, words, monkeypatch):
    printed: List[str] = []
    monkeypatch.setattr("typer.echo", lambda text="", nl=True: printed.append(text + "\n" * nl))
    run("generate", folder / "words", "-p", "The cat", "--stream", "--seed", 5)
    lm = words.get_pipe("rnn_lm")
    assert printed == ["The cat", *lm.stream("The cat", seed=5), "\n"]
    assert "".join(printed) == lm.generate("The cat", seed=5)[0].text + "\n"
    assert len(printed) > 4


def test_generate_passes_on_labels(folder):
    for label in ("good", "bad"):
        found = run("generate", folder / "cats", "--label", label.upper(), "-t", 0, "-m", 1)
        assert found == f"{label}\n"


def test_generate_passes_on_a_vector(folder, tmp_path):
    lm = spacy.load(folder / "vectors").get_pipe("rnn_lm")
    found = set()
    for vector in ([3.0, -3.0], [-3.0, 3]):
        path = tmp_path / "vector.json"
        path.write_text(json.dumps(vector), encoding="utf8")
        printed = run("generate", folder / "vectors", "--vector", path, "--seed", 1)
        assert printed == lm.generate(vector=vector, seed=1)[0].text + "\n"
        found.add(printed)
    assert len(found) == 2


# surprisal


def test_surprisal_prints_bits_and_sums(folder, words):
    doc = words("The dog sat.")
    lines = run("surprisal", folder / "words", stdin="The dog sat.\n").splitlines()
    assert lines[0].startswith(f"# line 1 of standard input: {doc._.surprisal:.2f} bits, ")
    assert f"perplexity {doc._.perplexity:.4g}" in lines[0]
    assert [line.split() for line in lines[1:-1]] == [
        [f"{token._.surprisal:.2f}", token.text] for token in doc
    ]
    assert lines[-1].endswith("(end of text)")


@pytest.mark.parametrize("unit", ["words", "chars"])
def test_surprisal_in_json_has_the_numbers_of_the_pipeline(folder, unit):
    nlp = spacy.load(folder / unit)
    text = "The dog saw an ocelot.\tIt ran."
    doc = nlp(text)
    (found,) = records(folder / unit, stdin=text + "\n")
    scores = nlp.get_pipe("rnn_lm").score([Example(doc, doc)])
    assert (found["text"], found["tokens"]) == (text, [token.text for token in doc])
    assert found["bits"] == pytest.approx([token._.surprisal for token in doc], abs=1e-3)
    assert sum(found["bits"]) + found["end_bits"] == pytest.approx(found["total"], abs=0.01)
    assert found["total"] == pytest.approx(doc._.surprisal, rel=1e-5)
    assert found["perplexity"] == pytest.approx(scores["lm_perplexity"], rel=1e-5)
    assert found["bits_per_char"] == pytest.approx(scores["lm_bits_per_char"], rel=1e-5)
    assert "alternatives" not in found


def test_surprisal_sums_over_all_documents(folder, words):
    printed = run("surprisal", folder / "words", stdin="\n".join(TEXTS[:3]))
    docs = [words(text) for text in TEXTS[:3]]
    scores = words.get_pipe("rnn_lm").score([Example(doc, doc) for doc in docs])
    total = sum(doc._.surprisal for doc in docs)
    assert printed.splitlines()[-1] == (
        f"# all 3 documents: {total:.2f} bits, perplexity {scores['lm_perplexity']:.4g}, "
        f"{scores['lm_bits_per_char']:.3f} bits per character"
    )


def test_surprisal_reads_files_of_all_kinds_in_their_order(folder, tmp_path):
    lines = [json.dumps({"body": text}) for text in ("A cat.", "A log.")]
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode("utf8")))
    (tmp_path / "a.txt.bz2").write_bytes(bz2.compress(b"\xef\xbb\xbfThe mat.\r\n\n"))
    DocBin(docs=[spacy.blank("en")("It ran.")]).to_disk(tmp_path / "b.spacy")
    expected = ["The mat.", "It ran.", "A cat.", "A log."]
    found = records(folder / "words", tmp_path, "--text-key", "body")
    assert [record["text"] for record in found] == expected
    found = records(
        folder / "words", tmp_path / "b.spacy", "-", tmp_path / "a.txt.bz2", stdin="Mat.\n"
    )
    assert [record["text"] for record in found] == ["It ran.", "Mat.", "The mat."]
    assert found[0]["source"] == f"doc 1 of {tmp_path / 'b.spacy'}"
    assert found[2]["source"] == f"line 1 of {tmp_path / 'a.txt.bz2'}"


def test_surprisal_keeps_the_tokens_of_docs(folder, tmp_path):
    doc = Doc(spacy.blank("en").vocab, words=["The cat", "s", "at"], spaces=[True, False, False])
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    (found,) = records(folder / "chars", tmp_path / "a.spacy")
    assert found["tokens"] == ["The cat", "s", "at"]


def test_surprisal_takes_a_file_as_one_document_if_asked(folder, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("The cat sat.\n\nIt ran.\n", encoding="utf8")
    assert [r["text"] for r in records(folder / "words", path)] == ["The cat sat.", "It ran."]
    (found,) = records(folder / "words", path, "--per", "file")
    assert found["text"] == "The cat sat.\n\nIt ran."
    (found,) = records(folder / "words", "--per", "file", stdin=path.read_bytes())
    assert (found["text"], found["source"]) == ("The cat sat.\n\nIt ran.", "standard input")


def test_surprisal_depends_on_labels(folder):
    lines = [json.dumps({"text": "good", "label": label}) for label in ("GOOD", "BAD")]
    options = (folder / "cats", "--stdin-format", "jsonl", "--label-key", "label")
    good, bad = records(*options, stdin="\n".join(lines))
    assert good["bits"][0] < 1 < bad["bits"][0]


def test_surprisal_takes_docs_with_labels_for_other_components(folder, tmp_path):
    nlp = spacy.blank("en")
    docs = [nlp.make_doc("good good") for _ in range(3)]
    docs[0].cats, docs[1].cats = GOOD, {**GOOD, "URGENT": 1.0}
    DocBin(docs=docs).to_disk(tmp_path / "a.spacy")
    for options in ([], ["--label-key", "label"]):
        first, second, third = records(folder / "cats", tmp_path / "a.spacy", *options)
        assert first["bits"] == second["bits"] != third["bits"]


def test_a_page_may_stand_beside_the_pipeline(folder, tmp_path, monkeypatch):
    before = {path: path.read_bytes() for path in (folder / "words").rglob("*") if path.is_file()}
    monkeypatch.chdir(folder / "words")
    result = invoke("surprisal", ".", "--html", "a.html", stdin="A cat.\n")
    assert "E059" in result.stderr
    link = tmp_path / "link"
    link.symlink_to(folder / "words")
    assert "E059" in invoke("surprisal", link, "-o", folder / "words" / "meta.json").stderr
    assert "E059" in invoke("surprisal", folder / "words", "-o", link / "meta.json").stderr
    assert {p: p.read_bytes() for p in (folder / "words").rglob("*") if p.is_file()} == before
    run("surprisal", ".", "--html", tmp_path / "a.html", stdin="A cat.\n")
    run("surprisal", folder / "words", "--html", folder / "words.html", stdin="A cat.\n")


def test_surprisal_tells_alternatives(folder, words):
    expected = words.get_pipe("rnn_lm").alternatives(words("The cat"), 2)
    (found,) = records(folder / "words", "--alternatives", 2, stdin="The cat\n")
    assert [[text for text, _ in row] for row in found["alternatives"]] == [
        [text for text, _ in row] for row in expected
    ]
    lines = run("surprisal", folder / "words", "-a", 2, stdin="The cat\n").splitlines()
    shown = ", ".join(f"{text} {bits:.2f}" for text, bits in expected[1])
    assert lines[2].endswith(shown)


def test_surprisal_shows_whitespace_as_marks(folder):
    lines = run("surprisal", folder / "words", "--per", "file", stdin="ran.\n\nIt").splitlines()
    assert [line.split()[1] for line in lines[1:-1]] == ["ran", ".", "↵↵", "It"]


def test_surprisal_writes_a_picture(folder, tmp_path):
    path = tmp_path / "a.html"
    result = invoke("surprisal", folder / "words", "--html", path, stdin="A <cat>.\nIt ran.\n")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "2 documents" in " ".join(result.stderr.split())
    page = path.read_text(encoding="utf8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<b>line 2 of standard input</b>" in page
    assert page.count("Most probable here, in bits:") == 8  # that many tokens
    run("surprisal", folder / "words", "-o", path, "-a", 0, "--max-bits", 7, stdin="A cat.\n")
    assert "Most probable" not in path.read_text(encoding="utf8")
    assert ">7 and more<" in path.read_text(encoding="utf8")


def test_surprisal_reads_no_further_than_a_batch_ahead(folder, monkeypatch):
    n_read, ahead = 0, []

    def sources() -> Iterator[Source]:
        nonlocal n_read
        for i in range(50):
            n_read += 1
            yield Source(f"text {i}", "The cat sat.", {})

    monkeypatch.setattr("typer.echo", lambda text: ahead.append(n_read - len(ahead)))
    loaded = common.load(str(folder / "words"))
    surprisal.print_all(loaded, sources(), 0, 4, as_json=True)
    assert len(ahead) == 50
    assert max(ahead) <= 4


def test_new_words_of_a_long_input_do_not_stay_in_memory(folder, capsys):
    loaded = common.load(str(folder / "words"))
    sources = (Source("", f"word{i} other{i}", {}) for i in range(300))
    n_before = len(loaded.nlp.vocab.strings)
    surprisal.print_all(loaded, sources, 0, 10, as_json=False)
    assert len(loaded.nlp.vocab.strings) == n_before
    assert "other299" in capsys.readouterr().out


def test_texts_longer_than_a_parser_takes_are_read():
    nlp = spacy.blank("en")
    nlp.max_length = 10
    doc = Source("", "The cat sat on the mat.", {"A": 1.0}).make_doc(nlp)
    assert (doc.text, doc.cats) == ("The cat sat on the mat.", {"A": 1.0})


def test_numbers_that_json_has_no_word_for_are_null():
    assert (
        common.to_json({"a": [1.5, float("inf")], "b": float("nan")}) == '{"a":[1.5,null],"b":null}'
    )


# info


def test_info_tells_what_the_component_knows_of_itself(folder, words):
    found = json.loads(run("info", folder / "words", "--json"))
    info = words.get_pipe("rnn_lm").info()
    assert {key: found[key] for key in info} == info
    assert (found["pipeline"], found["component"]) == ("en_pipeline", "rnn_lm")
    assert found["lm_perplexity"] == 12.5
    assert "rnn_lm_loss" not in found
    table = run("info", folder / "words")
    assert f"{info['parameters']:,}" in table
    assert "lm perplexity" in table


def test_a_component_is_chosen_by_its_name(folder):
    assert json.loads(run("info", folder / "two", "-c", "chars", "--json"))["unit"] == "char"
    assert json.loads(run("info", folder / "two", "-c", "words", "--json"))["unit"] == "word"
    for name in ("words", "chars"):
        (one,) = records(folder / name, stdin="The dog.\n")
        (of_two,) = records(folder / "two", "-c", name, stdin="The dog.\n")
        assert one["bits"] == of_two["bits"]


# Errors


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts")
    (path / "good.txt").write_text("The cat sat.\n", encoding="utf8")
    (path / "latin.txt").write_bytes(b"The cat.\n\xe9t\xe9\n")
    (path / "text.pdf").write_bytes(b"")
    (path / "blank.txt").write_text("\n \n", encoding="utf8")
    (path / "keys.jsonl").write_text('{"body": "x"}\n', encoding="utf8")
    (path / "broken.jsonl").write_text('{"text": \n', encoding="utf8")
    (path / "labels.jsonl").write_text('{"text": "good", "label": "NOPE"}\n', encoding="utf8")
    (path / "vector.json").write_text('["a"]', encoding="utf8")
    return path


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("info MODELS/no_such", "E054"),
        ("info MODELS/empty", "E054"),
        ("info MODELS/damaged", "E018"),
        ("info MODELS/none", "E055"),
        ("info MODELS/two", "E056"),
        ("info MODELS/words -c parser", "E057"),
        ("generate MODELS/none", "E055"),
        ("generate MODELS/words -n 0", "E011"),
        ("generate MODELS/words --top-p 2", "E011"),
        ("generate MODELS/words --stream -n 2", "E058"),
        ("generate MODELS/words --stream --json", "E058"),
        ("generate MODELS/words --stream -b 2", "E058"),
        ("generate MODELS/words --label A", "E072"),
        ("generate MODELS/cats --label A", "E068"),
        ("generate MODELS/words --vector no_such", "E059"),
        ("generate MODELS/words --vector TEXTS/vector.json", "E059"),
        ("generate MODELS/words -p \udcff", "E032"),
        ("surprisal MODELS/none", "E055"),
        ("surprisal MODELS/words", "E037"),
        ("surprisal MODELS/words TEXTS/no_such.txt", "E030"),
        ("surprisal MODELS/words TEXTS/good.txt TEXTS/no_such.txt", "E030"),
        ("surprisal MODELS/words TEXTS/text.pdf", "E031"),
        ("surprisal MODELS/words TEXTS/blank.txt", "E037"),
        ("surprisal MODELS/words TEXTS/latin.txt --html TEXTS/a.html", "E032"),
        ("surprisal MODELS/words TEXTS/keys.jsonl", "E034"),
        ("surprisal MODELS/words TEXTS/broken.jsonl", "E033"),
        ("surprisal MODELS/words TEXTS/good.txt --per page", "E009"),
        ("surprisal MODELS/words --stdin-format pdf", "E009"),
        ("surprisal MODELS/words TEXTS/good.txt --html no_such/a.html", "E059"),
        ("surprisal MODELS/words TEXTS/good.txt --html TEXTS", "E059"),
        ("surprisal MODELS/words TEXTS/good.txt --html TEXTS/good.txt", "E059"),
        ("surprisal MODELS/words TEXTS --html TEXTS/good.txt", "E059"),
        ("surprisal MODELS/words TEXTS/good.txt --html a.html --json", "E058"),
        ("surprisal MODELS/words TEXTS/good.txt --html TEXTS/a.html --max-bits 0", "E011"),
        ("surprisal MODELS/words TEXTS/good.txt --alternatives -1", "E011"),
        ("surprisal MODELS/words TEXTS/good.txt --max-bits 5", "E058"),
        ("surprisal MODELS/words TEXTS/good.txt --label-key label", "E072"),
        ("surprisal MODELS/vectors TEXTS/labels.jsonl --label-key label", "E072"),
        ("surprisal MODELS/cats TEXTS/labels.jsonl --label-key label", "E068"),
        ("surprisal MODELS/cats TEXTS/labels.jsonl --label-key label --html TEXTS/a.html", "E068"),
        ("surprisal MODELS/words TEXTS/good.txt --html MODELS/words/config.cfg", "E059"),
        ("surprisal MODELS/words TEXTS/good.txt --html MODELS/words/rnn_lm/a.html", "E059"),
        ("surprisal MODELS/broken TEXTS/good.txt", "E177"),
        ("surprisal MODELS/broken TEXTS/good.txt --html TEXTS/a.html", "E177"),
        ("surprisal MODELS/broken TEXTS/good.txt --html TEXTS/a.html -a 0", "E177"),
        ("generate MODELS/broken", "E177"),
        ("generate MODELS/broken -b 2", "E177"),
        ("generate MODELS/broken --stream", "E177"),
    ],
)
def test_errors_are_messages_on_standard_error(folder, texts, line, code):
    words = line.replace("MODELS", str(folder)).replace("TEXTS", str(texts)).split()
    result = invoke(*words, stdin="")
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert f"[spacy-rnn {code}]" in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert not (texts / "a.html").exists()


def test_a_page_that_cannot_be_written_leaves_the_old_one(folder, tmp_path, monkeypatch):
    page = tmp_path / "a.html"
    page.write_text("old", encoding="utf8")

    def write_half(path, data):
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_half)
        result = invoke("surprisal", folder / "words", "--html", page, stdin="A cat.\n")
    assert "spacy-rnn E059" in result.stderr
    assert page.read_text(encoding="utf8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def test_names_that_are_no_utf8_are_shown_all_the_same(folder, tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.txt"))
    path.write_text("The cat sat.\n", encoding="utf8")
    page = tmp_path / "a.html"
    run("surprisal", folder / "words", path, "--html", page)
    assert r"b\udcff.txt" in page.read_text(encoding="utf8")
    assert r"b\udcff.txt" in records(folder / "words", path)[0]["source"]


def test_what_was_read_before_an_error_has_been_printed(folder, texts):
    result = invoke("surprisal", folder / "words", texts / "latin.txt", "--batch-size", 1)
    assert result.exit_code == 1
    assert "cat" in result.stdout
    assert "Line 2 of" in result.stderr


def test_a_gpu_that_is_not_there_is_told(folder):
    if spacy.prefer_gpu():
        spacy.require_cpu()
        pytest.skip("there is one")
    result = invoke("info", folder / "words")
    assert result.exit_code == 0
    result = invoke("generate", folder / "words", "--gpu-id", 0)
    assert result.exit_code == 1
    assert "E180" in result.stderr
    assert "GPU 0" in result.stderr
    assert invoke("generate", folder / "words", "--gpu-id", -7).exit_code == 2


def test_a_mistake_in_the_code_is_not_hidden(folder, monkeypatch):
    def broken(*args: Any) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("spacy_rnn.cli.generate.load", broken)
    assert isinstance(invoke("generate", folder / "words").exception, RuntimeError)


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bars_are_for_terminals_and_not_for_what_takes_no_time(monkeypatch):
    for stream, delay, is_needed, is_shown in (
        (Terminal(), 0.0, True, True),
        (Terminal(), 0.0, False, False),
        (Terminal(), 1000.0, True, False),
        (io.StringIO(), 0.0, True, False),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "DELAY", delay)
        assert list(progress.bar(range(3), "docs", is_needed=is_needed)) == [0, 1, 2]
        assert (" docs/s" in stream.getvalue()) == is_shown


def test_what_cannot_be_counted_shows_the_time_that_has_passed(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "DELAY", 0.0)
    with progress.elapsed("Writing"):
        pass
    assert "Writing 00:00" in stream.getvalue()
