"""Command-line options that the programs share, and their exit."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from contestants import CONTESTANTS, ON_REQUEST
from suite.cases import Case
from suite.grids import GRIDS


def parse_case(text: str) -> Case:
    try:
        return Case.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_threads(text: str) -> int:
    cpus = len(os.sched_getaffinity(0))
    text = str(cpus) if text == "all" else text
    if not text.isdecimal() or not 1 <= int(text) <= cpus:
        raise argparse.ArgumentTypeError(f"{text!r} is neither all nor 1 to {cpus}, the CPUs this process may use")
    return int(text)


def parse_rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def parse_seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return value


def parse_contestants(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in CONTESTANTS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: expected some of {','.join(CONTESTANTS)}")
    return list(dict.fromkeys(names))


def add_measuring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cases", nargs="*", type=parse_case, metavar="case", help="for example gru,B=8,T=100,H=256")
    parser.add_argument("--grid", choices=GRIDS, help="a named list of cases (default quick if no case is given)")
    add_turns(parser)


def add_turns(parser: argparse.ArgumentParser, threads: int = 1) -> None:
    add_threads(parser, threads)
    parser.add_argument(
        "--rounds", type=parse_rounds, default=7, help="turns of a contestant for each case (default 7)"
    )
    parser.add_argument("--budget", type=parse_seconds, default=0.15, help="length of a turn in seconds (default 0.15)")
    parser.add_argument(
        "--time-limit", type=parse_seconds, default=120, help="seconds that a build or a turn may take (default 120)"
    )


def add_threads(parser: argparse.ArgumentParser, default: int = 1) -> None:
    about = f"number of threads of a network, or all (default {default})"
    parser.add_argument("--threads", type=parse_threads, default=default, help=about)


def add_contestants(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--contestants",
        type=parse_contestants,
        metavar="NAME,NAME",
        default=[name for name in CONTESTANTS if name not in ON_REQUEST],
        help=f"some of {','.join(CONTESTANTS)} (default: all except {','.join(ON_REQUEST)})",
    )


def chosen_cases(options: argparse.Namespace) -> list[Case]:
    grid = options.grid or (None if options.cases else "quick")
    return [*options.cases, *map(Case.parse, GRIDS[grid] if grid else [])]


def exit_with(main: Callable[[], int]) -> NoReturn:
    """Exits with the status that `main` returns. Ctrl-C exits with one line instead of a traceback."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
