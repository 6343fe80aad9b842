"""Join trained sequence to sequence models to one component."""

from typing import Any, Dict, List, NamedTuple, Sequence

from spacy.language import Language
from thinc.api import Config, ConfigValidationError

from ..errors import Errors
from ..models.seq2seq import (
    members,
    reads_vectors,
    set_n_units,
    set_vector_width,
    set_vocabularies,
    vector_width,
)
from ..models.vocabulary import Vocabulary

ARCHITECTURE = "spacy-rnn.Seq2SeqEnsemble.v1"


class Trained(NamedTuple):
    """A pipeline that is to be joined with others.

    where (str): Where it is from, for messages.
    nlp (Language): The pipeline.
    name (str): Name of its component.
    """

    where: str
    nlp: Language
    name: str

    @property
    def pipe(self) -> Any:
        """RETURNS (RNNSeq2Seq): The component."""
        return self.nlp.get_pipe(self.name)

    @property
    def config(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): That of the component, without variables: another pipeline has
        others."""
        return dict(self.nlp.config.interpolate()["components"][self.name])

    @property
    def configs(self) -> List[Dict[str, Any]]:
        """RETURNS (List[Dict[str, Any]]): Those of its models, of which an ensemble has several."""
        config: Dict[str, Any] = self.config["model"]
        if config["@architectures"] == ARCHITECTURE:
            return list(config["*"].values())
        return [config]


def join(trained: Sequence[Trained]) -> Language:
    """Let the first pipeline's component write with all models.

    trained (Sequence[Trained]): The pipelines. The first one is changed: its component is made
        anew, with its settings; all else in it stays.
    RETURNS (Language): The first one.
    RAISES (ValueError): E179 if their vocabularies or vectors differ, E178 if the models do not
        read and write alike.
    """
    first = trained[0]
    for other in trained[1:]:
        _check_alike(first, other)
    pipe, nlp = first.pipe, first.nlp
    models = [model for one in trained for model in members(one.pipe.model)]
    configs = [config for one in trained for config in one.configs]
    whole, config = nlp.config.interpolate(), first.config
    factory = config.pop("factory")
    numbered = {str(i): each for i, each in enumerate(configs, start=1)}
    config["model"] = {"@architectures": ARCHITECTURE, "*": numbered}
    longest = [one.pipe.model.attrs["longest"] for one in trained]
    nlp.replace_pipe(first.name, factory, config=config)
    _keep_readable(nlp, whole, first.name)
    model = nlp.get_pipe(first.name).model  # type: ignore[attr-defined]
    for member, source in zip(members(model), models):
        _load(member, source)
    set_vocabularies(model, pipe.source_vocabulary, pipe.vocabulary)
    # Some models were saved before there was a third number.
    model.attrs["longest"] = [max(numbers) for numbers in zip(*longest)]
    model.attrs["counts"] = list(pipe.model.attrs["counts"])
    # Those of the first one alone say nothing of all.
    others = {f"{first.name}_loss", "speed"}
    nlp.meta["performance"] = {
        key: value
        for key, value in nlp.meta.get("performance", {}).items()
        if not key.startswith("seq2seq_") and key not in others
    }
    return nlp


def _keep_readable(nlp: Language, whole: Config, name: str) -> None:
    """Give a pipeline values in the place of variables, if some name settings of a component that
    there are no more.

    nlp (Language): The pipeline.
    whole (Config): Its config as it was, without variables.
    name (str): Name of the component that was made anew.
    """
    try:
        nlp.config.interpolate()
    except ConfigValidationError:
        for other in nlp.component_names:
            if other != name:
                nlp.get_pipe_config(other).update(whole["components"][other])
        nlp.config = whole


def _load(member: Any, source: Any) -> None:
    """Give a member the weights of a model, but not its vocabularies: those of all are one."""
    own = {key: member.attrs[key] for key in ("source_vocabulary", "vocabulary")}
    set_n_units(member, None, None)
    if reads_vectors(source):
        set_vector_width(member, None)
    member.from_bytes(source.to_bytes())
    member.attrs.update(own)


def _check_alike(first: Trained, other: Trained) -> None:
    """Raise an error unless numbers mean the same to two models."""
    pipes = [one.pipe for one in (first, other)]
    for what in ("source_vocabulary", "vocabulary"):
        found: List[Vocabulary] = [getattr(pipe, what) for pipe in pipes]
        ours, theirs = (vocabulary.to_dict() for vocabulary in found)
        if ours != theirs:
            sizes = " and ".join(f"{len(vocabulary)}" for vocabulary in found)
            raise _error(first, other, f"their {what.replace('_', ' ')} ({sizes} units)")
    widths = [vector_width(pipe.model) for pipe in pipes if reads_vectors(pipe.model)]
    if len(set(widths)) > 1:
        raise _error(first, other, f"the width of their vectors ({widths[0]} and {widths[1]})")


def _error(first: Trained, other: Trained, what: str) -> ValueError:
    return ValueError(Errors.E179.format(first=first.where, other=other.where, what=what))
