"""Words by their characters, and phrases by convolutions, under the components of spaCy."""

from typing import Any, Dict, List, Optional

import pytest
import spacy
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Adam, Config

CHAR_EMBED = {
    "@architectures": "spacy-rnn.CharEmbed.v1",
    "width": 16,
    "cell": "gru",
    "char_width": 8,
    "hidden_width": 16,
}
ENCODERS = {
    "recurrent": {"@architectures": "spacy-rnn.RNNEncoder.v1", "cell": "lstm", "depth": 1},
    "forward": {
        "@architectures": "spacy-rnn.ConvRNNEncoder.v1",
        "cell": "mingru",
        "window_size": 1,
        "conv_depth": 1,
        "depth": 1,
        "bidirectional": False,
    },
    "both": {
        "@architectures": "spacy-rnn.ConvRNNEncoder.v1",
        "cell": "lstm",
        "window_size": 1,
        "conv_depth": 2,
        "depth": 1,
    },
}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16}
TEXTS = ["I like London", "", "She saw Paris", "He hates Rome , really", "You like Oslo"]
STEMS = ["walk", "jump", "talk", "look", "play", "cook", "paint", "clean", "open", "count", "pick"]
SUFFIXES = {"ed": "PAST", "ing": "ING", "er": "WHO", "s": "PRESENT"}


def tok2vec(encoder: str) -> Dict[str, Any]:
    encode = {**ENCODERS[encoder], "width": 16}
    return {"@architectures": "spacy.Tok2Vec.v2", "embed": CHAR_EMBED, "encode": encode}


def examples(nlp: Language) -> List[Example]:
    """The third word of each text is a place; texts that like it are good."""
    found = []
    for text in TEXTS:
        words = text.split()
        tags = ["PLACE" if i == 2 else "X" for i in range(len(words))]
        cats = {"GOOD": float("like" in words), "BAD": float("like" not in words)}
        entities = ["U-CITY" if tag == "PLACE" else "O" for tag in tags]
        annotations = {"tags": tags, "cats": cats, "entities": entities}
        found.append(Example.from_dict(Doc(nlp.vocab, words=words), annotations))
    return found


def pipeline(encoder: str, textcat: str) -> Language:
    """A tagger, an entity recognizer and a classifier, which listen to one tok2vec."""
    classifier = {"@architectures": "spacy-rnn.TextCatRNN.v1", "exclusive_classes": True}
    parser = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 16,
        "maxout_pieces": 2,
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": tok2vec(encoder)})
    models = {
        "tagger": {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER},
        "ner": {**parser, "tok2vec": LISTENER},
        textcat: {**classifier, "tok2vec": LISTENER},
    }
    for factory, model in models.items():
        nlp.add_pipe(factory, config={"model": model})
    return nlp


def check_learned(nlp: Language, expected: Optional[List[Any]] = None) -> List[Any]:
    """RETURNS (List[Any]): The scores of the classifier."""
    scores = []
    for eg in examples(nlp):
        doc = nlp(eg.x.copy())
        assert [t.tag_ for t in doc] == [t.tag_ for t in eg.y]
        assert [(e.text, e.label_) for e in doc.ents] == [(e.text, e.label_) for e in eg.y.ents]
        if len(doc):  # spaCy's classifier scores nothing without tokens
            assert (doc.cats["GOOD"] > 0.5) == bool(eg.y.cats["GOOD"])
        scores.append(doc.cats)
    for found, before in zip(scores, expected or scores):
        assert found == pytest.approx(before, abs=1e-5)
    return scores


def clone(nlp: Language) -> Language:
    return spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())


@pytest.mark.parametrize(
    ("encoder", "textcat"),
    [
        ("both", "rnn_textcat"),
        ("both", "textcat"),
        ("forward", "textcat"),
        ("recurrent", "textcat"),
    ],
)
def test_components_learn_over_a_shared_one_and_keep_what_they_learned(encoder, textcat):
    nlp = pipeline(encoder, textcat)
    optimizer = nlp.initialize(lambda: examples(nlp), sgd=Adam(0.01))
    for _ in range(50):
        nlp.update(examples(nlp), sgd=optimizer)
    expected = check_learned(nlp)
    check_learned(clone(nlp), expected)
    shared = nlp.get_pipe("tok2vec").model
    before = shared.to_bytes()
    for name in ("tagger", "ner", textcat):
        nlp.replace_listeners("tok2vec", name, ["model.tok2vec"])
    assert nlp.get_pipe("tok2vec").listening_components == []
    check_learned(nlp, expected)
    check_learned(clone(nlp), expected)
    nlp.update(examples(nlp), sgd=Adam(0.01), exclude=["tok2vec"])
    assert shared.to_bytes() == before, "copies share a parameter with it"


def words_docs(nlp: Language, stems: List[str]) -> List[Doc]:
    """Texts of three words, each tagged by its ending."""
    docs = []
    for i in range(4 * len(stems)):
        words, tags = [], []
        for step in (1, 3, 5):
            suffix = list(SUFFIXES)[(i + step * (i // 4)) % 4]
            words.append(stems[(i * step) % len(stems)] + suffix)
            tags.append(SUFFIXES[suffix])
        docs.append(Doc(nlp.vocab, words=words, tags=tags))
    return docs


@pytest.mark.parametrize("encoder", ["recurrent", "both"])
def test_spacy_train_learns_the_tags_of_words_by_their_endings(encoder, tmp_path, capsys):
    nlp = spacy.blank("en")
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec(encoder)}
    nlp.add_pipe("tagger", config={"model": model})
    config = Config(nlp.config)
    for name, stems in (("train", STEMS[:8]), ("dev", STEMS[8:])):
        DocBin(docs=words_docs(nlp, stems)).to_disk(tmp_path / f"{name}.spacy")
        config["paths"][name] = str(tmp_path / f"{name}.spacy")
    config["training"].update(max_steps=60, eval_frequency=20, dropout=0.1)
    config["training"]["optimizer"]["learn_rate"] = 0.01
    config["training"]["batcher"]["size"] = 20
    config.to_disk(tmp_path / "config.cfg")
    train(tmp_path / "config.cfg", tmp_path / "output")
    capsys.readouterr()
    trained = spacy.load(tmp_path / "output" / "model-best")
    gold = words_docs(trained, STEMS[8:])
    unknown = {token.text for doc in gold for token in doc}
    assert not unknown & {token.text for doc in words_docs(nlp, STEMS[:8]) for token in doc}
    scores = trained.evaluate([Example(trained.make_doc(doc.text), doc) for doc in gold])
    assert scores["tag_acc"] > 0.95
