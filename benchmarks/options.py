"""What the sections of the benchmark are told."""

from dataclasses import dataclass, field
from typing import List

MIN_ROUNDS = 9
ROUNDS = 10
QUICK_ROUNDS = 3


@dataclass
class Options:
    """How much is measured.

    quick (bool): Only see that it works; the figures mean little.
    rounds (int): Rounds of interleaved measurements.
    threads (List[int]): Numbers of threads; all but one section use the first of them.
    batch_sizes (List[int]): Texts in a batch.
    with_padded (bool): One long text padded with the others as well, which takes 2 GB.
    with_packed (bool): What takes minutes as well: packed training of many long texts.
    gpu (bool): Compare with cuDNN on the GPU; without it, only if there is one.
    """

    quick: bool = False
    rounds: int = ROUNDS
    threads: List[int] = field(default_factory=lambda: [1, 2])
    batch_sizes: List[int] = field(default_factory=lambda: [32, 64, 128])
    with_padded: bool = False
    with_packed: bool = False
    gpu: bool = False

    @property
    def n_rounds(self) -> int:
        """RETURNS (int): Rounds, fewer of them if it is to be quick."""
        return QUICK_ROUNDS if self.quick else self.rounds
