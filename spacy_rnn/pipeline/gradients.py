"""Gradients within the recurrent layers of a pipeline's component, and of other cells in the place
of its last one."""

from contextlib import contextmanager
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Sequence

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model, chain
from thinc.types import Floats2d, Ragged

from ..diagnostics import GradientNorms, LossT, reading_norms
from ..errors import Errors
from ..layers.observer import Observer, Reading
from ..layers.softmax import FullSoftmax, loss_and_gradient
from ..layers.state import recurrent_layers
from ..models.encoder import CELLS
from ..models.ensembles import SEQ2SEQ, members
from ..models.lm_parts import is_backward, parts, vocabulary_of
from ..models.reading import in_order, shift
from ..models.seq2seq import parts as seq2seq_parts
from ..models.seq2seq import reads_vectors
from .condition import VECTOR, condition_state


class Probe(NamedTuple):
    """What the recurrent layers of a component have read of some docs.

    readings (List[Reading]): For each layer, in the order in which they run.
    loss (Optional[LossT]): The loss that reads the last layer's last state, if the model has such.
    what (str): What the loss of the last layer is, in words.
    """

    readings: List[Reading]
    loss: Optional[LossT]
    what: str

    def norms(self, i: int, seed: int = 0) -> GradientNorms:
        """RETURNS (GradientNorms): Those of the layer of this number."""
        is_last = i == len(self.readings) - 1
        return reading_norms(self.readings[i], self.loss if is_last else None, seed)

    def fresh_norms(self, cell: str, seed: int = 0) -> GradientNorms:
        """Those of another cell, with fresh weights, in the place of the last layer: of the same
        width, over the same inputs, and with the same loss.

        cell (str): "elman", "lstm", "gru", "qrnn" or "mingru".
        seed (int): The seed of the weights, and of random directions.
        RETURNS (GradientNorms): The norms.
        RAISES (ValueError): For an unknown cell.
        """
        if cell not in CELLS:
            raise ValueError(Errors.E002.format(cell=cell, cells=", ".join(CELLS)))
        last = self.readings[-1]
        with _seeded(seed):
            layer = CELLS[cell](last.layer.get_dim("nO"), last.layer.get_dim("nI"))
            layer.initialize()
        fresh = Reading(f"{cell}, untrained", layer, last.rows, [None] * len(last.rows))
        return reading_norms(fresh, self.loss, seed)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw weights from a seed, and leave NumPy's global state as it was."""
    before = numpy.random.get_state()
    numpy.random.seed(seed)
    try:
        yield
    finally:
        numpy.random.set_state(before)


def find_recurrent(nlp: Language, title: str, component: Optional[str] = None) -> str:
    """Find the component with recurrent layers.

    nlp (Language): The pipeline.
    title (str): Its folder or name, for messages.
    component (Optional[str]): Its name, which is needed if there are several.
    RETURNS (str): Its name.
    RAISES (ValueError): E056, E120 or E121.
    """
    names = [name for name, pipe in nlp.pipeline if recurrent_layers_of(pipe)]
    listed = ", ".join(names)
    if not names:
        found = ", ".join(nlp.pipe_names) or "(none)"
        raise ValueError(Errors.E120.format(name=title, components=found))
    if component is None and len(names) > 1:
        what = "model with recurrent layers"
        raise ValueError(
            Errors.E056.format(name=title, found=len(names), what=what, components=listed)
        )
    if component is None:
        return names[0]
    if component not in names:
        if component not in nlp.pipe_names:
            reason = ": there is no such component"
        else:
            listens = any(node.name == "tok2vec-listener" for node in _nodes(nlp, component))
            reason = ", as it listens to a shared tok2vec" if listens else ""
        raise ValueError(
            Errors.E121.format(name=title, found=component, reason=reason, components=listed)
        )
    return component


def recurrent_layers_of(pipe: Any) -> List[Model[Any, Any]]:
    """RETURNS (List[Model]): The recurrent layers of a component; of any other object, none."""
    model = getattr(pipe, "model", None)
    return recurrent_layers(model) if isinstance(model, Model) else []


def _nodes(nlp: Language, name: str) -> List[Model[Any, Any]]:
    model = getattr(nlp.get_pipe(name), "model", None)
    return list(model.walk()) if isinstance(model, Model) else []


def size(pipe: Any, doc: Doc) -> int:
    """RETURNS (int): In how many steps a component reads a doc."""
    if _is_lm(pipe.model):
        return vocabulary_of(pipe.model).n_units(doc) + 1
    return len(_source(pipe, doc)) if _is_seq2seq(pipe.model) else len(doc)


def probe(nlp: Language, name: str, docs: Iterable[Doc], length: int) -> Probe:
    """Let a component read docs, and take down what its recurrent layers read.

    nlp (Language): The pipeline. Its components before the one that is asked run too, as they
        would; nothing is learned.
    name (str): Name of the component.
    docs (Iterable[Doc]): The docs, which are not changed unless by those components. Empty ones are
        left out.
    length (int): The steps that are read of each: tokens, or the units of a language model, which
        reads from the end if it is a backward one, or those of the source of a sequence to sequence
        model, whose decoder is not asked.
    RETURNS (Probe): What has been read.
    RAISES (ValueError): E024 if there are no weights, E122 if no doc has two steps, E124 if no
        recurrent layer has read anything.
    """
    pipe: Any = nlp.get_pipe(name)
    model: Model[Any, Any] = pipe.model
    before = [each for _, each in nlp.pipeline[: nlp.pipe_names.index(name)]]
    is_lm = _is_lm(model)
    from_end = is_lm and is_backward(model)
    observers = [Observer(reader) for reader in _readers(model)]
    targets: List[Any] = []
    n_docs = n_steps = 0
    for doc in docs:
        if not len(doc):
            continue
        cut = _cut(doc, length, from_end)
        for earlier in before:
            cut = earlier(cut)
        if is_lm:
            targets.append(_read_units(model, observers[0], cut, length))
        elif _is_seq2seq(model):
            units = model.ops.asarray1i(_source(pipe, cut)[:length])
            for observer in observers:
                observer.read(Ragged(units, model.ops.asarray1i([len(units)])))
        else:
            observers[0].read([cut])
        n_docs, n_steps = n_docs + 1, max(n_steps, min(size(pipe, cut), length))
    readings = [
        reading._replace(name=f"member {i}, {reading.name}") if len(observers) > 1 else reading
        for i, observer in enumerate(observers, start=1)
        for reading in observer.readings()
    ]
    if n_docs and not readings:
        raise ValueError(Errors.E124.format(name=name))
    if n_steps < 2:
        raise ValueError(Errors.E122.format(n_docs=n_docs, found=n_steps))
    if not is_lm:
        return Probe(readings, None, "a random projection of the layer's last state")
    loss = _surprisal_of(model, targets)
    return Probe(readings, loss, "the surprisal of the unit that follows the last state")


def _is_lm(model: Model[Any, Any]) -> bool:
    return model.name == "language_model"


def _is_seq2seq(model: Model[Any, Any]) -> bool:
    return members(model)[0].name == SEQ2SEQ.member


def _source(pipe: Any, doc: Doc) -> Any:
    """RETURNS (Ints1d): (n_units,) What a sequence to sequence model reads of a doc; nothing if it
    writes by a vector."""
    if reads_vectors(pipe.model):
        return numpy.zeros(0, dtype="int32")
    return pipe.source_vocabulary.encode(pipe.reader.source(doc)).ids


def _readers(model: Model[Any, Any]) -> List[Model[Any, Any]]:
    """RETURNS (List[Model]): What reads docs, alone: parsers, for one, want more than docs behind
    it. Each member of an ensemble has its own."""
    if _is_lm(model):
        return [parts(model).encoder]
    if _is_seq2seq(model):
        found = [seq2seq_parts(member) for member in members(model)]
        return [chain(each.embed, each.encoder.layers[0]) for each in found if each.encoder]
    tok2vec = model.get_ref("tok2vec") if model.has_ref("tok2vec") else None
    return [tok2vec if tok2vec is not None and recurrent_layers(tok2vec) else model]


def _cut(doc: Doc, length: int, from_end: bool) -> Doc:
    """RETURNS (Doc): A doc of the first tokens, or of the last, with what models look at."""
    if len(doc) <= length:
        return doc
    cut: Doc = (doc[-length:] if from_end else doc[:length]).as_doc()
    cut.cats = dict(doc.cats)
    if VECTOR in doc.user_data:
        cut.user_data[VECTOR] = doc.user_data[VECTOR]
    return cut


def _read_units(model: Model[Any, Any], observer: Observer, doc: Doc, length: int) -> Any:
    """RETURNS (Ints1d): (1,) The unit that follows what has been read."""
    ids = in_order(model, vocabulary_of(model).encode(doc).ids)
    inputs, targets, _ = shift(model, [ids])
    n_steps = min(length, len(inputs))
    Xr: Any = Ragged(inputs[:n_steps], model.ops.asarray1i([n_steps]))
    observer.read(Xr, condition_state(model, [doc]))
    return targets[n_steps - 1 : n_steps]


def _surprisal_of(model: Model[Any, Any], targets: Sequence[Any]) -> LossT:
    """RETURNS (LossT): The gradient of the surprisal, in nats, of the units that follow."""
    # A copy, as gradients are added to the weights.
    output = parts(model).output.copy()
    xp = model.ops.xp
    units = xp.concatenate(list(targets))

    def gradient(H: Floats2d) -> Floats2d:
        ones = xp.ones(len(H), dtype=H.dtype)
        # A sampled softmax has a surprisal too, by all units.
        is_sampled = output.name == "sampled_softmax"
        find: Any = FullSoftmax.loss_and_gradient if is_sampled else loss_and_gradient
        return find(output, H, units, ones)[1]

    return gradient
