"""gatecell beside the libraries that run the same networks: same weights, outputs compared first, timed in turn.

    python bench/compare.py [--grid std] [--threads 1] [case ...]

A case reads `lstm,B=8,T=100,H=256` (suite/cases.py has the rest). Prints the median time of a whole Python call, its
share of what the machine could do (suite/limits.py), and how much longer the fastest peer takes; keeps all as JSON.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from contestants import CONTESTANTS
from suite.limits import Machine, predict
from suite.options import add_contestants, add_measuring, chosen_cases, chosen_threads
from suite.processes import Process
from suite.results import LARGEST_DRIFT, CaseResult, Run, busy_cpus, default_path, describe_run, write_json
from suite.rounds import Field
from suite.tables import comparison, duration, summary

NOT_VALID = 3  # exit status of a run in which the machine changed its speed


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add_measuring(parser)
    add_contestants(parser)
    parser.add_argument("--output", type=Path, help="JSON file (default bench/results/compare-<date>.json)")
    options = parser.parse_args()
    options.cases = chosen_cases(parser, options)
    options.threads = chosen_threads(parser, options)
    return options


def progress(done: int, total: int, started: float, result: CaseResult) -> str:
    times = "  ".join(f"{CONTESTANTS[n].title} {duration(result.seconds(n).median)}" for n in result.timed)
    left = (time.monotonic() - started) / done * (total - done) / 60
    return f"[{done:2}/{total}, about {left:.0f} min left] {result.case}: {times}"


def fma_reading(machine: Machine, earlier: list[float]) -> float:
    """The machine's speed now. One that is off may be a neighbour's hiccup, so it gets two more chances to recover."""
    rate = machine.fma(1)["float32"]
    for _ in range(2):
        if not earlier or rate >= (1 - LARGEST_DRIFT) * median(earlier):
            break
        time.sleep(0.5)
        rate = max(rate, machine.fma(1)["float32"])
    return rate


def main() -> int:
    options = parse()
    path = options.output or default_path("compare")
    versions = {name: CONTESTANTS[name].version() for name in options.contestants}
    absent = {name: {"missing": "not installed"} for name in versions if not CONTESTANTS[name].installed}
    start = {n: partial(Process, n, options.threads) for n in options.contestants if n not in absent}
    field = Field(start, reference="torch")
    run: dict[str, Any] = {"program": "compare", **describe_run(), "contestants": versions}
    run |= {"threads": options.threads, "rounds": options.rounds, "budget": options.budget}
    started = time.monotonic()
    with Machine() as machine:
        run |= {
            "limits": machine.measure(options.threads, options.cases),
            "fma_readings": [],
            "busy_cpus": [],
            "cases": [],
        }
        for case in options.cases:
            run["busy_cpus"].append(round(busy_cpus(), 2))
            run["fma_readings"].append(fma_reading(machine, run["fma_readings"]))
            entries = field.measure(case, options.rounds, options.budget, options.time_limit)
            best = predict(case, run["limits"])
            limit = {"seconds": best.seconds, **vars(best)}
            run["cases"].append({"case": str(case), "limit": limit, "contestants": {**entries, **absent}})
            write_json(path, run)  # after every case: a run that is stopped keeps what it has
            done = len(run["cases"])
            print(progress(done, len(options.cases), started, Run(run).cases[-1]), file=sys.stderr, flush=True)
        run["fma_readings"].append(fma_reading(machine, run["fma_readings"]))
    field.close()
    run["minutes"] = round((time.monotonic() - started) / 60, 1)
    write_json(path, run)
    print(comparison(Run(run)), summary(Run(run)), f"Kept in {path}", sep="\n\n")
    for failure in Run(run).failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if Run(run).failures else 0 if Run(run).valid else NOT_VALID


if __name__ == "__main__":
    sys.exit(main())
