"""Attributes of layers that a config decides, and not the weights that are loaded into them.

Thinc saves all attributes of a model, and loading replaces those that are there: also where
weights of one pipeline begin the training of another, as `init_tok2vec` has it.
"""

from typing import Any

from thinc.model import deserialize_attr

from ..errors import Errors


class Rate(float):
    """A rate of training, such as one of dropout, that stays what it was built with."""


class Count(int):
    """Likewise a number of things, such as of samples."""


class Choice(str):
    """A choice that weights are for: those of another one can't be loaded."""


@deserialize_attr.register(Rate)
@deserialize_attr.register(Count)
def _keep(own: Any, value: bytes, name: str, model: Any) -> Any:
    return own


@deserialize_attr.register(Choice)
def _compare(own: Choice, value: bytes, name: str, model: Any) -> Choice:
    import srsly

    found = srsly.msgpack_loads(value)
    if found != own:
        reason = f"'{name}' is {found!r} in the saved model and {str(own)!r} in the config"
        raise ValueError(Errors.E019.format(name=model.name, reason=reason))
    return own
