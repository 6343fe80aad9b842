"""How a language model is saved, and what is checked when it is loaded."""

from typing import Any, List, Tuple, TypeVar

from ..errors import Errors
from ..models.lm_parts import embedding_of, set_condition_width, set_n_units, vocabulary_of
from .saving import SavedPipe
from .surprisal import register_extensions

SelfT = TypeVar("SelfT", bound="SavedLanguageModel")


class SavedLanguageModel(SavedPipe):
    """A component whose model is a language model. The vocabulary is in the model's file."""

    def _register(self) -> None:
        register_extensions()

    def _model_from_bytes(self, data: bytes) -> None:
        # Numbers of rows are the vocabulary's, which is in the data, and so are the labels.
        set_n_units(self.model, None)
        set_condition_width(self.model, None)
        # What was saved before there were backward models does not say that it is forward.
        self.model.attrs["backward"] = False
        super()._model_from_bytes(data)

    def _structure(self) -> List[Tuple[str, Any]]:
        return [*super()._structure(), ("attr", vocabulary_of(self.model).attr)]

    def _checked(self: SelfT, before: List[Tuple[str, Any]]) -> SelfT:
        super()._checked(before)
        n_rows = embedding_of(self.model).maybe_get_dim("nV")
        if n_rows is not None and n_rows != len(vocabulary_of(self.model)):
            reason = f"{n_rows} vectors for {len(vocabulary_of(self.model))} units"
            raise ValueError(Errors.E019.format(name=self.name, reason=reason))
        return self
