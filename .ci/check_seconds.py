"""What may not take long. Processor time, and the best of several runs: other load on the machine only adds to it."""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

import gatecell

NETWORKS = (gatecell.LSTM, gatecell.GRU, gatecell.RNN)


def seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def in_fresh_processes(script: str) -> list[list[float]]:
    """What five of them print, as JSON."""
    command = [sys.executable, "-c", script]
    return [json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(5)]


def check(what: str, taken: float, limit: float) -> None:
    print(f"{what}: {taken:.2g} s, at most {limit:.2g} s")
    assert taken < limit, what


def check_import() -> None:
    """30 ms beside NumPy are promised; twice that is the limit."""
    script = "import time, numpy; start = time.process_time(); import gatecell; print([time.process_time() - start])"
    check("import gatecell", min(taken for (taken,) in in_fresh_processes(script)), 0.06)


def check_first_call() -> None:
    """No set-up per shape: the first call is like the others."""
    script = """
import json, numpy as np, time, gatecell
net, x, times = gatecell.LSTM(64, 64, isa={isa!r}, num_threads=1), np.ones({shape}, "float32"), []
net.load_state_dict({{name: np.full(shape, 0.01, "float32") for name, shape in net._shapes().items()}})
for _ in range(100):
    start = time.process_time()
    net(x)
    times.append(time.process_time() - start)
print(json.dumps([times[0], sorted(times)[50]]))
"""
    for isa, shape in itertools.product(gatecell.available_isas(), ((1, 1, 64), (100, 1, 64), (20, 8, 64))):
        runs = in_fresh_processes(script.format(isa=isa, shape=shape))
        first, usual = min(runs, key=lambda run: run[0] - 2 * run[1])
        check(f"first call, {isa}, x {shape}", first, 2 * usual + 100e-6)


def check_denormals() -> None:
    """Denormal inputs, states and weights slow nothing down; usual is the same time, the limit is ten times that."""
    rng = np.random.default_rng(0)
    for make, dtype, isa in itertools.product(NETWORKS, ("float32", "float64"), gatecell.available_isas()):
        net, smallest = make(64, 64, dtype=dtype, isa=isa, num_threads=1), np.finfo(dtype).tiny / 4
        weights = {name: rng.uniform(-0.1, 0.1, shape).astype(dtype) for name, shape in net._shapes().items()}
        x, h = (rng.standard_normal(shape).astype(dtype) for shape in ((50, 2, 64), (1, 2, 64)))
        state = (h, h) if make is gatecell.LSTM else h
        tiny_state = (h * smallest, h * smallest) if make is gatecell.LSTM else h * smallest

        def of(weights: object, x: object, state: object, net=net) -> float:
            net.load_state_dict(weights)
            return min(seconds(lambda: net(x, state)) for _ in range(9))

        usual, tiny = of(weights, x, state), {name: weight * smallest for name, weight in weights.items()}
        for some in (tiny, weights | {"weight_hh_l0": tiny["weight_hh_l0"]}):
            check(f"denormals, {net!r}", of(some, x * smallest, tiny_state), 10 * usual)


def check_refusal() -> None:
    """Listing what is missing would take seconds."""

    def refuse() -> None:
        with suppress(ValueError):
            net.load_state_dict({name: np.zeros(shape) for name, shape in gatecell.LSTM(5, 7)._shapes().items()})

    net = gatecell.LSTM(5, 7, 10**6)
    check("a network of a million layers refuses a state dict", min(seconds(refuse) for _ in range(3)), 0.1)


check_import()
check_first_call()
check_denormals()
check_refusal()
