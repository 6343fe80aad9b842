"""The tagger of configs/tagger_rnn.cfg, trained on forty sentences of its treebank."""

from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
import spacy
import treebank
from datalib.treebank import mark_names, parse_conllu
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config
from thinc.api import fix_random_seed

ROOT = Path(__file__).parents[2]
# Of the training part, CC BY 4.0: see the README beside it.
CUT = Path(__file__).parent / "cuts" / "porttinari.conllu"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The forty sentences as train.spacy."""
    folder = tmp_path_factory.mktemp("porttinari")
    sentences = [mark_names(each) for each in parse_conllu(CUT.read_text("utf8"))]
    facts = treebank.convert_parts({"train": sentences}, folder)
    assert facts["train"]["sentences"] == 40
    return folder / "train.spacy"


@pytest.fixture(scope="module")
def trained(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A pipeline that has learned them by heart."""
    fix_random_seed(0)
    overrides: Dict[str, Any] = {
        "paths.train": str(corpus),
        "paths.dev": str(corpus),
        "components.tok2vec.model.encode.width": 48,
        "training.dropout": 0.0,
        "training.max_epochs": 0,
        "training.max_steps": 100,
        "training.eval_frequency": 50,
        "training.optimizer.learn_rate.initial_rate": 0.01,
        "training.optimizer.learn_rate.total_steps": 100,
        "training.logger.console_output": False,
    }
    nlp = init_nlp(load_config(ROOT / "configs" / "tagger_rnn.cfg", overrides=overrides))
    folder = tmp_path_factory.mktemp("trained")
    train(nlp, folder)
    return folder / "model-last"


def texts_of(corpus: Path, nlp: Language) -> List[str]:
    return [doc.text for doc in DocBin().from_disk(corpus).get_docs(nlp.vocab)]


def written(doc: Doc) -> List[Any]:
    tokens = [(t.text, t.tag_, t.pos_, str(t.morph)) for t in doc]
    return [*tokens, [(ent.start, ent.end, ent.label_) for ent in doc.ents]]


@pytest.mark.slow
def test_all_components_learn_from_one_encoder(trained: Path, corpus: Path) -> None:
    nlp = spacy.load(trained)
    assert nlp.pipe_names == ["tok2vec", "tagger", "morphologizer", "ner"]
    assert len(nlp.get_pipe("tok2vec").listeners) == 3
    golds = list(DocBin().from_disk(corpus).get_docs(nlp.vocab))
    examples = [spacy.training.Example(nlp.make_doc(gold.text), gold) for gold in golds]
    scores = nlp.evaluate(examples)
    for key in ("tag_acc", "pos_acc", "morph_acc", "ents_f"):
        assert scores[key] > 0.95, (key, scores[key])
    doc = next(doc for doc in nlp.pipe(texts_of(corpus, nlp)) if "Stephen King" in doc.text)
    assert any(t.tag_ == "ADP_DET" and t.pos_ == "ADP" for t in doc)
    assert ("Stephen King", "NAME") in [(ent.text, ent.label_) for ent in doc.ents]


def test_it_says_the_same_after_a_round_trip_and_in_any_batch(
    trained: Path, corpus: Path, tmp_path: Path
) -> None:
    nlp = spacy.load(trained)
    texts = [*texts_of(corpus, nlp), ""]
    expected = [written(doc) for doc in nlp.pipe(texts)]
    assert [written(nlp(text)) for text in texts] == expected
    nlp.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again")
    assert [written(doc) for doc in again.pipe(texts)] == expected
    blank = spacy.util.load_model_from_config(nlp.config, auto_fill=False)
    assert [written(doc) for doc in blank.from_bytes(nlp.to_bytes()).pipe(texts)] == expected
