"""One contestant in a process of its own, driven by compare.py with one line of JSON per request.

{"build": case, "file": path of the arrays} gives {"file": path of y};
{"time": seconds} gives {"seconds": median of the calls, "calls": how many}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np

from contestants import CONTESTANTS, Run


def timed(run: Run, budget: float) -> dict[str, Any]:
    clock = time.perf_counter
    samples = []
    run()
    end = clock() + budget
    while not samples or clock() < end:
        start = clock()
        run()
        samples.append(clock() - start)
    return {"seconds": float(np.median(samples)), "calls": len(samples)}


def main(name: str, threads: int) -> None:
    if threads == 1:  # one CPU, the same for every contestant
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    run: Run | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if "build" in request:
            with np.load(request["file"]) as arrays:
                run = CONTESTANTS[name](request["build"], dict(arrays), threads)
            path = f"{request['file']}.{name}.npy"
            np.save(path, run())
            answer: dict[str, Any] = {"file": path}
        else:
            assert run is not None
            answer = timed(run, request["time"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
