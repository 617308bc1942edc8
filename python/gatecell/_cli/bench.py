"""`gatecell bench`: times the layers of a file on this machine, beside PyTorch if that is installed."""

from __future__ import annotations

import argparse
import math
import multiprocessing
import signal
import statistics
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

import gatecell
from gatecell import FoundLayer

from . import _networks
from ._arguments import add_file, add_strict, add_threads, positive
from ._bench_worker import Task, Turn, make, turn
from ._output import counted, print_columns, print_json, printable
from ._reference import Outputs

HELP = "time the layers of a file, beside PyTorch if it is installed"
TURN = 0.05  # seconds: a turn of calls of one library, before the turn of the other
BUDGET = 1.0  # seconds: all turns of a layer
LEAST_TURNS = 3
SPREAD = 1.5  # the largest ratio of the slowest turn to the fastest if turns agree; see `is_settled`
CPU_SHARE = 0.9  # the smallest processor time, divided by elapsed time, of a turn that counts as undisturbed
UNSETTLED = (
    f"unsettled: without their slowest quarter the turns still spread by more than {SPREAD} times, or the process "
    f"had a CPU for under {CPU_SHARE} of their time, so neither a time nor a ratio is claimed"
)
# The largest difference of the libraries' outputs, divided by max(1, |y|), at which a layer is timed. A larger
# difference means that the libraries compute different networks, or that the network is chaotic: it amplifies rounding
# errors.
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_file(parser)
    add = parser.add_argument
    add("--prefix", metavar="P", default="", help="only the layers with names that start with P.")
    add("-T", metavar="N", dest="steps", type=positive, default=100, help="time steps of a call (default 100)")
    add("-B", metavar="N", dest="rows", type=positive, default=1, help="rows of the batch (default 1)")
    add_threads(parser)
    add_strict(parser)


def execute(arguments: argparse.Namespace) -> int:
    weights = gatecell.load(arguments.file, prefix=arguments.prefix)
    found = _networks.layers_of(arguments.file, weights)
    if arguments.strict:
        _networks.check_all(arguments.file, found, weights)
    steps, rows = arguments.steps, arguments.rows
    threads = _networks.empty_network(found[0], num_threads=arguments.threads).num_threads
    libraries = ["gatecell", *(["torch"] if find_spec("torch") else [])]
    with workers(libraries) as pools:
        layers = [measure(Task(arguments.file, layer, steps, rows, threads), pools) for layer in found]
    facts = {"file": str(arguments.file), "steps": steps, "rows": rows, "threads": threads, "layers": layers}
    if arguments.json:
        print_json(facts)
    else:
        show(facts)
    return 1 if any(layer["disagrees"] for layer in layers) else 0


@contextmanager
def workers(libraries: list[str]) -> Iterator[dict[str, ProcessPoolExecutor]]:
    """A process for each library. An interrupt ends the processes at once, even in a call that takes minutes."""
    pools = {
        library: ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_DFL)
        )
        for library in libraries
    }
    try:
        yield pools
    finally:
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)


def measure(task: Task, pools: Mapping[str, ProcessPoolExecutor]) -> dict[str, Any]:
    """Times a layer in alternating turns of the libraries. It times nothing if the libraries' outputs differ."""
    net = _networks.empty_network(task.layer)
    expected = pools["gatecell"].submit(make, "gatecell", task).result()
    missing, difference, disagrees = torch_missing(task.layer, pools), None, False
    if not missing:
        try:
            got = pools["torch"].submit(make, "torch", task).result()
        except ImportError as error:
            missing = f"torch cannot be imported: {error}"
        else:
            difference = largest_difference(expected, got)
            disagrees = not difference <= TOLERANCE[str(net.dtype)]
    names = ["gatecell", *([] if missing else ["torch"])]
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    end = time.monotonic() + BUDGET
    while not disagrees and (len(turns["gatecell"]) < LEAST_TURNS or time.monotonic() < end):
        for name in names:
            turns[name].append(pools[name].submit(turn, TURN).result())
    products = sum(math.prod(shape) for shape in net.spec.shapes().values() if len(shape) == 2)
    times = {name: summary(turns[name], task, products) if turns.get(name) else None for name in ("gatecell", "torch")}
    pairs = zip(turns["gatecell"], turns.get("torch", []), strict=False)
    ratios = [theirs.seconds / ours.seconds for ours, theirs in pairs]
    claimed = ratios and all(is_settled(of_one) for of_one in turns.values())
    return {
        "prefix": task.layer.prefix,
        "network": str(task.layer),
        "isa": net.isa,
        **times,
        "torch_missing": missing,
        "ratio": statistics.median(ratios) if claimed else None,
        "difference": difference if difference is None or math.isfinite(difference) else None,
        "disagrees": disagrees,
    }


def torch_missing(layer: FoundLayer, libraries: Collection[str]) -> str | None:
    """The reason why PyTorch cannot run the layer; None if it can."""
    if "torch" not in libraries:
        return "torch not installed"
    return "torch has no such cell" if _networks.own_options(layer) else None


def largest_difference(expected: Outputs, got: Outputs) -> float:
    """The largest difference of two outputs, divided by max(1, abs(expected)); NaN if there is a NaN."""
    differences = [np.abs(got[name] - array) / np.maximum(1, np.abs(array)) for name, array in expected.items()]
    return float(np.max([np.max(difference, initial=0) for difference in differences]))


def is_settled(turns: list[Turn]) -> bool:
    """Whether a library's turns agree, and the process had a CPU in them.

    The slowest quarter of the turns, at least one, is dropped. The others agree if the slowest takes at most SPREAD
    times as long as the fastest. Only slow turns are dropped, because a busy machine makes a turn slower, never faster:
    a slow turn may be an accident, but a fast turn shows that the others were disturbed. If both libraries are settled,
    at most a quarter of the ratios, taken turn by turn, are too large by accident and at most a quarter too small, so
    their median is right. If other programs take the CPU, all turns may be equally slow; then only the processor time
    shows it.
    """
    kept = sorted(turn.seconds for turn in turns)[: -max(1, len(turns) // 4)]
    return kept[-1] <= SPREAD * kept[0] and statistics.median(turn.cpu_share for turn in turns) >= CPU_SHARE


def summary(turns: list[Turn], task: Task, products: int) -> dict[str, float | bool | None]:
    """The times of one library. If the turns are not settled, all times but fastest and slowest are None.

    products: multiply-adds of a row in a step. Each counts as two operations.
    """
    times = [turn.seconds for turn in turns]
    agree, seconds = is_settled(turns), statistics.median(times)
    return {
        "settled": agree,
        "seconds": seconds if agree else None,
        "fastest": min(times),
        "slowest": max(times),
        "us_per_step": seconds / task.steps * 1e6 if agree else None,
        "gflops": 2e-9 * products * task.steps * task.rows / seconds if agree else None,
    }


def show(facts: Mapping[str, Any]) -> None:
    shape = f"T={facts['steps']}, B={facts['rows']}, {counted(facts['threads'], 'thread')}"
    print(f"{printable(facts['file'])}: {shape}; median of turns (fastest to slowest)")
    for layer in facts["layers"]:
        print(f"\n{printable(layer['prefix']) or repr('')}: {layer['network']}")
        if layer["disagrees"]:
            differ = "not finite" if layer["difference"] is None else f"{layer['difference']:.1e}"
            print(f"  FAILED: outputs differ from PyTorch's by {differ}, so nothing was timed")
            continue
        rows = [("gatecell", *time_cells(layer["gatecell"]), layer["isa"])]
        if layer["torch"]:
            ratio = "" if layer["ratio"] is None else f"takes {layer['ratio']:.2f} times as long"
            rows.append(("PyTorch", *time_cells(layer["torch"]), ratio))
        print_columns(rows, right=(1, 3, 4))
        if layer["torch_missing"]:
            print(f"  PyTorch   {layer['torch_missing']}")
        if not all(layer[name]["settled"] for name in ("gatecell", "torch") if layer[name]):
            print(f"  {UNSETTLED}")


def time_cells(times: Mapping[str, float]) -> tuple[str, ...]:
    """The cells of a library's line: median time, spread, time of a step, operations per second."""
    spread = f"({duration(times['fastest'])} to {duration(times['slowest'])})"
    if not times["settled"]:
        return "unsettled", spread, "", ""
    return (
        duration(times["seconds"]),
        spread,
        f"{times['us_per_step']:.3g} us per step",
        f"{times['gflops']:.3g} GFLOP/s",
    )


def duration(seconds: float) -> str:
    """A time with three digits, in s, ms or us."""
    unit, size = next(((unit, size) for unit, size in (("s", 1.0), ("ms", 1e-3)) if seconds >= size), ("us", 1e-6))
    return f"{seconds / size:#.3g}".rstrip(".") + f" {unit}"
