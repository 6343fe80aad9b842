"""A treebank: sentences in CoNLL-U, their names, and parts that share no document."""

import re
import zipfile
from collections import Counter
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Dict, List, Mapping, NamedTuple, Sequence, Set

from datalib.downloads import Archive
from datalib.errors import DataError
from datalib.records import fold
from datalib.splitting import PARTS

DANTE = Archive(
    project="dante-corpora",
    version="2.0.5",
    filename="dante_corpora-2.0.5-py3-none-any.whl",
    sha256="e050761fd00d09a99beabf81658419b284267341c96afd6dd1225468a9d73bb0",
)
MEMBER = "dante/data/porttinari/annotated.conllu"
# Texts of other genres, of which only the text is used: petroleum research, and tweets.
RAW_MEMBERS = tuple(
    f"dante/data/{name}/annotated.conllu" for name in ("petrogold", "danteshots", "dantestocks")
)
N_FIELDS = 10
ID, UPOS, FEATS, MISC = 0, 3, 5, 9
FEATURE = re.compile(r"[\w\[\]]+=[^=|]+")
# The tag of proper names in the column MISC, as `spacy convert` reads it.
NAME = "NE={}-NAME"
PartsT = Dict[str, List["Sentence"]]


class Sentence(NamedTuple):
    """A sentence of a treebank.

    document (str): The document that it is from.
    text (str): The sentence, as the treebank has it.
    rows (List[List[str]]): The ten fields of each line that is not a comment.
    """

    document: str
    text: str
    rows: List[List[str]]

    def conllu(self) -> str:
        """RETURNS (str): The sentence in CoNLL-U, with an empty line at the end."""
        lines = [f"# text = {self.text}", *("\t".join(row) for row in self.rows)]
        return "\n".join(lines) + "\n\n"


def read_porttinari(wheel: Path) -> List[Sentence]:
    """RETURNS (List[Sentence]): All sentences of Porttinari-base, in their order."""
    with zipfile.ZipFile(wheel) as archive:
        return parse_conllu(archive.read(MEMBER).decode("utf8"))


def read_raw(wheel: Path) -> List[str]:
    """RETURNS (List[str]): The texts of the other treebanks of the package, in their order."""
    texts = []
    with zipfile.ZipFile(wheel) as archive:
        for member in RAW_MEMBERS:
            lines = archive.read(member).decode("utf8").splitlines()
            texts += [
                line.partition("=")[2].strip() for line in lines if line.startswith("# text =")
            ]
    return texts


def parse_conllu(text: str) -> List[Sentence]:
    """Read sentences whose ids name their documents, as in FOLHA_DOC000001_SENT003. An empty field
    becomes "_", as the format has it, and what is no feature in the column of features is left out.

    RAISES (DataError): If a line has not ten fields, or a sentence no id or text.
    """
    sentences: List[Sentence] = []
    comments: Dict[str, str] = {}
    rows: List[List[str]] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.startswith("#"):
            name, _, value = line[1:].partition("=")
            comments[name.strip()] = value.strip()
        elif line.strip():
            fields = [field.strip() or "_" for field in line.split("\t")]
            if len(fields) != N_FIELDS:
                raise DataError(
                    f"Line {number} has {len(fields)} fields.", f"Expected {N_FIELDS}: CoNLL-U."
                )
            features = filter(FEATURE.fullmatch, fields[FEATS].split("|"))
            fields[FEATS] = "|".join(features) or "_"
            rows.append(fields)
        elif rows:
            if not comments.get("sent_id") or not comments.get("text"):
                raise DataError(
                    f"The sentence that ends at line {number} has no sent_id or no text.",
                    "Expected both as comments before its first word.",
                )
            document = comments["sent_id"].partition("_SENT")[0]
            sentences.append(Sentence(document, comments["text"], rows))
            comments, rows = {}, []
    return sentences


def mark_names(sentence: Sentence) -> Sentence:
    """Tag proper names: the longest runs of words whose part of speech is PROPN. What kind of name
    it is, a treebank does not say.

    RETURNS (Sentence): With the tags NE=B-NAME and NE=I-NAME in MISC.
    """
    marked = []
    inside = False
    for row in sentence.rows:
        if not row[ID].isdecimal():
            marked.append(row)
            continue
        is_name = row[UPOS] == "PROPN"
        if is_name:
            others = [] if row[MISC] == "_" else [row[MISC]]
            row = [*row[:MISC], "|".join([NAME.format("I" if inside else "B"), *others])]
        inside = is_name
        marked.append(row)
    return sentence._replace(rows=marked)


def split_documents(
    sentences: Sequence[Sentence], shares: Mapping[str, float], seed: int
) -> PartsT:
    """Deal documents out to parts, the same way for the same seed: in an order of chance, to test
    until it has its share of the sentences, then to dev, and what is left to train. Then a sentence
    whose text is in a later part too is left out: test keeps all of its own.

    sentences (Sequence[Sentence]): The sentences of all documents.
    shares (Mapping[str, float]): The parts and their relative sizes.
    seed (int): Seed of the order.
    RETURNS (Dict[str, List[Sentence]]): The sentences of each part, in their order.
    RAISES (DataError): If there are too few documents for a part to have any.
    """
    sizes = Counter(sentence.document for sentence in sentences)
    names = sorted(sizes)
    Random(seed).shuffle(names)
    total = sum(shares.values())
    ends = dict(zip(reversed(PARTS), accumulate(shares[part] for part in reversed(PARTS))))
    where: Dict[str, str] = {}
    seen = 0
    for name in names:
        # By the middle of the document, so that a long one is in the part that most of it is in.
        middle = (seen + sizes[name] / 2) / len(sentences) * total
        where[name] = next((part for part, end in ends.items() if middle < end), PARTS[0])
        seen += sizes[name]
    missing = [part for part in PARTS if part not in where.values()]
    if missing:
        raise DataError(
            f"Found {len(names)} documents: too few, nothing is left for {missing[0]}.",
            f"Expected enough for {', '.join(PARTS)}. Give {missing[0]} a larger share.",
        )
    parts: PartsT = {}
    taken: Set[str] = set()
    for part in reversed(PARTS):
        own = [sentence for sentence in sentences if where[sentence.document] == part]
        parts[part] = [sentence for sentence in own if fold(sentence.text) not in taken]
        taken.update(fold(sentence.text) for sentence in own)
    return {part: parts[part] for part in PARTS}
