"""Layers that thaw one after the other, and what the optimizers make of it."""

import io
import warnings

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from small_models import arrays, copies, make_model, set_gradients
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Adam as ThincsAdam
from thinc.api import Config, Linear, chain, fix_random_seed

from spacy_rnn.layers import recurrent as recurrent_module
from spacy_rnn.layers.freezing import FROZEN, freeze, has_parameters, is_frozen, thaw
from spacy_rnn.models import LanguageModel
from spacy_rnn.models.lm_tok2vec import LanguageModelTok2Vec
from spacy_rnn.training import unfreezing
from spacy_rnn.training.optimizers import NTASGD, SGD, Adam
from spacy_rnn.training.steps import StepStats, finish_update
from spacy_rnn.training.unfreezing import gradual_unfreezing

TEXTS = {"a lovely day": 1.0, "a good film": 1.0, "an awful day": 0.0, "a bad film": 0.0}
TOK2VEC = """
@architectures = "spacy.Tok2Vec.v2"

[SECTION.embed]
@architectures = "spacy-rnn.HashEmbed.v1"
width = 8
attrs = ["NORM", "SHAPE"]
rows = [50, 20]

[SECTION.encode]
@architectures = "spacy-rnn.RNNEncoder.v1"
cell = "gru"
width = 8
depth = 2
"""
OWN = """
[nlp]
lang = "en"
pipeline = ["textcat"]

[components]

[components.textcat]
factory = "rnn_textcat"

[components.textcat.model]
@architectures = "spacy-rnn.TextCatRNN.v1"
exclusive_classes = true

[components.textcat.model.tok2vec]
""" + TOK2VEC.replace("SECTION", "components.textcat.model.tok2vec")


@pytest.mark.parametrize("encode", [
    {"@architectures": "spacy-rnn.RNNEncoder.v1", "cell": "lstm", "width": 8, "depth": 1},
    {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 8, "depth": 1, "window_size": 1,
     "maxout_pieces": 2},
])  # fmt: skip
def test_all_that_is_no_tok2vec_learns_at_once_in_a_parser(encode):
    nlp = spacy.blank("en")
    embed = {"@architectures": "spacy-rnn.HashEmbed.v1", "width": 8, "attrs": ["NORM"],
             "rows": [20]}  # fmt: skip
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    ner = nlp.add_pipe("ner", config={"model": {
        "@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner",
        "extra_state_tokens": False, "hidden_width": 16, "maxout_pieces": 2, "use_upper": True,
        "tok2vec": tok2vec}})  # fmt: skip
    doc = nlp.make_doc("I love York")
    nlp.initialize(lambda: [Example.from_dict(doc, {"entities": [(7, 11, "GPE")]})])
    base = ner.model.get_ref("tok2vec").layers[0]
    within = {node.id for node in base.walk()}
    callback = gradual_unfreezing("ner")
    callback(nlp, {"step": 0, "epoch": 0})
    for node in filter(has_parameters, ner.model.walk()):
        assert (FROZEN in node.attrs) == (node.id in within)
    callback(nlp, {"step": 1, "epoch": 1})
    assert not is_frozen(base.layers[1])
    assert is_frozen(base.layers[0])


def test_an_embedding_thaws_with_its_layers_over_characters():
    nlp = spacy.blank("en")
    embed = {"@architectures": "spacy-rnn.CharEmbed.v1", "width": 8, "cell": "gru",
             "attrs": ["NORM"], "rows": [20]}  # fmt: skip
    encode = {"@architectures": "spacy-rnn.RNNEncoder.v1", "cell": "lstm", "width": 8, "depth": 1}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    block = {"@architectures": "spacy-rnn.TextCatRNN.v1", "exclusive_classes": True,
             "tok2vec": tok2vec}  # fmt: skip
    textcat = nlp.add_pipe("rnn_textcat", name="textcat", config={"model": block})
    _, examples = make_nlp()
    nlp.initialize(lambda: examples)
    callback = gradual_unfreezing()
    for epoch, expected in ((0, True), (1, True), (2, False)):
        callback(nlp, {"step": epoch, "epoch": epoch})
        nodes = list(textcat.model.get_ref("tok2vec").layers[0].walk())
        frozen = {FROZEN in node.attrs for node in nodes if has_parameters(node)}
        assert frozen == {expected}


SHARED = """
[nlp]
lang = "en"
pipeline = ["tok2vec", "textcat"]

[components]

[components.tok2vec]
factory = "tok2vec"

[components.tok2vec.model]
TOK2VEC
[components.textcat]
factory = "rnn_textcat"

[components.textcat.model]
@architectures = "spacy-rnn.TextCatRNN.v1"
exclusive_classes = true

[components.textcat.model.tok2vec]
@architectures = "spacy.Tok2VecListener.v1"
width = 8
""".replace("TOK2VEC", TOK2VEC.replace("SECTION", "components.tok2vec.model"))
TRAINING = """
[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = "CORPUS"

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = "CORPUS"

[training]
max_steps = 8
eval_frequency = 2
patience = 0

[training.optimizer]
@optimizers = "OPTIMIZER"
learn_rate = 0.01

[training.before_update]
@callbacks = "spacy-rnn.gradual_unfreezing.v1"
component = "COMPONENT"
every = 2
unit = "step"
"""


def make_nlp(text=OWN):
    """RETURNS: A pipeline that is ready to learn, and examples."""
    fix_random_seed(0)
    config = Config(Language.default_config).merge(Config().from_str(text, interpolate=False))
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    examples = [
        Example.from_dict(nlp.make_doc(content), {"cats": {"GOOD": value, "BAD": 1.0 - value}})
        for content, value in TEXTS.items()
    ]
    nlp.initialize(lambda: examples)
    return nlp, examples


def frozen_names(nlp, component="textcat"):
    model = nlp.get_pipe(component).model
    return sorted(node.name for node in model.walk() if FROZEN in node.attrs)


def weights_of(nlp):
    """RETURNS: Copies of all weights of a pipeline, by component, place and name."""
    return {
        (pipe_name, i, node.name, name): node.get_param(name).copy()
        for pipe_name, pipe in nlp.pipeline
        for i, node in enumerate(pipe.model.walk())
        for name in node.param_names
        if node.has_param(name)
    }


def moved(before, after):
    return {key[2] for key, value in before.items() if not numpy.array_equal(value, after[key])}


EMBEDDING = ["hashembed", "hashembed", "layernorm", "maxout"]


def test_groups_are_found_from_the_output_to_the_input():
    nlp, _ = make_nlp()
    callback = gradual_unfreezing()
    seen = []
    for epoch in range(5):
        callback(nlp, {"step": 10 * epoch, "epoch": epoch})
        seen.append(frozen_names(nlp))
    kept = [[*EMBEDDING, *["gru"] * 4], [*EMBEDDING, "gru", "gru"], EMBEDDING, [], []]
    assert seen == [sorted(names) for names in kept]
    model = nlp.get_pipe("textcat").model
    assert not any(FROZEN in node.attrs for node in model.walk())


def test_the_upper_layer_thaws_before_the_lower():
    nlp, _ = make_nlp()
    gradual_unfreezing(unit="step")(nlp, {"step": 1, "epoch": 0})
    tok2vec = nlp.get_pipe("textcat").model.get_ref("tok2vec")
    lower, upper = tok2vec.get_ref("encode").layers[0].layers
    assert is_frozen(lower)
    assert not any(FROZEN in node.attrs for node in upper.walk())


@pytest.mark.parametrize(
    ("unit", "every", "infos", "expected"),
    [
        ("epoch", 1, [(0, 0), (7, 0), (8, 1), (20, 2), (30, 3)], [8, 8, 6, 4, 0]),
        ("epoch", 2, [(0, 0), (9, 1), (10, 2), (15, 3), (20, 4)], [8, 8, 6, 6, 4]),
        ("step", 5, [(0, 0), (4, 3), (5, 3), (10, 9), (15, 9)], [8, 8, 6, 4, 0]),
        ("step", 1, [(0, 0), (3, 0)], [8, 0]),
    ],
)
def test_a_group_thaws_every_so_many_epochs_or_steps(unit, every, infos, expected):
    nlp, _ = make_nlp()
    callback = gradual_unfreezing(every=every, unit=unit)
    for (step, epoch), n_frozen in zip(infos, expected):
        callback(nlp, {"step": step, "epoch": epoch})
        assert len(frozen_names(nlp)) == n_frozen


def test_a_training_that_begins_anew_freezes_anew(monkeypatch):
    nlp, _ = make_nlp()
    found = []
    find = unfreezing._find_groups
    monkeypatch.setattr(unfreezing, "_find_groups", lambda *args: found.append(1) or find(*args))
    callback = gradual_unfreezing(unit="step")
    for step in (0, 1, 2, 3):
        callback(nlp, {"step": step, "epoch": 0})
    assert len(found) == 1
    assert not frozen_names(nlp)
    callback(nlp, {"step": 0, "epoch": 0})
    assert len(frozen_names(nlp)) == 8
    other, _ = make_nlp()
    callback(other, {"step": 3, "epoch": 0})
    assert not frozen_names(other)
    assert len(found) == 3


def test_patterns_say_what_thaws_when():
    nlp, _ = make_nlp()
    groups = [["*"], ["gru"], ["hashembed", "maxout"]]
    callback = gradual_unfreezing(groups=groups, unit="step")
    for step, expected in enumerate([["gru"] * 4 + EMBEDDING[:2] + ["maxout"], None, []]):
        callback(nlp, {"step": step, "epoch": 0})
        if expected is None:
            expected = ["hashembed", "hashembed", "maxout"]
        assert frozen_names(nlp) == sorted(expected)


def test_what_no_group_names_stays_frozen_and_a_warning_says_so():
    nlp, _ = make_nlp()
    callback = gradual_unfreezing(groups=[["linear"], ["gru"]], unit="step")
    with pytest.warns(UserWarning, match=r"W130.*'textcat'.*: ngram_linear, maxout, .*layernorm"):
        callback(nlp, {"step": 0, "epoch": 0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        callback(nlp, {"step": 9, "epoch": 0})
    assert set(EMBEDDING) <= set(frozen_names(nlp))
    assert "gru" not in frozen_names(nlp)
    assert "linear" not in frozen_names(nlp)


def test_a_group_that_names_nothing_is_an_error_with_the_names_that_there_are():
    nlp, _ = make_nlp()
    callback = gradual_unfreezing(groups=[["*"], ["lstm*", "gru"], ["forward.*"]])
    message = r"E131.*\['forward.\*', 'lstm\*'\].*linear.*gru"
    with pytest.raises(ValueError, match=message):
        callback(nlp, {"step": 0, "epoch": 0})
    assert not frozen_names(nlp)


@pytest.mark.parametrize("component", ["no_such", "sentencizer"])
def test_a_component_without_a_model_is_an_error(component):
    nlp, _ = make_nlp()
    nlp.add_pipe("sentencizer")
    with pytest.raises(ValueError, match=rf"E130.*'{component}'.*: textcat\."):
        gradual_unfreezing(component)(nlp, {"step": 0, "epoch": 0})


@pytest.mark.parametrize("groups", [[], ["gru"], [["*"], []], [["*"], [1]], "gru", [None]])
def test_groups_that_are_no_lists_are_an_error(groups):
    with pytest.raises(ValueError, match="E133"):
        gradual_unfreezing(groups=groups)


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"unit": "batch"}, "E009"), ({"every": 0}, "E011"), ({"every": 1.5}, "E011")],
)
def test_wrong_settings_are_errors(settings, code):
    with pytest.raises(ValueError, match=code):
        gradual_unfreezing(**settings)


def test_a_listener_has_no_layers_to_thaw():
    nlp, _ = make_nlp(SHARED)
    with pytest.raises(ValueError, match=r"E132.*'textcat'.*: tok2vec\."):
        gradual_unfreezing("textcat")(nlp, {"step": 0, "epoch": 0})


def test_a_model_without_layers_to_tell_apart_is_an_error():
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat", config={"model": {"@architectures": "spacy.TextCatBOW.v3",
                                              "exclusive_classes": True, "ngram_size": 1,
                                              "length": 64, "no_output_layer": False}})  # fmt: skip
    _, examples = make_nlp()
    nlp.initialize(lambda: examples)
    with pytest.raises(ValueError, match=r"E134.*sparse_linear"):
        gradual_unfreezing()(nlp, {"step": 0, "epoch": 0})


def test_an_encoder_without_recurrence_thaws_as_a_whole():
    nlp = spacy.blank("en")
    tok2vec = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 8, "depth": 2,
               "embed_size": 20, "window_size": 1, "maxout_pieces": 2, "subword_features": True,
               "pretrained_vectors": None}  # fmt: skip
    block = {"@architectures": "spacy-rnn.TextCatRNN.v1", "exclusive_classes": True,
             "tok2vec": tok2vec}  # fmt: skip
    textcat = nlp.add_pipe("rnn_textcat", name="textcat", config={"model": block})
    _, examples = make_nlp()
    nlp.initialize(lambda: examples)
    encoder = textcat.model.get_ref("tok2vec").get_ref("encode")
    callback = gradual_unfreezing(unit="step")
    callback(nlp, {"step": 0, "epoch": 0})
    assert is_frozen(encoder)
    callback(nlp, {"step": 1, "epoch": 0})
    assert not any(FROZEN in node.attrs for node in encoder.walk())
    assert is_frozen(textcat.model.get_ref("tok2vec").get_ref("embed"))


def test_a_language_models_layers_thaw_below_its_softmax():
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lm", config={"model": {"unit": "char", "width": 8, "depth": 2}})
    _, examples = make_nlp()
    optimizer = nlp.initialize(lambda: examples)
    callback = gradual_unfreezing("rnn_lm", unit="step")
    model = nlp.get_pipe("rnn_lm").model
    before = weights_of(nlp)
    seen = []
    for step in range(4):
        callback(nlp, {"step": step, "epoch": 0})
        nlp.update(examples, sgd=optimizer)
        after = weights_of(nlp)
        seen.append(moved(before, after))
        before = after
        # The softmax is tied to the embedding's table, and must not move it.
        assert all(node.grad_names == () for node in model.walk() if FROZEN in node.attrs)
    assert [sorted(names) for names in seen] == [
        ["softmax"],
        ["lstm", "softmax"],
        ["lstm", "softmax"],
        ["embedding", "lstm", "softmax"],
    ]


def language_models():
    def make(backward):
        return LanguageModel("char", width=6, embed_width=4, depth=2, tied=False, backward=backward)

    return LanguageModelTok2Vec(make(False), make(True))


def test_layers_of_two_language_models_thaw_level_by_level():
    levels = [
        sorted(node.name for node in level) for level in unfreezing._levels(language_models())
    ]
    assert levels == [
        ["backward.embedding", "forward.embedding"],
        ["backward.lstm.1", "forward.lstm.1"],
        ["backward.lstm.2", "forward.lstm.2"],
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("forward.*", ["forward.embedding", "forward.lstm.1", "forward.lstm.2"]),
        ("*.lstm.2", ["backward.lstm.2", "forward.lstm.2"]),
        ("forward.lstm.1", ["forward.lstm.1"]),
        ("forward.lstm.?/Wh", ["forward.lstm.1", "forward.lstm.2"]),
        ("*.embedding", ["backward.embedding", "forward.embedding"]),
    ],
)
def test_learn_rate_groups_tell_their_layers_apart(pattern, expected):
    model = language_models()
    for reader in model.layers:
        reader.layers[0].layers[0].set_dim("nV", 10)
    nodes = [node for node in model.walk() if has_parameters(node)]
    optimizer = Adam(0.1, groups={pattern: 0.25})
    optimizer.prepare(model)
    factors = optimizer._factors
    found = {node.name for node in nodes for n in node.param_names if factors[node.id, n] == 0.25}
    assert sorted(found) == expected
    assert set(factors.values()) == {1.0, 0.25}


def test_names_with_dots_are_keys_of_a_config():
    text = """
        [optimizer]
        @optimizers = "spacy-rnn.Adam.v1"

        [optimizer.groups]
        *.lstm.2 = 0.385
        forward.lstm.1 = 0.148
        *.embedding = 0.057
        """
    optimizer = spacy.registry.resolve(Config().from_str(text))["optimizer"]
    assert optimizer._groups == {"*.lstm.2": 0.385, "forward.lstm.1": 0.148, "*.embedding": 0.057}


OPTIMIZERS = {
    "Adam": lambda: Adam(0.01, L2=0.1, clip_norm=0.0, use_averages=True),
    "SGD": lambda: SGD(0.1, momentum=0.9, L2=0.1, clip_norm=0.0),
    "NTASGD": lambda: averaging(NTASGD(0.1, L2=0.1, clip_norm=0.0, nonmono=0)),
    "Thinc's Adam": lambda: ThincsAdam(0.01, L2=0.1, use_averages=True),
}


def averaging(optimizer):
    optimizer.observe(1.0)
    optimizer.observe(2.0)
    return optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_frozen_layer_is_not_touched_and_then_learns_as_from_the_beginning(name):
    model, reference = make_model(), make_model()
    sgd, fresh = OPTIMIZERS[name](), OPTIMIZERS[name]()
    first, second = model.layers
    before = copies(model)
    freeze(first)
    for i in range(5):
        set_gradients(model, seed=i)
        finish_update(model, sgd, StepStats())
    for param in first.param_names:
        assert_array_equal(first.get_param(param), before[f"first/{param}"])
        for table in (sgd.mom1, sgd.mom2, sgd.nr_update, sgd.averages or {}):
            assert (first.id, param) not in table
        assert not numpy.array_equal(second.get_param(param), before[f"second/{param}"])
    thaw(first)
    for i in range(5, 9):
        set_gradients(model, seed=i)
        set_gradients(reference, seed=i)
        finish_update(model, sgd, StepStats())
        finish_update(reference, fresh, StepStats())
    for param in first.param_names:
        key, other = (first.id, param), (reference.layers[0].id, param)
        assert_array_equal(first.get_param(param), reference.layers[0].get_param(param))
        for table, expected in (
            (sgd.mom1, fresh.mom1),
            (sgd.mom2, fresh.mom2),
            (sgd.nr_update, fresh.nr_update),
            (sgd.averages or {}, fresh.averages or {}),
        ):
            assert (key in table) == (other in expected)
            if key in table:
                assert_array_equal(table[key], expected[other])


def test_frozen_layers_are_not_a_part_of_the_norm():
    model = make_model()
    freeze(model.layers[0])
    expected = set_gradients(model)
    stats = StepStats()
    finish_update(model, Adam(0.01), stats)
    norm = numpy.sqrt(sum((g**2).sum() for path, g in expected.items() if "second" in path))
    assert stats.last_norm == pytest.approx(norm, rel=1e-5)


def test_a_frozen_layer_that_has_learned_goes_on_where_it_was():
    model, sgd = make_model(), Adam(0.01, use_averages=True)
    first = model.layers[0]
    for i in range(3):
        set_gradients(model, seed=i)
        finish_update(model, sgd, StepStats())
    key = (first.id, "W")
    kept = [table[key].copy() for table in (sgd.mom1, sgd.mom2, sgd.averages)]
    freeze(first)
    assert first.grad_names == ()
    for i in range(4):
        set_gradients(model, seed=i)
        finish_update(model, sgd, StepStats())
    for table, expected in zip((sgd.mom1, sgd.mom2, sgd.averages), kept):
        assert_array_equal(table[key], expected)
    assert sgd.nr_update[key] == 3


def test_where_all_is_frozen_no_step_is_made():
    model = make_model()
    before = copies(model)
    freeze(model)
    set_gradients(model)
    assert not finish_update(model, Adam(0.01, L2=0.5), StepStats())
    for path, weights in arrays(model).items():
        assert_array_equal(weights, before[path])


@pytest.mark.parametrize("make", [OPTIMIZERS["Adam"], OPTIMIZERS["Thinc's Adam"]])
def test_components_that_step_by_themselves_leave_frozen_layers_alone(make):
    model = chain(Linear(3, 4), Linear(2, 3)).initialize()
    lower, upper = model.layers
    before = {name: lower.get_param(name).copy() for name in lower.param_names}
    sgd = make()
    freeze(lower)
    for _ in range(3):
        Y, backprop = model.begin_update(numpy.ones((2, 4), "f"))
        backprop(Y - 1.0)
        model.finish_update(sgd)
    for name, value in before.items():
        assert_array_equal(lower.get_param(name), value)
        assert (lower.id, name) not in sgd.averages
        assert (lower.id, name) not in sgd.nr_update
        assert sgd.nr_update[upper.id, name] == 3


def test_averages_are_used_for_what_learns_and_weights_for_what_is_frozen():
    model, sgd = make_model(), Adam(0.1, use_averages=True)
    first, second = model.layers
    freeze(first)
    for i in range(5):
        set_gradients(model, seed=i)
        finish_update(model, sgd, StepStats())
    current = copies(model)
    with model.use_params(sgd.averages):
        assert_array_equal(first.get_param("W"), current["first/W"])
        assert_array_equal(second.get_param("W"), sgd.averages[second.id, "W"])
        assert not numpy.array_equal(second.get_param("W"), current["second/W"])
    # An average that is a step old is that of its steps alone.
    thaw(first)
    set_gradients(model)
    finish_update(model, sgd, StepStats())
    assert_array_equal(sgd.averages[first.id, "W"], first.get_param("W"))


def test_weights_of_a_pipeline_move_group_by_group():
    nlp, examples = make_nlp()
    optimizer = Adam(0.01, L2=0.01, use_averages=True)
    callback = gradual_unfreezing(unit="step")
    expected = [{"linear"}, {"linear", "gru"}, {"linear", "gru"},
                {"linear", "gru", *EMBEDDING}]  # fmt: skip
    for step in range(6):
        before = weights_of(nlp)
        callback(nlp, {"step": step, "epoch": 0})
        nlp.update(examples, sgd=optimizer, drop=0.1)
        found = moved(before, weights_of(nlp))
        assert found - {"ngram_linear"} == expected[min(step, 3)]


def test_a_shared_tok2vec_thaws_under_those_that_listen(monkeypatch):
    nlp, examples = make_nlp(SHARED)
    optimizer = Adam(0.01, use_averages=True)
    callback = gradual_unfreezing("tok2vec", unit="step")
    n_backward = []
    add_gradients = recurrent_module._Job.add_gradients
    monkeypatch.setattr(
        recurrent_module._Job,
        "add_gradients",
        lambda job, *args: n_backward.append(1) or add_gradients(job, *args),
    )
    seen = []
    for step in range(4):
        before = weights_of(nlp)
        callback(nlp, {"step": step, "epoch": 0})
        for _ in range(2):
            nlp.update(examples, sgd=optimizer)
        seen.append((moved(before, weights_of(nlp)) - {"ngram_linear"}, len(n_backward)))
        n_backward.clear()
    # In each of two updates, each direction of the layers that learn.
    assert seen == [
        ({"linear"}, 0),
        ({"linear", "gru"}, 4),
        ({"linear", "gru"}, 8),
        ({"linear", "gru", *EMBEDDING}, 8),
    ]


@pytest.mark.parametrize(("text", "component"), [(OWN, "textcat"), (SHARED, "tok2vec")])
@pytest.mark.parametrize("optimizer", ["spacy-rnn.Adam.v1", "Adam.v1"])
def test_spacys_training_saves_pipelines_that_are_not_frozen(
    tmp_path, monkeypatch, text, component, optimizer
):
    nlp, examples = make_nlp(text)
    docs = [example.reference for example in examples]
    DocBin(docs=docs).to_disk(tmp_path / "corpus.spacy")
    training = TRAINING.replace("OPTIMIZER", optimizer).replace("COMPONENT", component)
    training = training.replace("CORPUS", (tmp_path / "corpus.spacy").as_posix())
    config = Config(nlp.config).merge(Config().from_str(training, interpolate=False))
    trained = init_nlp(config)
    initial = weights_of(trained)
    saved = []
    to_disk = Language.to_disk

    def spy(self, path, **kwargs):
        to_disk(self, path, **kwargs)
        saved.append((len(frozen_names(self, component)), spacy.load(path)))

    monkeypatch.setattr(Language, "to_disk", spy)
    (tmp_path / "out").mkdir()
    train(trained, tmp_path / "out", stdout=io.StringIO(), stderr=io.StringIO())
    n_frozen = [n for n, _ in saved]
    assert n_frozen[0] == 8
    assert n_frozen[-1] == 0
    for n, loaded in saved:
        model = loaded.get_pipe(component).model
        assert not any(FROZEN in node.attrs for node in model.walk())
        assert ("maxout" in moved(initial, weights_of(loaded))) == (n == 0)
        # What was loaded learns, all of it.
        if n == 8:
            again = weights_of(loaded)
            sgd = Adam(0.01)
            for _ in range(2):
                loaded.update(examples, sgd=sgd)
            assert {"gru", "maxout", "linear"} <= moved(again, weights_of(loaded))


def test_predictions_do_not_depend_on_what_is_frozen():
    nlp, _ = make_nlp()
    expected = [doc.cats for doc in nlp.pipe(TEXTS)]
    gradual_unfreezing()(nlp, {"step": 0, "epoch": 0})
    for cats, found in zip(expected, [doc.cats for doc in nlp.pipe(TEXTS)]):
        assert_allclose(list(found.values()), list(cats.values()), atol=1e-6)
