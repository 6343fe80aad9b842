"""What spaCy's loop costs a language model: `nlp.update` on windows, beside the bare step."""

from statistics import median
from time import perf_counter
from typing import Any, Dict, Iterator, List, Optional, cast

import spacy
from spacy.training import Example
from thinc.api import fix_random_seed
from tqdm import tqdm

from spacy_rnn.layers.adaptive_softmax import AdaptiveSoftmax
from spacy_rnn.models.vocabulary import Vocabulary
from spacy_rnn.training.optimizers import Adam
from spacy_rnn.training.streams import batch_by_stream

from .lm_data import Batch, Corpus, cut_batches
from .lm_models import (
    CLIP_NORM,
    LEARN_RATE,
    LSTM,
    LSTM_ADAPTIVE,
    QRNN,
    Ours,
    Setting,
    adaptive_cutoffs,
    model_settings,
)
from .threads import use_threads

NAMES: Dict[str, List[str]] = {"word": [LSTM, LSTM_ADAPTIVE], "char": [LSTM, QRNN]}
WARM_UP = 2


class Loop:
    """A pipeline with a language model, trained as `spacy train` does it.

    batches (Iterator[List[Example]]): Of `spacy-rnn.batch_by_stream.v1`, which reads the documents
        while it goes on.
    seconds (Dict[str, float]): Since they were set to 0: of making "batches", and of "updates".
    """

    def __init__(self, setting: Setting, corpus: Corpus, name: str) -> None:
        fix_random_seed(0)
        vocabulary = corpus.vocabularies[setting.unit]
        self.nlp = spacy.blank("en", vocab=corpus.nlp.vocab)
        model = {**model_settings(setting, cell_of(name)), "softmax": block_of(name, vocabulary)}
        self.lm = cast(Any, self.nlp.add_pipe("rnn_lm", config={"model": model}))
        labels = {**vocabulary.to_dict(), "labels": []}
        self.lm.initialize(lambda: [Example(doc, doc) for doc in corpus.docs[:1]], labels=labels)
        self.optimizer = Adam(LEARN_RATE, clip_norm=CLIP_NORM)
        self.batches = self._batches(setting, corpus)
        self.seconds = {"batches": 0.0, "updates": 0.0}

    @staticmethod
    def _batches(setting: Setting, corpus: Corpus) -> Iterator[List[Example]]:
        unit = "char" if setting.unit == "char" else "token"
        batcher = batch_by_stream(setting.n_streams, setting.bptt, unit)
        while True:
            yield from batcher(Example(doc, doc) for doc in corpus.docs)

    def step(self) -> int:
        """RETURNS (int): How many units a batch had, which was made and learned from."""
        start = perf_counter()
        batch = next(self.batches)
        made = perf_counter()
        losses: Dict[str, float] = {}
        self.nlp.update(batch, sgd=False, losses=losses)  # type: ignore[arg-type]
        self.lm.finish_update(self.optimizer)
        self.optimizer.step_schedules()
        end = perf_counter()
        self.seconds["batches"] += made - start
        self.seconds["updates"] += end - made
        return self.lm.steps.take().n_units


def cell_of(name: str) -> str:
    return "qrnn" if name == QRNN else "lstm"


def block_of(name: str, vocabulary: Vocabulary) -> Optional[Dict[str, Any]]:
    """RETURNS (Optional[Dict[str, Any]]): The softmax, as in a config."""
    if name != LSTM_ADAPTIVE:
        return None
    cutoffs = adaptive_cutoffs(len(vocabulary))
    return {"@architectures": "spacy-rnn.AdaptiveSoftmax.v1", "cutoffs": cutoffs}


def measure_loops(
    settings: List[Setting], corpus: Corpus, n_threads: int, n_rounds: int
) -> List[Dict[str, Any]]:
    """Compare spaCy's loop with the bare step for the models of NAMES, in turn.

    RETURNS (List[Dict[str, Any]]): For each setting and model the setting, "model" and "threads";
        units per second of the "step" and of the "loop", medians over the rounds; their "ratio"; by
        "share" what part of the loop's time making batches takes, and what else it takes beyond
        the step, for the same number of units.
    """
    found = []
    for setting in settings:
        for name in NAMES[setting.unit]:
            with use_threads(n_threads):
                rates = _measure(setting, corpus, name, n_rounds)
            found.append({**setting.as_dict(), "model": name, "threads": n_threads, **rates})
    return found


def _measure(setting: Setting, corpus: Corpus, name: str, n_rounds: int) -> Dict[str, Any]:
    vocabulary = corpus.vocabularies[setting.unit]
    block = block_of(name, vocabulary)
    softmax = AdaptiveSoftmax(cutoffs=block["cutoffs"]) if block else None
    bare = Ours(setting, vocabulary, cell_of(name), softmax)
    loop = Loop(setting, corpus, name)
    ids = corpus.ids(setting.unit)
    batches = cut_batches(ids, setting.n_streams, setting.bptt, n_rounds + WARM_UP)
    for batch in batches[:WARM_UP]:
        _time_step(bare, batch)
        loop.step()
    loop.seconds = dict.fromkeys(loop.seconds, 0.0)
    seconds: Dict[str, List[float]] = {"step": [], "loop": [], "batches": []}  # for a unit
    title = f"spaCy's loop, {setting.unit}s, {name}"
    for turn, batch in enumerate(tqdm(batches[WARM_UP:], desc=title, unit="round", leave=False)):
        for what in ("step", "loop") if turn % 2 else ("loop", "step"):
            if what == "step":
                seconds["step"].append(_time_step(bare, batch) / setting.n_units)
                continue
            before = dict(loop.seconds)
            n_units = loop.step()
            spent = {key: loop.seconds[key] - before[key] for key in before}
            seconds["loop"].append(sum(spent.values()) / n_units)
            seconds["batches"].append(spent["batches"] / n_units)
    step, whole, made = (median(seconds[key]) for key in ("step", "loop", "batches"))
    return {
        "units_per_second": {"step": 1.0 / step, "loop": 1.0 / whole},
        "ratio": step / whole,
        "share": {"batches": made / whole, "else": 1.0 - (step + made) / whole},
    }


def _time_step(bare: Ours, batch: Batch) -> float:
    prepared = bare.prepare(batch)
    start = perf_counter()
    bare.step(prepared)
    return perf_counter() - start
