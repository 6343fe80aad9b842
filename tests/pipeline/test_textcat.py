"""The components from initialization to disk and back, as spaCy tests its own."""

import json
from pathlib import Path

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.attrs import LOWER, NORM
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config, fix_random_seed

from spacy_rnn.layers import QRNN
from spacy_rnn.models import ngrams
from spacy_rnn.pipeline.loading import check_parameters, structure
from spacy_rnn.training.optimizers import Adam
from tests.small_textcat import SMALL

TRAIN = [
    ("I like this film very much", "POSITIVE"),
    ("what a lovely day", "POSITIVE"),
    ("good food and good people", "POSITIVE"),
    ("I hate this film", "NEGATIVE"),
    ("what an awful day", "NEGATIVE"),
    ("bad food and rude people", "NEGATIVE"),
]
OTHER = [("a dull and endless story", "NEGATIVE"), ("a bright, quick story", "POSITIVE")]
FACTORIES = ["rnn_textcat", "rnn_textcat_multilabel"]


def examples(nlp, data=TRAIN):
    labels = ("POSITIVE", "NEGATIVE")
    return [
        Example.from_dict(
            nlp.make_doc(text), {"cats": {name: float(name == label) for name in labels}}
        )
        for text, label in data
    ]


def make(factory="rnn_textcat", data=TRAIN, **settings):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(factory, name="textcat", config=Config(SMALL).merge(settings))
    optimizer = nlp.initialize(lambda: examples(nlp, data))
    optimizer.learn_rate = 0.01
    return nlp, pipe, optimizer


def train(nlp, optimizer, steps=40, drop=0.2):
    losses = {}
    for _ in range(steps):
        losses = nlp.update(examples(nlp), sgd=optimizer, drop=drop)
    return losses


@pytest.mark.parametrize("factory", FACTORIES)
def test_overfitting_and_round_trips(factory, tmp_path):
    nlp, pipe, optimizer = make(factory, label_smoothing=0.0)
    losses = train(nlp, optimizer)
    assert losses["textcat"] < 0.1
    assert pipe.labels == ("POSITIVE", "NEGATIVE")
    texts = [text for text, _ in TRAIN] + ["", "quite unseen words"]
    docs = list(nlp.pipe(texts))
    for doc, (_, label) in zip(docs, TRAIN):
        assert doc.cats[label] > 0.9
        if factory == "rnn_textcat":
            assert sum(doc.cats.values()) == pytest.approx(1.0, abs=1e-5)
    scores = nlp.evaluate(examples(nlp))
    assert scores["cats_macro_f"] == 1.0
    assert scores["cats_score"] == 1.0
    expected = [doc.cats for doc in docs]
    assert [nlp(text).cats.keys() for text in texts] == [cats.keys() for cats in expected]
    for text, cats in zip(texts, expected):  # pipe == call
        assert nlp(text).cats == pytest.approx(cats, abs=1e-5)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    from_bytes = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    for other in (loaded, from_bytes):
        assert [doc.cats for doc in other.pipe(texts)] == expected
    # What was loaded goes on learning.
    more = loaded.resume_training()
    for _ in range(3):
        loaded.update(examples(loaded), sgd=more)
    assert [doc.cats for doc in loaded.pipe(texts)] != expected


@pytest.mark.parametrize("factory", FACTORIES)
def test_the_loss_that_is_reported_does_not_depend_on_the_size_of_the_batch(factory):
    nlp, pipe, _ = make(factory)
    batch = examples(nlp)
    once = pipe.update(batch, drop=0.0)["textcat"]
    many = pipe.update(batch * 5, drop=0.0)["textcat"]
    assert many == pytest.approx(once, rel=1e-4)
    assert once == pytest.approx(numpy.log(2) * (2 if "multi" in factory else 1), rel=1e-3)


def test_class_weights_shift_the_predictions():
    data = TRAIN[:3] + TRAIN[3:4] * 1

    def score(class_weights):
        nlp, _, optimizer = make(data=data, class_weights=class_weights)
        for _ in range(8):
            nlp.update(examples(nlp, data), sgd=optimizer)
        return nlp("words that it has never seen").cats["NEGATIVE"]

    plain, root, balanced = score(None), score("sqrt"), score("balanced")
    assert plain < root < balanced < score({"NEGATIVE": 20.0})


def test_balanced_weights_are_read_off_the_training_data():
    _, pipe, _ = make(data=TRAIN[:3] + TRAIN[3:4], class_weights="balanced")
    assert pipe.cfg["label_weights"] == pytest.approx({"POSITIVE": 4 / 6, "NEGATIVE": 2.0})
    _, pipe, _ = make(data=TRAIN[:3] + TRAIN[3:4], class_weights="sqrt")
    expected = {"POSITIVE": (4 / 6) ** 0.5, "NEGATIVE": 2.0**0.5}
    assert pipe.cfg["label_weights"] == pytest.approx(expected)


def test_label_smoothing_keeps_scores_from_extremes():
    def highest(label_smoothing):
        nlp, _, optimizer = make(label_smoothing=label_smoothing)
        train(nlp, optimizer, drop=0.0, steps=60)
        return max(max(nlp(text).cats.values()) for text, _ in TRAIN)

    assert highest(0.3) < 0.93 < 0.98 < highest(0.0)


def test_settings_survive_the_disk(tmp_path):
    nlp, _, _ = make(class_weights="balanced", label_smoothing=0.1)
    nlp.to_disk(tmp_path)
    pipe = spacy.load(tmp_path).get_pipe("textcat")
    assert pipe.cfg["class_weights"] == "balanced"
    assert pipe.cfg["label_smoothing"] == 0.1
    assert pipe.cfg["label_weights"] == {"POSITIVE": 1.0, "NEGATIVE": 1.0}
    assert "model_sha256" not in pipe.cfg


def test_missing_labels_are_masked_in_multilabel():
    nlp, pipe, _ = make("rnn_textcat_multilabel")
    scores = pipe.predict([nlp.make_doc("some text")])
    doc = nlp.make_doc("some text")
    for cats, is_zero in [
        ({"POSITIVE": 1.0}, [False, True]),
        ({"NEGATIVE": 0.0}, [True, False]),
        ({}, [True, True]),
        ({"POSITIVE": 0.0, "NEGATIVE": 1.0}, [False, False]),
    ]:
        reference = Doc(nlp.vocab, words=["some", "text"])
        reference.cats = cats
        _, gradient = pipe.get_loss([Example(doc, reference)], scores)
        assert (gradient[0] == 0).tolist() == is_zero


def test_docs_without_annotation_teach_an_exclusive_classifier_nothing():
    nlp, pipe, _ = make()
    doc = nlp.make_doc("some text")
    loss, gradient = pipe.get_loss([Example(doc, doc.copy())], pipe.predict([doc]))
    assert loss == 0.0
    assert (gradient == 0).all()


def test_an_exclusive_example_without_a_positive_label_is_an_error():
    nlp, _, _ = make()
    wrong = Example.from_dict(nlp.make_doc("x"), {"cats": {"POSITIVE": 0.0, "NEGATIVE": 0.0}})
    with pytest.raises(ValueError, match=r"E023.*rnn_textcat_multilabel"):
        nlp.update([wrong])


@pytest.mark.parametrize("factory", FACTORIES)
def test_docs_without_tokens_get_the_same_scores_alone_and_in_a_batch(factory):
    nlp, _, optimizer = make(factory)
    train(nlp, optimizer, steps=10)
    alone = nlp("").cats
    in_batch = next(iter(nlp.pipe(["", "good", "bad"]))).cats
    assert alone == pytest.approx(in_batch, abs=1e-6)
    assert any(alone.values())


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("architecture", ["spacy.TextCatBOW.v3", "spacy.TextCatReduce.v1"])
def test_docs_without_tokens_are_kept_from_models_of_other_packages(architecture, factory):
    nlp = spacy.blank("en")
    embed = {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, "width": 8}
    embed.update(depth=1, embed_size=50, window_size=1, maxout_pieces=2, subword_features=False)
    reduce: dict = {"tok2vec": embed, "use_reduce_last": True, "use_reduce_max": True}
    bow = {"ngram_size": 2, "no_output_layer": False, "length": 256}
    reduce.update(use_reduce_first=True, use_reduce_mean=True)
    model = {
        "@architectures": architecture,
        "exclusive_classes": factory == "rnn_textcat",
        **(bow if "BOW" in architecture else reduce),
    }
    pipe = nlp.add_pipe(factory, name="textcat", config={"model": model})
    blank = Example.from_dict(nlp.make_doc(""), {"cats": {"POSITIVE": 1.0, "NEGATIVE": 0.0}})
    optimizer = nlp.initialize(lambda: [blank, *examples(nlp)])
    pipe.cfg["temperature"] = 2.0
    train(nlp, optimizer, steps=2, drop=0.0)
    alone = nlp("a film").cats
    for texts in ([""], ["", ""], ["a film", ""], ["", "a film"]):
        for doc in nlp.pipe(texts):
            uniform = dict.fromkeys(alone, 0.5)  # of two labels, with softmax as well
            assert doc.cats == pytest.approx(alone if doc.text else uniform, abs=1e-6)
    # They teach nothing either, and count in no mean.
    with_blank = pipe.update([blank, *examples(nlp), blank])
    assert with_blank == pytest.approx(pipe.update(examples(nlp)))
    nlp.resume_training()
    nlp.rehearse([blank, *examples(nlp)])


@pytest.mark.parametrize("factory", FACTORIES)
def test_labels_can_be_added_before_and_after_training(factory):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(factory, name="textcat", config=SMALL)
    pipe.add_label("POSITIVE")
    pipe.add_label("NEGATIVE")
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 0.01
    train(nlp, optimizer, steps=20)
    texts = [text for text, _ in TRAIN]
    before = [doc.cats for doc in nlp.pipe(texts)]
    assert pipe.add_label("NEW") == 1
    assert pipe.add_label("NEW") == 0
    for doc, cats in zip(nlp.pipe(texts), before):
        assert {name: doc.cats[name] for name in cats} == pytest.approx(cats, abs=1e-6)
        assert doc.cats["NEW"] < 0.05
    # The optimizer goes on with the label that is new.
    new = Example.from_dict(
        nlp.make_doc("completely fresh things"),
        {"cats": {"POSITIVE": 0.0, "NEGATIVE": 0.0, "NEW": 1.0}},
    )
    old = examples(nlp)
    for example in old:
        example.reference.cats = {**example.reference.cats, "NEW": 0.0}
    for _ in range(80):
        nlp.update([new, *old], sgd=optimizer)
    assert nlp("completely fresh things").cats["NEW"] > 0.5
    restored = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert restored("a day").cats == nlp("a day").cats


def test_a_positive_label_is_kept():
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("rnn_textcat", config=SMALL)
    pipe.initialize(lambda: examples(nlp), nlp=nlp, positive_label="POSITIVE")
    assert pipe.cfg["positive_label"] == "POSITIVE"


@pytest.mark.parametrize("factory", FACTORIES)
def test_data_without_labels_is_an_error(factory):
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, name="textcat", config=SMALL)
    bare = [Example.from_dict(nlp.make_doc("x"), {})]
    with pytest.raises(ValueError, match=r"E021.*'textcat'.*doc.cats"):
        nlp.initialize(lambda: bare)


def test_a_single_exclusive_label_is_an_error():
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_textcat", config=SMALL)
    one = [Example.from_dict(nlp.make_doc("x"), {"cats": {"ONLY": 1.0}})]
    with pytest.raises(ValueError, match=r"E022.*ONLY.*rnn_textcat_multilabel"):
        nlp.initialize(lambda: one)


@pytest.mark.parametrize(
    "settings",
    [
        {"label_smoothing": 1.0},
        {"label_smoothing": -0.1},
        {"class_weights": "unbalanced"},
        {"class_weights": {"POSITIVE": -1.0}},
        {"class_weights": {"POSITIVE": 0}},
    ],
)
def test_settings_outside_their_range_are_errors(settings):
    with pytest.raises(ValueError, match="E011"):
        make(**settings)


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_dropout_rate_is_from_0_to_1(factory):
    nlp, pipe, _ = make(factory)
    nlp.resume_training()
    for learn in (pipe.update, pipe.rehearse):
        for drop in (-0.5, 1.5, 50):
            with pytest.raises(ValueError, match=r"E011.*drop"):
                learn(examples(nlp), drop=drop)
        (loss,) = learn(examples(nlp), drop=1.0).values()
        assert numpy.isfinite(loss)


def test_weights_for_unknown_labels_are_an_error():
    with pytest.raises(ValueError, match=r"E020.*SAD"):
        make(class_weights={"SAD": 2.0})


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_model_file_is_an_error(share, tmp_path):
    nlp, _, _ = make()
    nlp.to_disk(tmp_path)
    path = tmp_path / "textcat" / "model"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ValueError, match=r"E018.*'textcat'.*model"):
        spacy.load(tmp_path)


def test_a_tampered_model_file_is_an_error(tmp_path):
    nlp, _, _ = make()
    nlp.to_disk(tmp_path)
    path = tmp_path / "textcat" / "model"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # one bit of one weight
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"E018.*SHA-256"):
        spacy.load(tmp_path)


def test_a_pipeline_loaded_with_another_width_is_an_error(tmp_path):
    nlp, _, _ = make()
    nlp.to_disk(tmp_path)
    config = (tmp_path / "config.cfg").read_text(encoding="utf8")
    changed = Config().from_str(config, interpolate=False)
    changed["components"]["textcat"]["model"]["tok2vec"]["encode"]["width"] = 32
    (tmp_path / "config.cfg").write_text(changed.to_str(), encoding="utf8")
    with pytest.raises(ValueError, match=r"E019.*'textcat'.*config.cfg"):
        spacy.load(tmp_path)


def test_a_pipeline_loaded_with_another_depth_is_an_error(tmp_path):
    nlp, _, _ = make()
    nlp.to_disk(tmp_path)
    changed = Config().from_disk(tmp_path / "config.cfg", interpolate=False)
    changed["components"]["textcat"]["model"]["tok2vec"]["encode"]["depth"] = 2
    changed.to_disk(tmp_path / "config.cfg")
    with pytest.raises(ValueError, match="E019"):
        spacy.load(tmp_path)


@pytest.mark.parametrize(
    ("block", "key", "value"),
    [
        ("tok2vec.encode", "cell", "elman"),
        ("", "pooling", ["mean", "max", "last"]),
        ("", "exclusive_classes", False),
        ("", "network_share", 1.0),
        ("linear_model", "scale", 1.0),
        ("linear_model", "ngram_size", 1),
    ],
)
def test_a_pipeline_loaded_with_another_choice_is_an_error(block, key, value, tmp_path):
    """Also where the shapes of the parameters are the same."""
    nlp, _, _ = make()
    nlp.to_disk(tmp_path)
    changed = Config().from_disk(tmp_path / "config.cfg", interpolate=False)
    node = changed["components"]["textcat"]["model"]
    for part in block.split(".") if block else []:
        node = node[part]
    node[key] = value
    if key == "exclusive_classes":
        node["linear_model"][key] = value
    changed.to_disk(tmp_path / "config.cfg")
    with pytest.raises(ValueError, match="E019"):
        spacy.load(tmp_path)


def test_parameters_of_another_shape_are_an_error():
    nlp, pipe, _ = make()
    layer = next(node for node in pipe.model.walk() if "recurrence" in node.attrs)
    layer.set_param("Wh", layer.get_param("Wh")[:-1].copy())
    with pytest.raises(ValueError, match=r"E013.*'Wh'"):
        spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())


def test_the_window_of_a_layer_is_checked_when_it_is_loaded():
    narrow, wide = (QRNN(3, 4, window=window).initialize() for window in (1, 2))
    assert structure(narrow) != structure(wide)
    check_parameters("textcat", wide)
    wide.set_param("Wx", narrow.get_param("Wx"))
    with pytest.raises(ValueError, match=r"E013.*'Wx'.*\(9, 4\).*\(9, 8\)"):
        check_parameters("textcat", wide)


def test_what_is_on_disk_is_plain_data(tmp_path):
    """Arrays in msgpack and settings in JSON: no pickle, nothing of torch."""
    nlp, _, _ = make()
    nlp.to_disk(tmp_path)
    files = {path.name for path in (tmp_path / "textcat").iterdir()}
    assert files == {"cfg", "model"}
    json.loads(Path(tmp_path / "textcat" / "cfg").read_text(encoding="utf8"))
    data = (tmp_path / "textcat" / "model").read_bytes()
    assert b"torch" not in data
    assert b"spacy_rnn" not in data


def test_the_same_seed_gives_the_same_pipeline():
    weights = []
    for _ in range(2):
        nlp, pipe, optimizer = make()
        train(nlp, optimizer, steps=5)
        weights.append(pipe.model.to_dict()["params"])
    for first, second in zip(*weights):
        for name, value in first.items():
            if value is not None:
                assert_allclose(second[name], value, atol=0)


@pytest.mark.parametrize("n_first", [2, 6])
@pytest.mark.parametrize("factory", FACTORIES)
def test_it_can_begin_anew_on_other_texts(factory, n_first):
    """With more n-grams than before, or fewer."""

    def losses_on(nlp, pairs):
        fix_random_seed(0)
        data = [
            Example.from_dict(
                nlp.make_doc(text),
                {"cats": {"POSITIVE": cat == "POSITIVE", "NEGATIVE": cat != "POSITIVE"}},
            )
            for text, cat in pairs
        ]
        nlp.initialize(lambda: data)
        optimizer = Adam(0.01)
        return [nlp.update(data, sgd=optimizer)[factory] for _ in range(3)]

    nlp = spacy.blank("en")
    nlp.add_pipe(factory, config=SMALL)
    losses_on(nlp, [TRAIN[0], *TRAIN[-1:]] if n_first == 2 else [*TRAIN, *OTHER])
    fresh = spacy.blank("en")
    fresh.add_pipe(factory, config=SMALL)
    assert losses_on(nlp, TRAIN) == losses_on(fresh, TRAIN)
    # And loading another one is a beginning as well.
    other = spacy.blank("en")
    other.add_pipe(factory, config=SMALL)
    losses_on(other, OTHER)
    other.from_bytes(fresh.to_bytes())
    data = [
        Example.from_dict(other.make_doc(TRAIN[0][0]), {"cats": {"POSITIVE": 1.0, "NEGATIVE": 0.0}})
    ]
    assert numpy.isfinite(other.update(data, sgd=Adam(0.01))[factory])


@pytest.mark.parametrize("way", ["initialize", "from_bytes"])
def test_an_update_that_was_not_finished_is_forgotten_with_its_weights(way):
    found = []
    for n_before in (0, 6):
        nlp, pipe, _ = make()
        saved = nlp.to_bytes()
        if n_before:
            pipe.update(examples(nlp), sgd=None)
        if way == "initialize":
            fix_random_seed(0)
            nlp.initialize(lambda nlp=nlp: examples(nlp))
        else:
            nlp.from_bytes(saved)
        pipe.update(examples(nlp)[:1], sgd=None)
        found.append(pipe.model.get_ref("output_layer").get_grad("b"))
    assert_allclose(found[1], found[0], atol=1e-6)
    assert numpy.abs(found[0]).max() > 0.0


def test_a_pipeline_whose_attribute_was_saved_as_a_number_is_loaded(tmp_path):
    nlp, pipe, _ = make()
    expected = nlp("a lovely day").cats
    linear = next(node for node in pipe.model.walk() if node.name == ngrams.NAME)
    linear.attrs["attr"] = NORM
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path)("a lovely day").cats == expected
    linear.attrs["attr"] = LOWER
    nlp.to_disk(tmp_path)
    with pytest.raises(ValueError, match=r"E019.*'attr' is 'LOWER'"):
        spacy.load(tmp_path)
