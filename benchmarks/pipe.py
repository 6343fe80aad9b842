"""Whole pipelines: words per second of `nlp.pipe`, from texts to classified docs."""

from statistics import geometric_mean, median
from time import perf_counter
from typing import Any, Dict, List

from tqdm import tqdm

from .options import Options
from .peers import ENGINE
from .pipelines import (
    PIPE_BASELINE,
    Pipeline,
    build_pipelines,
    describe_pipelines,
    n_tokens,
)
from .texts import N_TEXTS, load_texts
from .threads import use_threads
from .timing import rotated

BATCH_SIZE = 128  # docs, of nlp.pipe
QUICK_TEXTS = 16


def measure_section(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The "pipelines", and the figures of short and long "texts"."""
    with use_threads(options.threads[0]):
        pipelines = build_pipelines()
        texts = {
            docs: measure(pipelines, load_texts(docs, options.quick * QUICK_TEXTS), options, docs)
            for docs in N_TEXTS
        }
    return {
        "pipelines": describe_pipelines([pipeline.name for pipeline in pipelines]),
        "engine": ENGINE,
        "baseline": PIPE_BASELINE,
        "batch_size": BATCH_SIZE,
        "texts": texts,
        "summary": summarize(texts),
    }


def measure(
    pipelines: List[Pipeline], texts: List[str], options: Options, title: str
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): "words_per_second" of each pipeline, medians over the rounds; those
    of each round; and "n_words", which every pipeline reads in each round."""
    n_words = n_tokens(pipelines[0].nlp, texts)
    by_name = {pipeline.name: pipeline for pipeline in pipelines}
    rounds: Dict[str, List[float]] = {name: [] for name in by_name}
    for pipeline in pipelines:  # fills the tokenizers' caches
        run(pipeline, texts)
    for turn in tqdm(range(options.n_rounds), desc=f"Pipelines, {title} texts"):
        for name in rotated(list(by_name), turn):
            rounds[name].append(n_words / run(by_name[name], texts))
    rates = {name: median(values) for name, values in rounds.items()}
    return {
        "n_texts": len(texts),
        "n_words": n_words,
        "words_per_second": rates,
        "words_per_second_by_round": rounds,
        "ratio": {name: rate / rates[PIPE_BASELINE] for name, rate in rates.items()},
    }


def run(pipeline: Pipeline, texts: List[str]) -> float:
    """RETURNS (float): Seconds to read the texts."""
    with pipeline.active():
        start = perf_counter()
        for _ in pipeline.nlp.pipe(texts, batch_size=BATCH_SIZE):
            pass
        return perf_counter() - start


def summarize(texts: Dict[str, Any]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): By pipeline, over short and long texts: the geometric means of the
    "words_per_second" and of their "ratio" to the baseline, and the "minimum" ratio."""
    names = next(iter(texts.values()))["words_per_second"]
    return {
        name: {
            "words_per_second": geometric_mean(
                [found["words_per_second"][name] for found in texts.values()]
            ),
            "ratio": geometric_mean([found["ratio"][name] for found in texts.values()]),
            "minimum": min(found["ratio"][name] for found in texts.values()),
        }
        for name in names
    }
