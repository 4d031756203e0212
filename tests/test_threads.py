"""The thread pool: its setting, many Python threads at once, fork and spawn after a threaded call, Ctrl-C, the end of the process."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import pyblo
from pyblo import threads


@pytest.fixture(autouse=True)
def four_threads():
    threads.set_num_threads(4)
    yield
    threads.set_num_threads(None)


def systems(count=200, n=12, seed=0):
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((count, n, n))
    return M @ np.swapaxes(M, 1, 2) + n * np.eye(n), rng.standard_normal((count, n))


A, b = systems()
LARGE = np.random.default_rng(1).standard_normal((4000, 200))


def solve():
    """A batch of small systems and a product with a large matrix: both share their work out among the threads."""
    return pyblo.linalg.cg(A, b)[0].tobytes() + pyblo.linalg.gram_hvp(LARGE, LARGE[0]).tobytes()


def setting(**environment):
    """What a process prints for its number of threads; its last line of stderr where it fails."""
    clean = {name: value for name, value in os.environ.items() if not name.endswith("NUM_THREADS")}
    code = "import pyblo.threads as t; print(t.get_num_threads())"
    result = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, env=clean | environment)
    return result.stdout.strip() or result.stderr.strip().splitlines()[-1]


def test_the_setting():
    assert threads.get_num_threads() == 4
    threads.set_num_threads(np.int64(7))
    assert threads.get_num_threads() == 7
    threads.set_num_threads(None)
    assert threads.get_num_threads() >= 1


@pytest.mark.parametrize(("n", "kind"), [(0, ValueError), (-1, ValueError), (2**31, ValueError), (True, ValueError),
                                         (1.5, TypeError), ("2", TypeError)])
def test_bad_settings(n, kind):
    with pytest.raises(kind, match="^n:"):
        threads.set_num_threads(n)
    assert threads.get_num_threads() == 4


def test_the_environment():
    assert setting(PYBLO_NUM_THREADS="3", OMP_NUM_THREADS="2") == "3"
    assert setting(OMP_NUM_THREADS="5,2") == "5"
    allowed = len(os.sched_getaffinity(0))
    assert 1 <= int(setting()) <= allowed
    for ignored in ("0", "-2", "many", "", "1.5"):
        assert setting(OMP_NUM_THREADS=ignored) == setting()
    for bad in ("0", "-2", "many", "1.5", "2,3", "99999999999"):
        assert setting(PYBLO_NUM_THREADS=bad) == f"ValueError: PYBLO_NUM_THREADS: '{bad}' is not a positive whole number"


def test_the_bits_do_not_depend_on_the_threads():
    results = set()
    for n in (1, 2, 3, 4, 7, 8):
        threads.set_num_threads(n)
        results.update(solve() for _ in range(5))
    assert len(results) == 1


def test_eight_python_threads_at_once():
    expected, wrong = solve(), []

    def work(seed):
        for k in range(20):
            threads.set_num_threads(1 + (seed + k) % 5)
            if solve() != expected:
                wrong.append((seed, k))

    callers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(120)
    assert not any(caller.is_alive() for caller in callers) and wrong == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fork in a process with threads: here that is the subject
def test_fork_after_a_threaded_call():
    expected = solve()
    for k in range(200):
        child = os.fork()
        if child == 0:
            os._exit(0 if solve() == expected else 1)
        deadline = time.monotonic() + 60
        while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                pytest.fail(f"child {k} hangs")
            time.sleep(0.001)
        assert found[1] == 0
        if k % 10 == 0:
            assert solve() == expected


def test_spawn_after_a_threaded_call():
    expected = pyblo.linalg.gram_hvp(LARGE, LARGE[0])
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = [pool.apply_async(pyblo.linalg.gram_hvp, (LARGE, LARGE[0])) for _ in range(4)]
        assert all(np.array_equal(result.get(60), expected) for result in results)


CTRL_C = """
import signal, sys, numpy as np, pyblo
signal.signal(signal.SIGINT, signal.default_int_handler)  # the background jobs of a shell inherit an ignored one
from pyblo import threads
threads.set_num_threads(4)
rng = np.random.default_rng(0)
M = rng.standard_normal((2000, 40, 40))
A, b = M @ np.swapaxes(M, 1, 2) + 40 * np.eye(40), rng.standard_normal((2000, 40))
expected = pyblo.linalg.cg(A, b)[0].tobytes()
print("ready", flush=True)
try:
    while True:
        pyblo.linalg.cg(A, b, rtol=0.0, maxiter=4000)
except KeyboardInterrupt:
    pass
print("right" if pyblo.linalg.cg(A, b)[0].tobytes() == expected else "wrong", flush=True)
"""


def test_ctrl_c_at_random_moments():
    for seed in range(5):
        with subprocess.Popen([sys.executable, "-P", "-c", CTRL_C], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout.readline() == "ready\n"
                time.sleep(random.Random(seed).uniform(0.05, 0.4))
                process.send_signal(signal.SIGINT)
                assert process.communicate(timeout=60)[0] == "right\n"
                assert process.returncode == 0
            finally:
                process.kill()
