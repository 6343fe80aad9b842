"""The corpus of texts: every kind of file, what is kept of it, and errors that say where."""

import bz2
import gzip
import json
import zlib
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import registry
from thinc.api import Config

from spacy_rnn.training.corpora import Text, TextCorpus, read_texts

SOTU = Path(__file__).resolve().parents[2] / "assets" / "sotu.jsonl.bz2"
TEXT = "The first line.\n\n  A second, longer one. \nThe third\n"
LINES = ["The first line.", "  A second, longer one. ", "The third"]


@pytest.fixture(scope="module")
def nlp():
    return spacy.blank("en")


def write(path, data):
    """Write text, bytes, or records as lines of JSON, compressed as the name says."""
    if isinstance(data, list):
        data = "\n".join(json.dumps(record) for record in data)
    if isinstance(data, str):
        data = data.encode("utf8")
    pack = {".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(data))
    return path


def write_docs(path, docs):
    return write(path, DocBin(docs=docs, store_user_data=True).to_bytes())


def texts_of(corpus, nlp):
    return [example.reference.text for example in corpus(nlp)]


def raises(code, what=""):
    return pytest.raises(ValueError, match=rf"(?s)\[spacy-rnn {code}\].*{what}")


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2"])
def test_each_kind_of_file_is_read_plain_and_compressed(tmp_path, nlp, suffix):
    paths = [
        write(tmp_path / f"a.txt{suffix}", TEXT),
        write(tmp_path / f"b.jsonl{suffix}", [{"text": text} for text in LINES]),
        write_docs(tmp_path / f"c.spacy{suffix}", [nlp(text) for text in LINES]),
    ]
    for path in paths:
        assert texts_of(TextCorpus(path), nlp) == LINES
        assert texts_of(TextCorpus(str(path)), nlp) == LINES
    assert texts_of(TextCorpus(tmp_path), nlp) == LINES * 3
    assert texts_of(TextCorpus([paths[2], paths[0]]), nlp) == LINES * 2


def test_a_corpus_can_be_read_again(tmp_path, nlp):
    corpus = TextCorpus(write(tmp_path / "a.txt", TEXT))
    assert texts_of(corpus, nlp) == texts_of(corpus, nlp) == LINES


def test_a_file_can_be_one_document(tmp_path, nlp):
    corpus = TextCorpus(write(tmp_path / "a.txt", TEXT.replace("\n", "\r\n")), per="file")
    assert texts_of(corpus, nlp) == [TEXT[:-1]]


def test_examples_have_the_tokens_of_the_pipeline_on_both_sides(tmp_path, nlp):
    (example,) = TextCorpus(write(tmp_path / "a.txt", "Don't stop, now."))(nlp)
    expected = [token.text for token in nlp("Don't stop, now.")]
    for doc in (example.predicted, example.reference):
        assert [token.text for token in doc] == expected
        assert doc.text == "Don't stop, now."
        assert doc.vocab is nlp.vocab
    assert example.predicted is not example.reference


def test_the_embedded_addresses_are_read_lazily(nlp):
    corpus = TextCorpus(SOTU, normalize_whitespace=True, label_key="president")
    first, second = islice(corpus(nlp), 2)
    assert first.reference.text.startswith("Fellow-Citizens of the Senate")
    assert first.reference.cats == second.reference.cats == {"George Washington": 1.0}
    assert not any(token.is_space for token in first.reference)


def test_lines_are_read_as_they_are_needed(tmp_path, nlp):
    path = write(tmp_path / "a.txt", b"one\n" * 5 + b"\xff\n")
    examples = TextCorpus(path)(nlp)
    assert [next(examples).reference.text for _ in range(5)] == ["one"] * 5
    with raises("E032", "Line 6"):
        next(examples)


def test_the_text_and_label_keys_can_be_chosen(tmp_path, nlp):
    records = [
        {"body": "a", "y": "POS"},
        {"body": "b", "y": {"POS": 0, "NEG": 1, "OLD": 0.5, "NEW": True}},
        {"body": "c", "y": None},
    ]
    corpus = TextCorpus(write(tmp_path / "a.jsonl", records), text_key="body", label_key="y")
    examples = list(corpus(nlp))
    assert [example.reference.cats for example in examples] == [
        {"POS": 1.0},
        {"POS": 0.0, "NEG": 1.0, "OLD": 0.5, "NEW": 1.0},
        {},
    ]
    assert [example.predicted.cats for example in examples] == [{}, {}, {}]


def test_labels_are_ignored_unless_asked_for(tmp_path, nlp):
    (example,) = TextCorpus(write(tmp_path / "a.jsonl", [{"text": "a", "label": 3}]))(nlp)
    assert example.reference.cats == {}


def test_whitespace_is_kept_or_made_single_spaces(tmp_path, nlp):
    path = write(tmp_path / "a.jsonl", [{"text": " one\t two\n\n\u2003three  "}])
    assert texts_of(TextCorpus(path), nlp) == [" one\t two\n\n\u2003three  "]
    assert texts_of(TextCorpus(path, normalize_whitespace=True), nlp) == ["one two three"]


@pytest.mark.parametrize("normalize", [False, True])
def test_blank_texts_are_skipped(tmp_path, nlp, normalize):
    write(tmp_path / "a.txt", "\n \nx\n")
    write(tmp_path / "b.jsonl", [{"text": ""}, {"text": " \n"}, {"text": "y"}])
    write_docs(tmp_path / "c.spacy", [nlp(""), nlp(" "), nlp("z")])
    corpus = TextCorpus(tmp_path, normalize_whitespace=normalize)
    assert texts_of(corpus, nlp) == ["x", "y", "z"]
    write(tmp_path / "a.txt", "\n \n")
    assert texts_of(TextCorpus(tmp_path, per="file"), nlp) == ["y", "z"]


def test_the_limit_counts_examples_over_all_files(tmp_path, nlp):
    for name in ("a.txt", "b.txt"):
        write(tmp_path / name, TEXT)
    assert texts_of(TextCorpus(tmp_path, limit=4), nlp) == [*LINES, LINES[0]]
    assert len(texts_of(TextCorpus(tmp_path, limit=99), nlp)) == 6
    assert len(texts_of(TextCorpus(tmp_path, max_length=1, limit=2), nlp)) == 2


def test_short_documents_are_skipped(tmp_path, nlp):
    path = write(tmp_path / "a.txt", "a\nb c\nd e f\n")
    assert texts_of(TextCorpus(path, min_length=2), nlp) == ["b c", "d e f"]


@pytest.mark.parametrize("kind", ["jsonl", "spacy"])
@pytest.mark.parametrize("max_length", [1, 2, 3, 7, 8, 100])
def test_long_documents_are_cut_and_no_text_is_lost(tmp_path, nlp, kind, max_length):
    text = "One, two  three\nfour five."
    doc = nlp(text)
    doc.cats = {"A": 1.0}
    if kind == "jsonl":
        path = write(tmp_path / "a.jsonl", [{"text": text, "label": "A"}])
    else:
        path = write_docs(tmp_path / "a.spacy", [doc])
    examples = list(TextCorpus(path, max_length=max_length, label_key="label")(nlp))
    for docs in zip(*((example.predicted, example.reference) for example in examples)):
        assert "".join(piece.text for piece in docs) == text
        assert [token.text for piece in docs for token in piece] == [token.text for token in doc]
    lengths = [len(example.reference) for example in examples]
    assert max(lengths) <= max_length
    assert len(lengths) == -(-len(doc) // max_length)
    assert all(example.reference.cats == {"A": 1.0} for example in examples)


def annotated(nlp):
    """A doc with annotation of all kinds, and tokens that the tokenizer would not make."""
    words = ["can't", "see", "New", "York", "yet"]
    doc = Doc(nlp.vocab, words=words, spaces=[True, True, True, True, False], tags=list("ABCDE"))
    doc.ents = [Span(doc, 2, 4, label="GPE")]
    doc.spans["sc"] = [Span(doc, 0, 2, label="X")]
    doc.cats = {"A": 1.0, "B": 0.0}
    doc.user_data["key"] = "value"
    return doc


@pytest.mark.parametrize("max_length", [0, 5])
def test_docs_keep_their_annotation_and_their_tokens(tmp_path, nlp, max_length):
    doc = annotated(nlp)
    (example,) = TextCorpus(write_docs(tmp_path / "a.spacy", [doc]), max_length=max_length)(nlp)
    reference = example.reference
    assert reference.to_json() == doc.to_json()
    assert [(span.text, span.label_) for span in reference.spans["sc"]] == [("can't see", "X")]
    assert reference.user_data == doc.user_data
    assert [token.text for token in example.predicted] == [token.text for token in doc]
    assert example.predicted.text == doc.text
    assert not example.predicted.has_annotation("TAG")
    assert example.predicted.cats == example.predicted.user_data == {}


def test_pieces_of_docs_keep_tags_entities_and_cats(tmp_path, nlp):
    doc = annotated(nlp)
    corpus = TextCorpus(write_docs(tmp_path / "a.spacy", [doc]), max_length=4)
    first, second = (example.reference for example in corpus(nlp))
    assert [token.tag_ for token in first] == list("ABCD")
    assert [token.tag_ for token in second] == ["E"]
    assert [(ent.text, ent.label_) for ent in first.ents] == [("New York", "GPE")]
    assert first.cats == second.cats == doc.cats


def test_docs_of_unknown_spaces_are_read(tmp_path, nlp):
    doc = Doc(nlp.vocab, words=["one", "two", "three"])
    path = write_docs(tmp_path / "a.spacy", [doc])
    assert texts_of(TextCorpus(path), nlp) == ["one two three "]
    assert texts_of(TextCorpus(path, max_length=2), nlp) == ["one two ", "three "]


def test_texts_longer_than_the_limit_of_parsers_are_read(tmp_path):
    nlp = spacy.blank("en")
    nlp.max_length = 10
    path = write(tmp_path / "a.txt", "one two three four")
    assert texts_of(TextCorpus(path), nlp) == ["one two three four"]
    assert texts_of(TextCorpus(path, max_length=2), nlp) == ["one two ", "three four"]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"per": "word"}, "E009"),
        ({"limit": -1}, "E011"),
        ({"limit": None}, "E011"),
        ({"max_length": 1.5}, "E011"),
        ({"min_length": -1}, "E011"),
        ({"max_length": -1}, "E011"),
    ],
)
def test_settings_out_of_range_are_refused(settings, code):
    with raises(code):
        TextCorpus("a.txt", **settings)


def test_a_path_that_is_null_is_refused_at_once():
    with raises("E030", "null.*no path"):
        TextCorpus(None)


def test_a_corpus_may_be_made_before_its_files(tmp_path, nlp):
    corpus = TextCorpus(tmp_path / "a.txt")
    with raises("E030", "a.txt"):
        list(corpus(nlp))
    write(tmp_path / "a.txt", TEXT)
    assert texts_of(corpus, nlp) == LINES


@pytest.mark.parametrize(
    ("line", "code", "what"),
    [
        ('{"text": "a"', "E033", ""),
        ('{"text": "a"} {"text": "b"}', "E033", ""),
        ("Just a text", "E033", ""),
        ('{"text": "\\ud800 a"}', "E033", "surrogate"),
        ("[" * 100_000, "E033", ""),
        ('["text"]', "E034", "type list"),
        ('"text"', "E034", "type str"),
        ("null", "E034", "type NoneType"),
        ('{"body": "a", "n": 1}', "E034", "'body', 'n'"),
        ("{}", "E034", "none"),
        ('{"text": 3, "label": "A"}', "E034", "'text'"),
        ('{"text": null, "label": "A"}', "E034", "'text'"),
        ('{"text": "a"}', "E035", "'label'"),
        ('{"text": "a", "label": 3}', "E035", "3"),
        ('{"text": "a", "label": ["A"]}', "E035", "A"),
        ('{"text": "a", "label": {"A": "yes"}}', "E035", "yes"),
        ('{"text": "a", "label": ""}', "E035", "''"),
        ('{"text": "a", "label": {"A": 1e999}}', "E035", "inf"),
        ('{"text": "a", "label": "\\ud800"}', "E035", "ud800"),
    ],
)
def test_wrong_lines_of_json_are_refused_by_their_number(tmp_path, nlp, line, code, what):
    good = '{"text": "a", "label": "A"}'
    path = write(tmp_path / "a.jsonl.gz", f"{good}\n\n{line}\n{good}\n")
    with raises(code, f"line 3 of .*a.jsonl.gz.*{what}"):
        list(TextCorpus(path, label_key="label")(nlp))


def test_a_text_that_is_not_utf8_is_refused(tmp_path, nlp):
    path = write(tmp_path / "a.txt", "Gut.\nSchön.".encode("latin1"))
    for per in ("line", "file"):
        with raises("E032", "Line 2 of .*a.txt.*0xf6"):
            list(TextCorpus(path, per=per)(nlp))


@pytest.mark.parametrize("suffix", ["gz", "bz2"])
@pytest.mark.parametrize("kind", ["txt", "jsonl", "spacy"])
def test_files_that_were_cut_short_are_refused(tmp_path, nlp, kind, suffix):
    path = tmp_path / f"a.{kind}.{suffix}"
    if kind == "spacy":
        write_docs(path, [nlp(TEXT)])
    else:
        write(path, [{"text": TEXT}])
    path.write_bytes(path.read_bytes()[:-12])
    with raises("E036", path.name):
        list(TextCorpus(path)(nlp))


def test_docs_that_are_damaged_are_refused(tmp_path, nlp):
    path = write_docs(tmp_path / "a.spacy", [nlp(TEXT)])
    data = path.read_bytes()
    no_docs = zlib.compress(srsly.msgpack_dumps({}))
    for damaged in (b"", b"text", no_docs, data[:-5], data[:20] + b"x" + data[21:]):
        path.write_bytes(damaged)
        with raises("E036", "a.spacy"):
            list(TextCorpus(path)(nlp))


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.txt.gz"])
def test_a_corpus_without_text_is_refused_as_training_would_wait_forever(tmp_path, nlp, name):
    with raises("E037", name):
        list(TextCorpus(write(tmp_path / name, "\n"))(nlp))


def test_a_corpus_of_documents_that_are_all_too_short_is_refused(tmp_path, nlp):
    with raises("E037", "min_length = 9"):
        list(TextCorpus(write(tmp_path / "a.txt", TEXT), min_length=9)(nlp))


def test_texts_can_be_read_without_a_pipeline(tmp_path):
    path = write(tmp_path / "a.txt", "one\n\ntwo\n")
    expected = [Text("one", {}, f"line 1 of {path}"), Text("two", {}, f"line 3 of {path}")]
    assert list(read_texts(path)) == expected
    assert list(read_texts(path, per="file")) == [Text("one\n\ntwo", {}, str(path))]
    path = write(tmp_path / "b.jsonl", [{"text": "three", "label": "A"}])
    assert [(text.text, text.cats) for text in read_texts(path, label_key="label")] == [
        ("three", {"A": 1.0})
    ]


def test_docs_are_no_texts(tmp_path, nlp):
    path = write_docs(tmp_path / "a.spacy", [nlp("a")])
    with raises("E031", "a.spacy"):
        list(read_texts(path))


CONFIG = """
[nlp]
lang = "en"
pipeline = ["textcat"]

[components]

[components.textcat]
factory = "textcat_multilabel"

[components.textcat.model]
@architectures = "spacy.TextCatBOW.v3"
exclusive_classes = false
length = 64
ngram_size = 1
no_output_layer = false

[corpora]

[corpora.train]
@readers = "spacy-rnn.TextCorpus.v1"
path = PATH
label_key = "label"
max_length = 3

[corpora.dev]
@readers = "spacy-rnn.TextCorpus.v1"
path = [PATH, PATH]
per = "file"

[training]
train_corpus = "corpora.train"
dev_corpus = "corpora.dev"
max_epochs = -1

[training.batcher]
@batchers = "spacy-rnn.batch_by_stream.v1"
n_streams = 2
bptt = 5
"""


def test_corpus_and_batcher_are_configured_and_feed_spacys_training(tmp_path):
    records = [{"text": "one two three four five six", "label": name} for name in "ABA"]
    path = write(tmp_path / "a.jsonl", records)
    config = Config().from_str(CONFIG.replace("PATH", json.dumps(str(path))))
    nlp = init_nlp(Config(Language.default_config).merge(config))
    assert nlp.get_pipe("textcat").labels == ("A", "B")
    resolved = registry.resolve(nlp.config.interpolate()["corpora"])
    train = list(resolved["train"](nlp))
    assert [len(example) for example in train] == [3] * 6
    assert len(list(resolved["dev"](nlp))) == 6
    batcher = registry.resolve(nlp.config.interpolate()["training"])["batcher"]
    tokens = Counter()
    for batch in batcher(train):
        assert all(isinstance(example, Example) for example in batch)
        nlp.update(batch)
        tokens.update(token.text for example in batch for token in example.reference)
    assert tokens == Counter(records[0]["text"].split() * 3)
