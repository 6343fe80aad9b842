"""What both text categorizers share: loss, updates, prediction, checks of what is loaded."""

import math
from contextlib import nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
    cast,
)

import numpy
import srsly
from spacy.pipeline.textcat import TextCategorizer
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import minibatch
from thinc.api import NumpyOps, Optimizer, to_numpy
from thinc.types import Floats2d

from ..calibration import is_temperature, temper
from ..checks import check_rate, is_number
from ..errors import Errors, number_error
from ..layers.dropout import set_drop
from ..layers.freezing import is_frozen
from ..layers.gradients import renew_gradients
from ..layers.perturbation import Adversary
from ..models import latent, ngrams
from ..models.embeddings import embeddings_of
from ..models.ensembles import members
from ..models.textcat import Backprop
from ..progress import bar
from ..training.gradients import output_gradient
from ..training.steps import StepStats, finish_update
from ..training.unit_counts import UnitCounts
from .cross_entropy import (
    ClassWeightsT,
    LabelCounts,
    check_class_weights,
    cross_entropy,
    resolve_class_weights,
)
from .explain import explain
from .explanation import Explanation
from .loading import (
    check_digest,
    check_doc,
    check_parameters,
    check_scores,
    check_structure,
    check_weights,
    explain_damage,
    file_digest,
    structure,
)

# Docs whose n-grams are counted at once.
COUNT_BATCH = 256


class CrossEntropyTextcat(TextCategorizer):
    """A spaCy text categorizer trained by cross-entropy.

    The mean over the docs of a batch is taken, so neither the loss nor the gradient depends on
    the size of the batch, nor on how many parts it is learned from in.

    steps (StepStats): What its steps came to; see `spacy_rnn.training.steps`.
    """

    exclusive: bool
    steps: StepStats

    def _configure_loss(
        self, class_weights: ClassWeightsT, label_smoothing: float, adversarial_norm: float
    ) -> None:
        self.steps = StepStats()
        self._units = UnitCounts()
        check_class_weights(self.name, class_weights)
        check_rate("label_smoothing", label_smoothing)
        if not is_number(adversarial_norm) or not 0.0 <= adversarial_norm < math.inf:
            raise number_error("adversarial_norm", "at least 0 and finite", adversarial_norm)
        self.cfg["class_weights"] = class_weights
        self.cfg["label_smoothing"] = label_smoothing
        self.cfg["adversarial_norm"] = adversarial_norm
        # By label; computed at initialization if class_weights is a string.
        self.cfg["label_weights"] = {}
        # What logits are divided by at prediction; see `spacy_rnn.calibration`.
        self.cfg["temperature"] = 1.0

    def _initialize_weights(
        self,
        get_examples: Callable[[], Iterable[Example]],
        read_raw: Callable[[], Iterable[Example]],
    ) -> None:
        self._find_adversary()  # now rather than in the first step
        self.cfg["temperature"] = 1.0  # that of other weights says nothing about these
        setting = cast(ClassWeightsT, self.cfg["class_weights"])
        counts = LabelCounts.of(get_examples()) if isinstance(setting, str) else None
        self.cfg["label_weights"] = resolve_class_weights(
            self.name, setting, self.labels, counts, self.exclusive
        )
        for node in self.model.walk():
            if node.name == ngrams.NAME:
                ngrams.count_ngrams(node, partial(self._batches_with_truths, get_examples))
        self._learn_latent(get_examples, read_raw)
        renew_gradients(self.model)
        self._units = UnitCounts()

    def _learn_latent(
        self,
        get_examples: Callable[[], Iterable[Example]],
        read_raw: Callable[[], Iterable[Example]],
    ) -> None:
        """Let what learns from texts without labels do so: from the raw ones, and the others."""
        for node in self.model.walk():
            if node.name == latent.NAME:
                # As the pipeline will cut them into tokens, not as they were annotated.
                docs = (eg.predicted for eg in chain(read_raw(), get_examples()))
                latent.learn_components(node, bar(docs, "docs", about="Reading texts"))

    def _batches_with_truths(
        self, get_examples: Callable[[], Iterable[Example]]
    ) -> Iterator[Tuple[List[Doc], numpy.ndarray, numpy.ndarray]]:
        """YIELDS (Tuple[List[Doc], Floats2d, Floats2d]): Docs, truths, and 1 where these are
        known."""
        for batch in minibatch(get_examples(), COUNT_BATCH):
            truths, known = self._examples_to_truth(batch)
            yield [eg.predicted for eg in batch], to_numpy(truths), known

    def predict(self, docs: Iterable[Doc]) -> Floats2d:
        """Score a batch of docs, without changing them, at the temperature in `cfg`.

        docs (Iterable[Doc]): The docs. Those without tokens get the same scores in any batch: by
            the biases of a model of this package, else the same for all labels.
        RETURNS (Floats2d): (n_docs, n_labels)
        RAISES (ValueError): E110 if the temperature is none.
        """
        temperature = self._check_temperature()
        docs = list(docs)

        def scores_of(docs: List[Doc]) -> Floats2d:
            found = self.model.ops.asarray(self.model.predict(docs))
            return cast(Floats2d, temper(found, temperature, self.exclusive))

        if self._reads_all:
            return scores_of(docs)
        # Those of logits of zero, which no temperature changes.
        uniform = 1.0 / max(len(self.labels), 1) if self.exclusive else 0.5
        scores: Any = self.model.ops.alloc2f(len(docs), len(self.labels)) + uniform
        read = self._read_by_model(docs)
        if read:
            scores[self.model.ops.xp.asarray(read)] = scores_of([docs[i] for i in read])
        return cast(Floats2d, scores)

    def _sample_for_model(
        self, get_examples: Callable[[], Iterable[Example]]
    ) -> Callable[[], Iterable[Example]]:
        """RETURNS (Callable): Gives the examples whose docs the model can read, in order to be
        initialized; if there are none, all."""
        if self._reads_all or not any(len(eg.reference) for eg in get_examples()):
            return get_examples
        return lambda: (eg for eg in get_examples() if len(eg.reference))

    @property
    def _reads_all(self) -> bool:
        """RETURNS (bool): Whether the model can read docs without tokens. The architectures of
        other packages fail on them, alone or beside others."""
        return self.model.attrs.get("gradient_of") == "logits"

    def _read_by_model(self, docs: Sequence[Doc]) -> List[int]:
        """RETURNS (List[int]): Numbers of the docs that the model can read."""
        return [i for i, doc in enumerate(docs) if self._reads_all or len(doc)]

    def _check_temperature(self) -> float:
        temperature = self.cfg["temperature"]
        if not is_temperature(temperature):
            raise ValueError(Errors.E110.format(name=self.name, found=repr(temperature)))
        return cast(float, temperature)

    def explain(
        self,
        doc: Doc,
        *,
        label: Optional[str] = None,
        method: str = "integrated_gradients",
        n_steps: int = 256,
    ) -> Explanation:
        """Tell what each token of a doc says for or against a label.

        Integrated gradients (Sundararajan et al. 2017) share out the difference between the score
        of the text and that of a text whose embedded tokens are all zeros; n-grams of the linear
        model are shared out to their tokens exactly. Neither the model nor its gradients are
        changed, and threads may explain at once, as they may predict.

        doc (Doc): The doc, which is not changed.
        label (Optional[str]): The label. If None, the one with the highest score.
        method (str): "integrated_gradients", or "attention" for the weights of the pooling by
            attention, which do not tell for from against.
        n_steps (int): The most gradients that are computed on the way; fewer if they are enough.
            At least 11. Recommended: 64 to 1000.
        RETURNS (Explanation): One number a token, in logits, as they are before they are divided
            by the temperature.
        RAISES (ValueError): E080 to E083 if the label is not there or the model cannot be
            explained, E009 or E011 for another wrong argument, E024 if there are no weights, E177
            if the scores are no numbers.
        """
        check_doc(doc)
        if self.labels:
            check_weights(self.name, self.model)
            scores = self.model.ops.to_numpy(self.predict([doc]))
            check_scores(self.name, [doc], scores)
            label = self.labels[int(scores[0].argmax())] if label is None else label
        if label not in self.labels:
            labels = ", ".join(self.labels) or "(none)"
            raise ValueError(Errors.E082.format(name=self.name, found=label, labels=labels))
        index = self.labels.index(label)
        return explain(self.name, self.model, doc, label, index, method=method, n_steps=n_steps)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of examples.

        examples (Iterable[Example]): The batch.
        drop (float): The dropout rate, from 0 to 1.
        sgd (Optional[Optimizer]): Takes a step with the gradient, if given.
        losses (Optional[Dict[str, float]]): Losses so far; this one is added under the
            component's name.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "TextCategorizer.update")
        self._validate_categories(examples)
        if not any(len(eg.predicted) for eg in examples):
            return losses
        examples = [examples[i] for i in self._read_by_model([eg.predicted for eg in examples])]
        set_drop(self.model, drop)
        adversary = self._find_adversary()
        with adversary.watching() if adversary else nullcontext():
            scores, backprop = self.model.begin_update([eg.predicted for eg in examples])
            loss, d_logits = self.get_loss(examples, scores)
            # 1 for the first part of a batch, or for one as large.
            scale = len(examples) * self._units.add(len(examples))
            if self.model.attrs.get("network_share") is None:
                backprop(output_gradient(self.model, d_logits * scale, scores))
            else:
                cast(Backprop, backprop).apart(
                    lambda part: self.get_loss(examples, part)[1] * scale
                )
        if adversary is not None and adversary.has_moves:
            self._learn_from_moved(adversary, examples, scale)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def _find_adversary(self) -> Optional[Adversary]:
        """RETURNS (Optional[Adversary]): What moves embedded tokens, if that is asked for, and if
            they are learning.
        RAISES (ValueError): E174 if nothing is there that could be moved."""
        norm = cast(float, self.cfg.get("adversarial_norm", 0.0))  # not saved once
        if not norm:
            return None
        is_ours = self.model.attrs.get("gradient_of") == "logits"
        tok2vecs = [member.layers[0] for member in members(self.model)] if is_ours else []
        by_tok2vec = [embeddings_of(tok2vec) for tok2vec in tok2vecs]
        layers = [layer for found in by_tok2vec for layer in found]
        if not layers:
            found = tok2vecs[0].name if is_ours else self.model.name
            raise ValueError(Errors.E174.format(name=self.name, found=found))
        learning = [layer for layer in layers if not is_frozen(layer)]
        return Adversary(learning, norm) if learning else None

    def _learn_from_moved(
        self, adversary: Adversary, examples: List[Example], scale: float
    ) -> None:
        """Add the gradients of the same loss where it is higher. The linear model, which sees no
        embedded tokens, learns from that only if it learns from the error of the sum."""
        with adversary.moving():
            scores, backprop = self.model.begin_update([eg.predicted for eg in examples])
            if self.model.attrs.get("network_share") is None:
                backprop(self.get_loss(examples, scores)[1] * scale)
            else:
                network = cast(Backprop, backprop)
                network.part(0, lambda part: self.get_loss(examples, part)[1] * scale)

    def finish_update(self, sgd: Optimizer) -> None:
        """Take a step with the gradients so far, unless one of them is not finite: then the step
        is left out, and counted in `steps`.

        sgd (Optimizer): The optimizer. Those of this package clip all gradients as a whole.
        """
        self._units.finish(self.model)
        finish_update(self.model, sgd, self.steps)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score a batch of examples. While training, the optimizer is told their cross-entropy.

        examples (Iterable[Example]): The examples, with predictions.
        RETURNS (Dict[str, Any]): The scores.
        """
        examples = list(examples)
        if self.steps.is_observed and examples:
            self.steps.observe(self._evaluation_loss(examples))
        return cast(Dict[str, Any], super().score(examples, **kwargs))

    def _evaluation_loss(self, examples: Sequence[Example]) -> float:
        """RETURNS (float): The mean cross-entropy, in nats, of what was predicted."""
        cats = [eg.predicted.cats for eg in examples]
        scores = [[table.get(label, 0.0) for label in self.labels] for table in cats]
        truths, known = self._examples_to_truth(examples)
        ops = NumpyOps()
        loss, _ = cross_entropy(
            ops,
            ops.asarray2f(scores),
            ops.asarray2f(to_numpy(truths)),
            ops.asarray2f(to_numpy(known)),
            ops.alloc2f(1, len(self.labels)) + 1.0,
            exclusive=self.exclusive,
        )
        return loss

    def get_loss(self, examples: Iterable[Example], scores: Floats2d) -> Tuple[float, Any]:
        """The loss of a batch of predictions.

        examples (Iterable[Example]): The batch.
        scores (Floats2d): (n_docs, n_labels) The predictions.
        RETURNS (Tuple[float, Floats2d]): The cross-entropy in nats, as a mean over the docs, and
            its gradient with respect to the logits, (n_docs, n_labels).
        """
        examples = list(examples)
        validate_examples(examples, "TextCategorizer.get_loss")
        self._validate_categories(examples)
        truths, known = self._examples_to_truth(examples)
        label_weights = cast(Dict[str, float], self.cfg["label_weights"])
        weights = [[label_weights.get(label, 1.0) for label in self.labels]]
        ops = self.model.ops
        return cross_entropy(
            ops,
            scores,
            truths,  # type: ignore[arg-type]
            ops.asarray2f(known),  # type: ignore[arg-type]
            ops.asarray2f(weights),
            exclusive=self.exclusive,
            label_smoothing=cast(float, self.cfg["label_smoothing"]),
        )

    def _examples_to_truth(
        self, examples: Iterable[Example]
    ) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """(n_docs, n_labels) truths, and 1 where they are known."""
        truths, known = super()._examples_to_truth(examples)
        for i, example in enumerate(examples):
            if not example.reference.cats:
                known[i] = 0.0
        return truths, known

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn to go on predicting what the model did before `nlp.resume_training`.

        The arguments are those of `update`.
        RETURNS (Dict[str, float]): The losses, with the squared difference from the former
            scores, as a mean over the docs, added under the component's name.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "TextCategorizer.rehearse")
        docs = [eg.predicted for eg in examples]
        if self._rehearsal_model is None or not any(len(doc) for doc in docs):
            return losses
        docs = [docs[i] for i in self._read_by_model(docs)]
        set_drop(self.model, drop)
        scores, backprop = self.model.begin_update(docs)
        target = self._rehearsal_model.predict(docs)
        # Labels that have been added since have no former score.
        difference = self.model.ops.xp.zeros_like(scores)
        difference[:, : target.shape[1]] = scores[:, : target.shape[1]] - target
        backprop(output_gradient(self.model, difference / len(docs), scores))
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += float((difference**2).sum()) / len(docs)
        return losses

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Save the component to a directory, with the digest of the model in its settings."""
        path = Path(path)
        super().to_disk(path, exclude=exclude)
        if (path / "model").exists() and (path / "cfg").exists():
            digest = {"model_sha256": file_digest(path / "model")}
            srsly.write_json(path / "cfg", {**self.cfg, **digest})

    def from_disk(
        self, path: Union[str, Path], *, exclude: Iterable[str] = ()
    ) -> "CrossEntropyTextcat":
        """Load the component from a directory.

        RAISES (ValueError): If the model file is damaged, or is of another shape, or the
            temperature is none.
        """
        path = Path(path)
        before = structure(self.model)
        self.cfg["temperature"] = 1.0  # that of a pipeline from before there was one
        with explain_damage(self.name, path / "model"):
            super().from_disk(path, exclude=exclude)
        digest = self.cfg.pop("model_sha256", None)
        if digest is not None and (path / "model").exists():
            check_digest(self.name, path / "model", cast(str, digest))
        self._check_loaded(before)
        return self

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "CrossEntropyTextcat":
        """Load the component from a bytestring.

        RAISES (ValueError): If the data is damaged, or the model is of another shape.
        """
        before = structure(self.model)
        self.cfg["temperature"] = 1.0
        with explain_damage(self.name, "the bytes given"):
            super().from_bytes(bytes_data, exclude=exclude)
        self._check_loaded(before)
        return self

    def _check_loaded(self, before: List[Tuple[str, Any]]) -> None:
        check_structure(self.name, before, structure(self.model))
        check_parameters(self.name, self.model)
        renew_gradients(self.model)
        self._units = UnitCounts()
        self._check_temperature()


def check_labels(name: str, labels: Sequence[str], exclusive: bool) -> None:
    """Raise an error if there are too few labels to learn from."""
    if not labels:
        raise ValueError(Errors.E021.format(name=name))
    if exclusive and len(labels) < 2:
        raise ValueError(Errors.E022.format(name=name, labels=", ".join(labels)))
