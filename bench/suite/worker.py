"""Runs one contestant in a process of its own. Each request from `processes.py` is a line of JSON.

    python -m suite.worker NAME THREADS

{"build": case, "outputs": file}: builds the network and calls it once. If there is a file, writes the outputs to it, as
    .npz. Answers {"build_seconds", "first_call_seconds"}, or {"unsupported": reason}.
{"time": seconds}: calls the network once to warm up, then at least once and for this time.
    Answers {"seconds": median of a call, "calls": number of calls}, and "plan" if the network has one (see
    ReadyNetwork). The plan is made after the calls, because it may depend on what they have measured.
The answer to an exception is {"error": text}.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from contestants import CONTESTANTS, ReadyNetwork, UnsupportedError
from suite.arrays import make_input, make_weights
from suite.call_times import clock, time_calls
from suite.cases import Case
from suite.serve import serve


class Worker:
    def __init__(self, name: str, threads: int) -> None:
        self.contestant = CONTESTANTS[name]
        self.threads = threads
        self.built: ReadyNetwork | None = None

    def build(self, case: Case, outputs: str | None) -> dict[str, Any]:
        self.built = None  # frees the last network first, so that two networks never share the caches
        if not self.contestant.installed:
            return {"unsupported": "not installed"}
        inputs = make_input(case)
        try:
            model = self.contestant.prepare(case, make_weights(case))
            self.contestant.import_library()  # before the clock starts
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
        samples = time_calls(self.built.call, budget)
        plan = {"plan": self.built.plan()} if self.built.plan else {}
        return {"seconds": float(np.median(samples)), "calls": len(samples), **plan}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "build" in request:
            return self.build(Case.parse(request["build"]), request.get("outputs"))
        return self.time(request["time"])


if __name__ == "__main__":
    threads = int(sys.argv[2])
    # The process may use one CPU for each thread, the same for every contestant. Libraries read this when they load.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    serve(Worker(sys.argv[1], threads).answer)
