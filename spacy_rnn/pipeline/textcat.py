"""`rnn_textcat`: a recurrent text classifier for classes that exclude each other."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Union

from spacy.language import Language
from spacy.pipeline.textcat import textcat_score
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model
from thinc.types import Floats2d

from ..errors import Errors
from .cross_entropy import ClassWeightsT
from .raw_texts import RawTextsT, raw_reader
from .trainable_textcat import CrossEntropyTextcat, check_labels

# The choice for some thousand to a hundred thousand texts:
# - A bidirectional LSTM: its cell, with the forget gate open at first, learns from long texts where
#   an Elman network forgets.
# - One layer, 128 units in all. On the embedded sentences (macro-F1, means over three seeds, which
#   differ by three points themselves) it reached 81.8, with two layers 82.8, with twice the width
#   82.7: not enough to pay for a third to a half more time.
# - Hashed features of norm, prefix, suffix and shape, as in spaCy's own pipelines: nothing to
#   download, and unknown words still have an ending.
# - The last state, mean and maximum side by side (Howard & Ruder 2018): one word decides some
#   texts, the tone of the whole decides others.
# - A linear model of words and word pairs beside it, weighted by counts: with few texts it knows
#   words that the network has not learned yet. Each learns from its own error, or the faster one
#   drowns the other (docs/accuracy.md). What each choice is worth: docs/ablation.md.
default_model_config = """
[model]
@architectures = "spacy-rnn.TextCatRNN.v1"
exclusive_classes = true
pooling = ["last", "mean", "max"]
hidden_width = null
dropout = 0.3
nO = null
network_share = 0.3

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy-rnn.HashEmbed.v1"
width = 96
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 1000]
include_static_vectors = false

[model.tok2vec.encode]
@architectures = "spacy-rnn.RNNEncoder.v1"
cell = "lstm"
width = 128
depth = 1
bidirectional = true
dropout = 0.0
recurrent_dropout = 0.0
weight_dropout = 0.0
residual = false
layer_norm = false

[model.linear_model]
@architectures = "spacy-rnn.NgramLinear.v1"
exclusive_classes = true
ngram_size = 2
length = 262144
attr = "NORM"
scale = 7.0
"""
DEFAULT_MODEL = Config().from_str(default_model_config)["model"]

SCORE_WEIGHTS: Dict[str, Optional[float]] = {
    "cats_score": 1.0,
    "cats_score_desc": None,
    "cats_micro_p": None,
    "cats_micro_r": None,
    "cats_micro_f": None,
    "cats_macro_p": None,
    "cats_macro_r": None,
    "cats_macro_f": None,
    "cats_macro_auc": None,
    "cats_f_per_type": None,
}


@Language.factory(
    "rnn_textcat",
    assigns=["doc.cats"],
    default_config={
        "model": DEFAULT_MODEL,
        "threshold": 0.0,
        "class_weights": None,
        "label_smoothing": 0.05,
        "adversarial_norm": 0.0,
        "scorer": {"@scorers": "spacy.textcat_scorer.v2"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_textcat(
    nlp: Language,
    name: str,
    model: Model[List[Doc], Floats2d],
    threshold: float,
    class_weights: Optional[Union[str, Dict[str, float]]],
    label_smoothing: float,
    adversarial_norm: float,
    scorer: Optional[Callable],
) -> "RNNTextCategorizer":
    """Create a text categorizer for classes that exclude each other.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    model (Model[List[Doc], Floats2d]): Predicts a score for each label.
    threshold (float): Not used, as one label is always right; there because spaCy's has it.
    class_weights (Optional[Union[str, Dict[str, float]]]): Factors on the loss of the examples of
        each label: a table, "balanced" to make all labels count the same, "sqrt" for the square
        roots of these, or null. Recommended if labels are rare: "balanced".
    label_smoothing (float): Share of the truth that is spread over all labels. Recommended: 0 to
        0.1.
    adversarial_norm (float): How far the embedded tokens of each text are moved to where the loss
        is higher, which the network learns from too; in root mean squares of the embedded numbers.
        0 for not at all, or else updates take twice the time. Recommended: 0, or 2 to 5.
    scorer (Optional[Callable]): The scoring method.
    RETURNS (RNNTextCategorizer): The component.
    """
    return RNNTextCategorizer(
        nlp.vocab,
        model,
        name,
        threshold=threshold,
        class_weights=class_weights,
        label_smoothing=label_smoothing,
        adversarial_norm=adversarial_norm,
        scorer=scorer,
    )


class RNNTextCategorizer(CrossEntropyTextcat):
    """spaCy's `TextCategorizer` with a recurrent model by default, trained by cross-entropy.

    Labels in `doc.cats` must have exactly one 1; a doc with empty cats is not annotated, and
    nothing is learned from it.
    """

    exclusive = True

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], Floats2d],
        name: str = "rnn_textcat",
        *,
        threshold: float = 0.0,
        class_weights: ClassWeightsT = None,
        label_smoothing: float = 0.05,
        adversarial_norm: float = 0.0,
        scorer: Optional[Callable] = textcat_score,
    ) -> None:
        super().__init__(vocab, model, name, threshold=threshold, scorer=scorer)
        self._configure_loss(class_weights, label_smoothing, adversarial_norm)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
        positive_label: Optional[str] = None,
        raw_texts: Optional[RawTextsT] = None,
    ) -> None:
        """Find the labels, and initialize the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data, or a sample.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Iterable[str]]): The labels, as `spacy init labels` writes them. If None,
            they are read off the examples.
        positive_label (Optional[str]): Of two labels, the one that precision, recall and
            F-score are reported for.
        raw_texts (Optional[Callable[[Language], Iterable[Example]]]): Reads texts that need no
            labels, for a `spacy-rnn.LatentNgrams.v1`, which learns from the training texts too.
        RAISES (ValueError): If there are fewer than two labels, or nothing learns from raw texts.
        """
        read_raw = raw_reader(self.name, self.model, nlp, raw_texts)
        if labels is None:
            labels = list(dict.fromkeys(cat for eg in get_examples() for cat in eg.reference.cats))
        labels = list(labels)
        check_labels(self.name, list(dict.fromkeys([*self.labels, *labels])), exclusive=True)
        sample = self._sample_for_model(get_examples)
        super().initialize(sample, nlp=nlp, labels=labels, positive_label=positive_label)
        self._initialize_weights(get_examples, read_raw)

    def _validate_categories(self, examples: Iterable[Example]) -> None:
        examples = list(examples)
        super()._validate_categories(examples)
        for i, example in enumerate(examples):
            cats: Dict[str, Any] = example.reference.cats
            if cats and 1.0 not in cats.values():
                raise ValueError(Errors.E023.format(index=i, cats=cats, name=self.name))
