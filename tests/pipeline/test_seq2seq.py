"""The component rnn_seq2seq: learning, writing, saving, and what users get wrong."""

import pickle
from typing import Any, Dict, List

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_rnn.models.seq2seq import parts as model_parts
from spacy_rnn.pipeline import seq2seq as seq2seq_module
from spacy_rnn.pipeline.condition import VECTOR
from spacy_rnn.training.optimizers import Adam
from spacy_rnn.training.pairs import TARGET

PAIRS = {"ab": "BA", "abc": "CBA", "bca": "ACB", "c": "C", "aab": "BAA", "cb": "BC"}


def make(**settings: Any) -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {"@architectures": "spacy-rnn.Seq2Seq.v1", "width": 32, "embed_width": 16}
    model.update(settings.pop("model", {}))
    nlp.add_pipe("rnn_seq2seq", config={"model": model, **settings})
    return nlp


def examples(nlp: Language, pairs: Dict[str, Any] = PAIRS) -> List[Example]:
    found = []
    for source, target in pairs.items():
        example = Example(nlp.make_doc(source), nlp.make_doc(source))
        example.reference._.seq2seq = target
        found.append(example)
    return found


def train(
    nlp: Language, data: List[Example], n_steps: int = 60, learn_rate: float = 0.01
) -> List[float]:
    nlp.initialize(lambda: data)
    optimizer = Adam(learn_rate)
    losses: List[float] = []
    for _ in range(n_steps):
        losses.append(nlp.update(data, sgd=optimizer)["rnn_seq2seq"])
    return losses


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model": {"attention": "additive", "cell": "gru", "depth": 2}},
        {"model": {"copy": True, "input_feeding": False}, "beam_width": 3},
        {"model": {"unit": "subword", "source_unit": "subword"}},
        {"model": {"sampling": 0.2, "dropout": 0.1}},
    ],
    ids=str,
)
def test_overfitting_and_round_trips(settings: Any, tmp_path: Any) -> None:
    nlp = make(**settings)
    data = examples(nlp)
    losses = train(nlp, data, 250, 0.005)
    assert losses[-1] < 0.2 * losses[0]
    for source, target in PAIRS.items():
        assert nlp(source)._.seq2seq == target
    assert [doc._.seq2seq for doc in nlp.pipe(PAIRS)] == list(PAIRS.values())
    scores = nlp.evaluate(data)
    assert scores["seq2seq_exact"] == 1.0
    assert scores["seq2seq_cer"] == scores["seq2seq_wer"] == 0.0
    nlp.to_disk(tmp_path / "nlp")
    texts = [*PAIRS, "", "cab x", "bbb"]
    expected = [doc._.seq2seq for doc in nlp.pipe(texts)]
    again = spacy.load(tmp_path / "nlp")
    from_bytes = make(**settings).from_bytes(nlp.to_bytes())
    for other in (again, from_bytes):
        assert [other(text)._.seq2seq for text in texts] == expected
    assert nlp.get_pipe("rnn_seq2seq").info()["vocabulary"] >= 5


def test_words_are_copied_that_the_target_does_not_know() -> None:
    names = ["Ada", "Bob", "Cleo", "Dora", "Emil", "Fritz", "Gus", "Hilda"]
    pairs = {f"hello {name} !": f"ciao {name}" for name in names}
    nlp = make(model={"source_unit": "word", "unit": "word", "copy": True, "width": 48})
    data = examples(nlp, pairs)
    words = {"source_min_freq": 2, "min_freq": 2}
    nlp.config["initialize"]["components"] = {"rnn_seq2seq": words}
    train(nlp, data, 150, 0.005)
    assert "Ada" not in nlp.get_pipe("rnn_seq2seq").vocabulary
    assert nlp("hello Ada !")._.seq2seq == "ciao Ada"
    assert nlp("hello Zoe !")._.seq2seq == "ciao Zoe"


def test_copied_words_have_spaces_as_written_ones_do() -> None:
    names = ["Ada", "Bob", "Cleo", "Dora", "Emil", "Fritz"]
    pairs = {f"{name} came ({name})": f"{name} kam ({name}) heim" for name in names}
    nlp = make(model={"source_unit": "word", "unit": "word", "copy": True, "width": 48})
    words = {"source_min_freq": 2, "min_freq": 3}
    nlp.config["initialize"]["components"] = {"rnn_seq2seq": words}
    train(nlp, examples(nlp, pairs), 150, 0.005)
    assert "Ada" not in nlp.get_pipe("rnn_seq2seq").vocabulary
    assert nlp("Ada came (Ada)")._.seq2seq == "Ada kam (Ada) heim"
    assert nlp("Zoe came (Zoe)")._.seq2seq == "Zoe kam (Zoe) heim"


def test_a_vector_becomes_a_text() -> None:
    nlp = make(model={"source": "vector"})
    data = examples(nlp, {"": "zero", "one": "one", "two": "two"})
    for example, row in zip(data, numpy.eye(3, dtype="f")):
        example.predicted.user_data[VECTOR] = row
    train(nlp, data)
    for example in data:
        doc = nlp.make_doc("")
        doc.user_data[VECTOR] = example.predicted.user_data[VECTOR]
        assert nlp(doc)._.seq2seq == example.reference._.seq2seq
    again = make(model={"source": "vector"}).from_bytes(nlp.to_bytes())
    assert again(doc)._.seq2seq == "two"
    # A doc without a vector gives nothing.
    assert nlp("text")._.seq2seq == ""
    for wrong, found in (
        (numpy.ones(5, "f"), "one of 5"),
        ("abc", "'abc'"),
        ({"a": 1}, "a.: 1"),
        (numpy.asarray([0.0, numpy.nan, 1.0]), "nan"),
    ):
        doc.user_data[VECTOR] = wrong
        with pytest.raises(ValueError, match=rf"E172.*3 numbers.*{found}"):
            nlp(doc)


@pytest.mark.parametrize("source", ["vector", "_.spelled"])
def test_what_is_read_may_stand_in_the_reference(source: str) -> None:
    Doc.set_extension("spelled", default=None, force=True)
    nlp = make(model={"source": source})
    data = examples(nlp, {"": "zero", "one": "one", "two": "two"})
    for example, row in zip(data, numpy.eye(3, dtype="f")):
        # As a corpus gives it: the predicted doc has the text alone.
        example.reference.user_data[VECTOR] = row
        example.reference._.spelled = "abc"[int(row.argmax())]
    train(nlp, data)
    doc = nlp.make_doc("anything")
    doc.user_data[VECTOR], doc._.spelled = numpy.eye(3, dtype="f")[1], "b"
    assert nlp(doc)._.seq2seq == "one"
    # Scores are those of what is read, though the pipeline has not seen it.
    assert nlp.evaluate(data)["seq2seq_exact"] == 1.0
    Doc.remove_extension("spelled")


@pytest.mark.parametrize(("found", "shown"), [(5, "type int"), ("a\ud800", "surrogate")])
def test_an_attribute_that_is_no_text_is_an_error(found: Any, shown: str) -> None:
    Doc.set_extension("spelled", default=found, force=True)
    nlp = make(model={"source": "_.spelled"})
    with pytest.raises(ValueError, match=f"E154.*{shown}"):
        nlp.initialize(lambda: examples(nlp))
    Doc.remove_extension("spelled")


def test_each_of_two_is_scored_by_what_it_writes_itself() -> None:
    nlp = make()
    data = examples(nlp)
    train(nlp, data, 100)
    config = {"model": nlp.config["components"]["rnn_seq2seq"]["model"]}
    untrained = nlp.add_pipe("rnn_seq2seq", name="other", config=config)
    untrained.initialize(lambda: data, nlp=nlp)
    scored = [Example(nlp(one.text), one.reference) for one in data]
    assert nlp.get_pipe("rnn_seq2seq").score(scored)["seq2seq_exact"] == 1.0
    assert untrained.score(scored)["seq2seq_exact"] < 1.0


def test_one_odd_pair_does_not_let_long_texts_become_longer() -> None:
    nlp = make()
    pairs = {f"{'ab' * 20}{'c' * i}": "x" * 40 for i in range(120)}
    nlp.initialize(lambda: examples(nlp, {**pairs, "c": "C" * 30}))
    pipe = nlp.get_pipe("rnn_seq2seq")
    for n_units, limit in ((1, 30 + 10), (40, 40 + 10), (5000, 5000 + 10)):
        assert pipe._limit(numpy.zeros(n_units)) == limit


@pytest.mark.parametrize("target", [7, ["a"], "a\ud800"])
def test_a_target_that_is_no_text_is_an_error(target: Any) -> None:
    nlp = make()
    data = examples(nlp, {"a": target})
    with pytest.raises(ValueError, match=r"E172.*seq2seq"):
        nlp.initialize(lambda: data)
    nlp.initialize(lambda: examples(nlp))
    with pytest.raises(ValueError, match=r"E172.*seq2seq"):
        nlp.evaluate(data)


def test_units_that_are_all_too_rare_are_said_to_be() -> None:
    nlp = make(model={"unit": "word"})
    data = examples(nlp, {"hello": "bonjour", "world": "monde"})
    with pytest.raises(ValueError, match=r"E171.* min_freq = 3"):
        nlp.initialize(lambda: data)
    nlp = make()
    nlp.config["initialize"]["components"] = {"rnn_seq2seq": {"source_min_freq": 100}}
    with pytest.raises(ValueError, match=r"E171.*source_min_freq = 100"):
        nlp.initialize(lambda: data)


def test_it_can_begin_anew_on_other_pairs() -> None:
    nlp = make()
    pipe = nlp.get_pipe("rnn_seq2seq")
    with pytest.raises(ValueError, match=r"E073.*component 'rnn_seq2seq'"):
        pipe.get_loss(examples(nlp), [])
    train(nlp, examples(nlp, {"xyz": "zyx", "x": "x"}), 2)
    fix_random_seed(0)
    losses = train(nlp, examples(nlp), 3)
    fix_random_seed(0)
    assert losses == train(make(), examples(nlp), 3)
    # Loading another model is a beginning too.
    other = make()
    train(other, examples(other, {"xyz": "zyx", "x": "x"}), 2)
    other.from_bytes(nlp.to_bytes())
    assert numpy.isfinite(other.update(examples(other), sgd=Adam(0.01))["rnn_seq2seq"])


def test_an_attribute_is_read_instead_of_the_text() -> None:
    Doc.set_extension("spelled", default=None, force=True)
    nlp = make(model={"source": "_.spelled"})
    data = examples(nlp)
    for example in data:
        example.predicted._.spelled = example.predicted.text
        example.predicted._.spelled = example.reference.text * 2
    train(nlp, data)
    doc = nlp.make_doc("anything")
    doc._.spelled = "abab"
    assert nlp(doc)._.seq2seq == "BA"
    assert nlp("no attribute")._.seq2seq == ""
    doc._.spelled = 3
    with pytest.raises(ValueError, match=r"E154.*spelled.*int"):
        nlp(doc)
    Doc.remove_extension("spelled")
    with pytest.raises(ValueError, match=r"E154.*set_extension"):
        nlp("text")


def test_alternatives_are_different_texts_best_first() -> None:
    nlp = make(length_penalty=0.5)
    train(nlp, examples(nlp), 40)
    pipe = nlp.get_pipe("rnn_seq2seq")
    found = pipe.alternatives(nlp.make_doc("abc"), 4)
    assert found[0][0] == "CBA"
    assert len({text for text, _ in found}) == len(found) == 4
    assert all(score < 0 for _, score in found)
    assert pipe.alternatives(nlp.make_doc(""), 3) == []
    with pytest.raises(ValueError, match=r"E011.*n must|E011"):
        pipe.alternatives(nlp.make_doc("abc"), 0)
    with pytest.raises(ValueError, match=r"E011.*Doc"):
        pipe.alternatives("abc")


def test_odd_inputs_are_handled() -> None:
    nlp = make(model={"attention": "additive"})
    data = examples(nlp, {**PAIRS, "": "A", "ba": "", "cc": None})
    losses = train(nlp, data, 5)
    assert numpy.isfinite(losses).all()
    assert nlp("")._.seq2seq == ""
    long = nlp("ab" * 2500)._.seq2seq
    assert 0 <= len(long) <= 3 * 5000
    assert nlp("日本語 ☃")._.seq2seq is not None
    nothing = [Example(nlp.make_doc("ab"), nlp.make_doc("ab"))]
    assert nlp.update(nothing, sgd=Adam(0.01)) == {"rnn_seq2seq": 0.0}


def test_what_is_written_is_bounded() -> None:
    nlp = make(max_length=2)
    train(nlp, examples(nlp))
    assert nlp("abc")._.seq2seq == "CB"
    with pytest.raises(ValueError, match=r"E011.*max_length"):
        make(max_length=-1)
    with pytest.raises(ValueError, match=r"E011.*beam_width"):
        make(beam_width=0)


def test_smoothed_labels_are_learned_without_certainty() -> None:
    surest = []
    for smoothing in (0.0, 0.3):
        nlp = make(label_smoothing=smoothing)
        train(nlp, examples(nlp))
        assert {source: nlp(source)._.seq2seq for source in PAIRS} == PAIRS
        [(text, log_prob)] = nlp.get_pipe("rnn_seq2seq").alternatives(nlp.make_doc("abc"), n=1)
        surest.append(numpy.exp(log_prob / (len(text) + 1)))
    vocabulary = nlp.get_pipe("rnn_seq2seq").vocabulary
    assert surest[0] > 0.95
    # What is learned is a truth of 1 - 0.3 + 0.3 / n.
    assert surest[1] == pytest.approx(0.7 + 0.3 / len(vocabulary), abs=0.05)
    with pytest.raises(ValueError, match=r"E011.*label_smoothing"):
        make(label_smoothing=1.0)


def test_large_batches_are_learned_in_pieces(monkeypatch: Any) -> None:
    gradients = []
    for limit in (2**14, 6):
        monkeypatch.setattr(seq2seq_module, "MAX_UNITS", limit)
        nlp = make()
        data = examples(nlp)
        nlp.initialize(data.copy)
        model = nlp.get_pipe("rnn_seq2seq").model
        nlp.get_pipe("rnn_seq2seq").update(examples(nlp))
        gradients.append([n.get_grad(p) for n in model.walk() for p in n.param_names])
    for whole, pieces in zip(*gradients):
        numpy.testing.assert_allclose(pieces, whole, atol=1e-6)


def test_accumulated_batches_count_by_their_units() -> None:
    nlp = make()
    nlp.initialize(lambda: examples(nlp))
    pipe = nlp.get_pipe("rnn_seq2seq")
    seen: Dict[Any, Any] = {}

    def keep(key: Any, weights: Any, gradient: Any) -> Any:
        seen.setdefault(key, []).append(gradient.copy())
        gradient.fill(0.0)
        return weights, gradient

    data = examples(nlp)
    pipe.update(data[:1])
    pipe.update(data[1:])
    pipe.finish_update(keep)
    pipe.update(data)
    pipe.finish_update(keep)
    for parts, whole in seen.values():
        numpy.testing.assert_allclose(parts, whole, atol=1e-6)


def test_the_loss_is_that_of_the_targets() -> None:
    nlp = make()
    data = examples(nlp)
    nlp.initialize(lambda: data)
    pipe = nlp.get_pipe("rnn_seq2seq")
    expected = pipe.update(data)["rnn_seq2seq"]
    assert pipe.get_loss(data, pipe.predict([eg.predicted for eg in data]))[0] == pytest.approx(
        expected, rel=1e-5
    )


def test_labels_are_vocabularies() -> None:
    nlp = make()
    nlp.initialize(lambda: examples(nlp))
    labels = nlp.get_pipe("rnn_seq2seq").label_data
    other = make()
    other.get_pipe("rnn_seq2seq").initialize(lambda: examples(other), nlp=other, labels=labels)
    assert other.get_pipe("rnn_seq2seq").label_data == labels
    broken = {**labels, "counts": labels["counts"][1:]}
    missing = {key: value for key, value in labels.items() if key != "target"}
    lower = make(model={"source_unit": "word", "source_attr": "LOWER"})
    words = make(model={"source_unit": "word"})
    words.get_pipe("rnn_seq2seq").initialize(lambda: examples(words), nlp=words, source_min_freq=1)
    for nlp_, given, message in (
        (other, broken, r"E060.*counts"),
        (other, missing, r"E060.*target"),
        (other, {**labels, "longest": [1.0]}, r"E060.*longest.*1 numbers"),
        (other, {**labels, "longest": "x"}, r"E060.*longest.*str"),
        (other, {**labels, "longest": [0.0, -50]}, r"E060.*longest.*negative"),
        (other, {**labels, "counts": ["a"]}, r"E060.*counts.*numbers"),
        (other, {**labels, "source": None}, r"E060.*source.*NoneType"),
        (lower, words.get_pipe("rnn_seq2seq").label_data, r"E141.*ORTH.*LOWER"),
    ):
        with pytest.raises(ValueError, match=message):
            nlp_.get_pipe("rnn_seq2seq").initialize(lambda: [], nlp=nlp_, labels=given)
    wrong = make(model={"unit": "word"})
    with pytest.raises(ValueError, match=r"E065.*word"):
        wrong.get_pipe("rnn_seq2seq").initialize(lambda: [], nlp=wrong, labels=labels)


def test_nothing_to_learn_from_is_an_error() -> None:
    nlp = make()
    with pytest.raises(ValueError, match=r"E152.*PairCorpus"):
        nlp.initialize(lambda: [Example(nlp.make_doc("a"), nlp.make_doc("a"))])
    nlp = make(model={"source": "vector"})
    with pytest.raises(ValueError, match=r"E153.*vector_key"):
        nlp.initialize(lambda: examples(nlp))
    with pytest.raises(ValueError, match="E073"):
        make()("text")


def test_a_file_of_another_model_is_an_error() -> None:
    nlp = make()
    nlp.initialize(lambda: examples(nlp))
    with pytest.raises(ValueError, match="E019"):
        make(model={"unit": "word"}).from_bytes(nlp.to_bytes())
    with pytest.raises(ValueError, match="E01"):
        make(model={"width": 16}).from_bytes(nlp.to_bytes())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"copy": True}, {"copy": False}),
        ({"attention": "additive"}, {"attention": "multiplicative"}),
    ],
)
def test_a_model_of_another_choice_is_an_error(one: Any, other: Any) -> None:
    for saved, settings in ((one, other), (other, one)):
        nlp, new = make(model=saved), make(model=settings)
        nlp.initialize(lambda nlp=nlp: examples(nlp))  # type: ignore[misc]
        data = nlp.get_pipe("rnn_seq2seq").to_bytes()
        with pytest.raises(ValueError, match=f"E019.*'{next(iter(one))}'"):
            new.get_pipe("rnn_seq2seq").from_bytes(data)
        make(model=saved).get_pipe("rnn_seq2seq").from_bytes(data)


def test_several_processes_write_the_same() -> None:
    nlp = make()
    train(nlp, examples(nlp))
    texts = list(PAIRS) * 3
    found = [doc._.seq2seq for doc in nlp.pipe(texts, n_process=2, batch_size=4)]
    assert found == list(PAIRS.values()) * 3


def test_the_same_seed_gives_the_same_weights() -> None:
    written = []
    for _ in range(2):
        nlp = make()
        train(nlp, examples(nlp), 3)
        written.append(nlp.get_pipe("rnn_seq2seq").model.to_bytes())
    assert written[0] == written[1]


def test_a_pickled_pipeline_works_where_none_was_made() -> None:
    nlp = make()
    train(nlp, examples(nlp), 5)
    data, expected = pickle.dumps(nlp), nlp("abc")._.seq2seq
    assert Doc.has_extension(TARGET)
    Doc.remove_extension(TARGET)
    assert pickle.loads(data)("abc")._.seq2seq == expected


def test_weights_that_are_no_numbers_are_an_error() -> None:
    nlp = make()
    train(nlp, examples(nlp), 1)
    decoder = model_parts(nlp.get_pipe("rnn_seq2seq").model).decoder
    decoder.get_param("C")[:] = numpy.nan
    with pytest.raises(ValueError, match=r"E177.*rnn_seq2seq.*'abc'"):
        nlp("abc")


def test_an_example_without_a_vector_teaches_nothing() -> None:
    nlp = make(model={"source": "vector"})
    data = examples(nlp, {"none": "none", "one": "one", "two": "two"})
    for example, row in zip(data[1:], numpy.eye(2, dtype="f")):
        example.predicted.user_data[VECTOR] = row
    train(nlp, data)
    assert nlp(data[1].predicted)._.seq2seq == "one"


def test_a_new_beginning_forgets_an_unfinished_update() -> None:
    nlp = make()
    data = examples(nlp)
    pipe = nlp.get_pipe("rnn_seq2seq")
    norms: List[float] = []

    def keep(key: Any, weights: Any, gradient: Any) -> Any:
        norms.append(float((gradient**2).sum()))
        return weights, gradient

    for n_before in (0, 5):
        fix_random_seed(0)
        nlp.initialize(lambda: data)
        for _ in range(n_before):
            pipe.update(data)
        fix_random_seed(0)
        nlp.initialize(lambda: data)
        pipe.update(data[:1], sgd=keep)
    half = len(norms) // 2
    assert half
    numpy.testing.assert_allclose(norms[:half], norms[half:], rtol=1e-5)


@pytest.mark.parametrize("drop", [-0.5, 1.5, "much"])
def test_a_dropout_rate_that_is_none_is_an_error(drop: Any) -> None:
    nlp = make()
    data = examples(nlp)
    train(nlp, data, 1)
    with pytest.raises(ValueError, match=r"E011.*drop.*from 0 to 1"):
        nlp.update(data, drop=drop)
    assert numpy.isfinite(nlp.update(data, drop=1.0)["rnn_seq2seq"])
    with pytest.raises(ValueError, match=r"E011.*embed_dropout"):
        make(model={"embed_dropout": 1.0})
