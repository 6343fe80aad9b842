"""The systems of the comparison by accuracy: what each is, and the config that it is trained with.

To add one, add an entry to SYSTEMS.
"""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

import spacy
from spacy.util import registry
from thinc.api import Config

from .accuracy_sets import DataSet, budget_of, lengths_of

CONFIGS = Path(__file__).parents[1] / "configs"
COMPONENT = "textcat"
EMBED = f"components.{COMPONENT}.model.tok2vec.embed"
ENCODE = f"components.{COMPONENT}.model.tok2vec.encode"
PEER, SCRATCH, VECTORS, TRANSFER = "peer", "from scratch", "with vectors", "with transfer"
TFIDF, SPACY, DEFAULT = "tfidf", "textcat", "rnn_textcat"
WITH_VECTORS, WITH_TRANSFER = "rnn_textcat-vectors", "rnn_textcat-transfer"
WITH_LATENT, WITH_ADVERSARY = "rnn_textcat-latent", "rnn_textcat-adversarial"
# Among the overrides of a system: the files of texts without labels.
RAW = "{raw}"
OURS, THEIRS = "textcat_lstm.cfg", "textcat_spacy.cfg"

# The language models are trained on the texts of the data set, or on texts of its kind.
LANGUAGE_MODELS = (
    "training/lm_{set}_forward/model-best",
    "training/lm_{set}_backward/model-best",
)
FINE_TUNING: Dict[str, Any] = {
    "paths.lm_forward": LANGUAGE_MODELS[0],
    "paths.lm_backward": LANGUAGE_MODELS[1],
    "training.optimizer.learn_rate.total_steps": "{steps}",
    # The budgets of few labels are 160 updates.
    "training.before_update.every": 30,
}


class System(NamedTuple):
    """Something that learns to classify texts.

    about (str): What it is.
    group (str): PEER for what users would pick instead; SCRATCH, VECTORS or TRANSFER.
    config (str): File in configs/; "" if it is not trained by spaCy.
    factory (str): If given, the component is this factory's with its defaults, not the config's.
    model (str): If given, the component's [model], not the config's.
    overrides (Dict[str, Any]): Further changes of the config, by dotted names. In texts, {set} is
        the name of the data set, {labels} "all" or the number of labelled texts, and {steps} the
        number of updates that the budget allows; RAW stands for the files of texts without labels.
    needs (Tuple[str, ...]): Files or folders that must be there; {set} and {labels} as above.
    sets (Tuple[str, ...]): The data sets that it is for; empty for all.
    words_per_second (int): About how fast it trains, as long as it was not measured.
    """

    about: str
    group: str
    config: str = ""
    factory: str = ""
    model: str = ""
    overrides: Dict[str, Any] = {}  # noqa: RUF012
    needs: Tuple[str, ...] = ()
    sets: Tuple[str, ...] = ()
    words_per_second: int = 12_000


BOW = """
[model]
@architectures = "spacy.TextCatBOW.v3"
exclusive_classes = true
ngram_size = 1
length = 262144
no_output_layer = false
nO = null
"""
CNN = """
[model]
@architectures = "spacy.TextCatReduce.v1"
exclusive_classes = true
use_reduce_first = false
use_reduce_last = false
use_reduce_max = false
use_reduce_mean = true
nO = null

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""
TORCH_BILSTM = """
[model]
@architectures = "spacy.TextCatReduce.v1"
exclusive_classes = true
use_reduce_first = false
use_reduce_last = false
use_reduce_max = true
use_reduce_mean = true
nO = null

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 128
attrs = ["NORM","PREFIX","SUFFIX","SHAPE"]
rows = [5000,1000,2500,1000]
include_static_vectors = false

[model.tok2vec.encode]
@architectures = "spacy.TorchBiLSTMEncoder.v1"
width = 128
depth = 1
dropout = 0.0
"""
CELLS = ("lstm", "gru", "elman", "qrnn", "mingru")

SYSTEMS: Dict[str, System] = {
    TFIDF: System(
        "Logistic regression (scikit-learn) over TF-IDF of words and word pairs",
        PEER,
        words_per_second=100_000,
    ),
    SPACY: System(
        "spaCy's default: spacy.TextCatEnsemble.v2 of a CNN with attention and a bag of words",
        PEER,
        THEIRS,
    ),
    "textcat-bow": System(
        "spacy.TextCatBOW.v3 as spaCy has it: a bag of words, without word pairs",
        PEER,
        THEIRS,
        model=BOW,
        words_per_second=100_000,
    ),
    "textcat-cnn": System(
        "spacy.TextCatReduce.v1 (formerly TextCatCNN), mean over spacy.HashEmbedCNN.v2, as spaCy "
        "has it: width 96, depth 4",
        PEER,
        THEIRS,
        model=CNN,
    ),
    "textcat-torch": System(
        "spacy.TextCatReduce.v1, mean and maximum over spacy.TorchBiLSTMEncoder.v1, width 128",
        PEER,
        THEIRS,
        model=TORCH_BILSTM,
    ),
    **{
        f"rnn-{cell}": System(
            f"configs/{OURS}" + (f" with the cell {cell}" if cell != "lstm" else ""),
            SCRATCH,
            OURS,
            overrides={f"{ENCODE}.cell": cell},
        )
        for cell in CELLS
    },
    DEFAULT: System(
        f"rnn_textcat with the factory's defaults, trained as in configs/{OURS}",
        SCRATCH,
        OURS,
        factory="rnn_textcat",
    ),
    WITH_VECTORS: System(
        "The same with GloVe vectors of 50 dimensions (python scripts/vectors.py) and a hidden "
        "layer of 128",
        VECTORS,
        OURS,
        factory="rnn_textcat",
        overrides={
            f"{EMBED}.include_static_vectors": True,
            f"components.{COMPONENT}.model.hidden_width": 128,
            "paths.vectors": "vectors/glove",
        },
        needs=("vectors/glove",),
    ),
    WITH_LATENT: System(
        "rnn_textcat with latent vectors of all the data set's training texts, without labels; of "
        "IMDb's too for MR (configs/textcat_latent.cfg)",
        TRANSFER,
        "textcat_latent.cfg",
        overrides={"paths.raw_text": RAW},
    ),
    WITH_TRANSFER: System(
        "rnn_textcat over language models (configs/textcat_transfer.cfg, thawing every 30 updates)",
        TRANSFER,
        "textcat_transfer.cfg",
        overrides=FINE_TUNING,
        needs=LANGUAGE_MODELS,
        words_per_second=5_000,
    ),
    WITH_ADVERSARY: System(
        "The same with adversarial training, by a norm of 5, and a network_share of 0.5",
        TRANSFER,
        "textcat_transfer.cfg",
        overrides={
            **FINE_TUNING,
            f"components.{COMPONENT}.adversarial_norm": 5.0,
            f"components.{COMPONENT}.model.network_share": 0.5,
        },
        needs=LANGUAGE_MODELS,
        words_per_second=1_700,
    ),
}


def missing_needs(system: System, data_set: str, n_labels: int) -> List[str]:
    """RETURNS (List[str]): Files and folders that the system needs and that are not there."""
    needs = [fill(need, data_set, n_labels) for need in system.needs]
    if system.config:
        needs.append(str(CONFIGS / system.config))
    return [need for need in needs if not Path(need).exists()]


def fill(text: str, data_set: str, n_labels: int) -> str:
    """RETURNS (str): The text with the names in it that an entry of SYSTEMS may have."""
    return text.replace("{set}", data_set).replace("{labels}", str(n_labels or "all"))


def base_config(system: System) -> Config:
    """RETURNS (Config): The system's config, before its overrides and the budget."""
    config = Config().from_disk(CONFIGS / system.config, interpolate=False)
    components = config["components"]
    if system.factory:
        # spaCy finds factories of other packages when it makes a pipeline.
        meta = spacy.blank("en").get_factory_meta(system.factory)
        components[COMPONENT] = {
            "factory": system.factory,
            **(meta.default_config or {}),
        }
    if system.model:
        components[COMPONENT]["model"] = Config().from_str(system.model)["model"]
    return config


def make_config(system: System, data: DataSet, max_steps: int = 0) -> Config:
    """
    system (System): What is to be trained, by spaCy.
    data (DataSet): On what.
    max_steps (int): So many updates at most, whatever the budget; 0 for no such limit.
    RETURNS (Config): As `spacy train` takes it. Paths and seed are not in it yet.
    """
    config = base_config(system)
    budget = budget_of(data.name, data.n_labels)
    n_steps = count_steps(config, lengths_of(data.parts["train"]), budget.epochs)
    if max_steps:
        n_steps = min(n_steps, max_steps)
    frequency = max(1, n_steps // budget.evals)
    training = config["training"]
    training.update(max_epochs=budget.epochs, max_steps=n_steps, eval_frequency=frequency)
    training["patience"] = budget.patience * frequency
    training["logger"] = {"@loggers": "spacy-rnn.ConsoleLogger.v1", "console_output": False}
    overrides = {key: _fill_value(value, data, n_steps) for key, value in system.overrides.items()}
    return Config().from_str(config.to_str(), overrides=overrides, interpolate=False)


def count_steps(config: Config, lengths: Tuple[int, ...], epochs: int) -> int:
    """RETURNS (int): Updates in so many epochs: batches of the config's batcher. The order of the
    texts, which spaCy shuffles, makes hardly a difference."""
    batcher = registry.resolve({"batcher": config.interpolate()["training"]["batcher"]})["batcher"]
    # A range has a length, which is all that a batcher asks for.
    texts = [range(n) for n in lengths]
    return sum(len(list(batcher(texts))) for _ in range(epochs))


def _fill_value(value: Any, data: DataSet, n_steps: int) -> Any:
    if value == "{steps}":
        return n_steps
    if value == RAW:
        return [str(path) for path in data.raw]
    return fill(value, data.name, data.n_labels) if isinstance(value, str) else value
