"""Join trained text classifiers, or sequence to sequence models, to one component."""

from typing import Any, Dict, List, NamedTuple, Sequence

import numpy
from spacy.language import Language
from thinc.api import Config, ConfigValidationError, Model, to_numpy

from ..errors import Errors
from ..layers.gradients import renew_gradients
from ..models import ensembles
from ..models.ensembles import members
from ..models.seq2seq import (
    reads_vectors,
    set_n_units,
    set_vector_width,
    set_vocabularies,
    vector_width,
)

SEQ2SEQ = "rnn_seq2seq"
ARCHITECTURES = {
    SEQ2SEQ: ensembles.SEQ2SEQ.architecture,
    "rnn_textcat": ensembles.TEXTCAT.architecture,
    "rnn_textcat_multilabel": ensembles.TEXTCAT.architecture,
}


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
        """RETURNS (Union[RNNSeq2Seq, CrossEntropyTextcat]): The component."""
        return self.nlp.get_pipe(self.name)

    @property
    def factory(self) -> str:
        """RETURNS (str): What has made the component."""
        return self.nlp.get_pipe_meta(self.name).factory

    @property
    def config(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): That of the component, without variables: another pipeline has
        others."""
        return dict(self.nlp.config.interpolate()["components"][self.name])

    @property
    def configs(self) -> List[Dict[str, Any]]:
        """RETURNS (List[Dict[str, Any]]): Those of its models, of which an ensemble has several."""
        config: Dict[str, Any] = self.config["model"]
        if config["@architectures"] == ARCHITECTURES[self.factory]:
            return list(config["*"].values())
        return [config]


def join(trained: Sequence[Trained]) -> Language:
    """Let the first pipeline's component answer with all models.

    trained (Sequence[Trained]): The pipelines. The first one is changed: its component is made
        anew, with its settings; all else in it stays.
    RETURNS (Language): The first one.
    RAISES (ValueError): E179 if their labels, vocabularies or vectors differ, E178 if the models do
        not go together, E183 if one of them has no tok2vec of its own.
    """
    first = trained[0]
    for one in trained:
        _check_own_tok2vec(one)
        _check_alike(first, one)
    old, nlp, name = first.pipe, first.nlp, first.name
    models = [model for one in trained for model in members(one.pipe.model)]
    configs = [config for one in trained for config in one.configs]
    longest = [one.pipe.model.attrs.get("longest", ()) for one in trained]
    whole, config = nlp.config.interpolate(), first.config
    factory = config.pop("factory")
    numbered = {str(i): each for i, each in enumerate(configs, start=1)}
    config["model"] = {"@architectures": ARCHITECTURES[factory], "*": numbered}
    nlp.replace_pipe(name, factory, config=config)
    _keep_readable(nlp, whole, name)
    if factory == SEQ2SEQ:
        # Some models were saved before there was a third number.
        lengths = [max(numbers) for numbers in zip(*longest)]
        _fill_seq2seq(nlp.get_pipe(name), models, old, lengths)
    else:
        _fill_textcat(nlp.get_pipe(name), models, old)
    # Those of the first one alone say nothing of all.
    others = {f"{name}_loss", "speed"}
    nlp.meta["performance"] = {
        key: value
        for key, value in nlp.meta.get("performance", {}).items()
        if not key.startswith(("seq2seq_", "cats_")) and key not in others
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


def _fill_seq2seq(pipe: Any, models: List[Model[Any, Any]], old: Any, longest: List[float]) -> None:
    for member, source in zip(pipe.model.layers, models):
        # The vocabularies of all are one.
        own = {key: member.attrs[key] for key in ("source_vocabulary", "vocabulary")}
        set_n_units(member, None, None)
        if reads_vectors(source):
            set_vector_width(member, None)
        member.from_bytes(source.to_bytes())
        member.attrs.update(own)
    set_vocabularies(pipe.model, old.source_vocabulary, old.vocabulary)
    pipe.model.attrs["longest"] = longest
    pipe.model.attrs["counts"] = list(old.model.attrs["counts"])


def _fill_textcat(pipe: Any, models: List[Model[Any, Any]], old: Any) -> None:
    for member, source in zip(pipe.model.layers, models):
        member.from_bytes(source.to_bytes())
    pipe.model.set_dim("nO", len(old.labels), force=True)
    renew_gradients(pipe.model)
    # The temperature of each says nothing of their mean.
    pipe.cfg.update({**old.cfg, "temperature": 1.0})


def _check_own_tok2vec(one: Trained) -> None:
    for node in one.pipe.model.walk():
        if node.name == "tok2vec-listener":
            tok2vec = node.upstream_name
            tok2vec = "tok2vec" if tok2vec == "*" else tok2vec
            raise ValueError(Errors.E183.format(name=one.name, where=one.where, tok2vec=tok2vec))


def _check_alike(first: Trained, other: Trained) -> None:
    """Raise an error unless numbers mean the same to the models of two pipelines."""
    if first.factory != other.factory:
        raise _error(first, other, f"their kind ({first.factory} and {other.factory})")
    pipes = [one.pipe for one in (first, other)]
    if first.factory == SEQ2SEQ:
        for what in ("source_vocabulary", "vocabulary"):
            found = [getattr(pipe, what) for pipe in pipes]
            if found[0].to_dict() != found[1].to_dict():
                sizes = " and ".join(f"{len(vocabulary)}" for vocabulary in found)
                raise _error(first, other, f"their {what.replace('_', ' ')} ({sizes} units)")
        widths = [vector_width(pipe.model) for pipe in pipes if reads_vectors(pipe.model)]
        if len(set(widths)) > 1:
            raise _error(first, other, f"the width of their vectors ({widths[0]} and {widths[1]})")
        return
    labels = [tuple(pipe.labels) for pipe in pipes]
    if labels[0] != labels[1]:
        shown = " and ".join(", ".join(each) or "none" for each in labels)
        raise _error(first, other, f"their labels ({shown})")
    if _uses_vectors(other.pipe.model) and not _have_same_vectors(first.nlp, other.nlp):
        raise _error(first, other, "the word vectors that the second one reads")


def _uses_vectors(model: Model[Any, Any]) -> bool:
    return any(node.name == "static_vectors" for node in model.walk())


def _have_same_vectors(one: Language, other: Language) -> bool:
    tables = [nlp.vocab.vectors for nlp in (one, other)]
    if tables[0] is tables[1]:
        return True
    first, second = (to_numpy(t.data) for t in tables)
    same_rows = dict(getattr(tables[0], "key2row", {})) == dict(getattr(tables[1], "key2row", {}))
    return same_rows and first.shape == second.shape and numpy.array_equal(first, second)


def _error(first: Trained, other: Trained, what: str) -> ValueError:
    return ValueError(Errors.E179.format(first=first.where, other=other.where, what=what))
