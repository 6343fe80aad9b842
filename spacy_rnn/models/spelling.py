"""What it costs to spell an unknown unit, so that models with other vocabularies can be
compared."""

import math
from collections import Counter
from typing import Dict, Mapping

# Unicode has so many code points; each gets a share of the probability.
N_CODE_POINTS = 0x110000


class Spelling:
    """A model of single characters, learned from the units that were too rare to be known.

    A model of words that says "unknown" has said less than the text does. The rest is here: the
    characters of the word, each by its own frequency, and an end.

    counts (Dict[str, int]): How often each character occurs in rare units; "" is their end.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts: Dict[str, int] = dict(counts)
        self._total = sum(self.counts.values())

    @classmethod
    def of(cls, rare: Mapping[str, int]) -> "Spelling":
        """
        rare (Mapping[str, int]): Units that are not known, and how often they occur.
        RETURNS (Spelling): The characters of their types.
        """
        counts: "Counter[str]" = Counter()
        for unit in rare:
            counts.update(unit)
            counts[""] += 1
        return cls(dict(sorted(counts.items())))

    def bits(self, unit: str) -> float:
        """RETURNS (float): What the characters of a unit cost, and its end."""
        return sum(-math.log2(self._probability(char)) for char in (*unit, ""))

    def _probability(self, char: str) -> float:
        """By frequency; a share of one observation in all goes to all code points alike."""
        return (self.counts.get(char, 0) + 1 / (N_CODE_POINTS + 1)) / (self._total + 1)
