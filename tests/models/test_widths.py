"""Widths and depths that are none, of all architectures and layers."""

from typing import Any, Callable, Dict

import pytest

from spacy_rnn.layers import GRU, LSTM, Elman, MinGRU
from spacy_rnn.models import (
    CharEmbed,
    ConvRNNEncoder,
    HashEmbed,
    LanguageModel,
    RNNEncoder,
    Seq2Seq,
    TextCatRNN,
)

HASHED: Dict[str, Any] = {"attrs": ["NORM"], "rows": [10]}
BUILDS: Dict[str, Callable[[Any], Any]] = {
    "LSTM nO": lambda n: LSTM(n, 4),
    "GRU nI": lambda n: GRU(4, n),
    "Elman nO": lambda n: Elman(n),
    "MinGRU nO": lambda n: MinGRU(n),
    "RNNEncoder width": lambda n: RNNEncoder("lstm", n, 1),
    "RNNEncoder depth": lambda n: RNNEncoder("lstm", 4, n),
    "ConvRNNEncoder window_size": lambda n: ConvRNNEncoder("lstm", 4, n, 1, 1),
    "ConvRNNEncoder conv_depth": lambda n: ConvRNNEncoder("lstm", 4, 1, n, 1),
    "HashEmbed width": lambda n: HashEmbed(n, **HASHED),
    "CharEmbed width": lambda n: CharEmbed(n, "gru"),
    "CharEmbed char_width": lambda n: CharEmbed(4, "gru", char_width=n),
    "LanguageModel width": lambda n: LanguageModel(width=n),
    "LanguageModel depth": lambda n: LanguageModel(depth=n),
    "LanguageModel embed_width": lambda n: LanguageModel(embed_width=n, tied=False),
    "Seq2Seq width": lambda n: Seq2Seq(width=n),
    "Seq2Seq depth": lambda n: Seq2Seq(depth=n),
    "Seq2Seq embed_width": lambda n: Seq2Seq(embed_width=n),
    "TextCatRNN hidden_width": lambda n: TextCatRNN(HashEmbed(4, **HASHED), True, hidden_width=n),
}


@pytest.mark.parametrize("number", [0, -2, 1.5, 2.0, "4", True], ids=repr)
@pytest.mark.parametrize("name", BUILDS)
def test_what_is_no_width_is_an_error(name: str, number: Any) -> None:
    what = name.split()[-1]
    with pytest.raises(
        ValueError, match=rf"E011.*{what} must be a whole number, at least 1.*{number}"
    ):
        BUILDS[name](number)
