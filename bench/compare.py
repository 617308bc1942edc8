"""Compares gatecell with other libraries that run the same networks with the same weights.

    python bench/compare.py [--grid std] [--threads 1] [case ...]

The outputs are compared first; then the libraries are timed in turns. A case looks like `lstm,B=8,T=100,H=256`
(suite/cases.py describes all words). Prints the median time of a whole Python call, its share of the machine's limit
(suite/limits.py), the ratio of gatecell's own forecast to its time, and the ratio of the fastest peer's time to
gatecell's. The results go to a JSON file.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from contestants import CAPS, CONTESTANTS
from suite.limits import predict
from suite.machine import Machine
from suite.options import add_contestants, add_measuring, chosen_cases, exit_with
from suite.other_load import OtherLoad
from suite.processes import Process
from suite.record import default_path, describe_run, write_json
from suite.results import LARGEST_DRIFT, OURS, CaseResult, Run
from suite.rounds import ContestantProcesses
from suite.tables import comparison, duration, summary

NOT_VALID = 3  # exit status if the speed of the machine changed during the run


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add_measuring(parser)
    add_contestants(parser)
    parser.add_argument(
        "--isa", choices=CAPS, help="keep gatecell, the limits and the libraries that allow it to this instruction set"
    )
    parser.add_argument("--output", type=Path, help="JSON file (default bench/results/compare-<date>.json)")
    options = parser.parse_args()
    options.cases = chosen_cases(options)
    return options


def progress(run: dict[str, Any], started: float) -> str:
    done, total, result = len(run["cases"]), run["planned"], CaseResult(run["cases"][-1])
    times = "  ".join(f"{CONTESTANTS[name].title} {duration(result.seconds(name).median)}" for name in result.timed)
    left = (time.monotonic() - started) / done * (total - done) / 60
    return f"[{done:2}/{total}, about {left:.0f} min left] {result.case}: {times}"


def fma_reading(machine: Machine, threads: int, earlier: list[float]) -> float:
    """The machine's FMA rate now. A low rate is measured up to two more times, because its cause may be short."""
    rate = machine.fma(threads)["float32"]
    for _ in range(2):
        if not earlier or rate >= (1 - LARGEST_DRIFT) * median(earlier):
            break
        time.sleep(0.5)
        rate = max(rate, machine.fma(threads)["float32"])
    return rate


def measure(
    options: argparse.Namespace, contestants: ContestantProcesses, machine: Machine, run: dict[str, Any]
) -> Iterator[None]:
    """Measures all cases and adds the results to `run`. Yields after each case."""
    print("measuring the machine's limits", file=sys.stderr, flush=True)
    run["limits"] = machine.measure(options.threads, options.cases)
    run["fma_readings"].append(run["limits"]["fma"]["float32"])
    other_load = OtherLoad(contestants.pids)
    for case in options.cases:
        entries = contestants.measure(case, options.rounds, options.budget, options.time_limit)
        best = predict(case, run["limits"])
        limit = {"seconds": best.seconds, **vars(best)}
        run["cases"].append({"case": str(case), "limit": limit, "contestants": entries})
        run["busy_cpus"].append(round(other_load.busy_cpus(), 2))
        run["fma_readings"].append(fma_reading(machine, options.threads, run["fma_readings"]))
        other_load.busy_cpus()  # the next interval starts after this reading
        yield


def main() -> int:
    options = parse_options()
    path = options.output or default_path("compare")
    caps = {name: CONTESTANTS[name].cap(options.isa) for name in CONTESTANTS}
    run: dict[str, Any] = {"program": "compare", **describe_run(caps[OURS])}
    run |= {"threads": options.threads, "isa": options.isa, "rounds": options.rounds, "budget": options.budget}
    run |= {"contestants": {name: CONTESTANTS[name].version() for name in options.contestants}}
    run |= {"planned": len(options.cases), "fma_readings": [], "busy_cpus": [], "cases": []}
    write_json(path, run)
    started = time.monotonic()
    start = {name: partial(Process, name, options.threads, env=caps[name]) for name in options.contestants}
    try:
        with Machine(options.isa) as machine, closing(ContestantProcesses(start, reference="torch")) as contestants:
            for _ in measure(options, contestants, machine, run):
                write_json(path, run)  # after each case, so that an interrupted run keeps its results
                print(progress(run, started), file=sys.stderr, flush=True)
    except RuntimeError as error:
        raise SystemExit(str(error)) from None
    write_json(path, {**run, "minutes": round((time.monotonic() - started) / 60, 1)})
    print(comparison(Run(run)), summary(Run(run)), f"Kept in {path}", sep="\n\n")
    for failure in Run(run).failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if Run(run).failures else 0 if Run(run).valid else NOT_VALID


if __name__ == "__main__":
    exit_with(main)
