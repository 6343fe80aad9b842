"""`python -m spacy rnn ensemble`: trained models that write together."""

from pathlib import Path
from typing import Any, Dict, List

import numpy
import pytest
import spacy
from click.testing import Result
from spacy.cli._util import app
from spacy.language import Language
from spacy.training import Example
from spacy.util import registry
from thinc.api import Config, fix_random_seed
from typer.testing import CliRunner

from spacy_rnn.models.seq2seq import parts
from spacy_rnn.pipeline.condition import VECTOR
from spacy_rnn.training.optimizers import Adam

PAIRS = {"ab": "BA", "abc": "CBA", "bca": "ACB", "c": "C", "aab": "BAA", "cb": "BC"}
TEXTS = ["cab", "bbb", "acb", "x", ""]


def examples_of(nlp: Language, pairs: Dict[str, str]) -> List[Example]:
    """RETURNS (List[Example]): Sources, targets and a vector each."""
    found = []
    for source, target, vector in zip(pairs, pairs.values(), numpy.eye(len(pairs), dtype="f")):
        example = Example(nlp.make_doc(source), nlp.make_doc(source))
        example.reference._.seq2seq = target
        example.predicted.user_data[VECTOR] = vector
        found.append(example)
    return found


def train(path: Path, seed: int, pairs: Dict[str, str], **model: Any) -> None:
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    config = {"model": {"width": 16, "embed_width": 8, **model}, "beam_width": 2}
    nlp.add_pipe("rnn_seq2seq", name="writer", config=config)
    examples = examples_of(nlp, pairs)
    nlp.config["initialize"]["components"] = {"writer": {"source_min_freq": 1}}
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01)
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.meta["performance"] = {"seq2seq_exact": 0.5, "sents_f": 1.0}
    nlp.to_disk(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pipelines: a, b and gru that go together; others, words and copier that do not; v and w that
    write by vectors, and x by narrower ones; none."""
    path = tmp_path_factory.mktemp("pipelines")
    registry.cli.get_all()  # as spaCy does when its command line starts
    train(path / "a", 1, PAIRS)
    train(path / "b", 2, PAIRS)
    train(path / "gru", 3, PAIRS, cell="gru", depth=2)
    train(path / "others", 1, {**PAIRS, "d": "D"})
    train(path / "words", 1, PAIRS, source_unit="word")
    train(path / "copier", 1, PAIRS, copy=True)
    train(path / "v", 1, PAIRS, source="vector")
    train(path / "w", 2, PAIRS, source="vector")
    train(path / "x", 2, {key: PAIRS[key] for key in list(PAIRS)[:5]}, source="vector")
    spacy.blank("en").to_disk(path / "none")
    return path


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["rnn", "ensemble", *map(str, arguments)])


def run(*arguments: Any) -> Language:
    """RETURNS (Language): The pipeline that was written."""
    result = invoke(*arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return spacy.load(arguments[list(arguments).index("-o") + 1])


def probabilities(nlp: Language, text: str) -> Dict[str, float]:
    pipe: Any = nlp.get_pipe("writer")
    found = pipe.alternatives(nlp.make_doc(text), n=200)
    return {target: numpy.exp(log_prob) for target, log_prob in found}


def test_the_models_write_together(folder: Path, tmp_path: Path) -> None:
    nlp = run(folder / "a", folder / "gru", "-o", tmp_path / "both")
    assert nlp.pipe_names == ["sentencizer", "writer"]
    pipe: Any = nlp.get_pipe("writer")
    assert pipe.search.beam_width == 2
    assert nlp.meta["performance"] == {"sents_f": 1.0}
    # The first unit of a target is as probable as the mean of what the models say.
    one_unit = pipe.model.attrs["vocabulary"].units
    assert len(one_unit) == 3
    alone = [spacy.load(folder / name) for name in ("a", "gru")]
    for each in (nlp, *alone):
        each.get_pipe("writer").max_length = 1  # type: ignore[attr-defined]
    for text in ("cab", "bbb", "a"):
        together = probabilities(nlp, text)
        apart = [probabilities(each, text) for each in alone]
        for target, probability in together.items():
            mean = sum(each[target] for each in apart) / 2
            assert probability == pytest.approx(mean, rel=1e-5)


def test_an_ensemble_can_be_saved_trained_and_joined_on(folder: Path, tmp_path: Path) -> None:
    nlp = run(folder / "a", folder / "b", "-o", tmp_path / "two")
    written = [doc._.seq2seq for doc in nlp.pipe(TEXTS)]
    nlp.to_disk(tmp_path / "again")
    assert [doc._.seq2seq for doc in spacy.load(tmp_path / "again").pipe(TEXTS)] == written
    three = run(tmp_path / "two", folder / "gru", "-o", tmp_path / "three")
    pipe: Any = three.get_pipe("writer")
    assert len(pipe.model.layers) == 3
    blank = run(folder / "a", folder / "b", folder / "gru", "-o", tmp_path / "flat")
    assert [doc._.seq2seq for doc in three.pipe(TEXTS)] == [
        doc._.seq2seq for doc in blank.pipe(TEXTS)
    ]
    examples = examples_of(three, PAIRS)
    optimizer = Adam(0.01)
    losses = [three.update(examples, sgd=optimizer)["writer"] for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]
    assert three.evaluate(examples)["seq2seq_exact"] == 1.0


def test_models_that_write_by_vectors_are_joined(folder: Path, tmp_path: Path) -> None:
    nlp = run(folder / "v", folder / "w", "-o", tmp_path / "both")
    doc = nlp.make_doc("")
    doc.user_data[VECTOR] = numpy.eye(len(PAIRS), dtype="f")[0]
    pipe: Any = nlp.get_pipe("writer")
    assert isinstance(pipe.predict([doc])[0], str)
    result = invoke(folder / "v", folder / "x", "-o", tmp_path / "no")
    assert "the width of their vectors (6 and 5)" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["a"], "E011"),
        (["a", "others"], "E179"),
        (["a", "words"], "E179"),
        (["a", "copier"], "E178"),
        (["a", "v"], "E179"),
        (["a", "none"], "E055"),
        (["a", "no_such"], "E054"),
    ],
)
def test_models_that_cannot_be_joined_are_told(
    folder: Path, tmp_path: Path, models: List[str], message: str
) -> None:
    result = invoke(*(folder / model for model in models), "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_replaced_only_if_asked(folder: Path, tmp_path: Path) -> None:
    models = [folder / "a", folder / "b"]
    run(*models, "-o", tmp_path / "both")
    result = invoke(*models, "-o", tmp_path / "both")
    assert result.exit_code == 1
    assert "E116" in result.output
    run(*models, "-o", tmp_path / "both", "--force")
    assert invoke(*models).exit_code == 2


CONFIG = """
[vars]
beam = 3

[nlp]
lang = "en"
pipeline = ["a","b"]

[components]

[components.a]
factory = "rnn_seq2seq"
beam_width = ${vars.beam}

[components.a.model]
@architectures = "spacy-rnn.Seq2Seq.v1"
width = WIDTH
embed_width = 8

[components.b]
factory = "rnn_seq2seq"

[components.b.model]
@architectures = "spacy-rnn.Seq2Seq.v1"
width = ${components.a.model.width}
embed_width = 8
"""


@pytest.mark.parametrize("force", [False, True])
def test_configs_with_variables_are_joined(force: bool, tmp_path: Path) -> None:
    """Each with its own values, also where another component's stand in the one that is made
    anew."""
    for name, width in (("one", 8), ("two", 12)):
        config = Config().from_str(CONFIG.replace("WIDTH", str(width)), interpolate=False)
        nlp = spacy.util.load_model_from_config(config, auto_fill=True)
        examples = examples_of(nlp, PAIRS)
        nlp.initialize(lambda found=examples: found)
        nlp.meta["performance"] = {"a_loss": 1.0, "b_loss": 2.0, "speed": 3.0}
        nlp.to_disk(tmp_path / name)
    output = tmp_path / ("one" if force else "both")
    options = ["--force"] if force else []
    nlp = run(tmp_path / "one", tmp_path / "two", "-c", "a", "-o", output, *options)
    a: Any = nlp.get_pipe("a")
    widths = [member.get_dim("nO") for member in (parts(m).decoder for m in a.model.layers)]
    assert widths == [8, 12]
    assert a.search.beam_width == 3
    assert nlp.meta["performance"] == {"b_loss": 2.0}
    b: Any = nlp.get_pipe("b")
    assert parts(b.model).decoder.get_dim("nO") == 8
    assert isinstance(nlp("cab")._.seq2seq, str)
    nlp.config.interpolate()


# Text classifiers

CATS = {"a good film": "A", "a bad film": "B", "good": "A", "bad": "B", "what a film": "A"}


def train_textcat(
    path: Path,
    seed: int,
    factory: str = "rnn_textcat",
    labels: str = "AB",
    temperature: float = 1.0,
    vector: float = 0.0,
    shared: bool = False,
) -> None:
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    embed = {"width": 8, "attrs": ["NORM"], "rows": [50], "include_static_vectors": bool(vector)}
    model: Dict[str, Any] = {
        "tok2vec": {"embed": embed, "encode": {"width": 8}},
        "linear_model": {"length": 1024},
    }
    if vector:
        nlp.vocab.set_vector("good", numpy.asarray([vector, 1.0], "f"))
    if shared:
        encode = {
            "@architectures": "spacy-rnn.RNNEncoder.v1",
            "cell": "gru",
            "width": 8,
            "depth": 1,
        }
        hashed = {"@architectures": "spacy-rnn.HashEmbed.v1", **embed}
        block = {"@architectures": "spacy.Tok2Vec.v2", "embed": hashed, "encode": encode}
        nlp.add_pipe("tok2vec", config={"model": block})
        listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8}
        model = {
            "@architectures": "spacy-rnn.TextCatRNN.v1",
            "exclusive_classes": True,
            "tok2vec": listener,
        }
    pipe: Any = nlp.add_pipe(factory, name="textcat", config={"model": model})
    examples = [
        Example.from_dict(
            nlp.make_doc(text), {"cats": {name: float(name == cat) for name in labels}}
        )
        for text, cat in CATS.items()
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    pipe.cfg["temperature"] = temperature
    nlp.meta["performance"] = {"cats_score": 0.5, "textcat_loss": 1.0, "speed": 3.0}
    nlp.to_disk(path)


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pipelines: one, two and warm (with a temperature) go together; multi and many (multi-label)
    do; vectors and same do, others have other vectors; abc has more labels; shared listens."""
    path = tmp_path_factory.mktemp("classifiers")
    registry.cli.get_all()
    train_textcat(path / "one", 1)
    train_textcat(path / "two", 2)
    train_textcat(path / "warm", 3, temperature=2.0)
    train_textcat(path / "multi", 1, "rnn_textcat_multilabel")
    train_textcat(path / "many", 2, "rnn_textcat_multilabel")
    train_textcat(path / "abc", 1, labels="ABC")
    train_textcat(path / "vectors", 1, vector=1.0)
    train_textcat(path / "same", 2, vector=1.0)
    train_textcat(path / "others", 2, vector=2.0)
    train_textcat(path / "shared", 1, shared=True)
    return path


@pytest.mark.parametrize("names", [("one", "two", "warm"), ("multi", "many"), ("vectors", "same")])
def test_classifiers_vote(classifiers: Path, tmp_path: Path, names: Any) -> None:
    nlp = run(*(classifiers / name for name in names), "-o", tmp_path / "all")
    apart = [spacy.load(classifiers / name) for name in names]
    for each in apart:
        each.get_pipe("textcat").cfg["temperature"] = 1.0  # type: ignore[attr-defined]
    for text in (*CATS, "good bad", ""):
        scores = [each(text).cats for each in apart]
        for label, score in nlp(text).cats.items():
            mean = sum(one[label] for one in scores) / len(scores)
            assert score == pytest.approx(mean, abs=1e-6)
    pipe: Any = nlp.get_pipe("textcat")
    assert pipe.cfg["temperature"] == 1.0
    assert nlp.meta["performance"] == {}
    result = invoke(*(classifiers / name for name in names), "-o", tmp_path / "again")
    assert ("calibrate" in result.output) == ("warm" in names)
    # Of the ensemble and another one, all vote alike.
    more = run(tmp_path / "all", classifiers / names[0], "-o", tmp_path / "more")
    assert len(more.get_pipe("textcat").model.layers) == len(names) + 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["one", "multi"], "their kind (rnn_textcat and rnn_textcat_multilabel)"),
        (["one", "abc"], "their labels (A, B and A, B, C)"),
        (["vectors", "others"], "the word vectors that the second one reads"),
        (["one", "vectors"], "the word vectors that the second one reads"),
        (["shared", "one"], "nlp.replace_listeners('tok2vec', 'textcat', ['model.tok2vec'])"),
    ],
)
def test_classifiers_that_cannot_be_joined_are_told(
    classifiers: Path, tmp_path: Path, names: List[str], message: str
) -> None:
    result = invoke(*(classifiers / name for name in names), "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_a_listener_becomes_a_member_when_it_is_replaced(classifiers: Path, tmp_path: Path) -> None:
    nlp = spacy.load(classifiers / "shared")
    nlp.replace_listeners("tok2vec", "textcat", ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    nlp.to_disk(tmp_path / "own")
    joined = run(classifiers / "one", tmp_path / "own", "-o", tmp_path / "both")
    apart = [spacy.load(classifiers / "one"), nlp]
    mean = sum(each("good").cats["A"] for each in apart) / 2
    assert joined("good").cats["A"] == pytest.approx(mean, abs=1e-6)
