"""The command line of the programs that time cases."""

from __future__ import annotations

import argparse
import os

from contestants import CONTESTANTS, ON_REQUEST
from suite.cases import GRIDS, Case


def case(text: str) -> Case:
    try:
        return Case.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_measuring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cases", nargs="*", type=case, metavar="case", help="such as gru,B=8,T=100,H=256")
    parser.add_argument("--grid", choices=GRIDS, help="a named list of cases (default quick, unless cases are given)")
    add_threads(parser)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contestant per case (default 7)")
    parser.add_argument("--budget", type=float, default=0.15, help="seconds of a turn (default 0.15)")
    parser.add_argument(
        "--time-limit", type=float, default=120, help="seconds a build or a turn may take (default 120)"
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", default="1", help="1 (pinned to one CPU), a number, or all (default 1)")


def add_contestants(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--contestants",
        nargs="+",
        choices=CONTESTANTS,
        metavar="NAME",
        default=[name for name in CONTESTANTS if name not in ON_REQUEST],
        help=f"of {', '.join(CONTESTANTS)} (default all but {' and '.join(ON_REQUEST)})",
    )


def chosen_cases(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[Case]:
    if options.rounds < 1 or options.budget < 0 or options.time_limit <= 0:
        parser.error("--rounds is at least 1, --budget not negative and --time-limit positive")
    grid = options.grid or (None if options.cases else "quick")
    return [*options.cases, *map(Case.parse, GRIDS[grid] if grid else [])]


def chosen_threads(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    cpus = len(os.sched_getaffinity(0))
    text = str(cpus) if options.threads == "all" else options.threads
    if not text.isdigit() or not 1 <= int(text) <= cpus:
        parser.error(f"--threads is all or 1 to {cpus}, the CPUs this process may use; not {options.threads!r}")
    return int(text)
