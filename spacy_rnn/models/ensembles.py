"""What ensembles of models have in common, whatever their members do."""

from typing import Any, Callable, Dict, List, NamedTuple, Sequence

from thinc.api import Model

from ..errors import Errors


class Kind(NamedTuple):
    """Which models an ensemble can be made of.

    name (str): The name of the ensemble's model.
    member (str): That of its members' models.
    architecture (str): What makes the ensemble, for messages.
    member_architecture (str): What makes its members.
    task (str): What they do alike, for messages.
    """

    name: str
    member: str
    architecture: str
    member_architecture: str
    task: str


SEQ2SEQ = Kind(
    "seq2seq_ensemble",
    "seq2seq",
    "spacy-rnn.Seq2SeqEnsemble.v1",
    "spacy-rnn.Seq2Seq.v1",
    "read and write alike",
)
TEXTCAT = Kind(
    "textcat_ensemble",
    "textcat_rnn",
    "spacy-rnn.TextCatEnsemble.v1",
    "spacy-rnn.TextCatRNN.v1",
    "score the same labels",
)
NAMES = {kind.name for kind in (SEQ2SEQ, TEXTCAT)}


def members(model: Model[Any, Any]) -> List[Model[Any, Any]]:
    """RETURNS (List[Model]): The models that an ensemble is made of; else the model itself."""
    return list(model.layers) if model.name in NAMES else [model]


def checked_members(
    kind: Kind,
    given: Sequence[Model[Any, Any]],
    choices: Callable[[Model[Any, Any]], Dict[str, Any]],
) -> List[Model[Any, Any]]:
    """Raise an error unless models can be the members of an ensemble.

    kind (Kind): What ensemble.
    given (Sequence[Model]): The models.
    choices (Callable[[Model], Dict[str, Any]]): What must be the same in all, by the names that a
        config has for it.
    RETURNS (List[Model]): The models. One that is given twice is two, with weights of their own.
    RAISES (ValueError): E178.
    """
    if not given:
        raise _error(kind, "there is none")
    for member in given:
        found = getattr(member, "name", type(member).__name__)
        if found != kind.member:
            raise _error(kind, f"one is '{found}'")
    expected = choices(given[0])
    for member in given[1:]:
        for key, value in choices(member).items():
            if value != expected[key]:
                raise _error(kind, f"'{key}' is {expected[key]!r} for one, {value!r} for another")
    return [member.copy() if member in given[:i] else member for i, member in enumerate(given)]


def _error(kind: Kind, reason: str) -> ValueError:
    return ValueError(
        Errors.E178.format(
            ensemble=kind.architecture,
            member=kind.member_architecture,
            task=kind.task,
            reason=reason,
        )
    )
