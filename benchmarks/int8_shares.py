"""What int8 could save of a whole pipeline: how much of its time and of its size the products are.

A pipeline whose products take `factor` of their time, and all else as long as before, is faster by
1 / (1 - (1 - factor) * share), whatever the products are done by.

Times are those of the processor, on one thread: what else the machine does would fall on a whole
pipeline, but hardly ever on a single product.
"""

import contextlib
from statistics import median
from time import process_time
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from spacy_rnn.layers import use_engine
from spacy_rnn.layers.ragged import SharedRows, to_ragged

from .int8_pipe import find_embedding, find_encoder, model_of
from .own_gemm import make_own_product
from .peers import ENGINE, EncoderT
from .pipe import BATCH_SIZE

PRODUCTS = ("input products", "recurrent products")
STAGES = ("embedding", *PRODUCTS, "rest of the encoder", "everything else")
N_TIMES = 3  # of each product; the fastest counts
# Lengths of the texts, and how many distinct rows the input products are over.
CallT = Tuple[List[int], int]


@contextlib.contextmanager
def watched(node: Model[Any, Any], on_call: Callable[[Any, float], None]) -> Iterator[None]:
    """Tell of each call of a layer within the block its input and its seconds."""
    original = node._func

    def forward(model: Model[Any, Any], X: Any, is_train: bool) -> Any:
        start = process_time()
        result = original(model, X, is_train)
        on_call(X, process_time() - start)
        return result

    node._func = forward
    try:
        yield
    finally:
        node._func = original


def measure_shares(nlp: Language, texts: List[str], n_rounds: int) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): Of each of STAGES, the share of the time that `nlp.pipe` takes;
    the median over the rounds."""
    read(nlp, texts)
    rounds = [read(nlp, texts) for _ in range(n_rounds)]
    return {stage: median(found[stage] for found in rounds) for stage in STAGES}


def read(nlp: Language, texts: List[str]) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): Of each of STAGES the share of the time of one run. The products
    are timed by themselves right after it, over as many rows each as in the run."""
    encoder, embedding = find_encoder(nlp), find_embedding(nlp)
    spent = {"encoder": 0.0, "embedding": 0.0}
    calls: List[CallT] = []

    def on_encoder(Xs: Any, seconds: float) -> None:
        spent["encoder"] += seconds
        calls.append(([len(X) for X in Xs], n_projected(encoder, Xs)))

    def on_embedding(docs: List[Doc], seconds: float) -> None:
        spent["embedding"] += seconds

    with use_engine(ENGINE), watched(encoder, on_encoder), watched(embedding, on_embedding):
        start = process_time()
        for _ in nlp.pipe(texts, batch_size=BATCH_SIZE):
            pass
        total = process_time() - start
    nI, nO = encoder.get_dim("nI"), encoder.get_dim("nO") // 2
    return shares(total, **spent, products=product_seconds(calls, nI, nO))


def shares(
    total: float, encoder: float, embedding: float, products: Tuple[float, float]
) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): Of each of STAGES; they add up to 1.

    total, encoder, embedding (float): Seconds.
    products (Tuple[float, float]): Seconds of those of the inputs and of the states.
    """
    rest, others = encoder - sum(products), total - encoder - embedding
    seconds = (embedding, *products, rest, others)
    return {stage: value / total for stage, value in zip(STAGES, seconds)}


def speedup(shares: Dict[str, float], factor: float) -> float:
    """RETURNS (float): How many times as fast everything is if the products alone take `factor` of
    their time (Amdahl 1967)."""
    return 1.0 / (1.0 - (1.0 - factor) * sum(shares[stage] for stage in PRODUCTS))


def encoder_speedup(shares: Dict[str, float], factor: float) -> float:
    """RETURNS (float): The same of the encoder by itself."""
    products = sum(shares[stage] for stage in PRODUCTS)
    encoder = products + shares["rest of the encoder"]
    return encoder / (encoder - (1.0 - factor) * products)


def n_projected(encoder: EncoderT, Xs: Any) -> int:
    """RETURNS (int): The rows of the encoder's input products: the types of a batch, or its tokens
    where that does not pay."""
    Xr = to_ragged(encoder.ops, Xs)
    return len(Xr.distinct) if isinstance(Xr, SharedRows) and Xr.pays else len(Xr.dataXd)


def product_seconds(calls: List[CallT], nI: int, nO: int) -> Tuple[float, float]:
    """
    calls (List[CallT]): The calls of an encoder.
    nI, nO (int): Widths of an LSTM's input and, in each direction, output.
    RETURNS (Tuple[float, float]): Seconds of the products of the inputs and of the states, in both
        directions, by themselves. The states' are one for each step, over the texts that reach it.
    """
    n_inputs = [n for _, n in calls]
    n_states = [n for lengths, _ in calls for n in step_sizes(lengths)]
    return _seconds(n_inputs, nI, 4 * nO), _seconds(n_states, nO, 4 * nO)


def step_sizes(lengths: List[int]) -> List[int]:
    """RETURNS (List[int]): How many of the texts have a first, a second ... token."""
    steps = numpy.arange(max(lengths, default=0))
    sizes: List[int] = (numpy.asarray(lengths)[:, None] > steps).sum(axis=0).tolist()
    return sizes


def _seconds(n_rows: List[int], width: int, columns: int) -> float:
    """Of two products (n, width) @ (width, columns) for each n."""
    sizes, counts = numpy.unique(n_rows, return_counts=True)
    idle = _fastest(0, width, columns)  # what calling it takes
    times = [max(0.0, _fastest(int(n), width, columns) - idle) for n in sizes]
    return 2.0 * float(numpy.dot(counts, times))


def _fastest(n: int, width: int, columns: int) -> float:
    call = float_product_task(n, width, columns)
    times = []
    for _ in range(N_TIMES):
        start = process_time()
        call()
        times.append(process_time() - start)
    return min(times)


def float_product_task(n: int, width: int, columns: int) -> Callable[[], Any]:
    """RETURNS (Callable): (n, width) @ (width, columns) in float32, by the numba engine's product
    if it can be called by itself, else by NumPy's."""
    rng = numpy.random.default_rng(0)
    X = rng.standard_normal((n, width), dtype="float32")
    W = rng.standard_normal((columns, width), dtype="float32")
    own = make_own_product(X, W)
    return own if own is not None else (lambda: X @ W.T)


def measure_sizes(nlp: Language) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): Bytes of the parameters of the "embedding" tables, the "recurrent"
    layers' weights, the "linear model" and the "rest"."""
    sizes = {"embedding": 0, "recurrent": 0, "linear model": 0, "rest": 0}
    for node in model_of(nlp).walk():
        for name in node.param_names:
            kind = "rest"
            if name == "E":
                kind = "embedding"
            elif "recurrence" in node.attrs and name in ("Wx", "Wh"):
                kind = "recurrent"
            elif node.name.startswith(("sparse_linear", "ngram_linear")):
                kind = "linear model"
            sizes[kind] += node.get_param(name).nbytes
    return sizes
