"""Where spaces stand between words, so that a model of words can write a text."""

from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy


class Spacing:
    """How often a word has a space before it and behind it.

    before, after (Floats1d): (n_words,) Share of the places with a space; 1 for unseen words.
    pairs (Iterable[int]): Words that open and close, such as `"`: their spaces depend on which of
        the two they do.
    """

    def __init__(
        self, before: numpy.ndarray, after: numpy.ndarray, pairs: Iterable[int] = ()
    ) -> None:
        self.before, self.after, self.pairs = before, after, frozenset(pairs)

    @classmethod
    def of(cls, counts: Iterable[Tuple[str, List[int]]], words: Sequence[str]) -> "Spacing":
        """
        counts (Iterable[Tuple[str, List[int]]]): By word, as `Counts.spaces`.
        words (Sequence[str]): The words to keep, in order.
        RETURNS (Spacing): Their shares.
        """
        known = dict(counts)
        rows = [known.get(word, (0, 0, 0, 0)) for word in words]
        table = numpy.asarray(rows, dtype="float32").reshape(-1, 4)
        # One more place with a space each: rare words have few places.
        before = (table[:, 1] + 1) / (table[:, 0] + 1)
        after = (table[:, 3] + 1) / (table[:, 2] + 1)
        is_unsure = (numpy.abs(before - 0.5) < 0.3) & (numpy.abs(after - 0.5) < 0.3)
        pairs = [i for i in numpy.nonzero(is_unsure)[0].tolist() if not words[i].isalnum()]
        return cls(before, after, pairs)

    def padded(self, n_words: int) -> "Spacing":
        """RETURNS (Spacing): For more words, with spaces beside the new ones."""
        more = numpy.ones(n_words - len(self.before), dtype="float32")
        before, after = (numpy.concatenate([a, more]) for a in (self.before, self.after))
        return Spacing(before, after, self.pairs)

    def is_space(self, left: Optional[int], right: int, is_open: bool) -> bool:
        """Whether there is a space between two words.

        left (Optional[int]): Place of the first one in the list of words; None if it is unknown,
            which is taken for a word with spaces beside it.
        right (int): That of the second.
        is_open (bool): If one of them is a pair: whether the mark has been opened, by the left word
            or before it, and not closed.
        RETURNS (bool): True if both rather have one.
        """
        after = 1.0 if left is None else float(self.after[left])
        before = float(self.before[right])
        if left in self.pairs:  # just opened, or just closed
            after = float(not is_open)
        if right in self.pairs:  # about to close, or about to open
            before = float(not is_open)
        return after + before > 1.0

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Plain data: in percent, which is all that counts."""
        shares = {
            name: [round(100 * float(share)) for share in getattr(self, name)]
            for name in ("before", "after")
        }
        return {**shares, "pairs": sorted(self.pairs)}

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "Spacing":
        """RETURNS (Spacing): From what `to_dict` made."""
        before, after = (
            numpy.asarray(data[name], dtype="float32") / 100 for name in ("before", "after")
        )
        return cls(before, after, data["pairs"])
