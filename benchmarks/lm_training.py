"""Trainings of language models that can be interrupted and gone on with."""

import json
import os
from pathlib import Path
from time import perf_counter
from typing import Any, Dict, Iterator, List, Tuple, cast

import numpy
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.loop import create_train_batches
from spacy.util import load_model_from_config, registry
from thinc.api import Config, fix_random_seed
from tqdm import tqdm

from spacy_rnn.training.gradients import KeyT, parameters
from spacy_rnn.training.optimizers import Adam

from .lm_data import Corpus

SAVE_EVERY = 30.0  # seconds
WARM_UP = 200  # steps


class Training:
    """A language model, its optimizer, and how far it has come.

    config (Config): As `spacy train` takes it. The corpora are not read: the documents are given.
    corpus (Corpus): The documents.
    max_steps (int): Ends the training, if it is not 0.
    max_seconds (float): Likewise, counted are batches and updates. The learn rate falls with the
        time then, whatever the config says.
    n_scores (int): How often it is scored on the development part, the last time at its end.
    curve (List[Dict[str, float]]): Scores so far, with the "seconds" and "units" before them.
    """

    def __init__(
        self,
        config: Config,
        corpus: Corpus,
        *,
        max_steps: int = 0,
        max_seconds: float = 0.0,
        n_scores: int = 1,
    ) -> None:
        self.corpus, self.n_scores = corpus, n_scores
        self.max_steps, self.max_seconds = max_steps, max_seconds
        self.n_steps, self.seconds, self.n_units = 0, 0.0, 0
        self.curve: List[Dict[str, float]] = []
        settings = config.interpolate()
        seed = settings["training"]["seed"]
        fix_random_seed(seed)
        self.nlp = load_model_from_config(settings, vocab=corpus.nlp.vocab, auto_fill=True)
        self.lm = cast(Any, self.nlp.get_pipe("rnn_lm"))
        self.lm.initialize(
            self._examples, nlp=self.nlp, **settings["initialize"]["components"]["rnn_lm"]
        )
        resolved = registry.resolve(settings["training"], schema=ConfigSchemaTraining)
        self.dropout = resolved["dropout"]
        self.optimizer = resolved["optimizer"]
        if max_seconds:
            rate = settings["training"]["optimizer"]["learn_rate"]["initial_rate"]
            self.optimizer = Adam(cast(Any, self._rates(rate)), clip_norm=self.optimizer.clip_norm)
        # As `spacy train` does, so that the batches and the dropout don't depend on the weights.
        fix_random_seed(seed)
        self.batches = create_train_batches(
            self.nlp, lambda nlp: self._examples(), resolved["batcher"], 0
        )

    def _examples(self) -> Iterator[Example]:
        return (Example(doc, doc) for doc in self.corpus.docs)

    def _rates(self, rate: float) -> Iterator[float]:
        while True:
            yield rate * min(1.0, (self.n_steps + 1) / WARM_UP) * (1.0 - self.share)

    @property
    def share(self) -> float:
        """RETURNS (float): How much of it is done."""
        if self.max_seconds:
            return min(1.0, self.seconds / self.max_seconds)
        return min(1.0, self.n_steps / self.max_steps)

    def step(self) -> None:
        """Make a batch and learn from it, as spaCy's loop does."""
        start = perf_counter()
        _, batch = next(self.batches)
        self.nlp.update(batch, sgd=False, drop=self.dropout)  # type: ignore[arg-type]
        self.lm.finish_update(self.optimizer)
        self.optimizer.step_schedules()
        self.seconds += perf_counter() - start
        self.n_steps += 1
        self.n_units += self.lm.steps.take().n_units

    def score(self) -> Dict[str, float]:
        """RETURNS (Dict[str, float]): Perplexity and bits per character of the development part."""
        docs = list(self.lm.pipe(doc.copy() for doc in self.corpus.dev))
        scores = self.lm.score([Example(doc, doc) for doc in docs])
        return {key: float(scores[key]) for key in ("lm_perplexity", "lm_bits_per_char")}

    def run(self, name: str, path: Path) -> Dict[str, Any]:
        """Train to the end, from where the file says that it was interrupted.

        name (str): For the progress bar.
        path (Path): Where it is saved now and then; removed at the end.
        RETURNS (Dict[str, Any]): The last scores, "steps", "units" and "seconds", and the "curve".
        """
        if path.exists():
            self.load(path)
        saved = perf_counter()
        with tqdm(total=100, desc=name, unit="%", initial=int(100 * self.share)) as bar:
            while self.share < 1.0 or len(self.curve) < self.n_scores:
                if self.share < 1.0:
                    self.step()
                bar.update(int(100 * self.share) - bar.n)
                if self.share >= (len(self.curve) + 1) / self.n_scores:
                    point = {"seconds": self.seconds, "units": self.n_units, **self.score()}
                    self.curve.append(point)
                    bar.set_postfix_str(f"perplexity {point['lm_perplexity']:.2f}")
                if perf_counter() - saved > SAVE_EVERY:
                    self.save(path)
                    saved = perf_counter()
        path.unlink(missing_ok=True)
        return {**self.curve[-1], "steps": self.n_steps, "curve": self.curve}

    def save(self, path: Path) -> None:
        """Save weights, moments and counts. What the streams remember is not saved: after an
        interruption they begin anew."""
        arrays = {}
        for i, key, weights in self._parameters():
            arrays[f"weights/{i}"] = weights
            for table in ("mom1", "mom2"):
                if key in getattr(self.optimizer, table):
                    arrays[f"{table}/{i}"] = getattr(self.optimizer, table)[key]
        kind, words, *rest = numpy.random.get_state()
        arrays["random"] = numpy.asarray(words)
        data = {
            "counts": [self.n_steps, self.seconds, self.n_units, self.optimizer.n_steps],
            "curve": self.curve,
            "random": [kind, *rest],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".tmp.npz")
        numpy.savez(beside, data=numpy.asarray(json.dumps(data)), **arrays)
        os.replace(beside, path)

    def load(self, path: Path) -> None:
        """Go on from what `save` wrote."""
        with numpy.load(path) as arrays:
            data = json.loads(str(arrays["data"]))
            self.n_steps, self.seconds, self.n_units, n_optimized = data["counts"]
            self.curve = data["curve"]
            for i, key, weights in self._parameters():
                weights[...] = arrays[f"weights/{i}"]
                for table in ("mom1", "mom2"):
                    if f"{table}/{i}" in arrays:
                        getattr(self.optimizer, table)[key] = arrays[f"{table}/{i}"]
                        self.optimizer.nr_update[key] = n_optimized
            self.optimizer.n_steps = n_optimized
            for _ in tqdm(range(self.n_steps), desc="Finding the place", leave=False):
                next(self.batches)
                self.optimizer.step_schedules()
            kind, *rest = data["random"]
            numpy.random.set_state((kind, arrays["random"], *rest))

    def _parameters(self) -> Iterator[Tuple[int, KeyT, Any]]:
        """RETURNS (Iterator[Tuple[int, KeyT, FloatsXd]]): Place, key and weights."""
        nodes = {node.id: node for node in self.lm.model.walk()}
        for i, parameter in enumerate(parameters(self.lm.model)):
            node_id, name = parameter.key
            if nodes[node_id].has_param(name):
                yield i, parameter.key, nodes[node_id].get_param(name)
