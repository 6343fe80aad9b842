"""What the vectors of a tok2vec depend on, found by trial, for each kind of encoder."""

from typing import Any, Callable, Dict, List, Optional

import numpy
import pytest
import spacy
from spacy import registry
from spacy.ml.staticvectors import StaticVectors
from spacy.tokens import Doc
from thinc.api import Model, chain, list2array, ragged2list

from spacy_rnn.models import HashEmbed, RNNEncoder
from spacy_rnn.models.causality import n_directions
from spacy_rnn.models.language_model import LanguageModel
from spacy_rnn.models.lm_tok2vec import LanguageModelTok2Vec

from ..layers.cells import ENCODER_CELLS


def architecture(name: str) -> Callable[..., Model[Any, Any]]:
    return registry.get("architectures", name)


def tok2vec(encode: Optional[Model[Any, Any]], width: int = 8) -> Model[Any, Any]:
    embed = HashEmbed(width, ["NORM", "SHAPE"], [200, 50])
    model = architecture("spacy.Tok2Vec.v2")(embed, encode) if encode is not None else embed
    model.initialize(X=[spacy.blank("en")("Give it a doc")])
    return model


def directions(model: Model[Any, Any]) -> int:
    n, width = n_directions(model, spacy.blank("en").vocab)
    assert width == model.get_dim("nO")
    return n


@pytest.mark.parametrize("cell", ENCODER_CELLS)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("extras", [False, True])
def test_encoders_of_one_direction_predict_by_the_full_width(
    cell: str, depth: int, extras: bool
) -> None:
    encoder = RNNEncoder(cell, 8, depth, bidirectional=False, residual=extras, layer_norm=extras)
    assert directions(tok2vec(encoder)) == 1


@pytest.mark.parametrize("cell", ENCODER_CELLS)
def test_one_layer_of_two_directions_predicts_by_its_halves(cell: str) -> None:
    assert directions(tok2vec(RNNEncoder(cell, 8, 1))) == 2


@pytest.mark.parametrize("width", [8, 7])
def test_vectors_without_context_may_predict(width: int) -> None:
    assert directions(tok2vec(None, width)) == 1


REFUSED: Dict[str, Callable[[], Model[Any, Any]]] = {
    **{f"{cell}-2": lambda cell=cell: RNNEncoder(cell, 8, 2) for cell in ENCODER_CELLS},
    "residual-2": lambda: RNNEncoder("lstm", 8, 2, residual=True),
    "wide": lambda: RNNEncoder("gru", 200, 3),
    # Normalizing both halves together mixes them.
    "layer-norm": lambda: RNNEncoder("lstm", 8, 1, layer_norm=True),
    "window": lambda: architecture("spacy.MaxoutWindowEncoder.v2")(8, 1, 2, 1),
    "window-deep": lambda: architecture("spacy.MaxoutWindowEncoder.v2")(8, 1, 2, 4),
    "window-odd": lambda: architecture("spacy.MaxoutWindowEncoder.v2")(7, 1, 2, 1),
    "mish-window": lambda: architecture("spacy.MishWindowEncoder.v2")(8, 2, 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_encoders_that_see_their_target_are_refused(name: str) -> None:
    encoder = REFUSED[name]()
    width = encoder.get_dim("nO") if "window" in name else 8
    with pytest.raises(
        ValueError, match=r"E100.*token 1 .* token 0 changed.*bidirectional = false"
    ):
        directions(tok2vec(encoder, width))


def test_spacys_convolutional_tok2vec_is_refused() -> None:
    build = architecture("spacy.HashEmbedCNN.v2")
    model = build(
        width=8, depth=2, embed_size=50, window_size=1, maxout_pieces=2,
        subword_features=True, pretrained_vectors=None,
    )  # fmt: skip
    model.initialize(X=[spacy.blank("en")("Give it a doc")])
    with pytest.raises(ValueError, match="E100"):
        directions(model)


def by_rows(function: Callable[[Any], Any], nO: int = 8) -> Model[Any, Any]:
    """A tok2vec with a function of each text's vectors behind it."""
    embed = tok2vec(None)

    def forward(model: Model, docs: List[Doc], is_train: bool) -> Any:
        assert not is_train
        return [function(rows) for rows in model.layers[0].predict(docs)], lambda dY: []

    return Model("by_rows", forward, layers=[embed], dims={"nO": nO})


def test_a_reader_from_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match=r"E100.*first half"):
        directions(by_rows(lambda X: X[::-1].cumsum(axis=0)[::-1]))


def test_a_backward_half_that_sees_what_is_before_is_refused() -> None:
    def function(X: Any) -> Any:
        return numpy.hstack([X[:, :4], X[:, 4:].sum(axis=0) + 0 * X[:, 4:]])

    with pytest.raises(ValueError, match=r"E100.*token 0 .*second half of the vector of token 1 "):
        directions(by_rows(function))


def test_a_far_token_is_seen() -> None:
    def function(X: Any) -> Any:
        return X + 0.01 * numpy.vstack([X[9:], 0 * X[:9]])

    with pytest.raises(ValueError, match=r"E100.*token 9 .*token 0 changed"):
        directions(by_rows(function))


def test_noise_of_floats_is_not_seen(rng: numpy.random.RandomState) -> None:
    assert directions(by_rows(lambda X: X + 1e-6 * rng.standard_normal(X.shape))) == 1


def test_what_is_not_a_number_is_refused() -> None:
    def function(X: Any) -> Any:
        X[0, 0] = numpy.nan
        return X

    with pytest.raises(ValueError, match="E100"):
        directions(by_rows(function))


def test_a_tok2vec_of_word_vectors_alone_may_predict() -> None:
    nlp = spacy.blank("en")
    for word in ("one", "two", "three", "four", "five"):
        nlp.vocab.set_vector(word, numpy.random.normal(size=6).astype("f"))
    embed = chain(StaticVectors(nO=8), ragged2list())
    model = architecture("spacy.Tok2Vec.v2")(embed, RNNEncoder("lstm", 8, 1))
    model.initialize(X=[nlp("one two")])
    assert n_directions(model, nlp.vocab) == (2, 8)


@pytest.mark.parametrize("unit", ["word", "char"])
def test_a_language_model_is_tried_by_units_that_it_knows(unit: str) -> None:
    nlp = spacy.blank("en")
    docs = [nlp("уж небо осенью дышало"), nlp("уж реже солнышко блистало")]
    for backward, expected in ((False, (1, 8)), (True, None)):
        lm = LanguageModel(width=8, unit=unit, backward=backward)
        model = LanguageModelTok2Vec(**{"backward" if backward else "forward": lm})
        model.initialize(X=docs)
        if expected is not None:
            assert n_directions(model, nlp.vocab) == expected
        else:
            with pytest.raises(ValueError, match="E100"):
                n_directions(model, nlp.vocab)


def test_vectors_that_do_not_depend_on_their_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match=r"E101.*stay the same"):
        directions(by_rows(lambda X: 0 * X + 1))


def test_a_layer_that_is_no_tok2vec_is_refused() -> None:
    pooled = by_rows(lambda X: X.sum(axis=0, keepdims=True))
    with pytest.raises(ValueError, match=r"E101.*type list .*12 rows.*layer = \"tok2vec\""):
        directions(pooled)
    together = chain(tok2vec(None), list2array())
    with pytest.raises(ValueError, match=r"E101.*type ndarray "):
        directions(together)


def test_a_tok2vec_that_needs_some_tokens_is_not_given_fewer() -> None:
    def function(X: Any) -> Any:
        assert len(X) >= 10
        return X

    assert directions(by_rows(function)) == 1


def test_the_trial_leaves_the_random_state_and_the_weights_as_they_were() -> None:
    encoder = RNNEncoder("lstm", 8, 1, dropout=0.5, recurrent_dropout=0.5)
    model = tok2vec(encoder)
    weights = model.to_bytes()
    numpy.random.seed(3)
    expected = numpy.random.uniform()
    numpy.random.seed(3)
    assert directions(model) == 2
    assert numpy.random.uniform() == expected
    noisy = by_rows(lambda X: X + 1e-7 * numpy.random.uniform(size=X.shape))
    numpy.random.seed(3)
    directions(noisy)
    assert numpy.random.uniform() == expected
    assert model.to_bytes() == weights
