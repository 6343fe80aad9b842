"""Invented sentences in the form of the treebank."""

from itertools import product
from typing import Iterable, List, NamedTuple


class Word(NamedTuple):
    """A row of CoNLL-U; a contraction if there are several parts of speech."""

    form: str
    pos: str
    feats: str = "_"


MASC, FEM = "Gender=Masc|Number=Sing", "Gender=Fem|Number=Sing"
NAMES = [
    [Word("Ana", "PROPN", FEM)],
    [Word("Rui", "PROPN", MASC)],
    [Word("João", "PROPN", MASC), Word("Lima", "PROPN")],
    [Word("Eva", "PROPN", FEM), Word("Rocha", "PROPN")],
]
VERBS = [Word(form, "VERB", "Mood=Ind|Number=Sing") for form in ("gosta", "fala", "precisa")]
NOUNS = [
    [Word("do", "ADP+DET", MASC), Word("mar", "NOUN", MASC)],
    [Word("da", "ADP+DET", FEM), Word("casa", "NOUN", FEM)],
    [Word("de", "ADP"), Word("livros", "NOUN", "Gender=Masc|Number=Plur")],
]
ENDS = [[Word(".", "PUNCT")], [Word("novamente", "ADV"), Word(".", "PUNCT")]]


def sentences() -> List[List[Word]]:
    """RETURNS (List[List[Word]]): 72 different sentences."""
    return [[*a, b, *c, *d] for a, b, c, d in product(NAMES, VERBS, NOUNS, ENDS)]


def conllu(documents: Iterable[int]) -> str:
    """RETURNS (str): A treebank of these documents, of one to three sentences each."""
    known = sentences()
    blocks = []
    for document in documents:
        for number in range(1 + document % 3):
            words = known[(7 * document + number) % len(known)]
            # Numbers, so that no two sentences are the same.
            words = [Word(f"{document}.{number}", "NUM"), *words]
            blocks.append(_block(f"FOLHA_DOC{document:06}_SENT{number:03}", words))
    return "".join(blocks)


def _block(sent_id: str, words: List[Word]) -> str:
    lines = [f"# sent_id = {sent_id}", "# text = " + " ".join(word.form for word in words)]
    i = 1
    for form, pos, feats in words:
        parts = pos.split("+")
        if len(parts) > 1:
            lines.append("\t".join([f"{i}-{i + len(parts) - 1}", form, *["_"] * 8]))
        for n, part in enumerate(parts):
            own = feats if n == len(parts) - 1 else "_"
            lines.append("\t".join([str(i), form, form, part, "_", own, *["_"] * 4]))
            i += 1
    return "\n".join(lines) + "\n\n"
