"""Regular English inflection by spelling alone: what a network for it has to be better than."""

VOWELS = "aeiou"
ENDINGS = {"VBD": "ed", "VBN": "ed", "VBG": "ing", "JJR": "er", "JJS": "est"}
ENDINGS.update({"RBR": "er", "RBS": "est"})


def inflect(tag: str, lemma: str) -> str:
    """The form of a word that is inflected regularly. No consonant is doubled, as that depends on
    the stress, but after a single vowel of a word of one syllable.

    tag (str): A tag of the Penn Treebank: NNS, VBZ, VBD, VBN, VBG, JJR, JJS, RBR or RBS.
    lemma (str): The word.
    RETURNS (str): "running" for "VBG" and "run".
    """
    # "city" but not "boy".
    after_consonant = lemma[-1:] == "y" and lemma[-2:-1].lower() not in VOWELS
    if tag in ("NNS", "VBZ"):
        if lemma.endswith(("s", "x", "z", "ch", "sh")):
            return f"{lemma}es"
        return f"{lemma[:-1]}ies" if after_consonant else f"{lemma}s"
    ending = ENDINGS[tag]
    if tag == "VBG":
        silent = lemma.endswith("e") and not lemma.endswith(("ee", "oe", "ye"))
        return f"{lemma[:-1] if silent else double(lemma)}ing"
    if lemma.endswith("e"):
        return f"{lemma}{ending[1:]}"
    return f"{lemma[:-1]}i{ending}" if after_consonant else f"{double(lemma)}{ending}"


def double(lemma: str) -> str:
    """RETURNS (str): "runn" for "run", but "read" and "open" as they are."""
    vowels = [letter in VOWELS for letter in lemma]
    short = sum(vowels) == 1 and vowels[-2:] == [True, False] and lemma[-1] not in "wxy"
    return lemma + lemma[-1] if short else lemma
