"""The component rnn_lm: training, surprisals, scores, states of streams, saving."""

import pickle
from typing import Any, Dict, List

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.training.loop import subdivide_batch
from thinc.api import fix_random_seed

from spacy_rnn.models.grow import remap_rows
from spacy_rnn.models.lm_parts import set_vocabulary
from spacy_rnn.models.vocabulary import END, UNKNOWN, Vocabulary
from spacy_rnn.pipeline.condition import VECTOR
from spacy_rnn.pipeline.surprisal import KEY, perplexity, surprisals_of
from spacy_rnn.training.optimizers import Adam
from spacy_rnn.training.streams import batch_by_stream

TEXTS = [
    "The cat sat on the mat, and the dog did not.",
    'A dog sat on the "big" mat.',
    "The mat was big (very big).",
    "The dog and the cat sat.",
]
UNITS = ["word", "char", "subword"]
SOFTMAXES: Dict[str, Any] = {
    "full": None,
    "adaptive": {"@architectures": "spacy-rnn.AdaptiveSoftmax.v1", "cutoffs": [8, 14]},
    "sampled": {"@architectures": "spacy-rnn.SampledSoftmax.v1", "n_samples": 12},
}


def blank(unit: str = "word", **settings: Any) -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_lm", config={"model": {"unit": unit, "width": 32, **settings}})
    return nlp


def examples_of(nlp: Language, texts: List[str]) -> List[Example]:
    return [Example(nlp.make_doc(text), nlp.make_doc(text)) for text in texts]


def initialized(unit: str = "word", min_freq: int = 1, **settings: Any) -> Language:
    nlp = blank(unit, **settings)
    nlp.config["initialize"]["components"]["rnn_lm"] = {"min_freq": min_freq}
    nlp.initialize(lambda: examples_of(nlp, TEXTS))
    return nlp


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("softmax", SOFTMAXES)
def test_overfitting_and_round_trips(unit: str, softmax: str, tmp_path: Any) -> None:
    nlp = initialized(unit, softmax=SOFTMAXES[softmax])
    examples = examples_of(nlp, TEXTS)
    optimizer = Adam(0.02, clip_norm=1.0)
    losses: Dict[str, float] = {}
    before = nlp.evaluate(examples)["lm_perplexity"]
    for _ in range(60 if unit == "word" else 120):
        losses = {}
        nlp.update(examples, sgd=optimizer, losses=losses)
    scores = nlp.evaluate(examples)
    assert scores["lm_perplexity"] < min(3.0, before / 5)
    assert scores["lm_score"] == pytest.approx(1 / scores["lm_perplexity"])
    if softmax != "sampled":  # whose loss is that of the samples
        assert losses["rnn_lm"] == pytest.approx(numpy.log(scores["lm_perplexity"]), abs=0.1)

    docs = list(nlp.pipe(TEXTS))
    expected = [surprisals_of(doc) for doc in docs]
    nlp.to_disk(tmp_path)
    twin = blank(unit, softmax=SOFTMAXES[softmax])
    for other in (spacy.load(tmp_path), twin.from_bytes(nlp.to_bytes()), pickle_copy(nlp)):
        for text, bits in zip(TEXTS, expected):
            numpy.testing.assert_allclose(surprisals_of(other(text)), bits, atol=1e-5)
        assert other.evaluate(examples)["lm_perplexity"] == pytest.approx(scores["lm_perplexity"])


def pickle_copy(nlp: Language) -> Language:
    twin = spacy.blank("en")
    component = pickle.loads(pickle.dumps(nlp.get_pipe("rnn_lm")))
    twin.add_pipe("rnn_lm")
    twin._components = [("rnn_lm", component)]
    return twin


@pytest.mark.parametrize("unit", UNITS)
def test_sums_of_tokens_are_the_total_of_the_units(unit: str) -> None:
    nlp = initialized(unit)
    lm = nlp.get_pipe("rnn_lm")
    for text in [*TEXTS, "", " ", "An unseen wörd  with\n\nspaces and 😀. "]:
        doc = nlp(text)
        units = lm.model.predict([doc])[0]
        total = sum(token._.surprisal for token in doc)
        end = doc.user_data[KEY][-1]
        assert end == pytest.approx(units[-1])
        assert doc._.surprisal == pytest.approx(float(units.sum()), rel=1e-5)
        assert doc._.surprisal == pytest.approx(total + end, rel=1e-5)
        assert doc._.perplexity == pytest.approx(2.0 ** (doc._.surprisal / len(units)), rel=1e-5)
        assert all(numpy.isfinite(token._.surprisal) for token in doc)
        if len(doc) > 2:
            expected = sum(token._.surprisal for token in doc[1:3])
            assert doc[1:3]._.surprisal == pytest.approx(expected, rel=1e-5)
        if unit == "char":
            assert len(units) == len(text) + 1


def test_scores_follow_their_conventions() -> None:
    nlp = initialized("word", min_freq=2)
    examples = examples_of(nlp, [*TEXTS, "", "A zebra!"])
    scores = nlp.evaluate(examples)
    lm = nlp.get_pipe("rnn_lm")
    docs = list(nlp.pipe(example.text for example in examples))
    bits = sum(doc._.surprisal for doc in docs)
    n_tokens = sum(map(len, docs))
    n_chars = sum(len(doc.text) for doc in docs)
    unknown = [t.text for doc in docs for t in doc if t.text not in lm.vocabulary]
    assert "zebra" in unknown
    spelled = sum(map(lm.vocabulary.spelling.bits, unknown))
    assert scores["lm_perplexity"] == pytest.approx(2 ** (bits / (n_tokens + len(docs))))
    assert scores["lm_bits_per_token"] == pytest.approx(bits / n_tokens)
    assert scores["lm_bits_per_char"] == pytest.approx((bits + spelled) / n_chars)


def test_a_doc_is_scored_alike_alone_in_a_batch_and_in_other_processes() -> None:
    nlp = initialized("char")
    alone = [surprisals_of(nlp(text)) for text in TEXTS]
    piped = [surprisals_of(doc) for doc in nlp.pipe(TEXTS)]
    others = [surprisals_of(doc) for doc in nlp.pipe(TEXTS, n_process=2)]
    contexts = [(surprisals_of(d), c) for d, c in nlp.pipe(zip(TEXTS, "abcd"), as_tuples=True)]
    assert [context for _, context in contexts] == list("abcd")
    for found in (piped, others, [bits for bits, _ in contexts]):
        for one, expected in zip(found, alone):
            numpy.testing.assert_allclose(one, expected, atol=1e-5)


def test_surprisals_survive_serialization_and_not_other_tokens() -> None:
    nlp = initialized()
    doc = nlp(TEXTS[0])
    data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    twin = next(iter(DocBin().from_bytes(data).get_docs(nlp.vocab)))
    assert twin._.surprisal == doc._.surprisal
    assert twin[3]._.surprisal == doc[3]._.surprisal
    assert Doc(nlp.vocab).from_bytes(doc.to_bytes())._.perplexity == doc._.perplexity
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[:2])
    assert doc._.surprisal is None
    assert doc[0]._.surprisal is None
    assert nlp.make_doc("The cat")[0]._.surprisal is None
    with pytest.raises(ValueError, match="E063"):
        nlp.get_pipe("rnn_lm").score([Example(doc, doc)])


def losses_of_windows(nlp: Language, n_parts: int = 1, **settings: Any) -> List[float]:
    """The losses of all windows of the texts, in nats, without any learning."""
    lm = nlp.get_pipe("rnn_lm")
    found = []
    for batch in batch_by_stream(**settings)(examples_of(nlp, TEXTS)):
        lm.steps.take()
        for part in subdivide_batch(batch, n_parts):
            nlp.update(part, sgd=False)
        found.append(lm.steps.bits)
    return found


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("cell", ["lstm", "qrnn"])
def test_the_state_goes_on_from_window_to_window(unit: str, cell: str) -> None:
    """With a state that begins anew with each text, windows cost what whole texts do."""
    nlp = initialized(unit, cell=cell)
    expected = sum(doc._.surprisal for doc in nlp.pipe(TEXTS))
    for settings in ({"n_streams": 1, "bptt": 3}, {"n_streams": 2, "bptt": 5}):
        # Two streams may take text from each other only if it is long.
        found = losses_of_windows(nlp, reset=True, **settings)
        assert sum(found) == pytest.approx(expected, rel=1e-4)
    found = losses_of_windows(nlp, n_parts=2, reset=True, n_streams=2, bptt=5)
    assert sum(found) == pytest.approx(expected, rel=1e-4)


def test_without_a_reset_a_text_is_read_in_the_light_of_the_one_before() -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    joined = [END]
    for doc in map(nlp.make_doc, TEXTS):
        joined += [*lm.vocabulary.encode(doc).ids.tolist(), END]
    from spacy_rnn.models.reading import step

    read = numpy.asarray(joined, dtype="i")
    lengths, weights = numpy.asarray([len(read) - 1], dtype="i"), numpy.ones(len(read) - 1, "f")
    expected = step(lm.model, read[:-1], read[1:], lengths, None, weights).losses.sum()
    found = losses_of_windows(nlp, n_streams=1, bptt=4, reset=False)
    assert sum(found) * numpy.log(2.0) == pytest.approx(float(expected), rel=1e-4)


def test_states_are_not_saved_and_are_dropped_by_a_memory_zone() -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    before = nlp.to_bytes()
    losses_of_windows(nlp, n_streams=2, bptt=4)
    assert len(lm._streams) == 2
    assert nlp.to_bytes() == before
    assert len(pickle.loads(pickle.dumps(lm))._streams) == 0
    with nlp.memory_zone():
        nlp(TEXTS[0])
    assert len(lm._streams) == 0


def test_windows_of_another_run_begin_anew() -> None:
    nlp = initialized()
    first = losses_of_windows(nlp, n_streams=1, bptt=4)
    assert losses_of_windows(nlp, n_streams=1, bptt=4) == pytest.approx(first)


def test_a_broken_gradient_changes_nothing_and_is_counted() -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    optimizer = Adam(0.01)
    batches = list(batch_by_stream(n_streams=2, bptt=4)(examples_of(nlp, TEXTS)))
    nlp.update(batches[0], sgd=optimizer)
    output = lm.model.layers[2]
    weights = output.get_param("b").copy()
    output.get_param("b")[3] = numpy.nan
    nlp.update(batches[1], sgd=optimizer)
    assert lm.steps.n_skipped == 1
    assert numpy.isfinite(lm.steps.bits)
    assert len(lm._streams) == 0
    output.get_param("b")[3] = weights[3]
    numpy.testing.assert_array_equal(output.get_param("b"), weights)
    nlp.update(batches[2], sgd=optimizer)
    assert numpy.isfinite(output.get_param("b")).all()
    assert lm.steps.n_steps == 2


def test_the_learn_rate_is_scaled_by_the_length_of_jittered_windows() -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    scales = []

    class Spy(type(Adam(0.01))):  # type: ignore[misc]
        def prepare(self, model: Any, *, rate_scale: float = 1.0) -> bool:
            scales.append(rate_scale)
            return bool(super().prepare(model, rate_scale=rate_scale))

    optimizer = Adam(0.01)
    optimizer.__class__ = Spy
    settings = dict(n_streams=1, bptt=14, jitter=True, seed=3)
    for batch in batch_by_stream(**settings)(examples_of(nlp, TEXTS * 4)):
        nlp.update(batch, sgd=optimizer)
    assert len(set(scales)) > 1
    assert lm.steps.n_steps == len(scales)


@pytest.mark.parametrize("unit", UNITS)
def test_the_vocabulary_is_learned_given_or_grown(unit: str, tmp_path: Any) -> None:
    nlp = initialized(unit)
    lm = nlp.get_pipe("rnn_lm")
    other = blank(unit)
    other.config["initialize"]["components"]["rnn_lm"] = {"labels": lm.label_data}
    other.initialize(lambda: examples_of(other, ["Something else."]))
    assert other.get_pipe("rnn_lm").vocabulary.units == lm.vocabulary.units
    wrong = blank("char" if unit == "word" else "word")
    wrong.config["initialize"]["components"]["rnn_lm"] = {"labels": lm.label_data}
    with pytest.raises(ValueError, match="E065"):
        wrong.initialize(lambda: examples_of(wrong, TEXTS))


@pytest.mark.parametrize("softmax", [*SOFTMAXES, "narrow", "untied"])
def test_growing_keeps_what_was_learned(softmax: str) -> None:
    settings: Dict[str, Any] = {"softmax": SOFTMAXES.get(softmax)}
    if softmax == "narrow":
        settings["softmax"] = {**SOFTMAXES["adaptive"], "factor": 2.0}
    if softmax == "untied":
        settings["tied"] = False
    nlp = initialized(**settings)
    lm = nlp.get_pipe("rnn_lm")
    for _ in range(20):
        nlp.update(examples_of(nlp, TEXTS), sgd=Adam(0.01))
    before = [surprisals_of(nlp(text)) for text in TEXTS]
    zebra = nlp("A zebra sat.")[1]._.surprisal
    old = list(lm.vocabulary.units)
    assert lm.add_units(["zebra", "cat", "zebra", "gnu"]) == 2
    assert lm.vocabulary.units == [*old, "zebra", "gnu"]
    assert nlp("A zebra sat.")[1]._.surprisal > zebra
    for text, bits in zip(TEXTS, before):
        # The new words take a little of the probability.
        numpy.testing.assert_allclose(surprisals_of(nlp(text)), bits, atol=0.2)
    texts = ["A zebra sat on the mat.", "A gnu sat on the mat."]
    optimizer = Adam(0.02)
    for _ in range(60):
        nlp.update(examples_of(nlp, texts), sgd=optimizer)
    assert nlp("A zebra sat.")[1]._.surprisal < 2.0
    twin = blank(**settings).from_bytes(nlp.to_bytes())
    assert twin("A gnu sat.")._.surprisal == pytest.approx(nlp("A gnu sat.")._.surprisal)


def test_no_units_are_added_to_subwords_or_beyond_a_cutoff() -> None:
    with pytest.raises(ValueError, match="E070"):
        initialized("subword").get_pipe("rnn_lm").add_units(["zebra"])
    lm = initialized(softmax={**SOFTMAXES["adaptive"], "cutoffs": [8, 25]}).get_pipe("rnn_lm")
    with pytest.raises(ValueError, match="E064"):
        lm.add_units(f"w{i}" for i in range(40))


def test_special_symbols_cannot_be_written_by_a_text() -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    for text in ("</s>", "<unk>"):
        ids = lm.vocabulary.encode(Doc(nlp.vocab, words=[text])).ids
        assert ids.tolist() == [UNKNOWN]


def test_without_text_or_with_other_settings_the_errors_say_what_to_do(tmp_path: Any) -> None:
    nlp = blank()
    with pytest.raises(ValueError, match="E066"):
        nlp.initialize(lambda: examples_of(nlp, [""]))
    nlp = initialized()
    nlp.to_disk(tmp_path)
    others: Any = (
        {"width": 16},
        {"depth": 2},
        {"cell": "gru"},
        {"unit": "char"},
        {"tied": False},
    )
    for settings in others:
        with pytest.raises(ValueError, match=r"E019|E013|E018"):
            blank(**settings).from_disk(tmp_path)
    path = tmp_path / "rnn_lm" / "model"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="E018"):
        spacy.load(tmp_path)
    path.write_bytes(data[:-9] + b"\x00" * 9)
    with pytest.raises(ValueError, match="E018"):
        spacy.load(tmp_path)


def test_parts_of_a_batch_add_up_to_its_gradient() -> None:
    """As `accumulate_gradient` has it; whole texts and one of another length."""
    found = []
    for parts_of in ([slice(0, 4)], [slice(0, 1), slice(1, 4)], [slice(0, 3), slice(3, 4)]):
        nlp = initialized()
        lm = nlp.get_pipe("rnn_lm")
        norms = []

        class Spy(type(Adam(0.01))):  # type: ignore[misc]
            def prepare(self, model: Any, *, rate_scale: float = 1.0, norms: Any = norms) -> bool:
                norms.append(model.layers[2].get_grad("b").copy())
                return bool(super().prepare(model, rate_scale=rate_scale))

        optimizer = Adam(0.01)
        optimizer.__class__ = Spy
        examples = examples_of(nlp, TEXTS)
        for part in parts_of:
            nlp.update(examples[part], sgd=False)
        lm.finish_update(optimizer)
        found.append(norms[0])
    numpy.testing.assert_allclose(found[1], found[0], atol=1e-6)
    numpy.testing.assert_allclose(found[2], found[0], atol=1e-6)


def gradients_of_parts(parts_of: List[slice], **settings: float) -> Dict[str, Any]:
    """RETURNS (Dict[str, FloatsXd]): What all parts of a batch add up to before a step."""
    nlp = initialized(**settings)
    lm = nlp.get_pipe("rnn_lm")
    fix_random_seed(1)  # other weights than small ones, so that the terms are no rounding
    for node in lm.model.walk():
        for name in [name for name in node.param_names if node.has_param(name)]:
            W = node.get_param(name)
            node.set_param(name, W + numpy.random.normal(0.0, 0.5, W.shape).astype("f"))
    for part in parts_of:
        nlp.update(examples_of(nlp, TEXTS)[part], sgd=False)
    lm._units.finish(lm.model)
    return {
        f"{i}.{name}": node.get_grad(name).copy()
        for i, node in enumerate(lm.model.walk())
        for name in node.param_names
        if node.has_grad(name)
    }


@pytest.mark.parametrize("term", ["ar", "tar"])
def test_activation_regularization_counts_by_the_units_of_each_part(term: str) -> None:
    whole, first, rest = slice(0, 4), slice(0, 1), slice(1, 4)
    for order in ([first, rest], [rest, first]):
        plain, found = (gradients_of_parts(order, **{term: value}) for value in (0.0, 3.0))
        sizes = []
        terms = []
        for part in order:
            alone = gradients_of_parts([part], **{term: 3.0})
            without = gradients_of_parts([part])
            terms.append({key: value - without[key] for key, value in alone.items()})
            sizes.append(sum(len(doc) + 1 for doc in map(spacy.blank("en"), TEXTS[part])))
        for key, value in found.items():
            mean = sum(n * of[key] for n, of in zip(sizes, terms)) / sum(sizes)
            numpy.testing.assert_allclose(value - plain[key], mean, atol=1e-5)
            if term == "ar":  # the mean over all rows, however they are parted
                at_once = gradients_of_parts([whole], ar=3.0)[key]
                numpy.testing.assert_allclose(value, at_once, atol=1e-5)
    assert max(numpy.abs(terms[0][key] - terms[1][key]).max() for key in terms[0]) > 1e-3


def test_other_weights_are_used_at_once() -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    before = lm.next_tokens("The cat")
    key = (lm.model.layers[2].id, "b")
    changed = lm.model.layers[2].get_param("b").copy()
    changed[lm.vocabulary.number("mat")] += 5.0
    with nlp.use_params({key: changed}):
        assert lm.next_tokens("The cat")[0][0] == "mat"
    assert lm.next_tokens("The cat") == before


def test_a_model_without_weights_says_what_to_do() -> None:
    nlp = blank()
    lm = nlp.get_pipe("rnn_lm")
    for use in (
        lambda: nlp("a"),
        lambda: lm.generate("a"),
        lambda: lm.next_tokens("a"),
        lambda: lm.add_units(["a"]),
        lambda: nlp.update(examples_of(nlp, ["a"])),
    ):
        with pytest.raises(ValueError, match="E073"):
            use()


def test_extensions_of_others_are_left_alone_and_told() -> None:
    spacy.blank("en")
    registered = Span.get_extension("surprisal")
    Span.remove_extension("surprisal")
    Span.set_extension("surprisal", default="mine")
    try:
        with pytest.warns(UserWarning, match="W060"):
            blank()
        assert Span.get_extension("surprisal")[0] == "mine"
    finally:
        Span.remove_extension("surprisal")
        Span.set_extension("surprisal", getter=registered[2])


def test_two_language_models_score_what_they_read_themselves() -> None:
    nlp = initialized("char")
    other = initialized("word")
    nlp.add_pipe("rnn_lm", name="words", config={"model": {"width": 32}})
    words = nlp.get_pipe("words")
    words.from_bytes(other.get_pipe("rnn_lm").to_bytes())
    examples = examples_of(nlp, TEXTS)
    for example in examples:
        nlp_doc = nlp(example.predicted)
        assert nlp_doc.user_data["spacy_rnn.component"] == "words"
    chars = nlp.get_pipe("rnn_lm").score(examples)
    alone = initialized("char").evaluate(examples_of(nlp, TEXTS))
    assert chars["lm_perplexity"] == pytest.approx(alone["lm_perplexity"], rel=1e-4)
    expected = other.evaluate(examples_of(other, TEXTS))
    assert words.score(examples)["lm_perplexity"] == pytest.approx(expected["lm_perplexity"])


def test_the_tokenizer_is_the_one_that_the_pipeline_has() -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    assert [token.text for token in lm.generate("don't", max_length=1)[0]][:2] == ["do", "n't"]
    nlp.tokenizer = Tokenizer(nlp.vocab)
    assert lm.generate("don't", max_length=1)[0][0].text.startswith("don't")


def test_a_vocabulary_of_a_sample_is_warned_of() -> None:
    nlp = blank()
    nlp.config["training"]["max_epochs"] = -1
    with pytest.warns(UserWarning, match="W061"):
        nlp.initialize(lambda: examples_of(nlp, TEXTS * 3))


def test_labels_set_the_initial_state_and_learn() -> None:
    nlp = blank(condition="cats")
    pairs = [("good", "What a lovely film."), ("bad", "What a dull film.")]
    examples = examples_of(nlp, [text for _, text in pairs])
    for example, (label, _) in zip(examples, pairs):
        for doc in (example.reference, example.predicted):
            doc.cats = {label: 1.0}
    nlp.config["initialize"]["components"]["rnn_lm"] = {"min_freq": 1}
    nlp.initialize(lambda: examples)
    lm = nlp.get_pipe("rnn_lm")
    assert lm.model.attrs["labels"] == ["bad", "good"]
    for batches in ([examples], batch_by_stream(n_streams=2, bptt=3)):
        optimizer = Adam(0.03)
        for _ in range(40):
            for batch in batches(examples) if callable(batches) else batches:
                nlp.update(batch, sgd=optimizer)
        for label, word in (("good", "lovely"), ("bad", "dull")):
            doc = lm.generate("What a", cats={label: 1.0}, temperature=0.0, max_length=3)[0]
            assert doc[2].text == word
        doc = nlp.make_doc("What a dull film.")
        doc.cats = {"bad": 1.0}
        right = nlp(doc)._.surprisal
        other = nlp.make_doc("What a dull film.")
        other.cats = {"good": 1.0}
        assert right + 2 < nlp(other)._.surprisal
    with pytest.raises(ValueError, match="E068"):
        lm.generate(cats={"ugly": 1.0})
    with pytest.raises(ValueError, match="E072"):
        lm.generate(vector=[1.0])


def test_a_vector_sets_the_initial_state() -> None:
    nlp = blank("char", condition="vector")
    names = ["zero", "one", "two"]
    examples = examples_of(nlp, names)
    for i, example in enumerate(examples):
        for doc in (example.reference, example.predicted):
            doc.user_data["spacy_rnn.vector"] = numpy.eye(3, dtype="f")[i]
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02)
    for _ in range(120):
        nlp.update(examples, sgd=optimizer)
    lm = nlp.get_pipe("rnn_lm")
    assert nlp.evaluate(examples)["lm_perplexity"] < 1.5
    assert nlp("zero")._.surprisal > 0
    assert lm.next_tokens("", 1, vector=[0, 1, 0])[0][0] == "o"
    assert lm.next_tokens("", 1, vector=[1, 0, 0])[0][0] == "z"
    wrong = nlp.make_doc("zero")
    for vector in ([1.0], [1.0, numpy.nan, 0.0], "abc", [[1], [2, 3]]):
        wrong.user_data["spacy_rnn.vector"] = vector
        with pytest.raises(ValueError, match="E011"):
            nlp(wrong)
    with pytest.raises(ValueError, match=r"E011.*finite"):
        lm.generate(vector=[numpy.inf, 0, 0])
    for i, name in enumerate(names):
        assert lm.generate(vector=numpy.eye(3)[i], temperature=0.0)[0].text == name
    with pytest.raises(ValueError, match="E071"):
        nlp.update(next(iter(batch_by_stream()(examples))))
    plain = blank("char", condition="vector")
    with pytest.raises(ValueError, match="E069"):
        plain.initialize(lambda: examples_of(plain, TEXTS))


def test_rows_follow_their_strings_into_another_order() -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    before = [surprisals_of(nlp(text)) for text in TEXTS]
    old = lm.vocabulary
    shuffled = Vocabulary("word", [*old.units[::-1]])
    remap_rows(lm.model, old, shuffled)
    set_vocabulary(lm.model, shuffled)
    assert [shuffled.number(unit) for unit in old.units] != list(range(2, len(old)))
    for text, bits in zip(TEXTS, before):
        numpy.testing.assert_allclose(surprisals_of(nlp(text)), bits, atol=1e-5)


def test_scores_of_a_model_with_labels_take_them_from_the_references() -> None:
    nlp = blank(condition="cats")
    examples = examples_of(nlp, ["What a lovely film.", "What a dull film."])
    for example, label in zip(examples, ("good", "bad")):
        example.reference.cats = {label: 1.0}
    nlp.config["initialize"]["components"]["rnn_lm"] = {"min_freq": 1}
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.03)
    for _ in range(50):
        nlp.update(examples, sgd=optimizer)
    scores = nlp.evaluate(examples)
    assert scores["lm_perplexity"] < 1.1


def conditional(kind: str, width: int) -> Any:
    """RETURNS (Tuple[Language, Callable[[int], List[Example]]]): A pipeline that depends on so many
    labels, or on vectors of such a width, and what makes examples with others."""
    nlp = blank("char", condition=kind)
    nlp.config["initialize"]["components"]["rnn_lm"] = {"min_freq": 1}

    def examples(width: int) -> List[Example]:
        found = examples_of(nlp, TEXTS)
        for example in found:
            example.reference.cats = {label: float(label == "A") for label in "ABCDE"[:width]}
            example.reference.user_data[VECTOR] = numpy.ones(width, dtype="f")
        return found

    nlp.initialize(lambda: examples(width))
    return nlp, examples


@pytest.mark.parametrize("kind", ["cats", "vector"])
def test_a_conditional_model_is_initialized_again_with_another_width(kind: str) -> None:
    nlp, examples = conditional(kind, 2)
    lm = nlp.get_pipe("rnn_lm")
    nlp.update(examples(2), sgd=Adam(0.01))
    for width in (3, 1, 2):
        optimizer = nlp.initialize(lambda width=width: examples(width))
        start = lm.model.layers[3]
        assert start.get_dim("nI") == width
        assert len(lm.model.attrs["labels"]) == (width if kind == "cats" else 0)
        for _ in range(2):
            nlp.update(examples(width), sgd=optimizer)
        assert start.get_param("W").shape[1] == width
        assert numpy.abs(start.get_param("W")).max() > 0.0
        assert numpy.isfinite(nlp.evaluate(examples(width))["lm_perplexity"])


@pytest.mark.parametrize("kind", ["cats", "vector"])
def test_a_conditional_model_is_loaded_over_one_of_another_width(kind: str, tmp_path: Any) -> None:
    (two, of_two), (three, of_three) = conditional(kind, 2), conditional(kind, 3)
    assert two.config["components"] == three.config["components"]
    optimizer = Adam(0.02)
    for _ in range(3):
        three.update(of_three(3), sgd=optimizer)
    two.update(of_two(2), sgd=False)  # gradients of the other shape
    expected = three.evaluate(of_three(3))["lm_perplexity"]
    three.to_disk(tmp_path)
    for nlp in (two.from_bytes(three.to_bytes()), conditional(kind, 2)[0].from_disk(tmp_path)):
        assert nlp.evaluate(of_three(3))["lm_perplexity"] == pytest.approx(expected)
        assert nlp.get_pipe("rnn_lm").model.attrs["labels"] == list("ABC" if kind == "cats" else "")
        nlp.update(of_three(3), sgd=Adam(0.01))
    # The kind of the condition is the config's.
    other = conditional("vector" if kind == "cats" else "cats", 3)[0]
    with pytest.raises(ValueError, match="E019"):
        other.from_bytes(three.to_bytes())


def test_a_model_that_misses_its_condition_stays_as_it_was() -> None:
    nlp, _ = conditional("cats", 2)
    lm = nlp.get_pipe("rnn_lm")
    before = nlp("The cat")._.surprisal
    with pytest.raises(ValueError, match="E021"):
        nlp.initialize(lambda: examples_of(nlp, ["xyz"]))
    assert "x" not in lm.vocabulary
    assert nlp("The cat")._.surprisal == before


@pytest.mark.parametrize("is_old", [False, True])
def test_what_training_is_to_do_is_by_the_config_and_not_by_the_weights(
    is_old: bool, tmp_path: Any
) -> None:
    saved = {"ar": 2.0, "tar": 1.0, "softmax": SOFTMAXES["sampled"]}
    nlp = initialized(**saved)
    model = nlp.get_pipe("rnn_lm").model
    if is_old:  # as pipelines of before had them
        model.attrs.update(ar=2.0, tar=1.0)
        model.layers[2].attrs["n_samples"] = 12
    expected = nlp("The cat")._.surprisal
    nlp.to_disk(tmp_path)
    for settings, n_samples in [({"ar": 0.0, "tar": 0.5}, 5), ({}, 12)]:
        changed = {**settings, "softmax": {"n_samples": n_samples}}
        config = {"components": {"rnn_lm": {"model": changed}}}
        other = spacy.load(tmp_path, config=config)
        model = other.get_pipe("rnn_lm").model
        for _ in range(2):  # also when it is saved once more
            assert model.attrs["ar"] == settings.get("ar", 2.0)
            assert model.attrs["tar"] == settings.get("tar", 1.0)
            assert isinstance(model.attrs["ar"], float)
            assert model.layers[2].attrs["n_samples"] == n_samples
            assert other("The cat")._.surprisal == pytest.approx(expected)
            model = model.copy()
        other.update(examples_of(other, TEXTS), sgd=Adam(0.01))
        other.to_disk(tmp_path / "again")
        model = spacy.load(tmp_path / "again").get_pipe("rnn_lm").model
        assert model.attrs["ar"] == settings.get("ar", 2.0)
        assert model.layers[2].attrs["n_samples"] == n_samples


@pytest.mark.parametrize("drop", [50, 1.5, -0.5, float("nan"), "0.5", None])
def test_a_dropout_rate_out_of_range_is_told_before_anything_is_learned(drop: Any) -> None:
    nlp = initialized()
    before = nlp.to_bytes()
    with pytest.raises(ValueError, match=r"spacy-rnn E011.*drop.*from 0 to 1"):
        nlp.update(examples_of(nlp, TEXTS), drop=drop, sgd=Adam(0.01))
    assert nlp.to_bytes() == before


def test_all_may_be_dropped() -> None:
    nlp = initialized(embed_dropout=0.1, weight_dropout=0.1)
    losses: Dict[str, float] = {}
    lm = nlp.get_pipe("rnn_lm")
    nlp.update(examples_of(nlp, TEXTS), drop=1.0, sgd=False, losses=losses)
    # Nothing is told apart but by the bias, which is zero.
    assert losses["rnn_lm"] == pytest.approx(numpy.log(len(lm.vocabulary)), rel=1e-5)
    nlp.update(examples_of(nlp, TEXTS), drop=1.0, sgd=Adam(0.01))
    assert numpy.isfinite(nlp("The cat")._.surprisal)


@pytest.mark.parametrize("way", ["initialize", "from_bytes", "from_disk", "add_units"])
def test_an_update_that_was_not_finished_is_forgotten_with_its_weights(
    way: str, tmp_path: Any
) -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    saved = nlp.to_bytes()
    nlp.to_disk(tmp_path)
    twin = initialized()
    for one in (nlp, twin):
        if one is nlp:
            one.update(examples_of(nlp, TEXTS * 5), sgd=False)
        fix_random_seed(3)
        if way == "initialize":
            one.initialize(lambda one=one: examples_of(one, TEXTS))
        elif way == "add_units":
            assert one.get_pipe("rnn_lm").add_units(["zebra"]) == 1
        else:
            getattr(one, way)(saved if way == "from_bytes" else tmp_path)
        one.update(examples_of(one, TEXTS[:1]), sgd=False)
        one.get_pipe("rnn_lm")._units.finish(one.get_pipe("rnn_lm").model)
    for node, other in zip(lm.model.walk(), twin.get_pipe("rnn_lm").model.walk()):
        for name in [name for name in node.param_names if node.has_grad(name)]:
            numpy.testing.assert_allclose(node.get_grad(name), other.get_grad(name), atol=1e-6)


def test_an_update_goes_on_where_only_what_was_read_is_forgotten() -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    with nlp.memory_zone():
        nlp.update(examples_of(nlp, TEXTS), sgd=False)
    assert lm.add_units(["cat"]) == 0
    assert lm._units.n_seen == sum(len(nlp.make_doc(text)) + 1 for text in TEXTS)


def test_a_norm_that_is_added_is_the_one_that_the_tokenizer_gives() -> None:
    nlp = initialized(attr="NORM")
    lm = nlp.get_pipe("rnn_lm")
    assert nlp.make_doc("'bout")[0].norm_ == "about" != nlp.vocab["'bout"].norm_
    assert lm.add_units(["'bout", "about", "Jan.", "New York"]) == 3
    assert lm.vocabulary.units[-3:] == ["about", "January", "new york"]
    assert lm.vocabulary.encode(nlp.make_doc("'bout Jan.")).ids.tolist() == [
        len(lm.vocabulary) - 3,
        len(lm.vocabulary) - 2,
    ]
    for wrong in ([""], [None], ["a", "\ud800"], "abc", 5):
        with pytest.raises(ValueError, match="E011"):
            lm.add_units(wrong)


def test_weights_of_clusters_that_are_there_no_more_are_left_out() -> None:
    softmax = {**SOFTMAXES["adaptive"], "cutoffs": [5, 9, 40], "factor": 2.0}
    nlp = blank("char", softmax=softmax)
    lm = nlp.get_pipe("rnn_lm")
    many = ["".join(map(chr, range(0x4E00, 0x4E00 + 60)))]
    few = ["abcabcde"]
    for texts in (many, few, many, few):
        optimizer = nlp.initialize(lambda texts=texts: examples_of(nlp, texts))
        output = lm.model.layers[2]
        found = {name for name in output.param_names if output.has_param(name)}
        expected = {"b", "C", "c", "P1", "W1"}
        assert found == (expected | {"P2", "W2", "P3", "W3"} if texts is many else expected)
        for _ in range(2):
            nlp.update(examples_of(nlp, texts), sgd=optimizer)
    fresh = blank("char", softmax=softmax)
    fresh.initialize(lambda: examples_of(fresh, few))
    assert lm.info()["parameters"] == fresh.get_pipe("rnn_lm").info()["parameters"]
    # Also where a smaller model is loaded over a larger one.
    large = blank("char", softmax=softmax)
    optimizer = large.initialize(lambda: examples_of(large, many))
    large.update(examples_of(large, many), sgd=optimizer)
    large.from_bytes(nlp.to_bytes())
    assert large(few[0])._.surprisal == pytest.approx(nlp(few[0])._.surprisal)
    large.update(examples_of(large, few), sgd=Adam(0.01))
    assert not large.get_pipe("rnn_lm").model.layers[2].has_param("P3")


def test_a_vocabulary_that_is_none_is_told() -> None:
    nlp = initialized()
    for labels in (["a"], "a", 5):
        with pytest.raises(ValueError, match="E060"):
            nlp.get_pipe("rnn_lm").initialize(lambda: examples_of(nlp, TEXTS), labels=labels)


def test_weights_that_are_no_numbers_are_told_where_they_are_used() -> None:
    nlp = initialized()
    lm = nlp.get_pipe("rnn_lm")
    optimizer = Adam(0.01)
    lm.model.layers[2].get_param("b")[:] = numpy.nan
    doc = nlp("The cat")
    assert numpy.isnan(doc._.surprisal)
    assert numpy.isnan(doc._.perplexity)
    assert numpy.isnan(perplexity(float("nan"), 5))
    assert perplexity(1e9, 5) == numpy.inf
    # A training goes on to tell of it, and no score is better than another one.
    scores = nlp.evaluate(examples_of(nlp, TEXTS))
    assert (scores["lm_perplexity"], scores["lm_score"]) == (numpy.inf, 0.0)
    nlp.update(examples_of(nlp, TEXTS), sgd=optimizer)
    assert lm.steps.n_skipped == 1
    nlp.rename_pipe("rnn_lm", "mine")
    for write in (
        lambda: lm.generate("The cat", seed=0),
        lambda: lm.generate("The cat", temperature=0.0),
        lambda: lm.generate("The cat", beam_width=3),
        lambda: list(lm.stream("The cat", seed=0)),
        lambda: lm.next_tokens("The cat"),
        lambda: lm.alternatives(nlp.make_doc("The cat")),
    ):
        with pytest.raises(ValueError, match=r"spacy-rnn E177.*'mine'.*'The cat'"):
            write()
