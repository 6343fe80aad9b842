"""One text at a time: how long an answer takes."""

from time import perf_counter
from typing import Any, Callable, Dict, List

import numpy
from tqdm import tqdm

from .batches import make_batch
from .options import Options
from .peers import BASELINE, MAXOUT, N_OUT, PACKED, Peer, build_peers
from .pipelines import Pipeline, build_pipelines
from .texts import load_texts
from .threads import use_threads
from .timing import rotated, time_inference

N_TOKENS = (5, 20, 200)
N_TIMES = 200
QUICK_TIMES = 3
FOREIGN = (BASELINE, PACKED, MAXOUT)


def measure_section(options: Options) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Of "encoder" and "pipe", by number of tokens and model: "median"
    and "p95", the 95th percentile, in milliseconds."""
    n_times = QUICK_TIMES if options.quick else N_TIMES
    with use_threads(options.threads[0]):
        peers = [p for p in build_peers() if p.engine not in ("", "torch") or p.name in FOREIGN]
        pipelines = build_pipelines(with_variants=False)
        return {
            "n_times": n_times,
            "encoder": {str(n): measure(encoder_tasks(peers, n), n_times) for n in N_TOKENS},
            "pipe": {str(n): measure(pipe_tasks(pipelines, n), n_times) for n in N_TOKENS},
        }


def encoder_tasks(peers: List[Peer], n_tokens: int) -> Dict[str, Callable[[], float]]:
    """RETURNS (Dict[str, Callable]): By model, a call that reads one text and returns seconds."""
    batch = make_batch([n_tokens], [peer.in_width for peer in peers], N_OUT)

    def bind(peer: Peer) -> Callable[[], float]:
        return lambda: time_inference(peer, batch)

    return {peer.name: bind(peer) for peer in peers}


def pipe_tasks(pipelines: List[Pipeline], n_tokens: int) -> Dict[str, Callable[[], float]]:
    """RETURNS (Dict[str, Callable]): By pipeline, a call that reads one text and returns seconds.
    Every pipeline reads the same texts one after another, each with so many tokens."""
    texts = texts_of(pipelines[0], n_tokens)

    def bind(pipeline: Pipeline) -> Callable[[], float]:
        turn = iter(range(10**9))

        def task() -> float:
            text = texts[next(turn) % len(texts)]
            with pipeline.active():
                start = perf_counter()
                pipeline.nlp(text)
                return perf_counter() - start

        return task

    return {pipeline.name: bind(pipeline) for pipeline in pipelines}


def texts_of(pipeline: Pipeline, n_tokens: int) -> List[str]:
    """RETURNS (List[str]): Texts of exactly so many tokens."""
    docs = [pipeline.nlp.make_doc(text) for text in load_texts("long")]
    return [doc[:n_tokens].text for doc in docs if len(doc) >= n_tokens]


def measure(tasks: Dict[str, Callable[[], float]], n_times: int) -> Dict[str, Dict[str, float]]:
    """RETURNS (Dict[str, Dict[str, float]]): By model "median" and "p95", in milliseconds."""
    for task in tasks.values():
        task()
        task()
    seconds: Dict[str, List[float]] = {name: [] for name in tasks}
    for turn in tqdm(range(n_times), desc="One text at a time", leave=False):
        for name in rotated(list(tasks), turn):
            seconds[name].append(tasks[name]())
    return {
        name: {
            "median": float(numpy.median(values)) * 1e3,
            "p95": float(numpy.percentile(values, 95)) * 1e3,
        }
        for name, values in seconds.items()
    }
