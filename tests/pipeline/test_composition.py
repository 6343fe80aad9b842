"""Our components and layers among spaCy's own: shared, frozen, sourced, copied, run in parallel."""

import copy
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.training.loop import train as train_in_loop
from spacy.util import load_model, load_model_from_config
from thinc.api import Adam, Config, Model, Optimizer

FACTORIES = ["rnn_textcat", "rnn_textcat_multilabel"]
DATA: List[Tuple[str, Dict[str, Any]]] = [
    ("I like green eggs", {"tags": ["N", "V", "J", "N"], "cats": {"GOOD": 1.0, "BAD": 0.0}}),
    ("Eat blue ham", {"tags": ["V", "J", "N"], "cats": {"GOOD": 0.0, "BAD": 1.0}}),
    ("I hate blue eggs", {"tags": ["N", "V", "J", "N"], "cats": {"GOOD": 0.0, "BAD": 1.0}}),
    ("Fine green ham", {"tags": ["J", "J", "N"], "cats": {"GOOD": 1.0, "BAD": 0.0}}),
]
TEXTS = [
    "I like blue ham",
    "",
    "Eat",
    "I hate it , I hate it , and I hate green eggs .",
    "Fine eggs and fine ham",
]
EMBED = {
    "@architectures": "spacy-rnn.HashEmbed.v1",
    "width": 16,
    "attrs": ["NORM", "PREFIX"],
    "rows": [200, 100],
}
TOK2VEC = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": EMBED,
    "encode": {
        "@architectures": "spacy-rnn.RNNEncoder.v1",
        "cell": "lstm",
        "width": 16,
        "depth": 1,
    },
}
DEEP_TOK2VEC = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": EMBED,
    "encode": {
        "@architectures": "spacy-rnn.RNNEncoder.v1",
        "cell": "gru",
        "width": 16,
        "depth": 2,
        "residual": True,
        "layer_norm": True,
    },
}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16}


def bow(exclusive: bool, no_output_layer: bool) -> Dict[str, Any]:
    return {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": exclusive,
        "ngram_size": 2,
        "no_output_layer": no_output_layer,
        "length": 1000,
    }


def textcat_rnn(exclusive: bool = True, tok2vec: Dict[str, Any] = TOK2VEC) -> Dict[str, Any]:
    """Our classifier with all of its parts, but narrow."""
    return {
        "@architectures": "spacy-rnn.TextCatRNN.v1",
        "exclusive_classes": exclusive,
        "tok2vec": tok2vec,
        "linear_model": bow(exclusive, no_output_layer=True),
    }


def examples_of(nlp: Language) -> List[Example]:
    return [Example.from_dict(nlp.make_doc(text), annotations) for text, annotations in DATA]


def train(
    nlp: Language,
    n_updates: int = 20,
    *,
    optimizer: Optional[Optimizer] = None,
    exclude: Sequence[str] = (),
    annotates: Sequence[str] = (),
) -> Dict[str, float]:
    """Update as `spacy train` does: all components first, then a step for each of them.

    RETURNS (Dict[str, float]): The losses of the last update.
    """
    optimizer = optimizer or Adam(0.01)
    losses: Dict[str, float] = {}
    for _ in range(n_updates):
        losses = {}
        nlp.update(examples_of(nlp), sgd=False, losses=losses, exclude=exclude, annotates=annotates)
        for name, pipe in nlp.pipeline:
            if name not in exclude and hasattr(pipe, "finish_update"):
                pipe.finish_update(optimizer)
    return losses


def textcat_pipeline(factory: str = "rnn_textcat", **config: Any) -> Language:
    nlp = spacy.blank("en")
    config = {"model": textcat_rnn("multilabel" not in factory), **config}
    nlp.add_pipe(factory, name="textcat", config=config)
    nlp.initialize(lambda: examples_of(nlp))
    return nlp


def shared_pipeline() -> Language:
    """A tok2vec, with a tagger and a classifier that listen to it."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": DEEP_TOK2VEC})
    tagger = {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}
    nlp.add_pipe("tagger", config={"model": tagger})
    model = textcat_rnn(tok2vec=LISTENER)
    nlp.add_pipe("rnn_textcat", name="textcat", config={"model": model})
    nlp.initialize(lambda: examples_of(nlp))
    return nlp


@pytest.fixture(scope="module")
def trained() -> Language:
    """Not to be changed by the tests: those that do make a copy."""
    nlp = textcat_pipeline()
    train(nlp)
    return nlp


@pytest.fixture(scope="module")
def shared() -> Language:
    """Not to be changed by the tests, either."""
    nlp = shared_pipeline()
    train(nlp)
    return nlp


def clone(nlp: Language) -> Language:
    return spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())


def predictions(nlp: Language, texts: List[str] = TEXTS, **options: Any) -> List[Dict[str, Any]]:
    """Scores and tags of each text."""
    return [
        {**doc.cats, **{f"tag{i}": token.tag_ for i, token in enumerate(doc)}}
        for doc in nlp.pipe(texts, **options)
    ]


def assert_same(found: List[Dict[str, Any]], expected: List[Dict[str, Any]]) -> None:
    assert [list(row) for row in found] == [list(row) for row in expected]
    for row, expected_row in zip(found, expected):
        for key, value in expected_row.items():
            if isinstance(value, float):
                assert row[key] == pytest.approx(value, abs=1e-5)
            else:
                assert row[key] == value


def difference(found: List[Dict[str, Any]], expected: List[Dict[str, Any]]) -> float:
    """RETURNS (float): The largest difference of a score."""
    return max(
        abs(row[key] - value)
        for row, expected_row in zip(found, expected)
        for key, value in expected_row.items()
        if isinstance(value, float)
    )


def weights(model: Model) -> List[numpy.ndarray]:
    """Copies of all parameters."""
    nodes = [node for node in model.walk() if not node.name.startswith("tok2vec-listener")]
    return [node.get_param(name).copy() for node in nodes for name in node.param_names]


def unchanged(before: List[numpy.ndarray], after: List[numpy.ndarray]) -> bool:
    return all(numpy.array_equal(a, b) for a, b in zip(before, after))


# Shared, frozen, annotating


def test_listeners_over_a_shared_encoder_learn_together(shared):
    assert shared.get_pipe("tok2vec").listening_components == ["tagger", "textcat"]
    for (_, annotations), row in zip(DATA, predictions(shared, [text for text, _ in DATA])):
        tags = annotations["tags"]
        assert [row[f"tag{i}"] for i in range(len(tags))] == tags
        assert row["GOOD"] == pytest.approx(annotations["cats"]["GOOD"], abs=0.1)


@pytest.mark.parametrize("removed", ["tagger", "textcat"])
def test_each_listener_sends_its_gradient_to_the_shared_encoder(shared, removed):
    nlp = clone(shared)
    nlp.remove_pipe(removed)
    before = weights(nlp.get_pipe("tok2vec").model)
    train(nlp, 1)
    assert not unchanged(before, weights(nlp.get_pipe("tok2vec").model))


def test_shared_encoder_gives_a_text_the_same_scores_in_any_batch(shared):
    expected = [predictions(shared, [text])[0] for text in TEXTS]
    assert_same(predictions(shared, TEXTS), expected)
    assert_same(predictions(shared, TEXTS, batch_size=2), expected)


def test_frozen_component_keeps_its_weights_while_others_learn(shared):
    nlp = clone(shared)
    frozen = weights(nlp.get_pipe("textcat").model)
    free = weights(nlp.get_pipe("tagger").model)
    train(nlp, 2, exclude=["textcat"])
    assert unchanged(frozen, weights(nlp.get_pipe("textcat").model))
    assert not unchanged(free, weights(nlp.get_pipe("tagger").model))


def test_frozen_encoder_must_annotate_and_then_keeps_its_weights():
    nlp = shared_pipeline()
    with pytest.raises(ValueError, match="not updated"):
        train(nlp, 1, exclude=["tok2vec"])
    frozen = weights(nlp.get_pipe("tok2vec").model)
    losses = [
        train(nlp, 5, exclude=["tok2vec"], annotates=["tok2vec"])["textcat"] for _ in range(2)
    ]
    assert losses[1] < losses[0]
    assert unchanged(frozen, weights(nlp.get_pipe("tok2vec").model))


@pytest.mark.parametrize("annotates", [False, True])
def test_annotating_classifier_hands_its_scores_to_later_components(trained, annotates):
    nlp = clone(trained)
    seen = []

    class Reader:
        def __call__(self, doc: Doc) -> Doc:
            return doc

        def update(self, examples: List[Example], **_: Any) -> Dict[str, float]:
            seen.extend(dict(example.predicted.cats) for example in examples)
            return {}

    Language.component("reads_cats", func=Reader())
    nlp.add_pipe("reads_cats")
    train(nlp, 1, annotates=["textcat"] if annotates else [])
    expected = ["GOOD", "BAD"] if annotates else []
    assert [list(cats) for cats in seen] == [expected] * len(DATA)


def test_training_loop_trains_what_is_not_frozen_over_what_annotates(shared, tmp_path):
    nlp = clone(shared)
    docs = [example.reference for example in examples_of(nlp)]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "train.spacy")
    for corpus in nlp.config["corpora"].values():
        corpus["path"] = str(tmp_path / "train.spacy")
    nlp.config["training"].update(
        max_steps=4,
        eval_frequency=2,
        frozen_components=["tok2vec", "tagger"],
        annotating_components=["tok2vec"],
    )
    before = {name: weights(nlp.get_pipe(name).model) for name in nlp.pipe_names}
    train_in_loop(nlp, stdout=io.StringIO(), stderr=io.StringIO())
    kept = [name for name in before if unchanged(before[name], weights(nlp.get_pipe(name).model))]
    assert kept == ["tok2vec", "tagger"]


# Sourced, and cut loose from the shared encoder


def test_sourced_component_predicts_as_in_its_first_pipeline(trained):
    nlp = spacy.blank("en")
    # A clone, as spaCy renames the component in its first pipeline, too.
    nlp.add_pipe("textcat", name="sourced", source=clone(trained))
    assert nlp.pipe_names == ["sourced"]
    assert_same(predictions(nlp), predictions(trained))


def test_sourced_component_is_sourced_from_disk_by_config(trained, tmp_path):
    trained.to_disk(tmp_path)
    config = {
        "nlp": {"lang": "en", "pipeline": ["mine"]},
        "components": {"mine": {"source": str(tmp_path), "component": "textcat"}},
    }
    nlp = load_model_from_config(Config(config), auto_fill=True)
    assert_same(predictions(nlp), predictions(trained))
    # Initializing others leaves it as it is.
    nlp.add_pipe(
        "tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": TOK2VEC}}
    )
    with nlp.select_pipes(enable=["tagger"]):
        nlp.initialize(lambda: examples_of(nlp))
    assert [doc.cats for doc in nlp.pipe(TEXTS)] == [doc.cats for doc in trained.pipe(TEXTS)]


@pytest.mark.parametrize("name", ["textcat", "tagger"])
def test_replaced_listener_predicts_as_before(shared, name):
    nlp = clone(shared)
    nlp.replace_listeners("tok2vec", name, ["model.tok2vec"])
    assert name not in nlp.get_pipe("tok2vec").listening_components
    assert_same(predictions(nlp), predictions(shared))
    assert_same(predictions(clone(nlp)), predictions(shared))


def test_update_after_replacing_a_listener_leaves_the_shared_encoder_alone(shared):
    nlp = clone(shared)
    nlp.replace_listeners("tok2vec", "textcat", ["model.tok2vec"])
    original = nlp.get_pipe("tok2vec").model
    own = nlp.get_pipe("textcat").model.get_ref("tok2vec")
    before_original, before_own = weights(original), weights(own)
    assert unchanged(before_original, before_own)
    train(nlp, 2, exclude=["tok2vec", "tagger"])
    assert unchanged(before_original, weights(original))
    # All of its layers learn, not only some: recurrent weights, biases, tables.
    changed = [not numpy.array_equal(a, b) for a, b in zip(before_own, weights(own))]
    assert all(changed)


def test_copies_do_not_share_the_moments_of_the_optimizer(shared):
    nlp = clone(shared)
    nlp.replace_listeners("tok2vec", "textcat", ["model.tok2vec"])
    original = nlp.get_pipe("tok2vec").model
    own = nlp.get_pipe("textcat").model.get_ref("tok2vec")
    ids = [{node.id for node in model.walk()} for model in (original, own)]
    assert not ids[0] & ids[1]
    optimizer = Adam(0.01)
    train(nlp, 1, optimizer=optimizer)
    for model in (original, own):
        keys = {(node.id, name) for node in model.walk() for name in node.param_names}
        assert keys <= set(optimizer.mom1)


# Rehearsal


@pytest.mark.parametrize("factory", FACTORIES)
def test_rehearsal_pulls_changed_scores_back(factory):
    nlp = textcat_pipeline(factory)
    train(nlp)
    optimizer = nlp.resume_training(sgd=Adam(0.01))
    known = predictions(nlp)
    turned = {"cats": {"GOOD": 0.0, "BAD": 1.0}}
    for _ in range(5):
        nlp.update([Example.from_dict(nlp.make_doc("Fine green ham"), turned)], sgd=optimizer)
    drift = difference(predictions(nlp), known)
    examples = [Example.from_dict(nlp.make_doc(text), {}) for text in TEXTS]
    losses: List[float] = []
    for _ in range(10):
        losses.append(nlp.rehearse(examples, sgd=optimizer)["textcat"])
    assert drift > 0.1
    assert difference(predictions(nlp), known) < drift / 2
    assert losses[-1] < losses[0] / 2


# Defaults, our model under spaCy's components, spaCy's models under ours


@pytest.mark.parametrize("factory", FACTORIES)
def test_default_config_trains_and_predicts(factory):
    nlp = spacy.blank("en")
    nlp.add_pipe(factory)
    nlp.initialize(lambda: examples_of(nlp))
    first = train(nlp, 1)[factory]
    assert train(nlp, 8)[factory] < first / 2
    check_learned(nlp)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("no_linear", [True, False])
def test_our_model_trains_under_the_component_of_spacy(exclusive, no_linear):
    model = textcat_rnn(exclusive)
    if no_linear:
        model = {**model, "linear_model": None}
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat" if exclusive else "textcat_multilabel", config={"model": model})
    nlp.initialize(lambda: examples_of(nlp))
    train(nlp, 30)
    check_learned(nlp)
    assert_same(predictions(clone(nlp)), predictions(nlp))
    # spaCy resizes the model when a label is added.
    before = predictions(nlp)
    nlp.get_pipe(nlp.pipe_names[0]).add_label("NEW")
    after = predictions(nlp)
    assert all(row.pop("NEW") < 0.05 for row in after)
    assert_same(after, before)


SPACY_MODELS: Dict[str, Callable[[bool], Dict[str, Any]]] = {
    "bow": lambda exclusive: bow(exclusive, no_output_layer=False),
    "bow_logits": lambda exclusive: bow(exclusive, no_output_layer=True),
    "reduce": lambda exclusive: {
        "@architectures": "spacy.TextCatReduce.v1",
        "exclusive_classes": exclusive,
        "use_reduce_first": True,
        "use_reduce_last": True,
        "use_reduce_max": True,
        "use_reduce_mean": True,
        "tok2vec": TOK2VEC,
    },
    "ensemble": lambda exclusive: {
        "@architectures": "spacy.TextCatEnsemble.v2",
        "linear_model": bow(exclusive, no_output_layer=False),
        "tok2vec": TOK2VEC,
    },
}


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("model", SPACY_MODELS)
def test_model_of_spacy_trains_under_our_component(factory, model):
    exclusive = factory == "rnn_textcat"
    nlp = spacy.blank("en")
    nlp.add_pipe(factory, name="textcat", config={"model": SPACY_MODELS[model](exclusive)})
    nlp.initialize(lambda: examples_of(nlp))
    first = train(nlp, 1)["textcat"]
    assert train(nlp, 30)["textcat"] < first / 2
    check_learned(nlp)
    texts = [text for text in TEXTS if text]
    assert_same(predictions(clone(nlp), texts), predictions(nlp, texts))


def check_learned(nlp: Language) -> None:
    for (text, annotations), row in zip(DATA, predictions(nlp, [text for text, _ in DATA])):
        assert row["GOOD"] == pytest.approx(annotations["cats"]["GOOD"], abs=0.3), text
        assert row["BAD"] == pytest.approx(annotations["cats"]["BAD"], abs=0.3), text


# Processes and threads


# As a script does it: a pipeline that has been used and updated in the parent is forked.
TWO_PROCESSES = """
import json, sys, spacy
from spacy.training import Example
if __name__ == "__main__":
    nlp = spacy.load(sys.argv[1])
    texts = json.loads(sys.argv[2])
    cats = {"cats": {"GOOD": 1.0, "BAD": 0.0}}
    nlp.update([Example.from_dict(nlp.make_doc(texts[0]), cats)], sgd=nlp.resume_training())
    for n_process in (1, 2):
        docs = nlp.pipe(texts, n_process=n_process, batch_size=7)
        print(json.dumps([[doc.cats, [token.tag_ for token in doc]] for doc in docs]))
"""


@pytest.mark.parametrize("fixture", ["trained", "shared"])
def test_two_processes_give_what_one_does_and_come_to_an_end(fixture, request, tmp_path):
    request.getfixturevalue(fixture).to_disk(tmp_path / "pipeline")
    script = tmp_path / "script.py"
    script.write_text(TWO_PROCESSES, encoding="utf8")
    command = [sys.executable, str(script), str(tmp_path / "pipeline"), json.dumps(TEXTS * 10)]
    # A session of its own, so that workers that hang can be ended with their parent.
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0
    one, two = map(json.loads, output.decode().splitlines())
    assert len(one) == len(two) == 10 * len(TEXTS)
    for (cats, tags), (expected_cats, expected_tags) in zip(two, one):
        assert cats == pytest.approx(expected_cats, abs=1e-5)
        assert tags == expected_tags


@pytest.mark.parametrize("fixture", ["trained", "shared"])
def test_four_threads_give_what_one_does(fixture, request):
    nlp = request.getfixturevalue(fixture)
    batches = [[f"{text} {i}" for text in TEXTS * 10] for i in range(4)]
    expected = [predictions(nlp, batch) for batch in batches]
    barrier = threading.Barrier(4)

    def work(batch: List[str]) -> List[List[Dict[str, Any]]]:
        barrier.wait(30)
        return [predictions(nlp, batch, batch_size=8) for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        for repeated, expected_rows in zip(pool.map(work, batches), expected):
            for rows in repeated:
                assert_same(rows, expected_rows)


def test_model_predicts_the_same_in_four_threads(trained):
    model = trained.get_pipe("textcat").model
    batches = [[trained.make_doc(f"{text} {i}") for text in TEXTS * 4] for i in range(16)]
    expected = [model.predict(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for Y, expected_Y in zip(pool.map(model.predict, batches), expected):
                numpy.testing.assert_allclose(Y, expected_Y, atol=1e-6)


# Averages, and round trips


@pytest.mark.parametrize("fixture", ["trained", "shared"])
def test_averages_change_weights_and_scores_while_they_are_used(fixture, request):
    nlp = clone(request.getfixturevalue(fixture))
    optimizer = Adam(0.05, use_averages=True)
    train(nlp, 5, optimizer=optimizer)
    names = [name for name in nlp.pipe_names if name != "tagger"]
    models = [nlp.get_pipe(name).model for name in names]
    raw, scores = [weights(model) for model in models], predictions(nlp)
    with nlp.use_params(optimizer.averages):
        for model, before in zip(models, raw):
            changed = [not numpy.array_equal(a, b) for a, b in zip(before, weights(model))]
            assert all(changed)
            for node in model.walk():
                for name in node.param_names:
                    average = optimizer.averages[(node.id, name)]
                    numpy.testing.assert_array_equal(node.get_param(name), average)
        averaged = predictions(nlp)
        saved = nlp.to_bytes()
    assert difference(averaged, scores) > 1e-3
    for model, before in zip(models, raw):
        assert unchanged(before, weights(model))
    assert_same(predictions(nlp), scores)
    # What is saved meanwhile are the averages.
    loaded = spacy.blank("en").from_config(nlp.config).from_bytes(saved)
    assert_same(predictions(loaded), averaged)


def by_bytes(nlp: Language, path: Any) -> Language:
    return clone(nlp)


def by_disk(nlp: Language, path: Any) -> Language:
    nlp.to_disk(path)
    return load_model(path)


def by_pickle(nlp: Language, path: Any) -> Language:
    # An update leaves callbacks behind in spaCy's listeners, which can't be pickled.
    return pickle.loads(pickle.dumps(clone(nlp)))


def by_deepcopy(nlp: Language, path: Any) -> Language:
    return copy.deepcopy(nlp)


def by_model_copy(nlp: Language, path: Any) -> Language:
    cloned = clone(nlp)
    for name in cloned.pipe_names:
        pipe = cloned.get_pipe(name)
        if not any(node.name == "tok2vec-listener" for node in pipe.model.walk()):
            pipe.model = pipe.model.copy()
    return cloned


@pytest.mark.parametrize("fixture", ["trained", "shared"])
@pytest.mark.parametrize("through", [by_bytes, by_disk, by_pickle, by_deepcopy, by_model_copy])
def test_scores_survive_a_round_trip_and_training_goes_on(fixture, through, request, tmp_path):
    nlp = request.getfixturevalue(fixture)
    before = {name: weights(nlp.get_pipe(name).model) for name in nlp.pipe_names}
    loaded = through(nlp, tmp_path)
    assert_same(predictions(loaded), predictions(nlp))
    train(loaded, 1)
    # The two share no array.
    for name, expected in before.items():
        assert unchanged(expected, weights(nlp.get_pipe(name).model))
        assert not unchanged(expected, weights(loaded.get_pipe(name).model))
