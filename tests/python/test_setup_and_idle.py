"""Invariants 3 and 5: packing happens at load and never in a call, and an idle process costs nothing."""

from __future__ import annotations

import json

import pytest

import gatecell
from gatecell import _core
from isolated import TWO_THREADS, run_script
from reference import Case

pytestmark = pytest.mark.usefixtures("two_cpus")


def test_only_loading_packs(isa: str) -> None:
    case = Case(num_layers=2, bidirectional=True)
    before = _core.pack_count()
    network = case.network(gatecell, isa=isa)
    loaded = _core.pack_count()
    assert loaded > before
    for steps, rows, state in ((1, 1, True), (5, 3, False), (40, 17, True), (5, None, True)):
        network(*case.with_(steps=steps, rows=rows, state=state).inputs())
    assert _core.pack_count() == loaded
    network.load_state_dict(case.state_dict())
    assert _core.pack_count() > loaded


@pytest.mark.parametrize("shape", [(1, 1), (100, 1), (20, 8)])
def test_first_call_is_like_the_others(shape: tuple[int, int], isa: str) -> None:
    """First call with one thread, in a fresh process: at most twice the median plus 100 us.

    Other load on the machine can only add to the first call, while set-up by shape would be in every process: so the
    best of five processes counts.
    """
    script = f"""{TWO_THREADS}
import json, statistics, time
net = make(isa="{isa}", num_threads=1)
x = rng.standard_normal({(*shape, 64)}).astype("float32")
times = []
for _ in range(100):
    start = time.perf_counter()
    net(x)
    times.append(time.perf_counter() - start)
print(json.dumps([times[0], statistics.median(times)]))
"""
    runs = [json.loads(run_script(script)) for _ in range(5)]
    assert any(first <= 2 * median + 100e-6 for first, median in runs), runs


def test_an_idle_second_costs_under_2_ms() -> None:
    """CPU time of all threads of the process, over one second after a call on two threads; the best of three."""
    script = f"""{TWO_THREADS}
import time
net(x)
assert gatecell._core.team_size() >= 1
start = time.process_time()
time.sleep(1)
print(time.process_time() - start)
"""
    runs = [float(run_script(script)) for _ in range(3)]
    assert min(runs) < 2e-3, runs


def test_the_team_sleeps_soon_after_a_call() -> None:
    """It spins for at most 50 us: the CPU time that follows a call is bounded by ten times that, and all threads sleep.

    Medians over many calls, as a worker that lost its core to another process goes to sleep later.
    """
    script = f"""{TWO_THREADS}
import json, os, statistics, threading, time
def others():
    ids = set(os.listdir("/proc/self/task")) - {{str(threading.get_native_id())}}
    return [open(f"/proc/self/task/{{n}}/stat").read().rpartition(")")[2].split()[0] for n in ids]
spent, asleep = [], []
for _ in range(101):
    net(x)
    start = time.process_time()
    time.sleep(500e-6)
    asleep.append(others())
    spent.append(time.process_time() - start)
    time.sleep(1e-3)
print(json.dumps([statistics.median(spent), sum(set(states) == {{"S"}} for states in asleep)]))
"""
    runs = [json.loads(run_script(script)) for _ in range(3)]
    assert any(spent < 500e-6 and asleep > 50 for spent, asleep in runs), runs
