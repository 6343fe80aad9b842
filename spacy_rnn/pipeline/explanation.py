"""What an explanation of a text classifier is, apart from how it is found."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional

METHODS = ("integrated_gradients", "attention")


@dataclass(frozen=True)
class Explanation:
    """What the tokens of a text say about a label. All numbers are in logits: see
    `spacy_rnn.pipeline.explain.label_weights`.

    label (str): The label.
    method (str): "integrated_gradients" or "attention".
    tokens (List[str]): The text of each token.
    spaces (List[bool]): Whether a space follows it.
    attributions (List[float]): (n_tokens,) What each adds to the score: above 0 for the label,
        below 0 against it. Of attention, the weights, which have the sum 1 and no sign.
    score (float): Of the text.
    baseline (Optional[float]): Score of a text that says nothing. None for attention.
    error (Optional[float]): What the attributions sum up to, less `score - baseline`. None for
        attention, which does not share out the score.
    lang (str): Language of the text, "" if it is not known.
    title (str): Title of the text, from `doc.user_data["title"]`, or "".
    """

    label: str
    method: str
    tokens: List[str]
    spaces: List[bool]
    attributions: List[float]
    score: float
    baseline: Optional[float]
    error: Optional[float]
    lang: str = ""
    title: str = ""

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): All of it as plain data."""
        return asdict(self)
