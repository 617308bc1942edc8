"""One contestant in a process of its own, driven by `processes.py` with a line of JSON per request.

    python worker.py NAME THREADS

{"build": case, "outputs": file}: builds, calls once and writes what `read` gives as .npz.
    Answers {"build_seconds", "first_call_seconds"}, or {"unsupported": why}.
{"time": seconds}: calls for so long, at least once, after one call to warm up.
    Answers {"seconds": median of a call, "calls": how many}.
An exception is answered as {"error": text}.
"""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.remove(str(Path(__file__).parent))

from contestants import CONTESTANTS, Built, UnsupportedError
from suite.cases import Case, make_input, make_weights
from suite.serve import serve

clock = time.perf_counter


class Worker:
    def __init__(self, name: str, threads: int) -> None:
        self.contestant = CONTESTANTS[name]
        self.threads = threads
        self.built: Built | None = None

    def build(self, case: Case, outputs: str) -> dict[str, Any]:
        self.built = None  # the last network goes first: two would share the caches
        weights, inputs = make_weights(case), make_input(case)
        import_module(f"contestants.{self.contestant.module}")  # the library's import is not part of building
        start = clock()
        try:
            self.built = self.contestant.build(case, weights, inputs, self.threads)
        except UnsupportedError as why:
            return {"unsupported": str(why)}
        built = clock()
        result = self.built.call()
        called = clock()
        np.savez(outputs, *self.built.read(result))
        return {"build_seconds": built - start, "first_call_seconds": called - built}

    def time(self, budget: float) -> dict[str, Any]:
        assert self.built
        call = self.built.call
        call()
        samples = []
        end = clock() + budget
        while not samples or clock() < end:
            start = clock()
            call()
            samples.append(clock() - start)
        return {"seconds": float(np.median(samples)), "calls": len(samples)}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "build" in request:
            return self.build(Case.parse(request["build"]), request["outputs"])
        return self.time(request["time"])


def main(name: str, threads: int) -> None:
    if threads == 1:  # one CPU, the same for every contestant, before a library counts them
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    serve(Worker(name, threads).answer)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
