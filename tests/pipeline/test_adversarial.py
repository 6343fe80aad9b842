"""Text classifiers that learn from embedded tokens which were moved to where the loss is higher."""

from pathlib import Path
from typing import Any, Dict, List

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.training import Example
from thinc.api import Config, fix_random_seed, set_dropout_rate

from spacy_rnn.layers.freezing import freeze, thaw
from spacy_rnn.layers.perturbation import direction, root_mean_square
from spacy_rnn.models.embeddings import embeddings_of
from tests.small_textcat import SMALL

TEXTS = ["a good and long film", "bad", "", "what a bad day it was", "good people"]
LABELS = ["GOOD", "BAD", "BAD", "BAD", "GOOD"]
HASHED: Dict[str, Any] = {
    "width": 16,
    "attrs": ["NORM", "SHAPE"],
    "rows": [100, 50],
    "include_static_vectors": False,
}
FACTORIES = ["rnn_textcat", "rnn_textcat_multilabel"]
LM: Dict[str, Any] = {
    "@architectures": "spacy-rnn.LanguageModel.v1",
    "width": 24,
    "embed_width": 12,
    "tied": False,
}


def examples(nlp: Any) -> List[Example]:
    return [
        Example.from_dict(
            nlp.make_doc(text), {"cats": {name: float(name == label) for name in ("GOOD", "BAD")}}
        )
        for text, label in zip(TEXTS, LABELS)
    ]


def make(factory: str = "rnn_textcat", **settings: Any) -> Any:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    config = Config(SMALL).merge(settings)
    pipe: Any = nlp.add_pipe(factory, name="textcat", config=config)
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 0.01
    # Weights of the output begin as zeros, and then nothing below has a gradient.
    W = pipe.model.layers[3].layers[0].get_param("W")
    W += numpy.random.RandomState(0).standard_normal(W.shape).astype("f")
    return nlp, pipe, optimizer


@pytest.mark.parametrize(
    "settings", [{"adversarial_norm": 0.0}, {"adversarial_norm": 2.0}], ids=str
)
@pytest.mark.parametrize("share", [None, 0.3])
@pytest.mark.parametrize("factory", FACTORIES)
def test_a_batch_in_parts_teaches_what_it_does_as_a_whole(
    factory: str, share: Any, settings: Dict[str, float]
) -> None:
    """As `accumulate_gradient` has it, also if the parts are not equally large."""
    nlp, pipe, _ = make(factory, model={"network_share": share}, **settings)
    data = [example for example in examples(nlp) if len(example.predicted)]
    seen: Dict[Any, Any] = {}

    def keep(key: Any, weights: Any, gradient: Any) -> Any:
        seen.setdefault(key, []).append(gradient.copy())
        gradient.fill(0.0)
        return weights, gradient

    for parts in ((data[:1], data[1:]), (data,)):
        for part in parts:
            pipe.update(part)
        pipe.finish_update(keep)
    assert len(seen) > 3
    # How far embedded tokens are moved depends on how large they are in the batch.
    tolerance = 5e-3 if settings["adversarial_norm"] else 1e-6
    for parted, whole in seen.values():
        assert_allclose(parted, whole, atol=tolerance)


def make_over(embed: Dict[str, Any], encode: Dict[str, Any]) -> Any:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {
        "@architectures": "spacy-rnn.TextCatRNN.v1",
        "exclusive_classes": True,
        "tok2vec": {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode},
    }
    config = {"model": model, "adversarial_norm": 2.0}
    pipe: Any = nlp.add_pipe("rnn_textcat", name="textcat", config=config)
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 0.01
    set_dropout_rate(pipe.model, 0.0)
    return nlp, pipe, optimizer


def over_lms(**readers: Any) -> Any:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    tok2vec = {"@architectures": "spacy-rnn.LanguageModelTok2Vec.v1", **readers}
    model = {
        "@architectures": "spacy-rnn.TextCatRNN.v1",
        "exclusive_classes": True,
        "tok2vec": tok2vec,
    }
    config = {"model": model, "adversarial_norm": 3.0}
    pipe: Any = nlp.add_pipe("rnn_textcat", name="textcat", config=config)
    return nlp, pipe


def begin(nlp: Any) -> None:
    """Take some steps, so that the gradient gets to the embeddings."""
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 0.01
    with pytest.warns(UserWarning, match="W090"):
        nlp.update(examples(nlp), sgd=optimizer)
    for _ in range(2):
        nlp.update(examples(nlp), sgd=optimizer)


def gradients(model: Any) -> Dict[Any, Any]:
    return {
        (i, name): node.get_grad(name).copy()
        for i, node in enumerate(model.walk())
        for name in node.param_names
        if node.has_grad(name)
    }


def clear(model: Any) -> None:
    for node in model.walk():
        for name in node.grad_names:
            node.set_grad(name, numpy.zeros_like(node.get_param(name)))


@pytest.mark.parametrize("share", [0.3, None])
@pytest.mark.parametrize("factory", FACTORIES)
def test_the_gradients_are_those_of_the_texts_and_of_the_moved_ones(
    factory: str, share: Any
) -> None:
    norm = 1.5
    nlp, pipe, _ = make(factory, adversarial_norm=norm, model={"network_share": share})
    batch = examples(nlp)
    docs = [eg.predicted for eg in batch]
    set_dropout_rate(pipe.model, 0.0)
    pipe.update(batch, drop=0.0)
    found = gradients(pipe.model)
    clear(pipe.model)
    pipe.cfg["adversarial_norm"] = 0.0
    pipe.update(batch, drop=0.0)
    clean = gradients(pipe.model)
    clear(pipe.model)

    # By hand: what is above the embedding, run from rows that were moved.
    model, tok2vec = pipe.model, pipe.model.layers[0]
    embed, encode = tok2vec.layers
    embedded, callback = embed(docs, True)
    embedded = [rows.copy() for rows in embedded]
    lengths = numpy.asarray([len(doc) for doc in docs], dtype="int32")
    taken: List[Any] = []
    forward = tok2vec._func

    def run(moves: Any) -> None:
        def from_rows(_: Any, X: Any, is_train: bool) -> Any:
            Y, back = encode([a + b for a, b in zip(embedded, moves)], is_train)

            def backprop(dY: Any) -> Any:
                taken.append(back(dY))
                return callback(taken[-1])

            return Y, backprop

        tok2vec.replace_callbacks(from_rows, init=tok2vec.init)
        scores, backprop = model.begin_update(docs)
        if share is None:
            backprop(pipe.get_loss(batch, scores)[1])
        else:
            backprop.part(0, lambda part: pipe.get_loss(batch, part)[1])
        tok2vec.replace_callbacks(forward, init=tok2vec.init)

    run([0.0 * rows for rows in embedded])
    clear(model)
    d_rows = numpy.concatenate(taken[0])
    scale = norm * root_mean_square(numpy.concatenate(embedded))
    steps = direction(model.ops, d_rows, lengths) * scale
    run(numpy.split(steps, numpy.cumsum(lengths)[:-1]))
    moved = gradients(model)
    assert sum(numpy.abs(moved[key] - clean[key]).max() > 1e-3 for key in clean) > 5
    for key, expected in clean.items():
        assert_allclose(found[key], expected + moved[key], atol=1e-5, err_msg=str(key))


def test_the_loss_is_higher_there_by_what_the_gradient_says() -> None:
    """To first order it rises by the norm of its gradient times the length of the way."""
    nlp, pipe, _ = make(model={"linear_model": None}, adversarial_norm=1.0)
    set_dropout_rate(pipe.model, 0.0)
    batch = examples(nlp)[:1]
    docs = [batch[0].predicted]
    adversary = pipe._find_adversary()
    with adversary.watching():
        scores, backprop = pipe.model.begin_update(docs)
        backprop(pipe.get_loss(batch, scores)[1])
    toward = adversary._moves[0] / numpy.linalg.norm(adversary._moves[0])

    def loss(move: Any) -> float:
        adversary._moves = [move.astype("f")]
        with adversary.moving():
            found = pipe.model.begin_update(docs)[0]
        return float(pipe.get_loss(batch, found)[0])

    def slope(way: Any) -> float:
        return (loss(0.01 * way) - loss(-0.01 * way)) / 0.02

    steepest = slope(toward)
    assert steepest > 0.01
    rng = numpy.random.RandomState(1)
    for _ in range(5):
        other = rng.standard_normal(toward.shape).astype("f")
        other /= numpy.linalg.norm(other)
        # What of another way goes towards it is all that counts.
        cosine = float((other * toward).sum())
        assert slope(other) == pytest.approx(steepest * cosine, abs=0.02 * steepest)


@pytest.mark.parametrize("factory", FACTORIES)
def test_it_learns_and_the_setting_is_saved(factory: str, tmp_path: Path) -> None:
    nlp, pipe, optimizer = make(factory, adversarial_norm=1.0)
    for _ in range(40):
        nlp.update(examples(nlp), sgd=optimizer, drop=0.1)
    assert nlp.evaluate(examples(nlp)[:2])["cats_macro_f"] == 1.0
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("textcat").cfg["adversarial_norm"] == 1.0  # type: ignore[attr-defined]
    assert loaded("a good day").cats == nlp("a good day").cats
    nodes = [node._func for node in pipe.model.walk()]
    nlp.update(examples(nlp), sgd=optimizer)
    assert [node._func for node in pipe.model.walk()] == nodes


def test_a_pipeline_from_before_there_was_the_setting_learns_without() -> None:
    nlp, pipe, _ = make()
    del pipe.cfg["adversarial_norm"]
    nlp.update(examples(nlp))
    assert gradients(pipe.model)


@pytest.mark.parametrize("names", [["forward"], ["backward"], ["forward", "backward"]])
def test_language_models_are_moved_in_each_direction(names: List[str]) -> None:
    nlp, pipe = over_lms(**{name: {**LM, "backward": name == "backward"} for name in names})
    begin(nlp)
    layers = embeddings_of(pipe.model.layers[0])
    assert [layer.name for layer in layers] == [f"{name}.embedding" for name in names]
    adversary = pipe._find_adversary()
    docs = [eg.predicted for eg in examples(nlp)]
    with adversary.watching():
        scores, backprop = pipe.model.begin_update(docs)
        backprop(pipe.get_loss(examples(nlp), scores)[1])
    assert len(adversary._moves) == len(names)
    # The texts that have tokens, each with the end symbol before them.
    for moves in adversary._moves:
        assert moves.shape == (sum(len(doc) + 1 for doc in docs if len(doc)), 12)
    with adversary.moving():
        moved, _ = pipe.model.begin_update(docs)
    assert numpy.abs(moved - scores).max() > 1e-4


@pytest.fixture
def count_second_passes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Tells how many second passes there are in an update."""

    def count(nlp: Any, pipe: Any) -> int:
        found: List[int] = []
        learn = type(pipe)._learn_from_moved
        monkeypatch.setattr(
            pipe, "_learn_from_moved", lambda *args: (found.append(1), learn(pipe, *args))
        )
        nlp.update(examples(nlp))
        return len(found)

    return count


def test_frozen_embeddings_of_language_models_cost_no_second_pass(count_second_passes: Any) -> None:
    nlp, pipe = over_lms(forward=LM)
    begin(nlp)
    assert count_second_passes(nlp, pipe) == 1
    freeze(embeddings_of(pipe.model.layers[0])[0])
    assert count_second_passes(nlp, pipe) == 0
    thaw(pipe.model)
    assert count_second_passes(nlp, pipe) == 1


EMBEDS: Dict[str, Dict[str, Any]] = {
    "hash": {"@architectures": "spacy-rnn.HashEmbed.v1", **HASHED},
    "spacy": {"@architectures": "spacy.MultiHashEmbed.v2", **HASHED},
    "char": {"@architectures": "spacy-rnn.CharEmbed.v1", "width": 16, "cell": "lstm"},
}
CONV = {"width": 16, "depth": 1, "window_size": 1}
ENCODES: Dict[str, Dict[str, Any]] = {
    "rnn": {"@architectures": "spacy-rnn.RNNEncoder.v1", "cell": "gru", "width": 16},
    "conv": {
        "@architectures": "spacy-rnn.ConvRNNEncoder.v1",
        "cell": "gru",
        "conv_depth": 1,
        **CONV,
    },
    "spacy": {"@architectures": "spacy.MaxoutWindowEncoder.v2", **CONV, "maxout_pieces": 2},
}


@pytest.mark.parametrize("embed", EMBEDS)
@pytest.mark.parametrize("encode", ENCODES)
def test_frozen_embeddings_below_encoders_cost_no_second_pass(
    embed: str, encode: str, count_second_passes: Any
) -> None:
    nlp, pipe, optimizer = make_over(EMBEDS[embed], ENCODES[encode])
    # Not in the first step either: as the output begins with zeros, there is no gradient.
    assert count_second_passes(nlp, pipe) == 0
    for _ in range(3):
        nlp.update(examples(nlp), sgd=optimizer)
    assert count_second_passes(nlp, pipe) == 1
    freeze(pipe.model.layers[0].layers[0])
    clear(pipe.model)
    assert count_second_passes(nlp, pipe) == 0
    found = gradients(pipe.model)
    clear(pipe.model)
    pipe.cfg["adversarial_norm"] = 0.0
    nlp.update(examples(nlp))
    for key, expected in gradients(pipe.model).items():
        assert_allclose(found[key], expected, atol=1e-6)


def test_what_has_no_embedding_of_its_own_is_refused_before_the_training() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    listener = {
        "@architectures": "spacy-rnn.TextCatRNN.v1",
        "exclusive_classes": True,
        "tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 96},
    }
    nlp.add_pipe("rnn_textcat", config={"model": listener, "adversarial_norm": 1.0})
    with pytest.raises(ValueError, match=r"E174.*'rnn_textcat'.*'tok2vec-listener'"):
        nlp.initialize(lambda: examples(nlp))
    nlp, _ = over_lms(forward=LM, frozen=True)
    with pytest.raises(ValueError, match=r"E174.*'lm_tok2vec'"):
        nlp.initialize(lambda: examples(nlp))
    below = {"@architectures": "spacy-rnn.LanguageModelTok2Vec.v1", "forward": LM, "frozen": True}
    with pytest.raises(ValueError, match="E174"):
        make_over(below, ENCODES["rnn"])
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    above = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {"@architectures": "spacy.Tok2VecListener.v1", "width": 96},
        "encode": ENCODES["rnn"],
    }
    model = {**listener, "tok2vec": above}
    nlp.add_pipe("rnn_textcat", config={"model": model, "adversarial_norm": 1.0})
    with pytest.raises(ValueError, match="E174"):
        nlp.initialize(lambda: examples(nlp))
    nlp = spacy.blank("en")
    bow = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": True,
        "ngram_size": 1,
        "no_output_layer": False,
        "length": 1024,
    }
    nlp.add_pipe("rnn_textcat", config={"model": bow, "adversarial_norm": 1.0})
    with pytest.raises(ValueError, match="E174"):
        nlp.initialize(lambda: examples(nlp))


@pytest.mark.parametrize("norm", [-1.0, float("inf"), float("nan"), True])
def test_what_is_no_length_is_refused(norm: Any) -> None:
    nlp, pipe, _ = make()
    with pytest.raises(ValueError, match=r"E011.*adversarial_norm"):
        type(pipe)(nlp.vocab, pipe.model, adversarial_norm=norm)
