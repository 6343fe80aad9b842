"""The taggers that are compared: their configs, and how they are scored."""

from pathlib import Path
from time import perf_counter
from typing import Any, Dict, NamedTuple, Optional

import spacy
from spacy.cli.init_config import init_config
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import load_config
from thinc.api import Config

CONFIG = Path(__file__).parents[1] / "configs" / "tagger_rnn.cfg"
# What `spacy pretrain` has made of the config.
PRETRAINED = Path("training/porttinari/pretrain/model-last.bin")
PIPELINE = ["tagger", "morphologizer", "ner"]
PARTS = ("train", "dev", "test")
# What is shown, of what spaCy's scorer finds.
SCORES = {"pos_acc": "UPOS", "morph_acc": "morphology", "ents_f": "names, F1"}
N_WARM_UP = 16


class System(NamedTuple):
    """Something that is trained.

    about (str): What it is, for tables.
    encode (Optional[Dict[str, Any]]): The settings of the encoder that differ from those of the
        config; of one of spaCy's, which takes others, all but the width. None for what `spacy init
        config` recommends, with all of its settings, at the width of the config.
    pretrained (bool): Whether it begins with the weights of PRETRAINED.
    """

    about: str
    encode: Optional[Dict[str, Any]]
    pretrained: bool = False


CNN = {
    "@architectures": "spacy.MaxoutWindowEncoder.v2",
    "depth": 4,
    "window_size": 1,
    "maxout_pieces": 3,
}
CONV = {"@architectures": "spacy-rnn.ConvRNNEncoder.v1", "window_size": 1, "conv_depth": 1}
SYSTEMS = {
    "spacy": System("spaCy's, by `spacy init config`", None),
    "cnn": System("`MaxoutWindowEncoder`", CNN),
    "lstm": System("`RNNEncoder`, LSTM", {}),
    "pretrained": System("`RNNEncoder`, LSTM, pretrained", {}, pretrained=True),
    "gru": System("`RNNEncoder`, GRU", {"cell": "gru"}),
    "qrnn": System("`RNNEncoder`, QRNN", {"cell": "qrnn", "recurrent_dropout": 0.0}),
    "mingru": System("`RNNEncoder`, MinGRU", {"cell": "mingru", "recurrent_dropout": 0.0}),
    "conv-lstm": System("`ConvRNNEncoder`, LSTM", CONV),
}


def make_config(name: str, max_steps: int = 0) -> Config:
    """
    name (str): A key of SYSTEMS.
    max_steps (int): So many updates at most, to see that all works; 0 for the budget.
    RETURNS (Config): What is trained, not interpolated. It writes figures as JSON lines, and has
        the budget of the config of this package in epochs.
    """
    ours = load_config(CONFIG)
    encode = SYSTEMS[name].encode
    if encode is None:
        width = ours["components"]["tok2vec"]["model"]["encode"]["width"]
        config = init_config(lang=ours["nlp"]["lang"], pipeline=PIPELINE)
        config["components"]["tok2vec"]["model"]["encode"]["width"] = width
        config["training"]["max_epochs"] = ours["training"]["max_epochs"]
        config["training"]["max_steps"] = 0
        config["training"]["patience"] = 0
        # It writes what it finds, which spaCy's of that config does not.
        config["training"]["logger"] = ours["training"]["logger"]
    else:
        config = ours
        tok2vec = config["components"]["tok2vec"]["model"]
        kept = tok2vec["encode"]
        if encode.get("@architectures", "").startswith("spacy."):
            kept = {"width": kept["width"]}
        tok2vec["encode"] = {**kept, **encode}
    if SYSTEMS[name].pretrained:
        config["paths"]["init_tok2vec"] = str(PRETRAINED)
    if max_steps:
        config["training"]["max_steps"] = max_steps
        config["training"]["eval_frequency"] = min(max_steps, config["training"]["eval_frequency"])
    return config


def score(model: Path, part: Path) -> Dict[str, float]:
    """
    model (Path): Folder of a pipeline.
    part (Path): A .spacy file.
    RETURNS (Dict[str, float]): The scores of SCORES, those behind them, and "words_per_second" of
        one run of `nlp.pipe` over the texts, their tokenization included.
    """
    nlp = spacy.load(model)
    truths = list(DocBin().from_disk(part).get_docs(nlp.vocab))
    texts = [doc.text for doc in truths]
    # Kernels are loaded in the first call.
    list(nlp.pipe(texts[:N_WARM_UP]))
    start = perf_counter()
    n_words = sum(len(doc) for doc in nlp.pipe(texts))
    seconds = perf_counter() - start
    scores = nlp.evaluate([Example(nlp.make_doc(doc.text), doc) for doc in truths])
    kept = [*SCORES, "tag_acc", "morph_micro_f", "ents_p", "ents_r", "token_f"]
    return {**{key: scores[key] for key in kept}, "words_per_second": n_words / seconds}
