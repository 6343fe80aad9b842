"""`rnn_textcat_multilabel`: a recurrent text classifier for labels that may go together."""

from typing import Callable, Dict, Iterable, List, Optional, Union

from spacy.language import Language
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer, textcat_multilabel_score
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import Config, Model
from thinc.types import Floats2d

from .cross_entropy import ClassWeightsT
from .raw_texts import RawTextsT, raw_reader
from .textcat import SCORE_WEIGHTS, default_model_config
from .trainable_textcat import CrossEntropyTextcat, check_labels

multilabel_model_config = default_model_config.replace(
    "exclusive_classes = true", "exclusive_classes = false"
)
DEFAULT_MULTILABEL_MODEL = Config().from_str(multilabel_model_config)["model"]


@Language.factory(
    "rnn_textcat_multilabel",
    assigns=["doc.cats"],
    default_config={
        "model": DEFAULT_MULTILABEL_MODEL,
        "threshold": 0.5,
        "class_weights": None,
        "label_smoothing": 0.0,
        "adversarial_norm": 0.0,
        "scorer": {"@scorers": "spacy.textcat_multilabel_scorer.v2"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_textcat_multilabel(
    nlp: Language,
    name: str,
    model: Model[List[Doc], Floats2d],
    threshold: float,
    class_weights: Optional[Union[str, Dict[str, float]]],
    label_smoothing: float,
    adversarial_norm: float,
    scorer: Optional[Callable],
) -> "RNNMultiLabelTextCategorizer":
    """Create a text categorizer for labels of which none, one or several may hold.

    nlp (Language): The pipeline.
    name (str): Name of the component.
    model (Model[List[Doc], Floats2d]): Predicts a score for each label.
    threshold (float): Score from which a label is taken to hold.
    class_weights (Optional[Union[str, Dict[str, float]]]): Factors on the loss of the examples
        that have a label: a table, "balanced" for its ratio of negatives to positives, "sqrt" for
        the square root of it, or null.
    label_smoothing (float): Share of the truth that is spread over yes and no. Recommended: 0
        to 0.1.
    adversarial_norm (float): How far the embedded tokens of each text are moved to where the loss
        is higher, which the network learns from too; in root mean squares of the embedded numbers.
        0 for not at all, or else updates take twice the time. Recommended: 0, or 2 to 5.
    scorer (Optional[Callable]): The scoring method.
    RETURNS (RNNMultiLabelTextCategorizer): The component.
    """
    return RNNMultiLabelTextCategorizer(
        nlp.vocab,
        model,
        name,
        threshold=threshold,
        class_weights=class_weights,
        label_smoothing=label_smoothing,
        adversarial_norm=adversarial_norm,
        scorer=scorer,
    )


class RNNMultiLabelTextCategorizer(CrossEntropyTextcat, MultiLabel_TextCategorizer):
    """spaCy's `MultiLabel_TextCategorizer` with a recurrent model by default, trained by
    cross-entropy. A label that is missing from a doc's cats is masked: it is not learned from.
    """

    exclusive = False

    def __init__(
        self,
        vocab: Vocab,
        model: Model[List[Doc], Floats2d],
        name: str = "rnn_textcat_multilabel",
        *,
        threshold: float = 0.5,
        class_weights: ClassWeightsT = None,
        label_smoothing: float = 0.0,
        adversarial_norm: float = 0.0,
        scorer: Optional[Callable] = textcat_multilabel_score,
    ) -> None:
        MultiLabel_TextCategorizer.__init__(
            self, vocab, model, name, threshold=threshold, scorer=scorer
        )
        self._configure_loss(class_weights, label_smoothing, adversarial_norm)

    def initialize(  # type: ignore[override]
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Optional[Language] = None,
        labels: Optional[Iterable[str]] = None,
        raw_texts: Optional[RawTextsT] = None,
    ) -> None:
        """Find the labels, and initialize the model.

        get_examples (Callable[[], Iterable[Example]]): Gives the training data, or a sample.
        nlp (Optional[Language]): The pipeline.
        labels (Optional[Iterable[str]]): The labels, as `spacy init labels` writes them. If None,
            they are read off the examples.
        RAISES (ValueError): If there are no labels, or nothing learns from raw texts.
        """
        read_raw = raw_reader(self.name, self.model, nlp, raw_texts)
        if labels is None:
            labels = list(dict.fromkeys(cat for eg in get_examples() for cat in eg.reference.cats))
        labels = list(labels)
        check_labels(self.name, [*self.labels, *labels], exclusive=False)
        sample = self._sample_for_model(get_examples)
        MultiLabel_TextCategorizer.initialize(self, sample, nlp=nlp, labels=labels)
        self._initialize_weights(get_examples, read_raw)
