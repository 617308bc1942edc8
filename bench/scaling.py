"""Times gatecell on 1, 2, 4, ... threads, with cases for every way in which its plans split a call.

    python bench/scaling.py [--threads all]

Prints for each case and number of threads what the plan splits, the time, the time on one thread divided by it, and the
same ratio of the plan's forecasts. Writes the results to a JSON file, and a plot of the ratios to a PNG file beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median, mode
from typing import Any

from suite.fixed_cases import measure_cases
from suite.options import add_turns, exit_with
from suite.processes import Process
from suite.record import default_path, describe_run, write_json
from suite.results import CaseResult, Run
from suite.tables import duration, not_quiet, pluralize, ratio, table

# What a plan splits depends on the machine; the table says what it was. The comments have what it should be with 2
# threads and with more, on a Zen 4 or Zen 5, if the round trip between two cores is about 100 ns.
CASES = (
    "lstm,B=1,T=1,H=64",  # nothing
    "lstm,B=8,T=100,H=64",  # rows
    "lstm,B=1,T=100,H=256",  # hidden units
    "lstm,B=1,T=100,H=64,layers=4",  # layers
    "lstm,B=1,T=100,H=128,bidirectional",  # directions; with 4 also hidden units
    "lstm,B=4,T=100,H=128",  # rows; with 4 also hidden units
    "lstm,B=4,T=100,H=64,bidirectional",  # rows; with 4 also directions
    "lstm,B=32,T=100,H=256",  # rows, or hidden units; with 8 both
)
ONE = "1"  # the results have an entry for each number of threads, by its text


def thread_counts(most: int) -> list[int]:
    """The powers of 2 below `most`, and `most`."""
    return [*(1 << n for n in range(most.bit_length()) if 1 << n < most), most]


def split(result: CaseResult, threads: str) -> str:
    """What the plans of most turns split, for example "rows 2 x hidden units 4"."""
    plans = result.raw["contestants"][threads]["plans"]
    return mode(" x ".join(f"{name} {count}" for name, count in plan["parts"].items()) or "nothing" for plan in plans)


def forecast(result: CaseResult, threads: str) -> float:
    """The median over the turns of the plan's predicted seconds."""
    return median(plan["seconds"] for plan in result.raw["contestants"][threads]["plans"])


def table_rows(result: CaseResult) -> list[list[str]]:
    """Lines of the table: case, threads, what is split, time, speed-up over one thread, and that of the forecasts."""
    rows = []
    for threads in result.raw["contestants"]:
        if threads not in result.timed:
            rows.append([str(result.case), threads, result.why_not(threads) or "-", "-", "-", "-"])
            continue
        faster = f"{forecast(result, ONE) / forecast(result, threads):.2f}" if ONE in result.timed else "-"
        time = duration(result.seconds(threads).median)
        rows.append([str(result.case), threads, split(result, threads), time, ratio(result, ONE, threads), faster])
    return rows


def save_plot(results: Sequence[CaseResult], path: Path) -> None:
    from suite.scaling_plot import draw  # not at the top: the tests run without Matplotlib

    draw(results).savefig(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    add_turns(parser, threads=len(os.sched_getaffinity(0)))
    parser.add_argument("--output", type=Path, help="JSON file (default bench/results/scaling-<date>.json)")
    options = parser.parse_args()
    path = options.output or default_path("scaling")
    counts = thread_counts(options.threads)
    run: dict[str, Any] = {"program": "scaling", **describe_run(), "threads": counts}
    run |= {"rounds": options.rounds, "budget": options.budget, "busy_cpus": [], "cases": []}
    write_json(path, run)
    start = {str(count): partial(Process, "gatecell", count) for count in counts}
    measure_cases(start, ONE, CASES, options, run, path)
    results = Run(run)
    cases = [CaseResult(raw) for raw in run["cases"]]
    headers = ["case", "threads", "split", "time", "1 thread / time", "forecast"]
    print(table([row for case in cases for row in table_rows(case)], headers), *not_quiet(results), sep="\n\n")
    save_plot(cases, path.with_suffix(".png"))
    print(f"\nKept in {path} and {path.with_suffix('.png')}")
    failures = [
        f"{case.case}: {pluralize(int(threads), 'thread')}: {why}"
        for case in cases
        for threads in case.raw["contestants"]
        if (why := case.why_not(threads))
    ]
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    exit_with(main)
