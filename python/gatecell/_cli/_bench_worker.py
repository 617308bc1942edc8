"""A side of `gatecell bench` in a process of its own: the idle threads of one library would disturb the other.

What it is told to make is kept for the turns that follow.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import gatecell
from gatecell import FoundLayer

from . import _networks, _reference
from ._sizes import Floats

_calls: list[Callable[[], Any]] = []


class Task(NamedTuple):
    path: Path
    layer: FoundLayer
    steps: int
    rows: int
    threads: int


def make(library: str, task: Task) -> _reference.Outputs:
    """The network in this library, from the file; the outputs for standard normal input. Raises ImportError."""
    weights = gatecell.load(task.path, prefix=task.layer.prefix)
    net = _networks.network(task.layer, weights, batch_first=False, num_threads=task.threads)
    x = np.random.default_rng(0).standard_normal((task.steps, task.rows, net.input_size)).astype(net.dtype)
    _calls[:] = [_torch_call(net, x) if library == "torch" else lambda: net(x)]
    return _reference.named(*_calls[0]())


class Turn(NamedTuple):
    seconds: float  # the median of its calls
    share: float  # of its time for which the process had a CPU; with more threads it may be more than 1


def turn(seconds: float) -> Turn:
    """Calls for so long, at least one."""
    times: list[float] = []
    begin, used = time.perf_counter(), time.process_time()
    while not times or time.perf_counter() < begin + seconds:
        start = time.perf_counter()
        _calls[0]()
        times.append(time.perf_counter() - start)
    return Turn(statistics.median(times), (time.process_time() - used) / (time.perf_counter() - begin))


def _torch_call(net: Any, x: Floats) -> Callable[[], Any]:
    import torch

    warnings.simplefilter("ignore")  # of its speed
    torch.set_num_threads(net.num_threads)
    module, tensor = _reference.torch_layer(net, net.state_dict(), str(net.dtype)), torch.from_numpy(x)

    def call() -> Any:
        with torch.inference_mode():
            return module(tensor)

    return call
