"""Ragged batches whose lengths are spread as those of real texts are."""

from dataclasses import dataclass
from typing import Dict, List

import numpy
from numpy.typing import NDArray

# (length, width) for each text
VectorsT = List[NDArray[numpy.float32]]
# Lengths are drawn from a gamma distribution of this shape: skewed to the right, with a standard
# deviation of half the mean. At least one token each.
SHAPE = 4.0
MEAN_LENGTHS: Dict[str, int] = {"short": 25, "long": 230}
SEED = 0


@dataclass
class Batch:
    """Vectors of a batch of texts, and a gradient for what comes out of them.

    lengths (List[int]): Tokens of each text.
    inputs (Dict[int, VectorsT]): By their width, (length, width) for each text.
    gradients (VectorsT): (length, nO) for each text.
    """

    lengths: List[int]
    inputs: Dict[int, VectorsT]
    gradients: VectorsT

    @property
    def n_words(self) -> int:
        """RETURNS (int): Tokens in all texts."""
        return sum(self.lengths)


def draw_lengths(docs: str, batch_size: int, n_batches: int) -> List[List[int]]:
    """
    docs (str): "short" or "long".
    batch_size (int): Texts in a batch.
    n_batches (int): How many batches.
    RETURNS (List[List[int]]): The lengths in each batch; the same at every call.
    """
    rng = numpy.random.default_rng([SEED, MEAN_LENGTHS[docs], batch_size])
    drawn = rng.gamma(SHAPE, MEAN_LENGTHS[docs] / SHAPE, size=(n_batches, batch_size))
    return [[max(1, round(length)) for length in row] for row in drawn.tolist()]


def make_batch(lengths: List[int], in_widths: List[int], out_width: int) -> Batch:
    """
    lengths (List[int]): Tokens of each text.
    in_widths (List[int]): Widths of the inputs that are needed.
    out_width (int): Width of the gradient.
    RETURNS (Batch): Normally distributed float32 vectors.
    """
    rng = numpy.random.default_rng(SEED)
    inputs = {width: _vectors(rng, lengths, width) for width in sorted(set(in_widths))}
    return Batch(lengths, inputs, _vectors(rng, lengths, out_width))


def padding_factor(lengths: List[int]) -> float:
    """RETURNS (float): Cells of the padded batch for each token in it; 1 is no padding."""
    return len(lengths) * max(lengths) / sum(lengths)


def _vectors(rng: numpy.random.Generator, lengths: List[int], width: int) -> VectorsT:
    # An array of its own for each text, as an embedding layer hands them over.
    return [rng.standard_normal((length, width), dtype="float32") for length in lengths]
