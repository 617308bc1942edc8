"""Measures the costs of a program that calls one network, with gatecell and with other libraries.

    python bench/latency.py [--case lstm,B=1,T=1,H=128] [--threads 1] [--contestants gatecell,torch]

It measures loading and the first call, calls alone and while another Python thread is busy, calls from several Python
threads to one network, import, memory and disk space. Contestants are measured one after the other, in processes of
their own. The results go to a JSON file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import closing
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS, Contestant
from suite.cases import Case
from suite.footprint import import_seconds, installed_bytes, required_distributions
from suite.latency_tables import failures, report
from suite.options import add_contestants, add_threads, exit_with, parse_case
from suite.processes import Process, ProcessError
from suite.record import default_path, describe_run, write_json
from suite.tables import pluralize

LOADS = 3  # processes that load the network; the last one makes all other measurements
ALONE = {"seconds": 2, "calls": 10_000, "limit": 12}  # arguments of `time_calls` in suite/call_times.py
WITH_BUSY_THREAD = ALONE | {"limit": 20}  # a library that releases the interpreter's lock may wait 5 ms for it per call
CALLERS = (1, 2, 4)  # numbers of Python threads that call the network
CALLERS_SECONDS = 2
REQUEST_LIMIT = 300  # seconds


class MissingError(Exception):
    """There are no figures; the message is the reason. `failed` is False if the library or the network is absent."""

    def __init__(self, why: str, failed: bool = True) -> None:
        super().__init__(why)
        self.failed = failed


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    example = "lstm,B=1,T=1,H=128"
    parser.add_argument(
        "--case", type=parse_case, default=example, help=f"the network and its input (default {example})"
    )
    add_threads(parser)
    add_contestants(parser)
    parser.add_argument("--output", type=Path, help="JSON file (default bench/results/latency-<date>.json)")
    return parser.parse_args()


def ask(process: Process, **request: Any) -> dict[str, Any]:
    """The worker's answer. Raises MissingError if it is not a result."""
    try:
        answer = process.ask(request, REQUEST_LIMIT)
    except ProcessError as error:
        raise MissingError(str(error)) from None
    if "unsupported" in answer:
        raise MissingError(answer["unsupported"], failed=False)
    if "error" in answer:
        raise MissingError(answer["error"])
    return answer


def measure_import(contestant: Contestant) -> dict[str, Any]:
    if not contestant.installed:
        raise MissingError("not installed", failed=False)
    try:
        return {"import_seconds": import_seconds(contestant.module)}
    except subprocess.CalledProcessError as error:
        raise MissingError(f"cannot be imported: {error.stderr.strip().splitlines()[-1]}") from None


def measure_disk(distribution: str) -> dict[str, Any]:
    try:
        distributions = required_distributions(distribution)
        return {"installed_bytes": installed_bytes(distributions), "distributions": sorted(distributions)}
    except (PackageNotFoundError, FileNotFoundError) as error:
        return {"size_unknown": str(error)}


def measure(name: str, case: Case, threads: int, entry: dict[str, Any]) -> None:
    """Adds all figures of a contestant to `entry`. If it raises MissingError, `entry` has the figures until then."""

    def progress(doing: str) -> None:
        print(f"{CONTESTANTS[name].title}: {doing}", file=sys.stderr, flush=True)

    progress("import, size")
    entry |= measure_import(CONTESTANTS[name])
    entry |= measure_disk(CONTESTANTS[name].distribution)
    progress("load, first call")
    for run in range(LOADS):
        with closing(Process(name, threads, "latency_worker")) as process:
            loaded = ask(process, load=str(case))
            entry["loads"] = [*entry.get("loads", []), loaded]
            if run < LOADS - 1:
                continue
            progress("alone")
            entry["alone"] = ask(process, alone=ALONE)
            progress("with a busy Python thread")
            entry["with_busy_thread"] = ask(process, with_busy_thread=WITH_BUSY_THREAD)
            entry["callers"] = {}
            for count in CALLERS:
                progress(f"called by {pluralize(count, 'Python thread')}")
                entry["callers"][str(count)] = ask(process, callers=count, seconds=CALLERS_SECONDS)


def main() -> int:
    options = parse_options()
    path = options.output or default_path("latency")
    run: dict[str, Any] = {
        "program": "latency",
        **describe_run(),
        "case": str(options.case),
        "threads": options.threads,
    }
    run |= {"callers": CALLERS, "contestants": {}}
    write_json(path, run)
    for name in options.contestants:
        entry: dict[str, Any] = {}
        run["contestants"][name] = entry
        try:
            measure(name, options.case, options.threads, entry)
        except MissingError as why:
            entry |= {"missing": str(why), "failed": why.failed}
        write_json(path, run)  # after each contestant, so that an interrupted run keeps its results
    print(report(run), f"Kept in {path}", sep="\n\n")
    for failure in failures(run):
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures(run) else 0


if __name__ == "__main__":
    exit_with(main)
