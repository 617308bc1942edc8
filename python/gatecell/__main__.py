"""`python -m gatecell demo`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (sys.argv by default); returns the exit code, 2 after the usage if there is no command."""
    parser = argparse.ArgumentParser(prog="python -m gatecell", description="Runs trained LSTM, GRU and RNN networks.")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("demo", help="run two trained networks and compare them with PyTorch's recorded outputs")
    if parser.parse_args(arguments).command is None:
        parser.print_help()
        return 2

    from gatecell import _demo

    return _demo.run()


if __name__ == "__main__":
    sys.exit(main())
