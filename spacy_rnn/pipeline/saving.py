"""How components of this package are saved, and what is checked when they are loaded."""

from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Tuple, TypeVar, Union, cast

import srsly
from spacy import util
from spacy.pipeline.trainable_pipe import TrainablePipe

from ..layers.gradients import renew_gradients
from ..training.unit_counts import UnitCounts
from .loading import (
    check_digest,
    check_parameters,
    check_structure,
    explain_damage,
    file_digest,
    structure,
)

SelfT = TypeVar("SelfT", bound="SavedPipe")


class SavedPipe(TrainablePipe):
    """A component whose model's file holds all that it has learned, its vocabulary too."""

    def _register(self) -> None:
        """Register the attributes of docs that the component writes."""

    def __setstate__(self, state: Any) -> None:
        # In a process that has made none of these components, attributes are not there yet.
        super().__setstate__(state)
        self._register()

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """RETURNS (bytes): The component, without any state of what it has read."""
        data: Dict[str, Callable] = {}
        if self.cfg is not None:
            data["cfg"] = lambda: srsly.json_dumps(self.cfg)
        data["model"] = self.model.to_bytes
        return cast(bytes, util.to_bytes(data, list(exclude)))

    def from_bytes(self: SelfT, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> SelfT:
        """Load the component from a bytestring.

        RAISES (ValueError): If the data is damaged, or the model is of another shape.
        """
        before = self._structure()
        readers: Dict[str, Callable] = {
            "cfg": lambda data: self.cfg.update(srsly.json_loads(data)),
            "model": self._model_from_bytes,
        }
        with explain_damage(self.name, "the bytes given"):
            util.from_bytes(bytes_data, readers, list(exclude))
        return self._checked(before)

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the component to a directory, with the digest of the model in its settings."""
        path = Path(path)
        writers: Dict[str, Callable] = {"model": self.model.to_disk}
        util.to_disk(path, writers, list(exclude))
        if "cfg" not in exclude:
            digest = {"model_sha256": file_digest(path / "model")} if "model" not in exclude else {}
            srsly.write_json(path / "cfg", {**self.cfg, **digest})

    def from_disk(self: SelfT, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> SelfT:
        """Load the component from a directory.

        RAISES (ValueError): If the model file is damaged, or is of another shape.
        """
        path = Path(path)
        before = self._structure()
        readers: Dict[str, Callable] = {
            "cfg": lambda p: self.cfg.update(cast(Dict[str, Any], srsly.read_json(p))),
            "model": lambda p: self._model_from_bytes(p.read_bytes()),
        }
        with explain_damage(self.name, path / "model"):
            util.from_disk(path, readers, list(exclude))
        digest = self.cfg.pop("model_sha256", None)
        if digest is not None and "model" not in exclude:
            check_digest(self.name, path / "model", cast(str, digest))
        return self._checked(before)

    def _model_from_bytes(self, data: bytes) -> None:
        """Load the model, whose dims may be others than they are."""
        self.model.from_bytes(data)

    def _structure(self) -> List[Tuple[str, Any]]:
        """RETURNS (List[Tuple[str, Any]]): Choices of the config that loading must not change."""
        return structure(self.model)

    def _checked(self: SelfT, before: List[Tuple[str, Any]]) -> SelfT:
        """RETURNS (SavedPipe): Itself.

        RAISES (ValueError): If what was loaded does not fit together.
        """
        check_structure(self.name, before, self._structure())
        check_parameters(self.name, self.model)
        self._begin_anew()
        return self

    def _begin_anew(self) -> None:
        """Forget what was read by the weights that were there before, and what was learned since
        the last step: the gradients, and how many units they are from."""
        renew_gradients(self.model)
        self._units = UnitCounts()
        self._forget()

    def _forget(self) -> None:
        """Forget what was read by the model that was there before."""
