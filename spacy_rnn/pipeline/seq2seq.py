"""`rnn_seq2seq`: an encoder and a decoder that turn a text, or a vector, into another text."""

from functools import partial
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, cast

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import minibatch
from spacy.vocab import Vocab
from thinc.api import Config, Model, Optimizer

from ..checks import check_rate, is_whole
from ..errors import Errors, number_error
from ..layers.dropout import set_drop
from ..models.search import Found, Settings, search
from ..models.seq2seq import (
    has_weights,
    learn,
    reads_vectors,
    set_n_units,
    set_vector_width,
    set_vocabularies,
    target_losses,
)
from ..models.vocabulary import END, MIN_FREQ, UNKNOWN, Vocabulary
from ..scorers import seq2seq_score
from ..training.gradients import count_parameters
from ..training.pairs import TARGET, register_target
from ..training.steps import StepStats, finish_update
from ..training.unit_counts import UnitCounts
from .condition import vector_of
from .doc_maker import DocMaker
from .joining import bytes_in, make_joiner
from .loading import check_doc
from .pair_reader import PairReader
from .saving import SavedPipe
from .seq2seq_labels import read_labels
from .source import unit_texts

# For some ten thousand pairs of words to some hundred thousand: characters, and the attention that
# is the cheapest.
default_model_config = """
[model]
@architectures = "spacy-rnn.Seq2Seq.v1"
source = "text"
source_unit = "char"
source_attr = "ORTH"
unit = "char"
cell = "lstm"
width = 256
depth = 1
embed_width = 128
attention = "multiplicative"
input_feeding = true
copy = false
sampling = 0.0
dropout = 0.0
embed_dropout = 0.0
recurrent_dropout = 0.0
"""
DEFAULT_MODEL = Config().from_str(default_model_config)["model"]
SCORE_WEIGHTS: Dict[str, Optional[float]] = {
    "seq2seq_exact": 1.0,
    "seq2seq_cer": None,
    "seq2seq_wer": None,
    "seq2seq_bleu": None,
}
# Units, of sources and targets together, that are learned from in one go.
MAX_UNITS = 2**14
# Which component has written a doc's target.
WRITER = "spacy_rnn.seq2seq_writer"
# What is written at the most beyond what was the longest in training.
SPARE = 10
# The share of the pairs that a source longer than all of training is measured by.
NEARLY_ALL = 0.99
# Docs that are read again for their scores, at a time.
READ_AGAIN = 256


@Language.factory(
    "rnn_seq2seq",
    assigns=["doc._.seq2seq"],
    default_config={
        "model": DEFAULT_MODEL,
        "beam_width": 1,
        "length_penalty": 0.0,
        "coverage_penalty": 0.0,
        "max_length": 0,
        "label_smoothing": 0.0,
        "scorer": {"@scorers": "spacy-rnn.seq2seq_scorer.v1"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_seq2seq(
    nlp: Language,
    name: str,
    model: Model[Any, Any],
    beam_width: int,
    length_penalty: float,
    coverage_penalty: float,
    max_length: int,
    label_smoothing: float,
    scorer: Optional[Callable],
) -> "RNNSeq2Seq":
    """Create a sequence to sequence component.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    model (Model): Reads sources and writes targets: `spacy-rnn.Seq2Seq.v1`.
    beam_width (int): How many targets are kept at each step of the search; 1 for the most probable
        unit at each. Recommended: 1 to train, 5 to use.
    length_penalty (float): Above 0, favours longer targets. Recommended: 0 to 1.
    coverage_penalty (float): Above 0, favours targets that leave nothing of the source unread.
        Recommended: 0 to 0.4.
    max_length (int): The most units that are written; 0 for what the training data suggests.
    label_smoothing (float): In training, the share of the truth that is spread over all units.
        Recommended: 0 to 0.1.
    scorer (Optional[Callable]): The scoring method.
    RETURNS (RNNSeq2Seq): The component.
    """
    return RNNSeq2Seq(
        nlp.vocab,
        model,
        name,
        search=Settings(beam_width, length_penalty, coverage_penalty),
        max_length=max_length,
        label_smoothing=label_smoothing,
        scorer=scorer,
        make_doc=DocMaker(nlp),
    )


class RNNSeq2Seq(SavedPipe):
    """A sequence to sequence model: for each doc it writes another text, `doc._.seq2seq`."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[Any, Any],
        name: str = "rnn_seq2seq",
        *,
        search: Optional[Settings] = None,
        max_length: int = 0,
        label_smoothing: float = 0.0,
        scorer: Optional[Callable] = seq2seq_score,
        make_doc: Optional[Callable[[str], Doc]] = None,
    ) -> None:
        if not is_whole(max_length, 0):
            raise number_error("max_length", "a whole number, at least 0", max_length)
        check_rate("label_smoothing", label_smoothing)
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.search = (search or Settings()).check()
        self.max_length = max_length
        self.label_smoothing = label_smoothing
        self.cfg: Dict[str, Any] = {}
        self.steps = StepStats()
        self._make_doc = make_doc
        self._units = UnitCounts()
        self._register()

    def _register(self) -> None:
        register_target()

    @property
    def source_vocabulary(self) -> Vocabulary:
        """RETURNS (Vocabulary): The units that sources are read by."""
        return cast(Vocabulary, self.model.attrs["source_vocabulary"])

    @property
    def vocabulary(self) -> Vocabulary:
        """RETURNS (Vocabulary): The units that targets are written by."""
        return cast(Vocabulary, self.model.attrs["vocabulary"])

    @property
    def reader(self) -> PairReader:
        """RETURNS (PairReader): Makes units of docs."""
        return PairReader(self.name, self.model, self._doc_of)

    @property
    def label_data(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The vocabularies, as `spacy init labels` writes them."""
        return {
            "source": self.source_vocabulary.to_dict(),
            "target": self.vocabulary.to_dict(),
            "longest": list(self.model.attrs["longest"]),
            "counts": list(self.model.attrs["counts"]),
        }

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Dict[str, Any]] = None,
        source_min_freq: Optional[int] = None,
        source_max_size: Optional[int] = None,
        min_freq: Optional[int] = None,
        max_size: Optional[int] = None,
        subword_model: str = "bpe",
    ) -> None:
        """Learn the vocabularies, and initialize the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Dict[str, Any]]): Vocabularies, as `spacy init labels` writes them. If
            None, they are learned from the examples.
        source_min_freq, min_freq (Optional[int]): Units of sources and targets that are rarer are
            unknown; null for 3 (words), 1 (characters) or 2 (subwords).
        source_max_size, max_size (Optional[int]): How many units there are at the most, 0 for no
            limit; null for 50,000 words, all characters or 8,000 subwords.
        subword_model (str): "bpe" or "unigram".
        RAISES (ValueError): If no example has a source and a target, or the labels do not fit.
        """
        if nlp is not None:
            self._make_doc = DocMaker(nlp)
        if labels is not None:
            given = read_labels(self.name, labels, self.source_vocabulary, self.vocabulary)
            source, target, longest, counts = given
        else:
            learn_units = partial(Vocabulary.learn, subword_model=subword_model)
            source = self.source_vocabulary
            if not reads_vectors(self.model):
                docs = (doc for doc, _ in self.reader.pairs(get_examples()))
                options = {"min_freq": source_min_freq, "max_size": source_max_size}
                source = learn_units(source.kind, docs, attr=source.attr, **options)
            docs = (doc for _, doc in self.reader.pairs(get_examples()))
            target = learn_units(self.vocabulary.kind, docs, min_freq=min_freq, max_size=max_size)
            longest, counts = self._measure(source, target, get_examples())
        if not (target.units or longest[1]):
            read = self.model.attrs["source"]
            raise ValueError(Errors.E152.format(name=self.name, source=read))
        self._check_units("min_freq", target, min_freq)
        if not reads_vectors(self.model):
            self._check_units("source_min_freq", source, source_min_freq)
        set_vocabularies(self.model, source, target)
        self.model.attrs["longest"] = [float(number) for number in longest]
        self.model.attrs["counts"] = [int(count) for count in counts]
        if reads_vectors(self.model):
            self._learn_vector_width(get_examples())
        self.model.initialize()
        self._begin_anew()

    def _check_units(self, setting: str, vocabulary: Vocabulary, least: Optional[int]) -> None:
        if not vocabulary.units:
            least = MIN_FREQ[vocabulary.kind] if least is None else least
            raise ValueError(Errors.E171.format(name=self.name, setting=setting, min_freq=least))

    def _learn_vector_width(self, examples: Iterable[Example]) -> None:
        widths = (len(vector_of(self.reader.annotated(example))) for example in examples)
        width = next((width for width in widths if width), 0)
        if not width:
            raise ValueError(Errors.E153.format(name=self.name))
        set_vector_width(self.model, width)

    def _doc_of(self, text: str) -> Doc:
        if self._make_doc is None:
            raise ValueError(Errors.E067.format(name=self.name))
        return self._make_doc(text)

    def _measure(
        self, source: Vocabulary, target: Vocabulary, examples: Iterable[Example]
    ) -> Tuple[List[float], Any]:
        """RETURNS (Tuple[List[float], Ints1d]): The most target units for each unit of a source,
        in all, and for each unit of nearly all sources; and how often each unit is in the targets.
        """
        longest, ratios = 0, [1.0]
        counts = numpy.zeros(len(target), dtype="int64")
        for doc, wanted in self.reader.pairs(examples):
            ids = numpy.append(target.encode(wanted).ids, END)
            counts += numpy.bincount(ids, minlength=len(target))
            longest = max(longest, len(ids) - 1)
            if not reads_vectors(self.model):
                ratios.append((len(ids) - 1) / max(1, source.n_units(doc)))
        usual = max(1.0, float(numpy.quantile(ratios, NEARLY_ALL)))
        return [max(ratios), longest, usual], counts

    def predict(self, docs: Iterable[Doc]) -> List[str]:
        """Write the targets of docs, without changing them.

        docs (Iterable[Doc]): The docs.
        RETURNS (List[str]): The best text for each; "" where there is nothing to read.
        """
        docs = list(docs)
        self._check_weights()
        found = self._search(docs, self.search)
        return [self._text(doc, each[0]) if each else "" for doc, each in zip(docs, found)]

    def _search(self, docs: List[Doc], settings: Settings) -> List[List[Found]]:
        sources, present = self.reader.encode_sources(docs)
        limits = [self._limit(source) for source in sources]
        try:
            results = iter(search(self.model, sources, limits, settings))
        except FloatingPointError as e:
            read = next(doc.text for doc, is_there in zip(docs, present) if is_there)
            raise ValueError(Errors.E177.format(name=self.name, text=read[:30])) from e
        return [next(results) if is_there else [] for is_there in present]

    def _limit(self, source: Any) -> int:
        if self.max_length:
            return self.max_length
        ratio, longest, *usual = self.model.attrs["longest"]
        if reads_vectors(self.model):
            return int(longest) + SPARE
        n_units = ratio * len(source)
        if usual:  # not saved once
            # One short source with a long target says little of long sources.
            n_units = min(n_units, max(longest, usual[0] * len(source)))
        return int(numpy.ceil(n_units)) + SPARE

    def _text(self, doc: Doc, found: Found) -> str:
        """RETURNS (str): The text of a target."""
        joiner = make_joiner(self.vocabulary, Doc(self.vocab))
        n_known = len(self.vocabulary)
        names: List[str] = []
        if any(unit >= n_known for unit in found.units):
            names = unit_texts(self.source_vocabulary, self.reader.source(doc))
        pieces: List[str] = []
        for unit in found.units:
            if unit >= n_known:
                name = names[unit - n_known]
                is_subword = self.source_vocabulary.kind == "subword"
                pieces.append(joiner.take(bytes_in(name) if is_subword else name.encode("utf8")))
            elif unit != UNKNOWN:
                pieces.append(joiner.add(unit))
        text = "".join(pieces)
        return text if self.vocabulary.kind == "char" else text.strip()

    def set_annotations(self, docs: Iterable[Doc], scores: List[str]) -> None:
        """Write the targets.

        docs (Iterable[Doc]): The docs.
        scores (List[str]): What `predict` returned for them.
        """
        for doc, text in zip(docs, scores):
            doc._.set(TARGET, text)
            doc.user_data[WRITER] = self.name

    def alternatives(self, doc: Doc, n: int = 5) -> List[Tuple[str, float]]:
        """The most probable targets of a doc.

        doc (Doc): The doc.
        n (int): How many; the beam is at least as wide.
        RETURNS (List[Tuple[str, float]]): Different texts and the log-probabilities of their units,
            in nats, in the order of their scores. Fewer than n if the beam finds no more.
        RAISES (ValueError): If n is not positive, or the doc is none.
        """
        check_doc(doc)
        if not is_whole(n, 1):
            raise number_error("n", "a positive number", n)
        self._check_weights()
        settings = self.search._replace(beam_width=max(n, self.search.beam_width))
        [found] = self._search([doc], settings)
        texts: Dict[str, float] = {}
        for one in found:
            texts.setdefault(self._text(doc, one), one.log_prob)
        return list(texts.items())[:n]

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optional[Optimizer] = None,
        losses: Optional[Dict[str, float]] = None,
    ) -> Dict[str, float]:
        """Learn from a batch of pairs.

        examples (Iterable[Example]): The batch: sources in the predicted docs, targets in
            `reference._.seq2seq`. Examples without one or the other teach nothing.
        drop (float): The dropout rate, from 0 to 1.
        sgd (Optional[Optimizer]): Takes a step with the gradient, if given.
        losses (Optional[Dict[str, float]]): Losses so far; the cross-entropy in nats, as a mean
            over the target's units, is added under the component's name.
        RETURNS (Dict[str, float]): The losses.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "RNNSeq2Seq.update")
        self._check_weights()
        sources, targets = self.reader.encode_pairs(examples)
        if not targets:
            return losses
        set_drop(self.model, drop)
        n_units = sum(map(len, targets))
        weight = self._units.add(n_units)
        total = 0.0
        for part in _pieces(sources, targets):
            weights = numpy.full(len(part), weight, dtype="float32")
            found: Any = learn(
                self.model,
                [sources[i] for i in part],
                [targets[i] for i in part],
                weights,
                label_smoothing=self.label_smoothing,
            )
            total += float(found.sum())
        if numpy.isfinite(total):
            self.steps.add_loss(total / numpy.log(2.0), n_units)
            losses[self.name] += total / n_units
        if sgd is not None:
            self.finish_update(sgd)
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Take a step with the gradients, unless they are not finite.

        sgd (Optimizer): The optimizer.
        """
        self._units.finish(self.model)
        finish_update(self.model, sgd, self.steps)

    def get_loss(self, examples: Iterable[Example], scores: List[str]) -> Tuple[float, Any]:
        """The loss of the true targets, whatever was predicted.

        examples (Iterable[Example]): The pairs.
        scores (List[str]): Not used.
        RETURNS (Tuple[float, None]): The mean over the target's units, in nats. There is no
            gradient: what is predicted are texts.
        """
        examples = list(examples)
        validate_examples(examples, "RNNSeq2Seq.get_loss")
        self._check_weights()
        sources, targets = self.reader.encode_pairs(examples)
        found: Any = target_losses(self.model, sources, targets)
        return float(found.sum()) / max(1, sum(map(len, targets))), None

    def score(self, examples: Iterable[Example], **kwargs: Any) -> Dict[str, Any]:
        """Score docs that the component has read; see `spacy_rnn.scorers.seq2seq_score`.

        RETURNS (Dict[str, Any]): The scores.
        RAISES (ValueError): For a target that is no text.
        """
        return {} if self.scorer is None else dict(self.scorer(self._own(examples), **kwargs))

    def _own(self, examples: Iterable[Example]) -> Iterator[Example]:
        """Read docs again where it matters: if what is read stands in the reference alone, or if
        another component has written since.

        YIELDS (Example): With a copy of the predicted doc if it was read again.
        """
        for batch in minibatch(examples, READ_AGAIN):
            again: List[int] = []
            for i, example in enumerate(batch):
                self.reader.target(example)  # raises an error if it is no text
                is_other = example.predicted.user_data.get(WRITER, self.name) != self.name
                if is_other or self.reader.annotated(example) is example.reference:
                    again.append(i)
            texts = self.predict([self.reader.annotated(batch[i]) for i in again]) if again else []
            for i, text in zip(again, texts):
                doc = batch[i].predicted.copy()
                doc._.set(TARGET, text)
                batch[i] = Example(doc, batch[i].reference)
            yield from batch

    def info(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What kind of model this is, as plain data."""
        return {
            "source": self.model.attrs["source"],
            "source_unit": self.source_vocabulary.kind,
            "source_vocabulary": len(self.source_vocabulary),
            "unit": self.vocabulary.kind,
            "vocabulary": len(self.vocabulary),
            "parameters": count_parameters(self.model),
        }

    def _check_weights(self) -> None:
        if not has_weights(self.model):
            raise ValueError(Errors.E073.format(name=self.name))

    def _model_from_bytes(self, data: bytes) -> None:
        # Numbers of rows are the vocabularies', which are in the data.
        set_n_units(self.model, None, None)
        if reads_vectors(self.model):
            set_vector_width(self.model, None)
        super()._model_from_bytes(data)

    def _structure(self) -> List[Tuple[str, Any]]:
        return [
            *super()._structure(),
            ("source", self.model.attrs["source"]),
            ("source_unit", self.source_vocabulary.kind),
            ("unit", self.vocabulary.kind),
        ]


def _pieces(sources: List[Any], targets: List[Any]) -> Iterator[List[int]]:
    """YIELDS (List[int]): Numbers of pairs that are learned from together: so many that what is
    kept for the way back is bounded, however long some of them are."""
    sizes = [
        (len(target) + len(source), i) for i, (source, target) in enumerate(zip(sources, targets))
    ]
    piece: List[int] = []
    total = 0
    for size, i in sorted(sizes):
        if piece and total + size > MAX_UNITS:
            yield piece
            piece, total = [], 0
        piece.append(i)
        total += size
    if piece:
        yield piece
