"""Several sequence to sequence models that write together."""

from typing import Any, Dict

from thinc.api import Model

from .ensembles import SEQ2SEQ, checked_members
from .seq2seq import InT, OutT, copies, forward, init


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
    layers = checked_members(SEQ2SEQ, members, _choices)
    shared = ("source", "source_vocabulary", "vocabulary", "longest", "counts")
    return Model(
        SEQ2SEQ.name,
        forward,
        init=init,
        layers=layers,
        attrs={key: layers[0].attrs[key] for key in shared},
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
