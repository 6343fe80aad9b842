"""How many threads the layers use, and what for.

The products inside a recurrent loop take some ten microseconds each. Waking a second thread
for each of them costs more than it saves: several times the whole, if another process is using
the cores. So BLAS is kept to one thread, and whole passes over a batch, each by its own
direction or share of the sequences, are what threads are given.
"""

import contextlib
import multiprocessing
import os
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import ContextVar
from functools import partial
from typing import Any, Callable, Deque, Iterator, List, Optional, Sequence

from threadpoolctl import ThreadpoolController

from ..errors import Errors, number_error

VARIABLE = "SPACY_RNN_NUM_THREADS"


class OneBlasThread:
    """Context manager, to be entered from any number of threads at once.

    The setting belongs to the process. So the first to enter makes it, and the last to leave
    takes it back: were each to restore what it found, one could restore another's limit.
    """

    def __init__(self) -> None:
        self._controller: Optional[ThreadpoolController] = None  # looking for BLAS takes a while
        self.reset()

    def reset(self) -> None:
        """Forget who is inside: after a fork the other threads are gone, but not their locks."""
        self._lock = threading.Lock()
        self._n_inside = 0
        self._limit: Optional[Any] = None

    def __enter__(self) -> None:
        with self._lock:
            if self._n_inside == 0:
                if self._controller is None:
                    self._controller = ThreadpoolController().select(user_api="blas")
                self._limit = self._controller.limit(limits=1)
                self._limit.__enter__()
            self._n_inside += 1

    def __exit__(self, *error: Any) -> None:
        with self._lock:
            self._n_inside = max(0, self._n_inside - 1)
            if self._n_inside == 0 and self._limit is not None:
                self._limit.__exit__(None, None, None)
                self._limit = None


class Workers:
    """The threads that passes are handed to: one pool for the process, made when it is needed."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew: a fork takes the threads away."""
        self._lock = threading.Lock()
        self._pool: Optional[ThreadPoolExecutor] = None
        self._size = 0

    def run(self, tasks: Sequence[Callable[[], Any]], n_threads: int) -> None:
        """Run tasks, at most so many at once, and wait for them. The caller is one of the threads,
        and takes back what no other has begun, so it never waits for a busy pool.

        RAISES: What a task raises.
        """
        n_helpers = min(n_threads, len(tasks)) - 1
        if n_helpers < 1:
            for task in tasks:
                task()
            return
        pending = deque(tasks)
        drain = partial(_drain, pending)
        helpers: List[Future] = []
        with contextlib.suppress(RuntimeError):  # Python is shutting down
            pool = self._of_size(n_helpers)
            helpers += [pool.submit(drain) for _ in range(n_helpers)]
        try:
            drain()
        finally:
            begun = [helper for helper in helpers if not helper.cancel()]
            wait(begun)
        for helper in begun:
            helper.result()

    def _of_size(self, size: int) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None or self._size < size:
                # The threads of a smaller pool end when nobody holds it any more.
                self._pool = ThreadPoolExecutor(size, thread_name_prefix="spacy-rnn")
                self._size = size
            return self._pool


def _drain(pending: Deque[Callable[[], Any]]) -> None:
    """Take tasks until there are none; if one fails, the others are left undone."""
    try:
        while True:
            try:
                task = pending.popleft()
            except IndexError:
                return
            task()
    except BaseException:
        pending.clear()
        raise


one_blas_thread = OneBlasThread()
workers = Workers()
_n_threads: ContextVar[Optional[int]] = ContextVar("spacy_rnn_threads", default=None)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_blas_thread.reset)
    os.register_at_fork(after_in_child=workers.reset)


def get_num_threads() -> int:
    """How many threads a layer may use: as `use_threads` says, else the environment variable
    SPACY_RNN_NUM_THREADS, else one for each core that this process may run on. But in a process
    that another one started for its work, as `nlp.pipe(n_process=...)` does, the cores are
    shared with the others, so without a setting it is one.

    RETURNS (int): At least 1.
    RAISES (ValueError): If the variable is no positive number.
    """
    given = _n_threads.get()
    if given is not None:
        return given
    text = os.environ.get(VARIABLE, "")
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(Errors.E026.format(name=VARIABLE, found=repr(text)))
        return int(text)
    if multiprocessing.parent_process() is not None:
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def use_threads(n: int) -> Iterator[None]:
    """Let the layers that are called within the block, by this thread, use so many threads.

    n (int): 1 for none beside the caller's.
    RAISES (ValueError): If it is less than 1.
    """
    if n < 1:
        raise number_error("n", "a positive number", n)
    token = _n_threads.set(n)
    try:
        yield
    finally:
        _n_threads.reset(token)
