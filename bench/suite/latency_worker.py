"""One contestant in a process of its own, as a program feels it that calls one network; driven by latency.py.

    python -m suite.latency_worker NAME THREADS

{"load": case}      makes the network, calls once; answers {"load_seconds", "first_call_seconds", "baseline_bytes",
                    "resident_bytes"} (resident memory before and after), or {"unsupported": why}
{"alone": limits}   calls; answers {"calls": how many, "p50": seconds, "p99", "p99.9", "max"}; limits as in `sample`
{"beside": limits}  the same while another Python thread is busy
{"callers": n, "seconds": s}  n Python threads call for s seconds; answers the same and "calls_per_second" of all
An exception is answered as {"error": text}.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS, Built, UnsupportedError
from suite.cases import Case, make_input, make_weights
from suite.sampling import clock, percentiles, sample
from suite.serve import serve


def resident_bytes() -> int:
    """Without what malloc keeps: most of that is left from making the weights, which a user does not do."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


class Worker:
    def __init__(self, name: str, threads: int) -> None:
        self.contestant = CONTESTANTS[name]
        self.threads = threads
        self.built: Built | None = None

    def load(self, case: Case) -> dict[str, Any]:
        model, inputs = self.contestant.prepare(case, make_weights(case)), make_input(case)
        baseline = resident_bytes()
        cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(cpus)[: self.threads])  # for a library that counts CPUs, whatever it is told
        self.contestant.import_library()  # its time is another figure
        start = clock()
        self.built = self.contestant.build(case, model, inputs, self.threads)
        built = clock()
        self.built.call()
        called = clock()
        for thread in os.listdir("/proc/self/task"):  # nobody pins a process that does other work as well
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread), cpus)
        seconds = {"load_seconds": built - start, "first_call_seconds": called - built}
        return {**seconds, "baseline_bytes": baseline, "resident_bytes": resident_bytes()}

    def alone(self, limits: dict[str, Any]) -> dict[str, Any]:
        assert self.built
        samples = sample(self.built.call, **limits)
        return {"calls": len(samples), **percentiles(samples)}

    def beside(self, limits: dict[str, Any]) -> dict[str, Any]:
        """The other thread never waits: only the interpreter takes the lock from it, every 5 ms."""
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                sum(number for number in range(1000))

        busy = threading.Thread(target=work)
        busy.start()
        try:
            return self.alone(limits)
        finally:
            stop.set()
            busy.join()

    def callers(self, count: int, seconds: float) -> dict[str, Any]:
        assert self.built
        call = self.built.call
        start = threading.Barrier(count, timeout=600)  # a thread whose call fails never comes

        def work(_: int) -> list[float]:
            call()
            start.wait()
            return sample(call, seconds)

        with ThreadPoolExecutor(count) as pool:
            results = list(pool.map(work, range(count)))
        samples = [one for result in results for one in result]
        rate = sum(len(result) / sum(result) for result in results)
        return {"calls": len(samples), "calls_per_second": rate, **percentiles(samples)}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "load" in request:
            try:
                return self.load(Case.parse(request["load"]))
            except UnsupportedError as why:
                return {"unsupported": str(why)}
        if "alone" in request:
            return self.alone(request["alone"])
        if "beside" in request:
            return self.beside(request["beside"])
        return self.callers(request["callers"], request["seconds"])


if __name__ == "__main__":
    serve(Worker(sys.argv[1], int(sys.argv[2])).answer)
