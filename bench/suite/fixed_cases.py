"""Runs fixed contestants over fixed cases. Programs such as ragged.py and streams.py make their tables from the run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from contestants import CONTESTANTS
from suite.cases import Case
from suite.options import add_turns
from suite.other_load import OtherLoad
from suite.processes import Process
from suite.record import default_path, describe_run, write_json
from suite.results import Run
from suite.rounds import ContestantProcesses
from suite.tables import notes


def measure_cases(
    start: dict[str, Callable[[], Process]],
    reference: str,
    cases: Sequence[str],
    options: argparse.Namespace,
    run: dict[str, Any],
    path: Path,
) -> None:
    """Measures the cases and adds the results to `run`. `start` and `reference` are those of ContestantProcesses."""
    with closing(ContestantProcesses(start, reference=reference)) as contestants:
        other_load = OtherLoad(contestants.pids)
        for case in cases:
            print(case, file=sys.stderr, flush=True)
            entries = contestants.measure(Case.parse(case), options.rounds, options.budget, options.time_limit)
            run["cases"].append({"case": case, "contestants": entries})
            run["busy_cpus"].append(round(other_load.busy_cpus(), 2))
            write_json(path, run)  # after each case, so that an interrupted run keeps its results


def run_fixed_cases(
    about: str, cases: Sequence[str], names: Sequence[str], table: Callable[[Run], str], threads: int = 1
) -> int:
    """Reads the command line, measures, prints the table and writes the JSON file. Returns the exit status.

    The first paragraph of `about` is the description in --help. `names` are the contestants; `table` formats the run.
    """
    parser = argparse.ArgumentParser(description=about.split("\n\n")[0])
    add_turns(parser, threads)
    program = Path(parser.prog).stem
    parser.add_argument("--output", type=Path, help=f"JSON file (default bench/results/{program}-<date>.json)")
    options = parser.parse_args()
    path = options.output or default_path(program)
    run: dict[str, Any] = {"program": program, **describe_run()}
    run |= {"threads": options.threads, "rounds": options.rounds, "budget": options.budget}
    run |= {"contestants": {name: CONTESTANTS[name].version() for name in names}}
    run |= {"planned": len(cases), "busy_cpus": [], "cases": []}
    write_json(path, run)
    start = {name: partial(Process, name, options.threads) for name in names}
    measure_cases(start, "torch", cases, options, run, path)
    print("\n\n".join([table(Run(run)), *notes(Run(run)), f"Kept in {path}"]))
    for failure in Run(run).failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if Run(run).failures else 0
