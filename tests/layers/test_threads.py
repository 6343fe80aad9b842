"""How many threads are used, and that nothing but the time depends on it."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import Ragged

from spacy_rnn.layers import LSTM, QRNN, bidirectional, use_engine
from spacy_rnn.layers.engines import numba_engine
from spacy_rnn.layers.threads import VARIABLE, Workers, get_num_threads, use_threads

from .cells import CELLS, gradients, layers, ragged, randomize

LENGTHS = [9, 0, 4, 1, 12, 7, 2, 3]


@pytest.fixture
def shared_from_the_first_row(monkeypatch):
    """Else threads are used for large batches only."""
    monkeypatch.setattr(numba_engine, "MIN_WORK", 1)


def compute(model, X):
    """Outputs, predictions and all gradients of a copy, which has gradients of its own."""
    model = model.copy()
    Y, backprop = model.begin_update(X)
    dX = backprop(Ragged(Y.dataXd.copy(), X.lengths)).dataXd
    return [Y.dataXd, model.predict(X).dataXd, dX, *gradients(model).values()]


# How many


def test_the_default_is_one_thread_for_each_core_of_the_process(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert get_num_threads() == len(os.sched_getaffinity(0))


def test_the_environment_variable_is_obeyed_and_a_block_goes_before_it(monkeypatch):
    monkeypatch.setenv(VARIABLE, "3")
    assert get_num_threads() == 3
    with use_threads(5):
        assert get_num_threads() == 5
        with use_threads(2):
            assert get_num_threads() == 2
        assert get_num_threads() == 5
    assert get_num_threads() == 3
    monkeypatch.setenv(VARIABLE, "")
    assert get_num_threads() >= 1


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " ", "1 2"])
def test_a_variable_that_is_no_number_of_threads_is_an_error(value, monkeypatch, rng):
    monkeypatch.setenv(VARIABLE, value)
    model = LSTM(3, 4)
    model.initialize()
    message = rf"E026.*{VARIABLE}.*'{value}'.*{VARIABLE}=1"
    with use_engine("numba"), pytest.raises(ValueError, match=message):
        model.predict(ragged(rng, [3], 4))


@pytest.mark.parametrize("n", [0, -1])
def test_a_block_of_less_than_one_thread_is_an_error(n):
    with pytest.raises(ValueError, match=r"E011.*n must be a positive number"), use_threads(n):
        pass


def test_a_block_holds_for_the_thread_that_is_in_it(monkeypatch):
    monkeypatch.setenv(VARIABLE, "7")
    with use_threads(2), ThreadPoolExecutor(1) as other:
        assert other.submit(get_num_threads).result() == 7


def test_small_batches_are_left_to_the_thread_that_brings_them(monkeypatch, rng):
    counts = []
    run = numba_engine.workers.run
    monkeypatch.setattr(
        numba_engine.workers, "run", lambda tasks, n: (counts.append(n), run(tasks, n))
    )
    model = LSTM(128, 128)
    model.initialize()
    with use_threads(64), use_engine("numba"):
        model.predict(ragged(rng, [3, 2], 128))
        model.predict(ragged(rng, [50] * 8, 128))
    assert counts[0] == 1
    assert 1 < counts[1] < 64


# What they compute


@pytest.mark.usefixtures("shared_from_the_first_row")
@pytest.mark.parametrize("name", [f"{cell}-both" for cell in CELLS])
def test_two_directions_by_two_threads_give_bit_for_bit_what_one_thread_does(name, rng):
    model = layers(5, 4)[name]()
    model.initialize()
    randomize(model, rng)
    X = ragged(rng, LENGTHS, 4)
    with use_threads(1):
        expected = compute(model, X)
    with use_threads(2):
        found = compute(model, X)
    if "window" in name:  # their gradients of the inputs are sums of more than two
        assert_allclose(found.pop(2), expected.pop(2), atol=1e-6)
    for one, other in zip(found, expected):
        assert_array_equal(one, other)


@pytest.mark.usefixtures("shared_from_the_first_row")
@pytest.mark.parametrize("n_threads", [2, 3, 5, 20])
@pytest.mark.parametrize("name", layers(5, 4))
def test_shares_of_the_sequences_add_up_to_what_one_thread_gives(name, n_threads, rng):
    model = layers(5, 4)[name]()
    model.initialize()
    randomize(model, rng)
    X = ragged(rng, LENGTHS, 4)
    with use_threads(1):
        expected = compute(model, X)
    with use_threads(n_threads):
        found = compute(model, X)
        for one, other in zip(compute(model, X), found):
            assert_array_equal(one, other)  # with as many threads, the same again
    for one, other in zip(found[:3], expected[:3]):
        assert_allclose(one, other, atol=1e-6)
    for one, other in zip(found[3:], expected[3:]):
        assert_allclose(one, other, atol=1e-6 * max(1.0, numpy.abs(other).max()))


@pytest.mark.usefixtures("shared_from_the_first_row")
@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_that_use_threads_get_what_one_gets_alone(engine, n_threads, rng):
    lstm = bidirectional(LSTM(20, 8), LSTM(20, 8))
    qrnn = QRNN(20, 8, window=2)
    batches = [ragged(rng, rng.randint(0, 20, size=6).tolist(), 8) for _ in range(6)]
    work = [(model, X) for model in (lstm, qrnn) for X in batches]
    for model in (lstm, qrnn):
        model.initialize()

    def run(i):
        with use_engine(engine), use_threads(n_threads):
            return compute(*work[i % len(work)])

    expected = [run(i) for i in range(len(work))]
    with ThreadPoolExecutor(4) as users:
        for i, found in enumerate(users.map(run, range(10 * len(work)))):
            for one, other in zip(found, expected[i % len(work)]):
                assert_allclose(one, other, atol=1e-6)


# The pool


def test_one_thread_runs_all_tasks_in_order_in_the_callers_thread():
    ran = []
    tasks = [lambda i=i: ran.append((i, threading.current_thread())) for i in range(4)]
    Workers().run(tasks, 1)
    assert ran == [(i, threading.current_thread()) for i in range(4)]


@pytest.mark.parametrize("n_threads", [2, 3, 9])
@pytest.mark.parametrize("n_tasks", [0, 1, 2, 7])
def test_each_task_runs_once_and_no_more_at_a_time_than_threads(n_tasks, n_threads):
    lock, running, most, ran = threading.Lock(), [], [], []

    def task(i):
        with lock:
            running.append(i)
            most.append(len(running))
        threading.Event().wait(0.002)
        with lock:
            running.remove(i)
            ran.append(i)

    Workers().run([lambda i=i: task(i) for i in range(n_tasks)], n_threads)
    assert sorted(ran) == list(range(n_tasks))
    assert max(most, default=0) <= n_threads


def test_a_busy_pool_is_not_waited_for():
    workers, release, ran = Workers(), threading.Event(), []
    pool = workers._of_size(1)
    busy = pool.submit(release.wait)
    workers.run([lambda i=i: ran.append(i) for i in range(3)], 2)
    assert sorted(ran) == [0, 1, 2]
    assert not busy.done()
    release.set()


@pytest.mark.parametrize("failing", [0, 1, 3])
@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_what_a_task_raises_reaches_the_caller_when_no_task_runs_any_more(failing, n_threads):
    workers, lock, running = Workers(), threading.Lock(), []

    def task(i):
        if i == failing:
            raise KeyError(i)
        with lock:
            running.append(i)
        threading.Event().wait(0.01)
        with lock:
            running.remove(i)

    with pytest.raises(KeyError, match=str(failing)):
        workers.run([lambda i=i: task(i) for i in range(4)], n_threads)
    assert not running
    ran = []
    workers.run([lambda i=i: ran.append(i) for i in range(4)], n_threads)
    assert sorted(ran) == [0, 1, 2, 3]


# Other processes


AFTER_A_FORK = """
import multiprocessing, os, signal, sys, threading
import numpy
from thinc.api import Ragged
from spacy_rnn.layers import LSTM, bidirectional, use_engine
from spacy_rnn.layers.engines import numba_engine
from spacy_rnn.layers.engines.workspace import recycler
from spacy_rnn.layers.threads import get_num_threads, one_blas_thread, use_threads, workers

numba_engine.MIN_WORK = 1
signal.alarm(60)  # ends whatever hangs; children have no alarm, and get one of their own
model = bidirectional(LSTM(8, 4), LSTM(8, 4))
model.initialize()
X = Ragged(numpy.ones((300, 4), "f"), numpy.asarray([100, 150, 0, 50], "i"))


def compute():
    found = []
    for engine in ("numba", "numpy"):
        with use_engine(engine), use_threads(2):
            Y, backprop = model.begin_update(X)
            found += [model.predict(X).dataXd, backprop(Y).dataXd]
    return found


def is_right(_=0):
    signal.alarm(30)
    return all(numpy.allclose(a, b, atol=1e-6) for a, b in zip(compute(), expected))


if __name__ == "__main__":
    expected = compute()
    go_on = True

    def keep_busy():
        while go_on:
            compute()

    def hold_locks():
        with recycler._lock, workers._lock, one_blas_thread._lock:
            is_held.set()
            release.wait()

    def fork():
        child = os.fork()
        if child == 0:
            os._exit(0 if is_right() else 1)
        return os.waitpid(child, 0)[1]

    thread = threading.Thread(target=keep_busy)
    thread.start()
    codes = [fork() for _ in range(10)]
    go_on = False
    thread.join()
    is_held, release = threading.Event(), threading.Event()
    thread = threading.Thread(target=hold_locks)
    thread.start()
    is_held.wait()
    codes.append(fork())
    release.set()
    thread.join()
    print(codes == [0] * 11)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(all(pool.map(is_right, range(4))))
        print(pool.apply(get_num_threads))
    print(is_right())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_that_was_forked_while_threads_were_at_work_can_compute(tmp_path):
    """And one that was started for its work uses one thread, if nothing else is said."""
    script = tmp_path / "script.py"
    script.write_text(AFTER_A_FORK, encoding="utf8")
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    result = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["True", "True", "1", "True"]
