"""Runs one library of `gatecell bench` in its own process, because idle threads of one library would slow the other.

`make` creates the network once and keeps it for the calls of `turn`.
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
from ._networks import Floats

_calls: list[Callable[[], Any]] = []


class Task(NamedTuple):
    """The layer to time, the file it is in, and the shape of the calls."""

    path: Path
    layer: FoundLayer
    steps: int
    rows: int
    threads: int


def make(library: str, task: Task) -> _reference.Outputs:
    """Creates the network in this library from the file. Returns its output arrays for an input drawn from N(0, 1).

    Raises ImportError if the library cannot be imported.
    """
    weights = gatecell.load(task.path, prefix=task.layer.prefix)
    net = _networks.load_network(task.layer, weights, batch_first=False, num_threads=task.threads)
    x = np.random.default_rng(0).standard_normal((task.steps, task.rows, net.input_size)).astype(net.dtype)
    _calls[:] = [_torch_call(net, x) if library == "torch" else lambda: net(x)]
    return _reference.outputs_by_name(*_calls[0]())


class Turn(NamedTuple):
    """The result of consecutive calls of one library."""

    seconds: float  # the median time of a call
    cpu_share: float  # processor time divided by elapsed time; with several threads it may be above 1


def turn(seconds: float) -> Turn:
    """Calls the network for this time, at least once."""
    times: list[float] = []
    begin, used = time.perf_counter(), time.process_time()
    while not times or time.perf_counter() < begin + seconds:
        start = time.perf_counter()
        _calls[0]()
        times.append(time.perf_counter() - start)
    return Turn(statistics.median(times), (time.process_time() - used) / (time.perf_counter() - begin))


def _torch_call(net: Any, x: Floats) -> Callable[[], Any]:
    import torch

    warnings.simplefilter("ignore")  # PyTorch warns about slow options
    torch.set_num_threads(net.num_threads)
    module, tensor = _reference.torch_layer(net, net.state_dict(), str(net.dtype)), torch.from_numpy(x)

    def call() -> Any:
        with torch.inference_mode():
            return module(tensor)

    return call
