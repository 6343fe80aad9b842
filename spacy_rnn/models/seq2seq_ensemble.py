"""Several sequence to sequence models that write together."""

from typing import Any, Dict

from thinc.api import Model

from ..errors import Errors
from .seq2seq import ENSEMBLE, InT, OutT, copies, forward, init


def Seq2SeqEnsemble(*members: Model[InT, OutT]) -> Model[InT, OutT]:
    """Sequence to sequence models that write together: at each step, the probability of a unit is
    the mean of those that they give to it.

    In training each learns from its own error, from first weights and with a dropout of its own.
    They may be of different cells, widths and depths.

    *members (Model[Tuple[Sequence, List[Ints1d]], Floats1d]): Models by `spacy-rnn.Seq2Seq.v1`, of
        the same source, units and `copy`. Recommended: 2 to 5.
    RETURNS (Model[Tuple[Sequence, List[Ints1d]], Floats1d]): As one of them.
    RAISES (ValueError): If there is none, or they do not read and write alike.
    """
    if not members:
        raise _error("there is none")
    for member in members:
        if getattr(member, "name", None) != "seq2seq":
            found = getattr(member, "name", type(member).__name__)
            raise _error(f"one is '{found}'")
    expected = _choices(members[0])
    for member in members[1:]:
        for key, value in _choices(member).items():
            if value != expected[key]:
                reason = f"'{key}' is {expected[key]!r} for one, and {value!r} for another"
                raise _error(reason)
    attrs = {key: members[0].attrs[key] for key in ("source", "longest", "counts")}
    vocabularies = {key: members[0].attrs[key] for key in ("source_vocabulary", "vocabulary")}
    return Model(
        ENSEMBLE,
        forward,
        init=init,
        # A model that is given twice is two members, with weights of their own.
        layers=[
            member.copy() if member in members[:i] else member for i, member in enumerate(members)
        ],
        attrs={**attrs, **vocabularies},
    )


def _choices(model: Model[InT, OutT]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What must be the same in all members."""
    source, target = model.attrs["source_vocabulary"], model.attrs["vocabulary"]
    return {
        "source": model.attrs["source"],
        "source_unit": source.kind,
        "source_attr": source.attr,
        "unit": target.kind,
        "copy": copies(model),
    }


def _error(reason: str) -> ValueError:
    return ValueError(
        Errors.E178.format(
            ensemble="spacy-rnn.Seq2SeqEnsemble.v1",
            member="spacy-rnn.Seq2Seq.v1",
            what="read and write alike",
            reason=reason,
            same="source, units and copy",
        )
    )
