"""`rnn_lm`: a recurrent language model that is trained, scores texts and writes them."""

import warnings
from contextlib import contextmanager
from itertools import islice
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
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer
from thinc.types import Floats1d

from ..errors import Errors, Warnings
from ..layers.dropout import set_drop
from ..models.grow import grow_model
from ..models.lm_parts import (
    embedding_of,
    is_backward,
    parts,
    set_vocabulary,
    vocabulary_of,
)
from ..models.reading import in_order, step, surprisals, turned
from ..models.vocabulary import SPECIALS, Vocabulary
from ..models.vocabulary_data import check_data, is_text
from ..progress import bar
from ..scorers import lm_score
from ..training.gradients import count_parameters
from ..training.steps import StepStats, finish_update
from ..training.unit_counts import UnitCounts
from .condition import VECTOR, condition_state, learn_condition, vector_of
from .doc_maker import DocMaker
from .lm_batch import make_batch
from .lm_saving import SavedLanguageModel
from .stream_states import StreamStates
from .surprisal import COMPONENT, annotate, register_extensions
from .writing import Writer

# The choice for some hundred thousand words to a few million, on a CPU:
# - Words: their surprisal is what is asked for most, and they train fastest to something useful.
# - One LSTM layer of 256, tied to the embedding, so that rare words learn from where they are read
#   as well as from where they are predicted.
default_model_config = """
[model]
@architectures = "spacy-rnn.LanguageModel.v1"
unit = "word"
cell = "lstm"
width = 256
depth = 1
embed_width = null
tied = true
softmax = null
dropout = 0.0
embed_dropout = 0.0
recurrent_dropout = 0.0
weight_dropout = 0.0
ar = 0.0
tar = 0.0
condition = null
backward = false
attr = "ORTH"
"""
DEFAULT_MODEL = Config().from_str(default_model_config)["model"]
# Docs that are read at a time, where they are read again for their scores.
READ_AGAIN = 256
SCORE_WEIGHTS: Dict[str, Optional[float]] = {
    "lm_score": 1.0,
    "lm_perplexity": None,
    "lm_bits_per_char": None,
    "lm_bits_per_token": None,
}


@Language.factory(
    "rnn_lm",
    assigns=["doc._.surprisal", "doc._.perplexity", "span._.surprisal", "token._.surprisal"],
    default_config={
        "model": DEFAULT_MODEL,
        "scorer": {"@scorers": "spacy-rnn.lm_scorer.v1"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_language_model(
    nlp: Language, name: str, model: Model[List[Doc], List[Floats1d]], scorer: Optional[Callable]
) -> "RNNLanguageModel":
    """Create a language model.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    model (Model[List[Doc], List[Floats1d]]): Predicts the surprisals of a doc's units.
    scorer (Optional[Callable]): The scoring method.
    RETURNS (RNNLanguageModel): The component.
    """
    return RNNLanguageModel(nlp.vocab, model, name, scorer=scorer, make_doc=DocMaker(nlp))


class RNNLanguageModel(SavedLanguageModel):
    """A recurrent language model.

    In a pipeline it writes the surprisal of each token. It is trained by reading: windows of
    parallel streams, as `spacy-rnn.batch_by_stream.v1` cuts them, each from the state that the one
    before it has left; or whole docs, as any other batcher gives them.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], List[Floats1d]],
        name: str = "rnn_lm",
        *,
        scorer: Optional[Callable] = lm_score,
        make_doc: Optional[Callable[[str], Doc]] = None,
    ) -> None:
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: Dict[str, Any] = {}
        self.steps = StepStats()
        self._make_doc = make_doc
        self._streams = StreamStates()
        self._rate_scale = 1.0
        self._units = UnitCounts()
        self._writer: Optional[Writer] = None
        register_extensions()

    @property
    def vocabulary(self) -> Vocabulary:
        """RETURNS (Vocabulary): The units that the model knows."""
        return vocabulary_of(self.model)

    @property
    def label_data(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The vocabulary, as `spacy init labels` writes it."""
        return {**self.vocabulary.to_dict(), "labels": list(self.model.attrs["labels"])}

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Dict[str, Any]] = None,
        min_freq: Optional[int] = None,
        max_size: Optional[int] = None,
        subword_model: str = "bpe",
        specials: Optional[List[str]] = None,
    ) -> None:
        """Learn the vocabulary, and initialize the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data, or a sample.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Dict[str, Any]]): A vocabulary, as `spacy init labels` writes it. If None,
            it is learned from the examples.
        min_freq (Optional[int]): Units that are rarer are unknown; null for 3 (words), 1
            (characters) or 2 (subwords).
        max_size (Optional[int]): How many units there are at the most, 0 for no limit; null for
            50,000 words, all characters or 8,000 subwords.
        subword_model (str): "bpe" or "unigram".
        specials (Optional[List[str]]): How the end symbol and the unknown one are shown; null for
            ["</s>", "<unk>"].
        RAISES (ValueError): If there is no text to learn from, or the vocabulary is none.
        """
        if nlp is not None:
            self._make_doc = DocMaker(nlp)
        kind, attr = self.vocabulary.kind, self.vocabulary.attr
        if labels is not None:
            if not isinstance(labels, dict):
                check_data(labels)  # which tells what it should be
            if labels.get("kind", kind) != kind:
                found = labels["kind"]
                raise ValueError(Errors.E065.format(name=self.name, found=found, expected=kind))
            found = labels.get("attr", "ORTH")
            if found != attr:
                raise ValueError(Errors.E141.format(name=self.name, found=found, expected=attr))
            vocabulary = Vocabulary.from_dict(labels)
        else:
            if nlp is not None and nlp.config["training"]["max_epochs"] == -1:
                warnings.warn(Warnings.W061.format(name=self.name), stacklevel=2)
            references = (eg.reference for eg in get_examples())
            vocabulary = Vocabulary.learn(
                kind,
                bar(references, "docs", about="Learning the vocabulary"),
                min_freq=min_freq,
                max_size=max_size,
                subword_model=subword_model,
                specials=SPECIALS if specials is None else specials,
                attr=attr,
            )
        if not vocabulary.units:
            raise ValueError(Errors.E066.format(name=self.name))
        given = (labels or {}).get("labels")
        # First, as it may find that something is missing: then all is as it was.
        learn_condition(self.name, self.model, get_examples, given)
        set_vocabulary(self.model, vocabulary)
        sample = [example.reference for example in islice(get_examples(), 10)]
        self.model.initialize(X=sample)
        self._begin_anew()

    def predict(self, docs: Iterable[Doc]) -> List[Floats1d]:
        """Read docs, without changing them.

        docs (Iterable[Doc]): The docs.
        RETURNS (List[Floats1d]): (len(doc) + 1,) bits of each token, and of the end symbol, which a
            model that reads backward predicts at the doc's beginning.
        """
        docs = list(docs)
        self._check_weights()
        vocabulary = self.vocabulary
        units = [vocabulary.encode(doc) for doc in docs]
        state = condition_state(self.model, docs)
        read = [in_order(self.model, unit.ids) for unit in units]
        found = turned(self.model, surprisals(self.model, read, state))
        bits = []
        for doc, unit, one in zip(docs, units, found):
            values = self.model.ops.to_numpy(one)
            sums = numpy.bincount(unit.tokens, weights=values[:-1], minlength=len(doc))
            bits.append(numpy.append(sums, values[-1]).astype("float32"))
        return cast(List[Floats1d], bits)

    def set_annotations(self, docs: Iterable[Doc], scores: List[Floats1d]) -> None:
        """Write the surprisals.

        docs (Iterable[Doc]): The docs.
        scores (List[Floats1d]): What `predict` returned for them.
        """
        backward = is_backward(self.model)
        for doc, bits in zip(docs, scores):
            n_units = self.vocabulary.n_units(doc) + 1
            annotate(doc, cast(Any, bits), n_units, self.name, backward)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of windows or docs.

        examples (Iterable[Example]): The batch. A window goes on from the state that its stream was
            left in; a doc begins from the initial one.
        drop (float): The dropout rate, from 0 to 1.
        sgd (Optional[Optimizer]): Takes a step with the gradient, if given.
        losses (Optional[Dict[str, float]]): Losses so far; the cross-entropy in nats, as a mean
            over the units of the batch, is added under the component's name.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "RNNLanguageModel.update")
        self._check_weights()
        set_drop(self.model, drop)
        ops = self.model.ops
        batch = make_batch(self.model, [example.reference for example in examples], self._streams)
        if batch is None:
            return losses
        n_units = len(batch.targets)
        weights = ops.xp.full(n_units, self._units.add(n_units), dtype="float32")
        share = self._units.share(n_units)
        read: Any = (batch.inputs, batch.targets, batch.lengths)
        inputs, targets, lengths = map(ops.asarray1i, read)
        found = step(self.model, inputs, targets, lengths, batch.state, weights, share)
        batch.backprop_start(found.d_state)
        total = float(cast(Any, found.losses).sum())
        if numpy.isfinite(total):
            batch.leave(found.state)
            self.steps.add_loss(total / numpy.log(2.0), n_units)
            losses[self.name] += total / n_units
        else:  # a state that is not finite would spoil all that the stream still has to read
            self._streams.clear()
        self._rate_scale = batch.rate_scale
        if sgd is not None:
            self.finish_update(sgd)
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Take a step with the gradients, unless they are not finite.

        sgd (Optimizer): The optimizer.
        """
        self._units.finish(self.model)
        if not finish_update(self.model, sgd, self.steps, rate_scale=self._rate_scale):
            self._streams.clear()
        self._writer = None

    def get_loss(self, examples: Iterable[Example], scores: List[Floats1d]) -> Tuple[float, Any]:
        """The loss of predictions.

        examples (Iterable[Example]): The docs that were read.
        scores (List[Floats1d]): What `predict` returned for them.
        RETURNS (Tuple[float, List[Floats1d]]): The mean over the units, in nats, and its gradient
            with respect to the surprisals of the tokens, in bits.
        """
        examples = list(examples)
        validate_examples(examples, "RNNLanguageModel.get_loss")
        count = self.vocabulary.n_units
        n_units = sum(count(example.predicted) + 1 for example in examples)
        factor = numpy.log(2.0) / max(n_units, 1)
        loss = sum(float(cast(Any, bits).sum()) for bits in scores) * factor
        return loss, [numpy.full(bits.shape, factor, dtype="float32") for bits in scores]

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score docs that the component has read; see `spacy_rnn.scorers.lm_score`.

        RETURNS (Dict[str, Any]): The scores.
        """
        if self.scorer is None:
            return {}
        examples = self._own(examples)
        scores = dict(self.scorer(examples, spelling=self._spelling, **kwargs))
        if "lm_perplexity" in scores:
            # During a training this is the development set: an optimizer of this package may
            # anneal.
            self.steps.observe(float(numpy.log(scores["lm_perplexity"])))
        return scores

    def _own(self, examples: Iterable[Example]) -> Iterator[Example]:
        """Read docs again where it matters: if another language model has read them since, or in
        the light of what only the references know, their labels or vectors.

        YIELDS (Example): With a copy of the predicted doc if it was read again.
        """
        condition = self.model.attrs["condition"]
        for batch in minibatch(examples, READ_AGAIN):
            again = []
            for i, example in enumerate(batch):
                doc = example.predicted
                if condition or doc.user_data.get(COMPONENT, self.name) != self.name:
                    doc = doc.copy()
                    doc.cats = example.reference.cats
                    if condition == "vector":
                        doc.user_data[VECTOR] = vector_of(example.reference)
                    batch[i] = Example(doc, example.reference)
                    again.append(doc)
            if again:
                self.set_annotations(again, self.predict(again))
            yield from batch

    def _spelling(self, doc: Doc) -> float:
        """RETURNS (float): What it costs to spell the unknown units of a doc, in bits."""
        vocabulary = self.vocabulary
        return sum(vocabulary.spelling.bits(text) for text in vocabulary.unknown_texts(doc))

    def add_units(self, units: Iterable[str]) -> int:
        """Let the model know more words or characters. What it has learned of the others stays.

        units (Iterable[str]): The new ones; those that it knows are left out. With another attr
            than "ORTH", it is theirs that becomes known.
        RETURNS (int): How many were new.
        RAISES (ValueError): For a model of subwords, which knows all text.
        """
        self._check_weights()
        n_before = len(self.vocabulary)
        grow_model(self.name, self.model, self._by_attr(units))
        n_new = len(self.vocabulary) - n_before
        if n_new:
            self._begin_anew()
        return n_new

    def _by_attr(self, units: Iterable[str]) -> Iterable[str]:
        """RETURNS (Iterable[str]): The strings of the attribute by which the model knows words."""
        is_list = isinstance(units, Iterable) and not isinstance(units, str)
        if self.vocabulary.attr == "ORTH" or not is_list:
            return units
        return [self._attr_of(unit) if unit and is_text(unit) else unit for unit in units]

    def _attr_of(self, unit: str) -> str:
        """RETURNS (str): The attribute of a word: of the token that the tokenizer makes of it, as
        its exceptions have norms of their own; of what is several tokens, that of the lexeme."""
        doc: Any = () if self._make_doc is None else self._make_doc(unit)
        word: Any = doc[0] if len(doc) == 1 else self.vocab[unit]
        return self.vocabulary.word_of(word)

    def info(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What kind of model this is, as plain data."""
        encoder, _, output, _ = parts(self.model)
        cells = [node for node in encoder.walk() if "recurrence" in node.attrs]
        return {
            "unit": self.vocabulary.kind,
            "attr": self.vocabulary.attr if self.vocabulary.kind == "word" else None,
            "direction": "backward" if is_backward(self.model) else "forward",
            "vocabulary": len(self.vocabulary),
            "cell": self.model.attrs["cell"],
            "width": cells[0].get_dim("nO"),
            "depth": len(cells),
            "embed_width": embedding_of(self.model).get_dim("nO"),
            "tied": bool(output.layers),
            "softmax": output.name,
            "condition": self.model.attrs["condition"] or None,
            "labels": list(self.model.attrs["labels"]),
            "parameters": count_parameters(self.model),
        }

    @contextmanager
    def memory_zone(self, mem: Any = None) -> Iterator[Any]:
        """Forget, at the end of the block, the states of streams and of what was read to be gone on
        with."""
        try:
            yield mem
        finally:
            self._forget()

    # No context manager, but a generator, as nlp.use_params takes it.
    def use_params(self, params: Dict[Tuple[int, str], Any]) -> Iterator[None]:
        """Use other weights from the first step of the generator to the second.

        params (Dict[Tuple[int, str], FloatsXd]): By the ids of layers and the names of parameters.
        """
        self._writer = None
        try:
            with self.model.use_params(params):
                yield
        finally:
            self._writer = None

    def _check_weights(self) -> None:
        if not embedding_of(self.model).has_param("E"):
            raise ValueError(Errors.E073.format(name=self.name))

    def _forget(self) -> None:
        self._streams.clear()
        self._writer = None

    def _get_writer(self, *, goes_on: bool = True) -> Writer:
        if goes_on and is_backward(self.model):
            raise ValueError(Errors.E142.format(name=self.name))
        self._check_weights()
        if self._writer is None:
            if self._make_doc is None:
                raise ValueError(Errors.E067.format(name=self.name))
            self._writer = Writer(self.model, self._make_doc, self.name)
        return self._writer

    def generate(
        self,
        prompt: str = "",
        *,
        n: int = 1,
        max_length: int = 100,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        beam_width: int = 1,
        seed: Optional[int] = None,
        stop: Optional[Union[str, Sequence[str]]] = None,
        cats: Optional[Dict[str, float]] = None,
        vector: Any = None,
    ) -> List[Doc]:
        """Write texts, all at once.

        prompt (str): What each text begins with.
        n (int): How many. With a beam, at most its width, and no more than it finds.
        max_length (int): The most units that are written.
        temperature (float): Divides the log-probabilities; 0 for the most probable unit at each
            step. Recommended: 0.7 to 1.
        top_k (int): Only the so many most probable units; 0 for all.
        top_p (float): Only the most probable units that have this share of the probability
            together. Recommended: 0.9 to 1.
        min_p (float): Only units with this share of the probability of the most probable one.
            Recommended: 0 to 0.1.
        beam_width (int): Above 1, search for the most probable texts with so many at each step.
        seed (Optional[int]): The same seed writes the same texts.
        stop (Optional[Union[str, Sequence[str]]]): What ends a text; it is not a part of it.
        cats (Optional[Dict[str, float]]): Labels, for a model that depends on them.
        vector (Any): (nI,) Likewise a vector.
        RETURNS (List[Doc]): The texts, as the pipeline's tokenizer cuts them.
        RAISES (ValueError): If an argument is not as described.
        """
        return self._get_writer().generate(
            prompt,
            n=n,
            max_length=max_length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            beam_width=beam_width,
            seed=seed,
            stop=stop,
            cats=cats,
            vector=vector,
        )

    def stream(
        self,
        prompt: str = "",
        *,
        max_length: int = 100,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        seed: Optional[int] = None,
        stop: Optional[Union[str, Sequence[str]]] = None,
        cats: Optional[Dict[str, float]] = None,
        vector: Any = None,
    ) -> Iterator[str]:
        """Write a text piece by piece: the one that `generate` writes by the same arguments.

        RETURNS (Iterator[str]): What follows the prompt.
        """
        return self._get_writer().stream(
            prompt,
            max_length=max_length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            seed=seed,
            stop=stop,
            cats=cats,
            vector=vector,
        )

    def next_tokens(
        self,
        text: str,
        n: int = 10,
        *,
        cats: Optional[Dict[str, float]] = None,
        vector: Any = None,
    ) -> List[Tuple[str, float]]:
        """What may follow a text. If the text goes on from one of the last calls, only what was
        added is read.

        text (str): The text.
        n (int): How many.
        cats (Optional[Dict[str, float]]): Labels, for a model that depends on them.
        vector (Any): (nI,) Likewise a vector.
        RETURNS (List[Tuple[str, float]]): Units and their probabilities, most probable first, as
            they are added to the text. The unknown unit is not among them, so all together they sum
            to a little less than 1.
        """
        return self._get_writer().next_tokens(text, n, cats=cats, vector=vector)

    def alternatives(self, doc: Doc, n: int = 3) -> List[List[Tuple[str, float]]]:
        """What was most probable in the place of each token: of what is read first of it, so that
        a backward model of characters or subwords tells how it may end.

        RETURNS (List[List[Tuple[str, float]]]): For each token, units and their surprisals in bits.
        """
        return self._get_writer(goes_on=False).alternatives(doc, n)
