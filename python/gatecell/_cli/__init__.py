"""The command line, `gatecell COMMAND ...` or `python -m gatecell COMMAND ...`.

Each module here without a leading underscore is a command. It has:

* HELP: str, one line of help;
* add_arguments(parser: argparse.ArgumentParser) -> None, which adds its arguments, except --json, which all have;
* execute(arguments: argparse.Namespace) -> int, which runs it and returns the exit code.

The help imports all commands, so they import slow modules only when they run. With `arguments.json` a command prints
one JSON object and nothing else (_output.print_json). A command raises one of _outcome.ERRORS for every error.
_outcome.py lists the exit codes; one more is 2, for a command line that is not understood.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any

from ._outcome import outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line, by default that of sys.argv. Returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    return outcome(lambda: _run(words), " ".join(["gatecell", *words[:1]]))


def _run(words: list[str]) -> int:
    names = _commands()
    known = bool(words) and words[0] in names
    parser = _parser(words[:1] if known else names)
    try:
        if words and not known and not words[0].startswith("-"):
            expected = f"expected a command ({', '.join(names)}), got {words[0]!r}"
            parser.error(f"{expected}; to see what a file holds: gatecell info FILE")
        arguments = parser.parse_args(words)
    except SystemExit as done:  # argparse has printed the help or a usage error
        return int(done.code or 0)
    if arguments.version:
        from . import _version

        return _version.execute(arguments)
    if not arguments.command:
        parser.print_help()
        return 2
    return int(arguments.execute(arguments))


def _commands() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]


def _parser(names: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "gatecell",
        description="Trained LSTM, GRU and RNN networks on CPUs.",
        epilog="The arguments of a command: gatecell COMMAND --help",
    )
    parser.add_argument("--version", action="store_true", help="show the version and the build")
    _add_json(parser, False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in names:
        command: Any = importlib.import_module(f"{__name__}.{name}")
        own = commands.add_parser(name, help=command.HELP, description=command.HELP)
        own.set_defaults(execute=command.execute)
        command.add_arguments(own)
        _add_json(own, argparse.SUPPRESS)  # keeps --json if it stands before the command
    return parser


def _add_json(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("--json", action="store_true", default=default, help="print one JSON object")
