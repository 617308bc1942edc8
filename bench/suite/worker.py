"""One contestant in a process of its own, driven by `processes.py` with a line of JSON per request.

    python -m suite.worker NAME THREADS

{"build": case, "outputs": file}: builds, calls once and, if a file is named, writes what `read` gives as .npz.
    Answers {"build_seconds", "first_call_seconds"}, or {"unsupported": why}.
{"time": seconds}: calls for so long, at least once, after one call to warm up.
    Answers {"seconds": median of a call, "calls": how many}.
An exception is answered as {"error": text}.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from contestants import CONTESTANTS, Built, UnsupportedError
from suite.cases import Case, make_input, make_weights
from suite.sampling import clock, sample
from suite.serve import serve


class Worker:
    def __init__(self, name: str, threads: int) -> None:
        self.contestant = CONTESTANTS[name]
        self.threads = threads
        self.built: Built | None = None

    def build(self, case: Case, outputs: str | None) -> dict[str, Any]:
        self.built = None  # the last network goes first: two would share the caches
        if not self.contestant.installed:
            return {"unsupported": "not installed"}
        inputs = make_input(case)
        try:
            model = self.contestant.prepare(case, make_weights(case))
            self.contestant.import_library()  # which is no part of building
            start = clock()
            self.built = self.contestant.build(case, model, inputs, self.threads)
        except UnsupportedError as why:
            return {"unsupported": str(why)}
        built = clock()
        result = self.built.call()
        called = clock()
        if outputs:
            np.savez(outputs, *self.built.read(result))
        return {"build_seconds": built - start, "first_call_seconds": called - built}

    def time(self, budget: float) -> dict[str, Any]:
        assert self.built
        self.built.call()
        samples = sample(self.built.call, budget)
        return {"seconds": float(np.median(samples)), "calls": len(samples)}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "build" in request:
            return self.build(Case.parse(request["build"]), request.get("outputs"))
        return self.time(request["time"])


if __name__ == "__main__":
    threads = int(sys.argv[2])
    # As many CPUs as threads, the same for every contestant, before a library counts them.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    serve(Worker(sys.argv[1], threads).answer)
