"""Runs one contestant in a process of its own and times single calls; latency.py sends the requests.

    python -m suite.latency_worker NAME THREADS

{"load": case}                makes the network and calls it once. Answers {"load_seconds", "first_call_seconds",
                              "baseline_bytes", "resident_bytes"}, the last two being the resident memory before and
                              after; or {"unsupported": reason}
{"alone": limits}             calls the network. Answers {"calls": number, "p50": seconds, "p99", "p99.9", "max"};
                              `limits` are the arguments of `time_calls`
{"with_busy_thread": limits}  does the same while another Python thread is busy
{"callers": n, "seconds": s}  calls from n Python threads for s seconds. Answers the same, and "calls_per_second" of all
                              threads together
The answer to an exception is {"error": text}.
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

from contestants import CONTESTANTS, ReadyNetwork, UnsupportedError
from suite.arrays import make_input, make_weights
from suite.call_times import clock, percentiles, time_calls
from suite.cases import Case
from suite.serve import serve


def resident_bytes() -> int:
    """Resident memory after malloc has returned its free pages to the system.

    Most of those pages were used to make random weights, which a user's program does not do.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


class Worker:
    def __init__(self, name: str, threads: int) -> None:
        self.contestant = CONTESTANTS[name]
        self.threads = threads
        self.built: ReadyNetwork | None = None

    def load(self, case: Case) -> dict[str, Any]:
        model, inputs = self.contestant.prepare(case, make_weights(case)), make_input(case)
        baseline = resident_bytes()
        cpus = os.sched_getaffinity(0)
        # Some libraries make one thread for each CPU in the affinity mask and ignore the number that they get.
        os.sched_setaffinity(0, sorted(cpus)[: self.threads])
        self.contestant.import_library()  # the time of the import is measured elsewhere
        start = clock()
        self.built = self.contestant.build(case, model, inputs, self.threads)
        built = clock()
        self.built.call()
        called = clock()
        for thread in os.listdir("/proc/self/task"):  # a process that also does other work is usually not pinned
            with suppress(ProcessLookupError):  # the thread has ended since the folder was listed
                os.sched_setaffinity(int(thread), cpus)
        seconds = {"load_seconds": built - start, "first_call_seconds": called - built}
        return {**seconds, "baseline_bytes": baseline, "resident_bytes": resident_bytes()}

    def alone(self, limits: dict[str, Any]) -> dict[str, Any]:
        assert self.built
        samples = time_calls(self.built.call, **limits)
        return {"calls": len(samples), **percentiles(samples)}

    def with_busy_thread(self, limits: dict[str, Any]) -> dict[str, Any]:
        """The other thread never waits, so it holds the interpreter's lock until Python takes it away, after 5 ms."""
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
        start = threading.Barrier(count, timeout=600)  # a thread never arrives if its call fails

        def work(_: int) -> list[float]:
            call()
            start.wait()
            return time_calls(call, seconds)

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
        if "with_busy_thread" in request:
            return self.with_busy_thread(request["with_busy_thread"])
        return self.callers(request["callers"], request["seconds"])


if __name__ == "__main__":
    serve(Worker(sys.argv[1], int(sys.argv[2])).answer)
