"""The tokens that language models are compared on: those of the State of the Union addresses.

spaCy's English tokenizer reads each address with its whitespace made single spaces, so that there
are no tokens of whitespace. What training has fewer than MIN_COUNT times is the unknown symbol,
which is predicted and scored as any other; each address ends in one end symbol, likewise scored.
"""

import sys
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Dict, Iterable, List, Sequence

import spacy

# The library of the scripts is not a part of the package: it stands beside this folder.
sys.path.append(str(Path(__file__).parents[1] / "scripts"))

from datalib.sotu import Address, plain_text, read_addresses, split_addresses

MIN_COUNT = 3


class Unit(str, Enum):
    """What a text is a sequence of."""

    word = "word"
    char = "char"


class Symbols:
    """The numbers of the units that are frequent enough, of the end and of the unknown.

    sequences (Iterable[Sequence[str]]): The units of the training part.
    min_count (int): Units that occur less often are unknown; recommended range 1 to 5.
    """

    END = 0
    UNKNOWN = 1

    def __init__(self, sequences: Iterable[Sequence[str]], min_count: int = MIN_COUNT) -> None:
        counts = Counter(unit for sequence in sequences for unit in sequence)
        units = sorted(unit for unit, count in counts.items() if count >= min_count)
        self.numbers = {unit: number for number, unit in enumerate(units, start=2)}

    def __len__(self) -> int:
        """RETURNS (int): How many there are, with the end and the unknown."""
        return len(self.numbers) + 2

    def encode(self, sequence: Sequence[str]) -> List[int]:
        """RETURNS (List[int]): The number of each unit, and that of the end."""
        return [*(self.numbers.get(unit, self.UNKNOWN) for unit in sequence), self.END]


def read_parts(
    unit: Unit = Unit.word, *, lower: bool = False, keep_whitespace: bool = False
) -> Dict[str, List[List[str]]]:
    """Read the addresses.

    unit (Unit): Words, which are spaCy's tokens, or characters.
    lower (bool): In lower case.
    keep_whitespace (bool): The text as it is in the file, with what whitespace it has.
    RETURNS (Dict[str, List[List[str]]]): For "train", "dev" and "test" the units of each address.
    """
    tokenizer = spacy.blank("en").tokenizer

    def read(address: Address) -> List[str]:
        text = address.text if keep_whitespace else plain_text(address)
        units = list(text) if unit is Unit.char else [token.text for token in tokenizer(text)]
        return [one.lower() for one in units] if lower else units

    parts = split_addresses(read_addresses())
    return {name: [read(address) for address in part] for name, part in parts.items()}
