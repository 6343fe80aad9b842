"""Components that begin from a trained language model: what is loaded, and what is refused."""

import shutil
import warnings
from pathlib import Path
from typing import Any, Dict, List

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_rnn.models.lm_parts import embedding_of, parts, vocabulary_of
from spacy_rnn.models.lm_tok2vec import readers_of
from spacy_rnn.training.init_from_lm import init_from_lm
from tests.small_lm import TEXTS, train_lm

LM: Dict[str, Any] = {
    "@architectures": "spacy-rnn.LanguageModel.v1",
    "width": 24,
    "embed_width": 12,
    "tied": False,
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Path]:
    folder = tmp_path_factory.mktemp("lms")
    for name, backward in (("forward", False), ("backward", True)):
        train_lm(backward=backward).to_disk(folder / name)
    return {name: folder / name for name in ("forward", "backward")}


def blocks(*names: str, **changed: Any) -> Dict[str, Any]:
    tok2vec: Dict[str, Any] = {"@architectures": "spacy-rnn.LanguageModelTok2Vec.v1"}
    for name in names:
        tok2vec[name] = {**LM, **changed, "backward": name == "backward"}
    return tok2vec


def classifier(*names: str, **changed: Any) -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {
        "@architectures": "spacy-rnn.TextCatRNN.v1",
        "exclusive_classes": True,
        "tok2vec": blocks(*names, **changed),
    }
    nlp.add_pipe("rnn_textcat", name="textcat", config={"model": model})
    return nlp


def examples(nlp: Language) -> List[Example]:
    cats = ({"A": 1.0, "B": 0.0}, {"A": 0.0, "B": 1.0})
    return [
        Example.from_dict(nlp.make_doc(text), {"cats": cats[i % 2]}) for i, text in enumerate(TEXTS)
    ]


def initialize(nlp: Language, **arguments: Any) -> Language:
    nlp.initialize(lambda: examples(nlp))
    return init_from_lm(**arguments)(nlp)


@pytest.mark.parametrize("names", [("forward",), ("backward",), ("forward", "backward")])
def test_a_classifier_reads_by_the_states_of_the_language_models(
    names: Any, paths: Dict[str, Path]
) -> None:
    nlp = initialize(classifier(*names), **{name: paths[name] for name in names})
    tok2vec = nlp.get_pipe("textcat").model.get_ref("tok2vec")
    for name, reader in zip(names, readers_of(tok2vec)):
        lm = spacy.load(paths[name]).get_pipe("rnn_lm").model
        assert reader.attrs["vocabulary"].units == vocabulary_of(lm).units
        found = [node.get_param(p) for node in reader.walk() for p in node.param_names]
        expected = [
            node.get_param(p) for node in parts(lm).encoder.walk() for p in node.param_names
        ]
        assert len(found) == len(expected) > 3
        for one, other in zip(found, expected):
            numpy.testing.assert_array_equal(one, other)


def test_it_learns_from_there_and_is_saved_without_the_language_models(
    paths: Dict[str, Path], tmp_path: Path
) -> None:
    nlp = initialize(classifier("forward", "backward"), **paths)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    losses = []
    for _ in range(25):
        losses.append(nlp.update(examples(nlp), sgd=optimizer)["textcat"])
    assert losses[-1] < 0.3 * losses[0]
    nlp.to_disk(tmp_path / "nlp")
    again = spacy.load(tmp_path / "nlp")
    for text in TEXTS:
        assert again(text).cats == pytest.approx(nlp(text).cats, abs=1e-6)
    from_bytes = classifier("forward", "backward").from_bytes(nlp.to_bytes())
    assert from_bytes(TEXTS[0]).cats == pytest.approx(nlp(TEXTS[0]).cats, abs=1e-6)


def test_training_without_a_language_model_gives_one_warning() -> None:
    nlp = classifier("forward")
    nlp.initialize(lambda: examples(nlp))
    with pytest.warns(UserWarning, match="W090"):
        nlp.update(examples(nlp))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp.update(examples(nlp))


def test_a_shared_tok2vec_serves_a_tagger_through_a_listener(paths: Dict[str, Path]) -> None:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": {**blocks("forward", "backward"), "frozen": True}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 48}
    tagger = {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}
    nlp.add_pipe("tagger", config={"model": tagger})
    data = [
        Example.from_dict(nlp.make_doc(text), {"tags": [t.text[0].upper() for t in doc]})
        for text in TEXTS[:3]
        for doc in [nlp.make_doc(text)]
    ]
    optimizer = nlp.initialize(lambda: data)
    optimizer.learn_rate = 0.03
    init_from_lm("tok2vec", **paths)(nlp)
    before = nlp.get_pipe("tok2vec").model.to_bytes()
    losses: List[float] = []
    for _ in range(20):
        losses.append(nlp.update(data, sgd=optimizer)["tagger"])
    assert losses[-1] < 0.2 * losses[0]
    readers = list(readers_of(nlp.get_pipe("tok2vec").model))
    untouched = spacy.blank("en")
    untouched.add_pipe("tok2vec", config={"model": blocks("forward", "backward")})
    model = untouched.get_pipe("tok2vec").model.from_bytes(before)
    for reader, other in zip(readers, readers_of(model)):
        for node, theirs in zip(reader.walk(), other.walk()):
            for param in node.param_names:
                numpy.testing.assert_array_equal(node.get_param(param), theirs.get_param(param))


TRANSITIONS: Dict[str, Any] = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "extra_state_tokens": False,
    "hidden_width": 16,
    "maxout_pieces": 2,
    "use_upper": True,
}
USERS: Dict[str, Any] = {
    "tagger": {"@architectures": "spacy.Tagger.v2"},
    "morphologizer": {"@architectures": "spacy.Tagger.v2"},
    "ner": {**TRANSITIONS, "state_type": "ner"},
    "parser": {**TRANSITIONS, "state_type": "parser"},
    "spancat": {},
    "textcat": {
        "@architectures": "spacy.TextCatReduce.v1",
        "exclusive_classes": True,
        "use_reduce_first": False,
        "use_reduce_last": False,
        "use_reduce_max": False,
        "use_reduce_mean": True,
    },
}
SCORES = {
    "tagger": "tag_acc",
    "morphologizer": "pos_acc",
    "ner": "ents_f",
    "parser": "dep_uas",
    "spancat": "spans_sc_f",
    "textcat": "cats_macro_f",
}


def annotated(nlp: Language) -> List[Example]:
    """Texts with all that spaCy's components learn: each word that begins with "s" is a name, and
    all words depend on the last."""
    data = []
    for i, text in enumerate(TEXTS):
        doc = nlp.make_doc(text)
        names = [(t.idx, t.idx + len(t), "NAME") for t in doc if t.text[0] in "sS"]
        annotation = {
            "tags": [t.text[0].upper() for t in doc],
            "pos": ["PUNCT" if t.is_punct else "NOUN" for t in doc],
            "heads": [len(doc) - 1] * len(doc),
            "deps": ["dep"] * (len(doc) - 1) + ["ROOT"],
            "entities": names,
            "spans": {"sc": names},
            "cats": {"EVEN": float(i % 2 == 0), "ODD": float(i % 2)},
        }
        data.append(Example.from_dict(doc, annotation))
    return data


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("factory", USERS)
def test_spacys_components_learn_from_the_states_of_language_models(
    factory: str, shared: bool, paths: Dict[str, Path], tmp_path: Path
) -> None:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    tok2vec = blocks("forward", "backward")
    if shared:
        nlp.add_pipe("tok2vec", config={"model": tok2vec})
        tok2vec = {"@architectures": "spacy.Tok2VecListener.v1", "width": 48}
    config: Dict[str, Any] = {"model": {**USERS[factory], "tok2vec": tok2vec}}
    if factory == "parser":
        config["min_action_freq"] = 1  # as there are few words
    nlp.add_pipe(factory, config=config)
    optimizer = nlp.initialize(lambda: annotated(nlp))
    optimizer.learn_rate = 0.01
    init_from_lm("tok2vec" if shared else factory, **paths)(nlp)
    reader = next(readers_of(nlp.get_pipe("tok2vec" if shared else factory).model))
    before = embedding_of(reader).get_param("E").copy()
    for _ in range(40):
        nlp.update(annotated(nlp), sgd=optimizer)
    assert nlp.evaluate(annotated(nlp))[SCORES[factory]] > 0.95
    assert (embedding_of(reader).get_param("E") != before).any()
    nlp.to_disk(tmp_path / "nlp")
    again = spacy.load(tmp_path / "nlp")
    for text in TEXTS:
        assert again(text).to_json() == nlp(text).to_json()


def test_a_language_model_of_other_words_takes_over_rows_by_their_strings(
    paths: Dict[str, Path],
) -> None:
    source = spacy.load(paths["forward"]).get_pipe("rnn_lm").model
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lm", config={"model": LM})
    texts = ["On the log sat a zebra.", "A zebra ran."]
    data = [Example(nlp.make_doc(t), nlp.make_doc(t)) for t in texts] * 3
    nlp.initialize(lambda: data)
    init_from_lm("rnn_lm", forward=paths["forward"])(nlp)
    model = nlp.get_pipe("rnn_lm").model
    old, new = vocabulary_of(source), vocabulary_of(model)
    assert "zebra" in new
    assert "zebra" not in old
    assert old.number("log") != new.number("log")
    tables = [(embedding_of, "E"), (lambda m: parts(m).output, "W")]
    for layer, param in tables:
        theirs, ours = layer(source).get_param(param), layer(model).get_param(param)
        for word in ("log", "sat", ".", "ran"):
            numpy.testing.assert_array_equal(ours[new.number(word)], theirs[old.number(word)])
        numpy.testing.assert_array_equal(ours[new.number("zebra")], theirs[1])
    biases = parts(model).output.get_param("b")
    assert biases[new.number("zebra")] < biases[new.number("log")]
    assert model.predict([nlp.make_doc("A cat sat.")])[0].shape == (5,)


SOFTMAXES: Dict[str, Any] = {
    "full": None,
    "adaptive": {"@architectures": "spacy-rnn.AdaptiveSoftmax.v1", "cutoffs": [6], "factor": 1.0},
    "narrow": {"@architectures": "spacy-rnn.AdaptiveSoftmax.v1", "cutoffs": [6], "factor": 2.0},
}


# A narrow softmax is not tied.
KINDS = [
    (name, tied) for name in SOFTMAXES for tied in (False, True) if (name, tied) != ("narrow", True)
]


def saved_language_model(softmax: Any, tied: bool, path: Path) -> Language:
    nlp = language_model(softmax, tied, TEXTS)
    nlp.to_disk(path)
    return nlp


def language_model(softmax: Any, tied: bool, texts: List[str]) -> Language:
    fix_random_seed(len(texts))
    nlp = spacy.blank("en")
    model = {**LM, "embed_width": None, "tied": tied, "softmax": softmax}
    nlp.add_pipe("rnn_lm", config={"model": model})
    nlp.config["initialize"]["components"]["rnn_lm"] = {"min_freq": 1}
    data = [Example(nlp.make_doc(t), nlp.make_doc(t)) for t in texts]
    optimizer = nlp.initialize(lambda: data)
    for _ in range(10):
        nlp.update(data, sgd=optimizer)
    return nlp


@pytest.mark.parametrize(("name", "tied"), KINDS)
def test_a_language_model_of_the_same_words_goes_on_as_the_other_one_was(
    name: str, tied: bool, tmp_path: Path
) -> None:
    source = saved_language_model(SOFTMAXES[name], tied, tmp_path)
    # The same texts once more have the same words in the same order.
    target = language_model(SOFTMAXES[name], tied, TEXTS * 2)
    doc = source.make_doc(TEXTS[0])
    expected = source.get_pipe("rnn_lm").predict([doc])[0]
    assert not numpy.allclose(target.get_pipe("rnn_lm").predict([doc])[0], expected)
    init_from_lm("rnn_lm", forward=tmp_path)(target)
    numpy.testing.assert_allclose(target.get_pipe("rnn_lm").predict([doc])[0], expected, rtol=1e-5)


@pytest.mark.parametrize(("name", "tied"), KINDS)
def test_a_language_model_of_other_words_takes_no_tables_of_clusters(
    name: str, tied: bool, tmp_path: Path
) -> None:
    saved_language_model(SOFTMAXES[name], tied, tmp_path)
    texts = [*TEXTS[1:], "Some zebra and another zebra ran away."]
    target = language_model(SOFTMAXES[name], tied, texts)
    output = parts(target.get_pipe("rnn_lm").model).output
    before = {
        param: output.get_param(param).copy()
        for param in output.param_names
        if output.has_param(param)
    }
    init_from_lm("rnn_lm", forward=tmp_path)(target)
    kept = {param for param, value in before.items() if (output.get_param(param) == value).all()}
    assert kept == ({"W", "W1", "P1"} if name == "narrow" else set())
    assert numpy.isfinite(
        target.get_pipe("rnn_lm").predict([target.make_doc("A zebra ran.")])[0]
    ).all()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"width": 30}, "width: 24 in the language model, 30 in the config"),
        ({"cell": "gru"}, "cell: lstm in the language model, gru in the config"),
        ({"depth": 2}, "depth: 1 in the language model, 2 in the config"),
        ({"embed_width": 8}, "embed_width: 12"),
        ({"unit": "char"}, "unit: word"),
        ({"attr": "LOWER"}, "attr: ORTH"),
    ],
)
def test_a_language_model_of_another_shape_is_refused_with_the_difference(
    changed: Dict[str, Any], said: str, paths: Dict[str, Path]
) -> None:
    with pytest.raises(ValueError, match="E094") as error:
        initialize(classifier("forward", **changed), forward=paths["forward"])
    assert said in str(error.value)


def test_a_model_of_the_other_direction_is_refused(paths: Dict[str, Path]) -> None:
    with pytest.raises(ValueError, match=r"E094.*backward: True"):
        initialize(classifier("forward"), forward=paths["backward"])


def test_nothing_is_changed_when_one_of_two_models_does_not_fit(paths: Dict[str, Path]) -> None:
    nlp = classifier("forward", "backward")
    nlp.initialize(lambda: examples(nlp))
    before = nlp.to_bytes()
    with pytest.raises(ValueError, match="E094"):
        init_from_lm(forward=paths["forward"], backward=paths["forward"])(nlp)
    assert nlp.to_bytes() == before


def test_wrong_names_and_paths_are_explained(paths: Dict[str, Path], tmp_path: Path) -> None:
    nlp = classifier("forward")
    with pytest.raises(ValueError, match="E099"):
        init_from_lm(forward=paths["forward"])(nlp)
    nlp.initialize(lambda: examples(nlp))
    with pytest.raises(ValueError, match="E095"):
        init_from_lm("other", forward=paths["forward"])(nlp)
    with pytest.raises(ValueError, match="E097"):
        init_from_lm(**paths)(nlp)
    with pytest.raises(ValueError, match="E097"):
        init_from_lm()(nlp)
    with pytest.raises(ValueError, match="E098"):
        init_from_lm(forward=tmp_path / "nothing")(nlp)
    with pytest.raises(ValueError, match=r"E098.*'other'"):
        init_from_lm(forward=paths["forward"], source="other")(nlp)
    nlp.to_disk(tmp_path / "classifier")
    with pytest.raises(ValueError, match=r"E098.*expected one rnn_lm"):
        init_from_lm(forward=tmp_path / "classifier")(nlp)
    plain = spacy.blank("en")
    plain.add_pipe("rnn_textcat", name="textcat")
    plain.initialize(lambda: examples(plain))
    with pytest.raises(ValueError, match="E096"):
        init_from_lm(forward=paths["forward"])(plain)


def test_what_is_no_pipeline_or_a_broken_one_is_explained(
    paths: Dict[str, Path], tmp_path: Path
) -> None:
    nlp = classifier("forward")
    nlp.initialize(lambda: examples(nlp))
    shutil.copytree(paths["forward"], tmp_path / "meta")
    (tmp_path / "meta" / "meta.json").write_text("{", encoding="utf8")
    config = (paths["forward"] / "config.cfg").read_text(encoding="utf8")
    broken = {
        "config": "no section",
        "factory": config.replace('factory = "rnn_lm"', 'factory = "rnn_ml"'),
        "architecture": config.replace("spacy-rnn.LanguageModel.v1", "spacy-rnn.NoModel.v1"),
    }
    for name, text in broken.items():
        shutil.copytree(paths["forward"], tmp_path / name)
        (tmp_path / name / "config.cfg").write_text(text, encoding="utf8")
    for path in ("numpy", "spacy", "spacy_rnn", *(tmp_path / n for n in ("meta", *broken))):
        with pytest.raises(ValueError, match="E098") as found:
            init_from_lm(forward=path)(nlp)
        assert f"from {path}: " in str(found.value)
        assert "\n" not in str(found.value)


def test_loading_does_not_unfreeze_in_silence(paths: Dict[str, Path], tmp_path: Path) -> None:
    nlp = initialize(classifier("forward"), forward=paths["forward"])
    nlp.to_disk(tmp_path)
    spacy.load(tmp_path)
    with pytest.raises(ValueError, match=r"E019.*'frozen' is False.*True"):
        spacy.load(tmp_path, config={"components.textcat.model.tok2vec.frozen": True})
