"""Gradients within the layers of every kind of component."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.training import Example
from thinc.api import Ragged

from spacy_rnn.layers import run, use_engine
from spacy_rnn.models import reading as lm_reading
from spacy_rnn.models.ensembles import members
from spacy_rnn.models.lm_parts import parts
from spacy_rnn.models.seq2seq import parts as seq2seq_parts
from spacy_rnn.pipeline.condition import VECTOR
from spacy_rnn.pipeline.gradients import find_recurrent, probe, size
from tests.layers.cells import ENCODER_CELLS
from tests.layers.numeric import numeric_gradient
from tests.small_lm import TEXTS, train_lm

EMBED = {
    "@architectures": "spacy-rnn.HashEmbed.v1",
    "width": 8,
    "attrs": ["NORM"],
    "rows": [50],
}


def tok2vec(cell="gru", **settings):
    encode = {"@architectures": "spacy-rnn.RNNEncoder.v1", "cell": cell, "width": 6, "depth": 1}
    return {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": EMBED,
        "encode": {**encode, **settings},
    }


LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 6}
TAGGER = {"@architectures": "spacy.Tagger.v2"}
PARSER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "extra_state_tokens": False,
    "hidden_width": 4,
    "maxout_pieces": 2,
    "use_upper": True,
}
NER = {**PARSER, "state_type": "ner"}
TEXTCAT = {
    "@architectures": "spacy.TextCatReduce.v1",
    "exclusive_classes": True,
    "use_reduce_first": False,
    "use_reduce_last": False,
    "use_reduce_max": False,
    "use_reduce_mean": True,
}
MODELS = {
    "rnn_textcat": {"tok2vec": tok2vec()},
    "rnn_textcat_multilabel": {"tok2vec": tok2vec(bidirectional=False)},
    "textcat": {**TEXTCAT, "tok2vec": tok2vec()},
    "tagger": {**TAGGER, "tok2vec": tok2vec()},
    "ner": {**NER, "tok2vec": tok2vec("lstm")},
    "spancat": {"tok2vec": tok2vec("qrnn")},
    "tok2vec": tok2vec("mingru"),
}


def pipeline(*names, **models):
    """An initialized pipeline of components that are named as their factories."""
    nlp = spacy.blank("en")
    for name in names:
        nlp.add_pipe(name, config={"model": models.get(name, MODELS.get(name, {}))})
    examples = []
    for text in TEXTS:
        reference = nlp.make_doc(text)
        for i, token in enumerate(reference):
            token.tag_ = "AB"[i % 2]
        reference.cats = {"A": 1.0, "B": 0.0}
        reference.set_ents([reference.char_span(0, len(reference[0].text), label="X")])
        reference.spans["sc"] = [reference.char_span(0, len(reference[0].text), label="X")]
        examples.append(Example(nlp.make_doc(text), reference))
    nlp.initialize(lambda: examples)
    return nlp


def docs_of(nlp, texts=tuple(TEXTS)):
    return [nlp.make_doc(text) for text in texts]


@pytest.mark.parametrize("name", MODELS)
def test_every_component_over_recurrent_layers_can_be_asked(name):
    nlp = pipeline(name)
    assert find_recurrent(nlp, "a") == name
    model = nlp.get_pipe(name).model
    before = {key: value.copy() for key, value in known_parameters(model).items()}
    found = probe(nlp, name, docs_of(nlp), 6)
    assert found.loss is None
    assert [len(rows) for rows in found.readings[0].rows] == [6, 6, 6, 6]
    for i in range(len(found.readings)):
        (curve, *_) = found.norms(i).curves()
        assert curve.distances[-1] == 5
        assert min(curve.norms) > 0.0
    assert found.fresh_norms("elman").curves()[0].distances[-1] == 5
    for key, value in known_parameters(model).items():
        assert_allclose(value, before[key], atol=0)
    assert not any(node.has_grad(param) for node in model.walk() for param in node.param_names)


def known_parameters(model):
    """Of a model, some of whose layers may have none yet."""
    return {
        (i, param): node.get_param(param)
        for i, node in enumerate(model.walk())
        for param in node.param_names
        if node.has_param(param)
    }


def test_a_shared_tok2vec_is_asked_and_its_listeners_are_not():
    listening = {**TAGGER, "tok2vec": LISTENER}
    nlp = pipeline("tok2vec", "tagger", tok2vec=tok2vec(), tagger=listening)
    assert find_recurrent(nlp, "a") == "tok2vec"
    with pytest.raises(ValueError, match=r"E121.*'tagger'.*listens to a shared tok2vec.*: tok2vec"):
        find_recurrent(nlp, "a", "tagger")


def test_layers_above_a_listener_read_what_the_shared_tok2vec_gives():
    own = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": LISTENER,
        "encode": tok2vec("gru", bidirectional=False)["encode"],
    }
    nlp = pipeline("tok2vec", "tagger", tok2vec=tok2vec(), tagger={**TAGGER, "tok2vec": own})
    found = probe(nlp, "tagger", docs_of(nlp), 6)
    expected = [nlp.get_pipe("tok2vec").model.predict([doc])[0] for doc in docs_of(nlp)]
    for rows, vectors in zip(found.readings[0].rows, expected):
        assert rows.shape == (6, 6)
        # The backward half of the shared one begins where the doc was cut.
        assert_allclose(rows[:, :3], vectors[:6, :3], atol=1e-6)


@pytest.mark.parametrize("both", [False, True])
def test_documents_are_cut_and_empty_ones_left_out(both):
    nlp = pipeline("tagger", tagger={**TAGGER, "tok2vec": tok2vec(bidirectional=both)})
    texts = ["one two three four five", "", "one", "one two"]
    docs = docs_of(nlp, texts)
    found = probe(nlp, "tagger", docs, 3)
    assert [len(rows) for rows in found.readings[-1].rows] == [3, 1, 2]
    assert [len(doc) for doc in docs] == [5, 0, 1, 2]
    curves = found.norms(0).curves()
    assert curves[0].n_docs == [3, 2]


@pytest.mark.parametrize("texts", [[], [""], ["one", ""]])
def test_texts_without_a_distance_are_an_error(texts):
    nlp = pipeline("tagger")
    with pytest.raises(ValueError, match="E122"):
        probe(nlp, "tagger", docs_of(nlp, texts), 5)


def test_components_without_recurrent_layers_are_an_error():
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("tagger", config={"model": TAGGER})
    with pytest.raises(ValueError, match=r"E120.*folder.*sentencizer, tagger"):
        find_recurrent(nlp, "folder")


def test_of_several_components_one_must_be_named():
    nlp = pipeline("tagger", "rnn_textcat")
    with pytest.raises(ValueError, match=r"E056.*has 2.*tagger, rnn_textcat"):
        find_recurrent(nlp, "folder")
    assert find_recurrent(nlp, "folder", "rnn_textcat") == "rnn_textcat"
    with pytest.raises(ValueError, match=r"E121.*there is no such component"):
        find_recurrent(nlp, "folder", "parser")


def test_a_pipeline_without_weights_is_an_error():
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger", config={"model": MODELS["tagger"]})
    with pytest.raises(ValueError, match="E024"):
        probe(nlp, "tagger", docs_of(nlp), 5)


def test_layers_that_never_run_are_an_error():
    nlp = pipeline("tagger")
    model = nlp.get_pipe("tagger").model
    tok2vec_node = model.get_ref("tok2vec")
    tok2vec_node._func = lambda node, docs, is_train: ([], lambda dY: [])
    with pytest.raises(ValueError, match="E124"):
        probe(nlp, "tagger", docs_of(nlp), 5)


@pytest.mark.parametrize("cell", ENCODER_CELLS)
def test_an_untrained_cell_reads_what_the_last_layer_does(cell):
    nlp = pipeline("tagger", tagger={**TAGGER, "tok2vec": tok2vec("lstm", depth=2)})
    found = probe(nlp, "tagger", docs_of(nlp), 6)
    before = numpy.random.get_state()[1].copy()
    fresh = found.fresh_norms(cell, seed=3)
    assert (numpy.random.get_state()[1] == before).all()
    assert fresh.name == f"{cell}, untrained"
    assert fresh.cell.startswith(cell)
    assert [len(logs) for logs in fresh.logs.values()] == [4] * len(fresh.logs)
    again, other = (found.fresh_norms(cell, seed=seed) for seed in (3, 4))
    for key, logs in fresh.logs.items():
        assert_allclose(again.logs[key], logs, atol=0)
        assert not numpy.allclose(other.logs[key], logs, equal_nan=True)


def test_an_unknown_cell_is_an_error():
    nlp = pipeline("tagger")
    with pytest.raises(ValueError, match=r"E002.*'rnn'"):
        probe(nlp, "tagger", docs_of(nlp), 6).fresh_norms("rnn")


SOFTMAXES = [
    None,
    {"@architectures": "spacy-rnn.AdaptiveSoftmax.v1", "cutoffs": [4, 8]},
    {"@architectures": "spacy-rnn.SampledSoftmax.v1", "n_samples": 2},
]


@pytest.mark.parametrize("softmax", SOFTMAXES)
@pytest.mark.parametrize("settings", [{}, {"backward": True}, {"depth": 2}, {"tied": True}])
def test_a_language_model_is_asked_for_its_surprisal(softmax, settings, rng):
    if settings.get("tied"):
        settings = {**settings, "embed_width": 24}
    nlp = train_lm("word", cell="lstm", softmax=softmax, n_steps=2, **settings)
    lm = nlp.get_pipe("rnn_lm")
    randomize_known(lm.model, rng)
    doc = nlp.make_doc(TEXTS[0])
    ids = lm_reading.in_order(lm.model, lm.vocabulary.encode(doc).ids)
    with use_engine("numpy"):
        found = probe(nlp, "rnn_lm", [doc], 4)
        norms = found.norms(len(found.readings) - 1)
        assert found.what.startswith("the surprisal")
        for k in range(4):
            expected = surprisal_norm(lm.model, [0, *ids.tolist()], 4, k)
            assert_allclose(numpy.exp(norms.logs["h"][0, k]) * norms.first[0], expected, rtol=1e-5)


def randomize_known(model, rng):
    """In float64; but for the weights that a tied softmax shares."""
    for node in model.walk():
        for param in node.param_names:
            if node.has_param(param):
                value = node.get_param(param)
                noise = 0.2 * rng.standard_normal(value.shape)
                node.set_param(param, value.astype("float64") + noise)


def surprisal_norm(model, units, n_steps, k):
    """By finite differences: of the surprisal of units[n_steps], with respect to h of the last
    layer, k steps before. What lies below that layer is read as it is."""
    encoder, _, output, _ = parts(model)
    *below, layer = encoder.layers
    Xr = Ragged(numpy.asarray(units[:n_steps], dtype="i"), numpy.asarray([n_steps], dtype="i"))
    for node in below:
        Xr = node.predict(Xr)
    X = Xr.dataXd
    pieces = X[: n_steps - k], X[n_steps - k :]
    _, (state,), _ = run(layer, Ragged(pieces[0], numpy.asarray([n_steps - k], dtype="i")))
    state = {key: value.copy() for key, value in state.items()}
    target = numpy.asarray([units[n_steps]], dtype="i")

    def loss():
        H = state["h"]
        if k:
            Yr, _, _ = run(layer, Ragged(pieces[1], numpy.asarray([k], dtype="i")), [state])
            H = Yr.dataXd[-1:]
        return float(output.predict((H, target))[0])

    return numpy.linalg.norm(numeric_gradient(loss, state["h"]))


@pytest.mark.parametrize("unit", ["word", "char"])
def test_units_of_a_language_model_are_counted_with_the_end(unit):
    nlp = train_lm(unit, n_steps=1)
    pipe = nlp.get_pipe("rnn_lm")
    doc = nlp.make_doc("A cat")
    n_units = 2 if unit == "word" else 5
    assert size(pipe, doc) == n_units + 1
    found = probe(nlp, "rnn_lm", [doc, nlp.make_doc("")], 100)
    assert [len(rows) for rows in found.readings[0].rows] == [n_units + 1]
    cut = probe(nlp, "rnn_lm", [doc], 2)
    assert [len(rows) for rows in cut.readings[0].rows] == [2]


def test_a_language_model_begins_in_the_state_of_its_condition():
    cats = [{"A": float(i % 2), "B": float(i % 2 == 0)} for i in range(len(TEXTS))]
    nlp = train_lm("word", cats=cats, condition="cats", n_steps=20)
    docs = docs_of(nlp, [TEXTS[0] + " " + TEXTS[1]] * 2)
    docs[0].cats = {"A": 1.0, "B": 0.0}
    docs[1].cats = {"A": 0.0, "B": 1.0}
    (reading,) = probe(nlp, "rnn_lm", docs, 3).readings
    first, second = (state["h"] for state in reading.states)
    assert not numpy.allclose(first, second)


def test_nothing_of_a_language_model_changes(rng):
    nlp = train_lm("word", n_steps=2, weight_dropout=0.5, dropout=0.5)
    model = nlp.get_pipe("rnn_lm").model
    before = {key: value.copy() for key, value in known_parameters(model).items()}
    grads = {
        (i, param): node.get_grad(param).copy()
        for i, node in enumerate(model.walk())
        for param in node.grad_names
    }
    probe(nlp, "rnn_lm", docs_of(nlp), 5).norms(0)
    for key, value in known_parameters(model).items():
        assert_allclose(value, before[key], atol=0)
    for (i, param), value in grads.items():
        assert_allclose(list(model.walk())[i].get_grad(param), value, atol=0)


def test_pieces_of_a_long_text_are_read_as_one(monkeypatch):
    lm = {"@architectures": "spacy-rnn.LanguageModel.v1", "unit": "char", "width": 6}
    layers = {"@architectures": "spacy-rnn.LanguageModelTok2Vec.v1", "forward": lm}
    nlp = pipeline("tagger", tagger={**TAGGER, "tok2vec": layers})
    (whole,) = probe(nlp, "tagger", docs_of(nlp), 50).readings
    monkeypatch.setattr(lm_reading, "MAX_ROWS", 4)
    (pieces,) = probe(nlp, "tagger", docs_of(nlp), 50).readings
    assert whole.name == "forward.lstm.1"
    assert [len(rows) for rows in whole.rows] == [len(text) + 1 for text in TEXTS]
    for one, other in zip(whole.rows, pieces.rows):
        assert_allclose(one, other, atol=1e-6)


def writer(model):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("rnn_seq2seq", config={"model": model})
    examples = [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in TEXTS]
    for example in examples:
        example.reference._.seq2seq = "abc"
        example.predicted.user_data[VECTOR] = numpy.ones(3, "f")
    nlp.initialize(lambda: examples)
    return nlp, pipe


@pytest.mark.parametrize("n_members", [1, 2])
def test_the_encoder_of_a_sequence_to_sequence_model_is_asked(n_members):
    model = {"@architectures": "spacy-rnn.Seq2Seq.v1", "width": 8, "embed_width": 4}
    if n_members == 2:
        block = "spacy-rnn.Seq2SeqEnsemble.v1"
        model = {"@architectures": block, "*": {"a": model, "b": {**model, "cell": "gru"}}}
    nlp, pipe = writer(model)
    docs = docs_of(nlp)
    assert find_recurrent(nlp, "a") == "rnn_seq2seq"
    assert size(pipe, docs[0]) == len(TEXTS[0])
    found = probe(nlp, "rnn_seq2seq", docs, 7)
    names = [reading.name for reading in found.readings]
    if n_members == 1:
        assert names == ["lstm forward", "lstm backward"]
    else:
        assert names == [
            "member 1, lstm forward",
            "member 1, lstm backward",
            "member 2, gru forward",
            "member 2, gru backward",
        ]
    for i, reading in enumerate(found.readings):
        assert [len(rows) for rows in reading.rows] == [7] * len(TEXTS)
        assert found.norms(i).curves()[0].distances[-1] == 6
    # They read what the component reads.
    model = members(pipe.model)[0]
    units = pipe.source_vocabulary.encode(docs[0]).ids[:7]
    rows = seq2seq_parts(model).embed.get_param("E")[units]
    assert_allclose(found.readings[0].rows[0], rows)


def test_where_there_is_no_encoder_there_is_nothing_to_tell():
    model = {"@architectures": "spacy-rnn.Seq2Seq.v1", "width": 8, "embed_width": 4}
    nlp, _ = writer({**model, "source": "vector"})
    with pytest.raises(ValueError, match="E124"):
        probe(nlp, "rnn_seq2seq", docs_of(nlp), 7)
