"""Flair's DocumentRNNEmbeddings, over token vectors that are there already.

Flair's own way, from Sentences to one vector for each: the outputs at the first and the last token.
So that only the recurrent layer and what belongs to it count, the Sentences are made beforehand and
their tokens have fixed vectors. There are no gradients of these: less work than the others do.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Any, List, Tuple

import numpy
import torch

from .batches import Batch, VectorsT
from .peers import EVERY_THIRD, FLAIR, N_HIDDEN, N_IN, Peer

ADVICE = "Flair's DocumentRNNEmbeddings is left out, as Flair is not installed: pip install flair"


def is_installed() -> bool:
    """RETURNS (bool): Whether Flair can be imported."""
    try:
        version("flair")
    except PackageNotFoundError:
        return False
    return True


class FlairPeer(Peer):
    """A bidirectional LSTM of Flair's.

    lstm (torch.nn.LSTM): Whose weights it takes.
    """

    def __init__(self, lstm: torch.nn.LSTM) -> None:
        super().__init__(FLAIR, is_packed=True, has_tokens=False, every=EVERY_THIRD)
        self.vectors, self.embeddings = _build(lstm)
        self._prepared: Tuple[Any, Any] = (None, None)

    def prepare(self, batch: Batch) -> Any:
        """RETURNS (List[Sentence]): With a vector for each token."""
        if self._prepared[0] is not batch:
            self._prepared = (batch, [self._sentence(X) for X in batch.inputs[N_IN]])
        return self._prepared[1]

    def predict(self, Xs: Any) -> VectorsT:
        """RETURNS (List[Floats2d]): (1, 4 * N_HIDDEN) for each text."""
        with torch.no_grad():
            embedded = self._embed(Xs)
        return [vector.numpy()[None] for vector in embedded]

    def train(self, Xs: Any, dYs: VectorsT) -> Tuple[VectorsT, VectorsT]:
        """RETURNS: As `predict`; and no gradients of the input, as there are none."""
        embedded = torch.stack(self._embed(Xs))
        firsts_and_lasts = [numpy.concatenate([dY[0], dY[-1]]) for dY in dYs]
        embedded.backward(torch.as_tensor(numpy.stack(firsts_and_lasts)))
        return list(embedded.detach().numpy()[:, None]), []

    def clear_gradients(self) -> None:
        """Forget the gradients, as an optimizer does after a step."""
        self.embeddings.zero_grad(set_to_none=True)

    def _embed(self, sentences: Any) -> List[torch.Tensor]:
        for sentence in sentences:
            sentence.clear_embeddings([self.embeddings.name])
        self.embeddings.embed(sentences)
        return [sentence.get_embedding() for sentence in sentences]

    def _sentence(self, X: Any) -> Any:
        from flair.data import Sentence

        sentence = Sentence(["word"] * len(X))
        for token, row in zip(sentence, torch.as_tensor(X)):
            token.set_embedding(self.vectors.name, row)
        return sentence


def _build(lstm: torch.nn.LSTM) -> Tuple[Any, Any]:
    """RETURNS: Embeddings that are there already, and the RNN over them."""
    import flair
    from flair.embeddings import DocumentRNNEmbeddings, TokenEmbeddings

    flair.device = torch.device("cpu")

    class FixedVectors(TokenEmbeddings):
        """Leaves the vectors that the tokens have."""

        def __init__(self) -> None:
            self.name = "fixed"
            self.static_embeddings = True
            super().__init__()

        @property
        def embedding_length(self) -> int:
            return N_IN

        def _add_embeddings_internal(self, sentences: Any) -> None:
            pass

    vectors = FixedVectors()
    embeddings = DocumentRNNEmbeddings(
        [vectors],
        hidden_size=N_HIDDEN,
        bidirectional=True,
        rnn_type="LSTM",
        reproject_words=False,
        dropout=0.0,
    )
    embeddings.rnn.load_state_dict(lstm.state_dict())
    return vectors, embeddings
