"""What a program feels that calls one network: gatecell beside the libraries that run the same one.

    python bench/latency.py [--case lstm,B=1,T=1,H=128] [--threads 1] [--contestants gatecell,torch]

Loading and the first call; a call alone and beside a busy Python thread; several Python threads on one network; import,
memory and disk. Each contestant is measured after the other, in processes of its own; keeps all as JSON.
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
from suite.footprint import import_seconds, installed_bytes, required
from suite.latency_tables import failures, report
from suite.options import add_contestants, add_threads, case, end
from suite.processes import Process, ProcessError
from suite.record import default_path, describe_run, write_json
from suite.tables import counted

LOADS = 3  # processes that load the network; the last one goes on
ALONE = {"seconds": 2, "calls": 10_000, "limit": 12}  # see `sample` in suite/sampling.py
BESIDE = ALONE | {"limit": 20}  # a library that gives up the interpreter's lock may wait 5 ms for it in every call
CALLERS = (1, 2, 4)  # Python threads
CALLERS_SECONDS = 2
REQUEST_LIMIT = 300  # seconds


class MissingError(Exception):
    """No figures, and why; `failed` unless the library has nothing for the case."""

    def __init__(self, why: str, failed: bool = True) -> None:
        super().__init__(why)
        self.failed = failed


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    example = "lstm,B=1,T=1,H=128"
    parser.add_argument("--case", type=case, default=example, help=f"the network and its input (default {example})")
    add_threads(parser)
    add_contestants(parser)
    parser.add_argument("--output", type=Path, help="JSON file (default bench/results/latency-<date>.json)")
    return parser.parse_args()


def ask(process: Process, **request: Any) -> dict[str, Any]:
    """Raises MissingError."""
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
        distributions = required(distribution)
        return {"installed_bytes": installed_bytes(distributions), "distributions": sorted(distributions)}
    except (PackageNotFoundError, FileNotFoundError) as error:
        return {"size_unknown": str(error)}


def measure(name: str, case: Case, threads: int, entry: dict[str, Any]) -> None:
    """Adds to `entry`, which keeps what there is when a MissingError ends it."""

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
            progress("beside a busy Python thread")
            entry["beside"] = ask(process, beside=BESIDE)
            entry["callers"] = {}
            for count in CALLERS:
                progress(f"called by {counted(count, 'Python thread')}")
                entry["callers"][str(count)] = ask(process, callers=count, seconds=CALLERS_SECONDS)


def main() -> int:
    options = parse()
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
        write_json(path, run)  # after every contestant: a run that is stopped keeps what it has
    print(report(run), f"Kept in {path}", sep="\n\n")
    for failure in failures(run):
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures(run) else 0


if __name__ == "__main__":
    end(main)
