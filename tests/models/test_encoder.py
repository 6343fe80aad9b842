import numpy
import pytest
import spacy
from spacy import registry
from thinc.api import Config

from spacy_rnn.models import RNNEncoder

from ..layers.cells import ENCODER_CELLS, sequences


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"layer_norm": True}])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("cell", ENCODER_CELLS)
def test_the_output_has_the_width_that_was_asked_for(cell, depth, both, options, rng):
    encoder = RNNEncoder(cell, 6, depth, bidirectional=both, **options)
    assert encoder.get_dim("nO") == 6, "known before initialization"
    Xs = sequences(rng, [3, 0, 1], 5)
    encoder.initialize(X=Xs)
    assert encoder.get_dim("nI") == 5
    assert [Y.shape for Y in encoder.predict(Xs)] == [(3, 6), (0, 6), (1, 6)]
    assert [Y.dtype for Y in encoder.predict(Xs)] == ["float32"] * 3


def test_residual_connections_add_the_input_from_the_second_layer_on(rng):
    Xs = sequences(rng, [4], 5)
    plain = RNNEncoder("gru", 6, 2)
    plain.initialize(X=Xs)
    residual = RNNEncoder("gru", 6, 2, residual=True)
    residual.initialize(X=Xs)
    for layer, source in zip(
        (n for n in residual.walk() if "recurrence" in n.attrs),
        (n for n in plain.walk() if "recurrence" in n.attrs),
    ):
        for param in layer.param_names:
            layer.set_param(param, source.get_param(param))
    from spacy_rnn.layers.ragged import to_ragged

    first = plain.layers[0].layers[0].predict(to_ragged(plain.ops, Xs)).dataXd
    added = residual.predict(Xs)[0] - plain.predict(Xs)[0]
    numpy.testing.assert_allclose(added, first, atol=1e-6)


def test_layer_norm_normalizes_each_row(rng):
    encoder = RNNEncoder("lstm", 8, 2, layer_norm=True)
    Xs = sequences(rng, [4], 5)
    encoder.initialize(X=Xs)
    Y = encoder.predict(Xs)[0]
    numpy.testing.assert_allclose(Y.mean(axis=1), 0, atol=1e-5)
    numpy.testing.assert_allclose(Y.std(axis=1), 1, atol=1e-2)


def test_an_odd_width_with_two_directions_is_an_error():
    with pytest.raises(ValueError, match=r"E001.*width=15.*14 or 16"):
        RNNEncoder("lstm", 15, 1)
    assert RNNEncoder("lstm", 15, 1, bidirectional=False).get_dim("nO") == 15


def test_an_unknown_cell_is_an_error():
    with pytest.raises(ValueError, match=r"E002.*'lstn'.*elman, lstm, gru"):
        RNNEncoder("lstn", 4, 1)


@pytest.mark.parametrize("bad", [{"width": 0}, {"depth": 0}, {"dropout": 1.0}])
def test_arguments_outside_their_range_are_errors(bad):
    with pytest.raises(ValueError, match="E011"):
        RNNEncoder(**{"cell": "lstm", "width": 4, "depth": 1, **bad})


@pytest.mark.parametrize("cell", ENCODER_CELLS)
def test_it_encodes_under_spacys_tok2vec(cell):
    config = Config().from_str(
        f"""
        [model]
        @architectures = "spacy.Tok2Vec.v2"

        [model.embed]
        @architectures = "spacy-rnn.HashEmbed.v1"
        width = 8
        attrs = ["NORM", "SHAPE"]
        rows = [50, 20]

        [model.encode]
        @architectures = "spacy-rnn.RNNEncoder.v1"
        cell = "{cell}"
        width = 12
        depth = 2
        """
    )
    model = registry.resolve(config)["model"]
    assert model.get_dim("nO") == 12
    nlp = spacy.blank("en")
    docs = [nlp("Some words here"), nlp(""), nlp("more")]
    model.initialize(X=docs)
    Ys, backprop = model.begin_update(docs)
    assert [Y.shape for Y in Ys] == [(3, 12), (0, 12), (1, 12)]
    backprop(Ys)
    assert all(node.has_grad(param) for node in model.walk() for param in node.param_names)


def test_it_can_be_initialized_on_docs_without_tokens():
    nlp = spacy.blank("en")
    config = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {
            "@architectures": "spacy-rnn.HashEmbed.v1",
            "width": 8,
            "attrs": ["NORM"],
            "rows": [50],
        },
        "encode": {
            "@architectures": "spacy-rnn.RNNEncoder.v1",
            "cell": "lstm",
            "width": 12,
            "depth": 1,
        },
    }
    model = registry.resolve({"model": config})["model"]
    model.initialize(X=[nlp(""), nlp("")])
    assert [Y.shape for Y in model.predict([nlp("two words"), nlp("")])] == [(2, 12), (0, 12)]
