"""Where spaces stand between words, so that a model of words can write a text."""

from typing import Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence

# By the kind of a word, see `_kind`; numbers of places by whether there is a space, see `Spaces`.
WORD, MIXED, MARK = 0, 1, 2
NOTHING = (0, 0, 0, 0)
FIELDS = ("before", "behind_joined", "behind_spaced", "pairs")


class Spacing:
    """Which words do without a space beside them.

    A space stands between two words, unless one of them does without: `,` has none before it, `$`
    none behind it. Behind a mark it depends on whether one stands before it: `"` has one on one
    side, and `-` on both or on none.

    before (Iterable[int]): Words without a space before them, by their places in the vocabulary.
    behind_joined (Iterable[int]): Words without one behind them, if none is before them.
    behind_spaced (Iterable[int]): Likewise, if there is one before them.
    pairs (Iterable[int]): Marks that open and close. The one that opens has a space before it, the
        one that closes has none.
    """

    def __init__(
        self,
        before: Iterable[int] = (),
        behind_joined: Iterable[int] = (),
        behind_spaced: Iterable[int] = (),
        pairs: Iterable[int] = (),
    ) -> None:
        self.before: FrozenSet[int] = frozenset(before)
        self.behind_joined: FrozenSet[int] = frozenset(behind_joined)
        self.behind_spaced: FrozenSet[int] = frozenset(behind_spaced)
        self.pairs: FrozenSet[int] = frozenset(pairs)

    @classmethod
    def of(cls, counts: Mapping[str, Sequence[int]], words: Sequence[str]) -> "Spacing":
        """
        counts (Mapping[str, Sequence[int]]): By word, as in `Spaces`.
        words (Sequence[str]): The vocabulary.
        RETURNS (Spacing): What most places of a word show.
        """
        found: Dict[str, List[int]] = {field: [] for field in FIELDS}
        for place, word in enumerate(words):
            jj, js, sj, ss = counts.get(word, NOTHING)
            n = jj + js + sj + ss
            if jj + js > sj + ss:
                found["before"].append(place)
            # One more place each, which is as the word is on the whole.
            joined = (jj + sj) / max(n, 1)
            if jj + joined > js + 1 - joined:
                found["behind_joined"].append(place)
            if sj + joined > ss + 1 - joined:
                found["behind_spaced"].append(place)
            if _kind(word) == MARK and min(js, sj) > 0.2 * n and js + sj > 0.7 * n:
                found["pairs"].append(place)
        return cls(**found)

    def is_space(self, left: Optional[int], is_spaced: bool, right: int, is_open: bool) -> bool:
        """Whether there is a space between two words.

        left (Optional[int]): Place of the first one in the vocabulary; None if it is unknown.
        is_spaced (bool): Whether there is a space before it.
        right (int): Place of the second one.
        is_open (bool): If it is one of the pairs: whether it has been opened, and not closed.
        RETURNS (bool): True unless one of them does without.
        """
        if left in (self.behind_spaced if is_spaced else self.behind_joined):
            return False
        return not is_open if right in self.pairs else right not in self.before

    def to_dict(self) -> Dict[str, List[int]]:
        """RETURNS (Dict[str, List[int]]): Plain data."""
        return {field: sorted(getattr(self, field)) for field in FIELDS}

    @classmethod
    def from_dict(cls, data: Dict[str, List[int]]) -> "Spacing":
        """RETURNS (Spacing): From what `to_dict` made."""
        return cls(**{field: data[field] for field in FIELDS})


class Spaces:
    """Counts, in one pass over a corpus, where words have spaces beside them.

    What stands at the beginning or the end of a doc, or beside whitespace, has a space there. Of
    two words without one between them the one that is more of a mark does without, or else the
    second, and the other would have had one: so `do` before `n't`, or any word before a comma, says
    nothing against it.

    counts (Dict[str, List[int]]): Of each word, in how many places there is a space: on no side,
        behind it, before it, on both sides.
    """

    def __init__(self) -> None:
        self.counts: Dict[str, List[int]] = {}
        self._kinds: Dict[str, int] = {}

    def add(self, words: Sequence[str], spaces: Sequence[bool]) -> None:
        """Count those of a doc.

        words (Sequence[str]): Its words.
        spaces (Sequence[bool]): Whether there is a space behind each.
        """
        kinds = self._kinds
        for word in words:
            if word not in kinds:
                kinds[word] = _kind(word)
                self.counts[word] = [0, 0, 0, 0]
        is_before, left, left_kind = True, "", WORD
        for right, is_space in zip(words, (True, *spaces)):
            right_kind = kinds[right]
            if left:
                is_behind = is_space or left_kind <= right_kind or right.isspace()
                self.counts[left][2 * is_before + is_behind] += 1
            is_before = is_space or right_kind < left_kind or left.isspace()
            left, left_kind = right, right_kind
        if left:
            self.counts[left][2 * is_before + 1] += 1


def _kind(word: str) -> int:
    """How much of a mark a word is: WORD for `do`, `U.S.` and `1,000`, MIXED for `n't`, MARK for
    what has neither letters nor digits."""
    if word.replace(".", "").replace(",", "").isalnum():
        return WORD
    return MIXED if any(map(str.isalnum, word)) else MARK
