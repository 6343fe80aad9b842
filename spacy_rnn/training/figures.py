"""The figures of a training: which there are for a pipeline, and their values."""

import math
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from spacy.errors import Errors as SpacyErrors
from spacy.language import Language

from .steps import StepStats

RowT = Dict[str, Any]


class Column(NamedTuple):
    """A column of the table.

    title (str): Its heading.
    key (str): Where its value is in a row; a part after a colon is a key in a table there.
    form (str): How the value is written; see `table.show`.
    width (int): Characters.
    """

    title: str
    key: str
    form: str
    width: int


class Figures:
    """Collects the figures between one evaluation and the next.

    nlp (Language): The pipeline, without the components that aren't trained.
    clock (Callable[[], float]): Seconds, from any time on.
    """

    def __init__(self, nlp: Language, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pipes = {
            name: pipe for name, pipe in nlp.pipeline if getattr(pipe, "is_trainable", False)
        }
        weights = nlp.config.interpolate()["training"]["score_weights"]
        self._models = [
            name
            for name in self._pipes
            if "lm_perplexity" in (nlp.get_pipe_meta(name).default_score_weights or {})
        ]
        self._scores = [
            key
            for key, weight in weights.items()
            if weight is not None and not (self._models and key.startswith("lm_"))
        ]
        self.columns = self._columns()
        self._start = clock()
        self._since = self._start
        self._last_step = self._start
        self._n_steps = 0
        self._n_words = 0

    def _columns(self) -> List[Column]:
        columns = [
            Column("E", "epoch", "d", 3),
            Column("#", "step", "d", 6),
            Column("Minutes", "minutes", ".1f", 7),
            Column("Words/s", "words_per_second", ",.0f", 8),
        ]
        if self._models:
            columns += [
                Column("Train PPL", "train_perplexity", "size", 9),
                Column("Dev PPL", "scores:lm_perplexity", "size", 8),
                Column("Bits/char", "scores:lm_bits_per_char", ".3f", 9),
            ]
        columns += [
            Column(f"Loss {name}", f"losses:{name}", "size", 9)
            for name in self._pipes
            if name not in self._models
        ]
        columns += [
            Column(key, f"scores:{key}", ".2f" if key == "speed" else "percent", 6)
            for key in self._scores
        ]
        if self._stats():
            columns += [
                Column("Norm", "gradient_norm", "size", 8),
                Column("Skipped", "n_skipped", "d", 7),
                Column("Rate", "learn_rate", ".3g", 8),
            ]
        return [*columns, Column("Score", "score", "score", 6)]

    def _stats(self) -> Dict[str, StepStats]:
        """Those of the components that have them; a component may make new ones."""
        found = {name: getattr(pipe, "steps", None) for name, pipe in self._pipes.items()}
        return {name: stats for name, stats in found.items() if isinstance(stats, StepStats)}

    def count_step(self) -> None:
        """Take note of a step without an evaluation."""
        self._n_steps += 1
        self._last_step = self._clock()

    def evaluated(self, info: Dict[str, Any]) -> RowT:
        """Take note of an evaluation.

        info (Dict[str, Any]): What spaCy's training loop gives.
        RETURNS (Dict[str, Any]): The figures, of which those without a value are None.
        """
        seconds = self._clock() - self._start
        scores = {**dict.fromkeys(self._scores, 0.0), **(info["other_scores"] or {})}
        for key in self._scores:
            if not isinstance(scores[key], (int, float)):
                raise ValueError(SpacyErrors.E916.format(name=key, score_type=type(scores[key])))
        row: RowT = {
            "epoch": info["epoch"],
            "step": info["step"],
            "seconds": seconds,
            "minutes": seconds / 60,
            "words": info["words"],
            "words_per_second": self._speed(info["words"]),
        }
        self._n_words = info["words"]
        row.update(self._of_steps())
        row["losses"] = {name: float(info["losses"].get(name, 0.0)) for name in self._pipes}
        row["scores"] = {
            key: float(value)
            for key, value in scores.items()
            if isinstance(value, (int, float)) and math.isfinite(value)
        }
        row["score"] = float(info["score"])
        return row

    def _of_steps(self) -> RowT:
        by_name = {name: stats.take() for name, stats in self._stats().items()}
        models = [by_name[name] for name in self._models if name in by_name]
        perplexities = [stats.perplexity for stats in models if stats.n_units]
        taken = by_name.values()
        rates = [stats.learn_rate for stats in taken if stats.learn_rate is not None]
        return {
            "train_perplexity": perplexities[0] if perplexities else None,
            "gradient_norm": max((stats.max_norm for stats in taken), default=None),
            "n_skipped": sum(stats.n_skipped for stats in taken) if taken else None,
            "learn_rate": rates[0] if rates else None,
        }

    def _speed(self, n_words: int) -> Optional[float]:
        """Words a second since the last evaluation, without the step that the next one, which
        takes its own time, belongs to."""
        seconds = self._last_step - self._since
        if not self._n_steps or seconds <= 0.0:
            return None
        share = self._n_steps / (self._n_steps + 1)
        return (n_words - self._n_words) * share / seconds

    def go_on(self) -> None:
        """Begin the next interval, now that all is written and saved."""
        self._since = self._last_step = self._clock()
        self._n_steps = 0
