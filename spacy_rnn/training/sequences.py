"""Sequences of vectors and what is known of them: read, checked, and cut into batches."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Iterator, List, Optional, Sequence, Tuple, Union, cast

import numpy
from numpy.typing import NDArray
from thinc.api import Ops, get_array_module, is_cupy_array
from thinc.types import Floats2d, Floats3d, Ints1d, Padded, Ragged

from ..errors import Errors, number_error
from ..layers.ragged import to_ragged
from .losses import Loss

SequencesT = Union[Sequence[Floats2d], Floats3d, Ragged]
IntsT = NDArray[numpy.int64]
NAMES = (
    "Classes are numbers from 0 on. Names become numbers by: names, Y = numpy.unique(names, "
    "return_inverse=True)"
)
UNEQUAL = "a list of lists of unequal lengths"
# Batches whose sequences are sorted by length together; more than that are mixed.
N_SORTED = 8


@dataclass
class Part:
    """Sequences, and the answers that belong to them.

    X (List[Floats2d]): (n_steps, nI) for each sequence.
    lengths (Ints1d): (n_seqs,) Their steps.
    Y (Union[Ints1d, Floats2d]): (n_rows,) classes or (n_rows, width) values: a row for each
        sequence, or for each step of all sequences, one sequence after another.
    per_step (bool): Whether it is one for each step.
    is_ragged (bool): Whether the sequences were given as a Ragged.
    """

    X: List[Floats2d]
    lengths: IntsT
    Y: Any
    per_step: bool
    is_ragged: bool

    def answers(self, indices: Any) -> Any:
        """RETURNS (Union[Ints1d, Floats2d]): The rows of Y of some sequences, in this order."""
        if not self.per_step:
            return self.Y[indices]
        ends = self.lengths.cumsum()
        rows = [numpy.arange(ends[i] - self.lengths[i], ends[i]) for i in indices]
        return self.Y[numpy.concatenate(rows)] if rows else self.Y[:0]


def read_part(names: Tuple[str, str], X: SequencesT, Y: Any, loss: Loss) -> Part:
    """Check sequences and answers.

    names (Tuple[str, str]): What X and Y are called in messages.
    X (Union[List[Floats2d], Floats3d, Ragged]): See `fit`.
    Y (Union[ArrayXd, List[ArrayXd], Ragged]): See `fit`.
    loss (Loss): What the answers are for.
    RETURNS (Part): Both, of types that can be computed with.
    RAISES (ValueError): E160 to E165.
    """
    x_name, y_name = names
    sequences = read_sequences(x_name, X)
    lengths = numpy.asarray([len(x) for x in sequences], dtype="int64")
    if not lengths.sum():
        found = f"{len(sequences)} sequences without a step" if len(sequences) else "no sequence"
        raise ValueError(Errors.E161.format(name=x_name, found=found))
    is_ragged = isinstance(X, Ragged)
    if isinstance(Y, Padded):
        advice = f"a list of arrays, such as model.ops.padded2list({y_name})"
        raise _unusable(y_name, loss, "a Padded", advice)
    answers = _list_of_arrays(Y)
    if answers is None:
        rows = _array(Y)
        if rows is None:
            raise _unusable(y_name, loss, UNEQUAL, "an answer for each sequence, or lists of them")
        n_answers = len(rows) if rows.ndim else 0
    else:
        n_answers = len(answers)
    if Y is None or n_answers != len(sequences):
        n_y = "none" if Y is None else f"{n_answers} answers"
        n_x = f"{len(sequences)} sequences"
        raise ValueError(Errors.E163.format(x=x_name, y=y_name, n_x=n_x, n_y=n_y))
    if answers is not None:
        rows = _join_steps(names, answers, lengths)
    rows = _check_answers(y_name, rows, loss)
    return Part(sequences, lengths, rows, answers is not None, is_ragged)


def read_sequences(name: str, X: SequencesT) -> List[Floats2d]:
    """
    name (str): What they are called in messages.
    X (Union[List[Floats2d], Floats3d, Ragged]): Sequences in one of three forms.
    RETURNS (List[Floats2d]): (n_steps, nI) for each of them, in single precision.
    RAISES (ValueError): E005, E160 or E162.
    """
    if isinstance(X, Ragged):
        X = _cut(X)
    shape = getattr(X, "shape", None)
    if isinstance(X, Padded):
        advice = f"model.ops.padded2list({name}) is such a list."
        raise unreadable(name, name, "a Padded", advice)  # which can be indexed without end
    if isinstance(X, (str, bytes)) or not hasattr(X, "__len__") or not hasattr(X, "__getitem__"):
        raise unreadable(name, name, f"an object of the type {type(X).__name__}")
    if shape is not None and len(shape) != 3:
        advice = (
            f"One series by itself is a list of one array: [{name}]." if len(shape) == 2 else ""
        )
        raise unreadable(name, name, f"an array of the shape {shape}", advice)
    sequences: List[Floats2d] = []
    for i, given in enumerate(X):
        where = f"{name}[{i}]"
        x = _array(given)
        if x is None:
            raise unreadable(name, where, UNEQUAL)
        if x.dtype.kind not in "fiub":
            raise unreadable(name, where, f"of the type {x.dtype}")
        if x.ndim != 2:
            advice = (
                "A series x of single numbers becomes one by x[:, None]." if x.ndim == 1 else ""
            )
            raise unreadable(name, where, f"an array of the shape {x.shape}", advice)
        if sequences and x.shape[1] != sequences[0].shape[1]:
            found = f"of width {x.shape[1]}, where {name}[0] has {sequences[0].shape[1]}"
            raise unreadable(name, where, found)
        single = _single(x)
        _check_finite(name, i, x, single)
        sequences.append(single)
    return sequences


def _cut(X: Ragged) -> List[Floats2d]:
    """RETURNS (List[Floats2d]): The rows of each sequence."""
    lengths = [int(length) for length in X.lengths]
    if min(lengths, default=0) < 0:
        raise number_error("lengths", "numbers that are not negative", min(lengths))
    if sum(lengths) != len(X.dataXd):
        raise ValueError(Errors.E005.format(rows=len(X.dataXd), total=sum(lengths)))
    ends = numpy.cumsum([0, *lengths])
    return [cast(Floats2d, X.dataXd[a:b]) for a, b in pairwise(ends.tolist())]


def unreadable(name: str, where: str, found: str, advice: str = "") -> ValueError:
    """RETURNS (ValueError): E160."""
    message = Errors.E160.format(name=name, where=where, found=found, advice=advice)
    return ValueError(message.rstrip())


def _single(x: Any) -> Any:
    """RETURNS (ArrayXd): The numbers in single precision; infinite if it has no room for them."""
    with numpy.errstate(over="ignore"):
        return get_array_module(x).ascontiguousarray(x, dtype="float32")


def _check_finite(name: str, i: int, x: Any, single: Any) -> None:
    xp: Any = get_array_module(x)
    if bool(xp.isfinite(single).all()):
        return
    step, column = (int(places[0]) for places in xp.nonzero(~xp.isfinite(single)))
    number = float(x[step, column])
    found = f"{number!r}{', too large for single precision,' if math.isfinite(number) else ''}"
    raise ValueError(Errors.E162.format(name=name, i=i, found=found, step=step, column=column))


def _list_of_arrays(Y: Any) -> Optional[List[Any]]:
    """RETURNS (Optional[List]): The answers of each sequence, if there is one for each step."""
    if isinstance(Y, Ragged):
        return list(_cut(Y))
    if getattr(Y, "ndim", 0) == 3:
        return list(Y)
    if isinstance(Y, (list, tuple)) and len(Y) and all(hasattr(y, "__len__") for y in Y):
        is_text = any(isinstance(y, (str, bytes)) for y in Y)
        return None if is_text else [_array(y) for y in Y]
    return None


def _array(given: Any) -> Any:
    """RETURNS (Optional[ArrayXd]): What was given as an array; None for lists of unequal length."""
    if is_cupy_array(given):
        return given
    try:
        return numpy.asarray(given)
    except ValueError:
        return None


def _join_steps(names: Tuple[str, str], answers: List[Any], lengths: IntsT) -> Any:
    """RETURNS (ArrayXd): (n_rows,) or (n_rows, width) The answers of all steps."""
    # An empty list says nothing of the type and the width of answers.
    said = [y for y in answers if y is not None and y.shape != (0,)]
    width = said[0].shape[1:] if said else ()
    for i, (y, n_steps) in enumerate(zip(answers, lengths)):
        shape = None if y is None else y.shape
        is_one_each = len(width) < 2 and shape == (n_steps, *width)
        if is_one_each or (not n_steps and shape == (0,)):
            continue
        found = UNEQUAL if y is None else f"an array of the shape {y.shape}"
        raise ValueError(
            Errors.E164.format(i=i, x=names[0], y=names[1], n_steps=n_steps, found=found)
        )
    return get_array_module(said[0]).concatenate([y for y in said if len(y)])


def _check_answers(name: str, Y: Any, loss: Loss) -> Any:
    """RETURNS (Union[Ints1d, Floats2d]): (n_rows,) classes, or (n_rows, width) values in single
    precision."""
    kind = Y.dtype.kind
    if kind not in "fiub":
        expected = f"numbers. {NAMES}" if loss.of_classes else "numbers"
        raise _unusable(name, loss, f"answers of the type {Y.dtype}", expected)
    if Y.ndim > 2:
        raise _unusable(name, loss, f"answers of the shape {Y.shape}", "one row for each")
    xp: Any = get_array_module(Y)
    if not loss.of_classes:
        values = _single(Y)
        if kind == "f" and bool(xp.isinf(values).any()):
            number = float(Y[xp.isinf(values)][0])
            is_large = f"{number!r}, which is too large for single precision"
            found = is_large if math.isfinite(number) else "an infinite number"
            raise _unusable(name, loss, found, "numbers, or NaN where none is known")
        if not count_known(Y):
            raise _unusable(name, loss, "NaN alone, so no answer is known", "at least one number")
        if loss.n_outputs is None and kind != "f":
            return Y  # of which only the function knows what it is
        return values.reshape((len(Y), -1))
    if Y.ndim == 1:
        if kind == "f":
            raise _unusable(name, loss, f"numbers of the type {Y.dtype}", f"integers. {NAMES}")
        if int(Y.min()) < 0:
            raise _unusable(name, loss, f"the class {int(Y.min())}", f"no negative number. {NAMES}")
        return Y.astype("int64")
    sums = Y.sum(axis=1)
    if float(Y.min()) < 0.0 or not bool(xp.allclose(sums, 1.0, atol=1e-3)):
        expected = (
            "rows of probabilities, which add up to 1, or the number of each class. Classes of "
            f"steps are a list of arrays: list({name})"
        )
        raise _unusable(name, loss, "rows that are no probabilities", expected)
    return xp.ascontiguousarray(Y, dtype="float32")


def count_known(Y: Any) -> int:
    """RETURNS (int): How many numbers there are in some answers that are not NaN."""
    xp: Any = get_array_module(Y)
    return int(Y.size - xp.isnan(Y).sum()) if Y.dtype.kind == "f" else int(Y.size)


def _unusable(name: str, loss: Loss, found: str, expected: str) -> ValueError:
    text = Errors.E165.format(loss=loss.name, name=name, found=found, expected=expected)
    return ValueError(text)


def batches(
    lengths: IntsT, batch_size: int, rng: numpy.random.RandomState
) -> Iterator[NDArray[numpy.int64]]:
    """Cut sequences into batches of like length, in an order that is drawn anew at each call.

    lengths (Ints1d): (n_seqs,)
    batch_size (int): How many sequences a batch has at most.
    rng (RandomState): What is drawn from.
    YIELDS (Ints1d): Numbers of sequences.
    """
    order = rng.permutation(len(lengths))
    found = []
    size = batch_size * N_SORTED
    for start in range(0, len(order), size):
        drawn = order[start : start + size]
        # Stable, so that sequences of the same length stay in the order that was drawn.
        drawn = drawn[numpy.argsort(lengths[drawn], kind="stable")]
        found += [drawn[i : i + batch_size] for i in range(0, len(drawn), batch_size)]
    for i in rng.permutation(len(found)):
        yield found[i]


def make_batch(ops: Ops, X: Sequence[Floats2d], is_ragged: bool) -> Any:
    """RETURNS (Union[List[Floats2d], Ragged]): Sequences as the model takes them."""
    arrays = [cast(Floats2d, ops.asarray(x)) for x in X]
    return to_ragged(ops, arrays) if is_ragged else arrays


def rows_of(ops: Ops, output: Any) -> Floats2d:
    """RETURNS (Floats2d): (n_rows, nO) What a model gave, as rows."""
    if isinstance(output, (list, tuple, Ragged)):
        return cast(Floats2d, to_ragged(ops, cast(Any, output)).dataXd)
    return cast(Floats2d, output)


def like(ops: Ops, output: Any, rows: Floats2d) -> Any:
    """RETURNS (Any): Rows in the form of what a model gave."""
    if isinstance(output, Ragged):
        return Ragged(rows, output.lengths)
    if isinstance(output, (list, tuple)):
        lengths: Ints1d = ops.asarray1i([len(y) for y in output])
        return ops.unflatten(rows, lengths)
    return rows
