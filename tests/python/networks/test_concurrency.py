"""Promise 6 (manners): several threads may call one network at once.

A network holds no state. New weights replace the old ones as a whole. Only long calls release the GIL.
"""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import gatecell
from helpers.fresh_process import HANG
from helpers.torch_case import Case

CASE = Case("LSTM", 48, 64, 2, bidirectional=True, steps=40, rows=6)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_several_threads_may_call_one_network(num_threads: int, isa: str) -> None:
    """The calls have different shapes, so that scratch memory shared by mistake would give wrong results."""
    network = CASE.network(gatecell, isa=isa, num_threads=num_threads)
    inputs = [CASE.with_(seed=n, steps=5 + 7 * n, rows=1 + n).inputs() for n in range(8)]
    expected = [network(*args)[0] for args in inputs]

    def call(n: int) -> bool:
        return all(np.array_equal(network(*inputs[n])[0], expected[n]) for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(8)))


def test_several_networks_share_the_thread_pool(isa: str) -> None:
    cases = [CASE.with_(seed=n, hidden_size=40 + 8 * n) for n in range(6)]
    alone = [case.network(gatecell, isa=isa, num_threads=1)(*case.inputs())[0] for case in cases]
    networks = [case.network(gatecell, isa=isa, num_threads=2) for case in cases]

    def call(n: int) -> bool:
        return all(np.array_equal(networks[n](*cases[n].inputs())[0], alone[n]) for _ in range(10))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(call, range(6)))


@pytest.mark.parametrize("num_threads", [1, 2])
def test_a_call_uses_old_or_new_weights_never_a_mixture(num_threads: int) -> None:
    network = CASE.network(gatecell, num_threads=num_threads)
    weights = [CASE.with_(seed=seed).state_dict() for seed in (0, 1)]
    x, hx = CASE.inputs()
    expected = []
    for state_dict in weights:
        network.load_state_dict(state_dict)
        expected.append(network(x, hx)[0].tobytes())
    assert expected[0] != expected[1]
    done, seen = threading.Event(), set()

    def call() -> None:
        while not done.is_set():
            seen.add(network(x, hx)[0].tobytes())

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for n in range(100_000):
        network.load_state_dict(weights[n % 2])
        time.sleep(1e-3)
        if n >= 200 and len(seen) > 1:  # on a busy machine the callers start later
            break
    done.set()
    for caller in callers:
        caller.join()
    assert seen == set(expected)


def test_a_long_call_releases_the_gil() -> None:
    """Another Python thread writes down times during the call. That needs a free CPU, so there are up to 100 calls."""
    network = Case("LSTM", 64, 256).network(gatecell, num_threads=1)
    x = np.zeros((3000, 2, 64), "float32")
    stamps, done = [], threading.Event()

    def note() -> None:
        while not done.is_set():
            stamps.append(time.perf_counter())
            time.sleep(1e-3)

    other = threading.Thread(target=note)
    other.start()
    noted = calls = 0
    while not noted and calls < 100:
        calls += 1
        start = time.perf_counter()
        network(x)
        end = time.perf_counter()
        quarter = (end - start) / 4
        noted = sum(start + quarter < stamp < end - quarter for stamp in stamps)
    done.set()
    other.join()
    assert quarter > 2e-3, "the calls are too short to tell"
    assert noted


def test_a_short_call_keeps_the_gil() -> None:
    """Another thread waits for the GIL. It gets the GIL in the first call that releases it.

    The switch interval of Python is set to a minute, so Python itself does not hand over the GIL.
    """
    network = Case("LSTM", 64, 64).network(gatecell, num_threads=1)
    short, long = (np.zeros((steps, 1, 64), "float32") for steps in (2, 2000))
    assert network.plan(2, 1).seconds < 50e-6 < network.plan(2000, 1).seconds
    gate, ran = threading.Lock(), []

    def want() -> None:
        with gate:
            ran.append(True)

    interval = sys.getswitchinterval()
    with gate:
        other = threading.Thread(target=want)
        other.start()
        sys.setswitchinterval(60)
    try:
        # The other thread wakes up and waits for the GIL long before the end of this loop.
        end = time.perf_counter() + 0.02
        while time.perf_counter() < end:
            network(short)
        ran_beside_short_calls = bool(ran)
        end = time.perf_counter() + HANG  # on a busy machine the other thread may get no CPU during a whole call
        while not ran and time.perf_counter() < end:
            network(long)
        ran_beside_long_calls = bool(ran)
    finally:
        sys.setswitchinterval(interval)
    other.join()
    assert not ran_beside_short_calls
    assert ran_beside_long_calls
