"""Where the surprisals of a doc are kept, and the extension attributes that show them.

They stand in `doc.user_data` as one array, not as an attribute of each token: a long text then
costs four bytes a token, and the array goes with the doc through DocBin, `to_bytes` and other
processes.
"""

import warnings
from typing import Any, Optional, cast

import numpy
from spacy.tokens import Doc, Span, Token

from ..errors import Warnings

KEY = "spacy_rnn.surprisal"
N_UNITS = "spacy_rnn.n_units"
# Whether they are of a model that reads backward, whose end symbol stands at the doc's beginning.
BACKWARD = "spacy_rnn.backward"
# The component that has written them.
COMPONENT = "spacy_rnn.component"


def annotate(
    doc: Doc, bits: numpy.ndarray, n_units: int, component: str, backward: bool = False
) -> None:
    """Write the surprisals of a doc.

    bits (Floats1d): (len(doc) + 1,) Of each token, and of the end symbol.
    n_units (int): How many units they are the sum of, with the end symbol.
    component (str): The name of the component that they are from.
    backward (bool): Whether its model reads backward.
    """
    doc.user_data[COMPONENT] = component
    doc.user_data[KEY] = numpy.ascontiguousarray(bits, dtype="float32")
    doc.user_data[N_UNITS] = int(n_units)
    doc.user_data.pop(BACKWARD, None)
    if backward:
        doc.user_data[BACKWARD] = True


def surprisals_of(doc: Doc) -> Optional[numpy.ndarray]:
    """RETURNS (Optional[Floats1d]): (len(doc) + 1,) Bits of each token and of the end; None if the
    doc has none, or has been cut into other tokens since."""
    bits = doc.user_data.get(KEY)
    return bits if bits is not None and len(bits) == len(doc) + 1 else None


def _of_token(token: Token) -> Optional[float]:
    bits = surprisals_of(token.doc)
    return None if bits is None else float(bits[token.i])


def _of_span(span: Span) -> Optional[float]:
    bits = surprisals_of(span.doc)
    return None if bits is None else float(bits[span.start : span.end].sum(dtype="float64"))


def _of_doc(doc: Doc) -> Optional[float]:
    bits = surprisals_of(doc)
    return None if bits is None else float(bits.sum(dtype="float64"))


def _perplexity(doc: Doc) -> Optional[float]:
    total, n_units = _of_doc(doc), doc.user_data.get(N_UNITS)
    return None if total is None or not n_units else perplexity(total, cast(int, n_units))


def perplexity(bits: float, n_units: int) -> float:
    """RETURNS (float): Two to the power of the mean; infinite beyond what a float can tell, and no
    number if the bits are none."""
    mean = bits / max(n_units, 1)
    return float("inf") if mean >= 1000 else 2.0**mean


def register_extensions() -> None:
    """Let tokens, spans and docs show their surprisal in bits, and docs their perplexity. A
    language model does so when it is made. To see what was saved with docs, without one, call
    this."""
    wanted: Any = (
        (Token, "surprisal", _of_token),
        (Span, "surprisal", _of_span),
        (Doc, "surprisal", _of_doc),
        (Doc, "perplexity", _perplexity),
    )
    for kind, name, getter in wanted:
        if not kind.has_extension(name):
            kind.set_extension(name, getter=getter)
        elif kind.get_extension(name)[2] is not getter:
            warnings.warn(Warnings.W060.format(kind=kind.__name__, name=name), stacklevel=2)
